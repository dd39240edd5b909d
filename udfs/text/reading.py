"""What the reading of programs and of pages share: which part of a stored answer is read, and reasons that fit both.

A model's raw answer is paid for once and stored (schemas/answers.py). udfs/python/reading.py and udfs/math/reading.py read
the program or the page out of it and measure what the verdict needs, so that a better reader or another threshold decides
a table again without one model call.
"""

import re
from collections.abc import Callable

from recast import controls
from recast.schemas import finish_reasons, reasons
from recast.udfs.text import repetition, thoughts

INPUTS = ("source_text", "answer", "answer_status", "finish_reason")
"""The columns that readers take, in the order of their arguments."""

MAX_THOUGHTS_CHARS = 1_000_000
"""An answer that is longer with the thoughts before it is not read."""

MAX_REFUSAL_CHARS = 1_000  # a longer answer declines something of the page's
REFUSAL = re.compile(
    r"\W{0,9}(?:sorry\b|as an AI\b|I(?:['\u2019]m| am) (?:sorry|unable|not able)\b"
    r"|I (?:cannot|can not|can['\u2019]t|won['\u2019]t)\b)",
    re.IGNORECASE,
)


def readable(
    answer: str | None,
    answer_status: str | None,
    finish_reason: str | None,
    too_costly: Callable[[str], str | None] = lambda answer: None,
    outside: Callable[[str], str] = str,
) -> tuple[str, str | None, str | None]:
    """Return what of an answer is read, the reason why nothing is, None if something is, and a detail of the reason.

    Args:
        answer, answer_status, finish_reason: as stored.
        too_costly: says why reading a text would cost too much, None where it would not.
        outside: blanks out parts of an answer in which marks of thoughts mean nothing.
    """
    if answer_status != "answered":
        return "", answer_status if answer_status in reasons.ANSWERS else "request_failed", None
    finish_reason = finish_reasons.standard(finish_reason)  # older rows have the server's own word
    if finish_reason == finish_reasons.FILTERED:
        return "", "refused", None
    if finish_reason == finish_reasons.LENGTH and not (answer or "").strip():
        return "", "truncated", None  # the limit came before the first word, all else being thoughts
    if not answer or answer.isspace():
        return "", "empty", None
    if finish_reason != finish_reasons.STOP:
        return "", "truncated", None
    if len(answer) > MAX_THOUGHTS_CHARS:
        return "", "oversized", f"{len(answer):,} characters"
    if costs := too_costly(answer):
        return "", "oversized", costs
    said, unread = thoughts.spoken(controls.without_end(answer), outside)
    if unread is None and len(said) > reasons.MAX_ANSWER_CHARS:
        return "", "oversized", f"{len(said):,} characters"
    return said, unread or (None if said.strip() else "empty"), None


def unfit(text: str) -> tuple[str | None, str | None]:
    """Return the reason against publishing characters or strings that `text` holds, and which; (None, None) if none."""
    if character := controls.character_in(text):
        return "control_characters", character
    if token := controls.token_in(text):
        return "control_tokens", f"the answer holds {token}"
    return None, None


def first_reason_sql(failures: dict[str, str]) -> str:
    """Return SQL for the first reason against a row, null where there is none.

    That is the column `reason` where it holds one, else that the text is repetitive, else the first of `failures`
    (reason -> condition) that holds.
    """
    repetitive = f"length(text) >= {repetition.LEAST_TEXT_CHARS} AND repeated_run_chars >= {repetition.LEAST_RUN_CHARS}"
    cases = " ".join(
        f"WHEN {failure} THEN '{reason}'" for reason, failure in {"repetitive": repetitive, **failures}.items()
    )
    return f"CASE WHEN reason IS NOT NULL THEN reason {cases} END"
