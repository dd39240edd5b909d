"""Runs stages in order and holds a lock for each table. Starts no JVM where there is nothing to do."""

import functools
import importlib.util
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recast import exits, s3
from recast.exits import Signalled
from recast.inference.answers import ErrorBudgetError
from recast.inference.server import engine
from recast.jobs import asking
from recast.jobs.settings import Settings
from recast.lakehouse import costs, due, lease, ledger, locks, query, store, takedown, work
from recast.lakehouse.ledger import Run
from recast.lakehouse.limits import LimitError, Limits
from recast.lakehouse.problems import raised_in_task, warn
from recast.lakehouse.progress import Meter
from recast.lakehouse.settings import NOTHING, is_local, work_path
from recast.lakehouse.source import require_built
from recast.lakehouse.stage import Stage
from recast.schemas import TABLES
from recast.settings import UserError
from recast.storage import place, upload
from recast.udfs.contents.settings import table_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from recast.lakehouse.executors import Executor
    from recast.lakehouse.plan import Plan

NOT_BUILT = ("its source is not built yet",)
"""Why a table has work whose source another stage must make first."""


class RunError(Exception):
    """A stage failed; the message is what its user needs to know.

    Attributes:
        runs: those of the stages before it, which are committed.
        exit_status: what the command ends with.
    """

    def __init__(self, message: str, runs: Sequence[Run] = (), cause: BaseException | None = None) -> None:
        """Take the stage's own word on the exit status; without one it is partial where anything was committed."""
        super().__init__(message)
        self.runs = list(runs)
        self.exit_status: int = getattr(cause, "exit_status", exits.PARTIAL if runs else exits.FAILED)
        if cause and raised_in_task(cause) == ErrorBudgetError.__name__:
            self.exit_status = ErrorBudgetError.exit_status


@contextmanager
def holding(settings: Settings, stages: Sequence[Stage]) -> Iterator[Callable[[str], None]]:
    """Hold the tables' locks, so that no two runs write one table at once, and give the block what a commit asks first.

    That raises UserError where this run holds a table no more. On a local disk locks are the kernel's, which drops them
    with the process, however it ends; in S3 they are leases.

    Raises:
        BusyError: another run holds one of them.
        UserError: the lake cannot be written.
    """
    names = [stage.name for stage in stages]
    if is_local(settings.lake):
        with locks.locking(settings, names):
            yield lambda name: None
    elif s3.is_s3(settings.lake):
        with lease.holding(work_path(settings), names) as require:
            yield require
    else:
        warn(f"nothing keeps two runs apart in {settings.lake}: see that one works at a time (docs/object_storage.md)")
        yield lambda name: None


