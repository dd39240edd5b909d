"""The one loop that runs every stage: plan, then measure, check and commit in bounded chunks.

A chunk's rows are staged as files, held against the table's expectations, and merged in one idempotent commit. The next
chunk is measured while the last one is checked and committed, so that no engine waits for a checkpoint.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import Any, NamedTuple

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import executors, ledger, quality, query, sizes, store, watching
from recast.lakehouse.ledger import Run
from recast.lakehouse.plan import PLAN_DDL, PREFIX_DIGITS, Chunk, chunks_of, plan
from recast.lakehouse.problems import first_line
from recast.lakehouse.progress import Meter
from recast.lakehouse.settings import Settings, is_local
from recast.lakehouse.stage import Stage, Usage
from recast.schemas.table import WITHDRAWN

# input_hash stands for the text, and source_version only says when a row was first read.
NOT_CARRIED = ("doc_id", "input_hash", "text", "source_text", "source_version")
WRITTEN_HERE = ("content_hash", "kept", "reason", "carried_hash", "measured_by", "decided_by", "run_id", "written_at")
CHUNKS_AHEAD = 1
CANCEL_EVERY_S = 1.0
RECORD_EVERY_S = 60.0  # the ledger's word on a run under way; should the run be killed, its last commit says more
JOURNALS = "journal"
LARGEST = 2**63 - 1  # number that a column of the ledger holds


class Work(NamedTuple):
    """A stage's run under way, as every step below needs it."""

    spark: SparkSession
    settings: Settings
    stage: Stage
    run: Run
    folder: str
    leftovers: list[str]
    retry: bool
    found_version: str
    reports: list[Any]
    done_before: executors.Done

    @property
    def plan_path(self) -> str:
        """Where the plan lies."""
        return f"{self.folder}/plan"

    def staged_path(self, chunk: Chunk) -> str:
        """Where a chunk's rows lie until their commit."""
        return f"{self.folder}/staged/{chunk.number}"

    def written_plan(self) -> DataFrame:
        """Return the written plan."""
        return self.spark.read.schema(PLAN_DDL).parquet(self.plan_path)

    def planned(self) -> DataFrame:
        """Return what the written plan says is to be done."""
        return self.written_plan().where("action != 'nothing'")

    def staged(self, path: str) -> DataFrame:
        """Return the rows that this run has staged in the folder `path`."""
        return self.spark.read.schema(f"{self.stage.target.ddl}, action string").parquet(path)

    @property
    def journals(self) -> str:
        """Where the answers of chunks that are not committed yet lie, this run's and those of killed runs."""
        return store.work_path(self.settings, self.stage.name, JOURNALS)

    def journal_path(self, chunk: Chunk) -> str:
        """Where answers for a chunk are kept from the moment they are paid for."""
        return f"{self.journals}/{self.run['run_id']}-{chunk.number}"


def refresh(
    spark: SparkSession,
    settings: Settings,
    stage: Stage,
    run_id: str,
    meter: Meter,
    retry: bool = False,
    came: Sequence[executors.Executor] = (),
    source_rows: int | None = None,
) -> Run | None:
    """Bring a table up to date; return its row of `runs`, or None where there was nothing to do.

    Args:
        came: the executors that were there when the application began.
        source_rows: about how many rows the source has, where that was counted already.
        retry: measure again the rows whose measurement failed for a reason that may have passed.

    Raises:
        QualityError: a critical expectation failed. What was committed before stays.
        Exception: what the stage's `usage` raises where too much of a chunk failed. Likewise.
        UserError: something that the user can mend.
    """
    if retry:
        settings = replace(settings, error_budget=1.0)  # what failed once may well fail again: that is no surprise
    run = ledger.begin(
        run_id, stage.name, stage.source.version(settings), stage.measured_by(settings), stage.decided_by(settings)
    )
    for name in filter(None, (stage.source.table, stage.name)):
        query.require_whole(settings, name)
    if not retry and ledger.is_up_to_date(settings, run):
        return None
    run["master"], run["application_id"] = spark.sparkContext.master, spark.sparkContext.applicationId
    run["executors"], run["executor_cores"] = len(came), sum(each.cores for each in came)
    source_rows = stage.source.size(settings) if source_rows is None else source_rows
    sizes.fit(spark, source_rows + query.row_count(settings, stage.name), executors.most_cores(spark))
    table_folder = store.work_path(settings, stage.name)
    unfinished = store.folders(spark, table_folder)
    leftovers = [path for each in unfinished for path in staged_below(spark, each, stage, meter)]
    if unfinished:
        settle_books(spark, settings, stage)
    store.open_table(spark, settings, stage.target)
    found_version = str(query.version(settings, stage.name))
    work = Work(
        spark,
        settings,
        stage,
        run,
        f"{table_folder}/{run_id}",
        leftovers,
        retry,
        found_version,
        [],
        executors.done(spark),
    )
    watch = watching.watch(spark, stage, work.journals, run["started_at"].timestamp(), meter)
    with meter.stage(run, watch):
        try:
            do_pending(work, meter)
            run["status"] = "succeeded"
        except BaseException as problem:
            run["status"], run["problem"] = "failed", first_line(problem)
            raise
        finally:
            close_books(work, meter)
            ledger.record(settings, run)
    store.delete_folder(spark, table_folder)
    return run


