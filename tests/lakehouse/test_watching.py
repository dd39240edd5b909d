"""What is done of chunks under way: rows as Spark counts them while tasks run, and the phase that they are in."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from recast.lakehouse.progress import Seen
from recast.lakehouse.stage import Progress
from recast.lakehouse.watching import (
    Operator,
    Part,
    description,
    of_parts,
    of_service,
    part_of,
    rows_out,
    throttled,
    watch,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A query that lints answers, from its end to its beginning, as Spark shows it.
WRITE = Operator("Execute InsertIntoHadoopFsRelationCommand", {"number of output rows": 1, "job commit time": 2})
LINT = Operator("ArrowEvalPython", {"number of output rows": 3, "data sent to Python workers": 4})
PROJECT = Operator("Project", {})
ASK = Operator("MapInArrow", {"number of output rows": 5})
SPREAD = Operator("Exchange", {"records read": 6, "shuffle records written": 7})
SCAN = Operator("Scan parquet", {"number of output rows": 8, "number of files read": 9})
ASKS = ("ask", "read and lint answers")


def test_rows_are_those_of_the_last_operator_that_counts_while_it_runs() -> None:
    counts = {3: "1,234", 5: "2,000", 6: "2,500", 8: "10,000"}
    assert rows_out([WRITE, PROJECT, LINT, ASK, SPREAD, SCAN], counts) == 1234
    assert rows_out([WRITE, PROJECT, ASK, SPREAD, SCAN], counts) == 2000
    assert rows_out([WRITE, PROJECT, SPREAD, SCAN], counts) == 2500


def test_an_operator_that_has_not_counted_yet_has_no_rows_whatever_stands_before_it() -> None:
    assert rows_out([WRITE, LINT, ASK, SPREAD, SCAN], {5: "2,000", 8: "10,000"}) == 0
    assert rows_out([WRITE, PROJECT], {}) == 0
    assert rows_out([], {}) == 0


@pytest.mark.parametrize("action", ["measure", "copy", "decide", "withdraw"])
def test_a_description_names_chunk_and_action(action: str) -> None:
    assert part_of(description("linted_code", 12, action)) == Part(12, action)


@pytest.mark.parametrize("words", ["", "linted_code chunk 12", "Delta: snapshot", "chunk x: copy"])
def test_other_jobs_are_no_parts(words: str) -> None:
    assert part_of(words) is None


def test_rows_of_all_chunks_count_and_the_oldest_names_the_phase() -> None:
    parts = [Part(4, "measure", 100, over=True), Part(4, "copy", 7), Part(5, "measure", 30)]
    assert of_parts(("lint",), parts) == Seen(rows=137, phase="copy")
    assert of_parts(("lint",), parts[2:]) == Seen(rows=30, phase="lint")
    assert of_parts(("lint",), [Part(5, "decide", 1)]).phase == "decide again"
    assert of_parts(("lint",), []) == Seen(phase="lint")


def test_results_count_while_they_come_and_rows_after_the_last() -> None:
    parts, asked = [Part(0, "measure", 64)], Progress(90, 900, 3, 1, ended=False)
    asking = of_service(ASKS, parts, asked)
    assert (asking.rows, asking.phase, asking.output_tokens) == (90, "ask", 900)
    assert (asking.running, asking.waiting) == (3, 1)
    linting = of_service(ASKS, parts, asked._replace(ended=True))
    assert (linting.rows, linting.phase, linting.output_tokens) == (64, "read and lint answers", 900)


def test_before_anybody_reports_results_are_awaited() -> None:
    seen = of_service(ASKS, [Part(0, "measure")], Progress(40, 400, 0, 0, ended=None))
    assert (seen.rows, seen.phase) == (40, "ask")


def test_rows_that_are_finished_before_anybody_reports_took_results_from_journals() -> None:
    recalled = of_service(ASKS, [Part(0, "measure", 5)], Progress(40, 400, 0, 0, ended=None))
    assert (recalled.rows, recalled.phase) == (5, "read and lint answers")


def test_answers_that_are_only_decided_again_are_not_asked_for() -> None:
    seen = of_service(ASKS, [Part(0, "decide", 5)], Progress(0, 0, 0, 0, ended=None))
    assert (seen.rows, seen.phase) == (5, "decide again")


def test_looking_takes_at_most_a_tenth_of_the_time() -> None:
    looks = 0

    def slow() -> Seen:
        nonlocal looks
        looks += 1
        time.sleep(0.02)
        return Seen(looks)

    look, until = throttled(slow), time.monotonic() + 0.3
    while time.monotonic() < until:
        assert look().rows == looks
    assert 1 <= looks <= 3


@pytest.mark.spark
@pytest.mark.slow
def test_rows_move_while_a_long_task_runs(spark: "SparkSession", tmp_path: Path) -> None:
    """The only task takes 12 s; a count of finished tasks says 0 until its end."""

    def slowly(batches):  # type: ignore[no-untyped-def]
        for batch in batches:
            time.sleep(0.06 * batch.num_rows)
            yield batch

    def stage_rows() -> None:
        spark.sparkContext.setJobGroup("notes:run", "planning")
        rows = spark.range(200).selectExpr("id", "repeat('x', 3000) AS text").repartition(1)
        rows.count()
        spark.sparkContext.setJobDescription(description("notes", 3, "measure"))
        rows.mapInArrow(slowly, rows.schema).write.parquet(str(tmp_path / "rows"))

    stage: Any = SimpleNamespace(usage=None, phases=("read",))
    meter: Any = SimpleNamespace(job_group="notes:run", chunks=3)
    look = watch(spark, stage, "", 0.0, meter)
    records = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "10")
    try:
        work = threading.Thread(target=stage_rows)
        work.start()
        seen = []
        while work.is_alive():
            seen.append(look().rows)
            time.sleep(0.1)
        work.join()
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", records)
    assert seen == sorted(seen)
    assert len({rows for rows in seen if 0 < rows < 200}) >= 2
    settled(look, Seen(200, phase="read"))  # what is staged counts until its commit
    meter.chunks = 4
    settled(look, Seen(0, phase="read"))


def settled(look: Callable[[], Seen], expected: Seen) -> None:
    """Fail unless looking shows what is expected, at once or once Spark has told its last figures."""
    until = time.monotonic() + 10
    while look() != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert look() == expected
