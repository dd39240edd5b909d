"""deploy/systemd: the units are read by systemd itself, where it is, and know Recast's exit statuses."""

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from recast import exits
from tests.conftest import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "systemd"
COMMAND = "/opt/recast/bin/recast"


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=True)  # a key that stands twice is a mistake here
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((FOLDER / name).read_text("utf-8"))
    return parser


SERVICE = unit("recast.service")["Service"]


def test_what_is_no_failure_is_none_for_systemd_either() -> None:
    listed = {int(status) for status in SERVICE["SuccessExitStatus"].split()}
    assert listed == {exits.STOPPED, exits.NOTHING_TO_DO, exits.INTERRUPTED, exits.TERMINATED}


def test_what_another_try_would_not_mend_is_not_tried_again() -> None:
    listed = {int(status) for status in SERVICE["RestartPreventExitStatus"].split()}
    assert listed == {exits.USER_ERROR, exits.GATE_FAILED}
    assert SERVICE["Restart"] == "on-failure"


def test_a_run_is_not_started_twice_nor_ended_for_its_length() -> None:
    """systemd starts a unit of this type once: a start while it works waits for the same run."""
    assert SERVICE["Type"] == "oneshot"
    assert SERVICE["TimeoutStartSec"] == "infinity"
    assert SERVICE["ExecStart"].startswith(f"{COMMAND} refresh ")


def test_the_end_that_systemd_asks_for_is_that_of_control_c() -> None:
    assert SERVICE["KillSignal"] == "SIGINT"


@pytest.mark.slow
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace(COMMAND, "/bin/true"))
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    read = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (read.returncode, read.stdout) == (0, "")
