"""raw_math: one row per page of FineMath-4+."""

from schemas.table import IDENTITY, MATH_SOURCE, PROVENANCE, VERDICT, Column, Expectation, Table, document_expectations

REASONS = {
    "no_text": "the page has no text, or only white space",
    "null_bytes": "the text holds NUL characters",
}

TABLE = Table(
    name="raw_math",
    about="math pages of the source",
    columns=(
        *IDENTITY,
        Column("text", "string", "the page, as its extractor left it"),
        *VERDICT,
        *MATH_SOURCE,
        Column("warc_filename", "string", "crawl file that holds the page"),
        Column("warc_record_offset", "int", "where in it, in bytes"),
        Column("crawl", "string", "crawl of the page"),
        Column("language", "string", "language as the source says"),
        Column("score", "double", "FineMath's quality score, from 0 to 5"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        Expectation("ExpectColumnValuesToBeBetween", {"column": "score", "min_value": 0, "max_value": 5.5}, "warning"),
    ),
)
