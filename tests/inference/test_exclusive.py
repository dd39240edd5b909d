"""Who may send requests to a shared engine, and what becomes of those who wait for a process that is stopped."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recast.inference import exclusive, locks
from recast.inference.exclusive import EngineLock
from recast.inference.server.process import locked
from recast.inference.server.spec import EngineError

Make = Callable[[], EngineLock]
ROOT = Path(__file__).parents[2]


HOLDER = """
import asyncio, sys, time
from pathlib import Path
from recast.inference.exclusive import EngineLock

async def alone():
    async with EngineLock(Path(sys.argv[1])).exclusive():
        print("held", flush=True)
        time.sleep(60)

if sys.argv[2] == "alone":
    asyncio.run(alone())
inside = EngineLock(Path(sys.argv[1]))
assert inside.share()
print("held", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def holder(folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """A process that shares the engine, or holds it exclusively."""
    command = [sys.executable, "-c", HOLDER, str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def feeder(tmp_path: Path) -> Iterator[Callable[[], EngineLock]]:
    """Make feeders' parts in one lock; it is freed after the test."""
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(contextlib.closing(EngineLock(tmp_path)))


async def be_alone(own: EngineLock, timeout_s: float = 5.0) -> float:
    """Return after how many seconds this feeder was alone."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s), own.exclusive():
        return time.monotonic() - began


def test_who_wants_to_be_alone_waits_for_the_others_and_is_then_alone(feeder: Make) -> None:
    own, other = feeder(), feeder()
    assert other.share()

    async def meet() -> None:
        asyncio.get_running_loop().call_later(0.3, other.release)
        async with own.exclusive():
            assert not other.share()
        assert other.share()

    asyncio.run(meet())


@pytest.mark.parametrize("how", ["inside", "alone"])
def test_the_locks_of_a_killed_feeder_are_free(tmp_path: Path, feeder: Make, how: str) -> None:
    with holder(tmp_path, how) as process:
        process.kill()
        process.wait()
        assert asyncio.run(be_alone(feeder())) < 2


@pytest.mark.parametrize("how", ["inside", "alone"])
def test_a_stopped_feeder_is_named_and_not_waited_for_without_end(
    tmp_path: Path, feeder: Make, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(locks, "STOPPED_PATIENCE_S", 0.3)
    with holder(tmp_path, how) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(EngineError, match=rf"process {process.pid}, .* is stopped: let it go on \(kill -CONT"):
            asyncio.run(be_alone(feeder()))


def test_who_wants_to_join_does_not_wait_without_end_for_a_stopped_feeder_that_is_alone(
    tmp_path: Path, feeder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STOPPED_PATIENCE_S", 0.2)
    own = feeder()
    with holder(tmp_path, "alone") as process:
        process.send_signal(signal.SIGSTOP)
        assert not own.share()
        time.sleep(0.3)
        with pytest.raises(EngineError, match=f"process {process.pid}"):
            own.share()


def test_a_feeder_that_was_stopped_and_goes_on_is_waited_for(
    tmp_path: Path, feeder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STOPPED_PATIENCE_S", 0.4)
    own = feeder()
    with holder(tmp_path, "alone") as process:
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            assert not own.share()
            time.sleep(0.25)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
            assert not own.share()


def test_a_feeder_that_runs_and_never_drains_is_not_waited_for_without_end(
    feeder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "DRAIN_PATIENCE_S", 0.2)
    other = feeder()
    assert other.share()
    own = feeder()
    with pytest.raises(EngineError, match="requests of other tasks are still in flight after"):
        asyncio.run(be_alone(own))
    assert feeder().share(), "the door is open again"


def test_an_engine_whose_starter_is_stopped_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STOPPED_PATIENCE_S", 0.3)
    with holder(tmp_path, "inside") as stopped:
        stopped.send_signal(signal.SIGSTOP)
        with pytest.raises(EngineError, match=f"process {stopped.pid}"), locked(tmp_path / "requests"):
            pass