def refresh_stages(
    settings: Settings,
    stages: Sequence[Stage],
    retry: bool = False,
    meter: Meter | None = None,
    conf: Mapping[str, str] = NOTHING,
    begun: Callable[[str], None] = lambda run_id: None,
) -> list[Run]:
    """Bring the stages' tables up to date, in order; return a row of `runs` for each that had something to do.

    `conf` are settings of Spark, stronger than those of its own files. `begun` is told the run's id.

    Raises:
        RunError: a stage failed; those before it are committed, those after it did not start.
        LimitError: a limit of the settings was reached; likewise, and so is a part of that stage.
        UserError: something that the user can mend.
    """
    with holding(settings, stages) as require_held:
        left = from_first_with_work(settings, stages, retry)
        if not left:
            return []
        require_usable(settings, left)
        limits = Limits(settings)
        asking_model = [stage for stage in left if stage.usage]
        spec = asking.engine_spec(settings) if asking_model else None
        # Spark takes seconds to import and more to start: only now is it needed.
        from recast.jobs import workers
        from recast.lakehouse import executors, quality, session
        from recast.lakehouse.problems import explain
        from recast.lakehouse.refresh import refresh

        meter = meter or Meter()
        started = time.monotonic()
        sizes = {stage.name: stage.source.size(settings) for stage in left}
        held = {stage.name for stage in stages}
        runs: list[Run] = []
        with (
            told_when_signalled(runs),
            spark_log(settings) as log,
            application(log, conf, max(sizes.values()), meter) as (spark, came),
        ):
            run_id = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
            begun(run_id)
            meter.say(f"run {run_id}: {executors.first_line(spark, came)}")
            contents, *_ = table_of(settings.code_contents) or ("",)
            store.require_client(spark, (settings.lake, settings.code_source, settings.math_source, contents))
            workers.check(spark, settings, left, came)
            start_s = time.monotonic() - started
            quality.prepared(quality.data_docs(settings))
            if spec and not spec.endpoint and session.is_this_machine(executors.master_of(spark)):
                # Tasks run on the driver's host, so its engine can start now, while the stages above run.
                engine.prewarm(spec)
            todo = list(left)
            while todo:
                stage = todo[0]
                # A table of the lake may have grown since its rows were counted.
                rows = None if stage.source.tables else sizes[stage.name]
                # Delta takes a second commit under one run's name for a replay.
                again = sum(run["table_name"] == stage.name for run in runs)
                own_id = f"{run_id}-{again + 1}" if again else run_id
                try:
                    try:
                        retrying = retry and not again
                        run = refresh(
                            spark, settings, stage, own_id, meter, retrying, came, rows, limits, require_held, held
                        )
                    except LimitError as reached:
                        remove_taken_down(spark, settings, todo, run_id, meter, require_held, reached.stopped)
                        raise
                except UserError as problem:
                    problem.runs = runs
                    raise
                except LimitError as problem:
                    problem.runs = [*runs, problem.stopped] if problem.stopped else runs
                    raise
                except Exception as problem:
                    raise RunError(f"{stage.name} failed: {explain(problem)}", runs, problem) from problem
                if run:
                    runs.append(run)
                if not (run and obeys_older_takedowns(settings, stage, run)):
                    del todo[0]
            meter.show_where_time_went(runs, start_s)
            return runs


@contextmanager
def told_when_signalled(runs: Sequence[Run]) -> Iterator[None]:
    """Give a signal that ends the block the `runs` that are done by then, where it has none: it may come between two stages."""
    try:
        yield
    except Signalled as ended:
        ended.runs = ended.runs or list(runs)
        raise


def obeys_older_takedowns(settings: Settings, stage: Stage, run: Run) -> bool:
    """Say whether something was taken down or lifted while a raw table's run went on, which obeyed what it found.

    Then the table is refreshed again before any is made from it: a document that came with this run was in no table yet when
    it was taken down, so the views would not hide what is made of it. A run that wrote no row brought none.
    """
    return not stage.source.tables and run["rows_in"] > 0 and takedown.version(settings) != run["takedowns"]


def remove_taken_down(
    spark: "SparkSession",
    settings: Settings,
    stages: Sequence[Stage],
    run_id: str,
    meter: Meter,
    require_held: Callable[[str], None],
    stopped: Run | None,
) -> None:
    """Remove what was taken down from the tables that a limit keeps from being brought up to date.

    The first of them has a row in the ledger, `stopped`, which counts what goes from it. Where that fails, it is said: the
    limit is what the run ends with, and the next one removes them.
    """
    from recast.lakehouse import withheld
    from recast.lakehouse.problems import explain

    for stage in stages:
        try:
            if rows := withheld.remove(spark, settings, stage, run_id, require_held):
                meter.say(f"{stage.name}: {rows:,} rows that were taken down are removed")
                if stopped and stopped["table_name"] == stage.name:
                    stopped["rows_removed"] += rows
                    stopped.update(cast(Run, query.target(settings, stage.name)))
                    ledger.record(settings, stopped)
        except Exception as problem:
            meter.say(f"{stage.name}: rows that were taken down are not removed yet: {explain(problem)}")


