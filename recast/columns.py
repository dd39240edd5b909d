"""Gives rows the columns of a record: the one way from a plain function over values to Arrow batches and Spark columns."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from recast.schemas.record import Record, arrow_schema, columns_of, struct_type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructType

Read = Callable[..., Iterable[tuple[Any, ...]]]
"""A function that gets a list of values for each of its inputs and yields a record for each row, in their order.

A function `f` of one row is ``partial(map, f)``. It is pickled for Spark's workers.
"""


def add_columns(rows: "DataFrame", read: Read, record: Record, *inputs: str) -> "DataFrame":
    """Return `rows` with the columns of `record`, read from the columns `inputs`; those of the same names are replaced."""
    from pyspark.sql import functions as F

    added = {column.name: F.col(f"__read.{column.name}") for column in columns_of(record)}
    return rows.withColumn("__read", column_of(read, record, *inputs)).withColumns(added).drop("__read")


def column_of(read: Read, record: Record, *inputs: str) -> "Column":
    """Return a struct column with the fields of `record`, read from the columns `inputs`."""
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # exported, and missing in its stubs

    type_ = struct_type((column.name, column.type) for column in columns_of(record))
    # Not deterministic in the planner's sense: it must not read twice to save a projection.
    column: Column = arrow_udf(batch_of(read, record), type_).asNondeterministic()(*inputs)
    return column


def batch_of(read: Read, record: Record) -> Callable[..., "pa.Array"]:
    """Return a function of Arrow's arrays, one for each input, that gives the records as an array of structs."""
    import pyarrow as pa

    kind = pa.struct(list(arrow_schema(columns_of(record))))

    def batch(*arrays: pa.Array) -> pa.Array:
        return pa.array(map(tuple, read(*(array.to_pylist() for array in arrays))), kind)

    return batch


def extended(schema: "StructType", record: Record) -> "StructType":
    """Return Spark's schema of rows that get the columns of `record` behind those of `schema`."""
    from pyspark.sql.types import DataType, StructField, StructType

    added = [StructField(column.name, DataType.fromDDL(column.type)) for column in columns_of(record)]
    return StructType([*schema.fields, *added])