def settle_books(spark: SparkSession, settings: Settings, stage: Stage) -> None:
    """Give the ledger the row of a run that was killed after a commit: the commit itself carries it."""
    committed = store.last_facts(spark, settings, stage.target)
    if committed.get("table_name") != stage.name:
        return
    if ledger.status_of(settings, committed["run_id"], stage.name) in (None, "running"):
        started = datetime.fromisoformat(committed["started_at"])
        ledger.record(settings, committed | {"status": "interrupted", "started_at": started})


def staged_below(spark: SparkSession, run_folder: str, stage: Stage, meter: Meter) -> list[str]:
    """Return what a run that was killed had staged whole, unless an older version of Recast staged it.

    Each is read to its end first: files of a killed machine may be torn, empty or no Parquet files, and what they held
    can be made again. Nothing else of a killed run is read again but its journals, which see to themselves.
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
            meter.say(f"{path} of a run that was killed is dropped and made again: {first_line(problem)}")
            store.delete_folder(spark, path)
    return found


def do_pending(work: Work, meter: Meter) -> None:
    """Do everything the plan says, chunk by chunk."""
    with meter.step("plan"):
        to_write, to_remove = write_plan(work)
    if work.run["rows_conflicting"]:
        meter.say(
            f"warning: {work.run['rows_conflicting']:,} source rows of {work.stage.name} share their identity with "
            "another that differs; one of each was taken (docs/architecture.md, Plan)"
        )
    meter.expect(sum(to_write.values()))
    staggered = work.stage.usage is not None  # an engine must not wait while both chunks in work drain
    chunks = chunks_of(to_write, work.settings.chunk_rows, staggered) if to_write else []
    recorded_at = time.monotonic()
    for chunk in measured_ahead(work, chunks, meter):
        check_and_commit(work, chunk, meter)
        work.run["target_version"] = query.version(work.settings, work.stage.name)
        if time.monotonic() - recorded_at > RECORD_EVERY_S:
            ledger.record(work.settings, work.run)
            recorded_at = time.monotonic()
    if to_remove:
        # Last, because until every chunk is committed a row that goes may be the only one that holds its measurement.
        with meter.step("commit"):
            removed = work.planned().where("action = 'remove'")
            work.run["rows_removed"] = to_remove
            transaction = (transaction_name(work), 1 + len(chunks))
            store.remove(work.spark, work.settings, work.stage.target, removed, transaction, work.run)
    work.run["target_version"] = query.version(work.settings, work.stage.name)


def transaction_name(work: Work) -> str:
    """Return the name under which Delta remembers this run's commits."""
    return f"{work.stage.name}:{work.run['run_id']}"


def source_rows(work: Work) -> DataFrame:
    """Return what the stage reads, with the hash of the columns that are taken over."""
    source, gathered = work.stage.source, f"{work.folder}/source"
    if source.gathered and store.is_written(work.spark, gathered):
        return work.spark.read.parquet(gathered)
    rows = source.rows(work.spark, work.settings, work.run["source_version"])
    carried = sorted(set(rows.columns) - set(NOT_CARRIED))
    rows = rows.withColumn("carried_hash", F.xxhash64(*carried))
    if source.gathered:
        rows.sort("input_hash").write.parquet(gathered)
        return work.spark.read.parquet(gathered)
    return rows


