"""The one loop that runs every stage: plan, then measure, check and commit in bounded chunks.

A chunk's rows are staged as files, held against the table's expectations, and merged in one idempotent commit. The next
chunk is measured while the last one is checked and committed, so that no engine waits for a checkpoint.
"""

import copy
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import cast

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import (
    dropped,
    due,
    executors,
    interrupt,
    ledger,
    plan,
    quality,
    query,
    sizes,
    store,
    takedown,
    watching,
)
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.counts import add_counts, counts, record_metrics
from recast.lakehouse.ledger import Run
from recast.lakehouse.limits import LimitError, Limits
from recast.lakehouse.plan import Plan
from recast.lakehouse.problems import first_line
from recast.lakehouse.progress import Meter
from recast.lakehouse.settings import Settings, is_local, work_path
from recast.lakehouse.stage import Stage
from recast.lakehouse.staging import finish, stage_chunk, staged_below
from recast.lakehouse.work import FOLDERS, Work, begin
from recast.schemas.published import ESTIMATED_BYTES_PER_TOKEN
from recast.schemas.table import WITHDRAWN
from recast.settings import BusyError, UserError

CHUNKS_AHEAD = 1
# Every chunk reads the whole source otherwise, but for files whose least and greatest hashes say that they hold none of its
# rows. Writing the rows once in the order of their hashes costs about two readings.
GATHERED_FROM_CHUNKS = 4
CANCEL_EVERY_S = 1.0
RECORD_EVERY_S = 60.0  # the ledger's word on a run under way; should the run be killed, its last commit says more


def refresh(
    spark: SparkSession,
    settings: Settings,
    stage: Stage,
    run_id: str,
    meter: Meter,
    retry: bool = False,
    came: Sequence[executors.Executor] = (),
    source_rows: int | None = None,
    limits: Limits | None = None,
    require_held: Callable[[str], None] = lambda name: None,
    held: Collection[str] = (),
) -> Run | None:
    """Bring a table up to date; return its row of `runs`, or None where there was nothing to do.

    Args:
        came: the executors that were there when the application began.
        source_rows: about how many rows the source has, where that was counted already.
        require_held: asked before each commit, with the table's name; raises UserError where this run holds it no more.
        held: the tables that this run holds: no other can be writing them.
        retry: measure again the rows whose measurement failed for a reason that may have passed.
        limits: what the whole refresh may still do; by default what the settings say for this table alone.

    Raises:
        BusyError: another run is writing a table that this one reads, or has written it since this one looked.
        LimitError: one of `limits` was reached. What was committed stays.
        QualityError: a critical expectation failed. What was committed before stays.
        Exception: what the stage's `usage` raises where too much of a chunk failed. Likewise.
        UserError: something that the user can mend; for instance, the last run of a table that it reads did not succeed.
    """
    limits = limits or Limits(settings)
    if limits.rows_left:
        settings = replace(settings, chunk_rows=min(settings.chunk_rows, limits.rows_left))
    run = begin(settings, stage, run_id)
    last = ledger.last_run(settings, stage.name)
    changes, failures = ledger.changes_since(settings, last, run), due.failures(settings, stage, run)
    why = (*changes, *failures)
    if not retry and not why:
        return None
    if retry or not changes:
        settings = replace(settings, error_budget=1.0)  # what failed once may well fail again: that is no surprise
    for name in stage.source.tables:
        query.require_whole(settings, name)
        ledger.require_finished(settings, name, held)
    # The version that `begin` found may be from the middle of a run that has ended since.
    if stage.source.tables and stage.source.version(settings) != run["source_version"]:
        raise BusyError(f"{' or '.join(stage.source.tables)} was written meanwhile: run again")
    run["master"], run["application_id"] = executors.master_of(spark), spark.sparkContext.applicationId
    run["executors"], run["executor_cores"] = len(came), sum(each.cores for each in came)
    fit(spark, settings, stage, source_rows)
    table_folder = work_path(settings, stage.name)
    unfinished = store.folders(spark, table_folder)
    leftovers = [path for each in unfinished for path in staged_below(spark, each, stage, meter)]
    if unfinished:
        recover_interrupted(spark, settings, stage)
    for each in unfinished:  # nobody reads these again, and a limit may stop a run every night
        for name in FOLDERS:
            store.delete_folder(spark, f"{each}/{name}")
    store.open_table(spark, settings, stage.target)
    work = Work(
        spark,
        settings,
        stage,
        run,
        folder=f"{table_folder}/{run_id}",
        leftovers=tuple(leftovers),
        dropped=dropped.found(spark, settings, stage),
        retry=retry,
        lifted=due.lifted_at(settings, stage),
        found_version=str(query.version(settings, stage.name)),
        # After `open_table`: where that adds a column, its values come from rows that have not changed.
        planned_before=ledger.planned_before(settings, last, run),
        reports=[],
        done_before=executors.done(spark),
        require_held=require_held,
    ).of_added_rows()
    watch = watching.watch(spark, stage, work.journals, run["started_at"].timestamp(), meter)
    with meter.stage(run, watch):
        try:
            with meter.step("plan"):
                planned = plan.make(work, why)
                plan.require_few_removals(work, planned)
            do(work, planned, meter, limits)
            takedown.note_holders(settings, run)
            run["status"] = "succeeded"
        except LimitError as reached:
            run["status"], run["problem"] = "stopped", str(reached)
            reached.stopped = run
            takedown.note_holders(settings, run)
            raise
        except BaseException as problem:
            word = interrupt.word_for(problem)
            run["status"], run["problem"] = ("interrupted", word) if word else ("failed", first_line(problem))
            raise
        finally:
            record_metrics(work, meter)
            limits.count(run, settings)
            ledger.record(settings, run)
    require_held(stage.name)
    store.delete_folder(spark, table_folder)
    return run


