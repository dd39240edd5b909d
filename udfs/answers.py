"""What is stored of an answer: the measured columns of a model stage, and how a response is read into them."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import pyarrow as pa

ANSWER_FIELDS = pa.schema(
    [
        ("answer", pa.string()),
        ("answer_status", pa.string()),
        ("finish_reason", pa.string()),
        ("error", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("engine", pa.string()),
        ("answered_at", pa.timestamp("us", "UTC")),
        ("request_seconds", pa.float64()),
    ]
)
ANSWER_DDL = (
    "answer string, answer_status string, finish_reason string, error string, prompt_tokens bigint, "
    "output_tokens bigint, cached_tokens bigint, engine string, answered_at timestamp, request_seconds double"
)
JOURNAL_FIELDS = pa.schema([("input_hash", pa.string()), *ANSWER_FIELDS])

ANSWERED = "answered"
TOO_LONG = "too_long"
EMPTY_INPUT = "empty_input"
CONTROL_TOKENS = "control_tokens"
REQUEST_FAILED = "request_failed"
POISON = "poison"
STATUSES = {
    ANSWERED: "the model answered; finish_reason says whether it ended by itself",
    TOO_LONG: "the prompt leaves no room for an answer in the model's context",
    EMPTY_INPUT: "there is no text to ask about; nothing was sent",
    CONTROL_TOKENS: "the text holds a control token of the model, which could end the user's turn; nothing was sent",
    REQUEST_FAILED: "the engine refused or failed this request, again and again; error says how",
    POISON: "the engine died whenever this request was in flight, alone in the end",
}
FAILED_STATUSES = (REQUEST_FAILED, POISON)
# What was dear to learn is not learned again after a restart; a failed request gets another chance.
JOURNALED_STATUSES = (ANSWERED, POISON)

# Below so many finished requests no share of them is held against the error budget.
BUDGET_MIN_FINISHED = 20
MAX_ERROR_CHARS = 500
MAX_RETRY_AFTER_S = 600.0


class Answer(NamedTuple):
    """The measured columns of one row, in the order of ANSWER_FIELDS."""

    answer: str | None
    answer_status: str
    finish_reason: str | None = None
    error: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    engine: str | None = None
    answered_at: datetime | None = None
    request_seconds: float | None = None


class ErrorBudgetError(RuntimeError):
    """More requests failed than the run's budget allows."""


def budget_words(failed: int, finished: int, budget: float, last_error: str | None) -> str:
    """Return what an ErrorBudgetError says, in one line."""
    share = f"{failed} of {finished} requests failed, the budget is {budget:.1%}"
    return f"{share}: {last_error}" if last_error else share


def over_budget(failed: int, finished: int, budget: float) -> bool:
    """Tell whether failed requests pass their share, once enough are finished to say so."""
    return finished >= BUDGET_MIN_FINISHED and failed > budget * finished


def clearly_over_budget(failed: int, finished: int, budget: float) -> bool:
    """Tell whether so many requests failed that chance alone does not explain it: three standard deviations too many.

    A task sees few of a chunk's requests at a time; without this, one of many tasks would soon meet a streak of bad luck.
    """
    expected = budget * finished
    return over_budget(failed, finished, budget) and failed > expected + 3 * math.sqrt(expected)


def answer_columns(answers: Sequence[Answer]) -> pa.RecordBatch:
    """Return answers as a record batch of ANSWER_FIELDS."""
    columns = zip(*answers, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, ANSWER_FIELDS, strict=True)],
        schema=ANSWER_FIELDS,
    )


def read_answer(content: bytes, engine: str, seconds: float) -> Answer | None:
    """Return the answer in a response's body, None where there is none (HTML, an error object, an aborted request)."""
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        content_words, finish_reason = choice["message"].get("content"), choice.get("finish_reason")
        text = "" if content_words is None else clean(content_words)
        usage = reply.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if finish_reason in ("abort", "error"):
        return None
    return Answer(
        answer=text,
        answer_status=ANSWERED,
        finish_reason=clean(finish_reason) if isinstance(finish_reason, str) else None,
        prompt_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        engine=engine,
        answered_at=datetime.now(UTC),
        request_seconds=seconds,
    )


def _count(usage: Any, *path: str) -> int | None:
    """Return a count of a response's `usage`, None for anything odd: an answer that was paid for counts without it."""
    try:
        for name in path:
            usage = usage[name]
        count = int(usage)
    except (ValueError, LookupError, TypeError, OverflowError):
        return None
    return count if 0 <= count < 1 << 63 else None


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a lone surrogate, which JSON can spell, becomes a replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def error_words(content: bytes) -> str:
    """Return what an error response says, on one line and not too long."""
    text = content.decode("utf-8", "replace")
    try:
        reply = json.loads(text)
        error = reply.get("error", reply)
        text = error.get("message", text) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", text)
    return " ".join(clean(str(text)).split())[:MAX_ERROR_CHARS]


def retry_after_s(value: str | None) -> float:
    """Return a Retry-After header (RFC 9110, section 10.2.3: seconds or a date) in seconds, 0 where there is none."""
    if not value:
        return 0.0
    try:
        return min(max(0.0, float(value)), MAX_RETRY_AFTER_S)
    except ValueError:
        pass
    try:
        return min(max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError):
        return 0.0
