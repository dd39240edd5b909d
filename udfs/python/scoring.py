"""Computes the score of record: pylint's rating, lowered by the share of comments, and compares it with a threshold.

Everything here works from what the lint stage stored, so a new threshold or rule needs no linter. The pure functions and the
column expressions give the same results; tests/udfs/python/linter/test_lint_spark.py compares them row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from recast.schemas import reasons

if TYPE_CHECKING:
    from pyspark.sql import Column

    from recast.schemas.linted_code import Lint

VERSION = {"rule": 3}
"""What changes decisions by intent, besides the threshold; part of the deciding half's fingerprint."""

STATUS_REASONS = {
    "no_score": "no_score",
    "skipped": "not_linted",
    **dict.fromkeys(reasons.LIMITS, "lint_limit"),
    "timeout": "lint_timeout",
    "memory": "lint_memory",
    "crashed": "lint_crashed",
}
"""Closed list: every `lint_status` but `scored` -> reason."""

# A pragma that disables C and R lifts a file from 0 to 10, and so does one that names the checkers. A pragma for one message
# is ordinary practice and counts as in the reference: the message is not reported and costs nothing. These are pylint's
# checkers of ten messages or more; pylint accepts their names in upper and lower case.
BROAD_CHECKERS = "basic|classes|design|exceptions|format|imports|main|refactoring|stdlib|string|typecheck|variables"
# One pattern for Python and for Spark's Java: `disable=`, then names up to the pragma's next action, one of them broad.
# pylint passes over every character that its names do not have, and so does this, which spells them out: `\w`, `\b` and `.`
# mean other characters in Java.
_NAME = "0-9A-Za-z_-"
_ACTION = r"(?<![0-9A-Za-z_])(?:disable|enable|skip-file)(?![0-9A-Za-z_])"
BLANKET_PRAGMA = (
    rf"(?<![0-9A-Za-z_])disable(?:-msg)?[^={_NAME}]*=(?:(?!{_ACTION})[\s\S])*?"
    rf"(?<![{_NAME}])(?:[CRWEF]|all|(?i:{BROAD_CHECKERS}))(?![{_NAME}])"
)


def adjusted_score(score: float | None, comment_ratio: float) -> float | None:
    """Return score * (1 - comment_ratio), the recipe's penalty; None for a file that has no score.

    The pinned pylint rates nothing below 0, so the penalty never raises a score (older releases went negative).
    """
    return None if score is None else score * (1.0 - comment_ratio)


def is_blanket(pragmas: Iterable[str]) -> bool:
    """Say whether a pragma among `pragmas` (as in Lint.pragmas) switches off a whole category or checker."""
    return any(re.search(BLANKET_PRAGMA, pragma) for pragma in pragmas)


def decide_lint(lint: Lint, threshold: float) -> tuple[float | None, str | None]:
    """Return (adjusted score, reason of reasons.LINT or None if the file is kept).

    The recipe keeps a file whose adjusted score is at least 7.0 (arXiv 2505.02881, section 3).
    """
    adjusted = adjusted_score(lint.lint_score, lint.comment_ratio)
    if lint.lint_status != "scored" or adjusted is None:
        return None, STATUS_REASONS.get(lint.lint_status, "not_linted")
    if is_blanket(lint.pragmas):
        return adjusted, "blanket_pragma"
    return adjusted, None if adjusted >= threshold else "low_score"


def adjusted_score_column() -> Column:
    """`adjusted_score` over the columns of Lint: a double, null where there is no score."""
    from pyspark.sql import functions as F

    return F.when(F.col("lint_status") == "scored", F.col("lint_score") * (F.lit(1.0) - F.col("comment_ratio")))


def blanket_column() -> Column:
    """`is_blanket` over the column `pragmas`: null where that is null."""
    from pyspark.sql import functions as F

    return F.exists("pragmas", lambda pragma: pragma.rlike(BLANKET_PRAGMA))


def reason_column(threshold: float) -> Column:
    """The reason of `decide_lint` over the columns of Lint: a string, null where the file is kept."""
    from pyspark.sql import functions as F

    adjusted = adjusted_score_column()
    unscored = F.lit("not_linted")
    for status, reason in STATUS_REASONS.items():
        unscored = F.when(F.col("lint_status") == status, F.lit(reason)).otherwise(unscored)
    return (
        F.when(adjusted.isNull(), unscored)
        .when(blanket_column(), F.lit("blanket_pragma"))
        .when(adjusted >= threshold, F.lit(None).cast("string"))
        .otherwise(F.lit("low_score"))
    )
