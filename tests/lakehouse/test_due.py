"""Failures that a run tries again by itself: how many there are is known without a JVM, and each try doubles the wait."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType
from pyspark.sql import SparkSession

from recast.lakehouse import due, ledger
from recast.lakehouse.claims import Claim
from recast.lakehouse.settings import Settings
from recast.lakehouse.stage import Stage
from recast.lakehouse.takedown import lift, take_down
from recast.schemas import TABLES
from recast.settings import UserError
from tests.lakehouse.lakes import write_table
from tests.lakehouse.taken import A, build
from tests.lakehouse.toy import toy_stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED_AT = {"a": 1, "b": 5, "c": 25, "d": 49}
"""Hours since each document was written."""


def failing(folder: Path, tries: str = "", tried_at: str = "") -> Stage:
    """Return a stage of the table parsed_code whose rejected rows may be tried again."""
    stage = toy_stage(folder / "bill")
    object.__setattr__(stage, "target", type("Named", (), {"name": "parsed_code"}))
    return replace(stage, retryable="NOT kept", tries=tries, tried_at=tried_at)


def test_failures_are_counted_once_they_are_as_old_as_the_setting_says(tmp_path: Path) -> None:
    rows = [
        {"doc_id": name, "kept": name == "d", "reason": None, "written_at": NOW - timedelta(hours=hours)}
        for name, hours in FAILED_AT.items()
    ]
    write_table(tmp_path, "parsed_code", rows)
    stage = failing(tmp_path)
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}

    def said(hours: float) -> tuple[str, ...]:
        return due.failures(Settings(lake=str(tmp_path), retry_after_hours=hours), stage, run)

    assert said(0) == ()
    assert said(0.5) == ("3 failures are tried again",)
    assert said(24) == ("1 failures are tried again",)
    assert said(25.5) == ()
    assert due.failures(Settings(lake=str(tmp_path / "empty"), retry_after_hours=1.0), stage, run) == ()


WAITS: list[tuple[float, int | None, float]] = [
    *((20, None, 20), (20, 0, 20), (20, 1, 20), (20, 2, 40), (20, 5, 320), (20, 6, 640), (20, 7, 720), (20, 9000, 720)),
    *((700, 1, 700), (700, 2, 720), (1000, 1, 1000), (1000, 5, 1000), (0.001, 3, 0.004)),
]
"""`retry_after_hours`, how often a row was tried, and after how many hours it is due."""


@pytest.mark.parametrize(("hours", "tries", "due_after"), WAITS)
def test_with_each_try_the_wait_doubles_up_to_30_days(
    tmp_path: Path, hours: float, tries: int | None, due_after: float
) -> None:
    ages = [timedelta(hours=share * due_after) for share in (0.5, 0.99, 1.01)]
    columns = {
        "kept": [False] * 3,
        "reason": pa.nulls(3, pa.string()),
        "written_at": pa.array([NOW - age for age in ages], pa.timestamp("us", "UTC")),
        "fetch_tries": pa.array([tries] * 3, pa.int32()),
    }
    write_deltalake(str(tmp_path / "parsed_code"), pa.table(columns))
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    settings = Settings(lake=str(tmp_path), retry_after_hours=hours)
    assert due.failures(settings, failing(tmp_path, "fetch_tries"), run) == ("1 failures are tried again",)


def test_a_row_that_is_written_again_for_another_reason_waits_no_longer(tmp_path: Path) -> None:
    written, tried = (3, 3, 1, 1), (None, 1, 3, None)
    columns = {
        "kept": [False] * 4,
        "reason": pa.nulls(4, pa.string()),
        "written_at": pa.array([NOW - timedelta(hours=hours) for hours in written], pa.timestamp("us", "UTC")),
        "fetch_tries": pa.array([1] * 4, pa.int32()),
        "fetch_tried_at": pa.array([h and NOW - timedelta(hours=h) for h in tried], pa.timestamp("us", "UTC")),
    }
    write_deltalake(str(tmp_path / "parsed_code"), pa.table(columns))
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    settings = Settings(lake=str(tmp_path), retry_after_hours=2.0)
    stage = failing(tmp_path, "fetch_tries", "fetch_tried_at")
    assert due.failures(settings, stage, run) == ("2 failures are tried again",), "the first and the third"


@pytest.mark.parametrize(("tries", "tried_at"), [("", ""), ("fetch_tries", "fetch_tried_at")])
def test_a_failure_from_after_the_runs_own_start_is_due_since_a_clock_was_ahead(
    tmp_path: Path, tries: str, tried_at: str
) -> None:
    times = pa.array([NOW + timedelta(days=5 * 365), NOW, NOW - timedelta(hours=1)], pa.timestamp("us", "UTC"))
    columns = {"kept": [False] * 3, "reason": pa.nulls(3, pa.string()), "written_at": times}
    columns |= {"fetch_tries": pa.array([1, 2, None], pa.int32()), "fetch_tried_at": times}
    write_deltalake(str(tmp_path / "parsed_code"), pa.table(columns))
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    settings = Settings(lake=str(tmp_path), retry_after_hours=20.0)
    assert due.failures(settings, failing(tmp_path, tries, tried_at), run) == ("1 failures are tried again",)


@pytest.mark.spark
def test_spark_takes_the_same_failures_for_due_as_duckdb(spark: SparkSession) -> None:
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    ages = {"ahead": -5 * 365 * 24, "fresh": 1, "old": 21, "old, tried twice": 21, "older, tried twice": 41}
    rows = [(name, 2 if "twice" in name else 1, NOW - timedelta(hours=age)) for name, age in ages.items()]
    made = spark.createDataFrame(rows, "name string, fetch_tries int, written_at timestamp")
    condition = due.old_enough(Settings(retry_after_hours=20.0), run, "fetch_tries", "", "TIMESTAMP")
    assert {row["name"] for row in made.where(condition).collect()} == {"ahead", "old", "older, tried twice"}


def test_the_longest_wait_that_can_be_set_is_a_time() -> None:
    (most,) = (each.metadata["most"] for each in fields(Settings) if each.name == "retry_after_hours")
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    assert "'1926-" in due.old_enough(Settings(retry_after_hours=most), run, "fetch_tries", "", "TIMESTAMP")
    with pytest.raises(UserError, match=r"^retry_after_hours is 1000000000\.0; give a number between 0 and 876,000$"):
        Settings(retry_after_hours=1e9)


def test_failures_are_counted_in_a_table_that_gained_columns_and_no_rows_since(tmp_path: Path) -> None:
    columns = {"kept": [False], "written_at": pa.array([NOW - timedelta(hours=2)], pa.timestamp("us", "UTC"))}
    write_deltalake(str(tmp_path / "parsed_code"), pa.table(columns))
    types = {"reason": "string", "fetch_tries": "integer", "fetch_tried_at": "timestamp"}
    added = [Field(name, PrimitiveType(type_)) for name, type_ in types.items()]
    DeltaTable(str(tmp_path / "parsed_code")).alter.add_columns(added)
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    settings = Settings(lake=str(tmp_path), retry_after_hours=1.0)
    assert due.failures(settings, failing(tmp_path, "fetch_tries", "fetch_tried_at"), run) == (
        "1 failures are tried again",
    )


def test_a_table_that_does_not_count_tries_yet_waits_as_after_the_first(tmp_path: Path) -> None:
    write_table(
        tmp_path,
        "parsed_code",
        [{"doc_id": "a", "kept": False, "reason": None, "written_at": NOW - timedelta(hours=2)}],
    )
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}
    settings = Settings(lake=str(tmp_path), retry_after_hours=1.0)
    assert due.failures(settings, failing(tmp_path, "fetch_tries", "fetch_tried_at"), run) == (
        "1 failures are tried again",
    )


def test_only_a_lift_of_a_text_says_since_when_rows_without_one_are_due(tmp_path: Path) -> None:
    settings = build(tmp_path / "lake")
    raw_code, no_raw = (
        replace(toy_stage(tmp_path / "bill"), target=TABLES[name]) for name in ("raw_code", "parsed_code")
    )
    for claim in (Claim("blob", A), Claim("content", "0" * 64)):
        assert due.lifted_at(settings, raw_code) is None
        take_down(settings, [claim], "asked to")
        assert due.lifted_at(settings, raw_code) is None
        before = datetime.now(UTC)
        lift(settings, [claim], "a mistake")
    at = due.lifted_at(settings, raw_code)
    assert at is not None and before <= at <= datetime.now(UTC)
    assert due.lifted_at(settings, no_raw) is None, "it has no row without a text that was taken down"
