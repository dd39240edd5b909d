"""A real standalone Spark cluster on this machine, of pip's pyspark: a master and workers, each on a host name of its own.

Workers listen on 127.0.0.1, 127.0.0.2 and so on, so that Spark takes them for two hosts. Whoever started a cluster can
ask master and workers, over their web pages' JSON, which applications they ran: what an application says of itself is
then held against what the cluster saw.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyspark

from tests.jobs.lanes import write_pages
from tests.sources import write_code

CHECKOUT = Path(__file__).parents[1]
PYSPARK = Path(pyspark.__file__).parent
BINARIES = Path(sys.executable).parent
START_S = 60.0
END_S = 10.0
ASK_S = 10.0
SUBMIT_S = 3600.0  # nine programs on a busy machine
STARTED_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
STARTED_PAGE = re.compile(r"Bound \w+ to \S+, and started at (http://\S+)")
HOSTS = ("127.0.0.1", "127.0.0.2")
"""Hosts of a cluster of two workers."""

FILES: dict[str, str | bytes] = {
    "good.py": '"""Sums."""\n\n\ndef total(values):\n    """Return the sum of `values`."""\n    return sum(values)\n',
    "fine.py": '"""Powers."""\n\n\ndef squared(value):\n    """Return the square."""\n    return value * value\n',
    "bad.py": "import os\nfrom sys import *\ndef F(a,b):\n  try: return a\n  except: pass\n",
    "old.py": "print 'x'\n",
    "empty.py": " \n",
}
KEPT = {
    "raw_code": (5, 5),
    "parsed_code": (5, 3),
    "linted_code": (3, 2),
    "styled_code": (2, 2),
    "optimized_code": (2, 2),
    "published_code": (2, 2),
    "raw_math": (4, 3),
    "rewritten_math": (3, 3),
    "published_math": (3, 3),
}
"""Table -> rows and kept rows that the small sources come to, with the model of tests/jobs/lanes.py."""


class Application(NamedTuple):
    """An application as the cluster saw it: `executors` counts those that each worker's host ran for it."""

    id: str
    name: str
    state: str
    executors: dict[str, int]


@dataclass
class Cluster:
    """A running cluster: its master's URL, its page, and the processes behind both."""

    master: str
    page: str
    folder: Path
    environment: dict[str, str]
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def workers(self) -> list[dict[str, Any]]:
        """Return the workers that are registered, as the master's JSON tells them."""
        return [worker for worker in asked(self.page)["workers"] if worker["state"] == "ALIVE"]

    def applications(self) -> list[Application]:
        """Return every application that the master has seen, oldest first."""
        told = asked(self.page)
        ran: dict[str, Counter[str]] = {}
        for worker in self.workers():
            about = asked(worker["webuiaddress"])
            for executor in about["executors"] + about["finishedexecutors"]:
                ran.setdefault(executor["appid"], Counter())[worker["host"]] += 1
        seen = sorted(told["activeapps"] + told["completedapps"], key=lambda each: each["id"])
        return [Application(each["id"], each["name"], each["state"], dict(ran.get(each["id"], {}))) for each in seen]


def asked(page: str) -> dict[str, Any]:
    """Return what a master's or worker's page says as JSON."""
    with urllib.request.urlopen(f"{page}/json/", timeout=ASK_S) as response:
        told: dict[str, Any] = json.loads(response.read())
    return told


