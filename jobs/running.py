"""Runs stages in order and holds a lock for each table. Starts no JVM where there is nothing to do."""

import importlib.util
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from recast.inference.server import engine
from recast.jobs import asking
from recast.jobs.settings import Settings
from recast.lakehouse import ledger, query
from recast.lakehouse.ledger import Run
from recast.lakehouse.progress import Meter
from recast.lakehouse.settings import NOTHING, UserError, is_local
from recast.lakehouse.stage import Stage
from recast.lakehouse.store import work_path


class RunError(Exception):
    """A stage failed; the message is what its user needs to know."""


@contextmanager
def holding(settings: Settings, stages: Sequence[Stage]) -> Iterator[None]:
    """Hold the tables' locks, so that no two runs of this machine write one table at once.

    The kernel drops them with the process, however it ends. A lake in an object store has no locks: there its scheduler
    allows one run at a time (docs/cookbook.md), and Delta lets the second of two commits fail.

    Raises:
        UserError: another run holds one of them.
    """
    with ExitStack() as held:
        for stage in stages if is_local(settings.lake) else ():
            path = Path(work_path(settings, f"{stage.name}.lock"))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(filelock.FileLock(path, timeout=0))
                path.write_text(str(os.getpid()))
            except filelock.Timeout:
                raise UserError(
                    f"another run (process {path.read_text() or 'unknown'}) is writing {stage.name}"
                ) from None
            except OSError as problem:
                raise UserError(f"cannot write to {settings.lake}: {problem.strerror}. Is --lake right?") from None
        yield


def has_work(settings: Settings, stage: Stage) -> bool:
    """Say, without a JVM, whether the stage's source, rules or table changed since its last run.

    Raises:
        UserError: a file of the table is missing or torn.
    """
    query.require_whole(settings, stage.name)
    run = ledger.begin(
        "", stage.name, stage.source.version(settings), stage.measured_by(settings), stage.decided_by(settings)
    )
    return not ledger.is_up_to_date(settings, run)


def refresh_stages(
    settings: Settings,
    stages: Sequence[Stage],
    retry: bool = False,
    meter: Meter | None = None,
    conf: Mapping[str, str] = NOTHING,
) -> list[Run]:
    """Bring the stages' tables up to date, in order; return a row of `runs` for each that had something to do.

    `conf` are settings of Spark, stronger than those of its own files.

    Raises:
        RunError: a stage failed; those before it are committed, those after it did not start.
        UserError: something that the user can mend.
    """
    with holding(settings, stages):
        # Stages before the first one with work are up to date. Stages after it may get new rows from it.
        first = next((i for i, stage in enumerate(stages) if retry or has_work(settings, stage)), None)
        if first is None:
            return []
        written_here = {stage.name for stage in stages}
        for stage in stages[first:]:
            # Settings that a later stage cannot work with must end the run before an earlier stage is paid for.
            stage.measured_by(settings)
            stage.decided_by(settings)
            if stage.source.table not in written_here:
                stage.source.version(settings)
        asking_model = [stage for stage in stages[first:] if stage.usage]
        spec = asking.engine_spec(settings) if asking_model else None
        # Spark takes seconds to import and more to start: only now is it needed.
        from recast.jobs import workers
        from recast.lakehouse import executors, session
        from recast.lakehouse.problems import explain
        from recast.lakehouse.refresh import refresh

        # Without this check the run would fail only after its first chunk.
        if importlib.util.find_spec("great_expectations") is None:
            raise ModuleNotFoundError(name="great_expectations")
        log = Path(work_path(settings, "spark.log")) if is_local(settings.lake) else None
        rows = {stage.name: stage.source.size(settings) for stage in stages[first:] if not stage.source.table}
        most_rows = max(
            [*rows.values(), *(stage.source.size(settings) for stage in stages[first:] if stage.source.table)]
        )
        meter = meter or Meter()
        started = time.monotonic()
        with ExitStack() as application:
            with meter.starting():
                spark = application.enter_context(session.application("recast", log, conf, most_rows))
                came = executors.await_executors(spark)
            run_id = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
            meter.say(f"run {run_id}: {executors.first_line(spark, came)}")
            workers.check(spark, settings, stages[first:], came)
            start_s = time.monotonic() - started
            if spec and not spec.endpoint and session.is_this_machine(executors.master_of(spark)):
                # Tasks run on the driver's host, so its engine can start now, while the stages above run.
                engine.prewarm(spec)
            runs = []
            for stage in stages[first:]:
                try:
                    run = refresh(spark, settings, stage, run_id, meter, retry, came, rows.get(stage.name))
                except UserError:
                    raise
                except Exception as problem:
                    raise RunError(f"{stage.name} failed: {explain(problem)}") from problem
                if run:
                    runs.append(run)
            meter.show_where_time_went(runs, start_s)
            return runs
