"""The plan: what is pending, found on keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lakehouse.plan import chunks_of, plan

HAVE = "doc_id string, input_hash string, carried_hash bigint, measured_by string, decided_by string, in_target boolean"


@given(
    rows=st.integers(0, 10**9),
    chunk_rows=st.integers(1, 10**6),
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    staggered=st.booleans(),
)
def test_every_hash_lies_in_exactly_one_chunk(rows: int, chunk_rows: int, digest: str, staggered: bool) -> None:
    chunks = chunks_of(min(rows, 500 * chunk_rows), chunk_rows, staggered)
    holding = [chunk for chunk in chunks if chunk.low <= digest and (chunk.high is None or digest < chunk.high)]
    assert len(holding) == 1


def test_chunks_are_as_few_as_the_size_allows() -> None:
    assert [len(chunks_of(rows, 10)) for rows in (1, 10, 11, 100)] == [1, 1, 2, 10]
    assert [len(chunks_of(rows, 10, staggered=True)) for rows in (1, 10, 11, 15, 16, 95)] == [1, 1, 2, 2, 3, 10]


def test_the_first_of_staggered_chunks_is_half_as_wide() -> None:
    bounds = [int(chunk.low or "0", 16) / 16**8 for chunk in chunks_of(25, 10, staggered=True)]
    assert bounds == pytest.approx([0, 0.2, 0.6], abs=1e-6)


def planned(spark: SparkSession, wanted: list[tuple], have: list[tuple]) -> dict[str, tuple[str, str | None]]:
    """Return action and origin by document."""
    wanted_rows = spark.createDataFrame(wanted, "doc_id string, input_hash string, carried_hash bigint")
    have_rows = spark.createDataFrame(have, HAVE)
    rows = plan(wanted_rows, have_rows, "m1", "d1").collect()
    assert len(rows) == len({row["doc_id"] for row in rows})
    return {row["doc_id"]: (row["action"], row["from_doc_id"]) for row in rows}


CASES = {
    "a new document is measured": ([("a", "x", 1)], [], {"a": ("measure", None)}),
    "a finished document is left alone": ([("a", "x", 1)], [("a", "x", 1, "m1", "d1", True)], {}),
    "a document whose source row is gone is removed": ([], [("a", "x", 1, "m1", "d1", True)], {"a": ("remove", None)}),
    "a changed text is measured again": ([("a", "y", 1)], [("a", "x", 1, "m1", "d1", True)], {"a": ("measure", None)}),
    "another way to measure measures again": (
        [("a", "x", 1)],
        [("a", "x", 1, "m0", "d1", True)],
        {"a": ("measure", None)},
    ),
    "another way to decide only decides again": (
        [("a", "x", 1)],
        [("a", "x", 1, "m1", "d0", True)],
        {"a": ("decide", None)},
    ),
    "a changed licence costs no measurement": (
        [("a", "x", 2)],
        [("a", "x", 1, "m1", "d1", True)],
        {"a": ("copy", "a")},
    ),
    "equal texts are measured once": (
        [("b", "x", 1), ("a", "x", 1), ("c", "x", 1)],
        [],
        {"a": ("measure", None), "b": ("copy", "a"), "c": ("copy", "a")},
    ),
    "a text measured for another document is copied": (
        [("a", "x", 1), ("b", "x", 1)],
        [("a", "x", 1, "m1", "d1", True)],
        {"b": ("copy", "a")},
    ),
    "a measurement made another way is not copied": (
        [("a", "x", 1), ("b", "x", 1)],
        [("a", "x", 1, "m0", "d1", True)],
        {"a": ("measure", None), "b": ("copy", "a")},
    ),
    "what a killed run staged is copied and not removed": (
        [("a", "x", 1)],
        [("a", "x", 1, "m1", "d1", False), ("z", "q", 1, "m1", "d1", False)],
        {"a": ("copy", "a")},
    ),
    "a document listed twice counts once": ([("a", "x", 1), ("a", "x", 1)], [], {"a": ("measure", None)}),
}


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES)
def test_plan(spark: SparkSession, case: str) -> None:
    wanted, have, expected = CASES[case]
    assert planned(spark, wanted, have) == expected
