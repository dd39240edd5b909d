"""`recast sql`: rows written to files, and tables as a release has them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from recast.cli.main import main
from tests.lakehouse.whole_lake import RUN_IDS, write_whole_lake


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    write_whole_lake(tmp_path / "a lake")
    return tmp_path / "a lake"


def recast(lake: Path, *arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "200", "RECAST_LAKE": str(lake)}).invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(lake: Path, *arguments: str) -> str:
    done = CliRunner(env={"RECAST_LAKE": str(lake)}).invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


REJECTS = "SELECT table_name, doc_id, reason, written_at FROM rejects ORDER BY ALL"


@pytest.mark.parametrize("name", ["rejects.parquet", "rejects.csv", "rejects.json", "rejects.JSONL"])
def test_rows_are_written_in_the_form_that_a_file_is_named_for(lake: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    assert recast(lake, "sql", REJECTS, "--output", str(file)) == ""
    if name.endswith("parquet"):
        rows = pq.read_table(file).to_pylist()
    elif name.endswith("csv"):
        rows = list(csv.DictReader(file.read_text().splitlines()))
    else:
        rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 9
    assert list(rows[0]) == ["table_name", "doc_id", "reason", "written_at"]
    assert rows[0]["reason"] == "low_score"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a lake", name])


def test_a_given_form_is_stronger_than_the_name(lake: Path, tmp_path: Path) -> None:
    recast(lake, "sql", REJECTS, "--output", str(tmp_path / "x.parquet"), "--format", "json")
    assert json.loads((tmp_path / "x.parquet").read_text().splitlines()[0])["reason"] == "low_score"


def test_a_query_without_rows_gives_a_file_with_its_columns(lake: Path, tmp_path: Path) -> None:
    recast(lake, "sql", "SELECT doc_id, [1] AS list FROM rejects WHERE false", "--output", str(tmp_path / "x.parquet"))
    assert pq.read_schema(tmp_path / "x.parquet").names == ["doc_id", "list"]


@pytest.mark.parametrize(
    ("statement", "options", "words"),
    [
        (REJECTS, ("--output", "{folder}/x.txt"), "in what form?"),
        (REJECTS, ("--output", "{folder}/x.csv", "--format", "table"), "in what form?"),
        (REJECTS, ("--output", "{folder}/nowhere/x.csv"), "cannot be written"),
        (REJECTS, ("--output", "{folder}", "--format", "csv"), "cannot be written"),
        (REJECTS, ("--format", "parquet"), "--output FILE"),
        ("SELECT error('late') FROM rejects", ("--output", "{folder}/x.parquet"), "late"),
        ("SELECT error('late') FROM rejects", ("--output", "{folder}/x.csv"), "late"),
        ("COPY rejects TO '{folder}/x.csv'", ("--output", "{folder}/y.csv"), "only read here"),
        (REJECTS, ("--release", "never"), "there is none yet"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(
    lake: Path, tmp_path: Path, statement: str, options: tuple[str, ...], words: str
) -> None:
    given = [option.format(folder=tmp_path) for option in options]
    assert words in refused(lake, "sql", statement.format(folder=tmp_path), *given)
    assert [path.name for path in tmp_path.iterdir()] == ["a lake"]


def test_an_earlier_file_stays_where_a_query_fails(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("before")
    refused(lake, "sql", "SELECT error('late') FROM rejects", "--output", str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_text() == "before"


def test_a_release_is_read_by_its_name_and_other_tables_as_they_are(lake: Path) -> None:
    recast(lake, "release", "2026-11")
    statement = "SELECT DISTINCT run_id FROM {} AT (VERSION => 0)"
    assert (
        json.loads(recast(lake, "sql", statement.format("published_code"), "--format", "json"))["run_id"] == RUN_IDS[0]
    )
    shown = recast(lake, "sql", "--release", "current", "SELECT count(*) AS n FROM published_code", "--format", "json")
    assert json.loads(shown) == {"n": 3}
    assert recast(lake, "sql", "--release", "2026-11", "FROM lineage", "--format", "json").count("\n") == 24


def test_a_published_table_that_a_release_lacks_is_not_shown_as_it_is_now(lake: Path) -> None:
    apart = lake.with_name("published_code")
    (lake / "published_code").rename(apart)
    recast(lake, "release", "math")
    apart.rename(lake / "published_code")
    assert "release math has no published_code" in refused(lake, "sql", "--release", "math", "FROM published_code")
    shown = recast(lake, "sql", "--release", "math", "SELECT count(*) AS n FROM published_math", "--format", "json")
    assert json.loads(shown.splitlines()[-1])["n"] > 0
    assert recast(lake, "sql", "--release", "math", "FROM lineage", "--format", "json").count('"published_code"') == 0


# DuckDB gathers a million bytes before it gives a row.
ENDLESS = "SELECT range FROM range(1000000000000000) WHERE range < 1000000 OR hash(range) = 1"


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken, of its own (proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status", "name"),
    [(signal.SIGINT, 130, "o.csv"), (signal.SIGTERM, 143, "o.csv"), (signal.SIGINT, 130, "o.parquet")],
)
def test_a_signal_ends_a_query_that_gives_no_more_rows(
    lake: Path, tmp_path: Path, sent: signal.Signals, status: int, name: str
) -> None:
    """In a process of its own: Python gives signals to the main thread alone, which a test need not run in."""
    command = [sys.executable, "-m", "recast", "sql", ENDLESS, "--output", str(tmp_path / name), "--lake", str(lake)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            while running.poll() is None and processor_s(running.pid) < 4:  # starting takes less than two
                time.sleep(0.1)
            running.send_signal(sent)
            _, said = running.communicate(timeout=20)
        finally:
            running.kill()
    word = "interrupted" if status == 130 else "terminated"
    line = f"recast: {word}; what was committed stays, and the same command goes on from there\n"
    assert (running.returncode, said) == (status, line)
    assert [path.name for path in tmp_path.iterdir()] == ["a lake"]
