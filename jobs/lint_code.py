"""linted_code: reads parsed_code, scores every file with pylint and keeps the recipe's 7.0 and above.

Promises: a file gets the score that a pylint process of its own gives it, whatever files are linted before it. No file is
executed. The messages are stored, so that another threshold needs no linter.
"""

from pyspark.sql import DataFrame

from recast.cli.submit import submit
from recast.columns import add_columns
from recast.jobs.settings import Settings
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import linted_code, parsed_code
from recast.schemas.linted_code import Lint
from recast.udfs.python import scoring
from recast.udfs.python.linter import lint


def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Add pylint's messages and rating, and the share of comments."""
    return add_columns(rows, lint.lint, Lint, "text")


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Apply the comment penalty and the threshold."""
    return rows.withColumns(
        {
            "adjusted_score": scoring.adjusted_score_column(),
            "reason": scoring.reason_column(settings.lint_threshold),
        }
    )


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
