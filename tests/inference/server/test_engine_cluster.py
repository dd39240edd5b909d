"""GPU scheduling without a GPU: executors with pretended devices on `local-cluster`, and the server they share."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 600

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def run(what: str, folder: Path, model_folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.inference.cluster_program", str(folder), str(model_folder), what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.partition("RESULT ")[2])


def test_each_engine_sees_its_own_device_and_an_executors_tasks_share_one(tmp_path: Path, model_folder: Path) -> None:
    told = run("share", tmp_path, model_folder)
    assert told["profile"], "tasks ask for a share of a GPU"
    assert told["feeders"] == 4, "two for each GPU and chunk"
    assert told["rows"] == told["texts"] == 200
    assert told["second_rows"] == 50
    assert told["statuses"] == ["answered"]
    engines = {(ask["owner"], ask["server"], ask["device"]) for ask in told["asked"]}
    assert sorted(device for _, _, device in engines) == ["0", "1"], "one engine per executor, over both stages"
    assert len({owner for owner, _, _ in engines}) == 2
    assert max(Counter(ask["messages"][-1]["content"] for ask in told["asked"]).values()) == 1, "nothing is asked twice"


def test_model_stages_get_gpu_executors_while_other_stages_keep_executors_without(
    tmp_path: Path, model_folder: Path
) -> None:
    told = run("apart", tmp_path, model_folder)
    assert told["rows"] == told["texts"] == 200
    assert told["statuses"] == ["answered"]
    assert told["second_rows"] == 50
    assert told["feeders"] == 4, "as many as keep both GPUs busy that there may be"
    engines = {(ask["owner"], ask["server"], ask["device"]) for ask in told["asked"]}
    assert {device for _, _, device in engines} <= {"0", "1"}
    assert len({owner for owner, _, _ in engines}) == len(engines) <= 2, (
        "the second stage found the first one's engines"
    )


def test_a_killed_executor_costs_at_most_what_was_in_flight(tmp_path: Path, model_folder: Path) -> None:
    told = run("loss", tmp_path, model_folder)
    assert told["rows"] == told["texts"] == 200
    assert told["statuses"] == ["answered"]
    by_owner = Counter(ask["owner"] for ask in told["asked"])
    assert len(by_owner) >= 2, "others went on"
    paid_twice = sum(Counter(ask["messages"][-1]["content"] for ask in told["asked"]).values()) - 200
    # Two tasks with a window of 4, and what they answered in the 0.2 s since their last flush.
    assert paid_twice <= 2 * (4 + 4)
