"""Sources that only Spark can open: a table of the session's catalogue by its name, and a folder that is an Iceberg table."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql.pandas.types import to_arrow_type

from recast.lakehouse.forms.columns import check_columns, spark_columns, wanted
from recast.lakehouse.forms.form import Form
from recast.lakehouse.problems import first_line
from recast.settings import UserError
from recast.storage import place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

AT = "@"
ROWS_UNKNOWN = 10_000_000  # of a table that only Spark knows: work enough for several cores
NO_ICEBERG = (
    "is an Iceberg table, and this Spark has no Iceberg runtime: add one with "
    "--conf spark.jars.packages=org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
)


def version(location: str) -> str:
    """Return the table's name with the number of a snapshot or version; of a table made anew under a name it says nothing.

    Raises:
        UserError: the name has none, and only Spark could say which is the present one.
    """
    name, separator, number = location.partition(AT)
    if not separator:
        raise UserError(
            f"the present version of the table {name} is known to Spark alone: name the one to read, "
            f"{name}{AT}NUMBER (of an Iceberg snapshot or a Delta version), or say with --source-version what to record"
        )
    return f"{name}{AT}{number}"


def unknown(_location: str, _columns: dict[str, str] | None = None) -> None:
    """Return nothing: without a JVM nothing is known of the table."""


def table(spark: "SparkSession", location: str) -> "DataFrame":
    """Return the table's rows, at the version that its name holds or as they stand.

    Raises:
        UserError: there is no such table or version.
    """
    name, separator, number = location.partition(AT)
    reader = spark.read.option("versionAsOf", number) if separator else spark.read
    return loaded(lambda: reader.table(name), f"the table {location}")


def loaded(load: "Callable[[], DataFrame]", what: str) -> "DataFrame":
    """Return what `load` returns.

    Raises:
        UserError: it cannot be loaded.
    """
    try:
        return load()
    except (PySparkException, Py4JJavaError) as problem:
        if "iceberg.DefaultSource" in str(problem):
            raise UserError(f"{what} {NO_ICEBERG}") from None
        raise UserError(f"{what} cannot be read: {first_line(problem)}") from None


def selected(rows: "DataFrame", what: str, columns: dict[str, str]) -> "DataFrame":
    """Return the columns that are wanted of the rows of `what`.

    Raises:
        UserError: a column is missing, or of another type.
    """
    tops = wanted(columns)
    # Types that Arrow lacks may stand in columns that nobody wants.
    schema = pa.schema(
        (field.name, to_arrow_type(field.dataType) if field.name in tops else pa.null()) for field in rows.schema.fields
    )
    check_columns(what, schema, columns)
    return rows.selectExpr(*spark_columns({field.name: field.type for field in schema}, columns))


def names(spark: "SparkSession", location: str) -> list[str]:
    """Return the names of the table's columns."""
    return list(table(spark, location).columns)


def read_table(spark: "SparkSession", location: str, columns: dict[str, str], _version: str = "") -> "DataFrame":
    """Return the table's rows, at the version that its name holds or as they stand.

    Raises:
        UserError: as `table` says; or the table lacks a column, or has one of another type.
    """
    return selected(table(spark, location), f"the table {location}", columns)


def iceberg_metadata(location: str) -> dict[str, Any]:
    """Return the present metadata of an Iceberg table that lies in a folder, without a catalogue.

    Raises:
        UserError: only the table's catalogue knows which of its metadata are the present ones, or they cannot be read.
    """
    filesystem, path = place(location)
    try:
        with filesystem.open_input_stream(f"{path}/metadata/version-hint.text") as hint:
            number = int(hint.read(100))
        # The hint may be older than the last commit: Iceberg's own reader steps on, too.
        while filesystem.get_file_info(f"{path}/metadata/v{number + 1}.metadata.json").type == pafs.FileType.File:
            number += 1
        with filesystem.open_input_stream(f"{path}/metadata/v{number}.metadata.json") as opened:
            found: dict[str, Any] = dict(json.loads(opened.read()))
    except FileNotFoundError:
        raise UserError(
            f"{location} is an Iceberg table of a catalogue, which alone knows its present state: "
            "name it as the catalogue does, such as catalog.database.table"
        ) from None
    except (OSError, ValueError, TypeError) as problem:
        raise UserError(f"the metadata of the Iceberg table {location} cannot be read: {first_line(problem)}") from None
    return found


def iceberg_snapshot(location: str) -> dict[str, Any]:
    """Return the present snapshot of an Iceberg table in a folder.

    Raises:
        UserError: as `iceberg_metadata` says, or there is no snapshot, so no row.
    """
    found = iceberg_metadata(location)
    for snapshot in found.get("snapshots", ()):
        if snapshot["snapshot-id"] == found.get("current-snapshot-id"):
            return dict(snapshot)
    raise UserError(f"the Iceberg table {location} holds no row")


def iceberg_version(location: str) -> str:
    """Return the number of the present snapshot, and the table's id."""
    return f"{iceberg_snapshot(location)['snapshot-id']}{AT}{iceberg_metadata(location).get('table-uuid', '')}"


def iceberg_size(location: str) -> int:
    """Return how many rows the present snapshot says it has."""
    return int(iceberg_snapshot(location).get("summary", {}).get("total-records", ROWS_UNKNOWN))


def iceberg_files(location: str) -> tuple[int, int]:
    """Return how many files the present snapshot says it has, and their bytes."""
    summary = iceberg_snapshot(location).get("summary", {})
    return int(summary.get("total-data-files", 0)), int(summary.get("total-files-size", 0))


def iceberg_table(spark: "SparkSession", location: str, at: str = "") -> "DataFrame":
    """Return the rows of the snapshot that `iceberg_version` named, or of the present one where the user gave a name.

    Raises:
        UserError: there is no Iceberg runtime, or the table cannot be read.
    """
    number, separator, table_id = at.partition(AT)
    reader = spark.read.format("iceberg")
    if separator and table_id == iceberg_metadata(location).get("table-uuid", ""):
        reader = reader.option("versionAsOf", number)
    return loaded(lambda: reader.load(location), location)


def iceberg_names(spark: "SparkSession", location: str) -> list[str]:
    """Return the names of the table's columns."""
    return list(iceberg_table(spark, location).columns)


def read_iceberg(spark: "SparkSession", location: str, columns: dict[str, str], at: str) -> "DataFrame":
    """Return the columns that are wanted of the table's rows at a version.

    Raises:
        UserError: as `iceberg_table` says; or the table lacks a column, or has one of another type.
    """
    return selected(iceberg_table(spark, location, at), location, columns)


FORM = Form("table of a catalogue", version, lambda _: ROWS_UNKNOWN, names, unknown, read_table, unknown)
ICEBERG = Form("Iceberg table", iceberg_version, iceberg_size, iceberg_names, unknown, read_iceberg, iceberg_files)
