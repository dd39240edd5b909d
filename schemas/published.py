"""published_code and published_math: what training reads, each row traceable to its source."""

from typing import Annotated, NamedTuple

from recast.schemas.record import columns_of
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    MATH_SOURCE,
    PROVENANCE,
    RAW_HASH,
    VERDICT,
    Column,
    Table,
    document_expectations,
    unexpected_rows,
)

# Code and English text run at 3 to 4 bytes a token with today's vocabularies; 3 errs towards too many tokens.
ESTIMATED_BYTES_PER_TOKEN = 3
REASONS = {"no_tokens": "the tokenizer finds nothing in the text, or fails at it"}


class Tokens(NamedTuple):
    """How long a text is."""

    token_count: Annotated[int | None, "tokens of text, by the tokenizer of the model that wrote it", "bigint"]


FACTS = (
    *columns_of(Tokens),
    Column("tokenizer", "string", "tokenizer that counted, or how the count was estimated"),
    Column("model", "string", "model that wrote the text"),
    Column("model_revision", "string", "its revision"),
    Column("prompt", "string", "prompt version of the last rewrite; made_by leads to those before it"),
)


def published(name: str, about: str, source: tuple[Column, ...]) -> Table:
    """Return a table of published rows."""
    return Table(
        name=name,
        about=about,
        columns=(
            *IDENTITY,
            Column("text", "string", "the training document"),
            *VERDICT,
            *source,
            *FACTS,
            RAW_HASH,
            *PROVENANCE,
        ),
        reasons=REASONS,
        expectations=(
            *document_expectations(REASONS),
            unexpected_rows("a published row names the stages that made it", "size(made_by) < 2"),
        ),
    )


CODE = published("published_code", "rewritten code, ready for training", CODE_SOURCE)
MATH = published("published_math", "rewritten math pages, ready for training", MATH_SOURCE)
