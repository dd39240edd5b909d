"""What the tables of rewritten code share: the model's answer, what was read from it, and the linter's results."""

from typing import Annotated, NamedTuple

from recast.schemas import reasons
from recast.schemas.answers import ANSWER, answer_expectations
from recast.schemas.record import columns_of
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    RAW_HASH,
    VERDICT,
    WITHDRAWN_REASON,
    Column,
    Table,
    document_expectations,
    unexpected_rows,
)


class CodeReading(NamedTuple):
    """What an answer says of a program. What was not measured is None; shares run from 0 to 1."""

    text: Annotated[str | None, "the rewritten file; null where the answer holds none"] = None
    reason: Annotated[str | None, "the first reason that needs no threshold and no linter"] = None
    detail: Annotated[str | None, "what a person needs to understand the reason"] = None
    rating: Annotated[int | None, "the model's own rating of the source, 1 to 10, where it gives one"] = None
    closed: Annotated[bool | None, "false if the program's block lacked its end fence"] = None
    repeated_run_chars: Annotated[
        int | None, "longest run of 100 and more characters that repeats back to back, else 0"
    ] = None
    definitions_kept: Annotated[
        float | None, "share of the source's functions and classes that the rewrite defines"
    ] = None
    definitions_left: Annotated[
        float | None,
        "share of the source's definitions that the rewrite still has, under any name; null for fewer than two at the top",
    ] = None
    identifiers_kept: Annotated[float | None, "share of the source's names that the rewrite uses"] = None
    undefined_names: Annotated[tuple[str, ...] | None, "names that the rewrite uses and nothing defines"] = None
    unknown_modules: Annotated[tuple[str, ...] | None, "imports that are relative, or that few machines have"] = None
    dependences: Annotated[int | None, "number of undefined_names and unknown_modules together"] = None


TEXT, _, *READING = columns_of(CodeReading)
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
            TEXT,
            *VERDICT,
            *CODE_SOURCE,
            Column("source_text", "string", "what the model was asked to rewrite"),
            Column("source_lint_score", "double", "pylint's rating of source_text"),
            *ANSWER,
            *READING,
            *REWRITE_LINT,
            RAW_HASH,
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
