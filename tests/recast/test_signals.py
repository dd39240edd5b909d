"""Ctrl-C and SIGTERM while a command starts, and while a library passes over them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lakehouse.lakes import write_lake

WORDS = {130: "interrupted", 143: "terminated"}
SLEEPS = "import time\nprint('here', flush=True)\n"


def signalled(folder: Path, sent: signal.Signals, *arguments: str) -> tuple[int, str, str]:
    """Run a command that prints a line and waits, since a module of `folder` does; return how a signal ends it."""
    command = [sys.executable, "-m", "recast", *arguments]
    # Of the working directory: modules that lie there are found first.
    with subprocess.Popen(command, cwd=folder, stdout=-1, stderr=-1, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "here\n"
        running.send_signal(sent)
        said, problem = running.communicate(timeout=20)
    return running.returncode, said, problem


def line(status: int) -> str:
    return f"recast: {WORDS[status]}; what was committed stays, and the same command goes on from there\n"


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("module", ["click", "rich"])
def test_a_signal_ends_a_command_in_one_line_also_while_it_imports(
    tmp_path: Path, module: str, sent: signal.Signals, status: int
) -> None:
    """The command line itself imports click, and the command imports rich."""
    write_lake(tmp_path / "lake")
    (tmp_path / f"{module}.py").write_text(f"{SLEEPS}time.sleep(60)\n")
    assert signalled(tmp_path, sent, "status", "--lake", "lake") == (status, "", line(status))


@pytest.mark.slow
def test_a_signal_ends_a_command_also_where_a_library_raises_something_else(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake")
    hiding = "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise ImportError('it fails') from None\n"
    (tmp_path / "rich.py").write_text(SLEEPS + hiding)
    assert signalled(tmp_path, signal.SIGINT, "status", "--lake", "lake") == (130, "", line(130))


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_scheduler_is_told_of_a_signal(tmp_path: Path, sent: signal.Signals, status: int) -> None:
    (tmp_path / "pyspark.py").write_text(f"{SLEEPS}time.sleep(60)\n")
    ended, said, problem = signalled(tmp_path, sent, "refresh", "math", "--json", "--lake", "lake")
    facts = json.loads(said)
    assert (ended, facts["exit_status"], facts["ended"], problem) == (status, status, WORDS[status], line(status))
