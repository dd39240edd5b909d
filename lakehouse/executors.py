"""Where an application's tasks run: the executors asked for, those that came, and how much work each host did.

Spark's own figures of its executors (the Executors page of its UI, kept whether the UI is on or not) are read through
the driver's JVM.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from recast.lakehouse.session import is_this_machine
from recast.printable import counted

DRIVER = "driver"
# With dynamic allocation an application begins with the largest of these numbers of executors (Spark's configuration page).
DYNAMIC_FIRST = (
    "spark.dynamicAllocation.minExecutors",
    "spark.dynamicAllocation.initialExecutors",
    "spark.executor.instances",
)
# A cluster that has room starts executors within seconds. After this time the run prints that none came; Spark waits on.
WAIT_S = 60.0
# How long to wait for more executors, where nobody set their number or fewer came than were asked for.
STEADY_S = 2.0
SHORT_S = 15.0
POLL_S = 0.2


class Done(NamedTuple):
    """What an application's executors have done, and how many there are.

    Attributes:
        tasks: tasks that ended, by host, or by `driver` for those that ran in the driver.
        seconds: seconds that these took, added up.
        executors: executors that tasks can run on now.
        cores: their cores together.
    """

    tasks: dict[str, int]
    seconds: float
    executors: int = 0
    cores: int = 0


class Executor(NamedTuple):
    """One executor of the application, alive or not, as Spark counts it."""

    id: str
    host: str
    cores: int
    alive: bool
    tasks: int
    seconds: float


class Asked(NamedTuple):
    """How many executors and cores, together, an application asked for; None where its settings do not say."""

    executors: int | None
    cores: int | None


def master_of(spark: SparkSession) -> str:
    """Return the master that the application runs on."""
    return spark.sparkContext.master or ""


@lru_cache(maxsize=1)
def conf_of(context: SparkContext) -> Mapping[str, str]:
    """Return what an application was started with. It does not change, and reading it takes 0.1 s."""
    return dict(context.getConf().getAll())


def executors(spark: SparkSession) -> list[Executor]:
    """Return the application's executors, the lost ones and the driver included."""
    found: Any = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return [_executor(found.apply(place)) for place in range(found.size())]


def _executor(summary: Any) -> Executor:
    host = host_of(summary.hostPort())
    tasks = summary.completedTasks() + summary.failedTasks()
    return Executor(summary.id(), host, summary.totalCores(), summary.isActive(), tasks, summary.totalDuration() / 1000)


def host_of(address: str) -> str:
    """Return the host of an executor's address, which has a port once the executor's block manager has registered."""
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdigit() else address


def at_work(spark: SparkSession) -> list[Executor]:
    """Return the executors that tasks can run on now; on this machine's master that is the driver."""
    local = is_this_machine(master_of(spark))
    return [each for each in executors(spark) if can_work(each, local)]


def can_work(executor: Executor, local: bool) -> bool:
    """Say whether tasks can run on an executor; `local` says whether the master is this machine's own driver."""
    return executor.alive and (executor.id == DRIVER) == local


def done(spark: SparkSession) -> Done:
    """Return what the application's executors have done since it began; nothing where its driver cannot tell any more."""
    tasks: dict[str, int] = defaultdict(int)
    seconds = 0.0
    try:
        found = executors(spark)
    except (Py4JError, OSError, AttributeError):  # a figure of the ledger, for which no run may fail
        found = []
    for each in found:
        if each.tasks:
            tasks[DRIVER if each.id == DRIVER else each.host] += each.tasks
            seconds += each.seconds
    there = [each.cores for each in found if can_work(each, is_this_machine(master_of(spark)))]
    return Done(dict(tasks), seconds, len(there), sum(there))


def since(now: Done, before: Done) -> Done:
    """Return what was done between two moments. Spark forgets the oldest of many lost executors, so differences below 0 are 0."""
    tasks = {host: count - before.tasks.get(host, 0) for host, count in now.tasks.items()}
    positive = {host: count for host, count in tasks.items() if count > 0}
    return now._replace(tasks=positive, seconds=max(0.0, now.seconds - before.seconds))


def await_executors(spark: SparkSession) -> list[Executor]:
    """Wait until the executors that were asked for are there, or no more have come for a while; return those that came."""
    wanted = asked(spark)
    patience_s = STEADY_S if wanted == Asked(None, None) else SHORT_S
    deadline, steady_since, came = time.monotonic() + WAIT_S, time.monotonic(), at_work(spark)
    while time.monotonic() < deadline and not enough(came, wanted):
        if came and time.monotonic() - steady_since > patience_s:
            break
        time.sleep(POLL_S)
        now = at_work(spark)
        if len(now) != len(came):
            steady_since = time.monotonic()
        came = now
    return came


