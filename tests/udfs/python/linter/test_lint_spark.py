"""Lint, syntax and scores as Spark columns: row for row what the pure functions say."""

import itertools
from functools import partial
from typing import TYPE_CHECKING

import pytest

from recast.columns import add_columns
from recast.schemas.linted_code import Lint, Message
from recast.schemas.parsed_code import Syntax
from recast.udfs.python import scoring, syntax
from recast.udfs.python.linter import lint
from tests.udfs.python.linter.test_lint import LIBRARY, TIDY, UNTIDY
from tests.udfs.python.test_scoring import BLANKET, ORDINARY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

pytestmark = pytest.mark.spark

LINT_DDL = "lint_status string, lint_score double, comment_ratio double, pragmas array<string>"
TEXTS = (
    TIDY,
    None,
    UNTIDY,
    "x = '\0'\n",
    "print 'hello'\n",
    "",
    "x = '" + "a" * 200_000 + "'\n",
    LIBRARY,
    "x = 1" + " + 1" * 900 + "\n",
    "import sys\nsys.exit(3)\n",
    "é = '\U0001f600'  # comment\n",
)


def texts(spark: "SparkSession", copies: int, partitions: int) -> "DataFrame":
    rows = spark.createDataFrame(list(enumerate(TEXTS * copies)), "id int, text string")
    return rows.repartition(partitions, "id")


def test_the_lint_column_is_what_the_function_says_in_any_partition(spark: "SparkSession") -> None:
    expected = [result._replace(lint_seconds=0.0) for result in lint.lint(TEXTS)]
    lint.close()
    for partitions in (1, 3):  # workers are reused, and so are their helpers
        found = add_columns(texts(spark, 2, partitions), lint.lint, Lint, "text").orderBy("id").collect()
        for row, result in zip(found, expected * 2, strict=True):
            assert as_record(row) == result


def as_record(row: "Row") -> Lint:
    """Return a row as the function's result, but for the time that it took."""
    values = {name: row[name] for name in Lint._fields}
    messages = tuple(Message(*message) for message in row["messages"])
    return Lint(**{**values, "messages": messages, "pragmas": tuple(row["pragmas"]), "lint_seconds": 0.0})


def test_the_syntax_column_is_what_the_function_says(spark: "SparkSession") -> None:
    found = add_columns(texts(spark, 1, 2), partial(map, syntax.check), Syntax, "text").orderBy("id").collect()
    assert [Syntax(*row[2:]) for row in found] == list(map(syntax.check, TEXTS))


@pytest.mark.parametrize("threshold", [7.0, 6.5, 0.0])
def test_score_and_reason_columns_are_what_the_functions_say(spark: "SparkSession", threshold: float) -> None:
    unscored = [Lint(status, pragmas=("disable=all",)) for status in scoring.STATUS_REASONS]
    scored = [
        Lint("scored", lint_score=score, comment_ratio=ratio, pragmas=pragmas)
        for score, ratio, pragmas in itertools.product(
            (0.0, 6.49, 6.5, 6.99, 7.0, 7.01, 9.33, 10.0),
            (0.0, 0.001, 0.07142857142857142, 0.3, 1.0),
            ((), *((pragma,) for pragma in (*BLANKET, *ORDINARY)), ("disable=C0103", "disable=C")),
        )
    ]
    results = [*unscored, *scored, Lint("no such status"), Lint("scored")]
    names = ("lint_status", "lint_score", "comment_ratio", "pragmas")
    stored = [(i, *(getattr(each, name) for name in names)) for i, each in enumerate(results)]
    rows = spark.createDataFrame(stored, f"id int, {LINT_DDL}")
    judged = rows.select(
        "id", scoring.adjusted_score_column().alias("adjusted"), scoring.reason_column(threshold).alias("reason")
    ).orderBy("id")
    for row, result in zip(judged.collect(), results, strict=True):
        assert (row.adjusted, row.reason) == scoring.decide_lint(result, threshold), result


def test_a_missing_result_is_a_reason_too(spark: "SparkSession") -> None:
    rows = spark.createDataFrame([(None,) * 4], LINT_DDL)
    assert rows.select(scoring.reason_column(7.0)).first() == ("not_linted",)
