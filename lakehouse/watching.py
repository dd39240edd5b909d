"""Counts the finished rows of chunks that are not committed yet, while Spark works on them.

Spark counts the rows that every operator of a running query has returned (the SQL page of its UI; the counts are kept
whether the UI is on or not), and executors bring the counts up to date with every heartbeat
(`spark.executor.heartbeatInterval`). They are read through the driver's JVM.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from recast.lakehouse.progress import Meter, Seen
from recast.lakehouse.stage import Progress, Stage

# Names of the metric of an operator's rows: of one that makes rows, and of an exchange, which counts rows it has read.
ROWS_OUT = ("number of output rows", "records read")
# The writing operator reports only at its end how many rows it wrote.
COUNTS_AT_THE_END = "Execute "
PHASES = {"copy": "copy", "decide": "decide again", "withdraw": "withdraw"}
_DESCRIPTION = re.compile(r"chunk (?P<chunk>\d+): (?P<action>\w+)$")


class Operator(NamedTuple):
    """An operator of a query's plan: its name, and the ids of its metrics by their names."""

    name: str
    metrics: dict[str, int]


class Part(NamedTuple):
    """A query that stages rows of a chunk: the action of the plan that it does, and the rows it has finished."""

    chunk: int
    action: str
    rows: int = 0
    over: bool = False


def description(table_name: str, chunk: int, action: str) -> str:
    """Return the description of the Spark jobs that stage a chunk's rows; `part_of` reads it, and Spark's UI shows it."""
    return f"{table_name} chunk {chunk}: {action}"


def part_of(job_description: str) -> Part | None:
    """Return the part that a job's description names, None where it names none."""
    found = _DESCRIPTION.search(job_description)
    return Part(int(found["chunk"]), found["action"]) if found else None


def watch(spark: SparkSession, stage: Stage, journals: str, started_at: float, meter: Meter) -> Callable[[], Seen]:
    """Return a function that reports the progress of a running stage.

    Args:
        journals: the folder of the stage's journals, this run's and those of killed runs.
        started_at: when the run began, in seconds since the epoch.
        meter: knows which chunks are committed, and the job group of the others.
    """
    parts: dict[int, Part] = {}

    def update() -> None:
        for query, part in running(spark, meter.job_group).items():
            parts.setdefault(query, part)
        for query, part in list(parts.items()):
            if part.chunk < meter.chunks:
                del parts[query]
            elif not part.over:
                rows, over = finished(spark, query)
                # Spark takes back the rows of a task that is tried again; the number shown does not go down.
                parts[query] = part._replace(rows=max(rows, part.rows), over=over)

    def look() -> Seen:
        # A Spark that reports other figures, or has ended, must not end the run.
        with contextlib.suppress(Py4JError):
            update()
        if not stage.usage:
            return of_parts(stage.phases, list(parts.values()))
        return of_service(stage.phases, list(parts.values()), stage.usage.progress(journals, started_at))

    return throttled(look)


def of_parts(phases: Sequence[str], parts: Sequence[Part]) -> Seen:
    """Return the finished rows of these parts, and the phase of the oldest chunk among them."""
    first = min((part.chunk for part in parts), default=None)
    action = [part.action for part in parts if part.chunk == first][-1:]
    phase = PHASES.get(action[0], phases[0]) if action else phases[0]
    return Seen(rows=sum(part.rows for part in parts), phase=phase)


def of_service(phases: Sequence[str], parts: Sequence[Part], asked: Progress) -> Seen:
    """Return the progress of chunks that pay for a service: its results, then, once all have come, finished rows."""
    done = of_parts(phases, parts)
    done = done._replace(output_tokens=asked.output_tokens, running=asked.running, waiting=asked.waiting)
    if done.phase != phases[0]:
        return done
    # Where nobody has reported and rows are finished, all results came from journals.
    ended = bool(done.rows) if asked.ended is None else asked.ended
    return done._replace(phase=phases[-1]) if ended else done._replace(rows=asked.rows)


def rows_out(operators: Iterable[Operator], counts: Mapping[int, str]) -> int:
    """Return the rows that have passed a query's last operator that counts them while it runs.

    Args:
        operators: the query's plan from its end to its beginning.
        counts: metrics as Spark shows them, `1,234`, by their ids; one that nothing has changed yet is not there.
    """
    for operator in operators:
        if operator.name.startswith(COUNTS_AT_THE_END):
            continue
        for name in ROWS_OUT:
            if name in operator.metrics:
                return int(counts.get(operator.metrics[name], "0").replace(",", ""))
    return 0


def running(spark: SparkSession, group: str) -> dict[int, Part]:
    """Return the parts that jobs of a job group work on now, by the number of their query."""
    context = spark.sparkContext
    store: Any = context._jsc.sc().statusStore()
    found = {}
    for job in context.statusTracker().getActiveJobsIds():
        known = store.jobWithAssociatedSql(job)
        data, query = known._1(), known._2()
        part = part_of(_value(data.description()) or "")
        if query.isDefined() and part and _value(data.jobGroup()) == group:
            found[int(query.get())] = part
    return found


def finished(spark: SparkSession, query: int) -> tuple[int, bool]:
    """Return the rows that a query has finished, and whether it is over."""
    store: Any = spark._jsparkSession.sharedState().statusStore()
    execution = _value(store.execution(query))
    if execution is None:
        return 0, True  # Spark forgets old queries
    over = execution.completionTime().isDefined()
    values, nodes = store.executionMetrics(query), store.planGraph(query).allNodes()
    operators = [_operator(nodes.apply(place)) for place in range(nodes.size())]
    ids = {operator.metrics[name] for operator in operators for name in ROWS_OUT if name in operator.metrics}
    counts = {id_: found for id_ in ids if (found := _value(values.get(id_)))}
    return rows_out(operators, counts), over


def _operator(node: Any) -> Operator:
    metrics = node.metrics()
    each = [metrics.apply(place) for place in range(metrics.size())]
    return Operator(node.name(), {metric.name(): metric.accumulatorId() for metric in each})


def _value(option: Any) -> Any:
    return option.get() if option.isDefined() else None


def throttled(look: Callable[[], Seen]) -> Callable[[], Seen]:
    """Return `look`, but with what it saw last while looking again would take more than a tenth of the time."""
    seen, next_at = Seen(), 0.0

    def last_seen() -> Seen:
        nonlocal seen, next_at
        now = time.monotonic()
        if now >= next_at:
            seen = look()
            next_at = now + 10 * (time.monotonic() - now)
        return seen

    return last_seen
