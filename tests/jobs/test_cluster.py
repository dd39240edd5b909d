"""Jobs submitted to a real standalone cluster of this machine, by the lines of docs/cluster.md.

What a run says of itself is held against what others saw: master and workers (which applications, which executors) and
Spark's own event log (which task ran where, which settings held).
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyspark
import pytest

from benchmarks.processes import Process, processes
from recast.jobs.catalogue import STAGES
from recast.jobs.settings import Settings
from recast.lakehouse import query, session
from tests import clusters
from tests.clusters import CHECKOUT, HOSTS, KEPT, Cluster, page, submitter
from tests.inference.conftest import write_model
from tests.jobs.lanes import Model, serve, write_pages
from tests.test_docs import blocks

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.cluster]

PAGE = CHECKOUT / "docs" / "cluster.md"


class Place(NamedTuple):
    """A folder with sources, and an environment that names these and a model behind an endpoint."""

    folder: Path
    environment: dict[str, str]

    def settings(self, lake: str) -> Settings:
        return Settings(lake=str(self.folder / lake))

    def runs(self, lake: str) -> list[dict[str, Any]]:
        return query.rows(self.settings(lake), "SELECT * FROM runs ORDER BY started_at")

    def counts(self, lake: str) -> dict[str, tuple[int, int]]:
        """Return rows and kept rows of every table that is there."""
        tables = [name for name in KEPT if query.version(self.settings(lake), name) is not None]
        sums = {
            name: query.rows(self.settings(lake), f"SELECT count(*) AS rows, count_if(kept) AS kept FROM {name}")[0]
            for name in tables
        }
        return {name: (row["rows"], int(row["kept"])) for name, row in sums.items()}

    def run(self, script: str, lake: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a page's lines in a shell."""
        environment = self.environment | {"RECAST_LAKE": str(self.folder / lake)} | environment
        return clusters.run(["bash", "-euc", script], environment)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("submitted")
    sources = clusters.small_sources(folder)
    url, end = serve(Model())
    yield Place(folder, submitter(**sources, RECAST_ENDPOINT=url, RECAST_MODEL="model-a"))
    end()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clusters.cluster(tmp_path_factory.mktemp("cluster") / "two") as running:
        yield running


def lines(heading: str, master: str, number: int = 0, language: str = "bash", **conf: str) -> str:
    """Return the page's lines under a heading, for this master and jars that are there, with more `--conf`."""
    found = [block.text for block in blocks(PAGE) if block.heading == heading and block.language == language][number]
    told = found.replace("spark://head:7077", master)
    told = re.sub(r"--packages \S+ ", "", told)
    more = " ".join(f"--conf {name}={value}" for name, value in conf.items())
    return re.sub(r"(spark-submit|recast refresh \w+) ", rf"\1 {more} ", told) if more else told


def assert_on_executors(run: dict[str, Any], cluster: Cluster) -> None:
    clusters.require_executors(run)
    assert run["master"] == cluster.master
    assert (run["executors"], run["executor_cores"]) == (2, 2)


class Watch(threading.Thread):
    """Sees helpers of the linter start and whose they are, while something runs."""

    def __init__(self) -> None:
        super().__init__()
        self.ending = threading.Event()
        self.helpers: dict[int, list[Process]] = {}

    def run(self) -> None:
        while not self.ending.wait(0.3):
            now = processes()
            for pid, process in now.items():
                if "/program/worker.py" in process.command and pid not in self.helpers:
                    self.helpers[pid] = list(ancestors(process, now))

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.join()


def ancestors(process: Process, among: dict[int, Process]) -> Iterator[Process]:
    while process := among.get(process.parent):  # type: ignore[assignment]
        yield process


class Nine(NamedTuple):
    done: "subprocess.CompletedProcess[str]"
    helpers: dict[int, list[Process]]
    runs: list[dict[str, Any]]
    left: list[Process]


