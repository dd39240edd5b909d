"""parsed_code: the syntax verdict on every blob that could be read."""

from typing import Annotated, NamedTuple

from recast.schemas.reasons import SYNTAX as REASONS
from recast.schemas.record import columns_of
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    RAW_HASH,
    VERDICT,
    Column,
    Table,
    document_expectations,
)


class Syntax(NamedTuple):
    """What the parser says of one file."""

    syntax_reason: Annotated[str | None, "why the file does not parse; null where it does"]
    syntax_detail: Annotated[str, "the parser's words"] = ""
    syntax_line: Annotated[int | None, "line of the fault, from 1"] = None


TABLE = Table(
    name="parsed_code",
    about="Python files with their syntax verdict",
    columns=(
        *IDENTITY,
        Column("text", "string", "the file"),
        *VERDICT,
        *CODE_SOURCE,
        *columns_of(Syntax),
        RAW_HASH,
        *PROVENANCE,
    ),
    reasons=dict(REASONS),
    expectations=document_expectations(REASONS),
)
