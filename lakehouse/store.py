"""The only module that knows Delta: where tables lie, and how they are read, staged, merged and removed from."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from recast import s3
from recast.lakehouse import query
from recast.lakehouse.settings import Settings
from recast.schemas.table import Table
from recast.settings import UserError

if TYPE_CHECKING:
    from delta.tables import DeltaTable

WHOLE = "_SUCCESS"  # Spark adds this file to a folder once all of its files are written
WITHOUT_TEXT = ("doc_id", "input_hash", "content_hash", "measured_by", "decided_by", "reason", "written_at")
"""Columns whose least and greatest values stand in a table's log. The first letters of a text must not: they outlive it."""
STATISTICS = "delta.dataSkippingStatsColumns"
MOST_ROWS_A_FILE = "spark.sql.files.maxRecordsPerFile"
EXPIRES = "delta.enableExpiredLogCleanup"
PROPERTIES = {
    query.FORMAT: str(query.FORMAT_NUMBER),
    # Downstream readers follow this feed; it also tells them which rows were removed.
    "delta.enableChangeDataFeed": "true",
    # delta-rs and DuckDB read the same tables; through Arrow they cannot see deletion vectors.
    "delta.enableDeletionVectors": "false",
    # Else Delta deletes the log of a version after a month, whether a release names it or not; `recast maintain` asks first.
    EXPIRES: "false",
}
# A merge writes each file anew that holds a row which it replaces or removes. Of whole documents so many take about 50 MB.
ROWS_PER_FILE = 10_000
GONE = "_gone"  # column that marks the keys to delete among rows to write
COMMITS_READ = 50  # in search of the last one that a run made
DROPPED = "_dropped"  # folder of the lake for rows that lost their place because of their source


def table_path(settings: Settings, name: str) -> str:
    """Return where the table `name` lies."""
    return f"{settings.lake}/{name}"


def open_table(spark: SparkSession, settings: Settings, table: Table) -> "DeltaTable":
    """Return the Delta table, created empty with its columns' comments if it is not there. Whoever writes calls this first.

    Columns that a newer version of Recast adds are added; nothing is ever renamed or retyped (docs/decisions).
    """
    # Imported here, so that lakehouse/session.py can report in one line that the package is missing.
    from delta.tables import DeltaTable

    path = table_path(settings, table.name)
    schema = StructType.fromDDL(table.ddl)
    if not DeltaTable.isDeltaTable(spark, path):
        new = DeltaTable.createIfNotExists(spark).location(path).addColumns(schema).comment(table.about)
        for name, value in {**PROPERTIES, STATISTICS: with_statistics(table)}.items():
            new = new.property(name, value)
        new.execute()
    found = opened(spark, settings, table)
    present = set(found.toDF().columns)
    added = [column for column in table.columns if column.name not in present]
    if added:
        ddl = ", ".join(f"{column.name} {column.type}" for column in added)
        spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS ({ddl})")
        found = opened(spark, settings, table)
    return found


def opened(spark: SparkSession, settings: Settings, table: Table) -> "DeltaTable":
    """Return the Delta table, which is there."""
    from delta.tables import DeltaTable

    return DeltaTable.forPath(spark, table_path(settings, table.name))


def with_statistics(table: Table) -> str:
    """Return the columns of which Delta's log keeps the least and greatest value, as the property STATISTICS lists them."""
    return ",".join(name for name in WITHOUT_TEXT if name in table.column_names)


def read(spark: SparkSession, settings: Settings, table: Table, version: str | None = None) -> DataFrame:
    """Return the table's rows, as they stand or at `version`, with its declared columns in their order.

    A column that came with a newer version of Recast is null in a table that nothing has been written to since.
    """
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    rows = reader.load(table_path(settings, table.name))
    if rows.columns == table.column_names:
        return rows
    present = set(rows.columns)
    return rows.select(
        *(F.col(name) if name in present else F.lit(None).cast(type_).alias(name) for name, type_, _ in table.columns)
    )


def changed(spark: SparkSession, settings: Settings, table: Table, old: int, new: int) -> DataFrame:
    """Return the keys of the rows that commits after version `old` up to `new` wrote or removed, by the table's change feed.

    A key may come several times. Reading them fails where a vacuum has deleted the feed of one of these versions.
    """
    if old == new:
        return read(spark, settings, table, str(new)).select(*table.key).limit(0)
    reader = spark.read.format("delta").options(readChangeFeed=True, startingVersion=old + 1, endingVersion=new)
    return reader.load(table_path(settings, table.name)).select(*table.key)


def same_key(table: Table) -> str:
    """Return the condition that a row `t` of the table and a row `s` have the same key."""
    return " AND ".join(f"t.{key} = s.{key}" for key in table.key)