@pytest.fixture(scope="module")
def nine(two_workers: Cluster, place: Place) -> Nine:
    """All nine jobs, submitted one after the other."""
    # Without a number to expect, a run goes on when no executor has come for two seconds.
    conf = clusters.recorded(place.folder / "events") | {"spark.cores.max": "2"}
    script = lines("Standalone: a program for each table", two_workers.master, **conf)
    with Watch() as watch:
        done = place.run(script, "lake")
    time.sleep(1)  # a program ends a moment before its executors
    left = [each for each in processes().values() if each.pid in watch.helpers]
    return Nine(done, watch.helpers, place.runs("lake") if done.returncode == 0 else [], left)


def test_nine_jobs_are_nine_applications_with_executors_on_both_workers(nine: Nine, two_workers: Cluster) -> None:
    assert nine.done.returncode == 0, nine.done.stdout + nine.done.stderr
    seen = {each.id: each for each in two_workers.applications()}
    assert [run["table_name"] for run in nine.runs] == list(STAGES)
    assert len({run["application_id"] for run in nine.runs}) == 9
    for run in nine.runs:
        assert_on_executors(run, two_workers)
        application = seen[run["application_id"]]
        assert application.state == "FINISHED"
        assert application.executors == dict.fromkeys(HOSTS, 1)
    hosts = {host for run in nine.runs for host in run["tasks_by_host"]}
    assert hosts == set(HOSTS)


def test_nine_jobs_make_the_right_tables(nine: Nine, place: Place) -> None:
    assert place.counts("lake") == KEPT


def test_a_run_says_first_where_it_runs_and_how_much_it_got(nine: Nine, two_workers: Cluster) -> None:
    said = [line.partition(" ")[2] for line in nine.done.stdout.splitlines() if ": Spark " in line]
    begin = f"Spark {pyspark.__version__} on {two_workers.master}, application"
    got = "2 executors with 2 cores on 2 hosts (asked for: 2 cores)"
    assert said == [f"run {run['run_id']}: {begin} {run['application_id']}: {got}" for run in nine.runs]


def test_the_tasks_that_a_run_counts_are_those_of_sparks_own_record(nine: Nine, place: Place) -> None:
    for run in nine.runs:
        told = clusters.record(place.folder / "events", run["application_id"])
        assert "driver" not in told.tasks_by_executor
        # One task on each executor looks whether it has what the stage needs, before the run begins.
        counted = run["tasks_by_host"]
        assert all(counted[host] <= told.tasks_by_host[host] for host in counted)
        assert sum(told.tasks_by_host.values()) - sum(counted.values()) <= 2
        assert run["executor_seconds"] > 0


def test_the_linters_helpers_run_on_executors_and_end_with_them(nine: Nine) -> None:
    assert nine.helpers
    for above in nine.helpers.values():
        assert any("CoarseGrainedExecutorBackend" in each.command for each in above)
        assert not any("SparkSubmit" in each.command for each in above)
    assert nine.left == []


