"""deploy/systemd: the units are read by systemd itself, where it is, and know Recast's exit statuses."""

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from recast import exits
from recast.jobs.names import LANES
from recast.lakehouse import session
from tests.conftest import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "systemd"
COMMAND = "/opt/recast/bin/recast"


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=True)  # a key that stands twice is a mistake here
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((FOLDER / name).read_text("utf-8"))
    return parser


SERVICE = unit("recast@.service")["Service"]
TIMER = unit("recast@.timer")["Timer"]


def test_what_is_no_failure_is_none_for_systemd_either() -> None:
    listed = set(SERVICE["SuccessExitStatus"].split())
    statuses = {exits.STOPPED, exits.NOTHING_TO_DO, exits.INTERRUPTED, exits.TERMINATED}
    # systemd ends a lane that waits for the other one by the signal itself.
    assert listed == {*map(str, statuses), SERVICE["KillSignal"]}


def test_what_another_try_would_not_mend_is_not_tried_again() -> None:
    listed = {int(status) for status in SERVICE["RestartPreventExitStatus"].split()}
    assert listed == {exits.USER_ERROR, exits.GATE_FAILED}
    assert SERVICE["Restart"] == "on-failure"


def test_a_run_is_not_started_twice_nor_ended_for_its_length() -> None:
    """systemd starts a unit of this type once: a start while it works waits for the same run."""
    assert SERVICE["Type"] == "oneshot"
    assert SERVICE["TimeoutStartSec"] == "infinity"


def test_a_unit_refreshes_one_lane_alone() -> None:
    """In one command a lane that fails, or stops at a limit, keeps those after it from beginning."""
    assert f" {COMMAND} refresh %i --json " in SERVICE["ExecStart"]
    assert "Unit" not in TIMER  # so it starts the service of its own instance


def test_a_lane_waits_while_the_other_works_and_gets_its_signals_itself(tmp_path: Path) -> None:
    flock, option, lock, *command = SERVICE["ExecStart"].split()
    assert (lock, command[0]) == (f"%t/{SERVICE['RuntimeDirectory']}/lanes.lock", COMMAND)
    assert (
        SERVICE["RuntimeDirectoryPreserve"] == "yes"
    )  # else the first lane to end removes the lock that the other waits for
    if not Path(flock).exists():
        pytest.skip("this machine has no flock")
    locked = [flock, option, str(tmp_path / "lock"), "sh", "-c"]
    with subprocess.Popen([*locked, "echo $$; exec sleep 60"], text=True, stdout=subprocess.PIPE) as code:
        assert code.stdout and code.stdout.readline() == f"{code.pid}\n"
        with subprocess.Popen([*locked, "echo begun"], text=True, stdout=subprocess.PIPE) as math:
            with pytest.raises(subprocess.TimeoutExpired):
                math.wait(0.5)
            code.terminate()
            assert math.stdout and math.stdout.read() == "begun\n"


def test_the_end_that_systemd_asks_for_is_that_of_control_c() -> None:
    assert SERVICE["KillSignal"] == "SIGINT"


def test_the_page_has_the_owner_fetch_deltas_jars_by_the_python_of_the_unit() -> None:
    page = (CHECKOUT / "docs" / "schedules" / "systemd.md").read_text("utf-8")
    python = Path(COMMAND).with_name("python")
    assert f"\n{python} -m {session.__name__} " in page


@pytest.mark.slow
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace(COMMAND, "/bin/true"))
    units = [str(tmp_path / f"recast@{lane}.{kind}") for lane in LANES for kind in ("service", "timer")]
    command = ["systemd-analyze", "verify", *units]
    read = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (read.returncode, read.stdout) == (0, "")
