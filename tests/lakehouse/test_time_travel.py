"""Tables as they were: AT in a query, and what is said where a version or time is not there."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse import diff, query, releases, time_travel
from recast.lakehouse.attach import attach
from recast.lakehouse.claims import Claim
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import take_down
from recast.lakehouse.time_travel import State
from recast.settings import UserError
from tests.lakehouse.lakes import PARSED, write_lake, write_table
from tests.lakehouse.whole_lake import doc_id_of, write_whole_lake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake whose parsed_code had rows a and d, and then a alone."""
    settings = write_lake(tmp_path / "a 'lake'")
    time.sleep(0.05)  # Delta counts milliseconds
    write_table(Path(settings.lake), "parsed_code", PARSED[:1])
    return settings


def keys(settings: Settings, statement: str) -> list[str]:
    return [row["doc_id"] for row in query.rows(settings, statement)]


def said(settings: Settings, statement: str) -> str:
    with pytest.raises(UserError) as refused:
        query.rows(settings, statement)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("FROM parsed_code", ["a"]),
        ("FROM parsed_code AT (VERSION => 1)", ["a"]),
        ("FROM parsed_code AT (VERSION => 0) ORDER BY doc_id", ["a", "d"]),
        ("SELECT doc_id FROM parsed_code AS p AT (VERSION => 0) WHERE NOT p.kept", ["d"]),
        ("SELECT parsed_code.doc_id FROM parsed_code at(version=>0) WHERE NOT parsed_code.kept", ["d"]),
        ("FROM PARSED_CODE AT (VERSION => 2 - 2) ORDER BY doc_id", ["a", "d"]),
        ("FROM parsed_code /* AT */ AT (TIMESTAMP => now() + INTERVAL 1 DAY)", ["a"]),
        (
            "WITH a AS (FROM parsed_code AT (VERSION => 0)) SELECT doc_id FROM a ANTI JOIN parsed_code USING (doc_id)",
            ["d"],
        ),
        (
            "SELECT doc_id FROM parsed_code AT (VERSION => 0) EXCEPT SELECT doc_id FROM parsed_code AT (VERSION => 1)",
            ["d"],
        ),
        ("SELECT 'AT (VERSION => 9)' AS doc_id", ["AT (VERSION => 9)"]),
        ("SELECT doc_id FROM styled_code AT (VERSION => 0)", []),
    ],
)
def test_a_query_reads_tables_as_they_were(settings: Settings, statement: str, expected: list[str]) -> None:
    assert keys(settings, statement) == expected


def test_a_time_leads_to_the_version_that_was_the_present_one(settings: Settings) -> None:
    commits = DeltaTable(query.table_uri(settings, "parsed_code")).history()
    second = datetime.fromtimestamp(commits[0]["timestamp"] / 1000, tz=UTC)
    before = (second - timedelta(milliseconds=1)).isoformat()
    assert keys(settings, f"FROM parsed_code AT (TIMESTAMP => '{before}') ORDER BY doc_id") == ["a", "d"]
    assert keys(settings, f"FROM parsed_code AT (TIMESTAMP => '{second.isoformat()}')") == ["a"]


