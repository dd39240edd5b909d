"""Sources that are Delta tables: read as tables, at one version, so that rows that were deleted there stay away."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from recast.lakehouse import query
from recast.lakehouse.forms.columns import check_columns, duckdb_columns, is_list, spark_columns, wanted
from recast.lakehouse.forms.form import Form
from recast.lakehouse.problems import first_line
from recast.settings import UserError

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

AT = "@"
ROWS_PER_FILE = 10_000  # of a table without statistics
BYTES_PER_LISTED = 100  # of a file in a repository's list, compressed: two ids of 20 random bytes, and a path


def open_table(location: str) -> DeltaTable:
    """Return the table at its present version.

    Raises:
        UserError: its log cannot be read.
    """
    try:
        return DeltaTable(location.replace("s3a://", "s3://", 1))
    except (DeltaError, OSError) as problem:
        raise UserError(f"the Delta table {location} cannot be read: {first_line(problem)}") from None


def version(location: str) -> str:
    """Return what names the table's present rows (query.state_of)."""
    return query.state_of(open_table(location))


def value_count(location: str) -> int:
    """Return about how many values the column with the most values holds, by the statistics in the table's log."""
    table = open_table(location)
    lists = any(is_list(field.type) for field in pa.schema(table.schema().to_arrow()))
    rows = table.count() or ROWS_PER_FILE * len(table.file_uris())
    return max(rows, files(location)[1] // BYTES_PER_LISTED if lists else 0)


def schema(location: str, columns: dict[str, str] | None = None) -> pa.Schema:
    """Return the table's schema and, with `columns`, hold it against these.

    Raises:
        UserError: the log cannot be read; there is no row; or a column is missing or of another type.
    """
    table = open_table(location)
    found = pa.schema(table.schema().to_arrow())
    if columns is not None:
        check_columns(f"the Delta table {location}", found, columns)
        if not table.file_uris():
            raise UserError(f"the Delta table {location} holds no row")
    return found


def names(_spark: "SparkSession", location: str) -> list[str]:
    """Return the names of the columns."""
    return list(schema(location).names)


def read_delta(spark: "SparkSession", location: str, columns: dict[str, str], at: str) -> "DataFrame":
    """Return the table's rows at the version that `version` named, or as they stand where the user gave another name.

    Raises:
        UserError: as `schema` says.
    """
    found = schema(location, columns)
    number, separator, named = at.partition(AT)
    reader = spark.read.format("delta")
    if separator and named.partition(AT)[0] == open_table(location).metadata().id:
        reader = reader.option("versionAsOf", number)
    types = {name: found.field(name).type for name in wanted(columns)}
    return reader.load(location).selectExpr(*spark_columns(types, columns))


def files(location: str) -> tuple[int, int]:
    """Return how many files the table has at its present version, and their bytes."""
    sizes = pa.table(open_table(location).get_add_actions())["size_bytes"].to_pylist()
    return len(sizes), sum(sizes)


def scan(connection: "duckdb.DuckDBPyConnection", location: str, columns: dict[str, str]) -> Any:
    """Make the table's columns known to DuckDB as the view `source`, for one statement.

    delta-rs reads them: it knows deletion vectors and renamed columns, and DuckDB alone does not.
    """
    table = open_table(location)
    names = ", ".join(f'"{name}"' for name in wanted(columns))
    rows = pa.RecordBatchReader.from_stream(
        QueryBuilder().register("source", table).execute(f"SELECT {names} FROM source")
    )
    connection.register("source_rows", rows)
    selected = ", ".join(duckdb_columns(rows.schema, columns))
    connection.execute(f"CREATE OR REPLACE VIEW source AS SELECT {selected} FROM source_rows")


FORM = Form("Delta table", version, value_count, names, schema, read_delta, files, scan=scan)