@contextmanager
def spark_log(settings: Settings) -> Iterator[Path]:
    """Give the block a file for what the JVM writes: in a local lake, or one of this machine that is copied to the lake."""
    kept = work_path(settings, "spark.log")
    if is_local(settings.lake):
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="recast-log-") as folder:
        log = Path(folder, "spark.log")
        try:
            yield log
        except UserError as problem:
            raise UserError(str(problem).replace(str(log), kept)) from None
        finally:
            if log.exists() and log.stat().st_size:
                with suppress(OSError):
                    upload(log, place(kept))


def plan_stages(
    settings: Settings, stages: Sequence[Stage], retry: bool = False, conf: Mapping[str, str] = NOTHING
) -> "list[Plan]":
    """Return what `refresh_stages` would do with each stage as its source stands now; nothing is written or paid for.

    A table whose source is not built yet has a plan without rows that says so.

    Raises:
        RunError: a plan cannot be made.
        UserError: something that the user can mend.
    """
    from recast.lakehouse.plan import Plan

    plans = {
        stage.name: Plan(stage.name, NOT_BUILT, refused=unreadable(settings, stage, stages))
        for stage in stages
        if not is_readable(settings, stage)
    }
    left = []
    for stage in stages:
        if stage.name in plans:
            continue
        if retry or has_work(settings, stage):
            left.append(stage)
        else:
            plans[stage.name] = Plan(stage.name, unchanged=query.row_count(settings, stage.name))
    if left:
        from recast.lakehouse.problems import explain
        from recast.lakehouse.refresh import look

        most_rows = max(stage.source.size(settings) for stage in left)
        with (
            tempfile.TemporaryDirectory(prefix="recast-plan-") as folder,
            application(Path(folder, "spark.log"), conf, most_rows, Meter()) as (spark, _),
        ):
            done_before = {stage.name for stage in left}
            for stage in left:
                try:
                    plans[stage.name] = look(spark, settings, stage, retry, done_before)
                except UserError:
                    raise
                except Exception as problem:
                    raise RunError(f"{stage.name} cannot be planned: {explain(problem)}") from problem
    known = functools.cache(lambda table: experience_of(settings, table))
    all_rows: dict[str, int] = {}
    for stage in stages:
        above = [plans[table] for table in stage.source.tables if table in plans]
        # A document that several tables above will write comes once, and a table has none that those above have not.
        documents = sum(all_rows[plan.table_name] for plan in above)
        may_come = min(documents, sum(plan.to_write + plan.to_remove + plan.may_come for plan in above))
        planned = plans[stage.name]
        all_rows[stage.name] = documents if above else planned.unchanged + planned.to_write + planned.to_remove
        coming = [new_below(plan, known) for plan in above]
        likely_come = None if None in coming else min(may_come, sum(filter(None, coming)))
        own = planned.rows.get("measure", 0)
        taken = known(stage.name) if own or may_come else None
        plans[stage.name] = planned._replace(
            may_come=may_come,
            likely_come=likely_come,
            estimate=taken and taken.estimate(own, settings),
            likely=None if taken is None or likely_come is None else taken.estimate(own + likely_come, settings),
            most=taken and taken.estimate(own + may_come, settings),
        )
    return [plans[stage.name] for stage in stages]


def experience_of(settings: Settings, table: str) -> costs.Experience | None:
    """Return what earlier runs say of a table, None also where the ledger cannot be read: then a plan has no estimate."""
    found = None
    with ledger.surviving_damage():
        found = costs.experience(settings, table)
    return found


