"""What is stored of an answer: the measured columns of a model stage, and how a response is read into them."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from recast.exits import GATE_FAILED
from recast.printable import printable
from recast.schemas.answers import Answer
from recast.schemas.finish_reasons import FILTERED, LENGTH, STOP, TOOL_CALLS, interrupted, standard
from recast.schemas.record import arrow_schema, columns_of

ANSWER_FIELDS = arrow_schema(columns_of(Answer))
JOURNAL_FIELDS = pa.schema([("input_hash", pa.string()), *ANSWER_FIELDS])

# Of these all but ANSWERED are reasons, too: schemas/reasons.py says what they mean.
ANSWERED = "answered"
TOO_LONG = "too_long"
EMPTY_INPUT = "empty_input"
CONTROL_TOKENS = "control_tokens"
REQUEST_FAILED = "request_failed"
POISON = "poison"
CRASHED = "crashed"
FAILED_STATUSES = (REQUEST_FAILED, POISON)

# Where servers put thoughts that they split off the answer: one field each, some twice under two names.
_REASONING_FIELDS = ("reasoning", "reasoning_content", "thinking", "reasoning_text")
_REASONING_PARTS = ("thinking_blocks", "reasoning_details")
_FINISH_FIELDS = ("finish_reason", "stop_reason", "done_reason", "incomplete_details", "status")
_MESSAGE_FIELDS = frozenset({"content", "parts", "refusal", *_REASONING_FIELDS, *_REASONING_PARTS})
# Where answers, or the counts of their tokens, stand in forms without choices.
_PAID_FIELDS = (
    *("message", "messages", "output", "outputs", "content", "response", "text", "completion", "generated_text"),
    *("candidates", "result", "usage", "eval_count"),
)
MAX_LABEL_CHARS = 100
# What a chat template may add to a request's own words, in tokens; no tokenizer needs more than a token for a byte.
TEMPLATE_TOKENS = 4096
BYTES_PER_CHAR = 4
# No context is as long, and a table's sum of such counts is still a bigint.
MAX_COUNT = (1 << 31) - 1
# Python turns no longer number into an int (sys.set_int_max_str_digits).
MAX_DIGITS = 4300

# Below so many finished requests no share of them is held against the error budget.
BUDGET_MIN_FINISHED = 20
MAX_ERROR_CHARS = 500
# What is looked at of an error response; words that a reader needs come first.
MAX_ERROR_BODY_CHARS = 1 << 16


class ErrorBudgetError(RuntimeError):
    """More requests failed than the run's budget allows."""

    exit_status = GATE_FAILED


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


def answer_columns(answers: Sequence[Answer]) -> pa.Table:
    """Return answers as a table of ANSWER_FIELDS; a column may pass the 2 GiB that one of Arrow's arrays can hold."""
    columns = zip(*answers, strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, ANSWER_FIELDS, strict=True)],
        schema=ANSWER_FIELDS,
    )


def size(answer: Answer) -> int:
    """Return how many characters an answer holds."""
    return len(answer.answer or "") + len(answer.reasoning or "")


def read_answer(
    content: bytes | str, engine: str, seconds: float, max_tokens: int | None = None, prompt_chars: int | None = None
) -> Answer | None:
    """Return the answer in a response's body, None where there is none (HTML, an error object, an aborted request).

    A JSON object with a choice, a text or counts of tokens was paid for, so it is an answer in whatever form: a choice's or
    a message's text, a list of parts, nothing but thoughts (`reasoning`); a form that is not known stands there as JSON.
    `finish_reason` is one of `stop`, `length`, `content_filter` and `tool_calls`, or what the server said where that is no
    known word for one of them; `server_finish_reason` is always what it said, printable and at most MAX_LABEL_CHARS. An
    answer of `max_tokens` tokens, the request's limit, has the reason `length` whatever the server calls it.

    Args:
        content: the body.
        engine: the engine as rows record it.
        seconds: how long the answer took.
        max_tokens: the request's limit; counts above it are not believed.
        prompt_chars: characters of the request's messages, likewise.
    """
    text = decoded(content)
    try:
        reply = json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict):
        return None
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if choice is None and (reply.get("error") or "error" in (reply.get("object"), reply.get("type"))):
        return None
    if choice is None and not any(map(reply.get, _PAID_FIELDS)):
        return None  # nothing says that a model was at work: a gateway that is warming up
    form = reply if choice is None else choice
    message, usage = _message(form), reply.get("usage", reply)
    said = next(filter(None, map(form.get, _FINISH_FIELDS)), None)
    said = said.get("type", said.get("reason")) if isinstance(said, dict) else said
    label = printable(clean(said[:MAX_LABEL_CHARS]), MAX_LABEL_CHARS) if isinstance(said, str) else None
    if interrupted(label):
        return None
    calls = message.get("tool_calls") or message.get("function_call")
    try:
        words, thoughts, refusal = _written(message)
        thoughts += [_dumped(calls)] if calls else []
        words = words or _text(form.get("text"))
        # A form that is not known: what was paid for is kept as it came.
        if not (words or thoughts or refusal) and _MESSAGE_FIELDS.isdisjoint(message):
            thoughts = [_dumped(form)]
    except RecursionError:
        words, thoughts, refusal = "", [text], ""
    finish_reason = standard(label)
    if calls:
        finish_reason = TOOL_CALLS if finish_reason == STOP else finish_reason
    elif finish_reason == TOOL_CALLS:
        finish_reason = STOP  # it called nothing: all that it wrote is here
    if refusal and not words.strip():
        words, finish_reason = refusal, FILTERED
    most_prompt = MAX_COUNT if prompt_chars is None else prompt_chars * BYTES_PER_CHAR + TEMPLATE_TOKENS
    prompt_tokens = _counted(usage, most_prompt, ("prompt_tokens", "input_tokens", "prompt_eval_count"))
    # Some count a little past the limit; what is far past it is no count of this answer.
    output_tokens = _counted(
        usage,
        MAX_COUNT if max_tokens is None else 2 * max_tokens,
        ("completion_tokens", "output_tokens", "eval_count"),
    )
    if max_tokens is not None and output_tokens is not None and output_tokens >= max_tokens and finish_reason == STOP:
        finish_reason = LENGTH
    return Answer(
        answer=clean(words),
        answer_status=ANSWERED,
        finish_reason=finish_reason,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens if max_tokens is None or (output_tokens or 0) <= max_tokens else None,
        cached_tokens=_count(
            usage, most_prompt if prompt_tokens is None else prompt_tokens, "prompt_tokens_details", "cached_tokens"
        ),
        engine=engine,
        answered_at=datetime.now(UTC),
        request_seconds=seconds,
        reasoning=clean("\n".join(thoughts)) or None,
        server_finish_reason=label,
    )


