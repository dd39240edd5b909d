"""parsed_code: the syntax verdict on every blob that could be read."""

from recast.schemas.reasons import SYNTAX as REASONS
from recast.schemas.table import CODE_SOURCE, IDENTITY, PROVENANCE, VERDICT, Column, Table, document_expectations

TABLE = Table(
    name="parsed_code",
    about="Python files with their syntax verdict",
    columns=(
        *IDENTITY,
        Column("text", "string", "the file"),
        *VERDICT,
        *CODE_SOURCE,
        Column("syntax_reason", "string", "why the file does not parse; null where it does"),
        Column("syntax_detail", "string", "the parser's words"),
        Column("syntax_line", "int", "line of the fault, from 1"),
        *PROVENANCE,
    ),
    reasons=dict(REASONS),
    expectations=document_expectations(REASONS),
)