def merge(
    spark: SparkSession,
    settings: Settings,
    table: Table,
    rows: DataFrame,
    transaction: tuple[str, int],
    facts: Mapping[str, Any],
    gone: DataFrame | None = None,
) -> None:
    """Insert or replace `rows` by the table's key, in one commit that carries `facts`; a replay changes nothing.

    The same commit deletes the rows whose key is in `gone`, so that nobody reads a text beside the one that replaces it.
    """
    source = rows.select(*table.column_names, F.lit(False).alias(GONE))
    if gone is not None:
        keys = gone.select(*table.key, F.lit(True).alias(GONE))
        source = source.unionByName(keys, allowMissingColumns=True)
    with committing(spark, transaction, facts):
        (
            opened(spark, settings, table)
            .alias("t")
            .merge(source.alias("s"), same_key(table))
            .whenMatchedDelete(f"s.{GONE}")
            .whenMatchedUpdateAll()
            .whenNotMatchedInsertAll(f"NOT s.{GONE}")
            .execute()
        )


def insert(
    spark: SparkSession,
    settings: Settings,
    table: Table,
    rows: DataFrame,
    transaction: tuple[str, int],
    facts: Mapping[str, Any],
) -> None:
    """Do what `merge` does for rows whose keys the table does not hold, without reading the table.

    Delta accepts two such commits at the same time, so only one run at a time may insert into a document table. Where no
    lock excludes other runs, use `merge`: of two merges Delta refuses one.
    """
    with committing(spark, transaction, facts):
        added = rows.select(*table.column_names).write.format("delta").mode("append")
        added.save(table_path(settings, table.name))


def remove(
    spark: SparkSession,
    settings: Settings,
    table: Table,
    keys: DataFrame,
    transaction: tuple[str, int],
    facts: Mapping[str, Any],
) -> None:
    """Delete the rows whose key is in `keys`, in one idempotent commit that carries `facts`."""
    target = opened(spark, settings, table).alias("t")
    with committing(spark, transaction, facts):
        target.merge(keys.select(*table.key).alias("s"), same_key(table)).whenMatchedDelete().execute()


@contextmanager
def committing(spark: SparkSession, transaction: tuple[str, int], facts: Mapping[str, Any]) -> Iterator[None]:
    """Make the commits inside the block idempotent and annotated; MERGE takes both from the session's settings only."""
    name, version = transaction
    values = {
        "spark.databricks.delta.write.txnAppId": name,
        "spark.databricks.delta.write.txnVersion": str(version),
        "spark.databricks.delta.commitInfo.userMetadata": json.dumps(facts, default=str),
    }
    if int(spark.conf.get(MOST_ROWS_A_FILE, "0") or 0) <= 0:
        values[MOST_ROWS_A_FILE] = str(ROWS_PER_FILE)
    try:
        for key, value in values.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key in values:
            spark.conf.unset(key)


def hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path for `path`: what Spark itself uses, with its credentials."""
    jvm: Any = spark._jvm
    java_path = jvm.org.apache.hadoop.fs.Path(path)
    return java_path.getFileSystem(spark._jsc.hadoopConfiguration()), java_path


def require_client(spark: SparkSession, locations: Iterable[str]) -> None:
    """Stop where Spark has no client for S3 and one of the locations lies there.

    Raises:
        UserError: with the coordinates of the client that fits this Spark's Hadoop.
    """
    for location in filter(s3.is_s3, locations):
        try:
            hadoop(spark, location)
        except Py4JJavaError as problem:
            jvm: Any = spark._jvm
            package = f"org.apache.hadoop:hadoop-aws:{jvm.org.apache.hadoop.util.VersionInfo.getVersion()}"
            if re.search(r"No FileSystem for scheme|ClassNotFound", str(problem)):
                raise UserError(
                    f"Spark has no client for {location}: give --conf spark.jars.packages={package} "
                    "(630 MB, once: docs/object_storage.md)"
                ) from None
            raise


def last_facts(spark: SparkSession, settings: Settings, table: Table) -> dict[str, Any]:
    """Return the facts of the table's last commit that a run made, of COMMITS_READ at most; none where there is none.

    Commits of other kinds may lie above it: what was taken down was removed, or small files were put together.
    """
    commits = open_table(spark, settings, table).history(COMMITS_READ).select("version", "userMetadata").collect()
    newest_first = sorted(commits, key=lambda commit: commit["version"], reverse=True)
    every = (query.facts_of(commit["userMetadata"]) for commit in newest_first)
    return next((facts for facts in every if "run_id" in facts), {})


def delete_folder(spark: SparkSession, path: str) -> None:
    """Remove a work folder wherever it lies; a missing one is fine.

    The `_SUCCESS` marker is removed first: if the process is killed midway, the rest does not look like a complete write.
    """
    if "://" not in path:
        Path(path, WHOLE).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        return
    for each in (f"{path}/{WHOLE}", path):
        system, java_path = hadoop(spark, each)
        system.delete(java_path, True)


def is_written(spark: SparkSession, path: str) -> bool:
    """Say whether a write into a work folder is complete; a killed write leaves only temporary files."""
    system, marker = hadoop(spark, f"{path}/{WHOLE}")
    return bool(system.exists(marker))


def folders(spark: SparkSession, path: str) -> list[str]:
    """Return the folders directly below `path`, sorted; none where it does not exist."""
    system, java_path = hadoop(spark, path)
    if not system.exists(java_path):
        return []
    found = [each.getPath().toString() for each in system.listStatus(java_path) if each.isDirectory()]
    return sorted(each.removeprefix("file:") for each in found)
