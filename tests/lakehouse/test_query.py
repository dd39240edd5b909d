"""SQL over the tables without a JVM: what is found, and what is said where nothing is."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse import query
from lakehouse.settings import Settings, UserError
from tests.lakehouse.lakes import DOCUMENTS, PARSED, write_lake, write_table


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_lake(tmp_path / "date=2026-03-01" / "a läke, with 'quotes'")


def test_every_built_table_can_be_queried_by_its_name(settings: Settings) -> None:
    assert query.rows(settings, "SELECT count(*) AS n FROM linted_code") == [{"n": len(DOCUMENTS)}]


def test_a_folder_above_the_lake_is_no_column(settings: Settings) -> None:
    assert "date" not in query.rows(settings, "SELECT * FROM linted_code")[0]


def test_rejects_are_the_rows_that_were_not_kept_over_all_tables(settings: Settings) -> None:
    found = query.rows(settings, "SELECT table_name, doc_id, reason FROM rejects ORDER BY ALL")
    assert found == [
        {"table_name": "linted_code", "doc_id": "b", "reason": "low_score"},
        {"table_name": "linted_code", "doc_id": "c", "reason": "low_score"},
        {"table_name": "parsed_code", "doc_id": "d", "reason": "python2"},
    ]


def test_a_table_without_rows_can_be_queried_too(settings: Settings) -> None:
    assert query.rows(settings, "SELECT count(*) AS n FROM styled_code") == [{"n": 0}]


def test_only_the_present_version_is_seen(settings: Settings) -> None:
    before = query.version(settings, "parsed_code")
    rows = pa.table({"doc_id": ["z"], "kept": [True], "reason": pa.array([None], pa.string())})
    rows = rows.append_column("run_id", pa.array(["run-2"])).append_column("written_at", pa.array([datetime.now(UTC)]))
    write_deltalake(query.table_uri(settings, "parsed_code"), rows, mode="overwrite", schema_mode="overwrite")
    assert query.rows(settings, "SELECT doc_id FROM parsed_code") == [{"doc_id": "z"}]
    assert before is not None
    assert query.version(settings, "parsed_code") == before + 1


def test_a_table_that_was_built_anew_is_another_one_though_its_version_is_the_same(settings: Settings) -> None:
    before = query.version(settings, "parsed_code"), query.state(settings, "parsed_code")
    shutil.rmtree(query.table_uri(settings, "parsed_code"))
    assert query.state(settings, "parsed_code") is None
    write_table(Path(settings.lake), "parsed_code", PARSED)
    assert query.version(settings, "parsed_code") == before[0]
    assert query.state(settings, "parsed_code") != before[1]


def test_a_column_that_came_later_is_null_in_older_rows(settings: Settings) -> None:
    rows = pa.table({"doc_id": ["z"], "kept": [True], "lint_score": [9.5], "statements": pa.array([3], pa.int32())})
    write_deltalake(query.table_uri(settings, "linted_code"), rows, mode="append", schema_mode="merge")
    found = query.rows(settings, "SELECT doc_id, statements FROM linted_code ORDER BY statements NULLS LAST, doc_id")
    assert found[:2] == [{"doc_id": "z", "statements": 3}, {"doc_id": "a", "statements": None}]


def test_the_last_run_is_the_one_that_started_last(settings: Settings) -> None:
    last = query.last_run(settings, "linted_code")
    assert last is not None
    assert (last["run_id"], last["status"]) == ("run-2", "failed")
    assert query.last_run(settings, "published_code") is None


def test_a_lake_that_is_not_there_has_no_versions_and_no_runs(tmp_path: Path) -> None:
    nowhere = Settings(lake=str(tmp_path / "nowhere"))
    assert query.version(nowhere, "raw_code") is None
    assert query.last_run(nowhere, "raw_code") is None


def said(settings: Settings, statement: str) -> str:
    """Return the one line that a statement is refused with."""
    with pytest.raises(UserError) as refused:
        query.rows(settings, statement)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_a_lake_the_next_command_is_named(tmp_path: Path) -> None:
    assert "build them with: recast refresh" in said(Settings(lake=str(tmp_path / "nowhere")), "SELECT 1")
    (tmp_path / "empty").mkdir()
    assert "build them with: recast refresh" in said(Settings(lake=str(tmp_path / "empty")), "SELECT 1")


def test_without_a_configuration_the_default_lake_is_not_to_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECAST_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert said(Settings(), "SELECT 1") == (
        f"no recast.toml in this folder, so the lake is the default {tmp_path}/data/lake, which has no table. "
        "Are you in the checkout? Or name the lake with --lake"
    )
    (tmp_path / "recast.toml").touch()
    assert "build them with: recast refresh" in said(Settings(), "SELECT 1")


def test_columns_that_share_a_name_are_numbered(settings: Settings) -> None:
    (row,) = query.rows(settings, "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a_1")
    assert row == {"a": 1, "a_1": 2, "b": 3, "a_1_1": 4}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO parsed_code VALUES ('z')",
        "DELETE FROM parsed_code",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW parsed_code;",
    ],
)
def test_a_statement_that_would_change_a_table_is_refused(settings: Settings, statement: str) -> None:
    assert said(settings, statement) == "tables are only read here; `recast refresh` writes them"


def test_a_query_may_make_itself_a_table_first(settings: Settings) -> None:
    statements = "CREATE TABLE t AS SELECT doc_id FROM parsed_code; SELECT count(*) AS n FROM t"
    assert query.rows(settings, statements) == [{"n": len(PARSED)}]


def test_an_unknown_table_is_answered_with_those_there_are(settings: Settings) -> None:
    words = said(settings, "SELECT * FROM lintedcode")
    assert "lintedcode" in words
    assert "linted_code" in words.partition("Tables:")[2]


@pytest.mark.parametrize(
    "statement",
    [
        "SELEC 1",
        "SELECT no_such_column FROM linted_code",
        "",
        "-- a comment",
        "SELECT 1/",
        "SELECT error('on\ntwo lines')",
    ],
)
def test_a_wrong_statement_is_refused_in_one_line(settings: Settings, statement: str) -> None:
    assert said(settings, statement)


def test_a_file_in_place_of_a_table_is_named(settings: Settings) -> None:
    Path(settings.lake, "raw_code").write_text("oops")
    assert "raw_code is a file; a table is a folder" in said(settings, "SELECT * FROM raw_code")


def test_a_folder_that_is_no_table_is_named(settings: Settings) -> None:
    folder = Path(settings.lake, "raw_code")
    folder.mkdir()
    assert query.open_table(settings, "raw_code") is None, "an empty folder is a table that is not built yet"
    (folder / "notes.txt").write_text("oops")
    assert "raw_code holds files but no Delta table" in said(settings, "SELECT * FROM raw_code")


def test_a_table_with_a_torn_log_is_named(settings: Settings) -> None:
    log = Path(settings.lake, "raw_code", "_delta_log")
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text('{"metaData": ')
    assert "raw_code" in said(settings, "SELECT * FROM raw_code")


def test_a_lake_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("oops")
    assert "Is --lake right?" in said(Settings(lake=str(tmp_path / "lake")), "SELECT 1")


def test_hadoops_name_of_a_bucket_is_turned_into_everybody_elses() -> None:
    assert query.table_uri(Settings(lake="s3a://bucket/lake/"), "runs") == "s3://bucket/lake/runs"