def look(
    spark: SparkSession, settings: Settings, stage: Stage, retry: bool = False, done_before: Collection[str] = ()
) -> Plan:
    """Return what a run of the stage would do now, and write nothing.

    `done_before` are the tables that the same refresh brings up to date first.

    Raises:
        UserError: as `begin` says, or a file of a table that it reads is missing or torn.
    """
    run = begin(settings, stage, "")
    again = ("what failed is tried again",) if retry else due.failures(settings, stage, run)
    last = ledger.last_run(settings, stage.name)
    why = ledger.changes_since(settings, last, run) + again
    if not why:
        return Plan(stage.name, unchanged=query.row_count(settings, stage.name))
    for name in stage.source.tables:
        query.require_whole(settings, name)
    fit(spark, settings, stage)
    version = query.version(settings, stage.name)
    unfinished = store.folders(spark, work_path(settings, stage.name))
    work = Work(
        spark,
        settings,
        stage,
        run,
        leftovers=tuple(path for each in unfinished for path in staged_below(spark, each, stage)),
        dropped=dropped.found(spark, settings, stage),
        retry=retry,
        lifted=due.lifted_at(settings, stage),
        found_version="" if version is None else str(version),
        planned_before=ledger.planned_before(settings, last, run),
    ).of_added_rows()
    work = work._replace(unwritten=plan.find(work))
    planned = plan.make(work, why)
    planned = with_refusal(work, planned, done_before)
    return with_moves(work, planned) if planned.rows.get("decide") else planned


def with_refusal(work: Work, planned: Plan, done_before: Collection[str]) -> Plan:
    """Return the plan with the line and the status with which a run would refuse to do it, where it would."""
    try:
        for name in work.stage.source.tables:
            if name not in done_before:
                ledger.require_finished(work.settings, name)
        plan.require_few_removals(work, planned)
    except UserError as problem:
        return planned._replace(refused=str(problem), exit_status=problem.exit_status)
    return planned