@contextlib.contextmanager
def cluster(
    folder: Path, workers: int = 2, cores: int = 1, memory: str = "1g", gpus: int = 0, python_path: Iterable[Path] = ()
) -> Iterator[Cluster]:
    """Run a master and workers until the block ends; logs and work folders lie in `folder`.

    `gpus` are pretended ones that each worker has, with addresses of its own across the cluster. `python_path` comes
    before the checkout on the workers' PYTHONPATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conf").mkdir()
    # What somebody set for jobs of this machine is not for the cluster. Its machines have Recast installed.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("RECAST_", "SPARK_", "PYSPARK_"))
    }
    environment |= {
        "SPARK_HOME": str(PYSPARK),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
        "PYTHONPATH": os.pathsep.join(map(str, (*python_path, CHECKOUT))),
        "PATH": f"{BINARIES}{os.pathsep}{environment['PATH']}",
    }
    processes: list[subprocess.Popen[bytes]] = []
    try:
        master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        processes.append(started(master, folder / "master.log", environment | {"SPARK_LOCAL_IP": "127.0.0.1"}))
        url = said(folder / "master.log", STARTED_MASTER, processes[0])
        page = said(folder / "master.log", STARTED_PAGE, processes[0])
        running = Cluster(url, page, folder, environment, processes)
        for number in range(workers):
            host = f"127.0.0.{number + 1}"
            settings = {}
            if gpus:
                addresses = json.dumps([str(number * gpus + gpu) for gpu in range(gpus)])
                discovery = folder / f"gpus-{number}.sh"
                discovery.write_text(f'#!/bin/sh\necho \'{{"name": "gpu", "addresses": {addresses}}}\'\n')
                discovery.chmod(0o755)
                settings = {
                    "spark.worker.resource.gpu.amount": str(gpus),
                    "spark.worker.resource.gpu.discoveryScript": str(discovery),
                }
            properties = folder / f"worker-{number}.properties"
            properties.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
            worker = [
                "org.apache.spark.deploy.worker.Worker",
                *("--host", host, "--port", "0", "--webui-port", "0", "--cores", str(cores), "--memory", memory),
                *("--work-dir", str(folder / f"worker-{number}"), "--properties-file", str(properties), url),
            ]
            log = folder / f"worker-{number}.log"
            processes.append(started(worker, log, environment | {"SPARK_LOCAL_IP": host}))
        deadline = time.monotonic() + START_S
        while len(running.workers()) < workers:
            ended = [process for process in processes if process.poll() is not None]
            assert not ended and time.monotonic() < deadline, logs(folder)
            time.sleep(0.2)
        yield running
    finally:
        for process in reversed(processes):
            end(process)


def started(arguments: list[str], log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start one of the cluster's own programs; executors that it starts are in its process group."""
    command = [str(PYSPARK / "bin" / "spark-class"), *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def said(log: Path, pattern: re.Pattern[str], process: "subprocess.Popen[bytes]") -> str:
    """Wait for a line of a program's log and return the group of the pattern that it meets."""
    deadline = time.monotonic() + START_S
    while not (found := pattern.search(log.read_text("utf-8", "replace"))):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8", "replace")[-2000:]
        time.sleep(0.1)
    return found[1]


def end(process: "subprocess.Popen[Any]") -> None:
    """End a program and all in its process group, as a worker's executors are."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    process.wait()


def logs(folder: Path) -> str:
    """Return the last lines of the cluster's logs."""
    return "\n".join(f"{log.name}:\n{log.read_text('utf-8', 'replace')[-2000:]}" for log in folder.glob("*.log"))


def submitter(**more: str) -> dict[str, str]:
    """Return the environment of a shell in which somebody has switched on Recast's environment, and nothing else."""
    names = ("RECAST_", "SPARK_", "PYSPARK_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    path = f"{BINARIES}{os.pathsep}{environment['PATH']}"
    return environment | {"PATH": path, "PYTHONPATH": str(CHECKOUT), "SPARK_LOCAL_IP": "127.0.0.1"} | more


def small_sources(folder: Path) -> dict[str, str]:
    """Write five blobs and four pages below `folder`; return the settings that name them, and no configuration file."""
    write_code(folder / "code", {"a/b": FILES})
    pages: list[tuple[str, str | None]] = [(f"https://a.org/{number}", page(number)) for number in (30, 40, 50)]
    write_pages(folder / "math", [*pages, ("https://a.org/empty", None)])
    (folder / "recast.toml").write_text("")
    return {
        "RECAST_CODE_SOURCE": str(folder / "code" / "data"),
        "RECAST_CODE_CONTENTS": str(folder / "code" / "content"),
        "RECAST_MATH_SOURCE": str(folder / "math"),
        "RECAST_CONFIG": str(folder / "recast.toml"),
    }


def page(number: int) -> str:
    """Return a page that asks and answers one question."""
    return (
        f"Home | Login\n\nA train travels {2 * number} km in 2 hours. How fast is it? {2 * number} / 2 = {number} km/h."
    )


def run(command: list[str], environment: dict[str, str], folder: Path = CHECKOUT) -> "subprocess.CompletedProcess[str]":
    """Run a command in `folder` and return what it said; its two streams stay apart. What it started ends with the test."""
    program = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = program.communicate(timeout=SUBMIT_S)
    except BaseException:
        end(program)
        raise
    return subprocess.CompletedProcess(command, program.returncode, output, errors)


def recorded(folder: Path) -> dict[str, str]:
    """Return the settings by which Spark keeps its own record of an application (the event log) in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": folder.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
    }


class Record(NamedTuple):
    """An application by its event log: settings it started with, ended tasks by executor's host, settings changed since."""

    settings: dict[str, str]
    java: dict[str, str]
    tasks_by_host: dict[str, int]
    tasks_by_executor: dict[str, int]
    changed: dict[str, str]


def record(folder: Path, application_id: str) -> Record:
    """Read an application's event log, of which Spark wrote every line."""
    (log,) = folder.glob(f"{application_id}*")
    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    (environment,) = [event for event in events if event["Event"] == "SparkListenerEnvironmentUpdate"]
    ended = [event["Task Info"] for event in events if event["Event"] == "SparkListenerTaskEnd"]
    changed: dict[str, str] = {}
    for event in events:
        changed |= event.get("modifiedConfigs") or {}
    return Record(
        dict(environment["Spark Properties"]),
        dict(environment["JVM Information"]),
        dict(Counter(task["Host"] for task in ended)),
        dict(Counter(task["Executor ID"] for task in ended)),
        changed,
    )


def require_executors(run: dict[str, Any]) -> None:
    """Fail where a row of `runs` does not say that all its tasks ran on executors of the cluster it names."""
    tasks = run["tasks_by_host"]
    assert sum(tasks.values()) > 0, f"{run['table_name']} counts no task"
    assert not run["master"].startswith("local["), f"{run['table_name']} ran on {run['master']}"
    assert "driver" not in tasks, f"{tasks['driver']} tasks of {run['table_name']} ran in the driver"
    assert run["executors"] > 0 and run["executor_cores"] > 0
