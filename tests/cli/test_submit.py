"""A job's file under `spark-submit`, from a checkout, a lake and sources whose paths hold spaces."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark
import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests import clusters
from tests.jobs.lanes import Lane, Model
from tests.sources import write_code
from tests.test_docs import blocks

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("recast", "cli", "inference", "jobs", "lakehouse", "udfs", "prompts", "schemas")


@pytest.mark.spark
@pytest.mark.slow
def test_a_job_runs_under_spark_submit_from_a_folder_whose_name_holds_spaces(
    spark: "SparkSession", tmp_path: Path
) -> None:
    checkout = tmp_path / "my checkout, with spaces"
    for package in PACKAGES:
        shutil.copytree(
            CHECKOUT / package, checkout / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    source = write_code(checkout / "my sources", {"a/b": {"good.py": "X = 1\n", "old.py": "print 'x'\n"}})
    settings = Settings(
        lake=str(checkout / "my lake"), code_source=str(source / "data"), code_contents=str(source / "content")
    )
    Lane(settings, Model()).refresh("raw_code")

    # As after `source .venv/bin/activate`. PYSPARK_PYTHON, which this session's Spark has set, may hold no space there.
    binaries = Path(sys.executable).parent
    submit = [str(binaries / "spark-submit"), "jobs/parse_code.py"]
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(checkout), "PATH": path}
    environment.pop("PYSPARK_PYTHON", None)

    def submitted(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*submit, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )

    program = submitted("--lake", "my lake")
    assert program.returncode == 0, program.stderr
    rows = query.rows(settings, "SELECT path, reason FROM parsed_code ORDER BY path")
    assert rows == [{"path": "good.py", "reason": None}, {"path": "old.py", "reason": "python2"}]
    # spark-submit prints both of a program's streams on its own standard output, and Spark's log on standard error.
    said, spark_said = program.stdout.splitlines(), program.stderr
    assert re.match(r"\d\d:\d\d:\d\d run \d{8}T\d{6}-[0-9a-f]{6}: Spark ", said[0])
    assert re.match(r"\d\d:\d\d:\d\d where time went: ", said[-1])
    assert len([line for line in said if "✓ parsed_code: 2 rows, 1 kept in " in line]) == 1
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in said)
    assert len(set(said)) == len(said)
    assert "parsed_code: " not in spark_said

    refused = submitted("--lake", "my lake", "--chunk-rows", "0")
    assert refused.returncode == 2
    assert refused.stdout.splitlines() == ["recast: chunk_rows is 0; give 1 or more"]

    shutil.rmtree(checkout / "my lake" / "parsed_code")
    for file in (checkout / "my lake" / "raw_code").glob("*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)  # another size would be noticed before the stage begins
    failed = submitted("--lake", "my lake")
    assert failed.returncode == 1
    assert failed.stdout.splitlines()[-1].startswith("recast: parsed_code failed: ")
    assert "✗ parsed_code failed after " in failed.stdout


@pytest.mark.spark
@pytest.mark.slow
def test_a_job_runs_on_the_master_that_it_is_submitted_to(spark: "SparkSession", tmp_path: Path) -> None:
    source = write_code(tmp_path, {"a/b": {"good.py": "X = 1\n", "more.py": "Y = 2\n", "old.py": "print 'x'\n"}})
    settings = Settings(
        lake=str(tmp_path / "lake"), code_source=str(source / "data"), code_contents=str(source / "content")
    )
    Lane(settings, Model()).refresh("raw_code")
    page = blocks(CHECKOUT / "docs" / "cluster.md")
    (script,) = (block.text for block in page if block.heading == "This machine as a cluster")
    recorded = " ".join(f"--conf {name}={value}" for name, value in clusters.recorded(tmp_path / "events").items())
    script = script.replace("spark-submit", f"spark-submit {recorded}")
    done = clusters.run(["bash", "-euc", script], clusters.submitter(RECAST_LAKE=settings.lake))
    assert done.returncode == 0, done.stdout + done.stderr

    assert len(query.rows(settings, "SELECT doc_id FROM parsed_code WHERE kept")) == 2
    (run,) = query.rows(settings, "SELECT * FROM runs WHERE table_name = 'parsed_code'")
    clusters.require_executors(run)
    assert (run["master"], run["executors"], run["executor_cores"]) == ("local-cluster[2,1,1024]", 2, 2)
    begin = f"Spark {pyspark.__version__} on local-cluster[2,1,1024], application {run['application_id']}: "
    came = "2 executors with 2 cores on 1 host (asked for: 2 executors, 2 cores)"
    assert done.stdout.splitlines()[0].endswith(f"run {run['run_id']}: {begin}{came}")
    told = clusters.record(tmp_path / "events", run["application_id"])
    assert told.settings["spark.master"] == "local-cluster[2,1,1024]"
    assert told.settings["spark.sql.shuffle.partitions"] == "8"
    assert "spark.sql.shuffle.partitions" not in told.changed
    assert set(told.tasks_by_executor) == {"0", "1"}


def test_a_run_whose_tasks_ran_in_the_driver_is_no_run_on_a_cluster() -> None:
    run = {"table_name": "t", "master": "spark://h:7077", "executors": 2, "executor_cores": 2}
    clusters.require_executors(run | {"tasks_by_host": {"h1": 3, "h2": 1}})
    for tasks in ({"driver": 4}, {"h1": 3, "driver": 1}, {}):
        with pytest.raises(AssertionError):
            clusters.require_executors(run | {"tasks_by_host": tasks})
    with pytest.raises(AssertionError):
        clusters.require_executors(run | {"master": "local[*]", "tasks_by_host": {"h1": 3}})
