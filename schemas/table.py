"""What a table is, as data: its columns, its closed list of reasons and its expectations. Importing it needs no Spark."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["critical", "warning"]

WITHDRAWN = "source_rejected"
TAKEN_DOWN = "taken_down"
"""What a raw table says of a text that `recast takedown` names; it is read again after a lift, and by ``--retry``."""
WITHDRAWN_REASON = {
    WITHDRAWN: "the row it was made from is no longer kept; its measurement stays and is used if that row is kept again"
}
"""A table that lists this reason keeps the row and what was paid for it; any other table removes the row."""


class Column(NamedTuple):
    """A column: its name, its Spark SQL type and what it holds."""

    name: str
    type: str
    comment: str


class Expectation(NamedTuple):
    """A Great Expectations expectation, named as the library's class, with its arguments.

    A value ``{"$PARAMETER": name}`` is filled in by the run. A critical failure stops the run before the commit, a
    warning is recorded and shown.

    Attributes:
        broken: SQL condition of the rows that break it; lakehouse/quality.py has the library sum a column that is 1 for
            them. Empty for an expectation on the table's own columns.
    """

    type: str
    arguments: dict[str, Any]
    severity: Severity = "critical"
    broken: str = ""


@dataclass(frozen=True)
class Table:
    """A Delta table of the lakehouse."""

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("doc_id",)
    reasons: dict[str, str] = field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    @property
    def ddl(self) -> str:
        """The columns as Spark SQL, comments included."""
        return ", ".join(f"{c.name} {c.type} COMMENT '{escaped(c.comment)}'" for c in self.columns)


IDENTITY = (
    Column("doc_id", "string", "stable identity of the source document; the key of every document table"),
    Column("content_hash", "string", "sha256 of text, hexadecimal; null where there is no text"),
    Column("input_hash", "string", "content_hash of the source row; in a raw table, hash of what was read"),
)

VERDICT = (
    Column("kept", "boolean", "whether the next stage reads this row"),
    Column("reason", "string", "why the row is not kept, from this table's closed list; null for a kept row"),
)

PROVENANCE = (
    Column("source_dataset", "string", "name of the dataset the document came from"),
    Column("source_version", "string", "version of that dataset when this row was first read"),
    Column("license_type", "string", "permissive or no_license; permissive only if every occurrence is"),
    Column("detected_licenses", "array<string>", "SPDX names found over all occurrences, sorted"),
    Column(
        "made_by",
        "array<struct<table_name: string, measured_by: string, decided_by: string>>",
        "fingerprints of every stage above this one, first stage first; runs says what each stands for",
    ),
    Column("carried_hash", "bigint", "hash of columns taken over from the source row, to see when only they change"),
    Column("measured_by", "string", "fingerprint of what changes this row's measured columns by intent"),
    Column("decided_by", "string", "fingerprint of the rules behind kept and reason"),
    Column("run_id", "string", "run that last wrote this row"),
    Column("written_at", "timestamp", "when that run staged it, UTC"),
)

RAW_HASH = Column(
    "raw_hash",
    "string",
    "content_hash of the raw table's row that this row comes from: a text that is taken down takes it along",
)

CODE_SOURCE = (
    Column("repo_name", "string", "repository of the first occurrence, by name; raw_code lists all"),
    Column("path", "string", "path of the first occurrence"),
)

MATH_SOURCE = (Column("url", "string", "address of the page"),)


def escaped(text: str) -> str:
    """Return `text` fit to stand between single quotes in Spark SQL."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def document_expectations(reasons: dict[str, str]) -> tuple[Expectation, ...]:
    """Return what holds for every document table: the identity of rows, the closed list, and that no row is lost."""
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    rows_in = {"$PARAMETER": "rows_in"}
    unlisted = f"OR reason NOT IN ({listed})" if reasons else "OR reason IS NOT NULL"
    return (
        Expectation("ExpectTableRowCountToEqual", {"value": rows_in}),
        Expectation(
            "ExpectColumnUniqueValueCountToBeBetween",
            {
                "column": "doc_id",
                "min_value": rows_in,
                "max_value": rows_in,
                "description": "doc_id is there and unique",
            },
        ),
        unexpected_rows(
            "kept + rejected = rows in: every row is kept or has a reason of the closed list",
            f"kept IS NULL OR kept = (reason IS NOT NULL) {unlisted}",
        ),
        unexpected_rows(
            "content_hash is the sha256 of text, and a kept row has both",
            "NOT (content_hash <=> sha2(text, 256)) OR (kept AND text IS NULL)",
        ),
    )


def unexpected_rows(description: str, condition: str, severity: Severity = "critical") -> Expectation:
    """Return the expectation that no row meets the SQL `condition`."""
    arguments = {"min_value": 0, "max_value": 0, "description": description}
    return Expectation("ExpectColumnSumToBeBetween", arguments, severity, condition)
