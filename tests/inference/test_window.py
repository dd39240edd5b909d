"""The window and the pauses: as much as the engine takes, and no more."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from recast.inference import retry
from recast.inference.server import process
from recast.inference.server.engine import connect
from recast.inference.server.spec import EngineSpec
from recast.inference.window import Window
from tests.inference.feeding import batch, run, spec_for, statuses

Make = Callable[..., EngineSpec]


def test_no_more_requests_are_in_flight_than_the_window_allows(fake_engine: Make) -> None:
    engine = fake_engine()
    run(spec_for(engine, window=5), batch(*[f"[[slow 0.01]] {index}" for index in range(60)]))
    status, body = process.probe(connect(engine).address, "/facts")
    assert status == 200
    assert json.loads(body)["most_running"] == 5


def test_a_request_that_is_always_refused_slows_no_other_and_is_given_up(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_FACTOR", 1.0)
    texts = ["[[busy 1000000]]", *[f"[[slow 0.01]] {index}" for index in range(60)]]
    rows = run(spec_for(endpoint(), patience_s=0.5), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered") | {"[[busy 1000000]]": "request_failed"}
    assert next(row["error"] for row in rows if row["text"] == "[[busy 1000000]]") == "503: busy"


@pytest.mark.slow
def test_an_endpoint_that_refuses_half_of_what_its_callers_send_costs_no_row(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_FACTOR", 2.0)
    engine = endpoint("--refuse-above", "1")
    found: list[dict[str, Any]] = []

    def task(name: str) -> None:
        found.extend(run(spec_for(engine), batch(*[f"[[slow 0.002]] {name}{index}" for index in range(40)])))

    tasks = [threading.Thread(target=task, args=(name,)) for name in "abc"]
    for thread in tasks:
        thread.start()
    for thread in tasks:
        thread.join()
    assert Counter(row["answer_status"] for row in found) == {"answered": 120}


def test_the_window_of_an_own_engine_doubles_until_requests_wait() -> None:
    window = Window(0, own=True)
    for _ in range(3):
        window.follow(running=int(window.size), waiting=0, in_flight=int(window.size))
    assert window.size == 256
    window.follow(running=100, waiting=156, in_flight=256)
    assert window.size < 256
    window.follow(running=3, waiting=0, in_flight=3)
    assert window.size < 256, "it does not grow while there is nothing to send"


def test_the_window_of_an_endpoint_halves_once_for_a_burst_of_refusals() -> None:
    window = Window(0, own=False)
    sent_at = time.monotonic()
    assert [window.cut(sent_at) for _ in range(8)] == [True] + [False] * 7
    assert window.size == 4


def test_a_fixed_window_stays_for_an_own_engine() -> None:
    window = Window(7, own=True)
    window.follow(running=7, waiting=0, in_flight=7)
    assert window.size == 7


def test_a_fixed_window_of_an_own_engine_comes_back_after_a_refusal() -> None:
    window = Window(16, own=True)
    window.cut(time.monotonic())
    assert window.size == 8
    window.follow(running=8, waiting=0, in_flight=8)
    assert window.size == 16
