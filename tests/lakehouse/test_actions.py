"""What is to be done with each document, found on keys."""

import pytest
from pyspark.sql import SparkSession

from recast.lakehouse.actions import find_actions

HAVE = (
    "doc_id string, input_hash string, carried_hash bigint, measured_by string, decided_by string, in_target boolean, "
    "withdrawn boolean"
)


def planned(
    spark: SparkSession, wanted: list[tuple], have: list[tuple], rejected: str = "", withdrawn: str = ""
) -> dict[str, tuple[str, str | None]]:
    """Return action and origin by document; `rejected` and `withdrawn` name documents by their letters."""
    wanted_rows = spark.createDataFrame(wanted, "doc_id string, input_hash string, carried_hash bigint")
    have_rows = spark.createDataFrame([(*row, row[0] in withdrawn) for row in have], HAVE)
    rejected_rows = spark.createDataFrame([(doc_id,) for doc_id in rejected], "doc_id string")
    rows = find_actions(wanted_rows, have_rows, rejected_rows, "m1", "d1", "salt").collect()
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
    rows = find_actions(
        wanted_rows, have_rows, spark.createDataFrame([], "doc_id string"), "m1", "d1", "salt"
    ).collect()
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
        planned = find_actions(wanted_rows, spark.createDataFrame([], HAVE), nothing, "m1", "d1", salt)
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
