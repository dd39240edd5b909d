"""Sources over tables: branches, joins and verdicts that depend on other rows, each as stages of a toy lane."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from rich.console import Console

from recast.jobs.settings import Settings
from recast.lakehouse import ledger, plan, query, store, work
from recast.lakehouse.graph import ordered
from recast.lakehouse.plan import Plan
from recast.lakehouse.progress import Meter
from recast.lakehouse.refresh import look, refresh
from recast.lakehouse.source import Source, joined, kept_rows_of
from recast.lakehouse.stage import Stage, keep
from recast.schemas import TABLES
from recast.schemas.table import IDENTITY, PROVENANCE, VERDICT, Table
from recast.schemas.table import Column as Declared
from recast.settings import UserError
from tests.lakehouse import toy

pytestmark = pytest.mark.spark


def table(name: str, reason: str, *columns: str) -> Table:
    return Table(
        name=name,
        about="for tests of sources",
        columns=(
            *IDENTITY,
            Declared("text", "string", "the note"),
            *VERDICT,
            *(Declared(each, "string", "for the test") for each in columns),
            *PROVENANCE,
        ),
        reasons={reason: "the test says so"},
    )


SHOUTED = table("shouted_notes", "question", "owner", "shout")
OWNED = table("owned_notes", "nobody", "owner")
BOTH = table("both_notes", "never", "shout", "owner")
DISTINCT = table("distinct_notes", "near_duplicate", "owner", "like", "shout")


def stage_over(target: Table, source: Source, kept: Column, bill: Path) -> Stage:
    """Return a stage that shouts each text, which costs a file in `bill`, and keeps the rows that meet `kept`."""
    paid = f"{bill}/{target.name}-"

    def shout(text: str) -> str:
        import uuid

        Path(f"{paid}{text}-{uuid.uuid4()}").touch()
        return text.upper()

    def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
        return rows if "shout" in rows.columns else rows.withColumn("shout", F.udf(shout, useArrow=False)("text"))

    def decide(rows: DataFrame, settings: Settings) -> DataFrame:
        return keep(rows, kept, otherwise=next(iter(target.reasons)))

    def facts(settings: Settings) -> dict[str, object]:
        return {"rule": 1}

    return Stage(target, source, measure, decide, facts, facts)


def like_each_other(source: Source) -> Source:
    """Return a source that gives each row the first document whose text begins with the same word, from all its rows."""

    def rows(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
        found = source.rows(spark, settings, version, takedowns)
        first = F.min("doc_id").over(Window.partitionBy(F.split("text", " ")[0]))
        return found.withColumn("like", F.nullif(first, F.col("doc_id")))

    return source._replace(rows=rows, gathered=True)


class Lane:
    """Five stages: notes, two branches of it, their join, and the distinct ones of a branch."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.settings, self.bill = spark, toy.settings_in(folder), folder / "bill"
        self.bill.mkdir()
        notes = kept_rows_of(toy.TABLE, "owner")
        self.stages = ordered(
            [
                stage_over(BOTH, joined(kept_rows_of(SHOUTED, "shout"), kept_rows_of(OWNED, "owner"), ["owner"]),
                           F.lit(True), self.bill),
                stage_over(DISTINCT, like_each_other(kept_rows_of(toy.TABLE, "owner")), F.isnull("like"), self.bill),
                stage_over(OWNED, notes, F.col("owner") != "", self.bill),
                stage_over(SHOUTED, notes, ~F.endswith("text", F.lit("?")), self.bill),
                toy.toy_stage(folder / "letters"),
            ]
        )  # fmt: skip
        self.runs = 0

    def run(self, notes: dict[str, tuple[str, str]]) -> list[str]:
        """Write the source and run all stages; return what was paid for below the notes, by table and text."""
        toy.write_notes(Path(self.settings.math_source), notes)
        before = set(self.bill.iterdir())
        self.runs += 1
        for stage in self.stages.values():
            refresh(self.spark, self.settings, stage, f"run-{self.runs}", Meter(Console(quiet=True)))
        return sorted(path.name.rsplit("-", 5)[0] for path in set(self.bill.iterdir()) - before)

    def rows(self, name: str, *columns: str) -> dict[str, tuple[object, ...]]:
        found = query.rows(self.settings, f"SELECT * FROM {name}")
        return {row["doc_id"]: tuple(row[column] for column in columns) for row in found}


