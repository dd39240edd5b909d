"""rewritten_math: every math page, rewritten without boilerplate and explained step by step, or why it is not kept."""

from recast.schemas import reasons
from recast.schemas.table import (
    ANSWER,
    IDENTITY,
    MATH_SOURCE,
    PROVENANCE,
    VERDICT,
    WITHDRAWN_REASON,
    Column,
    Table,
    answer_expectations,
    document_expectations,
)

READING = (
    Column("detail", "string", "what a person needs to understand the reason"),
    Column("repeated_run_chars", "int", "longest run of 100 and more characters that repeats back to back, else 0"),
    Column("words_shared", "double", "share of the shorter vocabulary that source and page both use"),
    Column("answer_source", "string", "final answer found in the source"),
    Column("answer_rewritten", "string", "final answer found in the page"),
    Column("answers_kept", "double", "share of the source's answers that are answers of the page"),
    Column("numbers_kept", "double", "share of the numbers in the source's formulas that stand in the page"),
)

REASONS = reasons.MATH | WITHDRAWN_REASON

TABLE = Table(
    name="rewritten_math",
    about="math pages rewritten with their context and step by step",
    columns=(
        *IDENTITY,
        Column("text", "string", "the rewritten page; null where the answer holds none"),
        *VERDICT,
        *MATH_SOURCE,
        Column("source_text", "string", "what the model was asked to rewrite"),
        *ANSWER,
        *READING,
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(*document_expectations(REASONS), *answer_expectations()),
)
