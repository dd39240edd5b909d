"""Makes the columns of a source fit to be stored, shown and compared, before anything else reads them.

A string column of a Parquet file may hold any bytes of any length: neither its writers nor Spark look at them.
"""

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_NAME_CHARS = 4096  # PATH_MAX of Linux; addresses that are longer work in few browsers and servers
MAX_NAMES = 100  # of licences that a detector finds in one file
READ = "read"
REPLACED = "\ufffd"
# C0, DEL and C1, what ends a line, and what turns the direction of writing: Unicode's Bidi_Control.
CONTROLS = r"[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"


def name(column: Column) -> Column:
    """Return a name as valid UTF-8 of at most MAX_NAME_CHARS characters, each control character a U+FFFD."""
    # Cut twice: what is far too long is not copied to be mended, and `substring` trusts its string to be UTF-8.
    start = F.substring(column.cast("binary"), 1, 4 * MAX_NAME_CHARS).cast("string")
    return F.regexp_replace(F.substring(F.make_valid_utf8(start), 1, MAX_NAME_CHARS), CONTROLS, REPLACED)


def names(column: Column) -> Column:
    """Return the first MAX_NAMES names of a list, sorted, without nulls."""
    return F.sort_array(F.transform(F.slice(F.array_compact(column), 1, MAX_NAMES), name))


def read_status(text: Column, max_bytes: int) -> Column:
    """Return READ, or why a text is not taken over: `too_large` above `max_bytes`, `not_unicode`."""
    return (
        F.when(F.octet_length(text) > max_bytes, "too_large")
        .when(~F.is_valid_utf8(text), "not_unicode")
        .otherwise(F.lit(READ))
    )


def identity(names: Sequence[str], *others: str) -> Column:
    """Return the sha256, hexadecimal, of names as they stand in the source and of other columns, as JSON.

    Rows that differ in any of them have different ones. Joined strings would not do: with a separator in a value, or a
    null, two rows give one string. Nor would cleaned names alone: where cleaning changes a name, the hash of its bytes is
    part of the identity, too.
    """
    cleaned = [name(F.col(each)).alias(each) for each in names]
    raw = [F.col(each).cast("binary") for each in names]
    changed = [
        F.when(clean.cast("binary") != bytes_, F.sha2(bytes_, 256)).alias(f"{each}_bytes")
        for each, clean, bytes_ in zip(names, cleaned, raw, strict=True)
    ]
    return F.sha2(F.to_json(F.struct(*cleaned, *others, *changed)), 256)
