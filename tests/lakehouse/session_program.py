"""Starts a session as Recast does, in a process of its own, for test_session.py.

    python -m tests.lakehouse.session_program (start|handed) LOG

Prints one JSON line: the session's settings, and what its JVM says of itself. With `handed` somebody else has started a
session before.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recast.lakehouse import executors, session, sizes

OPTIONS = ("ReservedCodeCacheSize", "TieredStopAtLevel", "MaxHeapSize", "UseG1GC", "UseSerialGC")


def told(spark: SparkSession) -> dict[str, Any]:
    jvm: Any = spark._jvm
    factory = jvm.java.lang.management.ManagementFactory
    bean = factory.getPlatformMXBean(jvm.java.lang.Class.forName("com.sun.management.HotSpotDiagnosticMXBean"))
    return {
        "conf": {row.key: row.value for row in spark.sql("SET").collect()},
        "context": dict(spark.sparkContext.getConf().getAll()),
        "options": {name: bean.getVMOption(name).getValue() for name in OPTIONS},
        "property": jvm.java.lang.System.getProperty("of.the.site"),
        "ui": spark.sparkContext.uiWebUrl,
        "words": executors.first_line(spark, executors.await_executors(spark)),
    }


def main() -> None:
    what, log = sys.argv[1], Path(sys.argv[2])
    before: dict[str, Any] = {}
    if what == "handed":
        builder = SparkSession.builder.master("local[1]").appName("somebody's").config("spark.ui.enabled", "false")
        builder = builder.config("spark.sql.extensions", session.DELTA_EXTENSION)
        handed = builder.getOrCreate()
        before = told(handed)
        with session.application("recast", log) as given:
            assert given.sparkContext is handed.sparkContext
            sizes.fit(given, 42, 2)
            after = told(given)
        stopped = handed.sparkContext._jsc is None
        print("RESULT " + json.dumps({"before": before, "after": after, "stopped": stopped}))
        handed.stop()
        return
    with session.application("recast", log) as ours:
        result = told(ours)
    print("RESULT " + json.dumps(result | {"stopped": ours.sparkContext._jsc is None}))


if __name__ == "__main__":
    main()
