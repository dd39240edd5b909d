"""What tests share. Tests without the marker `spark` start no JVM."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import hypothesis
import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The same examples every time, and no deadline: on a busy machine the first import of a codec takes longer than one.
hypothesis.settings.register_profile("recast", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("recast")

# What imports bring is never garbage; Python's own 700 would look through it again and again.
gc.set_threshold(50_000)

# Ctrl-C is ignored of a shell's background job, and of the programs that tests start with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).parents[1]
REFRESH_TIMEOUT_S = 1500


class FinishedLake(NamedTuple):
    """A lake that `recast refresh` built of the small samples: real Spark, real pylint, real vLLM.

    Attributes:
        folder: where its tables lie.
        env: environment in which commands of the virtual environment find it.
        log: what the run printed.
    """

    folder: Path
    env: dict[str, str]
    log: str


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """The one Spark session of the whole test run; starting it takes about ten seconds."""
    from recast.lakehouse import session, sizes

    folder = tmp_path_factory.mktemp("spark")
    running = session.start("recast-tests", folder / "spark.log", rows=sizes.OPTIMISED_FROM_ROWS)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def finished_lake(tmp_path_factory: pytest.TempPathFactory) -> FinishedLake:
    """The one finished lake of the whole test run; building it takes minutes. Tests that change a lake copy it.

    RECAST_TEST_LAKE names a finished lake, as `make run` leaves one, to use instead while writing tests.
    """
    binaries = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RECAST_", "PYSPARK_"))}
    env |= {"PATH": f"{binaries}{os.pathsep}{env['PATH']}", "RECAST_CONFIG": str(CHECKOUT / "recast.toml")}
    given = os.environ.get("RECAST_TEST_LAKE")
    if given:
        folder = Path(given).absolute()
        return FinishedLake(folder, env | {"RECAST_LAKE": str(folder)}, "")
    root = tmp_path_factory.mktemp("finished")
    small = root / "sources" / "small"
    env |= {
        "RECAST_LAKE": str(root / "lake"),
        "RECAST_CODE_SOURCE": str(small / "code" / "data"),
        "RECAST_CODE_CONTENTS": str(small / "code" / "content"),
        "RECAST_MATH_SOURCE": str(small / "math"),
    }
    log = ""
    sampled = [sys.executable, "-m", "samples", "--output", str(root / "sources"), "--subset", "small"]
    for command in (sampled, [str(binaries / "recast"), "refresh"]):
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=env,
            text=True,
            timeout=REFRESH_TIMEOUT_S,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log += done.stdout
        assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{log}"
    return FinishedLake(root / "lake", env, log)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without recast.toml, and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("RECAST_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
