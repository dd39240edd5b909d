"""Keeps what was taken down out of the rows that ingesting reads (lakehouse/takedown.py writes the claims)."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import query, store
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import TAKE_DOWN, version
from recast.schemas.operations import TOMBSTONES


def claims(spark: SparkSession, settings: Settings, kind: str) -> DataFrame | None:
    """Return the values of the claims of a kind that count, as column `value`; None where nothing was ever taken down."""
    if version(settings) is None:
        return None
    made = store.read(spark, settings, TOMBSTONES).where((F.col("kind") == kind) & F.col("doc_id").isNull())
    last = made.groupBy("value").agg(F.max(F.struct("number", "action"))["action"].alias("action"))
    return last.where(F.col("action") == TAKE_DOWN).select("value")


def without(spark: SparkSession, settings: Settings, rows: DataFrame, kind: str, column: str) -> DataFrame:
    """Return the rows whose `column` is no value of a claim of `kind`. Claims are few beside rows: each task gets them all."""
    values = claims(spark, settings, kind)
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    return rows.join(named, F.col(column) == F.col("claimed"), "left_anti")


def without_domains(spark: SparkSession, settings: Settings, rows: DataFrame, column: str) -> DataFrame:
    """Return the rows whose address in `column` is of no domain, nor below one, that a claim names."""
    values = claims(spark, settings, "domain")
    if values is None:
        return rows
    labels = F.size(F.split("value", r"\."))
    host = F.lower(F.regexp_extract(column, "^[a-zA-Z]+://([^/?#@]*@)?([^/?#:]+)", 2))
    for (count,) in sorted(values.select(labels).distinct().collect()):
        named = F.broadcast(values.where(labels == count).withColumnRenamed("value", "claimed"))
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
    """Return the `doc_id` of every document that was ever taken down; None where there is none."""
    if query.version(settings, TOMBSTONES.name) is None:
        return None
    return store.read(spark, settings, TOMBSTONES).where("doc_id IS NOT NULL").select("doc_id").distinct()
