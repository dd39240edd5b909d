"""Where an application's tasks run: what was asked for, what came, and which host did how much work.

Spark's own figures of its executors (the Executors page of its UI, kept whether the UI is on or not) are read through
the driver's JVM.
"""

import time
from collections import defaultdict
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from lakehouse.session import is_this_machine

DRIVER = "driver"
# A cluster that has room starts executors within seconds; a job that waits longer says so and goes on waiting in Spark.
WAIT_S = 60.0
# Where nobody said how many to expect, and where fewer came than were asked for.
STEADY_S = 2.0
SHORT_S = 15.0
POLL_S = 0.2


class Done(NamedTuple):
    """Tasks that executors ended, and the seconds these took: by host, or by `driver` for those that ran in the driver."""

    tasks: dict[str, int]
    seconds: float


class Executor(NamedTuple):
    """One executor of the application, alive or not, as Spark counts it."""

    id: str
    host: str
    cores: int
    alive: bool
    tasks: int
    seconds: float


def master_of(spark: SparkSession) -> str:
    """Return the master that the application runs on."""
    return spark.sparkContext.master or ""


def executors(spark: SparkSession) -> list[Executor]:
    """Return the application's executors, the lost ones and the driver included."""
    found: Any = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return [_executor(found.apply(place)) for place in range(found.size())]


def _executor(summary: Any) -> Executor:
    host = summary.hostPort().rpartition(":")[0]
    tasks = summary.completedTasks() + summary.failedTasks()
    return Executor(summary.id(), host, summary.totalCores(), summary.isActive(), tasks, summary.totalDuration() / 1000)


def at_work(spark: SparkSession) -> list[Executor]:
    """Return the executors that tasks can run on now; on this machine's master that is the driver."""
    local = is_this_machine(master_of(spark))
    return [each for each in executors(spark) if each.alive and (each.id == DRIVER) == local]


def done(spark: SparkSession) -> Done:
    """Return what the application's executors have done since it began."""
    tasks: dict[str, int] = defaultdict(int)
    seconds = 0.0
    for each in executors(spark):
        if each.tasks:
            tasks[DRIVER if each.id == DRIVER else each.host] += each.tasks
            seconds += each.seconds
    return Done(dict(tasks), seconds)


def since(now: Done, before: Done) -> Done:
    """Return what was done between two moments."""
    tasks = {host: count - before.tasks.get(host, 0) for host, count in now.tasks.items()}
    return Done({host: count for host, count in tasks.items() if count}, now.seconds - before.seconds)


def await_executors(spark: SparkSession) -> list[Executor]:
    """Return the executors that came, once as many are there as were asked for, or no more have come for a while."""
    wanted, cores = asked_for(spark)
    patience_s = STEADY_S if wanted is None and cores is None else SHORT_S
    deadline, steady_since, came = time.monotonic() + WAIT_S, time.monotonic(), at_work(spark)
    while time.monotonic() < deadline and len(came) != wanted and sum(each.cores for each in came) != cores:
        if came and time.monotonic() - steady_since > patience_s:
            break
        time.sleep(POLL_S)
        now = at_work(spark)
        if len(now) != len(came):
            steady_since = time.monotonic()
        came = now
    return came


def asked_for(spark: SparkSession) -> tuple[int | None, int | None]:
    """Return how many executors and how many cores in all were asked for; None where the settings do not say."""
    conf = spark.sparkContext.getConf()
    master = master_of(spark)
    if is_this_machine(master):
        return 1, int(spark.sparkContext.defaultParallelism)
    if master.startswith("local-cluster["):
        workers, cores, _ = master.removeprefix("local-cluster[").removesuffix("]").split(",")
        each = int(conf.get("spark.executor.cores", cores))
        most = int(workers) * int(cores)
        total = min(most, int(conf.get("spark.cores.max", str(most))))
        return total // each, total
    dynamic = conf.get("spark.dynamicAllocation.enabled", "false").lower() == "true"
    instances = conf.get("spark.dynamicAllocation.minExecutors" if dynamic else "spark.executor.instances", "")
    per_executor, most_cores = conf.get("spark.executor.cores", ""), conf.get("spark.cores.max", "")
    if most_cores:
        return (int(most_cores) // int(per_executor) if per_executor else None), int(most_cores)
    count = int(instances) if instances else None
    return count, count * int(per_executor) if count and per_executor else None


def words(spark: SparkSession, came: list[Executor]) -> str:
    """Return the line that begins every run: master, application, executors and cores asked for and got."""
    context = spark.sparkContext
    begin = f"Spark {spark.version} on {context.master}, application {context.applicationId}"
    if is_this_machine(master_of(spark)):
        return f"{begin}: {counted(context.defaultParallelism, 'core')} of this machine"
    wanted, cores = asked_for(spark)
    asked = [counted(number, what) for number, what in ((wanted, "executor"), (cores, "core")) if number is not None]
    asked_words = f" (asked for: {', '.join(asked)})" if asked else ""
    if not came:
        return f"{begin}: no executor has come{asked_words}; tasks wait for one"
    hosts = len({each.host for each in came})
    got = f"{counted(len(came), 'executor')} with {counted(sum(each.cores for each in came), 'core')}"
    return f"{begin}: {got} on {counted(hosts, 'host')}{asked_words}"


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
