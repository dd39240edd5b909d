"""raw_code: one row per Python blob of The Stack v2, with its text and every place it occurs."""

from typing import Annotated, NamedTuple

from recast.schemas.record import columns_of
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    VERDICT,
    Column,
    Expectation,
    Table,
    document_expectations,
)

LICENSE_TYPES = ("proprietary", "non_permissive", "no_license", "copyleft", "weak_copyleft", "permissive")
"""Words for a licence, the least permissive first. A word that is not here may mean anything and comes before all."""

REASONS = {
    "bad_blob_id": "the listing's blob_id is not 40 hexadecimal digits; where it has none, doc_id is empty",
    "content_missing": "the content store has no object of this blob_id",
    "not_gzip": "the object is not a gzip stream, or it breaks off",
    "too_large": "the object, its bytes or its text as UTF-8 are more than 4 MiB",
    "wrong_content": "the object's bytes are others than those that git names blob_id",
    "unknown_encoding": "no repository names an encoding that is in the closed list (udfs/encodings.py)",
    "taken_down": "somebody had this text taken down (recast takedown); after a lift, --retry reads it again",
    "undecodable": "the bytes are text in none of the encodings that repositories name, nor in UTF-8",
}


class Content(NamedTuple):
    """What was read of a blob: its text as UTF-8, or None and a reason of REASONS as `fetch_status`."""

    text: Annotated[bytes | None, "the decoded content; null where it could not be read", "string"]
    fetch_status: Annotated[str, "fetched, or why there is no text"]


TEXT, FETCH_STATUS = columns_of(Content)

TABLE = Table(
    name="raw_code",
    about="Python blobs of the source, with their decoded text",
    columns=(
        *IDENTITY,
        TEXT,
        *VERDICT,
        *CODE_SOURCE,
        Column(
            "src_encoding",
            "string",
            "encoding that most repositories name for the blob, as Python calls it; tried first, then the others and UTF-8",
        ),
        Column("length_bytes", "bigint", "size of the blob in bytes, as the source says"),
        Column("is_vendor", "boolean", "whether any occurrence was marked as vendored"),
        Column("is_generated", "boolean", "whether any occurrence was marked as generated"),
        Column(
            "occurrences",
            "array<struct<repo_name: string, path: string, revision_id: string, snapshot_id: string, "
            "license_type: string, detected_licenses: array<string>>>",
            "every repository and path that holds this blob, by name; at most 100 licences each",
        ),
        FETCH_STATUS,
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
