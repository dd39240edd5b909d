"""rewritten_math: every math page, rewritten without boilerplate and explained step by step, or why it is not kept."""

from typing import Annotated, NamedTuple

from recast.schemas import reasons
from recast.schemas.answers import ANSWER, answer_expectations
from recast.schemas.record import columns_of
from recast.schemas.table import (
    IDENTITY,
    MATH_SOURCE,
    PROVENANCE,
    RAW_HASH,
    VERDICT,
    WITHDRAWN_REASON,
    Column,
    Table,
    document_expectations,
)


class MathReading(NamedTuple):
    """What an answer says of a page of mathematics. What was not measured is None; shares run from 0 to 1."""

    text: Annotated[str | None, "the rewritten page; null where the answer holds none"] = None
    reason: Annotated[str | None, "the first reason that needs no threshold"] = None
    detail: Annotated[str | None, "what a person needs to understand the reason"] = None
    repeated_run_chars: Annotated[
        int | None, "longest run of 100 and more characters that repeats back to back, else 0"
    ] = None
    words_shared: Annotated[float | None, "share of the shorter vocabulary that source and page both use"] = None
    answer_source: Annotated[str | None, "final answer found in the source"] = None
    answer_rewritten: Annotated[str | None, "final answer found in the page"] = None
    answers_kept: Annotated[float | None, "share of the source's answers that are answers of the page"] = None
    numbers_kept: Annotated[float | None, "share of the numbers in the source's formulas that stand in the page"] = None


TEXT, _, *READING = columns_of(MathReading)

REASONS = reasons.MATH | WITHDRAWN_REASON

TABLE = Table(
    name="rewritten_math",
    about="math pages rewritten with their context and step by step",
    columns=(
        *IDENTITY,
        TEXT,
        *VERDICT,
        *MATH_SOURCE,
        Column("source_text", "string", "what the model was asked to rewrite"),
        *ANSWER,
        *READING,
        RAW_HASH,
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(*document_expectations(REASONS), *answer_expectations()),
)
