"""Keeps what was taken down out of the rows that ingesting reads (lakehouse/takedown.py writes the claims).

A run obeys the version of tombstones that it found when it began, wherever it reads them: a takedown that is made meanwhile
must not take rows away between its plan and its commit.
"""

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import query, store, takedown
from recast.lakehouse.claims import host_sql, hosts_of
from recast.lakehouse.settings import Settings
from recast.lakehouse.stage import Stage
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES


def claims(spark: SparkSession, settings: Settings, version: int | None, kind: str) -> DataFrame | None:
    """Return the values of the claims of a kind that count, as column `value`; None where nothing was ever taken down."""
    every = counting(spark, settings, version)
    return None if every is None else every.where(F.col("kind") == kind).select("value")


def counting(spark: SparkSession, settings: Settings, version: int | None) -> DataFrame | None:
    """Return `kind`, `value` and `since` of the claims that count, as takedown.IN_FORCE says; None where there never was one.

    `version` is that of tombstones.
    """
    if version is None:
        return None
    made = store.read(spark, settings, TOMBSTONES, str(version)).where("doc_id IS NULL")
    lifted_at = F.when(F.col("action") == takedown.LIFT, F.col("number"))
    since = F.coalesce(F.max(lifted_at), F.lit(0)).alias("since")
    last = made.groupBy("kind", "value").agg(F.max(F.struct("number", "action")).alias("last"), since)
    return last.where(F.col("last.action") == takedown.TAKE_DOWN).select("kind", "value", "since")


def without(
    spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame, kind: str, column: str
) -> DataFrame:
    """Return the rows whose `column` is no value of a claim of `kind`. Claims are few beside rows: each task gets them all."""
    values = claims(spark, settings, version, kind)
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    own = F.lower(column) if kind == "repo" else F.col(column)
    return rows.join(named, own == F.col("claimed"), "left_anti")


def without_domains(
    spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame, column: str
) -> DataFrame:
    """Return the rows whose address in `column` is of no domain, nor below one, that a claim names."""
    domains = claims(spark, settings, version, "domain")
    by_labels: dict[int, list[tuple[str]]] = {}
    for domain in [] if domains is None else [row["value"] for row in domains.collect()]:
        for spelled in hosts_of(domain):
            by_labels.setdefault(spelled.count(".") + 1, []).append((spelled,))
    host = F.expr(host_sql(column))
    for count, names in sorted(by_labels.items()):
        named = F.broadcast(spark.createDataFrame(names, "claimed string"))
        rows = rows.join(named, F.substring_index(host, ".", -count) == F.col("claimed"), "left_anti")
    return rows


def unclaimed(spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame) -> DataFrame:
    """Return the rows of a table that no claim names by one of their columns."""
    for column, kind in takedown.NAMED.items():
        if column in rows.columns:
            rows = without(spark, settings, version, rows, kind, column)
    return without_domains(spark, settings, version, rows, "url") if "url" in rows.columns else rows


def blanked(spark: SparkSession, settings: Settings, rows: DataFrame, status: str) -> DataFrame:
    """Return rows that have a `text`, without the texts that a claim of kind `content` names: their `status` says taken_down.

    The newest claims count, since none takes a row away.
    """
    values = claims(spark, settings, takedown.version(settings), "content")
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    marked = rows.join(named, F.sha2("text", 256) == F.col("claimed"), "left")
    gone = F.col("claimed").isNotNull()
    columns = {"text": F.when(~gone, F.col("text")), status: F.when(gone, "taken_down").otherwise(F.col(status))}
    return marked.withColumns(columns).drop("claimed")


def undecided(spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame) -> DataFrame:
    """Return rows of a raw table; those that hold a text that a claim of kind `content` names count as decided by nothing."""
    values = claims(spark, settings, version, "content")
    if values is None:
        return rows
    named = F.broadcast(values.withColumnRenamed("value", "claimed"))
    marked = rows.join(named, F.col("content_hash") == F.col("claimed"), "left")
    return marked.withColumn("decided_by", F.when(F.isnull("claimed"), F.col("decided_by")).otherwise("")).drop(
        "claimed"
    )


def texts(spark: SparkSession, settings: Settings, version: int | None) -> tuple[DataFrame, DataFrame] | None:
    """Return the hashes of the texts that claims name which count (`claimed`), and the documents that these claims reached
    (`reached`); None where nothing was ever taken down. Both are few: each task gets them all."""
    every = counting(spark, settings, version)
    if every is None:
        return None
    every = every.where("kind = 'content'")
    reached = store.read(spark, settings, TOMBSTONES, str(version)).where("doc_id IS NOT NULL")
    reached = reached.join(every, ["kind", "value"]).where("number >= since").select(F.col("doc_id").alias("reached"))
    return F.broadcast(every.select(F.col("value").alias("claimed"))), F.broadcast(reached.distinct())


