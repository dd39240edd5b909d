"""Sizes of Spark's work: few pieces for few rows, many for many, whatever the cluster."""

from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.sizes import LEAST_ROWS_PER_PARTITION, MOST_ROWS_PER_PARTITION, pays_to_optimise, sizes

PARTITIONS = "spark.sql.shuffle.partitions"


def test_a_small_stage_is_one_piece_neither_compiled_nor_adapted() -> None:
    assert sizes(42, 2) == {
        PARTITIONS: "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }


def test_forty_two_rows_do_not_fill_a_thousand_cores() -> None:
    assert sizes(42, 1000)[PARTITIONS] == "1"


def test_ten_million_keys_spread_and_are_compiled() -> None:
    large = sizes(10_000_000, 2)
    assert large[PARTITIONS] == "50"
    assert large["spark.sql.codegen.wholeStage"] == large["spark.sql.adaptive.enabled"] == "true"
    assert sizes(10_000_000, 400)[PARTITIONS] == "400"


def test_a_hundred_thousand_rows_pay_for_the_compiler_of_the_jvm_and_not_for_that_of_queries() -> None:
    assert pays_to_optimise(100_000) and not pays_to_optimise(42)
    assert sizes(100_000, 2)["spark.sql.codegen.wholeStage"] == "false"


def test_an_empty_stage_has_one_partition() -> None:
    assert sizes(0, 8)[PARTITIONS] == "1"


@given(st.integers(0, 10**11), st.integers(1, 10_000))
def test_no_partition_is_too_large_and_no_core_is_idle_while_partitions_are(rows: int, cores: int) -> None:
    partitions = int(sizes(rows, cores)[PARTITIONS])
    assert rows <= partitions * MOST_ROWS_PER_PARTITION
    assert partitions >= cores or rows <= partitions * LEAST_ROWS_PER_PARTITION
    assert 1 <= int(sizes(rows, cores)["spark.databricks.delta.snapshotPartitions"]) <= 50
