"""Jobs on workers that have libraries and no Recast: what goes along with `--py-files`, and what is said when that is not
enough. docs/cluster.md shows the same lines.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark
import pytest

from recast.jobs import workers
from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests.jobs.lanes import Lane, Model
from tests.sources import write_code

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHECKOUT = Path(__file__).parents[2]
LIBRARIES = Path(sysconfig.get_path("purelib"))
TIMEOUT_S = 1500  # a job takes a minute on two idle cores


def platform_python(folder: Path, without: str = "") -> Path:
    """Make a Python that has this one's libraries, none whose name begins with `without`, and no Recast."""
    venv.EnvBuilder(symlinks=True).create(folder)
    seen = LIBRARIES
    if without:
        seen = folder / "libraries"
        seen.mkdir()
        for path in LIBRARIES.iterdir():
            if not path.name.startswith(without):
                (seen / path.name).symlink_to(path)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Only libraries: files of this kind in that folder, such as that of an editable Recast, are not read in turn.
    (folder / "lib" / version / "site-packages" / "libraries.pth").write_text(f"{seen}\n")
    python = folder / "bin" / "python"
    command = [python, "-c", "import click, pyspark, recast"]
    without_recast = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert "No module named 'recast'" in without_recast.stderr
    return python


@pytest.fixture(scope="module")
def lake(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake whose next table is linted_code."""
    folder = tmp_path_factory.mktemp("lake")
    source = write_code(folder, {"a/b": {"good.py": '"""Say X."""\n\nX = 1\n', "bad.py": "import os\nprint(y )\n"}})
    settings = Settings(
        lake=str(folder / "lake"), code_source=str(source / "data"), code_contents=str(source / "content")
    )
    Lane(settings, Model()).refresh("raw_code", "parsed_code")
    return settings


Submit = Callable[[Path, Path], subprocess.CompletedProcess[str]]


@pytest.fixture
def submit(lake: Settings, tmp_path: Path) -> Submit:
    """Submit jobs/lint_code.py to two workers with a package of Recast and the Python of driver and workers."""

    def submitted(package: Path, python: Path) -> subprocess.CompletedProcess[str]:
        workers.pack(package)
        job = tmp_path / "lint_code.py"
        shutil.copy(CHECKOUT / "jobs" / "lint_code.py", job)
        command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local-cluster[2,1,1024]"]
        options = ["--conf", "spark.ui.enabled=false", "--py-files", str(package)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RECAST_"))}
        environment |= {"PYSPARK_PYTHON": str(python)}
        environment["PYSPARK_DRIVER_PYTHON"] = str(platform_python(tmp_path / "driver"))
        return subprocess.run(
            [*command, *options, str(job), "--lake", lake.lake],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return submitted


@pytest.mark.spark
@pytest.mark.slow
def test_workers_without_pylint_are_found_out_before_the_first_stage(
    submit: Submit, lake: Settings, tmp_path: Path
) -> None:
    ended = submit(tmp_path / "recast.zip", platform_python(tmp_path / "workers", without="pylint"))
    assert ended.returncode == 2, ended.stdout
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("recast: ")]
    assert "the linter needs pylint 4.1.4, and there is none (needed for linted_code). Do `pip install" in line
    assert str(tmp_path / "workers" / "bin" / "python") in line
    assert "Traceback" not in ended.stdout
    assert query.version(lake, "linted_code") is None, "nothing was planned"


@pytest.mark.spark
@pytest.mark.slow
def test_a_wheel_which_spark_gives_to_no_worker_is_enough(submit: Submit, lake: Settings, tmp_path: Path) -> None:
    ended = submit(tmp_path / "recast_lakehouse-0-py3-none-any.whl", platform_python(tmp_path / "workers"))
    assert ended.returncode == 0, ended.stdout
    rows = query.rows(lake, "SELECT path, kept, lint_status FROM linted_code ORDER BY path")
    assert rows == [
        {"path": "bad.py", "kept": False, "lint_status": "scored"},
        {"path": "good.py", "kept": True, "lint_status": "scored"},
    ]
