"""The loop: what one run of a stage promises, on real Delta tables and real checkpoints."""

import contextlib
import io
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from recast.exits import Interrupted, Signalled, Terminated
from recast.jobs import asking
from recast.jobs.settings import Settings
from recast.lakehouse import interrupt, ledger, problems, query, store
from recast.lakehouse import refresh as loop
from recast.lakehouse.counts import add_counts, counts
from recast.lakehouse.limits import LimitError
from recast.lakehouse.progress import Meter
from recast.lakehouse.quality import QualityError
from recast.lakehouse.refresh import check_and_commit, look, refresh
from recast.lakehouse.settings import work_path
from recast.lakehouse.staging import staged_below
from recast.schemas.table import Column
from recast.settings import UserError
from tests.lakehouse import toy
from tests.lakehouse.toy import TABLE, settings_in, table_of, toy_stage, write_notes

pytestmark = pytest.mark.spark

NOTES = {"a": ("hello", "ann"), "b": ("hello", "bob"), "c": ("hi", "ann")}


@pytest.fixture(scope="module")
def catalogue() -> None:
    """Let `recast sql` know the toy table."""
    from recast.schemas import TABLES

    TABLES["notes"] = TABLE
    yield
    del TABLES["notes"]


class Lake:
    """A toy lake, and what its runs cost."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder, self.runs = spark, folder, 0

    def run(
        self,
        notes: dict[str, tuple[str, str]] | None = None,
        measured_by: str = "rule 1",
        retry: bool = False,
        spoil: Callable[[DataFrame], DataFrame] | None = None,
        screen: io.StringIO | None = None,
        **changes: object,
    ):
        """Write the source if it is given, run the stage, and return the ledger row and the texts paid for.

        `spoil` is what goes wrong with decided rows; `screen` takes what the run shows.
        """
        if notes is not None:
            write_notes(self.folder / "source", notes)
        self.settings = settings_in(self.folder, **changes)
        self.runs += 1
        bill = self.folder / f"bill-{self.runs}"
        console = Console(file=screen, width=1000) if screen else Console(quiet=True)
        meter, stage = Meter(console), toy_stage(bill, measured_by)
        if spoil:
            decide = stage.decide
            stage = replace(stage, decide=lambda rows, settings: spoil(decide(rows, settings)))
        row = refresh(self.spark, self.settings, stage, f"run-{self.runs}", meter, retry)
        return row, sorted(path.name.split("-")[0] for path in bill.glob("*"))

    def rows(self) -> dict[str, tuple[str, str, bool, str | None]]:
        """Return (text, owner, kept, reason) by document."""
        found = query.rows(self.settings, "SELECT doc_id, text, owner, kept, reason FROM notes")
        return {row["doc_id"]: (row["text"], row["owner"], row["kept"], row["reason"]) for row in found}


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, catalogue: None) -> Lake:
    return Lake(spark, tmp_path)


def test_a_table_follows_its_source_and_pays_for_each_text_once(lake: Lake) -> None:
    run, paid = lake.run(NOTES)
    assert paid == ["hello", "hi"]
    assert lake.rows() == {
        "a": ("hello", "ann", True, None),
        "b": ("hello", "bob", True, None),
        "c": ("hi", "ann", False, "short"),
    }
    assert (run["rows_in"], run["rows_kept"], run["rows_rejected"], run["rows_measured"]) == (3, 2, 1, 2)
    assert run["reasons"] == {"short": 1}

    version = query.version(lake.settings, "notes")
    assert lake.run() == (None, []), "a second run does nothing"
    assert query.version(lake.settings, "notes") == version

    run, paid = lake.run(lint_threshold=2.0)
    assert paid == [], "another threshold measures nothing"
    assert run["rows_in"] == 3 and run["rows_measured"] == 0
    assert lake.rows()["c"] == ("hi", "ann", True, None)

    changed = {"a": ("hello", "zoe"), "c": ("howdy", "ann"), "d": ("hello", "dan")}
    version = query.version(lake.settings, "notes")
    assert version is not None
    run, paid = lake.run(changed)
    assert query.version(lake.settings, "notes") == version + 1, "rows come and go in one commit"
    assert paid == ["howdy"], "a new owner and a known text cost nothing"
    assert lake.rows() == {doc_id: (text, owner, True, None) for doc_id, (text, owner) in changed.items()}
    assert run["rows_removed"] == 1
    (row, *_) = query.rows(lake.settings, "SELECT * FROM notes")
    assert list(row) == TABLE.column_names, "no column of Delta's own, which the files of changed rows have"

    run, paid = lake.run(measured_by="rule 2")
    assert paid == ["hello", "howdy"], "another way to measure measures every text again"
    assert not Path(work_path(lake.settings, "notes")).exists(), "a finished run leaves no work folder"


def test_many_chunks_hold_each_row_once_and_do_not_each_read_the_source(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_notes = toy.notes

    def counted(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
        read.append(version)
        return read_notes(spark, settings, version, takedowns)

    monkeypatch.setattr(toy, "notes", counted)
    notes = {f"n{i:03}": (f"text {i // 2}", "ann") for i in range(60)}
    run, paid = lake.run(notes, chunk_rows=15)
    assert run["chunks"] == 4
    assert len(paid) == 30 == len(set(paid))
    assert len(lake.rows()) == 60
    assert len(read) == 2, "for the plan, and for what is pending, in the order of the chunks"


def test_texts_that_move_to_other_documents_cost_nothing(lake: Lake) -> None:
    """Whatever else happens to the row that a measurement is copied from: removed, or overwritten by another chunk."""
    lake.run({f"n{i:02}": (f"text {i}", "ann") for i in range(8)}, chunk_rows=3)
    moved = {f"n{i + 1:02}": (f"text {i}", "bob") for i in range(8)}
    run, paid = lake.run(moved, chunk_rows=3)
    assert paid == []
    assert (run["chunks"], run["rows_in"], run["rows_removed"], run["rows_measured"]) == (3, 8, 1, 0)
    assert lake.rows() == {doc_id: (text, owner, True, None) for doc_id, (text, owner) in moved.items()}


@pytest.mark.parametrize(("published", "commit"), [((), "last"), (("notes",), "first")])
def test_a_published_table_shows_no_old_text_beside_the_new_ones_between_two_commits(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, published: tuple[str, ...], commit: str
) -> None:
    """Elsewhere the old one goes last: another chunk may need what was paid for it."""
    monkeypatch.setattr(query, "PUBLISHED", published)
    found, _ = lake.run({f"old{i}": (f"text {i}", "ann") for i in range(6)})
    later, _ = lake.run(
        {f"{'old' if i < 4 else 'new'}{i}": (f"text {i} {i // 4}", "ann") for i in range(6)}, chunk_rows=2
    )
    assert later["chunks"] > 1 and later["rows_removed"] == 2
    versions = range(found["target_version"] + 1, later["target_version"] + 1)
    held = [{*store.read(lake.spark, lake.settings, TABLE, str(v)).toPandas()["doc_id"]} for v in versions]
    gone = [not held_now & {"old4", "old5"} for held_now in held]
    assert gone == [commit == "first"] * (len(held) - 1) + [True]


def test_a_run_that_stops_between_its_chunks_has_thrown_no_measurement_away(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset's new release names every document anew; what is stored under the old names is all there is."""
    lake.run({f"old{i}": (f"text {i}", "ann") for i in range(8)})
    renamed = {f"new{i}": (f"text {i}", "ann") for i in range(8)}
    commits = []

    def die_at_the_second(*arguments: Any) -> None:
        commits.append(arguments)
        if len(commits) == 2:
            raise KeyboardInterrupt
        check_and_commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("recast.lakehouse.refresh.check_and_commit", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            lake.run(renamed, chunk_rows=3)
    _, paid = lake.run(chunk_rows=3)
    assert paid == []
    assert set(lake.rows()) == set(renamed)


def test_a_table_that_was_left_alone_for_longer_than_its_retention_lends_its_measurements(lake: Lake) -> None:
    """Delta would refuse to read the table as the run found it, once the first chunk is committed."""
    lake.run({f"n{i:02}": (f"text {i}", "ann") for i in range(8)})
    path = store.table_path(lake.settings, "notes")
    retention = "'delta.deletedFileRetentionDuration' = 'interval 0 seconds'"
    lake.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({retention})")
    run, paid = lake.run({f"n{i + 1:02}": (f"text {i}", "bob") for i in range(8)}, chunk_rows=3)
    assert (run["chunks"], paid) == (3, [])


def test_a_source_that_was_rewritten_or_vacuumed_and_a_table_that_was_restored_are_brought_up_to_date(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = lake.folder / "source"
    write_deltalake(str(source), table_of(NOTES))
    lake.run()
    found = query.version(lake.settings, "notes")
    assert found is not None
    shutil.rmtree(source)
    changed = NOTES | {"c": ("howdy", "ann")}
    write_deltalake(str(source), table_of(changed))
    _, paid = lake.run()
    assert paid == ["howdy"], "another table of the same version is another source, and its texts are known"
    rows = lake.rows()
    DeltaTable(store.table_path(lake.settings, "notes")).restore(found)
    assert lake.rows() != rows
    lake.run()
    assert lake.rows() == rows, "a table that somebody restored to an older version is brought up to date"

    def vacuum_first(*arguments: Any) -> None:
        write_deltalake(str(source), table_of(changed | {"e": ("bonjour", "eve")}), mode="overwrite")
        DeltaTable(str(source)).vacuum(0, dry_run=False, enforce_retention_duration=False)
        do(*arguments)

    do = loop.do
    write_deltalake(str(source), table_of(changed | {"d": ("hey", "dan")}), mode="overwrite")
    with monkeypatch.context() as patch, pytest.raises(Exception) as failed:
        patch.setattr(loop, "do", vacuum_first)
        lake.run()
    assert str(source) in problems.explain(failed.value), "the file that is gone is named"
    assert set(lake.rows()) == set(changed)
    _, paid = lake.run()
    assert (paid, set(lake.rows())) == (["bonjour"], {*changed, "e"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB that a test may fill."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_in_a_commit_leaves_the_table_as_it_was_and_nothing_is_paid_for_twice(
    spark: SparkSession, catalogue: None, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(spark, small_disk)
    ballast, insert = small_disk / "ballast", store.insert

    def fill_first(*arguments: Any) -> None:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(room_bytes))
        os.truncate(ballast, ballast.stat().st_size - room_bytes)
        insert(*arguments)

    for room_bytes in (4096, 16384):
        with monkeypatch.context() as patch, pytest.raises(Exception) as failed:
            patch.setattr(store, "insert", fill_first)
            lake.run(NOTES)
        ballast.unlink()
        assert problems.explain(failed.value).startswith("a disk is full"), room_bytes
        assert lake.rows() == {}, room_bytes
    run, paid = lake.run()
    assert (run["status"], paid) == ("succeeded", [])
    assert set(lake.rows()) == set(NOTES)


def test_retry_measures_failures_again_once_per_text_and_nothing_else(lake: Lake) -> None:
    (lake.folder / "storm").touch()
    notes = {"a": ("flaky", "ann"), "b": ("flaky", "bob"), "c": ("hello", "ann")}
    _, paid = lake.run(notes)
    assert paid == ["flaky", "hello"]
    assert {reason for _, _, _, reason in lake.rows().values()} == {"short", None}
    (lake.folder / "storm").unlink()
    assert lake.run() == (None, []), "without being told to, nothing is tried again"
    run, paid = lake.run(retry=True)
    assert paid == ["flaky"]
    assert (run["rows_in"], run["rows_kept"], run["rows_measured"]) == (2, 2, 1)
    assert all(kept for _, _, kept, _ in lake.rows().values())
    run, paid = lake.run(retry=True)
    assert (run["rows_in"], paid) == (0, []), "where nothing failed there is nothing to try again"


def test_a_broken_expectation_leaves_the_table_untouched_and_is_recorded(lake: Lake) -> None:
    lake.run(NOTES)
    before = lake.rows()
    with pytest.raises(QualityError, match="no note is cursed"):
        lake.run(NOTES | {"d": ("cursed", "eve")})
    assert lake.rows() == before
    failed = query.rows(lake.settings, "SELECT severity, unexpected_rows FROM expectation_results WHERE NOT success")
    assert [row["severity"] for row in failed] == ["critical"]
    last = query.last_run(lake.settings, "notes")
    assert last is not None and last["status"] == "failed" and "cursed" in last["problem"]
    # What was measured before the failure is staged, so mending the source pays for nothing twice.
    run, paid = lake.run(NOTES | {"e": ("hey", "eve")})
    assert paid == ["hey"] and run["status"] == "succeeded"
    books = query.rows(lake.settings, "SELECT status FROM runs ORDER BY started_at")
    assert [row["status"] for row in books] == ["succeeded", "failed", "succeeded"]


SPOILED = {
    "a row is lost": lambda rows: rows.where("doc_id != 'a'"),
    "a row is doubled": lambda rows: rows.where("doc_id != 'a'").union(rows.where("doc_id = 'b'")),
    "a reason is not listed": lambda rows: rows.withColumn("reason", F.lit("bad luck")),
    "a kept row has no text": lambda rows: rows.withColumn("text", F.lit(None).cast("string")),
}


def test_rows_that_break_what_holds_for_every_table_are_not_committed(lake: Lake) -> None:
    for case, spoil in SPOILED.items():
        with pytest.raises(QualityError):
            lake.run(NOTES, spoil=spoil)
        assert lake.rows() == {}, case


def test_replaying_a_commit_changes_nothing(lake: Lake) -> None:
    lake.run(NOTES)
    rows = store.read(lake.spark, lake.settings, TABLE).withColumn("owner", F.lit("replayed"))
    staged = lake.folder / "staged"
    rows.write.parquet(str(staged))
    for _ in range(2):
        store.merge(lake.spark, lake.settings, TABLE, lake.spark.read.parquet(str(staged)), ("again", 1), {})
    assert query.version(lake.settings, "notes") == 2
    store.merge(lake.spark, lake.settings, TABLE, rows.withColumn("owner", F.lit("other")), ("again", 1), {})
    assert {owner for _, owner, _, _ in lake.rows().values()} == {"replayed"}
    for _ in range(2):
        store.insert(
            lake.spark, lake.settings, TABLE, rows.withColumn("doc_id", F.lit("new")).limit(1), ("more", 1), {}
        )
    assert len(query.rows(lake.settings, "SELECT * FROM notes")) == 1 + len(NOTES)


def test_a_table_that_an_older_version_wrote_lacks_no_column(lake: Lake) -> None:
    lake.run(NOTES)
    newer = replace(TABLE, columns=(*TABLE.columns, Column("mood", "string", "what a newer version adds")))
    assert [row["mood"] for row in store.read(lake.spark, lake.settings, newer).collect()] == [None] * len(NOTES)


def die_after_staging(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the lake's stage, and end it before its first commit."""

    def die(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recast.lakehouse.refresh.check_and_commit", die)
        with pytest.raises(KeyboardInterrupt):
            lake.run(NOTES)


def test_a_run_that_dies_after_staging_pays_for_nothing_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    die_after_staging(lake, monkeypatch)
    assert lake.rows() == {}
    _, paid = lake.run()
    assert paid == []
    assert len(lake.rows()) == 3


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b"\x00" * path.stat().st_size)


def overwrite_pages(path: Path) -> None:
    """Leave a file's beginning and its footer."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<i", whole[-8:-4])
    path.write_bytes(whole[:4] + b"\xff" * (len(whole) - 12 - length) + whole[-8 - length :])


TEARS: dict[str, Callable[[Path], None]] = {
    "empty": empty,
    "halved": halve,
    "overwritten": overwrite,
    "overwritten but for its footer": overwrite_pages,
    "missing": Path.unlink,
}


def test_what_a_killed_machine_tore_is_made_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torn plan, too, which no other run reads."""
    die_after_staging(lake, monkeypatch)
    killed = Path(work_path(lake.settings, "notes")) / "run-1"
    stage, screen = toy_stage(lake.folder / "bill"), io.StringIO()
    meter = Meter(Console(file=screen, width=1000))
    for case, tear in TEARS.items():
        copy = lake.folder / "copies" / case.replace(" ", "-")
        shutil.copytree(killed, copy)
        assert staged_below(lake.spark, str(copy), stage, meter) == [f"{copy}/staged/0"], "as it was left it is whole"
        tear_parts(copy / "staged" / "0", tear)
        assert staged_below(lake.spark, str(copy), stage, meter) == [], case
        assert f"{copy}/staged/0 of a run that was killed is dropped" in screen.getvalue(), case
        assert not (copy / "staged" / "0").exists(), case
    for folder in (killed / "staged" / "0", killed / "plan"):
        tear_parts(folder, halve)
    run, paid = lake.run(screen=screen)
    assert (run["status"], paid) == ("succeeded", ["hello", "hi"])
    assert len(lake.rows()) == len(NOTES)
    assert f"{killed}/staged/0 of a run that was killed is dropped" in screen.getvalue()


def tear_parts(folder: Path, tear: Callable[[Path], None]) -> None:
    for path in list(folder.glob("part-*")):
        tear(path)
        (folder / f".{path.name}.crc").unlink()


def test_a_damaged_ledger_stops_no_refresh(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.run(NOTES)
    for name in ("runs", "expectation_results"):
        for path in Path(lake.settings.lake, name).glob("*.parquet"):
            path.write_bytes(b"")
    problems.warn.cache_clear()
    run, paid = lake.run(NOTES | {"d": ("hey", "dan")})
    assert (run["status"], paid) == ("succeeded", ["hey"])
    assert "d" in lake.rows()
    assert "/runs/part-" in capsys.readouterr().err


def test_a_refresh_never_says_that_a_table_which_lost_a_file_is_up_to_date(lake: Lake) -> None:
    lake.run(NOTES)
    path = next(Path(lake.settings.lake, "notes").glob("*.parquet"))
    for case in ("halved", "empty", "missing"):
        TEARS[case](path)
        for retry in (False, True):
            with pytest.raises(UserError) as refused:
                lake.run(retry=retry)
            assert str(path) in str(refused.value)
            assert f"move {lake.settings.lake}/notes away" in str(refused.value)
    shutil.move(Path(lake.settings.lake, "notes"), lake.folder / "away")
    lake.run()
    assert len(lake.rows()) == len(NOTES)


def test_tokens_that_no_endpoint_can_have_meant_are_counted_up_to_the_largest_number(spark: SparkSession) -> None:
    now = datetime.now(UTC)
    row = (True, "measure", "answered", 2**63 - 1, 2**63 - 1, None, now)
    columns = "kept boolean, action string, answer_status string, prompt_tokens bigint, output_tokens bigint, "
    staged = spark.createDataFrame(
        [(*row, reason) for reason in (None, None, "a", "b")],
        columns + ("cached_tokens bigint, answered_at timestamp, reason string"),
    )
    counted = counts(staged, now, asking.USAGE)
    assert counted["prompt_tokens"] == counted["output_tokens"] == 4 * (2**63 - 1)
    assert counted["cached_tokens"] == counted["recalled_output_tokens"] == 0
    run = ledger.begin("run", "notes", "1", {}, {})
    for _ in range(2):
        add_counts(run, counted)
    assert (run["output_tokens"], run["rows_in"]) == (2**63 - 1, 8)


def test_a_run_that_dies_between_chunks_is_gone_on_with(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left lies at one end of the hashes; the rest of the range has nothing pending."""
    from recast.lakehouse import refresh as loop

    commit = loop.check_and_commit

    def die_at_the_fourth(work: loop.Work, chunk: loop.Chunk, meter: Meter, to_remove: int = 0) -> None:
        if chunk.number == 3:
            raise KeyboardInterrupt
        commit(work, chunk, meter, to_remove)

    with monkeypatch.context() as patch:
        patch.setattr("recast.lakehouse.refresh.check_and_commit", die_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            lake.run({f"n{i:02}": (f"text {i}", "ann") for i in range(30)}, chunk_rows=6)
    committed = len(lake.rows())
    assert 0 < committed < 30
    run, _ = lake.run(chunk_rows=6)
    assert (run["rows_in"], len(lake.rows())) == (30 - committed, 30)


def test_the_ledger_learns_of_a_run_that_was_killed_after_its_commit_whatever_was_committed_since(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recast.lakehouse.ledger.record", die)
        with pytest.raises(KeyboardInterrupt):
            lake.run(NOTES)
    assert len(lake.rows()) == 3
    taken_down = lake.spark.createDataFrame([("a",)], "doc_id string")
    store.remove(lake.spark, lake.settings, TABLE, taken_down, ("notes:taken down", 1), {"takedowns": 3})
    lake.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", "by hand")
    lake.spark.sql(f"ALTER TABLE delta.`{lake.settings.lake}/notes` SET TBLPROPERTIES ('a' = 'b')")
    lake.spark.conf.unset("spark.databricks.delta.commitInfo.userMetadata")
    lake.run()
    books = query.rows(lake.settings, "SELECT status, rows_in, rows_measured FROM runs ORDER BY started_at")
    assert [tuple(row.values()) for row in books] == [("interrupted", 3, 2), ("succeeded", 1, 0)]


def test_data_docs_are_drawn(lake: Lake) -> None:
    lake.run(NOTES)
    assert list(Path(lake.settings.lake, "data_docs").glob("index.html"))


def test_a_source_that_lost_most_of_its_rows_removes_none_until_it_is_told_to(lake: Lake) -> None:
    notes = {f"n{number}": (f"text {number}", "ann") for number in range(6)}
    lake.run(notes)
    with pytest.raises(UserError, match=r"source of notes lacks 5 of the 6 rows .* --removal-limit 1"):
        lake.run({"n0": notes["n0"]})
    assert set(lake.rows()) == set(notes)
    planned = look(lake.spark, lake.settings, toy_stage(lake.folder / "bill", "rule 1"))
    assert (planned.by_source, planned.to_remove) == (5, 5)
    assert "source of notes lacks 5 of the 6 rows" in planned.refused, "a plan says where a run would stop"
    (failed,) = query.rows(lake.settings, "SELECT status FROM runs WHERE run_id = 'run-2'")
    assert failed == {"status": "failed"}
    assert lake.run(notes)[1] == [], "the source is back, and nothing was lost or paid for"
    run, _ = lake.run({"n0": notes["n0"]}, removal_limit=1.0)
    assert run["rows_removed"] == 5
    assert set(lake.rows()) == {"n0"}


def test_documents_with_new_names_do_not_make_up_for_those_that_are_lost(lake: Lake) -> None:
    lake.run({f"old{number}": (f"text {number}", "ann") for number in range(40)})
    with pytest.raises(UserError, match="lacks 16 of the 40 rows"):
        lake.run({f"new{number}": (f"text {number}", "ann") for number in range(24)})
    assert len(lake.rows()) == 40


@pytest.mark.parametrize(("signal", "word"), [(Terminated, "terminated"), (Interrupted, "interrupted")])
def test_a_run_that_a_signal_ends_has_not_failed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, signal: type[Signalled], word: str
) -> None:
    """A signal cancels Spark's jobs, and the run ends with what Spark says of that."""

    def ended(*_: Any) -> None:
        monkeypatch.setattr(interrupt, "ASKED", [signal])
        raise RuntimeError("Job 13 cancelled as part of cancellation of all jobs")

    monkeypatch.setattr(loop, "do", ended)
    with pytest.raises(RuntimeError):
        lake.run(NOTES)
    assert query.rows(lake.settings, "SELECT status, problem FROM runs") == [{"status": "interrupted", "problem": word}]


def test_a_source_of_two_files_that_lost_one_removes_none_of_its_rows(lake: Lake) -> None:
    notes = {f"n{number}": (f"text {number}", "ann") for number in range(6)}
    lake.run(notes)
    with pytest.raises(UserError, match="lacks 3 of the 6 rows"):
        lake.run({name: notes[name] for name in ("n0", "n1", "n2")})
    assert set(lake.rows()) == set(notes)


def test_documents_that_all_have_new_names_are_no_lost_source(lake: Lake) -> None:
    lake.run({f"old{number}": (f"text {number}", "ann") for number in range(4)})
    run, paid = lake.run({f"new{number}": (f"text {number}", "ann") for number in range(4)})
    assert (run["rows_removed"], paid) == (4, [])
    assert not Path(lake.settings.lake, store.DROPPED).exists(), "each text is still in the table"


def test_a_table_that_was_built_again_to_the_same_version_is_not_up_to_date(lake: Lake) -> None:
    """A table deleted, and a rebuild killed after its first chunk: the version is the one that the last run left."""
    run, _ = lake.run({f"n{number}": (f"text {number}", "ann") for number in range(6)})
    folder = Path(lake.settings.lake, "notes")
    shutil.rmtree(folder)
    store.open_table(lake.spark, lake.settings, TABLE)
    for _ in range(run["target_version"]):
        store.open_table(lake.spark, lake.settings, TABLE)
        lake.spark.sql(f"ALTER TABLE delta.`{folder}` SET TBLPROPERTIES ('a' = 'b')")
    assert query.version(lake.settings, "notes") == run["target_version"]
    again, paid = lake.run()
    assert again is not None
    assert len(paid) == 6


def test_a_plan_that_is_shown_says_what_a_threshold_moves(lake: Lake) -> None:
    lake.run(NOTES)
    settings = settings_in(lake.folder, lint_threshold=2.0)
    planned = look(lake.spark, settings, toy_stage(lake.folder / "bill", "rule 1"))
    assert (planned.rows, planned.moves) == ({"decide": 3}, {"short -> kept": 1})
    assert (planned.moved_tokens, planned.tokens_estimated) == ({"short -> kept": 1}, True), "two bytes are one token"
    assert (planned.by_source, planned.refused) == (0, "")
    assert lake.rows()["c"] == ("hi", "ann", False, "short"), "nothing is written"


def test_a_run_stops_at_its_limit_of_rows_and_the_next_goes_on_from_there(lake: Lake) -> None:
    notes = {f"n{number:02}": (f"text {number}", "ann") for number in range(30)}
    with pytest.raises(LimitError, match="as max_rows = 10 asks"):
        lake.run(notes, chunk_rows=5, max_rows=10)
    (last,) = query.rows(lake.settings, "SELECT status, rows_in FROM runs")
    assert (last["status"], last["rows_in"]) == ("stopped", len(lake.rows()))
    assert 0 < len(lake.rows()) < 30
    _, paid = lake.run(chunk_rows=5)
    assert len(paid) == len(set(paid)) == 30 - last["rows_in"]
    assert len(lake.rows()) == 30
