"""linted_code: reads parsed_code, scores every file with pylint and keeps the recipe's 7.0 and above.

Promises: a file gets the score that a pylint process of its own gives it, whatever files are linted before it. No file is
executed. The messages are stored, so that another threshold needs no linter.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.lakehouse.settings import Settings
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import linted_code, parsed_code
from recast.udfs.python import scoring
from recast.udfs.python.linter import lint

# Fields of the linter's result, by the column of the table that holds each.
FIELDS = {
    "lint_status": "status",
    "lint_score": "score",
    "lint_seconds": "seconds",
    "lint_near_limit": "near_limit",
}


def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Add pylint's messages and rating, and the share of comments."""
    fields = [F.col(f"lint.{FIELDS.get(column.name, column.name)}").alias(column.name) for column in linted_code.LINT]
    return lint.add_lint(rows).select(*rows.columns, *fields)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Apply the comment penalty and the threshold."""
    stored = F.struct(*(F.col(column.name).alias(FIELDS.get(column.name, column.name)) for column in linted_code.LINT))
    judged = rows.withColumn("lint", stored)
    return judged.withColumns(
        {
            "adjusted_score": scoring.adjusted_score_column(),
            "reason": scoring.reason_column(settings.lint_threshold),
        }
    ).drop("lint")


STAGE = Stage(
    target=linted_code.TABLE,
    source=kept_rows_of(parsed_code.TABLE, "repo_name", "path"),
    measure=measure,
    decide=decide,
    measured_by=lambda settings: lint.facts(),
    decided_by=lambda settings: {**scoring.VERSION, "threshold": settings.lint_threshold},
    needs=("recast.udfs.python.linter.lint",),
    phases=("lint",),
)

if __name__ == "__main__":
    submit(STAGE)
