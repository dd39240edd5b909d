"""raw_math: one row per page of FineMath-4+."""

from recast.schemas.reasons import MAX_BYTES
from recast.schemas.table import (
    IDENTITY,
    MATH_SOURCE,
    PROVENANCE,
    VERDICT,
    Column,
    Expectation,
    Table,
    document_expectations,
)

MAX_TEXT_BYTES = MAX_BYTES  # as of a program: a page that is longer fits no model's context

NOT_READ = {
    "too_large": f"the page has more than {MAX_TEXT_BYTES:,} bytes",
    "not_unicode": "the source's bytes are not UTF-8",
}
"""Reasons that are found where the source is read, in `read_status`."""

REASONS = NOT_READ | {
    "no_text": "the page has no text, or only white space",
    "null_bytes": "the text holds NUL characters",
}

TABLE = Table(
    name="raw_math",
    about="math pages of the source",
    columns=(
        *IDENTITY,
        Column("text", "string", "the page, as its extractor left it; null where it could not be read"),
        *VERDICT,
        *MATH_SOURCE,
        Column("warc_filename", "string", "crawl file that holds the page"),
        Column("warc_record_offset", "int", "position of the page in that file, in bytes"),
        Column("crawl", "string", "crawl of the page"),
        Column("language", "string", "language as the source says"),
        Column("score", "double", "FineMath's quality score, from 0 to 5"),
        Column("read_status", "string", "read, or why there is no text"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        Expectation("ExpectColumnValuesToBeBetween", {"column": "score", "min_value": 0, "max_value": 5.5}, "warning"),
    ),
)
