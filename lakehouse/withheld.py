"""Keeps what was taken down out of the rows that ingesting reads (lakehouse/takedown.py writes the claims)."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import store, takedown
from recast.lakehouse.claims import host_sql, hosts_of
from recast.lakehouse.settings import Settings
from recast.schemas.operations import TOMBSTONES


def claims(spark: SparkSession, settings: Settings, kind: str) -> DataFrame | None:
    """Return the values of the claims of a kind that count, as column `value`; None where nothing was ever taken down."""
    every = counting(spark, settings)
    return None if every is None else every.where(F.col("kind") == kind).select("value")


def counting(spark: SparkSession, settings: Settings) -> DataFrame | None:
    """Return `kind`, `value` and `number` of the claims that count, as takedown.IN_FORCE says; None where there never was one."""
    if takedown.version(settings) is None:
        return None
    made = store.read(spark, settings, TOMBSTONES).where("doc_id IS NULL")
    last = made.groupBy("kind", "value").agg(F.max(F.struct("number", "action")).alias("last"))
    return last.where(F.col("last.action") == takedown.TAKE_DOWN).select("kind", "value", "last.number")


def without(spark: SparkSession, settings: Settings, rows: DataFrame, kind: str, column: str) -> DataFrame:
    """Return the rows whose `column` is no value of a claim of `kind`. Claims are few beside rows: each task gets them all."""
    values = claims(spark, settings, kind)
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    own = F.lower(column) if kind == "repo" else F.col(column)
    return rows.join(named, own == F.col("claimed"), "left_anti")


def without_domains(spark: SparkSession, settings: Settings, rows: DataFrame, column: str) -> DataFrame:
    """Return the rows whose address in `column` is of no domain, nor below one, that a claim names."""
    domains = [each["value"] for each in takedown.in_force(settings) if each["kind"] == "domain"]
    by_labels: dict[int, list[tuple[str]]] = {}
    for spelled in (spelled for domain in domains for spelled in hosts_of(domain)):
        by_labels.setdefault(spelled.count(".") + 1, []).append((spelled,))
    host = F.expr(host_sql(column))
    for count, names in sorted(by_labels.items()):
        named = F.broadcast(spark.createDataFrame(names, "claimed string"))
        rows = rows.join(named, F.substring_index(host, ".", -count) == F.col("claimed"), "left_anti")
    return rows


def blanked(spark: SparkSession, settings: Settings, rows: DataFrame, status: str) -> DataFrame:
    """Return rows that have a `text`, without the texts that a claim of kind `content` names: their `status` says taken_down."""
    values = claims(spark, settings, "content")
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    marked = rows.join(named, F.sha2("text", 256) == F.col("claimed"), "left")
    gone = F.col("claimed").isNotNull()
    columns = {"text": F.when(~gone, F.col("text")), status: F.when(gone, "taken_down").otherwise(F.col(status))}
    return marked.withColumns(columns).drop("claimed")


def documents(spark: SparkSession, settings: Settings) -> DataFrame | None:
    """Return the `doc_id` of every document that a claim reached which counts; None where nothing was ever taken down."""
    every = counting(spark, settings)
    if every is None:
        return None
    reached = store.read(spark, settings, TOMBSTONES).where("doc_id IS NOT NULL")
    return reached.join(every, ["kind", "value", "number"], "left_semi").select("doc_id").distinct()
