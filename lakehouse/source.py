"""What a stage reads: a value that names a state of the source and returns its rows; and sources over tables of the lake."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import query, store
from recast.lakehouse.settings import AllSettings as Settings
from recast.schemas.table import Table
from recast.settings import UserError


class Listing(NamedTuple):
    """A source whose rows cost a large shuffle, and a way to find those that changed by a small one.

    The stage's table has the column `listing_hash`. The `input_hash` of two documents must differ: a run that compares hashes
    does not see which other documents have the text of one that is gone.

    Attributes:
        hashes: returns `doc_id` and `listing_hash` of every document, with the arguments of `Source.rows`.
        rows: returns what `Source.rows` does, of some documents alone, given their `doc_id`.
    """

    hashes: Callable[[SparkSession, Settings, str, int | None], DataFrame]
    rows: Callable[[SparkSession, Settings, str, int | None, DataFrame], DataFrame]


class Source(NamedTuple):
    """What a stage reads.

    A stage whose verdict on a row depends on other rows (near-duplicates, for instance) computes it in `rows`, from all
    rows of its table, as a column that is taken over: where the column changes, the row is written again, and its
    measurement is copied.

    Attributes:
        version: returns a name for the present state of the source, without a JVM; equal names mean equal rows.
        rows: returns the rows of that version: `doc_id`, `input_hash`, the text that was hashed, and every column
            that is taken over; of a source outside the lakehouse without what was taken down, by the version of
            tombstones that it is given (lakehouse/withheld.py).
        size: returns about how many rows it has, read from metadata without a JVM; it decides the number of
            partitions.
        tables: names of the tables that are read; none for a source outside the lakehouse. The graph of stages follows
            from them (lakehouse/graph.py).
        rejected: returns the `doc_id` of the rows of that version that are not kept.
        gathered: whether a row depends on other rows, or finding the rows shuffles the source. A run then does it once, not
            once for every chunk, and looks at all rows, whatever `changed` says.
        texts: returns `doc_id` and the text of documents, given their `doc_id`, where `rows` leaves it out: no text is
            shuffled before it is known which are needed. None where `rows` has the text, or nothing but measuring gets it.
        listing: how to find what changed, and the rows of that alone, where tables above do not tell; None where `rows` is the
            only way.
        added: returns a source of the rows alone that came since an older version, where no other row can have gone or changed
            since; None where that is not known. A stage that has one tries no failure again.
        changed: returns the `doc_id` of every document whose row may differ between two versions, the older first; None
            where only all rows tell.
    """

    version: Callable[[Settings], str]
    rows: Callable[[SparkSession, Settings, str, int | None], DataFrame]
    size: Callable[[Settings], int]
    tables: tuple[str, ...] = ()
    rejected: Callable[[SparkSession, Settings, str], DataFrame] | None = None
    gathered: bool = False
    texts: Callable[[SparkSession, Settings, str, DataFrame], DataFrame | None] = lambda *_: None
    changed: Callable[[SparkSession, Settings, str, str], DataFrame | None] = lambda *_: None
    listing: Listing | None = None
    added: "Callable[[Settings, str], Source | None]" = lambda *_: None


def nothing_above() -> Column:
    """Return the `made_by` of a table at the top of its lane."""
    return F.array().cast("array<struct<table_name: string, measured_by: string, decided_by: string>>")


def require_built(settings: Settings, name: str) -> str:
    """Return what names the present rows of the table `name`.

    Raises:
        UserError: it is not built yet.
    """
    found = query.state(settings, name)
    if found is None:
        raise UserError(f"{name} is not built in {settings.lake}; build it with: recast refresh {name}")
    return found


def kept_rows_of(table: Table, *columns: str, text: str = "text") -> Source:
    """Return the kept rows of a table as a stage's source, with their provenance and `columns` taken over.

    Args:
        table: the table above.
        columns: further columns to take over, by name or as SQL (``lint_score AS source_lint_score``).
        text: name that the row's text gets in the rows that are made from it.
    """

    def read(spark: SparkSession, settings: Settings, version: str) -> DataFrame:
        return store.read(spark, settings, table, version.partition("@")[0])

    raw_hash = "raw_hash" if "raw_hash" in table.column_names else "content_hash"

    def rows(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
        maker = F.struct(F.lit(table.name).alias("table_name"), "measured_by", "decided_by")
        return (
            read(spark, settings, version)
            .where("kept")
            .select(
                "doc_id",
                F.col("content_hash").alias("input_hash"),
                F.col("text").alias(text),
                F.col(raw_hash).alias("raw_hash"),
                "source_dataset",
                "source_version",
                "license_type",
                "detected_licenses",
                F.concat("made_by", F.array(maker)).alias("made_by"),
                *(F.expr(column) for column in columns),
            )
        )

    def rejected(spark: SparkSession, settings: Settings, version: str) -> DataFrame:
        return read(spark, settings, version).where("NOT kept").select("doc_id")

    def changed(spark: SparkSession, settings: Settings, old: str, new: str) -> DataFrame | None:
        versions = [int(state.partition("@")[0]) for state in (old, new)]
        try:
            if query.state(settings, table.name, versions[0]) != old:
                return None
        except UserError:  # an older copy has no such version, or its log was cleaned
            return None
        return store.changed(spark, settings, table, *versions).select("doc_id")

    return Source(
        version=lambda settings: require_built(settings, table.name),
        rows=rows,
        size=lambda settings: query.row_count(settings, table.name),
        tables=(table.name,),
        rejected=rejected,
        changed=changed,
    )


def joined(first: Source, second: Source, columns: Sequence[str]) -> Source:
    """Return the rows of `first` whose document `second` has as well, with `columns` of `second` taken over.

    A document that either of them rejects is a rejected one. `made_by` names the makers of both.

    Args:
        first: gives the text and its hash.
        second: gives `columns`, by name or as SQL.
        columns: what is taken over, under names that `first` has not.
    """

    def version(settings: Settings) -> str:
        return json.dumps([first.version(settings), second.version(settings)])

    def rows(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
        of_first, of_second = json.loads(version)
        others = second.rows(spark, settings, of_second, takedowns)
        others = others.select("doc_id", F.col("made_by").alias("also_made_by"), *(F.expr(name) for name in columns))
        found = first.rows(spark, settings, of_first, takedowns).join(others, "doc_id")
        return found.withColumn("made_by", F.array_union("made_by", "also_made_by")).drop("also_made_by")

    def rejected(spark: SparkSession, settings: Settings, version: str) -> DataFrame:
        found = zip((first, second), json.loads(version), strict=True)
        by_each = [source.rejected(spark, settings, own) for source, own in found if source.rejected]
        none = spark.createDataFrame([], "doc_id string")
        return by_each[0].union(by_each[-1]).distinct() if by_each else none

    def changed(spark: SparkSession, settings: Settings, old: str, new: str) -> DataFrame | None:
        versions = zip((first, second), json.loads(old), json.loads(new), strict=True)
        of_first, of_second = (source.changed(spark, settings, *both) for source, *both in versions)
        return None if of_first is None or of_second is None else of_first.union(of_second)

    return Source(
        version=version,
        rows=rows,
        size=lambda settings: max(first.size(settings), second.size(settings)),
        gathered=first.gathered or second.gathered,
        tables=(*first.tables, *(name for name in second.tables if name not in first.tables)),
        rejected=rejected,
        changed=changed,
    )
