"""linted_code: pylint's messages and score for every file that parses, and the verdict of the threshold."""

from typing import Annotated, NamedTuple

from recast.schemas import reasons
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


class Message(NamedTuple):
    """One message of pylint. `line` counts from 1, `column` from 0, both as pylint prints them."""

    symbol: str
    msg_id: str
    line: int
    column: int


class Lint(NamedTuple):
    """What the linter says of one text.

    `lint_score` is the "rated at" number, two decimals, None where pylint rates nothing.
    """

    lint_status: Annotated[str, "scored, or why pylint gave no score"]
    lint_score: Annotated[float | None, "pylint's rating of the file, before the comment penalty; at most 10"] = None
    statements: Annotated[int | None, "statements that pylint counted"] = None
    fatal: Annotated[int, "messages of category F"] = 0
    error: Annotated[int, "messages of category E"] = 0
    warning: Annotated[int, "messages of category W"] = 0
    refactor: Annotated[int, "messages of category R"] = 0
    convention: Annotated[int, "messages of category C"] = 0
    messages: Annotated[tuple[Message, ...], "every message, in pylint's order"] = ()
    pragmas: Annotated[tuple[str, ...], "inline pylint pragmas found in the file"] = ()
    comment_ratio: Annotated[float, "COMMENT tokens over all tokens; 0 where tokenize fails"] = 0.0
    lint_seconds: Annotated[float, "processor seconds spent on the file"] = 0.0
    lint_near_limit: Annotated[bool, "so near the time limit that another machine may give another result"] = False
    detail: Annotated[str, "why there is no score or a doubtful one, in words; no column of the table"] = ""


*LINT, _ = columns_of(Lint)

REASONS = reasons.LINT | WITHDRAWN_REASON

TABLE = Table(
    name="linted_code",
    about="parsing Python files with their pylint score",
    columns=(
        *IDENTITY,
        Column("text", "string", "the file"),
        *VERDICT,
        *CODE_SOURCE,
        *LINT,
        Column("adjusted_score", "double", "lint_score after the comment penalty: the score of record"),
        RAW_HASH,
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        unexpected_rows("no score is above 10", "lint_score > 10 OR adjusted_score > 10"),
        unexpected_rows(
            "a file is scored or has a status that says why not", "(lint_status = 'scored') != (lint_score IS NOT NULL)"
        ),
    ),
)