def without_texts(spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame) -> DataFrame:
    """Return rows of a table of documents without those that have, or come from, a text that a claim of kind `content` names.

    Rows that an older Recast wrote below a raw table do not say from which text they come: they go by the documents that these
    claims reached.
    """
    if (found := texts(spark, settings, version)) is None:
        return rows
    claimed, reached = found
    rows = rows.join(claimed, F.col("content_hash") == F.col("claimed"), "left_anti")
    if "raw_hash" not in rows.columns:
        return rows
    rows = rows.join(claimed, F.col("raw_hash") == F.col("claimed"), "left_anti")
    return rows.join(reached, F.isnull("raw_hash") & (F.col("doc_id") == F.col("reached")), "left_anti")


def of_texts(spark: SparkSession, settings: Settings, version: int | None, rows: DataFrame) -> DataFrame | None:
    """Return the `doc_id` of the rows of a table that come from a text that a claim of kind `content` names, or, where an older
    Recast wrote them, whose document such a claim reached; None where nothing was ever taken down.

    A row that comes from another text stays, whatever it says: the next refresh would make it anew.
    """
    if (found := texts(spark, settings, version)) is None:
        return None
    claimed, reached = found
    if "raw_hash" not in rows.columns:
        return rows.join(claimed, F.col("content_hash") == F.col("claimed"), "left_semi").select("doc_id")
    by_text = rows.join(claimed, F.col("raw_hash") == F.col("claimed"), "left_semi")
    by_document = rows.where("raw_hash IS NULL").join(reached, F.col("doc_id") == F.col("reached"), "left_semi")
    return by_text.select("doc_id").union(by_document.select("doc_id"))


def documents(spark: SparkSession, settings: Settings, version: int | None) -> DataFrame | None:
    """Return `doc_id` and `elsewhere` of every document that a claim reached which counts, as takedown.DOCUMENTS says: claims
    of texts reach no document as such (`without_texts`).

    None where nothing was ever taken down.
    """
    every = counting(spark, settings, version)
    if every is None:
        return None
    reached = store.read(spark, settings, TOMBSTONES, str(version)).where("doc_id IS NOT NULL AND kind <> 'content'")
    reached = reached.join(every, ["kind", "value"]).where("number >= since")
    holding = (
        reached.where("held_by IS NOT NULL").groupBy("doc_id").agg(F.max(F.struct("number", "held_by")).alias("last"))
    )
    held = holding.select("doc_id", F.explode("last.held_by").alias("value"))
    staying = held.join(every.where("kind = 'repo'"), "value", "left_anti").select("doc_id").distinct()
    found = reached.join(staying.withColumn("stays", F.lit(True)), "doc_id", "left")
    elsewhere = (F.col("kind") == "repo") & F.coalesce("stays", F.lit(False))
    return found.groupBy("doc_id").agg(F.min(elsewhere).alias("elsewhere"))


def remove(
    spark: SparkSession, settings: Settings, stage: Stage, run_id: str, require_held: Callable[[str], None]
) -> int:
    """Remove the documents that were taken down from a table, in a commit of its own; return how many rows went.

    For a table that a limit keeps from being refreshed. Rows stay whose source row is still there, since the next refresh
    would make them anew, but for those that come from a claimed text. What a row had measured goes with it: another document of
    the same text is measured when it comes.
    """
    table = stage.target
    version = takedown.version(settings)
    found = documents(spark, settings, version)
    if found is None or query.version(settings, table.name) is None:
        return 0
    held = store.read(spark, settings, table)
    going = held.select("doc_id").join(found.where("NOT elsewhere"), "doc_id", "left_semi")
    for name in stage.source.tables:
        if query.version(settings, name) is None:
            continue
        going = going.join(store.read(spark, settings, TABLES[name]).select("doc_id"), "doc_id", "left_anti")
    by_text = of_texts(spark, settings, version, held)
    going = going if by_text is None else going.union(by_text).distinct()
    rows = going.count()
    if rows:
        require_held(table.name)
        transaction = (f"{table.name}:{run_id}:taken down", 1)
        store.remove(spark, settings, table, going, transaction, {"takedowns": version})
    return rows
