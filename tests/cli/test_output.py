"""What the command line prints: queries in three formats, the state of a lake, a rewrite beside its source."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from recast.cli import sql as asking
from recast.cli.main import main
from recast.jobs.settings import Settings
from recast.lakehouse import ledger, query
from recast.lakehouse.problems import warn
from recast.schemas import TABLES
from tests.lakehouse.lakes import RUN, write_lake, write_table

MADE_BY = [{"table_name": "parsed_code"}, {"table_name": "linted_code"}]
REWRITES = [
    {
        "doc_id": "a",
        "made_by": MADE_BY,
        "kept": True,
        "source_text": "x = 1\n",
        "text": "WIDTH = 1\n",
        "answer": "?",
        "path": "src/[slug]/[/a].py",
    },
    {
        "doc_id": "b",
        "made_by": MADE_BY,
        "kept": False,
        "reason": "no_code",
        "source_text": "y = 2\n" * 9,
        "answer": "I will not.",
        "path": "b.py",
    },
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "a lake"
    write_lake(folder)
    return folder


def recast(lake: Path, *arguments: str, columns: int | None = 200) -> Result:
    # By default a terminal wide enough that no table is cut.
    width = None if columns is None else str(columns)
    return CliRunner(env={"COLUMNS": width, "RECAST_LAKE": str(lake)}).invoke(main, arguments)


def printed(lake: Path, *arguments: str, columns: int | None = 200) -> str:
    result = recast(lake, *arguments, columns=columns)
    assert (result.stderr, result.exit_code) == ("", 0)
    return result.stdout


def refused(lake: Path, *arguments: str) -> str:
    result = recast(lake, *arguments)
    assert (result.stdout, result.exit_code) == ("", 2)
    (line,) = result.stderr.splitlines()
    return line


def test_json_is_one_object_per_row_with_nested_values_and_times(lake: Path) -> None:
    lines = printed(lake, "sql", "SELECT * FROM linted_code ORDER BY doc_id", "--format", "json").splitlines()
    first, second, third = map(json.loads, lines)
    assert (first["doc_id"], first["kept"], first["reason"], first["lint_score"]) == ("a", True, None, 9.25)
    assert first["messages"] == []
    assert third["messages"] is None
    (message,) = second["messages"]
    assert message == {
        "symbol": "unused-import",
        "line": 3,
        "seen_at": "2026-03-01T12:30:15.250000+00:00",
        "weight": None,
    }
    assert second["path"] == "naïve, b.py"
    assert second["written_at"] == "2026-03-01T12:30:15.250000+00:00"


VALUES = {
    "1::DECIMAL(10, 2)": 1.0,
    "'NaN'::DOUBLE": None,
    "['inf'::DOUBLE, 1.5]": [None, 1.5],
    "MAP {'a': 1}": {"a": 1},
    "MAP {DATE '2026-01-02': 1}": {"2026-01-02": 1},
    "DATE '2026-01-02'": "2026-01-02",
    "TIME '01:02:03'": "01:02:03",
    "TIMESTAMP '2026-01-02 03:04:05'": "2026-01-02T03:04:05",
    "'\\xAB'::BLOB": "ab",
    "{'inner': {'at': DATE '2026-01-02'}}": {"inner": {"at": "2026-01-02"}},
    "9007199254740993": 9007199254740993,
    "INTERVAL 2 DAY": "2 days, 0:00:00",
    "'two\nlines'": "two\nlines",
    "NULL": None,
    "true": True,
}


def test_any_value_is_strict_json(lake: Path) -> None:
    cells = ", ".join(f"{value} AS c{place}" for place, value in enumerate(VALUES))
    (line,) = printed(lake, "sql", f"SELECT {cells}", "--format", "json").splitlines()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(line, parse_constant=refuse)
    assert dict(zip(VALUES, read.values(), strict=True)) == VALUES


def test_csv_is_read_back_by_any_reader(lake: Path) -> None:
    text = printed(
        lake, "sql", "SELECT doc_id, reason, path, messages FROM linted_code ORDER BY doc_id", "--format", "csv"
    )
    header, *rows = csv.reader(io.StringIO(text))
    assert header == ["doc_id", "reason", "path", "messages"]
    assert rows[0] == ["a", "", "src/a.py", "[]"]
    assert rows[1][:3] == ["b", "low_score", "naïve, b.py"]
    assert json.loads(rows[1][3])[0]["symbol"] == "unused-import"
    assert rows[2] == ["c", "low_score", "", ""]


BROKEN_LINES = [
    "x = 1\ry = 2",
    "x\r\ny",
    "a\nb",
    "\r",
    "\n",
    "\r\n",
    'say "\r"',
    "a,b",
    " a ",
    "",
    "\ttab",
    "é\x85\u2028",
    "'",
    '"',
]


@pytest.mark.slow
def test_csv_holds_every_line_break_as_it_is_for_three_readers(lake: Path, tmp_path: Path) -> None:
    import pandas as pd

    write_table(lake, "parsed_code", [{"doc_id": text, "kept": True, "reason": "x"} for text in BROKEN_LINES])
    query = "SELECT doc_id, reason FROM parsed_code ORDER BY doc_id"
    # Not through click's runner, which has line ends of its own.
    text = subprocess.run(
        [sys.executable, "-m", "recast", "sql", query, "--format", "csv", "--lake", str(lake)],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    wanted = sorted(BROKEN_LINES)
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    with path.open(newline="") as opened:
        assert [row[0] for row in csv.reader(opened)] == ["doc_id", *wanted]
    frame = pd.read_csv(path, keep_default_na=False)
    assert frame["doc_id"].tolist() == wanted
    read = duckdb.sql(
        f"SELECT coalesce(doc_id, '') FROM read_csv('{path}', header = true, all_varchar = true)"
    ).fetchall()
    assert sorted(row[0] for row in read) == wanted
    assert b'\n"a,b",x\n' in text, "a row ends with a newline alone"
    assert b"\n', x\n".replace(b" ", b"") in text, "what needs no quotes has none"


COMMANDS = {
    "a window's title": "\x1b]0;owned\x07",
    "a cleared screen": "\x1b[2J\x1b[H",
    "a C1 introducer": "\x9b31m",
    "a C1 string": "\x9d0;owned\x9c",
    "a bell, a backspace and a form feed": "\x07\x08\x0c",
    "a carriage return": "good\rbad",
    "an override of direction": "\u202egnp.exe",
    "an isolate of direction": "\u2066x\u2069",
    "a mark of direction": "\u200f",
    "a deletion": "\x7f",
    "a line separator": "a\u2028b",
    "a shift of character sets": "\x0e",
}
STYLE = re.compile(r"\x1b\[[\d;]*m")  # of the tables themselves
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def commanding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a row for each of COMMANDS."""
    folder = tmp_path_factory.mktemp("commanding") / "lake"
    rows = [{"doc_id": f"naïve {each}", "kept": False, "reason": each, "path": each} for each in COMMANDS.values()]
    write_lake(folder)
    write_table(folder, "linted_code", rows)
    return folder


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize("case", COMMANDS)
def test_what_a_terminal_would_obey_is_shown(
    commanding: Path, case: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = COMMANDS[case]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cells = f'*, [path] AS "a {words}", MAP {{path: path}} AS b'
    asking.sql(Settings(lake=str(commanding)), f"SELECT {cells} FROM linted_code WHERE path = '{words}'", form)
    shown = STYLE.sub("", capsys.readouterr().out)
    assert not OBEYED.search(shown)
    assert re.search(r"\\[xur]", shown), "it is shown, not left out"


def test_json_shows_commands_and_is_read_back_as_they_were(commanding: Path) -> None:
    shown = printed(commanding, "sql", "SELECT doc_id FROM linted_code", "--format", "json")
    assert not OBEYED.search(shown)
    assert [json.loads(line)["doc_id"] for line in shown.splitlines()] == [
        f"naïve {each}" for each in COMMANDS.values()
    ]


def test_csv_for_another_program_holds_texts_as_they_are(commanding: Path) -> None:
    shown = printed(commanding, "sql", "SELECT path FROM linted_code", "--format", "csv")
    rows = [row for (row,) in csv.reader(io.StringIO(shown, newline=""))]
    assert rows == ["path", *COMMANDS.values()]


@pytest.mark.parametrize("which", [slice(6), slice(6, None)], ids=["the first six", "the others"])
def test_compare_and_status_show_commands_of_every_foreign_word(lake: Path, which: slice) -> None:
    words = "".join([*COMMANDS.values()][which])  # no more than fits into a cell
    foreign = ("path", "source_text", "text", "answer", "model", "prompt")
    write_table(
        lake,
        "styled_code",
        [{"doc_id": "a", "kept": True, "made_by": MADE_BY} | dict.fromkeys(foreign, f"x = '{words}'\r\n\ty")],
    )
    write_table(lake, "parsed_code", [{"doc_id": "a", "kept": False, "reason": words}])
    write_table(lake, "runs", [RUN | {"status": words, "model_requests": 2**63 - 1} for _ in range(3)])
    assert not OBEYED.search(printed(lake, "compare"))
    assert not OBEYED.search(printed(lake, "status"))
    refusal = refused(lake, "sql", f'SELECT * FROM "{words}"')
    assert not OBEYED.search(refusal)


def test_compare_shows_line_ends_of_windows_as_line_ends(lake: Path) -> None:
    write_table(lake, "styled_code", [REWRITES[0] | {"source_text": "a = 1\r\nb = 2\r\n"}])
    assert "\\r" not in printed(lake, "compare")


@pytest.mark.slow
def test_compare_looks_at_the_beginnings_of_huge_texts(lake: Path) -> None:
    texts = {"source_text": "ab" * 200_000, "text": "ba" * 200_000}
    changed = {"doc_id": "changed", "source_text": "a" * 100_000, "text": "b" * 100_000}
    write_table(
        lake, "styled_code", [REWRITES[0] | texts | {"doc_id": f"{i}"} for i in range(60)] + [REWRITES[0] | changed]
    )
    began = time.process_time()
    assert "doc_id" in printed(lake, "compare")
    assert time.process_time() - began < 30, "whole texts take hours"


def test_status_adds_numbers_that_no_endpoint_can_have_meant(lake: Path) -> None:
    largest = {"model_requests": 2**63 - 1, "output_tokens": 2**63 - 1}
    write_table(lake, "runs", [RUN | largest | {"run_id": f"run-{i}"} for i in range(5)])
    assert f"{5 * (2**63 - 1):,.0f}" in printed(lake, "status")


def test_status_and_sql_show_what_is_whole_beside_a_line_about_what_is_not(lake: Path) -> None:
    (path,) = (lake / "runs").glob("*.parquet")
    path.write_bytes(b"")
    for arguments, status in ((["status"], 2), (["sql", "SELECT doc_id FROM linted_code"], 0)):
        warn.cache_clear()
        result = recast(lake, *arguments)
        (line,) = result.stderr.splitlines()
        assert str(path) in line
        assert result.exit_code == status
        assert "linted_code" in result.stdout or "naïve" in result.stdout or "doc_id" in result.stdout
    assert str(path) in refused(lake, "sql", "SELECT * FROM runs")
    (path,) = (lake / "linted_code").glob("*.parquet")
    path.unlink()
    assert f"{path} is missing" in recast(lake, "status").stderr


def test_compare_names_a_rewrite_table_that_cannot_be_read(lake: Path) -> None:
    write_table(lake, "styled_code", REWRITES)
    (path,) = (lake / "styled_code").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:50])
    assert str(path) in refused(lake, "compare")


