"""What the table of a model stage stores of an answer, and what holds for every such table."""

from datetime import datetime
from typing import Annotated, NamedTuple

from recast.schemas.finish_reasons import ENDED
from recast.schemas.record import columns_of
from recast.schemas.table import Column, Expectation, unexpected_rows


class Answer(NamedTuple):
    """What is stored of the answer about one text.

    Fields are only ever added, at the end: a journal without the last ones is of an older version.
    """

    answer: Annotated[str | None, "the model's raw answer, whole"]
    answer_status: Annotated[str, "answered, or how the request failed"]
    finish_reason: Annotated[
        str | None, "why the model stopped: stop, length, content_filter, tool_calls, or a server's own"
    ] = None
    error: Annotated[str | None, "the engine's words about a failed request"] = None
    prompt_tokens: Annotated[int | None, "tokens of the prompt, as the engine counted them", "bigint"] = None
    output_tokens: Annotated[int | None, "tokens of the answer, as the engine counted them", "bigint"] = None
    cached_tokens: Annotated[int | None, "prompt tokens that the engine's prefix cache held", "bigint"] = None
    engine: Annotated[str | None, "name and version of the engine: provenance, not part of the fingerprint"] = None
    answered_at: Annotated[datetime | None, "when the answer ended, UTC"] = None
    request_seconds: Annotated[float | None, "from sending the request to the end of its answer, in seconds"] = None
    reasoning: Annotated[str | None, "thoughts (or calls of tools) that the server split off the answer, whole"] = None
    server_finish_reason: Annotated[str | None, "what the server called finish_reason"] = None


ANSWER = (
    *columns_of(Answer),
    Column("model", "string", "model as configured"),
    Column("model_revision", "string", "revision of the model"),
    Column("prompt", "string", "name of the prompt version"),
)

ENDED_BY_ITSELF = f"lower(finish_reason) IN ({', '.join(repr(word) for word in ENDED)})"
"""SQL for an answer that the model ended; rows of older versions hold the server's own word for that."""


def answer_expectations() -> tuple[Expectation, ...]:
    """Return what holds for every table that a model answered."""
    return (
        unexpected_rows("a kept answer ended by itself", f"kept AND NOT coalesce({ENDED_BY_ITSELF}, false)"),
        unexpected_rows(
            "an answered request has counted tokens", "answer_status = 'answered' AND output_tokens IS NULL", "warning"
        ),
    )
