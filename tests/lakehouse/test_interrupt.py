"""Ctrl-C and SIGTERM while Spark works."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests.jobs.lanes import write_pages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_refresh_in_one_line_and_the_same_command_goes_on(
    sent: signal.Signals, status: int, word: str, tmp_path: Path
) -> None:
    """In a process of its own: Python gives signals to the main thread alone, which a test need not run in."""
    write_pages(tmp_path / "pages", [(f"https://a.org/{number}", f"{number} + 1") for number in range(5)])
    names = {name: value for name, value in os.environ.items() if not name.startswith(("RECAST_", "PYSPARK_"))}
    (tmp_path / "recast.toml").write_text('lake = "lake"\nmath_source = "pages"\n')
    command = [sys.executable, "-m", "recast", "refresh", "raw_math", "--json"]
    lines = []
    with subprocess.Popen(command, cwd=tmp_path, env=names, stdout=-1, stderr=-1, text=True) as running:
        for line in running.stderr or ():
            lines.append(line)
            if " run " in line:  # Spark is there
                running.send_signal(sent)
        assert running.stdout
        said = json.loads(running.stdout.read())
    assert (running.returncode, said["exit_status"], said["ended"]) == (status, status, word), lines
    assert lines[-1] == f"recast: {word}; what was committed stays, and the same command goes on from there\n"
    assert not any("Traceback" in line or "failed" in line for line in lines), lines
    told = query.rows(Settings(lake=str(tmp_path / "lake")), "SELECT run_id, status, problem FROM runs")
    assert told in ([], [{"run_id": said["run_id"], "status": "interrupted", "problem": word}])
    assert said["run_id"]
    subprocess.run(command, cwd=tmp_path, env=names, check=True, capture_output=True)
    assert query.row_count(Settings(lake=str(tmp_path / "lake")), "raw_math") == 5
