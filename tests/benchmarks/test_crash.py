"""Ten kills at random moments of a real run; `python -m benchmarks.crash` makes it fifty."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_ten_kills_lose_nothing_double_nothing_and_cost_at_most_what_was_in_flight() -> None:
    command = [sys.executable, "-m", "benchmarks.crash", "--kills", "10", "--docs", "150", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["kills"] == sum(told["by_victim"].values()) == 10
    assert min(told["by_victim"].values()) >= 2
    assert told["rows_lost"] == told["rows_doubled"] == told["rows_wrong"] == 0
    assert told["requests_paid_twice"] <= told["in_flight_bound"]