def decoded(body: bytes | bytearray | str) -> str:
    """Return a body as text, in the encoding that JSON has; what is wrong in it becomes replacement characters."""
    return body if isinstance(body, str) else body.decode(json.detect_encoding(body), "replace")


def _whole(digits: str) -> float:
    """Return a number in JSON; one that is too long for Python to read costs no answer."""
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _message(form: dict[str, Any]) -> dict[str, Any]:
    """Return the message in a choice, or in a response that has none: {} where no form that is known holds one."""
    for name in ("message", "delta", "text"):
        if name in form:
            message = form[name]
            return (
                message if isinstance(message, dict) else {"content": form.get("text") if message is None else message}
            )
    for name in ("messages", "output"):  # several, of which the last speaks; or items of thoughts and of words
        items = [item for item in form[name] if isinstance(item, dict)] if isinstance(form.get(name), list) else []
        if name == "messages" and items:
            return items[-1]
        if items:
            parts = (item.get("content") if item.get("type") == "message" else [item] for item in items)
            return {"content": [each for part in parts for each in (part if isinstance(part, list) else [part])]}
    if isinstance(form.get("output"), str):
        return {"content": form["output"]}
    return form if "content" in form else {}


def _written(message: dict[str, Any]) -> tuple[str, list[str], str]:
    """Return what a message says: its words, its thoughts, and its refusal, "" where there is none."""
    words: list[str] = []
    split_off = [_text(message.get(name)) for name in (*_REASONING_FIELDS, *_REASONING_PARTS)]
    thoughts = list(dict.fromkeys(filter(None, split_off)))
    refusals = [_text(message.get("refusal"))]
    content = message.get("content") or message.get("parts")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, dict) and part.get("type") in (None, "text", "output_text") and "text" in part:
            words.append(_text(part["text"]))
        elif isinstance(part, dict) and part.get("type") == "refusal":
            refusals.append(_text(part))
        elif text := _text(part):
            thoughts.append(text)
    return "".join(words), thoughts, "".join(refusals)


def _text(part: Any) -> str:
    """Return the text in whatever form a server gives it; of a form that is not known, its JSON."""
    if isinstance(part, str):
        return part
    if part is None or isinstance(part, bool):
        return ""
    if isinstance(part, list):
        return "".join(_text(each) for each in part)
    if isinstance(part, dict):
        for name in ("text", "thinking", "reasoning", "summary", "content", "refusal", "value"):
            if inner := part.get(name):
                return _text(inner)
    return _dumped(part)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _counted(usage: Any, most: int, names: Sequence[str]) -> int | None:
    """Return the first count that `usage` has under one of the names that servers give it."""
    present = [name for name in names if isinstance(usage, dict) and name in usage]
    return _count(usage, most, present[0]) if present else None


def _count(usage: Any, most: int, *path: str) -> int | None:
    """Return a count of a response's `usage`, None for anything odd: an answer that was paid for counts without it."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(usage, float) and usage.is_integer():
        usage = int(usage)
    if not isinstance(usage, int) or isinstance(usage, bool):
        return None
    return usage if 0 <= usage <= min(most, MAX_COUNT) else None


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a lone surrogate, which JSON can spell, becomes a replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def error_words(content: bytes | str) -> str:
    """Return what an error response says, on one line, printable and not too long; takes no longer for a long one."""
    text = decoded(content[:MAX_ERROR_BODY_CHARS])
    try:
        reply = json.loads(text)
        error = reply.get("error", reply)
        text = str(error.get("message", text) if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        text = re.sub(r"<[^<>]*>", " ", text)
    return printable(" ".join(clean(text).split()), MAX_ERROR_CHARS)
