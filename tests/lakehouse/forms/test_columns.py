"""Columns by their meaning: what fits, what is refused, and in what words."""

import re

import pyarrow as pa
import pytest

from recast.lakehouse.forms.columns import check_columns, type_of
from recast.settings import UserError
from tests.lakehouse.forms.shards import INTEGERS, TEXTS
from tests.sources import REPOSITORIES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("repo_name", "string"),
        ("files.blob_id", "string"),
        ("files.length_bytes", "int64"),
        ("files.colour", None),
        ("colour", None),
        ("repo_name.blob_id", None),
    ],
)
def test_the_type_of_a_column_and_of_a_field_in_lists_is_found(name: str, expected: str | None) -> None:
    assert type_of(REPOSITORIES, name) == expected


FITTING = (
    {f"texts as {name}": ("string", type_) for name, type_ in TEXTS.items()}
    | {f"integers as {name}": ("int64", type_) for name, type_ in INTEGERS.items()}
    | {
        f"nothing for {name}": (name, pa.null())
        for name in ("string", "int32", "int64", "double", "bool", "list<string>")
    }
    | {
        "integers wider than wanted": ("int32", pa.int64()),
        "shorter floats": ("double", pa.float32()),
        "list views": ("list<string>", pa.list_view(pa.string_view())),
        "large list views": ("list<string>", pa.large_list_view(pa.string())),
        "large lists": ("list<string>", pa.large_list(pa.large_string())),
        "lists of one length": ("list<string>", pa.list_(pa.string(), 1)),
        "lists of nothing": ("list<string>", pa.list_(pa.null())),
        "lists of a dictionary": ("list<string>", pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    }
)
UNFITTING = {
    "bytes for texts": ("string", pa.binary()),
    "numbers for texts": ("string", pa.int64()),
    "texts for numbers": ("int64", pa.string()),
    "floats for integers": ("int64", pa.float64()),
    "half floats, which Spark cannot read": ("double", pa.float16()),
    "integers for truth": ("bool", pa.int8()),
    "times for numbers": ("int64", pa.timestamp("us")),
    "a text for a list": ("list<string>", pa.string()),
    "numbers for texts in a list": ("list<string>", pa.list_(pa.int32())),
    "a list for a text": ("string", pa.list_(pa.string())),
}


@pytest.mark.parametrize("case", FITTING)
def test_a_column_fits_by_its_meaning(case: str) -> None:
    wanted, type_ = FITTING[case]
    check_columns("a.parquet", pa.schema([("c", type_)]), {"c": wanted})
    nested = pa.schema([("files", pa.large_list(pa.struct([("c", type_)])))])
    check_columns("a.parquet", nested, {"files.c": wanted})


@pytest.mark.parametrize("case", UNFITTING)
def test_a_column_of_another_meaning_is_named_with_its_file_and_both_types(case: str) -> None:
    wanted, type_ = UNFITTING[case]
    with pytest.raises(UserError, match=rf"column 'c' of b/a\.parquet is {re.escape(str(type_))}.*; .* {wanted}"):
        check_columns("b/a.parquet", pa.schema([("c", type_)]), {"c": wanted})


@pytest.mark.parametrize("type_", [pa.null(), pa.list_(pa.null())])
def test_files_that_list_nothing_fit_every_field(type_: pa.DataType) -> None:
    check_columns("a.parquet", pa.schema([("files", type_)]), {"files.path": "string", "files.n": "int64"})
