"""raw_math: one row per page of FineMath."""

from recast.schemas.reasons import MAX_BYTES
from recast.schemas.table import (
    IDENTITY,
    MATH_SOURCE,
    PROVENANCE,
    VERDICT,
    Column,
    Table,
    document_expectations,
    unexpected_rows,
)

MAX_TEXT_BYTES = MAX_BYTES  # as of a program: a page that is longer fits no model's context

NOT_READ = {
    "too_large": f"the page has more than {MAX_TEXT_BYTES:,} bytes",
    "not_unicode": "the source's bytes are not UTF-8",
}
"""Reasons that are found where the source is read, in `read_status`."""

POLICY = {
    "score_too_low": "int_score is below math_min_score, or missing",
    "score_below_floor": "score is below math_score_floor, or missing",
    "language_not_taken": "the language is none of math_languages",
    "language_unsure": "language_score is below math_language_floor, or missing",
    "too_few_tokens": "token_count is below math_min_tokens, or missing",
    "too_many_tokens": "token_count is above math_max_tokens, or missing",
    "domain_denied": "the host is a domain of math_domains_denied, or lies below one",
    "domain_not_allowed": "the host is no domain of math_domains_allowed, and lies below none",
}
"""Reasons that the source's columns give, under the settings (jobs/selection.py)."""

REASONS = (
    POLICY
    | NOT_READ
    | {
        "no_text": "the page has no text, or only white space",
        "null_bytes": "the text holds NUL characters",
    }
)

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
        Column("language_score", "double", "how sure the source is of the language, from 0 to 1"),
        Column("score", "double", "FineMath's quality score, from 0 to 5"),
        Column(
            "int_score", "int", "the score as a whole number: FineMath-3+ has pages from 3 on, FineMath-4+ from 4 on"
        ),
        Column("token_count", "int", "tokens of the page as the source counts them"),
        Column("host", "string", "host of the address, in lower case; empty where it has none"),
        Column("read_status", "string", "read, or why there is no text"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        unexpected_rows("score is from 0 to 5.5", "score NOT BETWEEN 0 AND 5.5", "warning"),
    ),
)
