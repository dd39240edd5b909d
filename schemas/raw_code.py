"""raw_code: one row per Python blob of The Stack v2, with its text and every place it occurs."""

from schemas.table import CODE_SOURCE, IDENTITY, PROVENANCE, VERDICT, Column, Expectation, Table, document_expectations

REASONS = {
    "bad_blob_id": "the listing's blob_id is not 40 hexadecimal digits; where it has none, doc_id is empty",
    "content_missing": "the content store has no object of this blob_id",
    "not_gzip": "the object is not a gzip stream, or it breaks off",
    "too_large": "the object holds more bytes than the limit, compressed or not",
    "unknown_encoding": "src_encoding names no text encoding that Python knows",
    "undecodable": "the bytes are not text in src_encoding",
    "lone_surrogates": "the text holds half of a surrogate pair, which no UTF-8 table can store",
}

TABLE = Table(
    name="raw_code",
    about="Python blobs of the source, with their decoded text",
    columns=(
        *IDENTITY,
        Column("text", "string", "the decoded content; null where it could not be read"),
        *VERDICT,
        *CODE_SOURCE,
        Column("src_encoding", "string", "encoding that the source names for the blob"),
        Column("length_bytes", "bigint", "size of the blob in bytes, as the source says"),
        Column("is_vendor", "boolean", "whether any occurrence was marked as vendored"),
        Column("is_generated", "boolean", "whether any occurrence was marked as generated"),
        Column(
            "occurrences",
            "array<struct<repo_name: string, path: string, revision_id: string, snapshot_id: string, "
            "license_type: string, detected_licenses: array<string>>>",
            "every repository and path that holds this blob, by name",
        ),
        Column("fetch_status", "string", "fetched, or why there is no text"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        Expectation(
            "ExpectColumnValuesToBeInSet",
            {"column": "license_type", "value_set": ["permissive", "no_license"]},
            "warning",
        ),
    ),
)
