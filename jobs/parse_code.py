"""parsed_code: reads raw_code and keeps what the recipe's interpreter, Python 3.10, would compile.

Promises: nothing is executed; a file that does not parse is a row with a reason that a person can act on.
"""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.columns import add_columns
from recast.jobs.settings import Settings
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import parsed_code, raw_code
from recast.schemas.parsed_code import Syntax
from recast.udfs.python import syntax


def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Add the parser's verdict."""
    return add_columns(rows, partial(map, syntax.check), Syntax, "text")


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Keep what parses; the parser's reason is the row's."""
    return rows.withColumn("reason", F.col("syntax_reason"))


STAGE = Stage(
    target=parsed_code.TABLE,
    source=kept_rows_of(raw_code.TABLE, "repo_name", "path"),
    measure=measure,
    decide=decide,
    measured_by=lambda settings: dict(syntax.VERSION),
    decided_by=lambda settings: {"rule": 1},
    retryable="syntax_reason IN ('timeout', 'memory', 'crashed')",
    needs=("recast.udfs.python.syntax",),
    phases=("parse",),
)

if __name__ == "__main__":
    submit(STAGE)
