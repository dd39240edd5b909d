"""rewritten_math: reads raw_math and has every page rewritten: no boilerplate, its context restored, step by step.

Promises: after a crash no stored answer is asked for again. A page is kept only if its answer ended by itself and it still
has its source's numbers and final answers.
"""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.columns import add_columns
from recast.jobs import asking
from recast.jobs.settings import Settings
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import raw_math, rewritten_math
from recast.schemas.rewritten_math import MathReading
from recast.udfs.math import reading
from recast.udfs.text.reading import INPUTS


def measure(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add the model's answer about the page."""
    return asking.ask(rows, settings, settings.math_prompt, journal)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Add the page that the answer holds, and why it is not kept."""
    read = add_columns(rows, partial(map, reading.read_math_answer), MathReading, *INPUTS)
    return read.withColumn("reason", F.expr(reading.math_reason_sql(settings.words_floor, settings.numbers_floor)))


STAGE = Stage(
    target=rewritten_math.TABLE,
    source=kept_rows_of(raw_math.TABLE, "url", text="source_text"),
    measure=measure,
    decide=decide,
    measured_by=lambda settings: asking.facts(settings, settings.math_prompt),
    decided_by=lambda settings: {
        **reading.VERSION,
        "words_floor": settings.words_floor,
        "numbers_floor": settings.numbers_floor,
    },
    retryable=asking.FAILED,
    usage=asking.USAGE,
    needs=("recast.inference.rewrite", "recast.udfs.math.reading"),
    phases=("ask", "read answers"),
)

if __name__ == "__main__":
    submit(STAGE)