def with_moves(work: Work, planned: Plan) -> Plan:
    """Return the plan with how many rows that are decided again come out otherwise, and the tokens of their texts.

    Decisions read stored columns alone, so this is what a changed threshold moves, without paying for anything. Every
    stored row is decided on: those whose source row changed as well are measured anew, and may come out otherwise.
    """
    work = work._replace(stage=replace(work.stage, decide=work.stage.preview or work.stage.decide))
    held = work.target_rows().where(F.col("measured_by") == work.run["measured_by"])
    held = held.where(~F.coalesce(F.col("reason") == WITHDRAWN, F.lit(False)))
    decided = finish(work, held.withColumn("was", F.coalesce("reason", F.lit("kept"))), "decide", "was")
    words = F.concat("was", F.lit(" -> "), F.coalesce("reason", F.lit("kept")))
    changed = decided.where(F.col("was") != F.coalesce("reason", F.lit("kept")))
    estimated = "token_count" not in held.columns
    tokens = F.ceil(F.octet_length("text") / ESTIMATED_BYTES_PER_TOKEN) if estimated else F.col("token_count")
    sums = (F.count("*").alias("rows"), F.coalesce(F.sum(tokens), F.lit(0)).alias("tokens"))
    found = changed.groupBy(words.alias("move")).agg(*sums).collect()
    return planned._replace(
        moves={row["move"]: row["rows"] for row in found},
        moved_tokens={row["move"]: row["tokens"] for row in found},
        tokens_estimated=estimated,
    )


def fit(spark: SparkSession, settings: Settings, stage: Stage, source_rows: int | None = None) -> None:
    """Give the session the sizes that the stage's rows need; `source_rows` says how many its source has, where known."""
    source_rows = stage.source.size(settings) if source_rows is None else source_rows
    sizes.fit(spark, source_rows + query.row_count(settings, stage.name), executors.most_cores(spark))


def recover_interrupted(spark: SparkSession, settings: Settings, stage: Stage) -> None:
    """Give the ledger the row of a run that was killed after a commit: the commit itself carries it."""
    committed = store.last_facts(spark, settings, stage.target)
    if committed.get("table_name") != stage.name:
        return
    if ledger.status_of(settings, committed["run_id"], stage.name) in (None, "running"):
        started = datetime.fromisoformat(committed["started_at"])
        ledger.record(settings, cast(Run, committed | {"status": "interrupted", "started_at": started}))


def do(work: Work, planned: Plan, meter: Meter, limits: Limits) -> None:
    """Do everything the plan says, chunk by chunk, or as much as `limits` allow: then raise LimitError."""
    work.run["rows_conflicting"] = planned.conflicting
    if planned.conflicting:
        meter.say(
            f"warning: {planned.conflicting:,} source rows of {work.stage.name} share their identity with "
            "another that differs; one of each was taken (docs/architecture.md, Plan)"
        )
    meter.expect(planned.to_write)
    recorded_at = time.monotonic()
    if planned.chunks and limits.reached():
        raise LimitError(f"{limits.reached()}; {planned.to_write:,} rows are left")
    chunks = limits.fitting(planned.chunks)
    if len(chunks) >= GATHERED_FROM_CHUNKS:
        with meter.step("plan"):
            work.gather_pending(chunks[-1])
    # Rows go with the last chunk: until it is staged, one of them may be the only one that holds its measurement. What is
    # published cost nothing here, and nobody is to read an old text beside the new one.
    removing = 0 if work.stage.name in query.PUBLISHED else len(planned.chunks) - 1
    for chunk in measured_ahead(work, chunks, meter, limits):
        check_and_commit(work, chunk, meter, planned.to_remove if chunk.number == removing else 0)
        note_target(work)
        limits.count(work.run, work.settings)
        if time.monotonic() - recorded_at > RECORD_EVERY_S:
            ledger.record(work.settings, work.run)
            recorded_at = time.monotonic()
    if left := planned.chunks[work.run["chunks"] :]:
        raise LimitError(f"{limits.words()}; {sum(chunk.rows for chunk in left):,} rows are left")
    if planned.to_remove and not planned.chunks:
        with meter.step("commit"):
            dropped.keep(work, None, removing=True)
            work.require_held(work.stage.name)
            work.run["rows_removed"] = planned.to_remove
            transaction = (work.transaction_name, 1)
            store.remove(work.spark, work.settings, work.stage.target, work.gone(), transaction, work.run)
    note_target(work)