def test_sql_writes_files_only_where_it_is_told_that_it_may(lake: Path, tmp_path: Path) -> None:
    copy = f"COPY parsed_code TO '{tmp_path}/out.csv'"
    assert "--unsafe" in refused(lake, "sql", copy)
    assert not (tmp_path / "out.csv").exists()
    assert "1 row" in printed(lake, "sql", "--unsafe", copy)
    assert (tmp_path / "out.csv").exists()


def test_a_table_shows_headings_rows_and_their_number(lake: Path) -> None:
    shown = printed(lake, "sql", "SELECT doc_id, path, [doc_id] AS \"x[/a]\" FROM linted_code WHERE doc_id = 'b'")
    assert "doc_id" in shown
    assert "naïve, b.py" in shown
    assert "x[/a]" in shown, "brackets in a heading are no markup"
    assert "['b']" in shown
    assert "1 row" in shown


WIDE = ", ".join(f"'value {number}' AS column_{number}" for number in range(40))


@pytest.mark.parametrize("columns", [80, 120, 200, None])
def test_a_row_with_more_columns_than_fit_has_a_line_for_each(lake: Path, columns: int | None) -> None:
    long = "repeat('ab\n', 1000) AS long, NULL AS nothing"
    shown = printed(lake, "sql", f"SELECT {WIDE}, {long} FROM range(2)", columns=columns).splitlines()
    assert [line.split() for line in shown[:2]] == [["row", "1"], ["column_0", "value", "0"]]
    assert ["column_39", "value", "39"] in [line.split() for line in shown]
    assert ["nothing", "NULL"] in [line.split() for line in shown]
    assert (len(shown), shown[-1]) == (2 * (1 + 42) + 1, "2 rows")
    assert max(map(len, shown)) <= (columns or 140)
    assert sum(line.endswith("…") for line in shown) == 2