def enough(came: Sequence[Executor], wanted: Asked) -> bool:
    """Say whether as many executors came as were asked for, by their number or by their cores."""
    by_number = wanted.executors is not None and len(came) >= wanted.executors
    return by_number or (wanted.cores is not None and sum(each.cores for each in came) >= wanted.cores)


def most_cores(spark: SparkSession) -> int:
    """Return how many cores there are, or may be once there is work where allocation is dynamic."""
    conf = conf_of(spark.sparkContext)
    now = max(1, int(spark.sparkContext.defaultParallelism))
    most = conf.get("spark.dynamicAllocation.maxExecutors", "") if is_dynamic(conf) else ""
    return max(now, int(most) * int(conf.get("spark.executor.cores", "1"))) if most else now


def cores_bound(spark: SparkSession) -> int | None:
    """Return the most cores that tasks can ever run on, executors still to come included; None where nothing bounds them."""
    now = max(1, int(spark.sparkContext.defaultParallelism))
    return bound_of(master_of(spark), conf_of(spark.sparkContext), now)


def bound_of(master: str, conf: Mapping[str, str], now: int) -> int | None:
    """Return the bound of an application's cores, of which there are `now`, by its settings `conf`."""
    if is_this_machine(master):
        return now
    if is_dynamic(conf):
        most, each = (conf.get(f"spark.{name}", "") for name in ("dynamicAllocation.maxExecutors", "executor.cores"))
        return max(now, int(most) * int(each)) if most and each else None
    cores = asked_for(master, conf).cores
    return None if cores is None else max(now, cores)


def is_dynamic(conf: Mapping[str, str]) -> bool:
    """Say whether executors come and go with the work."""
    return conf.get("spark.dynamicAllocation.enabled", "false").lower() == "true"


def asked(spark: SparkSession) -> Asked:
    """Return what the application asked for."""
    return asked_for(master_of(spark), conf_of(spark.sparkContext))


def asked_for(master: str, conf: Mapping[str, str]) -> Asked:
    """Return what an application asks of `master` by the settings `conf`, as far as they say."""
    if is_this_machine(master):
        return Asked(1, None)
    each, cores = (int(conf[name]) if name in conf else None for name in ("spark.executor.cores", "spark.cores.max"))
    if master.startswith("local-cluster["):
        workers, worker_cores, _ = map(int, master.removeprefix("local-cluster[").removesuffix("]").split(","))
        each, cores = each or worker_cores, min(cores or workers * worker_cores, workers * worker_cores)
    if cores is not None:
        return Asked(cores // each if each else None, cores)
    names = DYNAMIC_FIRST if is_dynamic(conf) else ("spark.executor.instances",)
    numbers = [int(conf[name]) for name in names if name in conf]
    count = max(numbers) if numbers else 0 if is_dynamic(conf) else None
    return Asked(count, count * each if count is not None and each else None)


def first_line(spark: SparkSession, came: Sequence[Executor]) -> str:
    """Return the line that begins every run: master, application, executors and cores asked for and got."""
    begin = f"Spark {spark.version} on {master_of(spark)}, application {spark.sparkContext.applicationId}"
    if is_this_machine(master_of(spark)):
        return f"{begin}: {counted(spark.sparkContext.defaultParallelism, 'core')} of this machine"
    later = ", more as there is work" if is_dynamic(conf_of(spark.sparkContext)) else ""
    return f"{begin}: {got_words(came, later)}{asked_words(asked(spark))}"


def got_words(came: Sequence[Executor], later: str = "") -> str:
    """Return how many executors came, with how many cores, on how many hosts, and whether more come `later`."""
    if not came:
        return f"no executor yet{later}" if later else "no executor has come, and tasks wait for one"
    cores, hosts = sum(each.cores for each in came), len({each.host for each in came})
    return f"{counted(len(came), 'executor')} with {counted(cores, 'core')} on {counted(hosts, 'host')}{later}"


def asked_words(wanted: Asked) -> str:
    """Return what was asked for, in parentheses; nothing where the settings do not say."""
    said = ((wanted.executors, "executor"), (wanted.cores, "core"))
    parts = [counted(number, what) for number, what in said if number is not None]
    return f" (asked for: {', '.join(parts)})" if parts else ""
