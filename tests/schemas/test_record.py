"""Records: what a NamedTuple says once is the same in columns, in Spark's types and in Arrow's."""

from datetime import datetime
from typing import Annotated, NamedTuple

import pyarrow as pa
import pytest

from recast.schemas import TABLES, linted_code, parsed_code, raw_code, rewrites, rewritten_math
from recast.schemas.answers import Answer
from recast.schemas.published import Tokens
from recast.schemas.record import Record, arrow_schema, arrow_type, columns_of, struct_type

HELD_BY: dict[Record, tuple[str, ...]] = {
    raw_code.Content: ("raw_code",),
    parsed_code.Syntax: ("parsed_code",),
    linted_code.Lint: ("linted_code",),
    rewrites.CodeReading: ("styled_code", "optimized_code"),
    rewritten_math.MathReading: ("rewritten_math",),
    Answer: ("styled_code", "optimized_code", "rewritten_math"),
    Tokens: ("published_code", "published_math"),
}


class Point(NamedTuple):
    x: int
    name: str


class Everything(NamedTuple):
    text: Annotated[str | None, "a text"] = None
    count: Annotated[int, "a count", "bigint"] = 0
    number: Annotated[int, "a number"] = 0
    share: Annotated[float | None, "a share"] = None
    is_so: Annotated[bool, "whether"] = False
    at: Annotated[datetime | None, "when"] = None
    names: Annotated[tuple[str, ...] | None, "names"] = None
    points: Annotated[tuple[Point, ...], "points"] = ()


def test_the_fields_of_a_record_are_columns_with_types_and_comments() -> None:
    assert [tuple(column) for column in columns_of(Everything)] == [
        ("text", "string", "a text"),
        ("count", "bigint", "a count"),
        ("number", "int", "a number"),
        ("share", "double", "a share"),
        ("is_so", "boolean", "whether"),
        ("at", "timestamp", "when"),
        ("names", "array<string>", "names"),
        ("points", "array<struct<x: int, name: string>>", "points"),
    ]


def test_arrows_schema_has_the_same_names_and_types() -> None:
    assert arrow_schema(columns_of(Everything)) == pa.schema(
        [
            ("text", pa.string()),
            ("count", pa.int64()),
            ("number", pa.int32()),
            ("share", pa.float64()),
            ("is_so", pa.bool_()),
            ("at", pa.timestamp("us", "UTC")),
            ("names", pa.list_(pa.string())),
            ("points", pa.list_(pa.struct([("x", pa.int32()), ("name", pa.string())]))),
        ]
    )


def test_a_struct_within_a_struct_is_read() -> None:
    inner = struct_type([("a", "array<int>"), ("b", "string")])
    assert arrow_type(struct_type([("s", inner), ("c", "bigint")])) == pa.struct(
        [("s", pa.struct([("a", pa.list_(pa.int32())), ("b", pa.string())])), ("c", pa.int64())]
    )


def test_a_type_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        arrow_type("decimal")


@pytest.mark.parametrize("record", HELD_BY, ids=lambda record: record.__name__)
def test_tables_hold_the_fields_of_their_records_under_the_same_names_and_types(record: Record) -> None:
    for name in HELD_BY[record]:
        held = {column.name: column.type for column in TABLES[name].columns}
        fields = {column.name: column.type for column in columns_of(record)}
        assert {field: held.get(field) for field in fields} == fields | (
            {"detail": None} if record is linted_code.Lint else {}
        )


@pytest.mark.spark
@pytest.mark.parametrize("record", HELD_BY, ids=lambda record: record.__name__)
def test_spark_and_arrow_agree_on_the_type_of_a_record(spark: object, record: Record) -> None:
    from pyspark.sql.pandas.types import to_arrow_type
    from pyspark.sql.types import DataType

    for column in columns_of(record):
        assert to_arrow_type(DataType.fromDDL(column.type)) == arrow_type(column.type), column.name