def found_rows(work: Work, leftover: str = "") -> DataFrame:
    """Return the target's rows as the run found them, or those that a killed run left in the folder `leftover`.

    As found, because a row that this run removes or overwrites may be the one that a later chunk copies from. What
    ``--retry`` tries again counts as measured by nothing, and so does a failure that was never committed.
    """
    table = work.stage.target
    if leftover:
        rows = work.spark.read.parquet(leftover).select(*table.column_names)
    else:
        rows = store.read(work.spark, work.settings, table, work.found_version)
    if work.retry or leftover:
        measured_by = F.expr(f"CASE WHEN {work.stage.passing_failure} THEN '' ELSE measured_by END")
        rows = rows.withColumn("measured_by", measured_by)
    return rows


def rejected_keys(work: Work) -> DataFrame:
    """Return the `doc_id` of source rows whose measurements the target keeps though they are rejected: mostly none."""
    source, run = work.stage.source, work.run
    if source.rejected is None or WITHDRAWN not in work.stage.target.reasons:
        return work.spark.createDataFrame([], "doc_id string")
    return source.rejected(work.spark, work.settings, run["source_version"])


def write_plan(work: Work) -> tuple[dict[str, int], int]:
    """Find what is pending, once per run; return the rows to write by the beginning of their hash, and those to remove.

    Counts `rows_conflicting`, too.
    """
    withdrawn = F.coalesce(F.col("reason") == WITHDRAWN, F.lit(False)).alias("withdrawn")
    keys = ("doc_id", "input_hash", "carried_hash", "measured_by", "decided_by", withdrawn)
    have = found_rows(work).select(*keys, F.lit(True).alias("in_target"))
    for path in work.leftovers:
        have = have.unionByName(found_rows(work, path).select(*keys, F.lit(False).alias("in_target")))
    wanted = source_rows(work).select("doc_id", "input_hash", "carried_hash")
    rules = (work.run["measured_by"], work.run["decided_by"])
    todo = plan(wanted, have, rejected_keys(work), *rules, salt=work.run["run_id"])
    todo.sort("input_hash").write.mode("overwrite").parquet(work.plan_path)
    written = ~F.col("action").isin("remove", "nothing")
    prefix = F.when(written, F.substring("input_hash", 1, PREFIX_DIGITS)).alias("prefix")
    sums = (F.count_if(F.col("action") != "nothing").alias("rows"), F.sum("conflicting").alias("conflicting"))
    counted = work.written_plan().groupBy(prefix).agg(*sums).collect()
    work.run["rows_conflicting"] = sum(row["conflicting"] for row in counted)
    to_write = {row["prefix"]: row["rows"] for row in counted if row["prefix"] is not None}
    return to_write, sum(row["rows"] for row in counted if row["prefix"] is None)


def measured_ahead(work: Work, chunks: list[Chunk], meter: Meter) -> Iterator[Chunk]:
    """Stage the chunks in order, keeping one more in work than the one handed out."""
    context = work.spark.sparkContext
    stopped = threading.Event()

    def stage_in_group(chunk: Chunk) -> None:
        if stopped.is_set():
            return
        context.setJobGroup(meter.job_group, f"{work.stage.name} chunk {chunk.number}", interruptOnCancel=True)
        stage_chunk(work, chunk)

    with ThreadPoolExecutor(1 + CHUNKS_AHEAD) as pool:
        under_way = [pool.submit(stage_in_group, chunk) for chunk in chunks[: 1 + CHUNKS_AHEAD]]
        try:
            for chunk in chunks:
                with meter.step("measure"):
                    under_way[chunk.number].result()
                if len(under_way) < len(chunks):
                    under_way.append(pool.submit(stage_in_group, chunks[len(under_way)]))
                yield chunk
        finally:
            # On the way out of a failed run, nobody will read what is still being measured. Again and again, because
            # only jobs that run at that moment are cancelled, and a chunk that is being planned has none yet.
            stopped.set()
            while not all(job.done() for job in under_way):
                with suppress(Py4JError, OSError):  # of a JVM that is gone, and its jobs with it
                    context.cancelJobGroup(meter.job_group)
                wait(under_way, CANCEL_EVERY_S)


