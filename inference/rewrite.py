"""The Spark side of a model stage: asks the model about every row and keeps the engine busy.

`rewrite` works on any iterator of Arrow batches: rows come out as their answers end, in any order, exactly one per
input row, with the columns of ANSWER_FIELDS. A bad row becomes a row with a status. `ask` is its Spark wrapper.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa

from recast import journal
from recast.columns import extended
from recast.inference.answers import ANSWER_FIELDS, answer_columns
from recast.inference.feeder import Feeder
from recast.inference.request import RewriteSpec
from recast.inference.server.spec import EngineSpec
from recast.schemas.answers import Answer

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import DataFrame, SparkSession

FEEDERS_PER_GPU = 4
# Two chunks feed at a time (recast.lakehouse.refresh), so that the tail of one never leaves an engine without requests.
CHUNKS_AT_ONCE = 2


def rewrite(batches: Iterable[pa.RecordBatch], spec: RewriteSpec) -> Iterator[pa.RecordBatch]:
    """Yield every input row with the columns of ANSWER_FIELDS behind its own.

    Batches hold at least `text` and `input_hash` (sha256 hex of the text). Raises EngineError where there is no engine
    to ask, ErrorBudgetError where too many requests failed, JournalError where the journal cannot be written, and
    whatever reading the input raises.
    """
    feeder = Feeder(batches, spec, journal.task_bucket())
    thread = threading.Thread(target=feeder.run, name="recast-feeder", daemon=True)
    thread.start()
    try:
        while True:
            item = feeder.output.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield from _with_answers(item)
    finally:
        feeder.cancel()
        thread.join(timeout=10.0)


def ask(rows: "DataFrame", spec: RewriteSpec) -> "DataFrame":
    """Return the rows with the columns of ANSWER_FIELDS, asked in `journal_buckets` tasks by `input_hash`.

    Raises ValueError where rows have such a column already, or where speculation would buy the same answers twice.
    """
    clash = sorted(set(rows.columns) & set(ANSWER_FIELDS.names))
    if clash:
        raise ValueError(f"rows have measured columns already: {', '.join(clash)}")
    spark = rows.sparkSession
    if (spark.conf.get("spark.speculation", "false") or "").lower() == "true":
        raise ValueError("spark.speculation is on: a speculative copy of a model task pays for its answers twice")
    return rows.repartition(spec.journal_buckets, "input_hash").mapInArrow(
        partial(rewrite, spec=spec), extended(rows.schema, Answer), profile=profile(spark, spec.engine)
    )


def _with_answers(rows: Sequence[tuple[pa.RecordBatch, Answer]]) -> Iterator[pa.RecordBatch]:
    """Yield these rows with their answers: one record batch, or several where the texts pass Arrow's 2 GiB a column."""
    given = pa.Table.from_batches([row for row, _ in rows])
    measured = answer_columns([answer for _, answer in rows])
    schema = pa.schema([*given.schema, *ANSWER_FIELDS])
    together = pa.Table.from_arrays([*given.columns, *measured.columns], schema=schema)
    yield from together.combine_chunks().to_batches()


