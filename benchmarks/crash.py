"""Kills processes with `kill -9` at random moments and counts rows lost, doubled and paid twice.

    python -m benchmarks.crash --kills N [--docs N] [--seed N] [--victims engine,worker] [--between SECONDS SECONDS]

prints one JSON line, and ends with 1 where a row is lost, doubled or wrong, or more was paid twice than its bound. A
model stage runs through the whole loop (plan, chunks, journal, expectations, commits) on `local-cluster` with two
executors, an engine each. A recorded engine answers: a server without a model that takes its time and writes down every
request it gets, since what is tested is bookkeeping. At random moments a random victim is killed with SIGKILL: the
driver (its Python and its JVM), an executor's JVM, a Python worker, or an engine. A run that fails or dies is started
again; one that ends before the kills are used up gets new documents and goes on.

* `rows_lost`, `rows_doubled`: documents that the table lacks or holds twice in the end; both must be 0.
* `rows_wrong`: rows without the answer to their own document, those called poison among them, for no document kills an
  engine here; must be 0.
* `requests_paid_twice`: requests that reached an engine more often than once, whether or not they were answered.
* `in_flight_bound`: what the kills may have cost at most: for every task a kill ends, its window, and what it answered
  since its last journal flush. Paid twice must not be above it.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import below, processes
from recast.inference.request import RewriteSpec
from recast.inference.server.spec import EngineSpec
from recast.jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from recast.lakehouse.stage import Stage

ROOT = Path(__file__).parent.parent
FAKE = ROOT / "tests" / "fake_endpoint.py"
VICTIMS = ("driver", "executor", "worker", "engine")
EXECUTORS = 2
WINDOW = 8
FLUSH_S = 0.5
SHORTEST_S, LONGEST_S = 0.4, 1.4
CHUNK_ROWS = 150
FIRST_KILL_S, LAST_KILL_S = 0.2, 8.0
TABLE_NAME = "crash_rewrites"


# --- the application that is killed ----------------------------------------------------------------------------------


def stage_in(folder: Path) -> "Stage":
    """Return a model stage over the documents in `folder/source`, asking the recorded engine."""
    from pyspark.sql import functions as fn

    from recast.inference.rewrite import ask
    from recast.jobs.asking import FAILED, USAGE
    from recast.lakehouse.datasets import read, version_of
    from recast.lakehouse.source import Source, nothing_above
    from recast.lakehouse.stage import Stage, keep
    from recast.schemas.answers import Answer
    from recast.schemas.record import columns_of
    from recast.schemas.table import IDENTITY, PROVENANCE, VERDICT, Column, Table, document_expectations

    engine = EngineSpec(
        model=str(folder / "model"), command=(sys.executable, str(FAKE)), args=("--record", str(folder / "asked"))
    )
    reasons = {"not_answered": "the request failed"}
    table = Table(
        name=TABLE_NAME,
        about="answers, for the crash benchmark",
        columns=(
            *IDENTITY,
            Column("source_text", "string", "the document"),
            Column("text", "string", "the answer"),
            *VERDICT,
            *columns_of(Answer),
            *PROVENANCE,
        ),
        reasons=reasons,
        expectations=document_expectations(reasons),
    )

    def documents(spark: "SparkSession", settings: Settings, version: str, takedowns: int | None) -> "DataFrame":
        rows = read(spark, settings.math_source, {"doc_id": "string", "text": "string"})
        return rows.select(
            "doc_id",
            fn.sha2("text", 256).alias("input_hash"),
            fn.col("text").alias("source_text"),
            fn.lit("crash").alias("source_dataset"),
            fn.lit(version).alias("source_version"),
            fn.lit("permissive").alias("license_type"),
            fn.array().cast("array<string>").alias("detected_licenses"),
            nothing_above().alias("made_by"),
        )

    def measure(rows: "DataFrame", settings: Settings, journal: str) -> "DataFrame":
        spec = RewriteSpec(
            engine,
            system="",
            user_template="{text}",
            fingerprint="crash",
            window=WINDOW,
            journal=journal,
            journal_buckets=EXECUTORS,
            journal_flush_s=FLUSH_S,
        )
        return ask(rows.withColumn("text", fn.col("source_text")), spec)

    def decide(rows: "DataFrame", settings: Settings) -> "DataFrame":
        rows = rows.withColumn("text", fn.col("answer"))
        return keep(rows, fn.col("answer_status") == "answered", otherwise="not_answered")

    return Stage(
        target=table,
        source=Source(lambda settings: version_of(settings.math_source, ""), documents, lambda settings: CHUNK_ROWS),
        measure=measure,
        decide=decide,
        measured_by=lambda settings: {"rule": 1},
        decided_by=lambda settings: {"rule": 1},
        retryable=FAILED,
        usage=USAGE,
    )


def settings_in(folder: Path) -> Settings:
    return Settings(lake=str(folder / "lake"), math_source=str(folder / "source"), chunk_rows=CHUNK_ROWS)


def run_application(folder: Path) -> None:
    """Bring the table up to date: what spark-submit runs, and what is killed."""
    import uuid

    from pyspark import SparkContext
    from rich.console import Console

    from recast.lakehouse import session
    from recast.lakehouse.progress import Meter
    from recast.lakehouse.refresh import refresh
    from recast.schemas import TABLES

    stage = stage_in(folder)
    TABLES[TABLE_NAME] = stage.target
    SparkContext._ensure_initialized()  # only then does SparkConf know what spark-submit was given
    spark = session.start("recast-crash")
    spark.sparkContext.setLogLevel("WARN")
    refresh(spark, settings_in(folder), stage, f"run-{uuid.uuid4().hex[:8]}", Meter(Console(quiet=True)))
    spark.stop()


# --- the one who kills -----------------------------------------------------------------------------------------------


def victims(application: int, folder: Path) -> dict[str, list[int]]:
    """Return the pids that can be killed now, by kind; a driver is its JVM, whose end ends its Python."""
    family = list(below(application))
    daemons = {each.pid for each in family if "pyspark.daemon" in each.command}
    told = f"--record {folder / 'asked'}"
    return {
        "driver": [application],
        "executor": [each.pid for each in family if "CoarseGrainedExecutorBackend" in each.command],
        "worker": [each.pid for each in family if each.parent in daemons],
        "engine": [
            each.pid for each in processes().values() if told in each.command and "server.watch" not in each.command
        ],
    }


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the application as a user would."""
    import pyspark

    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    log = (folder / "log").open("ab")
    settings = {
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.driver.host": "localhost",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.executorEnv.PYTHONPATH": str(ROOT),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "spark"),
    }
    command = [str(submit), "--master", f"local-cluster[{EXECUTORS},1,512]"]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    with log:
        return subprocess.Popen(
            [*command, str(ROOT / "benchmarks" / "crash.py"), "--application", str(folder)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def add_documents(folder: Path, generation: int, count: int, dice: random.Random) -> list[str]:
    """Add a file of documents to the source; return their ids. A tenth of the texts occurs twice."""
    (folder / "source").mkdir(exist_ok=True)
    ids = [f"{generation}-{number}" for number in range(count)]
    texts: list[str] = []
    for number in range(count):
        if number % 10 == 9:
            texts.append(texts[-1])
        else:
            texts.append(f"[[slow {dice.uniform(SHORTEST_S, LONGEST_S):.3f}]] document {generation} {number}")
    pq.write_table(pa.table({"doc_id": ids, "text": texts}), folder / "source" / f"{generation}.parquet")
    return ids


def gone(pids: list[int]) -> None:
    """Wait until processes have ended."""
    while any(pid in processes() for pid in pids):
        time.sleep(0.1)


def torment(
    folder: Path, kills: int, docs: int, seed: int, limit_s: float, kinds: Sequence[str], between_s: tuple[float, float]
) -> dict[str, Any]:
    """Run, kill one of `kinds` every so often, run again, until all kills are spent and the table is up to date."""
    from benchmarks.rewrite import tiny_model

    (folder / "model").mkdir()
    tiny_model(folder / "model")
    dice = random.Random(seed)
    expected = add_documents(folder, 0, docs, dice)
    killed: Counter[str] = Counter()
    at_moments: Counter[str] = Counter()
    bound = starts = failed_runs = generation = 0
    began = time.monotonic()
    application = start(folder)
    while True:
        starts += 1
        while application.poll() is None:
            if time.monotonic() - began > limit_s:
                application.kill()
                raise TimeoutError(f"not done after {limit_s:.0f} s; the application's log: {folder / 'log'}")
            if sum(killed.values()) >= kills:
                time.sleep(0.2)
                continue
            time.sleep(dice.uniform(*between_s))
            # Every kind gets its share; a kind that has no process at this moment is drawn again next time.
            present = {kind: pids for kind, pids in victims(application.pid, folder).items() if pids}
            wanted = min(kinds, key=lambda kind: (killed[kind], dice.random()))
            if wanted not in present or application.poll() is not None:
                continue
            family = [each.pid for each in below(application.pid)]
            try:
                os.kill(dice.choice(present[wanted]), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended by itself since it was listed, which takes a while on a busy machine
            at_moments["asking" if present.get("worker") else "elsewhere"] += 1
            killed[wanted] += 1
            # An executor runs one task; a driver's end takes all of them along.
            tasks = EXECUTORS if wanted == "driver" else 1
            bound += tasks * (WINDOW + int(WINDOW * (FLUSH_S + 0.5) / SHORTEST_S))
            if wanted == "driver":
                gone(family)
        if application.returncode != 0:
            failed_runs += 1
        elif sum(killed.values()) >= kills:
            break
        else:
            generation += 1
            expected += add_documents(folder, generation, docs, dice)
        application = start(folder)
    return {
        "kills": sum(killed.values()),
        "by_victim": dict(sorted(killed.items())),
        **table_against(folder, expected),
        "in_flight_bound": bound,
        "requests": len(expected),
        "engine": "recorded",
        "starts_of_the_application": starts,
        "runs_that_failed": failed_runs,
        "kills_while_asking": at_moments["asking"],
        "seconds": round(time.monotonic() - began),
    }


def table_against(folder: Path, expected: list[str]) -> dict[str, int]:
    """Compare the table with the documents, and the engines' record with the distinct texts."""
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    from recast.lakehouse import query

    table = DeltaTable(query.table_uri(settings_in(folder), TABLE_NAME))
    columns = "doc_id, answer_status, answer, source_text"
    rows = pa.table(QueryBuilder().register("rows", table).execute(f"SELECT {columns} FROM rows")).to_pylist()
    held = Counter(row["doc_id"] for row in rows)
    wrong = sum((row["answer_status"], row["answer"]) != ("answered", row["source_text"].upper()) for row in rows)
    asked = Counter(json.loads(line)["messages"][-1]["content"] for line in (folder / "asked").read_text().splitlines())
    return {
        "rows_lost": len(set(expected) - set(held)),
        "rows_doubled": sum(count - 1 for count in held.values()),
        "rows_wrong": wrong + len(set(held) - set(expected)),
        "requests_paid_twice": sum(count - 1 for count in asked.values()),
    }


def faults_of(told: dict[str, Any]) -> list[str]:
    """Return what must not be, of what `torment` tells: names of counts."""
    faults = [name for name in ("rows_lost", "rows_doubled", "rows_wrong") if told[name]]
    return faults + (["requests_paid_twice"] if told["requests_paid_twice"] > told["in_flight_bound"] else [])


def main() -> None:
    """Kill, and print one JSON line; with --application, be what is killed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--docs", type=int, default=400, help="documents of each generation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victims", default=",".join(VICTIMS), help="kinds of processes to kill, by commas")
    between = parser.add_argument("--between", nargs=2, type=float, default=(FIRST_KILL_S, LAST_KILL_S))
    between.help, between.metavar = "shortest and longest time between two kills, in seconds", ("LEAST_S", "MOST_S")
    parser.add_argument("--limit-s", type=float, default=3600.0)
    parser.add_argument("--application", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.application:
        run_application(Path(chosen.application))
        return
    kinds = chosen.victims.split(",")
    if unknown := set(kinds) - set(VICTIMS):
        parser.error(f"no such victims: {', '.join(sorted(unknown))}")
    folder = Path(tempfile.mkdtemp(prefix="recast-crash-"))
    told = torment(folder, chosen.kills, chosen.docs, chosen.seed, chosen.limit_s, kinds, tuple(chosen.between))
    print(json.dumps(told))
    if faults := faults_of(told):
        print(f"{', '.join(faults)}; lake and log stay in {folder}", file=sys.stderr)
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