def stage_chunk(work: Work, chunk: Chunk) -> None:
    """Write the chunk's finished rows to its folder: first what is paid for, then what is copied or decided again."""
    path = work.staged_path(chunk)
    keys = work.planned().where(chunk.holds("input_hash")).where("action != 'remove'")
    found = keys.groupBy("action").agg(F.max("copies").alias("copies"), F.count("*").alias("rows")).collect()
    todo = {row["action"]: row for row in found}
    partitions = work.settings.partitions or 2 * executors.most_cores(work.spark)

    def source_of(action: str) -> DataFrame:
        source_keys = ["doc_id", "input_hash", "carried_hash"]
        chosen = F.broadcast(keys.where(F.col("action") == action).select(*source_keys, "from_doc_id"))
        rows = source_rows(work).where(chunk.holds("input_hash")).join(chosen, source_keys)
        return rows.dropDuplicates(["doc_id"]) if (todo[action]["copies"] or 1) > 1 else rows

    mode = "overwrite"

    def write(rows: DataFrame, action: str) -> None:
        nonlocal mode
        work.spark.sparkContext.setJobDescription(watching.description(work.stage.name, chunk.number, action))
        rows.write.mode(mode).parquet(path)
        mode = "append"

    if "measure" in todo:
        rows = source_of("measure").drop("from_doc_id")
        if not work.stage.usage:  # a model stage spreads its rows itself, by GPU and journal
            rows = rows.repartition(partitions, "input_hash")
        # The budget is a share of the chunk. Where a killed run answered most of it, what is left may be all that fails.
        share = sum(todo[action]["rows"] for action in ("measure", "copy") if action in todo) / todo["measure"]["rows"]
        settings = replace(work.settings, error_budget=min(1.0, work.settings.error_budget * share))
        measured = work.stage.measure(rows, settings, work.journal_path(chunk))
        write(finish(work, measured, "measure"), "measure")
    if "copy" in todo:
        rows = source_of("copy")
        measured = measured_pool(work, chunk, [path] if mode == "append" else [])
        copied = [name for name in work.stage.target.column_names if name not in (*rows.columns, *WRITTEN_HERE)]
        source = measured.select(F.col("doc_id").alias("from_doc_id"), "input_hash", *copied)
        write(finish(work, rows.join(source, ["from_doc_id", "input_hash"]), "copy"), "copy")
    for action, finished in (("decide", finish), ("withdraw", withdraw)):
        if action in todo:
            chosen = F.broadcast(keys.where(F.col("action") == action).select("doc_id"))
            rows = found_rows(work).where(chunk.holds("input_hash"))
            rows = rows.join(chosen, "doc_id", "left_semi").repartition(partitions, "input_hash")
            write(finished(work, rows, action), action)


def measured_pool(work: Work, chunk: Chunk, staged: list[str]) -> DataFrame:
    """Return the chunk's rows that may be copied from: the target's, this run's and what a killed run staged."""
    pool = found_rows(work)
    left = [found_rows(work, path) for path in work.leftovers]
    left += [work.staged(path).select(*pool.columns) for path in staged]
    rows = reduce(DataFrame.unionByName, left, pool).where(chunk.holds("input_hash"))
    rows = rows.where(F.col("measured_by") == work.run["measured_by"])
    return rows.dropDuplicates(["doc_id", "input_hash"]) if left else rows


def finish(work: Work, rows: DataFrame, action: str) -> DataFrame:
    """Decide on measured rows and give them every column of the target, and `action` beside them."""
    for name, type_, _ in work.stage.target.columns:
        if name not in rows.columns:
            rows = rows.withColumn(name, F.lit(None).cast(type_))
    rows = work.stage.decide(rows.withColumn("reason", F.lit(None).cast("string")), work.settings)
    rules = {name: F.lit(work.run[name]) for name in ("measured_by", "decided_by")}
    return signed(work, rows.withColumns(rules | {"content_hash": F.sha2("text", 256)}), action)


