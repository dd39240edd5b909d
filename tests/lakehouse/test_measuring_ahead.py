"""Chunks measured ahead of the one handed out: a run that leaves early must not go on buying them."""

import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from recast.lakehouse import refresh
from recast.lakehouse.chunks import Chunk

CHUNKS = [Chunk(number, str(number), None) for number in range(4)]


class Jobs:
    """A Spark context that cancels only the jobs under way at that moment, as Spark's does, and the chunks it measures."""

    def __init__(self) -> None:
        self.cancelled: dict[int, threading.Event] = {}
        self.measured: list[int] = []

    def setJobGroup(self, *_: Any, **__: Any) -> None:  # noqa: N802 (Spark's name)
        """Take part in no group."""

    def cancelJobGroup(self, _: str) -> None:  # noqa: N802 (Spark's name)
        """Cancel what runs now."""
        for job in list(self.cancelled.values()):
            job.set()

    def measure(self, _work: Any, chunk: Chunk) -> None:
        """Plan for a moment, then run a job that ends by itself for the first chunk only."""
        if chunk.number:
            time.sleep(0.1)
            job = self.cancelled[chunk.number] = threading.Event()
            if job.wait(20):
                raise RuntimeError("cancelled")
        self.measured.append(chunk.number)


def test_a_chunk_that_is_still_being_planned_when_the_run_stops_is_not_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs()
    monkeypatch.setattr(refresh, "stage_chunk", jobs.measure)
    monkeypatch.setattr(refresh, "CANCEL_EVERY_S", 0.05)
    work: Any = SimpleNamespace(spark=SimpleNamespace(sparkContext=jobs), stage=SimpleNamespace(name="notes"))
    meter: Any = SimpleNamespace(job_group="group", step=lambda _: nullcontext())
    limits: Any = SimpleNamespace(reached=lambda: "")
    ahead = refresh.measured_ahead(work, CHUNKS, meter, limits)
    assert next(ahead).number == 0
    ahead.close()
    assert jobs.measured == [0]


def test_when_a_limit_is_reached_no_further_chunk_begins_and_those_that_did_are_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(refresh, "stage_chunk", lambda _work, chunk: measured.append(chunk.number))
    work: Any = SimpleNamespace(spark=SimpleNamespace(sparkContext=Jobs()), stage=SimpleNamespace(name="notes"))
    meter: Any = SimpleNamespace(job_group="group", step=lambda _: nullcontext())
    limits: Any = SimpleNamespace(reached=lambda: "stopped")
    assert [chunk.number for chunk in refresh.measured_ahead(work, CHUNKS, meter, limits)] == [0, 1]
    assert measured == [0, 1]
