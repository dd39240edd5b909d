"""A Spark application on pretended GPUs, for test_engine_cluster.py: one worker, two GPUs, two executors of two cores.

    python -m tests.inference.cluster_program FOLDER MODEL_FOLDER (share|loss|apart)

Prints one JSON line: what rows say about the engine that answered them. It needs a JVM of its own, because
`local-cluster` cannot live beside the test session's `local[*]`.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

from recast.inference.request import RewriteSpec
from recast.inference.rewrite import ask, feeders, profile
from recast.inference.server.spec import EngineSpec

FAKE = Path(__file__).parent.parent / "fake_endpoint.py"


def session(folder: Path, own_executors: bool) -> SparkSession:
    """Start Spark with a discovery script that hands out two GPUs that do not exist."""
    discovery = folder / "gpus.sh"
    discovery.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["0", "1"]}\'\n')
    discovery.chmod(0o755)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.driver.host": "localhost",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.executor.cores": "2",
        "spark.executor.memory": "512m",
        "spark.worker.resource.gpu.amount": "2",
        "spark.worker.resource.gpu.discoveryScript": str(discovery),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
        "spark.executorEnv.PYTHONPATH": str(FAKE.parent.parent),
        "spark.sql.session.timeZone": "UTC",
    }
    if own_executors:
        settings |= {
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.maxExecutors": "2",
            "spark.executor.cores": "1",
            "spark.recast.gpu.amount": "1",
            "spark.recast.gpu.cores": "2",
            "spark.recast.gpu.memory": "512m",
            "spark.recast.gpu.memoryOverhead": "64m",
            "spark.recast.gpu.discoveryScript": str(discovery),
        }
    else:
        settings |= {
            "spark.executor.resource.gpu.amount": "1",
            # A standalone cluster waits for its executors only where it is told how many cores they have together.
            "spark.cores.max": "4",
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        }
    builder = SparkSession.builder.master("local-cluster[1,4,2048]").appName("engines on pretended GPUs")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def rows_of(spark: SparkSession, texts: list[str]) -> DataFrame:
    data = [(text, hashlib.sha256(text.encode()).hexdigest()) for text in texts]
    return spark.createDataFrame(data, "text string, input_hash string")


def main() -> None:
    folder, model, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    record = folder / "asked"
    engine = EngineSpec(model=model, command=(sys.executable, str(FAKE)), args=("--record", str(record)))
    spec = RewriteSpec(
        engine, "", "{text}", fingerprint="f", journal=str(folder / "journal"), journal_buckets=8, journal_flush_s=0.2
    )
    spark = session(folder, own_executors=what == "apart")
    result: dict[str, object] = {"profile": profile(spark, engine) is not None, "feeders": feeders(spark, engine)}
    if what == "loss":
        spec_slow = [f"[[slow 0.3]] {index}" for index in range(200)]
        asked = ask(rows_of(spark, spec_slow), RewriteSpec(**{**spec.__dict__, "window": 4}))
        import threading

        def strike() -> None:
            """Kill one executor once some answers are journaled."""
            while not list(folder.glob("journal/f/8/*.parquet")):
                time.sleep(0.1)
            told = [json.loads(line) for line in record.read_text().splitlines()]
            os.kill(told[0]["owner"], signal.SIGKILL)
            result["killed"] = told[0]["owner"]

        threading.Thread(target=strike, daemon=True).start()
    else:
        asked = ask(rows_of(spark, [f"[[slow 0.05]] {index}" for index in range(200)]), spec)
    answers = asked.select("text", "answer_status").collect()
    result["rows"] = len(answers)
    result["texts"] = len({row.text for row in answers})
    result["statuses"] = sorted({row.answer_status for row in answers})
    if what != "loss":
        again = ask(rows_of(spark, [f"second {index}" for index in range(50)]), spec)
        result["second_rows"] = again.where(col("answer_status") == "answered").count()
    result["asked"] = [json.loads(line) for line in record.read_text().splitlines()]
    print("RESULT " + json.dumps(result), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