def test_columns_are_those_of_that_version(settings: Settings) -> None:
    rows = pa.table({"doc_id": ["z"], "kept": [True], "later": [1]})
    write_deltalake(query.table_uri(settings, "parsed_code"), rows, mode="append", schema_mode="merge")
    assert "later" in query.rows(settings, "FROM parsed_code AT (VERSION => 2)")[0]
    assert "later" not in query.rows(settings, "FROM parsed_code AT (VERSION => 1)")[0]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("FROM parsed_code AT (VERSION => 2)", "its present version is 1"),
        ("FROM parsed_code AT (VERSION => -1)", "there is no parsed_code at version -1"),
        ("FROM parsed_code AT (VERSION => 'three')", "is given no version"),
        ("FROM parsed_code AT (VERSION => 99999999999999999999)", "is given no version"),
        ("FROM parsed_code AT (VERSION => NULL)", "is given no version"),
        ("FROM parsed_code AT (TIMESTAMP => 'today')", "is given no timestamp"),
        ("FROM parsed_code AT (TIMESTAMP => TIMESTAMPTZ 'infinity')", "is given no timestamp"),
        ("FROM parsed_code AT (TIMESTAMP => '2001-01-01')", "its log begins later"),
        ("FROM rejects AT (VERSION => 0)", "rejects has no versions"),
        ("FROM nothing AT (VERSION => 0)", "nothing has no versions"),
        ("FROM memory.parsed_code AT (VERSION => 0)", "parsed_code has no versions"),
        ("FROM raw_code AT (VERSION => 0)", "raw_code is not built"),
        ("EXPLAIN FROM parsed_code AT (VERSION => 0)", "works in a SELECT alone"),
        ("FROM parsed_code AT (VERSION => 0) nonsense nonsense", "Parser Error"),
        ("FROM parsed_code AT (EPOCH => 0)", "Parser Error"),
        ("FROM parsed_code AT (VERSION => (SELECT size FROM read_text('/etc/passwd')))", "disabled by configuration"),
        ("FROM parsed_code AT (VERSION => 0), read_text('/etc/passwd')", "disabled by configuration"),
        ("FROM parsed_code AT (VERSION => 0); SELECT 1", "only read here"),
        ("COPY (FROM parsed_code AT (VERSION => 0)) TO 'x.csv'", "only read here"),
    ],
)
def test_what_is_no_state_of_a_table_is_refused_in_one_line(settings: Settings, statement: str, words: str) -> None:
    assert words in said(settings, statement)


def test_a_version_whose_files_were_vacuumed_is_gone_and_the_present_one_is_not(settings: Settings) -> None:
    table = DeltaTable(query.table_uri(settings, "parsed_code"))
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert "as after a vacuum" in said(settings, "FROM parsed_code AT (VERSION => 0)")
    assert keys(settings, "FROM parsed_code") == ["a"]


def test_a_version_whose_log_is_gone_is_refused(settings: Settings) -> None:
    table = DeltaTable(query.table_uri(settings, "parsed_code"))
    table.create_checkpoint()
    Path(settings.lake, "parsed_code", "_delta_log", "00000000000000000000.json").unlink()
    assert "can no longer be read" in said(settings, "FROM parsed_code AT (VERSION => 0)")
    assert keys(settings, "FROM parsed_code AT (VERSION => 1)") == ["a"]


def test_a_table_that_arrow_reads_travels_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every table of a lake in an object store is."""
    monkeypatch.setattr(query, "is_local", lambda _: False)
    assert keys(settings, "FROM parsed_code AT (VERSION => 0) ORDER BY doc_id") == ["a", "d"]


@given(st.text())
def test_no_statement_makes_the_rewriting_fail(text: str) -> None:
    statement = f"{text} at"
    rewritten, states = time_travel.rewrite(statement)
    assert (rewritten, states) == (statement, {})


CLAIMS = {
    "a repository": Claim("repo", "gone/away"),
    "a blob": Claim("blob", doc_id_of("gone/away/secret.py")),
    "a page": Claim("url", "https://example.org/angles"),
    "a domain": Claim("domain", "example.org"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_what_was_taken_down_is_in_no_earlier_version_also_where_the_present_one_lacks_it(
    tmp_path: Path, case: str
) -> None:
    settings, claim = write_whole_lake(tmp_path / "lake"), CLAIMS[case]
    tables = ("published_math", "raw_math") if claim.kind in ("url", "domain") else ("published_code", "linted_code")
    held = "url = 'https://example.org/angles'" if claim.kind in ("url", "domain") else "repo_name = 'gone/away'"
    statement = "SELECT doc_id FROM {} AT (VERSION => 0) WHERE " + held
    assert all(keys(settings, statement.format(table)) for table in tables)
    releases.release(settings, "a", ("published_code", "published_math"))
    take_down(settings, [claim], "asked to")
    for table in tables:
        assert keys(settings, statement.format(table)) == []
    lake, asked = query.connect_for(
        settings, f"SELECT doc_id FROM {tables[0]} WHERE {held}", states=releases.states(settings, "a")
    )
    assert query.dictionaries(query.execute(lake, settings, asked)) == []
    found = diff.between(settings, State("published_math", 0), State("published_math", 1), 3)
    assert len(found.examples) == (0 if claim.kind in ("url", "domain") else 1)
    attach(settings, str(tmp_path / "lake.duckdb"))
    with duckdb.connect(str(tmp_path / "lake.duckdb"), read_only=True) as connection:
        assert connection.execute(f"SELECT doc_id FROM {tables[0]} WHERE {held}").fetchall() == []