def feeders(spark: "SparkSession", spec: EngineSpec) -> int:
    """Return the number of tasks that should feed one chunk: half of those that can run at once.

    The other half feeds the chunk after it. For engines that span several GPUs (one feeder holds them all) chunks must
    take turns, so each gets all.
    """
    cores = int(spark.sparkContext.defaultParallelism)
    if profile(spark, spec) is None:
        return feeders_on(cores)
    setting = partial(_setting, spark)
    if _dynamic(spark):
        executors = int(setting("spark.dynamicAllocation.maxExecutors"))  # few or none may be there yet
    else:
        executors = max(1, cores // int(setting("spark.executor.cores", "1")))
    gpus = executors * int(setting("spark.recast.gpu.amount") or setting("spark.executor.resource.gpu.amount"))
    if spec.tensor_parallel > 1:
        return max(1, gpus // spec.tensor_parallel)
    return gpus * FEEDERS_PER_GPU // CHUNKS_AT_ONCE


def feeders_on(cores: int) -> int:
    """Return the number of tasks that feed one chunk from cores that do everything else, too.

    One core stays free for checks and commits. On one or two, chunks must take turns, so each gets all.
    """
    return cores if cores <= CHUNKS_AT_ONCE else max(1, (cores - 1) // CHUNKS_AT_ONCE)


def profile(spark: "SparkSession", spec: EngineSpec) -> "ResourceProfile | None":
    """Return the resource profile of a model stage, None where it runs on the session's own executors as they are.

    * `local[*]` refuses profiles, an endpoint needs no GPU here, executors without GPUs serve on their CPUs: None.
    * `spark.recast.gpu.amount` is set: model stages get executors of their own (`spark.recast.gpu.*` describes them),
      other stages keep executors without GPUs. Needs dynamic allocation.
    * `spark.executor.resource.gpu.amount` is set: all executors have GPUs, and tasks of model stages share them.

    How many GPUs there are must be known: ValueError for dynamic allocation without an upper bound, since Spark asks for
    as many executors as there are tasks, and for a standalone cluster that does not say how many cores an executor has.
    docs/engine.md shows the settings per platform.
    """
    setting = partial(_setting, spark)
    own_executors = setting("spark.recast.gpu.amount")
    if re.match(r"local(\[|$)", setting("spark.master")) or spec.endpoint:
        return None
    if not own_executors and setting("spark.executor.resource.gpu.amount", "0") == "0":
        return None
    if own_executors and not _dynamic(spark):
        raise ValueError("spark.recast.gpu.amount needs spark.dynamicAllocation.enabled=true (docs/engine.md)")
    if _dynamic(spark) and not setting("spark.dynamicAllocation.maxExecutors"):
        raise ValueError("GPUs need spark.dynamicAllocation.maxExecutors where allocation is dynamic (docs/engine.md)")
    # Elsewhere Spark's default is one core; there it is all that the worker has.
    standalone = re.match(r"spark:|local-cluster\[", setting("spark.master"))
    if standalone and not _dynamic(spark) and not setting("spark.executor.cores"):
        raise ValueError("GPUs need spark.executor.cores on a standalone cluster (docs/engine.md)")
    # A share must be whole above 1: the tensor-parallel group's only feeder then holds all of its GPUs.
    share = float(spec.tensor_parallel) if spec.tensor_parallel > 1 else 1.0 / FEEDERS_PER_GPU
    return _profile(spark, share)


@cache
def _profile(spark: "SparkSession", gpu_share: float) -> "ResourceProfile":
    """Build a profile once: for a second one, however equal, Spark would start executors and so engines of its own."""
    from pyspark.resource import ExecutorResourceRequests, ResourceProfileBuilder, TaskResourceRequests

    setting = partial(_setting, spark)
    task = TaskResourceRequests().cpus(int(setting("spark.task.cpus", "1"))).resource("gpu", gpu_share)
    builder = ResourceProfileBuilder().require(task)
    if own_executors := setting("spark.recast.gpu.amount"):
        executor = ExecutorResourceRequests().cores(int(setting("spark.recast.gpu.cores", str(FEEDERS_PER_GPU))))
        executor.memory(setting("spark.recast.gpu.memory", "8g"))
        executor.memoryOverhead(setting("spark.recast.gpu.memoryOverhead", "32g"))
        script, vendor = setting("spark.recast.gpu.discoveryScript"), setting("spark.recast.gpu.vendor")
        builder = builder.require(executor.resource("gpu", int(own_executors), script, vendor))
    return builder.build


def _dynamic(spark: "SparkSession") -> bool:
    return _setting(spark, "spark.dynamicAllocation.enabled", "false").lower() == "true"


def _setting(spark: "SparkSession", name: str, default: str = "") -> str:
    return spark.conf.get(name, default) or default