def test_a_grid_cuts_values_and_no_heading(lake: Path) -> None:
    query = "SELECT 'x' AS a_heading_of_25_characters, repeat('word ', 50) AS text, 1 AS n"
    shown = printed(lake, "sql", query, columns=80)
    assert "a_heading_of_25_characters" in shown
    assert "│" in shown


def test_null_is_told_from_an_empty_text(lake: Path) -> None:
    assert printed(lake, "sql", "SELECT NULL AS a, '' AS b").splitlines()[3].split() == ["│", "NULL", "│", "│"]


def test_columns_that_share_a_name_are_all_in_json(lake: Path) -> None:
    query = "SELECT l.doc_id, p.doc_id FROM linted_code AS l JOIN parsed_code AS p USING (doc_id)"
    assert json.loads(printed(lake, "sql", query, "--format", "json")) == {"doc_id": "a", "doc_id_1": "a"}


def test_a_query_may_begin_with_a_comment(lake: Path) -> None:
    assert printed(lake, "sql", "-- what is one?\nSELECT 1 AS one", "--format", "json") == '{"one": 1}\n'


def test_a_table_shows_a_long_text_on_one_line(lake: Path) -> None:
    shown = printed(lake, "sql", "SELECT repeat('ab\n', 1000) AS text")
    assert "…" in shown
    assert len(shown.splitlines()) < 8