def new_below(plan: "Plan", known: Callable[[str], costs.Experience | None]) -> int | None:
    """Return how many rows a table's plan will likely give the tables below to measure; None where no run says.

    These are the rows that it measures and keeps, and those that it rejected and keeps when it decides again. What it would pay
    for to decide (`Stage.preview`) is likely kept as what it measures is. A row whose text is known already, as a copied one's
    is, costs nothing below.
    """
    if plan.likely_come is None:
        return None
    moved = sum(count for move, count in plan.moves.items() if move.endswith("-> kept"))
    decided = {"kept", *TABLES[plan.table_name].reasons}
    rejected = {move: count for move, count in plan.moves.items() if not move.startswith("kept ->")}
    waiting = sum(count for move, count in rejected.items() if move.partition(" -> ")[2] not in decided)
    measured = plan.rows.get("measure", 0) + plan.likely_come + waiting
    if not measured:
        return moved
    earlier = known(plan.table_name)
    return None if earlier is None else moved + round(measured * earlier.kept)


def reasons(settings: Settings, stages: Sequence[Stage]) -> dict[str, tuple[str, ...]]:
    """Return, without a JVM, what changed for each table since its last run; () for nothing.

    Raises:
        UserError: as `changes_of` says, or as a refresh of these stages would, which reads a table that is not built.
    """
    for stage in stages:
        if words := unreadable(settings, stage, stages):
            raise UserError(words)
    return {stage.name: changes_of(settings, stage) if is_readable(settings, stage) else NOT_BUILT for stage in stages}


def unreadable(settings: Settings, stage: Stage, stages: Sequence[Stage]) -> str:
    """Return the line with which a refresh of `stages` stops at a stage that reads a table which is not built and is none of
    theirs; "" for other stages."""
    try:
        for table in set(stage.source.tables) - {each.name for each in stages}:
            require_built(settings, table)
    except UserError as problem:
        return str(problem)
    return ""


def is_readable(settings: Settings, stage: Stage) -> bool:
    """Say whether all tables that a stage reads are built."""
    return all(query.state(settings, table) is not None for table in stage.source.tables)


def changes_of(settings: Settings, stage: Stage) -> tuple[str, ...]:
    """Return, without a JVM, what of the stage's source, rules or table changed since its last run.

    Raises:
        UserError: a file of the table is missing or torn, or its source is not there.
    """
    run = work.begin(settings, stage, "")
    return (*ledger.changes(settings, run), *due.failures(settings, stage, run))


def has_work(settings: Settings, stage: Stage) -> bool:
    """Say, without a JVM, whether a run of the stage would find something to do."""
    return bool(changes_of(settings, stage))


def from_first_with_work(settings: Settings, stages: Sequence[Stage], retry: bool) -> Sequence[Stage]:
    """Return the stages from the first one with work on: those after it may get new rows from it."""
    first = next((place for place, stage in enumerate(stages) if retry or has_work(settings, stage)), len(stages))
    return stages[first:]


def require_usable(settings: Settings, stages: Sequence[Stage]) -> None:
    """Refuse what one of the stages cannot work with, before an earlier one is paid for.

    Raises:
        UserError: something that the user can mend.
    """
    written_here = {stage.name for stage in stages}
    for stage in stages:
        stage.measured_by(settings)
        stage.decided_by(settings)
        if written_here.isdisjoint(stage.source.tables):
            stage.source.version(settings)
        for table in stage.source.tables:
            if table not in written_here:
                ledger.require_finished(settings, table)
    # Without this check the run would fail only after its first chunk.
    if importlib.util.find_spec("great_expectations") is None:
        raise ModuleNotFoundError(name="great_expectations")


@contextmanager
def application(
    log: Path | None, conf: Mapping[str, str], most_rows: int, meter: Meter
) -> "Iterator[tuple[SparkSession, Sequence[Executor]]]":
    """Start Spark, or take the session that is there; give it and its executors until the block ends.

    `log` is where the JVM writes, where this starts one; `most_rows` are those of the largest source.
    """
    from recast.lakehouse import executors, interrupt, session

    with ExitStack() as held:
        with meter.starting():
            spark = held.enter_context(session.application("recast", log, conf, most_rows))
            held.enter_context(interrupt.cancelling(spark))
            came = executors.await_executors(spark)
        yield spark, came
