"""styled_code: reads linted_code and rewrites every kept file for style (SGCR: style-guided code rewriting).

Promises: a text is asked about once, whatever dies; a rewrite is kept only if its answer ended by itself, its program
parses, is still about its source and is scored no worse by the linter.
"""

from pyspark.sql import DataFrame

from jobs import asking, rewriting_code
from jobs.submit import submit
from lakehouse.settings import Settings
from lakehouse.stage import Stage, kept_rows_of
from schemas import linted_code, styled_code

CARRIED = ("repo_name", "path", "lint_score AS source_lint_score")
SELF_CONTAINED = False


def measure(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add the model's answer about the file."""
    return asking.ask(rows, settings, settings.style_prompt, journal)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Add the rewrite that the answer holds, and why it is not kept."""
    return rewriting_code.decide(rows, settings, SELF_CONTAINED)


STAGE = Stage(
    target=styled_code.TABLE,
    source=kept_rows_of(linted_code.TABLE, *CARRIED, text="source_text"),
    measure=measure,
    decide=decide,
    measured_by=lambda settings: asking.facts(settings, settings.style_prompt),
    decided_by=lambda settings: rewriting_code.decided_by(settings, SELF_CONTAINED),
    passing_failure=asking.FAILED,
    asks_model=True,
)

if __name__ == "__main__":
    submit(STAGE)