def test_no_rows_are_an_empty_answer(lake: Path) -> None:
    query = "SELECT doc_id FROM linted_code WHERE false"
    assert printed(lake, "sql", query, "--format", "json") == ""
    assert printed(lake, "sql", query, "--format", "csv") == "doc_id\n"
    assert "0 rows" in printed(lake, "sql", query)


def test_an_error_among_the_rows_is_one_line(lake: Path) -> None:
    query = "SELECT CASE WHEN range = 5000 THEN error('stop here') ELSE 'fine' END FROM range(10000)"
    result = recast(lake, "sql", query, "--format", "json")
    assert result.exit_code == 2
    assert "stop here" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_sql_cannot_answer_is_one_line(lake: Path, tmp_path: Path) -> None:
    assert "lintedcode" in refused(lake, "sql", "SELECT * FROM lintedcode")
    assert "no_such" in refused(lake, "sql", "SELECT no_such FROM linted_code")
    assert "recast refresh" in refused(tmp_path / "nowhere", "sql", "SELECT 1")
    (lake / "raw_code").write_text("a file")
    assert "raw_code is a file; a table is a folder" in refused(lake, "sql", "SELECT 1")


def test_status_says_what_every_table_holds_and_cost(lake: Path) -> None:
    shown = " ".join(printed(lake, "status").split())
    assert "linted_code 3 1 2: low_score 2" in shown
    assert "failed 02 Mar 12:30" in shown, "the last run, not the first"
    assert "parsed_code 2 1 1: python2 1 7 1,234" in shown
    assert "styled_code 0 0" in shown
    assert "succeeded" not in shown


def test_status_takes_the_run_that_began_last_for_the_last_whatever_clocks_said(tmp_path: Path) -> None:
    lake = tmp_path / "a lake"
    write_table(lake, "linted_code", [{"doc_id": "a", "kept": True}])
    settings, at = Settings(lake=str(lake)), datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    for run_id, status, started_at in (("run-1", "failed", at), ("run-2", "stopped", at - timedelta(days=31))):
        run = ledger.begin(run_id, "linted_code", "1", {}, {})
        ledger.record(settings, run | {"status": status, "started_at": started_at})
    shown = printed(lake, "status")
    assert "stopped 29 Jan 12:30" in shown and "failed" not in shown


