"""The feeder inside Spark: schema, partitions as journal buckets, and errors that reach the driver."""

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recast import journal
from recast.inference.answers import ANSWER_FIELDS
from recast.inference.request import RewriteSpec
from recast.inference.rewrite import ask, profile
from recast.inference.server import engine, process
from recast.inference.server.spec import EngineSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

Make = Callable[..., EngineSpec]


def rows_of(spark: "SparkSession", texts: list[str | None]) -> "DataFrame":
    data = [
        (
            index,
            text,
            text and hashlib.sha256(text.encode()).hexdigest(),
            datetime(2026, 1, 1, tzinfo=UTC),
            [("p", index)],
        )
        for index, text in enumerate(texts)
    ]
    return spark.createDataFrame(
        data, "id int, text string, input_hash string, seen_at timestamp, places array<struct<path: string, n: int>>"
    )


def test_rows_keep_their_columns_and_gain_the_measured_ones(spark: "SparkSession", endpoint: Make) -> None:
    rows = rows_of(spark, [f"text {index}" for index in range(40)] + [None])
    answered = ask(rows, RewriteSpec(endpoint(), "", "{text}", fingerprint="f", journal_buckets=3))
    assert answered.columns == [*rows.columns, *ANSWER_FIELDS.names]
    assert answered.schema.fields[: len(rows.columns)] == rows.schema.fields
    collected = answered.collect()
    assert Counter(row.answer_status for row in collected) == {"answered": 40, "empty_input": 1}
    for row in collected:
        assert row.places == [("p", row.id)]
        assert row.answer == (row.text and row.text.upper())
        if row.text:
            assert abs((row.answered_at.astimezone(UTC) - datetime.now(UTC)).total_seconds()) < 600


def test_a_second_job_finds_every_partition_in_its_bucket(
    spark: "SparkSession", endpoint: Make, tmp_path: Path
) -> None:
    rows = rows_of(spark, [f"text {index}" for index in range(60)])
    spec = RewriteSpec(endpoint(), "", "{text}", fingerprint="f", journal=str(tmp_path), journal_buckets=5)
    first = {tuple(row) for row in ask(rows, spec).drop("places").collect()}
    assert journal.progress(str(tmp_path)).rows == 60
    nowhere = RewriteSpec(
        EngineSpec("/no/such/model"), "", "{text}", fingerprint="f", journal=str(tmp_path), journal_buckets=5
    )
    # Another order, another number of input partitions: the same buckets.
    again = ask(rows.orderBy("text").repartition(7), nowhere).drop("places").collect()
    assert {tuple(row) for row in again} == first


def test_what_an_engine_says_reaches_the_driver(spark: "SparkSession") -> None:
    from pyspark.errors import PySparkException

    spec = RewriteSpec(EngineSpec("/no/such/model"), "", "{text}", fingerprint="f", journal_buckets=1)
    with pytest.raises(PySparkException, match="EngineError: model folder /no/such/model does not exist"):
        ask(rows_of(spark, ["text"]), spec).collect()


def test_an_engine_started_on_the_driver_is_the_one_that_tasks_find(
    spark: "SparkSession", fake_engine: Make, tmp_path: Path
) -> None:
    spec = fake_engine("--record", str(tmp_path / "record"))
    engine.prewarm(spec).join()
    started = engine.connect(spec)
    rewritten = ask(
        rows_of(spark, ["a", "b", "c"]), RewriteSpec(spec, "", "{text}", fingerprint="f", journal_buckets=2)
    )
    assert rewritten.count() == 3
    assert process.starts(started) == 1
    assert (tmp_path / "record").exists()


def test_rows_that_have_measured_columns_already_are_refused(spark: "SparkSession", endpoint: Make) -> None:
    rows = rows_of(spark, ["a"]).selectExpr("*", "'x' as answer")
    with pytest.raises(ValueError, match="answer"):
        ask(rows, RewriteSpec(endpoint(), "", "{text}"))


def test_local_masters_get_no_profile(spark: "SparkSession", endpoint: Make, fake_engine: Make) -> None:
    assert profile(spark, fake_engine()) is None