@pytest.fixture
def lane(spark: SparkSession, tmp_path: Path) -> Iterator[Lane]:
    added = {each.name: each for each in (toy.TABLE, SHOUTED, OWNED, BOTH, DISTINCT)}
    TABLES.update(added)
    yield Lane(spark, tmp_path)
    for name in added:
        del TABLES[name]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Make every plan twice, from changes and from all rows, and require that they are one; count the former's documents."""
    counted: dict[str, int] = {}

    def both(found: work.Work, why: tuple[str, ...] = ()) -> Plan:
        documents = found.changed()
        if documents is not None:
            counted[found.stage.name] = documents.count()
        whole = make(found._replace(planned_before=""), why)
        actions = {tuple(row) for row in found.planned().collect()} if found.folder else set()
        narrow = make(found, why)
        assert narrow == whole
        assert not found.folder or {tuple(row) for row in found.planned().collect()} == actions
        return narrow

    make = plan.make
    monkeypatch.setattr(plan, "make", both)
    monkeypatch.setattr(work, "MOST_CHANGED", 100)  # in a small table every change is a large share
    return counted


NOTES = {"a": ("red one", "ann"), "b": ("red two", "bob"), "c": ("blue?", "cy"), "d": ("green", "")}


def test_branches_joins_and_near_duplicates_are_stages_like_others_and_planned_from_changes(
    lane: Lane, looked_at: dict[str, int]
) -> None:
    assert list(lane.stages) == ["notes", "shouted_notes", "owned_notes", "both_notes", "distinct_notes"]
    paid = lane.run(NOTES)
    assert len(paid) == len(set(paid)) == 8, "each text once in each stage that shouts"
    assert lane.rows("both_notes", "shout", "owner") == {"a": ("RED ONE", "ann"), "b": ("RED TWO", "bob")}
    assert lane.rows("distinct_notes", "kept", "reason", "like") == {
        "a": (True, None, None),
        "b": (False, "near_duplicate", "a"),
        "c": (True, None, None),
        "d": (True, None, None),
    }
    made_by = {each["table_name"] for each in lane.rows("both_notes", "made_by")["a"][0]}  # type: ignore[attr-defined]
    assert made_by == {"notes", "shouted_notes", "owned_notes"}
    assert lane.run(NOTES) == []

    gone = {name: note for name, note in NOTES.items() if name != "a"}
    assert lane.run(gone) == [], "a verdict that other rows decide changes without a measurement"
    assert lane.rows("distinct_notes", "kept", "like") == {
        "b": (True, None),
        "c": (True, None),
        "d": (True, None),
    }
    assert set(lane.rows("both_notes")) == {"b"}

    looked_at.clear()
    # Another text, another owner, a text that another note has as well, a note that one branch rejects.
    lane.run(gone | {"b": ("red three", "bob"), "d": ("green", "dan"), "e": ("red three", "eve"), "f": ("why?", "flo")})
    assert lane.rows("both_notes", "shout", "owner") == {
        "b": ("RED THREE", "bob"),
        "d": ("GREEN", "dan"),
        "e": ("RED THREE", "eve"),
    }
    assert looked_at == {"shouted_notes": 4, "owned_notes": 4, "both_notes": 4}


def test_a_plan_is_what_the_next_run_does_and_writes_nothing(lane: Lane) -> None:
    toy.write_notes(Path(lane.settings.math_source), NOTES)
    notes = lane.stages["notes"]
    first = look(lane.spark, lane.settings, notes)
    assert (first.why, first.rows, first.unchanged) == (("no run is recorded",), {"measure": 4}, 0)
    assert not Path(lane.settings.lake).exists()

    lane.run(NOTES)
    assert look(lane.spark, lane.settings, notes) == Plan("notes", unchanged=4)
    lane.run(NOTES)
    changed = {"a": ("red one", "zoe"), "b": ("red three", "bob"), "c": ("blue?", "cy"), "e": ("green", "")}
    toy.write_notes(Path(lane.settings.math_source), changed)
    files = sorted(Path(lane.settings.lake).rglob("*"))
    next_one = look(lane.spark, lane.settings, notes)
    assert next_one.rows == {"copy": 2, "measure": 1, "remove": 1} and next_one.unchanged == 1
    assert len(next_one.why) == 1 and next_one.why[0].startswith("4 source rows changed (version ")
    assert (next_one.by_source, next_one.refused) == (4, "")
    assert sorted(Path(lane.settings.lake).rglob("*")) == files
    run = refresh(lane.spark, lane.settings, notes, "run-9", Meter(Console(quiet=True)))
    assert run is not None
    assert (run["rows_in"], run["rows_measured"], run["rows_removed"]) == (3, 1, 1)


