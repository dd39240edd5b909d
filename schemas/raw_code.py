"""raw_code: one row per Python blob of The Stack v2, with its text and every place it occurs."""

from typing import Annotated, NamedTuple

from recast.schemas.record import columns_of
from recast.schemas.table import (
    CODE_SOURCE,
    IDENTITY,
    PROVENANCE,
    VERDICT,
    Column,
    Table,
    document_expectations,
    unexpected_rows,
)

LICENSE_TYPES = ("proprietary", "non_permissive", "no_license", "copyleft", "weak_copyleft", "permissive")
"""Words for a licence, the least permissive first. A word that is not here may mean anything and comes before all."""

POLICY = {
    "license_not_taken": "an occurrence has a licence that is none of code_license_types",
    "license_denied": "a licence of code_licenses_denied was detected",
    "license_not_allowed": "an occurrence has no detected licence, or one that is none of code_licenses_allowed",
    "vendored": "every occurrence is vendored, and code_dropped says so",
    "generated": "every occurrence is generated, and code_dropped says so",
    "path_not_taken": "no occurrence has a path that code_paths_allowed and code_paths_denied take",
    "below_min_bytes": "the source lists fewer bytes than code_min_bytes",
    "above_max_bytes": "the source lists more bytes than code_max_bytes",
}
"""Reasons that a listing gives, under the settings (jobs/selection.py): such a blob is not fetched."""
NOT_FETCHED = "not_fetched"
GUESSED = "guessed"
TEXT_POLICY = {
    "encoding_guessed": "nobody names an encoding in which the bytes are text, and code_dropped says so",
    "line_too_long": "the longest line has more characters than code_max_line_length",
    "lines_too_long": "lines have more characters on average than code_max_mean_line_length",
    "too_many_lines": "the text has more lines than code_max_lines",
    "too_few_alphanums": "letters and digits are a smaller share of the text than code_alphanum_floor",
}
"""Reasons that a fetched text gives, under the settings."""


class Failure(NamedTuple):
    """A reason why a blob has no text. `again` says whether trying again makes sense: it lies with the store, which may mend."""

    meaning: str
    again: bool


FETCH_FAILURES = {
    "bad_blob_id": Failure(
        "the listing's blob_id is not 40 hexadecimal digits; where it has none, doc_id is empty", again=False
    ),
    "content_missing": Failure("the store has no object of this blob_id", again=True),
    "forbidden": Failure(
        "the store refuses to show the object; so does a bucket without list permission where there is none", again=True
    ),
    "throttled": Failure("the store asked for fewer requests, again and again", again=True),
    "store_error": Failure("the store failed at this object, again and again", again=True),
    "timeout": Failure("the object did not come in the time of a request, again and again", again=True),
    "cut_off": Failure("the object breaks off: on its way, again and again, or as the store has it", again=True),
    "not_gzip": Failure("the object is not a gzip stream", again=True),
    "too_large": Failure("the object, its bytes or its text as UTF-8 are more than 4 MiB", again=False),
    "wrong_content": Failure("the object's bytes are others than those that git names blob_id", again=True),
    "unknown_encoding": Failure(
        "no repository names an encoding that is in the closed list (udfs/encodings.py)", again=False
    ),
    "taken_down": Failure(
        "somebody had this text taken down (recast takedown); after a lift it is read again", again=True
    ),
    "undecodable": Failure(
        "the bytes are text in no encoding that repositories or the file name, nor in UTF-8, nor in a likely one",
        again=False,
    ),
}
"""Closed list of what `fetch_status` says of a blob without text, in the order in which it is found out."""

_AGAIN = ", ".join(f"'{name}'" for name, each in FETCH_FAILURES.items() if each.again)
AGAIN = f"reason IN ({_AGAIN})"
"""SQL condition on the rows that `--retry` fetches again. What the settings refuse has a reason of POLICY before these."""
UNFETCHED = f"(fetch_status = '{NOT_FETCHED}' OR (fetch_status IN ({_AGAIN}) AND NOT {AGAIN}))"
"""SQL condition on the rows that are fetched once the settings take them: nobody asked, or it failed before they refused it."""

REASONS = {
    **POLICY,
    NOT_FETCHED: "the settings of an earlier run refused it, and it was not fetched since",
    **{name: each.meaning for name, each in FETCH_FAILURES.items()},
    **TEXT_POLICY,
}


def failures_table() -> str:
    """Return FETCH_FAILURES as a table in Markdown; docs/contents.md shows it."""
    rows = (f"| `{name}` | {each.meaning} | {'yes' if each.again else 'no'} |" for name, each in FETCH_FAILURES.items())
    return "\n".join(["| reason | meaning | tried again by `--retry` |", "|---|---|---|", *rows])


class Content(NamedTuple):
    """What was read of a blob: its text as UTF-8, or None and a reason of FETCH_FAILURES as `fetch_status`."""

    text: Annotated[bytes | None, "the decoded content; null where it could not be read", "string"]
    fetch_status: Annotated[
        str,
        "fetched; guessed where the text's encoding is a guess; or why there is none, not_fetched where it is not taken",
    ]


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
        Column(
            "language", "string", "language of the file as the source says, the first by name of those that are taken"
        ),
        Column("length_bytes", "bigint", "size of the blob in bytes, as the source says"),
        Column("is_vendor", "boolean", "whether every occurrence is marked as vendored"),
        Column("is_generated", "boolean", "whether every occurrence is marked as generated"),
        Column(
            "occurrences",
            "array<struct<repo_name: string, path: string, revision_id: string, snapshot_id: string, "
            "license_type: string, detected_licenses: array<string>>>",
            "every repository and path that holds this blob, by name; at most 100 licences each",
        ),
        Column(
            "listing_hash",
            "bigint",
            "hash of the blob's listed files; a run groups anew the files of blobs whose hash differs",
        ),
        FETCH_STATUS,
        Column(
            "fetch_tries", "int", "runs that tried to read the content; null where none did, or before this was counted"
        ),
        Column(
            "fetch_tried_at",
            "timestamp",
            "when a run last began to read the content, UTC; null where none did, or before this was recorded",
        ),
        Column("max_line_length", "int", "characters of the longest line"),
        Column("mean_line_length", "double", "characters of a line on average"),
        Column("line_count", "int", "lines of the text"),
        Column("alphanum_fraction", "double", "letters and digits of all characters, from 0 to 1"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(
        *document_expectations(REASONS),
        unexpected_rows(
            "license_type is permissive or no_license", "license_type NOT IN ('permissive', 'no_license')", "warning"
        ),
    ),
)
