"""What the tables of rewritten code share: the model's answer, what was read from it, and the linter's results."""

from recast.schemas import reasons
from recast.schemas.table import (
    ANSWER,
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    VERDICT,
    WITHDRAWN_REASON,
    Column,
    Table,
    answer_expectations,
    document_expectations,
    unexpected_rows,
)

CODE_READING = (
    Column("detail", "string", "what a person needs to understand the reason"),
    Column("rating", "int", "the model's own rating of the source, 1 to 10, where it gives one"),
    Column("closed", "boolean", "false if the program's block lacked its end fence"),
    Column("repeated_run_chars", "int", "longest run of 100 and more characters that repeats back to back, else 0"),
    Column("definitions_kept", "double", "share of the source's functions and classes that the rewrite defines"),
    Column(
        "definitions_left",
        "double",
        "share of the source's definitions that the rewrite still has, under any name; null for fewer than two at the top",
    ),
    Column("identifiers_kept", "double", "share of the source's names that the rewrite uses"),
    Column("undefined_names", "array<string>", "names that the rewrite uses and nothing defines"),
    Column("unknown_modules", "array<string>", "imports that are relative, or that few machines have"),
    Column("dependences", "int", "number of undefined_names and unknown_modules together"),
)
REWRITE_LINT = (
    Column("lint_status", "string", "as in linted_code, for the rewrite; null where it was rejected before the linter"),
    Column("lint_score", "double", "pylint's rating of the rewrite"),
    Column("comment_ratio", "double", "COMMENT tokens of the rewrite over all its tokens"),
    Column("lint_of", "string", "content_hash of the linted text, so that no text is linted twice"),
    Column("linted_by", "string", "fingerprint of the linter"),
    Column("pragmas", "array<string>", "inline pylint pragmas found in the rewrite; null where it was not linted"),
)


def rewritten_code(name: str, about: str, not_listed: tuple[str, ...] = ()) -> Table:
    """Return a table of rewritten code; `not_listed` are reasons that the table's stage never gives."""
    listed = reasons.CODE | WITHDRAWN_REASON
    given = {reason: meaning for reason, meaning in listed.items() if reason not in not_listed}
    return Table(
        name=name,
        about=about,
        columns=(
            *IDENTITY,
            Column("text", "string", "the rewritten file; null where the answer holds none"),
            *VERDICT,
            *CODE_SOURCE,
            Column("source_text", "string", "what the model was asked to rewrite"),
            Column("source_lint_score", "double", "pylint's rating of source_text"),
            *ANSWER,
            *CODE_READING,
            *REWRITE_LINT,
            *PROVENANCE,
        ),
        reasons=given,
        expectations=(
            *document_expectations(given),
            *answer_expectations(),
            unexpected_rows(
                "a kept rewrite is scored no worse than its source", "kept AND NOT lint_score >= source_lint_score"
            ),
        ),
    )
