"""Expectations: what stops a run, and what is said of it."""

from typing import Any

import pytest

from lakehouse.quality import QualityError, Result, require
from schemas import TABLES
from schemas.table import Expectation, document_expectations, unexpected_rows


def result(expectation: str, severity: str = "critical", success: bool = False, observed: str = "3 rows") -> Result:
    return {
        "run_id": "run",
        "table_name": "linted_code",
        "chunk": 0,
        "expectation": expectation,
        "severity": severity,
        "success": success,
        "observed": observed,
    }


def test_a_broken_warning_stops_nothing() -> None:
    require([result("scores are high", "warning"), result("rows are unique", success=True)])


def test_every_broken_critical_expectation_is_named_in_one_line() -> None:
    with pytest.raises(QualityError) as stopped:
        require(
            [result("rows are unique"), result("scores are high", "warning"), result("no row is lost", observed="1")]
        )
    assert str(stopped.value) == "linted_code: rows are unique (3 rows); no row is lost (1)"


def arguments_of(expectations: tuple[Expectation, ...]) -> list[Any]:
    return [str(each.arguments) for each in expectations]


def test_a_reason_that_is_not_listed_breaks_conservation() -> None:
    (query,) = [
        words for words in arguments_of(document_expectations({"a": "", "b": ""})) if "kept + rejected" in words
    ]
    assert "reason NOT IN ('a', 'b')" in query
    (query,) = [words for words in arguments_of(document_expectations({})) if "kept + rejected" in words]
    assert "reason IS NOT NULL" in query


def test_what_no_row_may_do_is_said_in_words_and_in_sql() -> None:
    found = unexpected_rows("no score is above 10", "score > 10", "warning")
    assert found.severity == "warning"
    assert found.arguments == {
        "unexpected_rows_query": "SELECT doc_id FROM {batch} WHERE score > 10",
        "description": "no score is above 10",
    }


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.expectations])
def test_the_expectations_of_a_table_differ_from_one_another(name: str) -> None:
    found = [(each.type, str(each.arguments)) for each in TABLES[name].expectations]
    assert len(set(found)) == len(found)
