"""How servers ended, and why they did not start."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.inference.server import diagnosis, engine, process
from recast.inference.server.spec import EngineError, EngineSpec
from tests.inference.server.serving import facts, gone, wait_until

Make = Callable[..., EngineSpec]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "from_outside", "words"),
    [
        (signal.SIGKILL, True, "somebody ended it with signal 9"),
        (signal.SIGTERM, True, "somebody ended it with signal 15"),
        (signal.SIGSEGV, False, "signal 11"),
    ],
)
def test_the_watcher_tells_how_a_server_ended(
    fake_engine: Make, how: signal.Signals, from_outside: bool, words: str
) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    os.kill(facts(first)["pid"], how)
    wait_until(lambda: process.state(first) == process.DEAD)
    second = engine.connect(spec)
    assert diagnosis.ending(first) == (from_outside, words), "and goes on telling when another has taken its place"
    assert second.instance != first.instance


@pytest.mark.parametrize(
    ("returncode", "oom_kills", "from_outside"),
    [
        (1, 0, False),
        (0, 0, False),
        (-signal.SIGABRT, 0, False),
        (-signal.SIGKILL, 0, True),
        (-signal.SIGKILL, 1, False),
        (128 + signal.SIGKILL, 0, True),
        (128 + signal.SIGSEGV, 0, False),
        (None, 0, False),
    ],
)
def test_an_end_is_from_outside_if_a_signal_ended_the_server_and_memory_was_not_short(
    returncode: int | None, oom_kills: int, from_outside: bool
) -> None:
    assert diagnosis._ending(returncode, oom_kills).from_outside == from_outside


@pytest.mark.slow
def test_an_end_that_nobody_saw_is_from_outside(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "ENDING_PATIENCE_S", 0.5)
    running = engine.connect(fake_engine())
    server = json.loads((Path(running.folder) / "server.json").read_text())
    os.kill(server["watcher"], signal.SIGKILL)
    wait_until(lambda: gone(server["server"]))
    assert diagnosis.ending(running).from_outside


def test_a_server_that_cannot_start_says_why_with_its_last_log_lines(fake_engine: Make) -> None:
    with pytest.raises(EngineError) as raised:
        engine.connect(fake_engine("--fail-start", "Free memory on device is less than desired"))
    first_line, *rest = str(raised.value).splitlines()
    assert "RuntimeError: Free memory on device is less than desired" in first_line
    assert "end what nvidia-smi shows" in first_line
    assert "  loading the model" in rest
