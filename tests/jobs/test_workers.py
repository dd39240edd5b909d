"""What tasks need of a worker's Python: what is sent along, what is missing, and in which words."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recast import __version__
from recast.jobs import workers
from recast.jobs.catalogue import STAGES
from recast.jobs.settings import Settings
from recast.udfs.python.linter import lint

# Prints what a program finds that runs from nothing but a zip.
FROM_ZIP = """
import sys
import recast
from recast import lakehouse, prompts, udfs
from importlib import resources
from recast.jobs.workers import digest_of
from recast.udfs.python.linter import lint
assert all(archive in package.__file__ for archive in sys.path[1:2] for package in (lakehouse, prompts, udfs)), sys.path
print(recast.__version__, len(prompts.names()), prompts.load("style_code_v1").fingerprint)
print((resources.files("recast.lakehouse") / "log4j2.properties").is_file(), digest_of("recast"))
print([result.lint_score for result in lint.lint(["X = 1\\n", "import os\\n"])])
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recast as workers get it."""
    packed = tmp_path_factory.mktemp("sent") / "recast.zip"
    workers.pack(packed)
    return packed


def run(program: str, archive: Path, folder: Path, *arguments: str) -> str:
    """Return what a program prints that finds Recast in a zip and in no other place."""
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(archive), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_a_zip_holds_all_that_a_worker_reads_and_lints(archive: Path, tmp_path: Path) -> None:
    from recast import prompts

    version, found, scores = run(FROM_ZIP, archive, tmp_path).splitlines()
    assert version == f"{__version__} {len(prompts.names())} {prompts.load('style_code_v1').fingerprint}"
    assert found == f"True {workers.digest_of('recast')}"
    assert scores == str([result.lint_score for result in lint.lint(["X = 1\n", "import os\n"])])


def test_a_zip_of_a_zip_is_the_same(archive: Path, tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from recast.jobs import workers; workers.pack(Path(sys.argv[1]))"
    run(program, archive, tmp_path, "again.zip")
    listed = "import sys, zipfile\nfor name in sys.argv[1:]:\n print({i.filename: i.CRC for i in zipfile.ZipFile(name).infolist()})"
    one, other = run(listed, archive, tmp_path, str(archive), "again.zip").splitlines()
    assert eval(one) == eval(other)  # noqa: S307 two dictionaries that were just printed


def found_by(task: Any) -> tuple[str, bool, bool, dict[str, str]]:
    """Run a worker's check here, and return the one row that it yields."""
    unread = iter([0, 1])
    (batch,) = task(unread)
    assert list(unread) == [], "Spark ends a process that leaves input unread"
    (row,) = batch.to_pylist()
    return row["place"], row["lake"], row["recast"], dict(row["problems"])


def test_every_stage_names_modules_that_there_are() -> None:
    needs = {module: [] for stage in STAGES.values() for module in stage.needs}  # type: ignore[var-annotated]
    assert {"recast.udfs.python.linter.lint", "recast.inference.rewrite"} <= set(needs)
    assert workers.look(needs).problems == {}
    place, lake, same, problems = found_by(workers.task(needs))
    assert place.startswith(sys.executable)
    assert lake
    assert same
    assert problems == {}


def test_a_worker_that_does_not_see_the_lake_says_so(tmp_path: Path) -> None:
    """A folder of the driver's own disk: rows that workers elsewhere write there would be lost."""
    with workers.marked(Settings(lake=str(tmp_path / "lake"))) as mark:
        _, lake, _, _ = found_by(workers.task([], mark))
        assert lake
    _, lake, _, _ = found_by(workers.task([], mark))
    assert not lake


def test_another_recast_is_told_from_the_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the other is left in memory, so that what the driver sends is what tasks import."""
    asked = workers.task(["recast.udfs.python.linter.lint"])
    (tmp_path / "recast").mkdir()
    (tmp_path / "recast" / "__init__.py").write_text("")
    for name in [name for name in sys.modules if name.partition(".")[0] == "recast"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as elsewhere:
        elsewhere.syspath_prepend(str(tmp_path))
        _, _, same, problems = found_by(asked)
    assert not same
    assert problems == {}
    assert "recast" not in sys.modules


def test_what_is_missing_is_one_line_that_says_for_what_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {
        "no_such_library": ["rewritten_math"],
        "recast.udfs.python.linter.lint": ["linted_code", "styled_code"],
        "json": ["raw_code"],
    }
    asked = workers.task(needs)
    lint.close()
    monkeypatch.setitem(lint.VERSIONS, "pylint", "3.3.9")
    place, _, _, problems = found_by(asked)
    line = workers.words(workers.Found(place, True, True, problems), needs, workers.PLACES)
    assert line == (
        f"{place}: No module named 'no_such_library' (needed for rewritten_math); the linter needs pylint 3.3.9, found "
        f"{importlib.metadata.version('pylint')} (needed for linted_code, styled_code). Do `pip install "
        "recast-lakehouse` in the workers' Python (spark.pyspark.python), or send an environment with --archives: "
        "docs/cluster.md"
    )
    assert workers.look(needs).problems == problems, "where tasks run in the driver's Python, the same is said"


def test_a_server_of_recasts_own_needs_vllm_and_an_endpoint_does_not() -> None:
    class Session:
        conf: ClassVar[dict[str, str]] = {}

    def needed(**settings: str) -> set[str]:
        return set(workers.needed_by(Session, Settings(**settings), [STAGES["rewritten_math"]]))  # type: ignore[arg-type]

    assert needed(model="m") - needed(model="m", endpoint="http://host/v1") == {"vllm"}
    assert needed(model="m", server="sglang") - needed(model="m") == {"sglang"}
    Session.conf = {"spark.recast.gpu.amount": "1"}
    assert "vllm" not in needed(model="m"), "executors of their own come up later"


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (
            "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
            "version: 3.12 than that in driver: 3.11, PySpark cannot run with different minor versions.\n",
            "the workers run Python 3.12 and the driver 3.11: give both the same with --conf spark.pyspark.python=PATH, "
            "and PYSPARK_DRIVER_PYTHON for the driver",
        ),
        (
            'java.io.IOException: Cannot run program "/opt/python": error=2, No such file or directory\n\tat java...',
            "the workers have no /opt/python: name the Python that they have with --conf spark.pyspark.python=PATH",
        ),
        ("something else\nand more", "no Python task runs on the workers: something else"),
    ],
)
def test_why_no_task_ran_is_one_line(trace: str, line: str) -> None:
    assert workers.why_no_task_ran(Exception(trace), "/opt/python") == line
