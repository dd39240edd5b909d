"""Ten kills at random moments of a real run; `python -m benchmarks.crash` makes it fifty."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import crash

ROOT = Path(__file__).parent.parent.parent

FINE = dict.fromkeys(("rows_lost", "rows_doubled", "rows_wrong"), 0) | {"requests_paid_twice": 9, "in_flight_bound": 9}


@pytest.mark.parametrize("fault", ["rows_lost", "rows_doubled", "rows_wrong", "requests_paid_twice"])
def test_a_count_that_must_not_be_is_a_fault(fault: str) -> None:
    assert crash.faults_of(FINE) == []
    assert crash.faults_of(FINE | {fault: FINE[fault] + 1}) == [fault]


@pytest.mark.spark
@pytest.mark.slow
def test_ten_kills_lose_nothing_double_nothing_and_cost_at_most_what_was_in_flight() -> None:
    command = [sys.executable, "-m", "benchmarks.crash", "--kills", "10", "--docs", "150", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert crash.faults_of(told) == []
    assert told["kills"] == sum(told["by_victim"].values()) == 10
    assert min(told["by_victim"].values()) >= 2
    assert told["rows_lost"] == told["rows_doubled"] == told["rows_wrong"] == 0
    assert told["requests_paid_twice"] <= told["in_flight_bound"]


@pytest.mark.spark
@pytest.mark.slow
def test_six_killed_engines_make_no_document_poison() -> None:
    """Every few seconds, so that requests are alone when it happens: five of these rows were called poison once."""
    options = ["--kills", "6", "--docs", "60", "--seed", "3", "--victims", "engine", "--between", "0.5", "5"]
    command = [sys.executable, "-m", "benchmarks.crash", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["by_victim"] == {"engine": 6}
    assert told["rows_wrong"] == 0