def test_status_says_that_a_table_is_gone_which_a_run_has_written(tmp_path: Path) -> None:
    lake = tmp_path / "a lake"
    write_table(lake, "linted_code", [{"doc_id": "a", "kept": True}])
    for name, version in (("linted_code", 1), ("styled_code", 3), ("raw_math", None)):
        run = ledger.begin("run-1", name, "1", {}, {})
        ledger.record(Settings(lake=str(lake)), run | {"status": "succeeded", "target_version": version})
    shown = printed(lake, "status")
    assert re.search(r"styled_code +gone +its folder is gone: recast refresh makes a new one", shown)
    assert "raw_math" not in shown, "its only run never wrote it"
    shutil.rmtree(lake / "linted_code")
    assert printed(lake, "status").count(" gone ") == 2


@pytest.mark.parametrize("columns", [60, 80, 120, 200, None])
def test_status_says_why_rows_were_rejected_at_any_width(lake: Path, columns: int | None) -> None:
    rejected = [{"doc_id": reason, "kept": False, "reason": reason} for reason in ("no_code", "too_long", "unrelated")]
    write_table(lake, "styled_code", [*rejected, {"doc_id": "x", "kept": False, "reason": "truncated"}])
    shown = printed(lake, "status", columns=columns)
    assert max(map(len, shown.splitlines())) <= (columns or 140)
    assert {"low_score", "python2", "no_code", "too_long", "truncated", "more", "reason"} <= set(shown.split())


def test_status_names_the_columns_that_a_narrow_terminal_hides(lake: Path) -> None:
    assert "a wider terminal shows requests, last run" in printed(lake, "status", columns=60)
    assert "wider" not in printed(lake, "status")


def test_status_opens_every_table_once(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_table = query.open_table
    monkeypatch.setattr(query, "open_table", lambda settings, name: opened.append(name) or open_table(settings, name))
    printed(lake, "status")
    assert sorted(opened) == sorted(TABLES)


def test_status_without_a_lake_is_one_line(tmp_path: Path) -> None:
    assert "build them with: recast refresh" in refused(tmp_path / "nowhere", "status")


def test_compare_shows_a_kept_rewrite_beside_its_source(lake: Path) -> None:
    write_table(lake, "styled_code", REWRITES)
    shown = printed(lake, "compare")
    assert "x = 1" in shown
    assert "WIDTH = 1" in shown
    assert "linted_code: src/[slug]/[/a].py" in shown, "brackets in a path are no markup"


def test_compare_shows_the_raw_answer_where_nothing_could_be_read_from_it(lake: Path) -> None:
    write_table(lake, "styled_code", REWRITES)
    shown = printed(lake, "compare", "b")
    assert "I will not." in shown
    assert "rejected: no_code" in shown


def test_compare_finds_a_document_by_the_beginning_of_its_id(lake: Path) -> None:
    write_table(lake, "styled_code", [REWRITES[0] | {"doc_id": doc_id} for doc_id in ("ab", "abc", "b1")])
    assert "doc_id b1" in printed(lake, "compare", "b")
    assert "doc_id ab," in printed(lake, "compare", "ab"), "a whole doc_id is not the beginning of another"
    assert refused(lake, "compare", "a") == "recast: more than one doc_id of styled_code begins with a; give more of it"


def test_what_compare_cannot_show_is_one_line(lake: Path, tmp_path: Path) -> None:
    assert "no rewrite was kept yet" in refused(lake, "compare")
    assert "no rewrite of it's found" in refused(lake, "compare", "it's")
    assert "linted_code holds no rewrites" in refused(lake, "compare", "--table", "linted_code")
    for nothing in (["compare"], ["compare", "--table", "styled_code"]):
        assert "there is no table in" in refused(tmp_path / "nowhere", *nothing)
    assert "optimized_code is not built in" in refused(lake, "compare", "--table", "optimized_code")


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_program_quietly(lake: Path) -> None:
    command = [sys.executable, "-m", "recast", "sql", "SELECT range FROM range(1000000)", "--format", "json"]
    with subprocess.Popen(
        [*command, "--lake", str(lake)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == '{"range": 0}\n'
        program.stdout.close()
        assert program.stderr.read() == ""
