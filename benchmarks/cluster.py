"""Jobs on a standalone cluster of this machine: where tasks ran, the cost of a submit, the gain of a second worker.

    python -m benchmarks.cluster [--files N]

prints one JSON line. A master and two workers of one core each (pip's pyspark, `tests/clusters.py`) run

* the nine jobs, each submitted by itself, over five blobs and four pages (`seconds_nine_submits`),
* the same nine tables in one application, `jobs/refresh.py code math` (`seconds_one_submit`),
* `parsed_code` of 42 files: `plan_seconds_small` is its plan step,
* `linted_code` of `--files` files of benchmarks/corpus.py on both workers and on one: `lint_speedup_two_workers` is the
  quotient of the two measure steps.

`tasks_by_host` and `tasks_on_driver` are counted in Spark's own event logs, `applications_seen_by_master` by the master.
Driver, both executors, both linters and the model's endpoint share this machine's cores: on two of them, wait for a
load near zero. `load` is what the machine had to do before (the one-minute average).
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks import corpus
from recast.jobs.catalogue import STAGES
from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests import clusters
from tests.clusters import Cluster
from tests.jobs.lanes import Model, serve
from tests.sources import write_code

SMALL_ROWS = 42
WORKERS = 2
NOTHING: Mapping[str, str] = MappingProxyType({})
VERBS = {
    "raw": "ingest",
    "parsed": "parse",
    "linted": "lint",
    "styled": "style",
    "optimized": "optimize",
    "rewritten": "rewrite",
    "published": "publish",
}
"""What a table's name begins with -> what its job's name begins with."""


@dataclass
class Bench:
    """A cluster, a folder for lakes, an environment that names sources and a model, and how much was submitted."""

    cluster: Cluster
    folder: Path
    environment: dict[str, str]
    jobs_run: int = 0

    def submit(self, lake: str, *arguments: str, sources: Mapping[str, str] = NOTHING, cores: int = WORKERS) -> float:
        """Submit a job's file with its arguments for so many cores; return the seconds it took."""
        conf = clusters.recorded(self.folder / "events") | {"spark.cores.max": str(cores)}
        confs = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
        command = ["spark-submit", "--master", self.cluster.master, *confs, *arguments]
        begun = time.monotonic()
        done = clusters.run(command, {**self.environment, "RECAST_LAKE": str(self.folder / lake), **sources})
        if done.returncode:
            sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        self.jobs_run += 1
        return time.monotonic() - begun

    def steps(self, lake: str, table: str) -> dict[str, float]:
        """Return the seconds that each step of a table's run took."""
        (row,) = query.rows(
            Settings(lake=str(self.folder / lake)), f"SELECT seconds_by_step FROM runs WHERE table_name = '{table}'"
        )
        return dict(row["seconds_by_step"])


def job_of(table: str) -> str:
    """Return the file that makes a table alone."""
    made, _, lane = table.partition("_")
    return f"jobs/{VERBS[made]}_{lane}.py"


def code_source(folder: Path, texts: list[str]) -> dict[str, str]:
    """Write texts as a code source; return the settings that name it."""
    write_code(folder, {"a/b": {f"file_{number}.py": text for number, text in enumerate(texts)}})
    return {"RECAST_CODE_SOURCE": str(folder / "data"), "RECAST_CODE_CONTENTS": str(folder / "content")}


def measure(folder: Path, files: int) -> dict[str, Any]:
    load = os.getloadavg()[0]
    url, end = serve(Model())
    environment = clusters.submitter(**clusters.small_sources(folder), RECAST_ENDPOINT=url, RECAST_MODEL="model-a")
    texts = [file.text for file in corpus.files()[:files]]
    small = code_source(folder / "small", [f'"""Number {number}."""\n\nX = {number}\n' for number in range(SMALL_ROWS)])
    many = code_source(folder / "many", texts)
    try:
        with clusters.cluster(folder / "cluster", WORKERS) as running:
            bench = Bench(running, folder, environment)
            nine_s = sum(bench.submit("nine", job_of(table)) for table in STAGES)
            one_s = bench.submit("one", "jobs/refresh.py", "code", "math")
            bench.submit("small", "jobs/refresh.py", "raw_code", "parsed_code", sources=small)
            bench.submit("two", "jobs/refresh.py", "raw_code", "parsed_code", sources=many)
            shutil.copytree(folder / "two", folder / "single")
            bench.submit("two", "jobs/lint_code.py", sources=many)
            bench.submit("single", "jobs/lint_code.py", cores=1, sources=many)
            applications = running.applications()
            workers = len(running.workers())
        two_s, single_s = (bench.steps(lake, "linted_code")["measure"] for lake in ("two", "single"))
        tasks: Counter[str] = Counter()
        on_driver = 0
        for application in applications:
            told = clusters.record(folder / "events", application.id)
            tasks.update(told.tasks_by_host)
            on_driver += told.tasks_by_executor.get("driver", 0)
        return {
            "workers": workers,
            "applications_seen_by_master": len(applications),
            "applications_on_both_workers": sum(len(each.executors) == 2 for each in applications),
            "tasks_by_host": dict(tasks),
            "tasks_on_driver": on_driver,
            "jobs_run": bench.jobs_run,
            "seconds_one_submit": round(one_s, 1),
            "seconds_nine_submits": round(nine_s, 1),
            "plan_seconds_small": round(bench.steps("small", "parsed_code")["plan"], 1),
            "rows_small": SMALL_ROWS,
            "lint_files": len(texts),
            "lint_seconds_one_worker": round(single_s, 1),
            "lint_seconds_two_workers": round(two_s, 1),
            "lint_speedup_two_workers": round(single_s / two_s, 2),
            "load": round(load, 1),
        }
    finally:
        end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200, help="files to lint, of benchmarks/corpus.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recast-cluster-") as folder:
        print(json.dumps(measure(Path(folder), options.files)))


if __name__ == "__main__":
    main()
