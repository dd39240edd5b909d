"""How long a run waits for its executors, on a clock that the test turns."""

from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse import executors
from lakehouse.executors import Executor


def waited(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[int | None, int | None], arrivals: list[float]
) -> tuple[int, float]:
    """Let executors of two cores come at those seconds; return how many were waited for, and how long."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def at_work(_: Any) -> list[Executor]:
        return [Executor(str(i), "h", 2, True, 0, 0.0) for i, at in enumerate(arrivals) if at <= now]

    monkeypatch.setattr(executors, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setattr(executors, "at_work", at_work)
    monkeypatch.setattr(executors, "asked_for", lambda _: asked)
    return len(executors.await_executors(None)), now  # type: ignore[arg-type]


def test_a_run_begins_once_all_are_there_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, (2, 4), [0.0, 0.0]) == (2, 0.0)
    for asked in ((2, 4), (2, None), (None, 4)):
        came, seconds = waited(monkeypatch, asked, [1.0, 9.0])
        assert came == 2
        assert 9.0 <= seconds < 10.0


def test_a_run_goes_on_with_those_that_came(monkeypatch: pytest.MonkeyPatch) -> None:
    came, seconds = waited(monkeypatch, (3, 6), [1.0, 2.0])
    assert came == 2
    assert 2.0 + executors.SHORT_S <= seconds < 20.0
    came, seconds = waited(monkeypatch, (None, None), [1.0, 2.0])
    assert came == 2
    assert seconds < 5.0


def test_a_run_waits_a_minute_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    came, seconds = waited(monkeypatch, (None, None), [1000.0])
    assert came == 0
    assert executors.WAIT_S <= seconds < executors.WAIT_S + 1
