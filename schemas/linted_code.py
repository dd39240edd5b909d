"""linted_code: pylint's messages and score for every file that parses, and the verdict of the threshold."""

from recast.schemas import reasons
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    VERDICT,
    WITHDRAWN_REASON,
    Column,
    Table,
    document_expectations,
    unexpected_rows,
)

LINT = (
    Column("lint_status", "string", "scored, or why pylint gave no score"),
    Column("lint_score", "double", "pylint's rating of the file, before the comment penalty; at most 10"),
    Column("statements", "int", "statements that pylint counted"),
    Column("fatal", "int", "messages of category F"),
    Column("error", "int", "messages of category E"),
    Column("warning", "int", "messages of category W"),
    Column("refactor", "int", "messages of category R"),
    Column("convention", "int", "messages of category C"),
    Column(
        "messages",
        "array<struct<symbol: string, msg_id: string, line: int, column: int>>",
        "every message, in pylint's order",
    ),
    Column("pragmas", "array<string>", "inline pylint pragmas found in the file"),
    Column("comment_ratio", "double", "COMMENT tokens over all tokens; 0 where tokenize fails"),
    Column("lint_seconds", "double", "processor seconds spent on the file"),
    Column("lint_near_limit", "boolean", "so near the time limit that another machine may give another result"),
)

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
