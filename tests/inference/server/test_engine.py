"""Connecting to an engine: found again, and started ahead."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from recast.inference.server import engine, process
from recast.inference.server.spec import EngineSpec
from recast.jobs import workers

Make = Callable[..., EngineSpec]


def test_a_second_caller_finds_the_first_ones_server(fake_engine: Make) -> None:
    spec = fake_engine()
    first, second = engine.connect(spec), engine.connect(spec)
    assert first == second
    assert first.label == "vllm 0.0-fake on cpu"
    assert process.starts(first) == 1


@pytest.mark.slow
def test_a_server_starts_where_recast_lies_in_a_zip(fake_engine: Make, tmp_path: Path) -> None:
    """Spark puts such a zip on a worker's path by its relative name."""
    workers.pack(tmp_path / "recast.zip")
    program = """
import json, sys
from recast.inference.server import engine, process
from recast.inference.server.spec import EngineSpec
given = json.loads(sys.argv[1])
running = engine.connect(EngineSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}))
print(engine.__file__, process.state(running))
process.stop(running)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, json.dumps(asdict(fake_engine()))],
        cwd=tmp_path,
        env={"PYTHONPATH": "recast.zip", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [
        str(tmp_path / "recast.zip" / "recast" / "inference" / "server" / "engine.py"),
        process.ALIVE,
    ]


def test_prewarm_starts_the_server_that_tasks_find(fake_engine: Make) -> None:
    spec = fake_engine()
    engine.prewarm(spec).join()
    assert process.starts(engine.connect(spec)) == 1


def test_prewarm_of_a_model_that_is_not_there_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    engine.prewarm(EngineSpec(model="/no/such/model")).join()
    assert "model folder /no/such/model does not exist" in caplog.text
