"""The plan: what is pending, found on keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recast.lakehouse.plan import chunks_of, plan

HAVE = (
    "doc_id string, input_hash string, carried_hash bigint, measured_by string, decided_by string, in_target boolean, "
    "withdrawn boolean"
)


def evenly(rows: int) -> dict[str, int]:
    """Spread rows over the hashes as sha256 does."""
    return {f"{index * 16**4 // rows:04x}": 1 for index in range(rows)}


@given(
    rows=st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=4), st.integers(1, 1000), min_size=1),
    chunk_rows=st.integers(1, 5000),
    staggered=st.booleans(),
)
def test_every_hash_lies_in_one_chunk_and_every_chunk_holds_rows(
    rows: dict[str, int], chunk_rows: int, staggered: bool
) -> None:
    chunks = chunks_of(rows, chunk_rows, staggered)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    held = dict.fromkeys(chunks, 0)
    for prefix, count in rows.items():
        digest = prefix + "7" * 60
        (chunk,) = [each for each in chunks if each.low <= digest and (each.high is None or digest < each.high)]
        held[chunk] += count
    assert all(held.values())
    # A chunk ends with the prefix that fills it.
    assert max(held.values()) < chunk_rows + max(rows.values())


def test_chunks_are_as_few_as_the_size_allows() -> None:
    assert [len(chunks_of(evenly(rows), 10)) for rows in (1, 10, 11, 100)] == [1, 1, 2, 10]
    staggered = [len(chunks_of(evenly(rows), 10, staggered=True)) for rows in (1, 10, 11, 15, 16, 95)]
    assert staggered == [1, 1, 2, 2, 3, 10]


def test_the_first_of_staggered_chunks_is_half_as_large() -> None:
    bounds = [int(chunk.low or "0", 16) / 16**4 for chunk in chunks_of(evenly(2500), 1000, staggered=True)]
    assert bounds == pytest.approx([0, 0.2, 0.6], abs=1e-3)


def test_what_a_stopped_run_left_at_one_end_is_cut_as_evenly() -> None:
    rest = {prefix: count for prefix, count in evenly(1000).items() if prefix >= "c000"}
    assert len(chunks_of(rest, 50)) == 5


def planned(
    spark: SparkSession, wanted: list[tuple], have: list[tuple], rejected: str = "", withdrawn: str = ""
) -> dict[str, tuple[str, str | None]]:
    """Return action and origin by document; `rejected` and `withdrawn` name documents by their letters."""
    wanted_rows = spark.createDataFrame(wanted, "doc_id string, input_hash string, carried_hash bigint")
    have_rows = spark.createDataFrame([(*row, row[0] in withdrawn) for row in have], HAVE)
    rejected_rows = spark.createDataFrame([(doc_id,) for doc_id in rejected], "doc_id string")
    rows = plan(wanted_rows, have_rows, rejected_rows, "m1", "d1", "salt").collect()
    assert len(rows) == len({row["doc_id"] for row in rows})
    return {row["doc_id"]: (row["action"], row["from_doc_id"]) for row in rows}


CONFLICTS = {
    "equal rows are no conflict": ([("a", "x", 1), ("a", "x", 1)], [], {"a": ("measure", 0)}),
    "another text is one": ([("a", "x", 1), ("a", "y", 1)], [], {"a": ("measure", 2)}),
    "other columns are one": ([("a", "x", 1), ("a", "x", 1), ("a", "x", 2)], [], {"a": ("measure", 3)}),
    "the stored row stays": (
        [*(("a", f"{number:02}", 1) for number in range(30)), ("a", "x", 1)],
        [("a", "x", 1, "m1", "d1", True)],
        {"a": ("nothing", 31)},
    ),
    "the stored text stays under other columns": (
        [*(("a", f"{number:02}", 1) for number in range(30)), ("a", "x", 2)],
        [("a", "x", 1, "m1", "d1", True)],
        {"a": ("copy", 31)},
    ),
    "a stored row that was measured otherwise stays, too": (
        [*(("a", f"{number:02}", 1) for number in range(30)), ("a", "x", 1)],
        [("a", "x", 1, "m0", "d1", True)],
        {"a": ("measure", 31)},
    ),
    "what a killed run staged stays only where it was committed": (
        [("a", "x", 1), ("a", "y", 1), ("b", "x", 1)],
        [("b", "x", 1, "m1", "d1", False)],
        {"a": (None, 2), "b": ("copy", 0)},
    ),
}


@pytest.mark.spark
@pytest.mark.parametrize("case", CONFLICTS)
def test_rows_of_one_document_that_differ_are_counted_and_the_stored_one_stays(spark: SparkSession, case: str) -> None:
    wanted, have, expected = CONFLICTS[case]
    wanted_rows = spark.createDataFrame(wanted, "doc_id string, input_hash string, carried_hash bigint")
    have_rows = spark.createDataFrame([(*row, False) for row in have] or [], HAVE)
    rows = plan(wanted_rows, have_rows, spark.createDataFrame([], "doc_id string"), "m1", "d1", "salt").collect()
    found = {row["doc_id"]: (row["action"], row["conflicting"]) for row in rows}
    assert found == {name: (action or found[name][0], count) for name, (action, count) in expected.items()}
    assert all(row["input_hash"] == "x" for row in rows if have and row["doc_id"] == have[0][0])


@pytest.mark.spark
def test_which_of_conflicting_rows_is_taken_depends_on_the_salt_alone(spark: SparkSession) -> None:
    rows = [(str(document), text, 1) for document in range(40) for text in "xy"]
    taken = []
    for wanted, salt in ((rows, "a"), (rows[::-1], "a"), (rows, "b")):
        wanted_rows = spark.createDataFrame(wanted, "doc_id string, input_hash string, carried_hash bigint")
        nothing = spark.createDataFrame([], "doc_id string")
        planned = plan(wanted_rows, spark.createDataFrame([], HAVE), nothing, "m1", "d1", salt)
        taken.append({row["doc_id"]: row["input_hash"] for row in planned.collect()})
    assert taken[0] == taken[1] != taken[2]


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


DONE = [("a", "x", 1, "m1", "d1", True)]
REJECTED = {
    "a document whose source row is rejected is withdrawn": ([], "a", "", {"a": ("withdraw", None)}),
    "a withdrawn document stays so": ([], "a", "a", {}),
    "a withdrawn document whose source row is gone is removed": ([], "", "a", {"a": ("remove", None)}),
    "a withdrawn document that is wanted again costs no measurement": (
        [("a", "x", 1)],
        "",
        "a",
        {"a": ("decide", None)},
    ),
    "a withdrawn document lends its measurement": ([("b", "x", 1)], "a", "a", {"b": ("copy", "a")}),
    "a rejected document that never was in the table is no one's": ([], "z", "", {"a": ("remove", None)}),
}


@pytest.mark.spark
@pytest.mark.parametrize("case", REJECTED)
def test_plan_of_rejected_documents(spark: SparkSession, case: str) -> None:
    wanted, rejected, withdrawn, expected = REJECTED[case]
    assert planned(spark, wanted, DONE, rejected, withdrawn) == expected


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES)
def test_plan(spark: SparkSession, case: str) -> None:
    wanted, have, expected = CASES[case]
    assert planned(spark, wanted, have) == expected