def withdraw(work: Work, rows: DataFrame, action: str) -> DataFrame:
    """Reject rows whose source row is rejected now. All that was measured stays, by whatever rules it was measured."""
    return signed(work, rows.withColumn("reason", F.lit(WITHDRAWN)), action)


def signed(work: Work, rows: DataFrame, action: str) -> DataFrame:
    """Return rows as the target holds them, and `action` beside them."""
    written = {
        "kept": F.col("reason").isNull(),
        "run_id": F.lit(work.run["run_id"]),
        "written_at": F.current_timestamp(),
    }
    return rows.withColumns(written).select(*work.stage.target.column_names, F.lit(action).alias("action"))


def check_and_commit(work: Work, chunk: Chunk, meter: Meter) -> None:
    """Hold a staged chunk against the table's expectations, then merge it in one commit.

    Raises:
        QualityError: a critical expectation failed; nothing of the chunk is committed.
        Exception: what the stage's `usage` raises where too much failed; likewise.
    """
    spark, settings, target = work.spark, work.settings, work.stage.target
    staged = work.staged(work.staged_path(chunk))
    planned = work.planned().where(chunk.holds("input_hash")).where("action != 'remove'")
    docs = f"{settings.lake}/{quality.DATA_DOCS}" if is_local(settings.lake) else ""
    with meter.step("check"):
        usage = work.stage.usage
        counted = counts(staged, work.run["started_at"], usage)
        if usage:
            usage.require(staged, counted, settings)
        expected = planned.agg(F.count("*").alias("rows_in"), F.max("replaces").alias("replaces")).collect()[0]
        parameters = {"rows_in": expected["rows_in"]}
        results = quality.check(staged.drop("action"), target, parameters, work.run["run_id"], chunk.number, docs)
        ledger.record_results(settings, results)
        quality.require(results)
    with meter.step("commit"):
        before = dict(work.run)
        add_counts(work.run, counted)
        if usage:
            work.reports[:] = usage.reports(work.reports, work.journal_path(chunk))
        close_books(work, meter)
        commit = store.merge if expected["replaces"] or not is_local(settings.lake) else store.insert
        try:
            commit(spark, settings, target, staged, (transaction_name(work), 1 + chunk.number), work.run)
        except BaseException:
            work.run.update(before)
            raise
        store.delete_folder(spark, work.staged_path(chunk))
        store.delete_folder(spark, work.journal_path(chunk))
    meter.committed(counted["rows_in"], counted.get("output_tokens", 0) - counted.get("recalled_output_tokens", 0))


def add_counts(run: Run, counted: dict[str, Any]) -> None:
    """Add what a chunk's commit brings to the run's row, which the commit carries."""
    for name, value in counted.items():
        if name == "reasons":
            run["reasons"] = {r: run["reasons"].get(r, 0) + value.get(r, 0) for r in {*run["reasons"], *value}}
        else:
            run[name] = min(run[name] + value, LARGEST)
    run["chunks"] += 1


def counts(staged: DataFrame, run_started_at: datetime, usage: Usage | None = None) -> dict[str, Any]:
    """Return what the ledger says of staged rows, in one pass."""
    paid = F.col("action") == "measure"
    sums = {"rows_in": F.count("*"), "rows_measured": F.count_if(paid)}
    sums |= usage.counts(run_started_at) if usage else {}
    by_reason = staged.groupBy("reason").agg(*(column.alias(name) for name, column in sums.items())).collect()
    totals = {name: sum(int(row[name]) for row in by_reason) for name in sums}
    reasons = {row["reason"]: row["rows_in"] for row in by_reason if row["reason"]}
    rejected = sum(reasons.values())
    return totals | {"rows_kept": totals["rows_in"] - rejected, "rows_rejected": rejected, "reasons": reasons}


def close_books(work: Work, meter: Meter) -> None:
    """Write seconds, hosts and engines into the run's row as they stand."""
    run, settings = work.run, work.settings
    meter.close_books(run)
    did = executors.since(executors.done(work.spark), work.done_before)
    run["tasks_by_host"], run["executor_seconds"] = did.tasks, did.seconds
    if did.executors > run["executors"]:
        run["executors"], run["executor_cores"] = did.executors, did.cores
    if work.stage.usage:
        run |= work.stage.usage.figures(work.reports, run, settings)
