"""A thinned run of the hostile files; `python -m benchmarks.hostile` judges all of them, and goes through both lanes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hostile_files, hostile_lane

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


def test_no_hostile_file_ends_a_worker_harms_its_neighbour_or_goes_without_a_reason() -> None:
    command = [sys.executable, "-m", "benchmarks.hostile", "--cases", "60", "--soft-seconds", "1", "--only", "files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["cases"] >= 60
    assert told["crashed_workers"] == told["wrong_neighbours"] == told["without_reason"] == told["markers"] == 0, (
        done.stderr
    )
    assert told["longest_seconds"] < 30, "a busy machine takes its time; minutes would be a missing limit"


def test_there_are_over_three_thousand_cases_and_every_run_makes_the_same(tmp_path: Path) -> None:
    found = hostile_files.cases(tmp_path)
    assert len(found) + len(hostile_lane.lane().blobs) + len(hostile_lane.lane().pages) >= 3000
    assert len(found) >= 1000
    assert max(len(case.text) for case in found) >= 100_000_000
    assert [hash(case) for case in found] == [hash(case) for case in hostile_files.cases(tmp_path)]
