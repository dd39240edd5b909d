"""What is to be done with each document, found on keys."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from recast.lakehouse.actions import find_actions

HAVE = (
    "doc_id string, input_hash string, carried_hash bigint, measured_by string, decided_by string, in_target boolean, "
    "withdrawn boolean, lends boolean, tries int"
)
WANTED = "doc_id string, input_hash string, carried_hash bigint"


Planned = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def planned(spark: SparkSession) -> dict[str, Planned]:
    """The planned rows of every case, by its name and by document: one plan for all, since a plan costs seconds.

    A case's documents and texts have its name before them, so that cases know nothing of each other.
    """
    cases = {name: (wanted, have, "", "") for name, (wanted, have, _) in (CONFLICTS | CASES).items()}
    cases |= {name: (wanted, DONE, rejected, withdrawn) for name, (wanted, rejected, withdrawn, _) in REJECTED.items()}

    def of(case: str, word: str) -> str:
        return f"{case}/{word}"

    wanted_rows, have_rows, rejected_rows = [], [], []
    for case, (wanted, have, rejected, withdrawn) in cases.items():
        wanted_rows += [(of(case, doc_id), of(case, text), columns) for doc_id, text, columns in wanted]
        have_rows += [
            (of(case, row[0]), of(case, row[1]), *row[2:6], row[0] in withdrawn, row[3] == "m1" and len(row) == 6, 3)
            for row in have
        ]
        rejected_rows += [(of(case, doc_id),) for doc_id in rejected]
    rows = find_actions(
        spark.createDataFrame(wanted_rows, WANTED),
        spark.createDataFrame(have_rows, HAVE),
        spark.createDataFrame(rejected_rows, "doc_id string"),
        *("m1", "d1", "salt"),
    ).collect()
    assert len(rows) == len({row["doc_id"] for row in rows})
    found: dict[str, Planned] = {case: {} for case in cases}
    for row in rows:
        case, _, doc_id = row["doc_id"].rpartition("/")
        words = {name: row[name] and row[name].removeprefix(f"{case}/") for name in ("input_hash", "from_doc_id")}
        found[case][doc_id] = row.asDict() | words
    return found


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
def test_rows_of_one_document_that_differ_are_counted_and_the_stored_one_stays(
    planned: dict[str, Planned], case: str
) -> None:
    _, have, expected = CONFLICTS[case]
    found = {doc_id: (row["action"], row["conflicting"]) for doc_id, row in planned[case].items()}
    assert found == {name: (action or found[name][0], count) for name, (action, count) in expected.items()}
    assert all(row["input_hash"] == "x" for doc_id, row in planned[case].items() if have and doc_id == have[0][0])


@pytest.mark.spark
def test_which_of_conflicting_rows_is_taken_depends_on_the_salt_alone(spark: SparkSession) -> None:
    rows = [(str(document), text, 1) for document in range(40) for text in "xy"]
    taken = []
    for wanted, salt in ((rows, "a"), (rows[::-1], "a"), (rows, "b")):
        wanted_rows = spark.createDataFrame(wanted, WANTED)
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
    "a row that holds no measurement lends none, to itself neither": (
        [("a", "x", 2), ("b", "x", 1)],
        [("a", "x", 1, "m1", "d1", True, "unmeasured")],
        {"a": ("measure", None), "b": ("copy", "a")},
    ),
    "a row that holds no measurement stands while its source row does": (
        [("a", "x", 1), ("b", "y", 1)],
        [("a", "x", 1, "m1", "d1", True, "unmeasured"), ("b", "y", 1, "m1", "d0", True, "unmeasured")],
        {"b": ("decide", None)},
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
@pytest.mark.parametrize("case", [*CASES, *REJECTED])
def test_a_document_gets_the_cheapest_action_that_brings_it_up_to_date(planned: dict[str, Planned], case: str) -> None:
    *_, expected = (CASES | REJECTED)[case]
    assert {doc_id: (row["action"], row["from_doc_id"]) for doc_id, row in planned[case].items()} == expected


LOSING = {
    "a document whose source row is gone is removed": {"a": True},
    "a changed text is measured again": {"a": True},
    "another way to measure measures again": {"a": False},
    "another way to decide only decides again": {"a": False},
    "a changed licence costs no measurement": {"a": False},
    "a row that holds no measurement lends none, to itself neither": {"a": False, "b": False},
    "what a killed run staged is copied and not removed": {"a": False},
    "a document whose source row is rejected is withdrawn": {"a": False},
    "a withdrawn document whose source row is gone is removed": {"a": True},
}


@pytest.mark.spark
def test_a_measurement_leaves_the_table_where_the_source_has_another_text_or_none(planned: dict[str, Planned]) -> None:
    found = {case: {doc_id: row["loses"] for doc_id, row in planned[case].items()} for case in LOSING}
    assert found == LOSING


BY_SOURCE = {
    "a new document is measured": {"a": True},
    "a document whose source row is gone is removed": {"a": True},
    "a changed text is measured again": {"a": True},
    "a changed licence costs no measurement": {"a": True},
    "another way to measure measures again": {"a": False},
    "another way to decide only decides again": {"a": False},
    "a document whose source row is rejected is withdrawn": {"a": True},
    "a withdrawn document that is wanted again costs no measurement": {"a": True},
    "the stored row stays": {"a": False},
}


@pytest.mark.spark
def test_what_is_done_for_the_source_is_told_from_what_the_rules_ask_for(planned: dict[str, Planned]) -> None:
    found = {case: {doc_id: row["by_source"] for doc_id, row in planned[case].items()} for case in BY_SOURCE}
    assert found == BY_SOURCE


@pytest.mark.spark
def test_a_text_that_is_measured_again_knows_how_often_it_was_and_another_begins_anew(
    planned: dict[str, Planned],
) -> None:
    again, other = "another way to measure measures again", "a changed text is measured again"
    assert [planned[case]["a"]["tries"] for case in (again, other)] == [3, None]