def test_a_vacuumed_change_feed_costs_a_plan_over_all_rows_and_nothing_else(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_CHANGED", 100)
    lane.stages = {name: lane.stages[name] for name in ("notes", "shouted_notes")}
    lane.run(NOTES)
    toy.write_notes(Path(lane.settings.math_source), NOTES | {"a": ("red three", "ann")})
    refresh(lane.spark, lane.settings, lane.stages["notes"], "run-8", Meter(Console(quiet=True)))
    feed = list(Path(lane.settings.lake, "notes", "_change_data").glob("*.parquet"))
    assert feed
    for file in feed:
        file.unlink()
    shouted = refresh(lane.spark, lane.settings, lane.stages["shouted_notes"], "run-9", Meter(Console(quiet=True)))
    assert shouted is not None and (shouted["rows_in"], shouted["rows_measured"]) == (1, 1)


def test_a_changed_fact_is_named_with_its_old_and_new_value(lane: Lane) -> None:
    lane.run(NOTES)
    settings = toy.settings_in(Path(lane.settings.lake).parent, lint_threshold=6.5)
    found = look(lane.spark, settings, lane.stages["notes"])
    assert found.why == ("letters 3.0 -> 6.5",)
    assert found.rows == {"decide": 4} and found.unchanged == 0


def test_a_join_that_lacks_a_table_says_which(lane: Lane) -> None:
    with pytest.raises(UserError, match=r"shouted_notes is not built in .*: recast refresh shouted_notes"):
        lane.stages["both_notes"].source.version(lane.settings)


def test_a_table_whose_last_run_failed_is_not_read_as_if_it_were_whole(lane: Lane) -> None:
    lane.run(NOTES)
    ledger.record(lane.settings, {"run_id": "run-1", "table_name": "notes", "status": "failed"})
    owned = lane.stages["owned_notes"]
    (Path(lane.settings.lake) / "owned_notes").rename(Path(lane.settings.lake) / "gone")
    planned = look(lane.spark, lane.settings, owned)
    assert planned.rows == {"measure": 4}, "a plan may be looked at"
    assert planned.refused == "the last run of notes is failed, so rows may be missing: recast refresh notes"
    assert look(lane.spark, lane.settings, owned, done_before={"notes"}).refused == ""
    with pytest.raises(UserError, match=r"the last run of notes is failed, .*: recast refresh notes"):
        refresh(lane.spark, lane.settings, owned, "run-7", Meter(Console(quiet=True)))


def test_joins_can_be_joined(lane: Lane) -> None:
    lane.run(NOTES)
    first = joined(kept_rows_of(SHOUTED, "shout"), kept_rows_of(OWNED, "owner"), ["owner"])
    source = joined(first, kept_rows_of(DISTINCT), ["text AS distinct_text"])
    version = source.version(lane.settings)
    depends = like_each_other(kept_rows_of(DISTINCT))
    assert [joined(*pair, []).gathered for pair in ((first, first), (first, depends), (depends, first))] == [
        False,
        True,
        True,
    ]
    rows = source.rows(lane.spark, lane.settings, version, None)
    found = rows.select("doc_id", "shout", "owner", "distinct_text").collect()
    assert [tuple(row) for row in found] == [("a", "RED ONE", "ann", "red one")]
    assert source.rejected is not None
    rejected = source.rejected(lane.spark, lane.settings, version).collect()
    assert {row["doc_id"] for row in rejected} == {"b", "c", "d"}


def test_a_table_that_became_an_older_copy_hides_no_change_from_the_table_below_it(lane: Lane, tmp_path: Path) -> None:
    """Its next version has the number of the one that the table below knows, and the change feed says nothing of both."""
    lane.stages = {name: lane.stages[name] for name in ("notes", "shouted_notes")}
    lane.run(NOTES)
    folder = Path(store.table_path(lane.settings, "notes"))
    copy = shutil.copytree(folder, tmp_path / "copy")
    lane.run(NOTES | {"a": ("red three", "ann")})
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    lane.run(NOTES | {"b": ("red four", "bob")})
    assert lane.rows("shouted_notes", "shout")["b"] == ("RED FOUR",)
    assert lane.rows("shouted_notes", "shout")["a"] == (NOTES["a"][0].upper(),)
