"""optimized_code: reads styled_code and makes every file self-contained, efficient and instructive (SCOR).

Promises: those of styled_code, and that a kept program brings along all it needs, as far as static analysis can tell.
"""

from pyspark.sql import DataFrame

from jobs import asking, rewriting_code
from jobs.submit import submit
from lakehouse.settings import Settings
from lakehouse.stage import Stage, kept_rows_of
from schemas import optimized_code, styled_code

CARRIED = ("repo_name", "path", "lint_score AS source_lint_score")
SELF_CONTAINED = True


def measure(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add the model's answer about the file."""
    return asking.ask(rows, settings, settings.optimize_prompt, journal)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Add the rewrite that the answer holds, and why it is not kept."""
    return rewriting_code.decide(rows, settings, SELF_CONTAINED)


STAGE = Stage(
    target=optimized_code.TABLE,
    source=kept_rows_of(styled_code.TABLE, *CARRIED, text="source_text"),
    measure=measure,
    decide=decide,
    measured_by=lambda settings: asking.facts(settings, settings.optimize_prompt),
    decided_by=lambda settings: rewriting_code.decided_by(settings, SELF_CONTAINED),
    passing_failure=asking.FAILED,
    asks_model=True,
)

if __name__ == "__main__":
    submit(STAGE)
