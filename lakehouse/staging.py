"""Makes the finished rows of a chunk in the run's work folder: measured, copied, decided again or withdrawn."""

from dataclasses import replace
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import executors, store, watching
from recast.lakehouse.chunks import Chunk, Todo
from recast.lakehouse.problems import first_line
from recast.lakehouse.progress import Meter
from recast.lakehouse.stage import Stage
from recast.lakehouse.work import Work
from recast.schemas.table import WITHDRAWN

TASKS_PER_CORE = 4  # files take from milliseconds to many seconds, and the last task of a chunk holds up the others
SOURCE_KEYS = ("doc_id", "input_hash", "carried_hash")
WRITTEN_HERE = ("content_hash", "kept", "reason", "carried_hash", "measured_by", "decided_by", "run_id", "written_at")


def staged_below(spark: SparkSession, run_folder: str, stage: Stage, meter: Meter | None = None) -> list[str]:
    """Return what a run that was killed had staged whole, unless an older version of Recast staged it.

    Each is read to its end first: files of a killed machine may be torn, empty or no Parquet files, and what they held
    can be made again. Nothing else of a killed run is read again but its journals, which see to themselves. With `meter`,
    which says so, such files are deleted.
    """
    found = []
    for path in store.folders(spark, f"{run_folder}/staged"):
        if not store.is_written(spark, path):
            continue
        try:
            rows = spark.read.parquet(path)
            if set(stage.target.column_names) <= set(rows.columns):
                rows.write.format("noop").mode("overwrite").save()
                found.append(path)
        except (PySparkException, Py4JJavaError) as problem:
            if meter:
                meter.say(f"{path} of a run that was killed is dropped and made again: {first_line(problem)}")
                store.delete_folder(spark, path)
    return found


def stage_chunk(work: Work, chunk: Chunk) -> None:
    """Write the chunk's finished rows to its folder: first what is paid for, then what is copied or decided again."""
    path = work.staged_path(chunk)
    keys = work.planned().where(chunk.holds("input_hash")).where("action != 'remove'")
    written: list[str] = []

    def write(rows: DataFrame, action: str) -> None:
        description = watching.description(work.stage.name, chunk.number, action)
        work.spark.sparkContext.setJobDescription(description)
        rows.write.mode("append" if written else "overwrite").parquet(path)
        written.append(path)

    if "measure" in chunk.todo:
        write(measured(work, chunk, keys), "measure")
    if "copy" in chunk.todo:
        write(copied(work, chunk, keys, written[:1]), "copy")
    for action, made in (("decide", finish), ("withdraw", withdraw)):
        if action in chunk.todo:
            chosen = F.broadcast(keys.where(F.col("action") == action).select("doc_id"))
            rows = work.target_rows().where(chunk.holds("input_hash")).join(chosen, "doc_id", "left_semi")
            write(made(work, spread(work, rows, chunk.todo[action].rows), action), action)


def spread(work: Work, rows: DataFrame, count: int) -> DataFrame:
    """Return `count` rows of a chunk spread over tasks: as the settings say, by default some for each core."""
    tasks = work.settings.partitions or min(count, TASKS_PER_CORE * executors.most_cores(work.spark))
    return rows.repartition(tasks, "input_hash")


def source_of(work: Work, chunk: Chunk, keys: DataFrame, action: str, *more: Column) -> DataFrame:
    """Return the source rows of one action of a chunk, each once, with `from_doc_id` and `more` columns of the plan."""
    chosen = F.broadcast(keys.where(F.col("action") == action).select(*SOURCE_KEYS, "from_doc_id", *more))
    rows = work.source_rows(chunk)
    if not work.gathered_path:
        # By the document first: then a source that computes the hash of a text does so for these rows alone.
        rows = rows.join(chosen.select("doc_id"), "doc_id", "left_semi")
    rows = rows.join(chosen, list(SOURCE_KEYS))
    return rows.dropDuplicates(["doc_id"]) if chunk.todo[action].copies > 1 else rows


def measured(work: Work, chunk: Chunk, keys: DataFrame) -> DataFrame:
    """Return the chunk's rows that are paid for, finished."""
    tries = (F.col("tries").alias(work.stage.tries),) if work.stage.tries else ()
    rows = source_of(work, chunk, keys, "measure", *tries).drop("from_doc_id")
    texts = work.texts(F.broadcast(keys.where("action = 'measure'").select("doc_id")))
    if texts is not None:
        rows = rows.join(texts, "doc_id", "left")
    count = chunk.todo["measure"].rows
    if not work.stage.usage:  # a model stage spreads its rows itself, by GPU and journal
        rows = spread(work, rows, count)
    # The budget is a share of the chunk. Where a killed run answered most of it, what is left may be all that fails.
    share = (count + chunk.todo.get("copy", Todo()).rows) / count
    settings = replace(work.settings, error_budget=min(1.0, work.settings.error_budget * share))
    return finish(work, work.stage.measure(rows, settings, work.journal_path(chunk)), "measure")


def copied(work: Work, chunk: Chunk, keys: DataFrame, staged: list[str]) -> DataFrame:
    """Return the chunk's rows whose measurement another row holds, finished.

    That row is one of the target, of a killed run's leftovers, a dropped one, or of those that this run has staged in
    `staged`.
    """
    rows = source_of(work, chunk, keys, "copy")
    pool = work.target_rows()
    others = [*work.lenders()]
    others += [work.staged(path).select(*pool.columns) for path in staged]
    pool = reduce(DataFrame.unionByName, others, pool).where(chunk.holds("input_hash"))
    pool = pool.where(work.lends)
    if others:  # the same measurement may lie in several places, and no other needs to be compared
        lenders = keys.where("action = 'copy'").select(F.col("from_doc_id").alias("doc_id"), "input_hash")
        pool = pool.join(F.broadcast(lenders), ["doc_id", "input_hash"], "left_semi")
        pool = pool.dropDuplicates(["doc_id", "input_hash"])
    taken = [name for name in work.stage.target.column_names if name not in (*rows.columns, *WRITTEN_HERE)]
    source = pool.select(F.col("doc_id").alias("from_doc_id"), "input_hash", *taken)
    return finish(work, rows.join(source, ["from_doc_id", "input_hash"]), "copy")


def finish(work: Work, rows: DataFrame, action: str, *more: str) -> DataFrame:
    """Decide on measured rows and give them every column of the target, and `action` and `more` columns beside them."""
    there = {*rows.columns} - {"reason"}
    missing = {name: F.lit(None).cast(type_) for name, type_, _ in work.stage.target.columns if name not in there}
    rows = work.stage.decide(rows.withColumns(missing), work.settings)
    rules = {name: F.lit(work.run[name]) for name in ("measured_by", "decided_by")}
    return with_provenance(work, rows.withColumns(rules | {"content_hash": F.sha2("text", 256)}), action, *more)


def withdraw(work: Work, rows: DataFrame, action: str) -> DataFrame:
    """Reject rows whose source row is rejected now. All that was measured stays, by whatever rules it was measured."""
    return with_provenance(work, rows.withColumn("reason", F.lit(WITHDRAWN)), action)


def with_provenance(work: Work, rows: DataFrame, action: str, *more: str) -> DataFrame:
    """Return rows as the target holds them, and `action` and `more` columns beside them."""
    written = {
        "kept": F.col("reason").isNull(),
        "run_id": F.lit(work.run["run_id"]),
        "written_at": F.current_timestamp(),
    }
    return rows.withColumns(written).select(*work.stage.target.column_names, F.lit(action).alias("action"), *more)
