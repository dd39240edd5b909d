"""rewritten_math: reads raw_math and has every page rewritten: no boilerplate, its context restored, step by step.

Promises: after a crash no stored answer is asked for again. A page is kept only if its answer ended by itself and it still
has its source's numbers and final answers.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.jobs import asking
from recast.lakehouse.settings import Settings
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import raw_math, rewritten_math
from recast.udfs import reading


def measure(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add the model's answer about the page."""
    return asking.ask(rows, settings, settings.math_prompt, journal)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Add the page that the answer holds, and why it is not kept."""
    judged = reading.math_reason_sql(least_words_shared=settings.words_floor, least_numbers_kept=settings.numbers_floor)
    facts = {column.name: F.col(f"reading.{column.name}") for column in rewritten_math.READING}
    read = reading.add_math_reading(rows)
    return read.withColumns({"reason": F.expr(judged), "text": F.col("reading.text"), **facts}).drop("reading")


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
    needs=("recast.inference.rewrite", "recast.udfs.reading"),
    phases=("ask", "read answers"),
)

if __name__ == "__main__":
    submit(STAGE)
