"""A stage's run under way: the values that every step of it needs, where its files lie, and the rows that it reads."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import due, executors, ledger, query, store, takedown, withheld
from recast.lakehouse.actions import ACTIONS_DDL
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.ledger import Run
from recast.lakehouse.problems import first_line, warn
from recast.lakehouse.settings import Settings, work_path
from recast.lakehouse.source import Listing
from recast.lakehouse.stage import Stage
from recast.schemas.table import WITHDRAWN

# Folders of a run's work folder: what is to be done, and source rows: all, those to be measured, those that may have changed.
PLAN, SOURCE, PENDING, CHANGED, WANTED = "plan", "source", "pending", "changed", "wanted"
FOLDERS = (PLAN, SOURCE, PENDING, CHANGED, WANTED)
# Of more changed documents the keys of all rows are joined: choosing most of them costs another reading. The share is a guess.
MOST_CHANGED = 1 / 8
# Of a listing's changed documents so many are sent to every task, as the keys of a chunk are: 100 MB.
MOST_BROADCAST = 1_000_000
# input_hash stands for the text, and source_version only says when a row was first read.
NOT_CARRIED = ("doc_id", "input_hash", "text", "source_text", "source_version")


def begin(settings: Settings, stage: Stage, run_id: str) -> Run:
    """Return the row of a stage's run that starts now, with nothing counted. No JVM is needed.

    Raises:
        UserError: a file of the table is missing or torn, or its source is not there.
    """
    query.require_whole(settings, stage.name)
    facts = (stage.measured_by(settings), stage.decided_by(settings))
    obeyed = takedown.text_claims(settings) if stage.source.tables else takedown.version(settings)
    return ledger.begin(run_id, stage.name, stage.source.version(settings), *facts, obeyed)


class Work(NamedTuple):
    """A stage's run under way.

    Attributes:
        folder: the run's work folder; empty where nothing may be written, as for a plan that is only shown.
        leftovers: folders of rows that killed runs have staged whole.
        dropped: rows that left the target because of their source (lakehouse/dropped.py); None where there are none.
        retry: whether failures that may have passed are measured again.
        lifted: when a claim of a text was lifted last: rows that lack one since before then are, too.
        found_version: version of the target as the run found it; empty where it was not built.
        planned_before: version of the source that the target stands for; empty where all of its rows must be looked at.
        only_added: whether the stage's source is that of the rows alone which came since `planned_before`.
        unwritten: what `find_actions` found, where there is no folder to write it into.
        reports: what the stage's service reported so far.
        done_before: what the application's executors had done before the run.
        require_held: asked before each commit, with the table's name; raises UserError where this run holds it no more.
    """

    spark: SparkSession
    settings: Settings
    stage: Stage
    run: Run
    folder: str = ""
    leftovers: tuple[str, ...] = ()
    dropped: DataFrame | None = None
    retry: bool = False
    lifted: datetime | None = None
    found_version: str = ""
    planned_before: str = ""
    only_added: bool = False
    unwritten: DataFrame | None = None
    reports: list[Any] = []  # noqa: RUF012 - every run is given its own
    done_before: executors.Done = executors.Done({}, 0.0)
    require_held: Callable[[str], None] = lambda name: None

    def of_added_rows(self) -> "Work":
        """Return the run with a source of the rows alone that came since the last one, where it has one."""
        added = self.stage.source.added(self.settings, self.planned_before) if self.planned_before else None
        if added is None:
            return self
        return self._replace(stage=replace(self.stage, source=added), only_added=True)

    @property
    def actions_path(self) -> str:
        """Where the written actions lie."""
        return f"{self.folder}/{PLAN}"

    def staged_path(self, chunk: Chunk) -> str:
        """Where a chunk's rows lie until their commit."""
        return f"{self.folder}/staged/{chunk.number}"

    def actions(self) -> DataFrame:
        """Return the actions, those that do nothing included."""
        if self.unwritten is not None:
            return self.unwritten
        return self.spark.read.schema(ACTIONS_DDL).parquet(self.actions_path)

    def planned(self) -> DataFrame:
        """Return what the actions say is to be done."""
        return self.actions().where("action != 'nothing'")

    def gone(self) -> DataFrame:
        """Return the keys of the rows to remove."""
        return self.planned().where("action = 'remove'")

    def staged(self, path: str) -> DataFrame:
        """Return the rows that this run has staged in the folder `path`."""
        return self.spark.read.schema(f"{self.stage.target.ddl}, action string").parquet(path)

    @property
    def journals(self) -> str:
        """Where the answers of chunks that are not committed yet lie, this run's and those of killed runs."""
        return work_path(self.settings, self.stage.name, "journal")

    def journal_path(self, chunk: Chunk) -> str:
        """Where answers for a chunk are kept from the moment they are paid for."""
        return f"{self.journals}/{self.run['run_id']}-{chunk.number}"

    @property
    def transaction_name(self) -> str:
        """The name under which Delta remembers this run's commits."""
        return f"{self.stage.name}:{self.run['run_id']}"

    def source_rows(self, chunk: Chunk | None = None, documents: DataFrame | None = None) -> DataFrame:
        """Return what the stage reads, with the hash of the columns that are taken over.

        That is what was gathered, if anything was, and of that the rows of `chunk` alone. What is gathered now are the
        `documents` (`doc_id`) alone, where the source has a listing of them.
        """
        source = self.stage.source
        if path := self.gathered_path:
            gathered = self.spark.read.parquet(path)
            return gathered.where(chunk.holds("input_hash")) if chunk else gathered
        where = (self.spark, self.settings, self.run["source_version"], self.run["takedowns"])
        if source.listing and documents is not None:
            rows = source.listing.rows(*where, documents)
        else:
            rows = source.rows(*where)
        rows = rows.withColumn("carried_hash", F.xxhash64(*sorted(set(rows.columns) - set(NOT_CARRIED))))
        return self.written(rows, SOURCE) if source.gathered and self.folder else rows

    @property
    def gathered_path(self) -> str:
        """Where the rows lie that `source_rows` reads, if they were written before; empty where it reads the source itself."""
        return next((f"{self.folder}/{name}" for name in (PENDING, SOURCE) if self.has(name)), "")

    def has(self, name: str) -> bool:
        """Say whether `written` has written rows of this name."""
        return bool(self.folder) and store.is_written(self.spark, f"{self.folder}/{name}")

    def written(self, rows: DataFrame, name: str) -> DataFrame:
        """Write rows into a folder of the run's work folder and return them."""
        rows.write.mode("overwrite").parquet(f"{self.folder}/{name}")
        return self.spark.read.schema(rows.schema).parquet(f"{self.folder}/{name}")

    def gather_pending(self, last: Chunk) -> None:
        """Write the source rows that chunks until `last` measure or copy, with their texts.

        They are in the order of their hashes, so that a chunk reads its own alone.
        """
        until = last._replace(low="").holds("input_hash")
        read = self.planned().where(until & F.col("action").isin("measure", "copy"))
        rows = self.source_rows().join(read.select("doc_id"), "doc_id", "left_semi")
        texts = self.texts(read.where("action = 'measure'").select("doc_id"))
        rows = rows if texts is None else rows.join(texts, "doc_id", "left")
        self.written(rows.sort("input_hash"), PENDING)

    def texts(self, keys: DataFrame) -> DataFrame | None:
        """Return the texts of documents, given their `doc_id`; None where `source_rows` has all that measuring needs."""
        if self.has(PENDING):
            return None
        return self.stage.source.texts(self.spark, self.settings, self.run["source_version"], keys)

    def changed(self) -> DataFrame | None:
        """Return the `doc_id` of the only documents that a plan need look at; None where it must look at all.

        These are the ones whose source row may have changed since the last run, and those with a row that is due.
        """
        source = self.stage.source
        if not (self.planned_before and self.folder):
            return None
        if source.listing:
            return self.if_few(self.changed_in_listing(source.listing), MOST_BROADCAST)
        if source.gathered:
            return None
        try:
            found = source.changed(self.spark, self.settings, self.planned_before, self.run["source_version"])
            return None if found is None else self.if_few(found)
        except (PySparkException, Py4JJavaError) as problem:  # mostly, a vacuum or a purge has deleted the feed
            warn(
                f"what changed above {self.stage.name} cannot be read, so all rows are looked at: {first_line(problem)}"
            )
            return None

    def if_few(self, found: DataFrame, most: float = math.inf) -> DataFrame | None:
        """Return documents (`doc_id`), with those that have a row that is due, each once; None where they are many."""
        due_now = self.target_rows().where("measured_by = ''").select("doc_id")
        documents = self.written(found.union(due_now).distinct(), CHANGED)
        most = min(most, MOST_CHANGED * query.row_count(self.settings, self.stage.name))
        return documents if documents.count() <= most else None

    def changed_in_listing(self, listing: Listing) -> DataFrame:
        """Return the `doc_id` of every document whose listing has another hash than the target's row, or that one of them lacks."""
        now = listing.hashes(self.spark, self.settings, self.run["source_version"], self.run["takedowns"])
        then = self.target_rows().select("doc_id", F.col("listing_hash").alias("then"))
        same = F.coalesce(F.col("listing_hash") == F.col("then"), F.lit(False))
        return now.join(then, "doc_id", "full_outer").where(~same).select("doc_id")

    def target_rows(self) -> DataFrame:
        """Return the target's rows as the run found them; what is due (lakehouse/due.py) counts as measured by nothing.

        As found, because a row that this run removes or overwrites may be the one that a later chunk copies from.
        """
        table = self.stage.target
        if self.found_version:
            rows = store.read(self.spark, self.settings, table, self.found_version)
        else:
            rows = self.spark.createDataFrame([], table.ddl)
        return self.without_due(rows, self.retry)

    def lenders(self) -> list[DataFrame]:
        """Return the rows beside the target's that lend measurements: what killed runs staged, and dropped rows.

        A failure that may have passed is none: no table holds it.
        """
        columns = self.stage.target.column_names
        staged = [self.spark.read.parquet(path).select(*columns) for path in self.leftovers]
        # A text may have been claimed since it was staged.
        version = takedown.version(self.settings) if staged else None
        staged = [withheld.without_texts(self.spark, self.settings, version, rows) for rows in staged]
        found = staged if self.dropped is None else [*staged, self.dropped]
        return [self.without_due(rows, retry=True) for rows in found]

    def without_due(self, rows: DataFrame, retry: bool) -> DataFrame:
        """Return rows of the target's columns; what is due counts as measured by nothing."""
        is_due = due.is_due(self.settings, self.stage, self.run, retry, self.lifted)
        return rows.withColumn("measured_by", F.when(is_due, "").otherwise(F.col("measured_by")))

    @property
    def lends(self) -> Column:
        """Whether a row of the target holds a measurement that another row may take over."""
        return ~F.expr(self.stage.unmeasured) & (F.col("measured_by") == self.run["measured_by"])

    def rejected_keys(self) -> DataFrame:
        """Return the `doc_id` of source rows whose measurements the target keeps though they are rejected: mostly none.

        What comes from a text that was taken down is not kept.
        """
        source = self.stage.source
        if source.rejected is None or WITHDRAWN not in self.stage.target.reasons:
            return self.spark.createDataFrame([], "doc_id string")
        rejected = source.rejected(self.spark, self.settings, self.run["source_version"])
        if self.run["takedowns"] is None:  # no text was ever claimed
            return rejected
        claimed = withheld.of_texts(self.spark, self.settings, takedown.version(self.settings), self.target_rows())
        return rejected if claimed is None else rejected.join(claimed, "doc_id", "left_anti")