def note_target(work: Work) -> None:
    """Write into the run's row what the table is by now."""
    work.run.update(cast(Run, query.target(work.settings, work.stage.name)))


def measured_ahead(work: Work, chunks: Sequence[Chunk], meter: Meter, limits: Limits) -> Iterator[Chunk]:
    """Stage the chunks in order, keeping one more in work than the one handed out; begin none when a limit is reached."""
    context = work.spark.sparkContext
    stopped = threading.Event()

    def stage_in_group(chunk: Chunk) -> None:
        if stopped.is_set():
            return
        context.setJobGroup(meter.job_group, f"{work.stage.name} chunk {chunk.number}", interruptOnCancel=True)
        stage_chunk(work, chunk)

    with ThreadPoolExecutor(1 + CHUNKS_AHEAD) as pool:
        running = [pool.submit(stage_in_group, chunk) for chunk in chunks[: 1 + CHUNKS_AHEAD]]
        try:
            for chunk in chunks:
                if chunk.number == len(running):
                    return
                with meter.step("measure"):
                    running[chunk.number].result()
                if len(running) < len(chunks) and not limits.reached():
                    running.append(pool.submit(stage_in_group, chunks[len(running)]))
                yield chunk
        finally:
            # On the way out of a failed run, nobody will read what is still being measured. Again and again, because
            # only jobs that run at that moment are cancelled, and a chunk that is being planned has none yet.
            stopped.set()
            while not all(job.done() for job in running):
                with suppress(Py4JError, OSError):  # of a JVM that is gone, and its jobs with it
                    context.cancelJobGroup(meter.job_group)
                wait(running, CANCEL_EVERY_S)


def check_and_commit(work: Work, chunk: Chunk, meter: Meter, to_remove: int = 0) -> None:
    """Hold a staged chunk against the table's expectations, then merge it in one commit, which removes `to_remove` rows.

    Raises:
        QualityError: a critical expectation failed; nothing of the chunk is committed.
        Exception: what the stage's `usage` raises where too much failed; likewise.
    """
    spark, settings, target, usage = work.spark, work.settings, work.stage.target, work.stage.usage
    staged = work.staged(work.staged_path(chunk))
    with meter.step("check"):
        counted = counts(staged, work.run["started_at"], usage)
        if usage:
            usage.require(staged, counted, settings)
        docs = quality.data_docs(settings)
        parameters = {"rows_in": chunk.rows}
        results = quality.check(staged.drop("action"), target, parameters, work.run["run_id"], chunk.number, docs)
        ledger.record_results(settings, results)
        quality.require(results)
    with meter.step("commit"):
        before = copy.deepcopy(work.run)
        add_counts(work.run, counted)
        if usage:
            work.reports[:] = usage.reports(work.reports, work.journal_path(chunk))
        record_metrics(work, meter)
        work.run["rows_removed"] += to_remove
        transaction = (work.transaction_name, 1 + chunk.number)
        try:
            if to_remove or chunk.is_losing:
                dropped.keep(work, chunk, removing=to_remove > 0)
            work.require_held(work.stage.name)
            if to_remove or chunk.is_replacing or not is_local(settings.lake):
                gone = work.gone() if to_remove else None
                store.merge(spark, settings, target, staged, transaction, work.run, gone)
            else:
                store.insert(spark, settings, target, staged, transaction, work.run)
        except BaseException:
            work.run.update(before)
            raise
        store.delete_folder(spark, work.staged_path(chunk))
        store.delete_folder(spark, work.journal_path(chunk))
    meter.committed(counted["rows_in"], counted.get("output_tokens", 0) - counted.get("recalled_output_tokens", 0))
