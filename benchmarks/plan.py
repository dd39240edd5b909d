"""Planning over a generated table of keys: `python -m benchmarks.plan [--keys N] [--changed SHARE]`.

What a run has to do is found by keys alone (lakehouse/actions.py). The benchmark generates `keys` source rows and a table that
lacks a share of them, holds another share with an older text, and holds rows whose source row is gone, plans on this
machine's cores with the sizes of lakehouse/sizes.py, and counts the actions against what was generated. A small plan of 42
keys runs first, in the same session, and once more after it: the second is what a warm session needs. Prints one JSON line:

    keys                    source rows of the large plan
    seconds                 wall-clock seconds of the large plan, from keys on disk to the written plan
    seconds_small           the same for 42 keys, warm
    partitions, partitions_small   shuffle partitions
    largest_partition       rows of the largest file of the large plan, over the mean
    actions                 rows to measure and to remove, as planned
    right                   whether these are those that were generated
    driver_peak_mb          peak resident memory of the driver's JVM
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recast.lakehouse import session, sizes
from recast.lakehouse.actions import find_actions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SMALL = 42


def generate(spark: SparkSession, folder: Path, keys: int, changed: float) -> dict[str, int]:
    """Write `folder/wanted` and `folder/have`; return how many rows a plan must measure and remove."""
    from pyspark.sql import functions as F

    step = max(2, round(1 / changed))

    def rows(first: int) -> DataFrame:
        ids = spark.range(first, first + keys, 1, 8)
        doc_id = F.sha2(F.col("id").cast("string"), 256).alias("doc_id")
        text = F.sha2(F.concat_ws(" ", F.lit("text"), "id"), 256).alias("input_hash")
        return ids.select("id", doc_id, text, F.col("id").alias("carried_hash"))

    gone = keys // step
    rows(0).drop("id").write.parquet(f"{folder}/wanted")
    # The table is the source as it was: `gone` rows further on, so that it lacks the first and has some too many.
    older = F.when(F.col("id") % step == 1, F.sha2(F.concat_ws(" ", F.lit("older"), "id"), 256))
    have = rows(gone).withColumn("input_hash", F.coalesce(older, "input_hash")).drop("id")
    rules = {"measured_by": F.lit("m"), "decided_by": F.lit("d"), "withdrawn": F.lit(False), "in_target": F.lit(True)}
    rules |= {"lends": F.lit(True), "tries": F.lit(None).cast("int")}
    have.withColumns(rules).write.parquet(f"{folder}/have")
    kept = range(gone, keys)
    stale = sum(1 for _ in range(kept.start + (1 - kept.start) % step, kept.stop, step))
    return {"measure": gone + stale, "remove": gone}


def planned(spark: SparkSession, folder: Path, keys: int) -> tuple[float, dict[str, int]]:
    """Plan as a run does; return the seconds and the rows by action."""
    sizes.fit(spark, 2 * keys, int(spark.sparkContext.defaultParallelism))
    started = time.monotonic()
    wanted, have = (spark.read.parquet(f"{folder}/{name}") for name in ("wanted", "have"))
    todo = find_actions(wanted, have, spark.createDataFrame([], "doc_id string"), "m", "d", "salt")
    todo.sort("input_hash").write.mode("overwrite").parquet(f"{folder}/plan")
    counted = spark.read.parquet(f"{folder}/plan").groupBy("action").count().collect()
    return time.monotonic() - started, {row["action"]: row["count"] for row in counted}


def peak_mb(spark: SparkSession) -> float:
    """Return the peak resident memory of the driver's JVM in MB (Linux: VmHWM)."""
    jvm: Any = spark._jvm
    pid = jvm.java.lang.ProcessHandle.current().pid()
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--changed", type=float, default=0.01, help="share of rows that are new, changed and gone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plan-") as folder:
        large, small = Path(folder, "large"), Path(folder, "small")
        with session.application("plan benchmark", Path(folder, "spark.log"), rows=given.keys) as spark:
            generate(spark, small, SMALL, 0.1)
            planned(spark, small, SMALL)
            seconds_small, _ = planned(spark, small, SMALL)
            partitions_small = int(spark.conf.get("spark.sql.shuffle.partitions") or 0)
            expected = generate(spark, large, given.keys, given.changed)
            seconds, actions = planned(spark, large, given.keys)
            from pyspark.sql import functions as F

            files = spark.read.parquet(f"{large}/plan").groupBy(F.input_file_name()).count().collect()
            counts = [row["count"] for row in files]
            result = {
                "keys": given.keys,
                "seconds": round(seconds, 1),
                "seconds_small": round(seconds_small, 2),
                "partitions": int(spark.conf.get("spark.sql.shuffle.partitions") or 0),
                "partitions_small": partitions_small,
                "largest_partition": round(max(counts) / (sum(counts) / len(counts)), 2),
                "actions": actions,
                "right": actions == expected,
                "driver_peak_mb": round(peak_mb(spark)),
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