def test_a_lane_is_one_application(two_workers: Cluster, place: Place) -> None:
    before = len(two_workers.applications())
    done = place.run(
        lines("Standalone: a lane in one application", two_workers.master, **{"spark.cores.max": "2"}), "one lake"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs = place.runs("one lake")
    assert len(runs) == 9 and len({run["application_id"] for run in runs}) == 1
    assert len(two_workers.applications()) == before + 1
    for run in runs:
        assert_on_executors(run, two_workers)
    assert place.counts("one lake") == KEPT


def test_refresh_runs_on_the_master_that_its_options_name(two_workers: Cluster, place: Place) -> None:
    script = lines("`recast refresh` on a cluster", two_workers.master, **clusters.recorded(place.folder / "options"))
    done = place.run(script.replace("refresh math", "refresh raw_math"), "options lake")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = place.runs("options lake")
    assert_on_executors(run, two_workers)
    told = clusters.record(place.folder / "options", run["application_id"])
    assert told.settings["spark.sql.shuffle.partitions"] == "8"
    assert "spark.sql.shuffle.partitions" not in told.changed
    assert place.counts("options lake") == {"raw_math": KEPT["raw_math"]}


def test_refresh_runs_where_spark_defaults_say_and_keeps_what_they_set(two_workers: Cluster, place: Place) -> None:
    conf = place.folder / "conf"
    conf.mkdir()
    file = lines("`recast refresh` on a cluster", two_workers.master, language="text")
    conf_more = clusters.recorded(place.folder / "defaults") | {"spark.cores.max": "2"}
    more = "".join(f"{name} {value}\n" for name, value in conf_more.items())
    (conf / "spark-defaults.conf").write_text(file + more)
    script = lines("`recast refresh` on a cluster", two_workers.master, number=1)
    script = script.replace("SPARK_CONF_DIR=conf", f"SPARK_CONF_DIR={conf}").replace("refresh math", "refresh raw_math")
    done = place.run(script, "defaults lake")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = place.runs("defaults lake")
    assert_on_executors(run, two_workers)
    told = clusters.record(place.folder / "defaults", run["application_id"])
    for line in file.splitlines():
        name, value = line.split(maxsplit=1)
        if name != "spark.driver.extraJavaOptions":  # Spark puts its own before it
            assert told.settings[name] == value
        assert name not in told.changed
    assert "-XX:+UseG1GC" in told.settings["spark.driver.extraJavaOptions"]


def test_spark_says_itself_that_it_takes_no_python_driver_onto_a_standalone_cluster(
    two_workers: Cluster, place: Place
) -> None:
    before = len(two_workers.applications())
    done = place.run(f"spark-submit --master {two_workers.master} --deploy-mode cluster jobs/ingest_math.py", "no lake")
    assert done.returncode == 1
    assert (
        "Cluster deploy mode is currently not supported for python applications on standalone clusters." in done.stderr
    )
    assert len(two_workers.applications()) == before


def test_a_python_driver_runs_on_a_worker_by_sparks_own_class_and_its_end_is_in_the_log_alone(
    two_workers: Cluster, place: Place
) -> None:
    (jar,) = (jar for jar in session.delta_jars() if jar.name.startswith("delta-storage"))
    heading = "The driver on the cluster"
    script = lines(heading, two_workers.master).replace("/opt/recast/delta-storage-4.4.0.jar", str(jar))
    script = script.replace("/opt/recast/jobs", str(CHECKOUT / "jobs"))
    source = place.environment["RECAST_MATH_SOURCE"]

    def submitted(math_source: str) -> "subprocess.CompletedProcess[str]":
        lake = str(place.folder / "driver lake")
        told = script.replace("s3a://bucket/lake", f"'{lake}'").replace("s3a://bucket/math", f"'{math_source}'")
        return place.run(told, "driver lake")

    done = submitted(source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is FINISHED" in done.stderr
    (run,) = place.runs("driver lake")
    clusters.require_executors(run)
    assert run["executors"] == 1, "the driver holds the other worker's core"
    assert place.counts("driver lake") == {"raw_math": KEPT["raw_math"]}
    assert two_workers.applications()[-1].name == "recast"
    failed = submitted(str(place.folder / "nowhere"))
    assert "is FAILED" in failed.stderr
    assert failed.returncode == 0, "Spark says so in its log alone: mend docs/cluster.md once it does better"
    outputs = [file.read_text("utf-8") for file in two_workers.folder.glob("worker-*/driver-*/stdout")]
    assert any("recast: " in output and "nowhere" in output for output in outputs)


def test_deploy_mode_client_may_be_said_and_a_failed_job_fails_its_submit(two_workers: Cluster, place: Place) -> None:
    client = (
        f"spark-submit --master {two_workers.master} --conf spark.cores.max=2 --deploy-mode client jobs/ingest_math.py"
    )
    done = place.run(client, "client lake")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = place.runs("client lake")
    assert_on_executors(run, two_workers)
    refused = place.run(client, "client lake", RECAST_MATH_SOURCE=str(place.folder / "nowhere"))
    assert refused.returncode == 2
    assert refused.stdout.splitlines()[-1].startswith("recast: ")


MODEL_PAGES = 60
ANSWER_S = 1.0
WINDOW = 2


class Survived(NamedTuple):
    """A model stage on two pretended GPUs, one of whose executors was killed in the middle."""

    status: int
    output: str
    asked: list[dict[str, Any]]
    asked_when_killed: list[dict[str, Any]]
    journaled: int
    killed: int
    owners: dict[int, str]
    cluster: Cluster
    place: Place


@pytest.fixture(scope="module")
def survived(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    folder = tmp_path_factory.mktemp("gpus")
    stub = CHECKOUT / "tests" / "jobs" / "stub_vllm"
    write_pages(folder / "math", [(f"https://a.org/{number}", page(number)) for number in range(1, MODEL_PAGES + 1)])
    record = folder / "asked"
    record.touch()
    environment = place.environment | {
        "RECAST_LAKE": str(folder / "lake"),
        "RECAST_MATH_SOURCE": str(folder / "math"),
        "RECAST_MODEL": str(write_model(folder / "model", context=8192)),
        "RECAST_ENGINE_ARGS": f"--record {record} --answer-s {ANSWER_S}",
        "RECAST_WINDOW": str(WINDOW),
    }
    del environment["RECAST_ENDPOINT"]

    def asked() -> list[dict[str, Any]]:
        return [json.loads(line) for line in record.read_text("utf-8").splitlines()]

    def journaled() -> int:
        names = [file.name for file in (folder / "lake" / "_work").rglob("b*.rows-*.parquet")]
        return sum(int(re.search(r"\.rows-(\d+)\.", name)[1]) for name in names)  # type: ignore[index]

    with clusters.cluster(folder / "cluster", cores=2, gpus=1, python_path=(stub,)) as running:
        script = lines("GPUs", running.master).replace("refresh.py math", "refresh.py raw_math rewritten_math")
        with (folder / "output").open("wb") as output:
            program = subprocess.Popen(
                ["bash", "-euc", script],
                cwd=CHECKOUT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                deadline = time.monotonic() + clusters.SUBMIT_S
                while program.poll() is None and not (len({each["owner"] for each in asked()}) == 2 and journaled()):
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                kept, owners, now, killed = 0, {}, [], 0
                if program.poll() is None:
                    everything = processes()
                    owners = {each["owner"]: everything[each["owner"]].command for each in asked()}
                    killed, kept = asked()[0]["owner"], journaled()
                    os.kill(killed, signal.SIGKILL)
                    now = asked()
                status = program.wait(clusters.SUBMIT_S)
            finally:
                clusters.end(program)
        yield Survived(
            status, (folder / "output").read_text(), asked(), now, kept, killed, owners, running,
            place._replace(folder=folder),
        )  # fmt: skip


def test_each_engine_has_its_own_device_and_belongs_to_an_executor(survived: Survived) -> None:
    assert survived.status == 0, survived.output
    first = {(each["owner"], each["device"]) for each in survived.asked_when_killed}
    assert sorted(device for _, device in first) == ["0", "1"]
    for command in survived.owners.values():
        assert "CoarseGrainedExecutorBackend" in command
    later = {(each["owner"], each["device"]) for each in survived.asked} - first
    assert {device for _, device in later} <= {dict(first)[survived.killed]}, "another executor took over its GPU"


def test_a_killed_executor_costs_nothing_but_what_was_in_flight(survived: Survived) -> None:
    assert survived.status == 0, survived.output
    assert survived.place.counts("lake")["rewritten_math"] == (MODEL_PAGES, MODEL_PAGES)
    times = Counter(each["text"] for each in survived.asked)
    assert len(times) == MODEL_PAGES
    twice = {text for text, count in times.items() if count > 1}
    assert max(times.values()) <= 2
    assert twice <= {each["text"] for each in survived.asked_when_killed if each["owner"] == survived.killed}
    # In flight, or answered since the journal's last flush.
    assert len(twice) <= len(survived.asked_when_killed) - survived.journaled
    (run,) = [run for run in survived.place.runs("lake") if run["table_name"] == "rewritten_math"]
    clusters.require_executors(run)


def test_no_engine_and_no_helper_outlives_its_application(survived: Survived) -> None:
    deadline = time.monotonic() + 30
    (application,) = survived.cluster.applications()
    names = (str(survived.place.folder), application.id)
    while left := [
        each for each in processes().values() if any(name in each.command for name in names) and is_ours(each)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def is_ours(process: Process) -> bool:
    """Say whether a process is not the cluster's own, which ends with the test."""
    return "org.apache.spark.deploy" not in process.command
