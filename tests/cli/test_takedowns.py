"""`recast takedown` and `recast purge`: what they take, refuse and print."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, TableFeatures, write_deltalake

from recast.cli.main import main
from recast.jobs import running
from recast.settings import BusyError
from tests.lakehouse.taken import A, B, C, build, remove

POWERLESS = """
import ctypes
assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522), (ctypes.c_uint32 * 6)()) == 0  # capset(2)
from recast.__main__ import main
main()
"""


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    build(tmp_path / "lake")
    return tmp_path / "lake"


def recast(lake: Path, *arguments: str) -> tuple[int, str]:
    """Run a command; return its status and all that it prints."""
    done = CliRunner().invoke(main, [*arguments, "--lake", str(lake)])
    return done.exit_code, done.output


def test_a_takedown_says_what_it_reached_what_stays_and_what_comes_next(lake: Path) -> None:
    status, said = recast(lake, "takedown", "--blob", A, "--repo", "dora/unknown", "--why", "asked to")
    assert status == 0
    assert "2 claims taken down: 1 document (published_code 1, raw_code 1, styled_code 1)" in said
    assert "1 claim of nothing in this lake, kept for later sources: repo dora/unknown" in said
    assert "1 document of equal text left; --content takes down equal texts too" in said
    assert "Next: recast refresh, then recast purge" in said


def test_without_a_claim_those_that_count_are_listed(lake: Path) -> None:
    assert recast(lake, "takedown") == (0, "nothing is taken down\n")
    recast(lake, "takedown", "--blob", A, "--why", "asked to", "--reference", "ticket 7")
    assert "ticket 7" in recast(lake, "takedown")[1]
    assert (
        recast(lake, "takedown", "--lift", "--blob", A, "--why", "a mistake")[1]
        == "1 claim lifted. Next: recast refresh\n"
    )
    assert recast(lake, "takedown")[1] == "nothing is taken down\n"
    recast(lake, "takedown", "--blob", A, "--why", "asked to", "--content")
    said = recast(lake, "takedown", "--lift", "--blob", A, "--why", "a mistake")[1]
    assert said.startswith("1 claim made together with them left; --content lifts these too\n1 claim lifted.")


def test_a_list_is_taken_as_far_as_it_is_well_formed_and_the_rest_is_counted(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"# opt-outs\nalice/rooms\nalice/rooms\nnonsense \xff\nbob/copy\n")
    status, said = recast(lake, "takedown", "--file", str(tmp_path / "list"), "--why", "opted out")
    assert status == 0
    assert "2 claims taken down: 2 documents" in said
    assert "1 claim named twice" in said
    assert "1 line malformed and passed over" in said


def test_a_column_of_a_table_is_a_list(lake: Path) -> None:
    arguments = ("takedown", "--table", "raw_code", "--column", "repo_name", "--why", "opted out")
    assert "2 claims taken down" in recast(lake, *arguments)[1]


def test_a_table_with_deletion_vectors_is_a_list(lake: Path, tmp_path: Path) -> None:
    """The feature alone, which a table has once a row was deleted so, is one that pyarrow refuses."""
    folder = str(tmp_path / "opted out")
    write_deltalake(folder, pa.table({'the "repo"': ["alice/rooms", None]}))
    DeltaTable(folder).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    arguments = ("takedown", "--table", folder, "--column", 'the "repo"', "--why", "opted out")
    assert "1 claim taken down" in recast(lake, *arguments)[1]


@pytest.mark.parametrize(
    "command",
    [("maintain",), ("purge",), ("takedown",), ("takedown", "--url", "https://a.org/", "--why", "y"), ("release", "r")],
)
def test_where_no_lake_is_none_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    status, said = recast(tmp_path / "typo", *command)
    assert (status, said.count("\n")) == (2, 1)
    assert "there is no table in" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["takedown --url https://a.org/ --why y", "release r", "purge", "maintain"])
def test_who_may_not_write_the_lake_is_told_so_in_one_line(lake: Path, command: str) -> None:
    """Only `_work` may be written. Without its capabilities, root obeys modes as everybody does."""
    (lake / "_work").mkdir()
    for folder in (lake, *(each for each in lake.iterdir() if each.name != "_work")):
        folder.chmod(0o555)
    ran = subprocess.run(
        [sys.executable, "-c", POWERLESS, *command.split(), "--lake", str(lake)],
        text=True,
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert str(lake) in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--blob", A), "say why, for the record: --why TEXT"),
        (("--blob", "x", "--why", "y"), "'x' is no blob"),
        (("--table", "raw_code", "--why", "y"), "--table and --column belong together"),
        (("--file", "/nowhere", "--why", "y"), "cannot read /nowhere"),
        (("--file", "/dev/null", "--why", "y"), "/dev/null lists nothing to take down"),
    ],
)
def test_a_mistake_is_one_line(lake: Path, arguments: tuple[str, ...], said: str) -> None:
    status, printed = recast(lake, "takedown", *arguments)
    assert status == 2
    assert said in printed
    assert printed.count("\n") == 1


def test_a_purge_prints_what_it_read_and_writes_a_report(lake: Path, tmp_path: Path) -> None:
    recast(lake, "takedown", "--blob", A, "--content", "--why", "asked to")
    assert recast(lake, "purge")[0] == 2, "a refresh comes first"
    remove(lake, A, C)
    status, said = recast(lake, "purge")
    assert status == 1
    assert "files younger than 168 hours were kept; --retention-hours 0 deletes them too" in said
    status, said = recast(lake, "purge", "--retention-hours", "0", "--report", str(tmp_path / "report.json"))
    assert status == 0, said
    assert "nothing is left of them" in said
    assert json.loads((tmp_path / "report.json").read_text())["documents"] == 2
    assert json.loads(recast(lake, "purge", "--json")[1])["proven"] is True
    assert B in recast(lake, "sql", "SELECT doc_id FROM published_code")[1]


@pytest.mark.parametrize("command", ["purge", "maintain"])
def test_a_run_that_lost_its_tables_deletes_nothing_more_and_says_who_works(
    command: str, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(name: str) -> None:
        raise BusyError(f"another run is writing {name} now")

    @contextlib.contextmanager
    def holding(*_: object) -> Iterator[Callable[[str], None]]:
        yield lost

    monkeypatch.setattr(running, "holding", holding)
    before = {file: file.stat().st_mtime_ns for file in lake.rglob("*") if file.is_file()}
    status, said = recast(lake, command, "--retention-hours", "0")
    assert (status, said.splitlines()[-1]) == (6, "recast: another run is writing published_code now")
    assert {file: file.stat().st_mtime_ns for file in lake.rglob("*") if file.is_file()} == before


def test_maintaining_says_how_many_files_of_rows_that_left_it_deleted(lake: Path) -> None:
    folder = lake / "_dropped" / "raw_code" / "run-1-0"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"x" * 10)
    assert "dropped rows" not in recast(lake, "maintain")[1]
    status, said = recast(lake, "maintain", "--keep-dropped-days", "0")
    assert status == 0
    assert "dropped rows: deleted 1 files, 10 bytes" in said
