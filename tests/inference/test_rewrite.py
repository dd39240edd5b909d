"""The feeder: every row comes out once, with an answer or with the reason why there is none."""

import contextlib
import hashlib
import itertools
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pyarrow as pa
import pytest

from recast.inference import answers, feeder, journal
from recast.inference import request as asking
from recast.inference import rewrite as spark_side
from recast.inference.rewrite import ANSWER_FIELDS, STATUSES, ErrorBudgetError, RewriteSpec, feeders_on, rewrite
from recast.inference.server import engine as engines
from recast.inference.server.engine import EngineError, EngineSpec

Make = Callable[..., EngineSpec]
ROOT = Path(__file__).parent.parent.parent


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def batch(*texts: str | None) -> pa.RecordBatch:
    """Rows with an int32 and a nested column beside the text, to see that these pass through as they are."""
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array(range(len(texts)), pa.int32()),
            "text": pa.array(texts, pa.string()),
            "input_hash": pa.array([None if text is None else digest(text) for text in texts], pa.string()),
            "places": pa.array([[{"path": str(index)}] for index in range(len(texts))]),
        }
    )


def spec_for(engine: EngineSpec, **fields: Any) -> RewriteSpec:
    return replace(RewriteSpec(engine, system="Be kind.", user_template="{text}", fingerprint="f"), **fields)


def run(spec: RewriteSpec, *batches: pa.RecordBatch) -> list[dict[str, Any]]:
    return [row for answered in rewrite(iter(batches), spec) for row in answered.to_pylist()]


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["text"]: row["answer_status"] for row in rows}


def asked(record: Path) -> Counter[str]:
    """How often each text reached the server, over all its lives."""
    lines = record.read_text().splitlines() if record.exists() else []
    return Counter(json.loads(line)["messages"][-1]["content"] for line in lines)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of production are long; tests keep their proportions and shorten them."""
    monkeypatch.setattr(feeder, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(feeder, "TICK_S", 0.05)


def test_every_row_comes_out_once_with_its_own_columns_and_answer(endpoint: Make) -> None:
    texts = [f"text {index}" for index in range(200)]
    batches = [batch(*texts[:150]), batch(), batch(*texts[150:])]
    out = list(rewrite(iter(batches), spec_for(endpoint())))
    assert all(piece.schema.equals(pa.schema([*batches[0].schema, *ANSWER_FIELDS])) for piece in out)
    rows = [row for piece in out for row in piece.to_pylist()]
    assert Counter(row["text"] for row in rows) == Counter(texts)
    for row in rows:
        assert row["answer"] == row["text"].upper()
        assert row["answer_status"] == "answered"
        assert row["finish_reason"] == "stop"
        assert row["prompt_tokens"] == 4
        assert row["output_tokens"] == 2
        assert row["cached_tokens"] == 1
        assert row["request_seconds"] > 0
        assert row["places"] == [{"path": str(row["id"])}]


def test_an_iterator_without_rows_starts_no_engine() -> None:
    nowhere = EngineSpec(model="/no/such/model")
    assert run(spec_for(nowhere)) == []
    assert run(spec_for(nowhere), batch()) == []


def test_rows_without_text_are_never_sent(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(fake_engine("--record", str(record))), batch(None, "", " \n\t", "word"))
    assert [row["answer_status"] for row in sorted(rows, key=lambda row: row["id"])] == ["empty_input"] * 3 + [
        "answered"
    ]
    assert asked(record) == {"word": 1}


def test_identical_texts_are_asked_once(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(fake_engine("--record", str(record))), batch(*["same"] * 50, "other"), batch(*["same"] * 50))
    assert len(rows) == 101
    assert asked(record) == {"same": 1, "other": 1}


@pytest.mark.slow
def test_the_slowest_request_holds_up_no_other(endpoint: Make) -> None:
    spec = spec_for(endpoint(), window=4)
    order = [row["text"] for row in run(spec, batch("[[slow 1.5]]", *[f"quick {index}" for index in range(100)]))]
    assert order[-1] == "[[slow 1.5]]"


def test_answers_come_out_while_input_is_still_being_read(endpoint: Make) -> None:
    more = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch("first")
        assert more.wait(10), "the first answer never came"
        yield batch("second")

    out = rewrite(batches(), spec_for(endpoint()))
    assert next(out).column("answer").to_pylist() == ["FIRST"]
    more.set()
    assert next(out).column("answer").to_pylist() == ["SECOND"]
    assert list(out) == []


def test_no_more_requests_are_in_flight_than_the_window_allows(fake_engine: Make) -> None:
    engine = fake_engine()
    run(spec_for(engine, window=5), batch(*[f"[[slow 0.01]] {index}" for index in range(60)]))
    status, body = engines._probe(engines.connect(engine).socket or "", "/facts")
    assert status == 200
    assert json.loads(body)["most_running"] == 5


def test_what_the_input_raises_reaches_the_task(endpoint: Make) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch("one")
        raise OSError("the shuffle is gone")

    with pytest.raises(OSError, match="the shuffle is gone"):
        list(rewrite(batches(), spec_for(endpoint())))


def test_a_task_that_is_given_up_leaves_no_thread_behind(endpoint: Make) -> None:
    before = set(threading.enumerate())
    out = rewrite(iter([batch("quick", *["[[hang]] " + str(index) for index in range(10)])]), spec_for(endpoint()))
    next(out)
    out.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_a_fault_of_the_feeders_own_ends_the_task(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: engines.Engine) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(engines, "load", broken)
    monkeypatch.setattr(feeder, "METRICS_EVERY_S", 0.0)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        run(spec_for(fake_engine()), batch("[[slow 5]]"))


def test_a_spec_survives_pickling(endpoint: Make) -> None:
    import pickle

    spec = spec_for(endpoint())
    assert pickle.loads(pickle.dumps(spec)) == spec


# Lengths.


def test_a_prompt_that_leaves_no_room_is_refused_with_its_numbers(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(fake_engine("--record", str(record)), answer_floor=64), batch("w " * 150, "short"))
    refused = next(row for row in rows if row["answer_status"] == "too_long")
    assert re.fullmatch(r"a prompt of 15\d tokens leaves \d\d of the context's 200 for the answer", refused["error"])
    assert asked(record) == {"short": 1}


def test_fifty_megabytes_in_one_row_are_refused_without_being_tokenized(fake_engine: Make) -> None:
    began = time.monotonic()
    rows = run(spec_for(fake_engine()), batch("x" * 50_000_000, *[f"t{index}" for index in range(50)]))
    assert Counter(statuses(rows).values()) == {"too_long": 1, "answered": 50}
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_ten_thousand_rows_of_which_one_has_fifty_megabytes_stream_through(fake_engine: Make) -> None:
    """The large row holds up no other, and Arrow holds little more than that row at any time."""
    held, taken = [], 0
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, 10_000, 250):
            texts = [f"{index} " + "word " * 100 for index in range(start, start + 250)]
            if start == 2_500:
                texts[100] = "x" * 50_000_000
            yield batch(*texts)

    statuses_seen: Counter[str] = Counter()
    for out in rewrite(batches(), spec_for(fake_engine(), window=64)):
        held.append(pa.total_allocated_bytes() - before)
        statuses_seen.update(out.column("answer_status").to_pylist())
        taken += out.num_rows
    assert taken == 10_000
    assert statuses_seen == {"answered": 9_999, "too_long": 1}
    # The row itself, once more in the task's output, and a few hundred short ones of 500 bytes each.
    assert max(held) < 2 * 50_000_000 + 10_000_000


def test_a_waiting_row_holds_no_other_rows_of_its_batch(endpoint: Make) -> None:
    spec = spec_for(endpoint(), window=4)
    first = batch("[[slow 1]]", "x" * 5_000_000)
    large = first.nbytes
    before = pa.total_allocated_bytes()
    source = iter([first])
    del first
    out = rewrite(source, spec)
    rest = next(out)
    assert rest.column("answer_status").to_pylist() == ["answered"] or rest.nbytes > large // 2
    del rest
    assert pa.total_allocated_bytes() - before < large // 2
    out.close()


def test_fifty_megabytes_are_not_sent_to_an_endpoint_of_unknown_vocabulary(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("x" * 50_000_000, "fine"))
    assert Counter(row["answer_status"] for row in rows) == {"too_long": 1, "answered": 1}


def test_fifty_megabytes_are_not_sent_to_an_endpoint_of_unknown_context(endpoint: Make) -> None:
    rows = run(spec_for(endpoint("--context", "0")), batch("x" * 50_000_000, "fine"))
    assert Counter(row["answer_status"] for row in rows) == {"too_long": 1, "answered": 1}


def test_a_guess_at_a_prompts_length_cuts_no_answer_that_would_fit(endpoint: Make) -> None:
    """12,000 characters are 3,000 tokens or so of the 4,096, and 4,016 by the guess, which is on the high side."""
    request = asking.Counter(spec_for(endpoint())).request("key", "word " * 2_400)
    assert isinstance(request, asking.Request)
    assert request.max_tokens > 1_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 50}, 50),
        ({"max_tokens": 8192}, 200 - 14),
        ({"max_tokens": 8192, "answer_allowance": 10, "answer_ratio": 2.0}, 10 + 2 * 10),
        ({"max_tokens": 15, "answer_allowance": 10, "answer_ratio": 2.0}, 15),
    ],
)
def test_max_tokens_follows_context_and_input(fake_engine: Make, fields: dict[str, Any], expected: int) -> None:
    counter = asking.Counter(spec_for(fake_engine(), **fields))
    request = counter.request("key", "w " * 10)
    assert isinstance(request, asking.Request)
    assert abs(request.max_tokens - expected) <= 2


def test_the_text_is_put_in_the_template_and_nothing_else_is_read_as_a_field() -> None:
    spec = RewriteSpec(EngineSpec("m"), system="s", user_template="{0} {text} {x}")
    assert asking.user_message(spec, "a {text} {y}") == "{0} a {text} {y} {x}"


def test_an_endpoints_word_on_length_is_a_too_long(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("[[context]]", "[[context 600]]", "fine"))
    assert statuses(rows) == {"[[context]]": "too_long", "[[context 600]]": "answered", "fine": "answered"}


def test_a_tokenizer_alone_tells_nothing_of_an_endpoints_context(endpoint: Make, model_folder: Path) -> None:
    """Without the context nothing says how much of it the prompt leaves, so the endpoint is asked for less."""
    spec = spec_for(endpoint("--context", "0", tokenizer=str(model_folder), revision="2024-08-06"))
    assert statuses(run(spec, batch("[[context 600]]"))) == {"[[context 600]]": "answered"}


# Requests that go wrong.


def test_a_refused_request_is_that_rows_alone(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("[[status 400]]", "[[status 422]]", "fine"))
    failed = {row["text"]: (row["answer_status"], row["error"]) for row in rows}
    assert failed["[[status 400]]"] == ("request_failed", "400: refused with 400")
    assert failed["fine"] == ("answered", None)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["[[close]]", "[[html]]", "[[nochoices]]", "[[status 500]]"])
def test_a_request_that_fails_again_and_again_is_given_up(endpoint: Make, trouble: str) -> None:
    rows = run(spec_for(endpoint()), batch(trouble, "fine"))
    assert statuses(rows) == {trouble: "request_failed", "fine": "answered"}
    assert next(row["error"] for row in rows if row["text"] == trouble)


@pytest.mark.parametrize("trouble", ["[[close once]]", "[[html once]]", "[[limited 3]]", "[[busy 3]]"])
def test_trouble_that_passes_costs_no_row(endpoint: Make, trouble: str) -> None:
    rows = run(spec_for(endpoint()), batch(trouble, *[f"fine {index}" for index in range(30)]))
    assert set(statuses(rows).values()) == {"answered"}


def test_retry_after_is_honoured(endpoint: Make) -> None:
    began = time.monotonic()
    run(spec_for(endpoint()), batch("[[limited 1]]"))
    assert time.monotonic() - began >= 0.2, "the endpoint asked for 0.2 s"


def test_a_request_that_the_endpoint_calls_too_large_is_too_long_at_once(endpoint: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(endpoint("--record", str(record))), batch("[[status 413]]"))
    assert statuses(rows) == {"[[status 413]]": "too_long"}
    assert asked(record) == {"[[status 413]]": 1}


def test_a_request_that_is_always_refused_slows_no_other_and_is_given_up(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "RETRY_FACTOR", 1.0)
    texts = ["[[busy 1000000]]", *[f"[[slow 0.01]] {index}" for index in range(60)]]
    rows = run(spec_for(endpoint(), patience_s=0.5), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered") | {"[[busy 1000000]]": "request_failed"}
    assert next(row["error"] for row in rows if row["text"] == "[[busy 1000000]]") == "503: busy"


@pytest.mark.slow
def test_an_endpoint_that_refuses_half_of_what_its_callers_send_costs_no_row(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "RETRY_FACTOR", 2.0)
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


def test_a_request_over_the_endpoints_own_limit_is_too_long_at_once(endpoint: Make) -> None:
    assert statuses(run(spec_for(endpoint()), batch("[[toolarge]]"))) == {"[[toolarge]]": "too_long"}


def test_a_connection_that_times_out_counts_against_no_request(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "RETRY_FACTOR", 1.0)
    connect, attempts = aiohttp.TCPConnector.connect, iter(range(feeder.MAX_TRIES + 1))

    async def dropping(connector: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        if request.method == "POST" and next(attempts, None) is not None:
            raise aiohttp.ConnectionTimeoutError("Connection timeout to host")
        return await connect(connector, request, *arguments, **named)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", dropping)
    assert statuses(run(spec_for(endpoint()), batch("one"))) == {"one": "answered"}


def test_an_endpoint_that_hangs_while_requests_wait_fails_the_task_when_patience_ends(endpoint: Make) -> None:
    spec = spec_for(endpoint(), request_timeout_s=60.0, patience_s=0.2, window=2)
    with pytest.raises(EngineError, match="nothing was answered for 0 s: 2 requests hang"):
        run(spec, batch(*[f"[[hang]] {index}" for index in range(5)]))


def test_a_request_that_hangs_long_after_all_others_is_that_rows_alone(endpoint: Make) -> None:
    rows = run(spec_for(endpoint(), request_timeout_s=0.2, patience_s=0.05), batch("[[hang]]", "fine"))
    assert statuses(rows) == {"[[hang]]": "request_failed", "fine": "answered"}


def test_a_single_answer_may_take_longer_than_patience(endpoint: Make) -> None:
    rows = run(spec_for(endpoint(), patience_s=0.1, window=1), batch("[[slow 0.4]]", "fine"))
    assert set(statuses(rows).values()) == {"answered"}


@pytest.mark.slow
def test_an_own_engine_that_goes_on_computing_does_not_hang(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "METRICS_EVERY_S", 0.05)
    monkeypatch.setattr(feeder, "METRICS_CALM_S", 0.05)
    spec = spec_for(fake_engine(), patience_s=0.4, window=2)
    rows = run(spec, batch("[[work 1.0]] a", "[[work 1.0]] b", "fine"))
    assert set(statuses(rows).values()) == {"answered"}


def test_patience_does_not_run_while_there_is_nothing_to_ask(endpoint: Make) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch("first")
        time.sleep(0.3)
        yield batch("[[busy 1]]")

    answered = [row for out in rewrite(batches(), spec_for(endpoint(), patience_s=0.1)) for row in out.to_pylist()]
    assert set(statuses(answered).values()) == {"answered"}


def test_an_endpoint_that_hangs_on_everything_fails_the_task(endpoint: Make) -> None:
    with pytest.raises(EngineError, match=r"nothing was answered for .* s: no answer within"):
        run(spec_for(endpoint(), request_timeout_s=0.2, patience_s=0.1), batch("[[hang]]", "[[hang]] too"))


def test_a_row_that_hangs_with_no_other_beside_it_is_given_up_and_fails_no_task(endpoint: Make) -> None:
    rows = run(spec_for(endpoint(), request_timeout_s=0.2, patience_s=0.1), batch("[[hang]]"))
    assert statuses(rows) == {"[[hang]]": "request_failed"}


def test_an_endpoint_that_hangs_costs_the_request_and_not_the_task(endpoint: Make) -> None:
    rows = run(spec_for(endpoint(), request_timeout_s=0.2), batch("[[hang]]", "fine"))
    assert statuses(rows) == {"[[hang]]": "request_failed", "fine": "answered"}
    assert next(row["error"] for row in rows if row["text"] == "[[hang]]") == "no answer within 0 s"


def test_an_endpoint_that_refuses_everything_for_too_long_fails_the_task(endpoint: Make) -> None:
    with pytest.raises(EngineError, match=r"nothing was answered for .* s: 503"):
        run(spec_for(endpoint(), patience_s=0.3), batch("[[busy 100000]]"))


def test_an_endpoint_that_goes_away_is_waited_for(mortal_endpoint: EngineSpec) -> None:
    with pytest.raises(EngineError, match="nothing was answered"):
        run(spec_for(mortal_endpoint, patience_s=0.5), batch("[[die]]"))


def test_too_many_failures_stop_the_task_with_the_reason(endpoint: Make) -> None:
    texts = [f"[[status 400]] {index}" for index in range(15)] + [f"fine {index}" for index in range(60)]
    with pytest.raises(ErrorBudgetError, match=r"\d+ of \d+ requests failed, the budget is 5.0%: 400: refused"):
        run(spec_for(endpoint(), error_budget=0.05), batch(*texts))


def test_what_was_answered_before_a_restart_counts_for_the_budget(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path), error_budget=0.2)
    fine = [f"fine {index}" for index in range(60)]
    run(spec, batch(*fine))
    failing = [f"[[status 400]] {index}" for index in range(10)]
    rows = run(spec, batch(*failing, *fine[:50]), batch(*fine[50:], *[f"more {index}" for index in range(15)]))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 75, "request_failed": 10}


def test_a_lone_surrogate_in_an_answer_becomes_a_replacement_character(endpoint: Make) -> None:
    (row,) = run(spec_for(endpoint()), batch("[[surrogate]]"))
    assert row["answer"] == "half a \ufffd pair"


def test_truncated_and_empty_answers_keep_their_finish_reason(endpoint: Make) -> None:
    rows = {row["text"]: row for row in run(spec_for(endpoint()), batch("[[length]] a", "[[empty]]"))}
    assert rows["[[length]] a"]["finish_reason"] == "length"
    assert rows["[[empty]]"]["answer"] == ""
    assert rows["[[empty]]"]["answer_status"] == "answered"


# Death of the own engine.


@pytest.mark.slow
def test_a_death_in_passing_costs_no_row(fake_engine: Make, tmp_path: Path) -> None:
    engine = fake_engine("--state", str(tmp_path / "state"))
    rows = run(spec_for(engine), batch("[[dieonce]]", *[f"fine {index}" for index in range(50)]))
    assert len(rows) == 51
    assert set(statuses(rows).values()) == {"answered"}


@pytest.fixture
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BACKOFF_MAX_S", 0.1)


def starts_of(engine: EngineSpec) -> int:
    """How often the engine was started in this test."""
    folder = engines.runtime_folder(engine, engines.owner(), "")
    return engines.starts(engines.Engine("", None, "", "", "", 0.0, str(folder)))


@contextlib.contextmanager
def killing(engine: EngineSpec, record: Path, times: int, after_s: float) -> Iterator[list[int]]:
    """Kill -9 the engine a while after the first request that each of its lives gets; yield the pids killed."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.is_set():
            lines = record.read_text().splitlines() if record.exists() else []
            fresh = {json.loads(line)["server"] for line in lines} - set(killed)
            if not fresh:
                time.sleep(0.02)
                continue
            time.sleep(after_s)
            os.kill(next(iter(fresh)), signal.SIGKILL)
            killed.extend(fresh)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
@pytest.mark.parametrize(("texts", "kills"), [(["[[slow 1]] a"], 3), ([f"[[slow 1]] {name}" for name in "abc"], 5)])
def test_who_is_alone_when_somebody_kills_the_engine_is_not_blamed(
    fake_engine: Make, tmp_path: Path, texts: list[str], kills: int
) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    with killing(engine, record, kills, after_s=0.3) as killed:
        rows = run(spec_for(engine), batch(*texts))
    assert len(killed) == kills
    assert statuses(rows) == dict.fromkeys(texts, "answered")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_an_engine_that_somebody_kills_once_goes_on_as_before(fake_engine: Make, tmp_path: Path) -> None:
    """Nobody is looked at apart: that would leave a large engine nearly idle for as long as eight answers take."""
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    texts = [f"[[slow 0.6]] {index}" for index in range(16)]
    with killing(engine, record, 1, after_s=0.3):
        rows = run(spec_for(engine, window=16), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered")
    servers = [json.loads(line)["server"] for line in record.read_text().splitlines()]
    assert Counter(servers) == dict.fromkeys(servers, 16)
    # All at once: eight groups of two would take eight times 0.6 s.
    assert max(row["answered_at"] for row in rows) - min(row["answered_at"] for row in rows) < timedelta(seconds=2.4)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_tasks_that_share_an_engine_which_somebody_kills_blame_nobody(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    texts = [[f"[[slow 0.5]] {name}{index}" for index in range(3)] for name in "ab"]
    with killing(engine, record, 5, after_s=0.2) as killed, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda mine: run(spec_for(engine, window=4), batch(*mine)), texts))
    assert len(killed) == 5
    assert Counter(row["answer_status"] for rows in found for row in rows) == {"answered": 6}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
@pytest.mark.parametrize(
    ("poison", "most_starts"),
    # First in company, then in its group of eight, then alone: three times, or six where the kernel's killer is suspected
    # of being somebody, which makes another round in company, too. A last start serves those who are left.
    [("[[die 0.01]]", 1 + 2 + 3), ("[[killed]]", 1 + 3 + 6)],
)
def test_a_poison_row_is_found_and_alone_gets_the_reason(fake_engine: Make, poison: str, most_starts: int) -> None:
    engine = fake_engine()
    texts = [f"[[slow 0.02]] {index}" for index in range(100)] + [poison]
    rows = run(spec_for(engine, window=64), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered") | {poison: "poison"}
    (error,) = (row["error"] for row in rows if row["text"] == poison)
    assert re.search(r"alone, at last: (exit status 1|somebody ended it with signal 9)$", error)
    assert starts_of(engine) <= most_starts


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_a_poison_row_with_nobody_beside_it_takes_three_deaths_alone(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    assert statuses(run(spec_for(engine), batch("[[die]]"))) == {"[[die]]": "poison"}
    assert asked(record) == {"[[die]]": 1 + 3}
    assert starts_of(engine) == 1 + 3


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_between_its_deaths_the_accused_lets_others_be_answered(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    texts = ["[[die]]", *[f"fine {index}" for index in range(200)]]
    rows = run(spec_for(fake_engine("--record", str(record)), window=4), batch(*texts))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 200, "poison": 1}
    order = [json.loads(line)["messages"][-1]["content"] for line in record.read_text().splitlines()]
    places = [place for place, text in enumerate(order) if text == "[[die]]"]
    assert len(places) == 1 + 3
    assert all(after - before > 1 for before, after in itertools.pairwise(places[1:])), "others stand between"


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_an_engine_that_dies_whatever_it_is_asked_is_at_fault_itself(fake_engine: Make) -> None:
    engine = fake_engine()
    texts = [f"[[die]] {index}" for index in range(40)]
    with pytest.raises(EngineError, match=r"^the engine died 8 times in a row, .* at last: exit status 1$"):
        run(spec_for(engine, window=40), batch(*texts))
    assert starts_of(engine) <= 1 + 2 + feeder.FAULTY_DEATHS


@pytest.mark.slow
def test_a_poison_row_of_one_task_is_not_blamed_on_another(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BACKOFF_MAX_S", 0.1)
    engine = fake_engine()
    found: list[list[dict[str, Any]]] = []

    def task(*texts: str) -> None:
        found.append(run(spec_for(engine, window=16), batch(*texts)))

    texts = [[f"[[slow 0.05]] {name}{index}" for index in range(60)] for name in "ab"]
    tasks = [threading.Thread(target=task, args=(*texts[0], "[[die]]")), threading.Thread(target=task, args=texts[1])]
    for thread in tasks:
        thread.start()
    for thread in tasks:
        thread.join()
    by_text = statuses([row for rows in found for row in rows])
    assert len(by_text) == 121
    assert {text for text, status in by_text.items() if status != "answered"} == {"[[die]]"}


def test_suspects_come_back_in_order_in_groups_of_an_eighth() -> None:
    suspects = [asking.Request(str(index), "", 1) for index in range(100)]
    split = feeder.groups(suspects)
    assert [len(group) for group in split] == [13] * 7 + [9]
    assert [request for group in split for request in group] == suspects
    assert [len(group) for group in feeder.groups(suspects[:8])] == [1] * 8


def test_an_engine_that_cannot_start_fails_the_task_with_its_log(fake_engine: Make) -> None:
    with pytest.raises(EngineError, match="RuntimeError: no room"):
        run(spec_for(fake_engine("--fail-start", "no room")), batch("text"))


# The journal.


@pytest.mark.slow
def test_a_second_attempt_asks_only_what_was_not_answered(fake_engine: Make, tmp_path: Path) -> None:
    record, kept = tmp_path / "record", str(tmp_path / "a journal")
    spec = spec_for(fake_engine("--record", str(record)), journal=kept, journal_flush_s=0.05, window=2)
    texts = [f"[[slow 0.05]] {index}" for index in range(40)]
    first = rewrite(iter([batch(*texts)]), spec)
    seen = [row["text"] for row in next(first).to_pylist()]
    first.close()
    rows = run(spec, batch(*texts))
    assert set(statuses(rows)) == set(texts)
    counts = asked(record)
    assert all(counts[text] == 1 for text in seen), "what came out was journaled"
    assert sum(counts.values()) - len(texts) <= 2, "paid twice: at most what was in flight"
    assert journal.progress(kept).rows == len(texts)


def test_a_fully_answered_task_needs_no_engine(fake_engine: Make, tmp_path: Path) -> None:
    engine = fake_engine()
    spec = spec_for(engine, journal=str(tmp_path))
    before = run(spec, batch("one", "two"))
    nowhere = replace(spec, engine=EngineSpec(model="/no/such/model"))
    after = run(nowhere, batch("one", "two"))
    assert sorted(before, key=lambda row: row["id"]) == sorted(after, key=lambda row: row["id"])


def test_the_journal_of_a_killed_run_is_read_and_not_written(fake_engine: Make, tmp_path: Path) -> None:
    """A chunk's journal lies beside those of other chunks and of killed runs, cut into as many buckets or others."""
    record = tmp_path / "record"
    spec = spec_for(fake_engine("--record", str(record)), journal=str(tmp_path / "killed"))
    run(spec, batch("one"))
    later = replace(spec, journal=str(tmp_path / "later"))
    run(later, batch("one", "two"))
    last = replace(spec, journal=str(tmp_path / "last"), journal_buckets=7)
    run(last, batch("one", "two", "three"))
    assert asked(record) == {"one": 1, "two": 1, "three": 1}
    assert journal.progress(spec.journal).rows == journal.progress(later.journal).rows == 1


def test_another_fingerprint_reads_nothing_of_this_ones_journal(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    spec = spec_for(fake_engine("--record", str(record)), journal=str(tmp_path / "j"))
    run(spec, batch("one"))
    run(replace(spec, fingerprint="g"), batch("one"))
    assert asked(record) == {"one": 2}


def test_failed_requests_are_not_journaled_and_get_another_chance(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path))
    run(spec, batch("[[status 400]]", "fine"))
    assert journal.progress(str(tmp_path)).rows == 1


def test_a_verdict_in_a_journal_is_not_believed(endpoint: Make, tmp_path: Path) -> None:
    """Older versions wrote them: only the commit of a chunk makes a failure last, until `--retry`."""
    spec = spec_for(endpoint(), journal=str(tmp_path / "killed"))
    writer = journal.Writer(journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets), 0)
    writer.write(feeder._segment([(digest("text"), answers.Answer(None, answers.POISON))]))
    assert statuses(run(spec, batch("text"))) == {"text": "answered"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_a_verdict_is_not_journaled(fake_engine: Make, tmp_path: Path) -> None:
    spec = spec_for(fake_engine(), journal=str(tmp_path / "journal"))
    assert statuses(run(spec, batch("[[die]]", "fine"))) == {"[[die]]": "poison", "fine": "answered"}
    assert journal.progress(spec.journal).rows == 1


def test_the_journal_of_an_older_version_is_read(endpoint: Make, tmp_path: Path) -> None:
    """Its segments lack the columns that came since; what they hold was paid for."""
    spec = spec_for(endpoint("--record", str(tmp_path / "record")), journal=str(tmp_path / "journal"))
    writer = journal.Writer(journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets), 0)
    whole = feeder._segment([(digest("text"), answers.Answer("TEXT", answers.ANSWERED, "stop", output_tokens=1))])
    writer.write(whole.drop_columns(["reasoning", "server_finish_reason"]))
    (row,) = run(spec, batch("text"))
    assert (row["answer"], row["finish_reason"], row["output_tokens"], row["reasoning"]) == ("TEXT", "stop", 1, None)
    assert asked(tmp_path / "record") == {}


def test_a_task_keeps_no_answer_that_it_gave_to_the_only_row_of_its_text(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path / "journal"))
    fed = feeder.Feeder([batch("one", "two", "two")], spec, 0)
    fed.run()
    assert list(fed._known) == [digest("two")]
    recalled = fed._recall()
    fed._prepare(batch("one"), recalled, False)
    assert list(recalled) == [digest("two")]


def test_a_fault_while_the_journal_is_written_loses_no_answer(
    endpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, faults = journal.Writer.write, iter([ValueError("a fault")])

    def broken_once(self: journal.Writer, segment: pa.Table) -> str:
        for fault in faults:
            raise fault
        return write(self, segment)

    monkeypatch.setattr(journal.Writer, "write", broken_once)
    with pytest.raises(ValueError, match="a fault"):
        run(spec_for(endpoint(), journal=str(tmp_path / "journal"), journal_flush_s=0.05), batch("fine", "[[hang]]"))
    assert journal.progress(str(tmp_path / "journal")).rows == 1


def test_a_full_disk_that_is_cleared_warns_once_and_loses_no_answer(
    endpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = 0
    write = journal.Writer.write

    def full_at_first(self: journal.Writer, answers: pa.Table) -> str:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise OSError(28, "No space left on device")
        return write(self, answers)

    monkeypatch.setattr(journal.Writer, "write", full_at_first)
    spec = spec_for(endpoint(), journal=str(tmp_path), journal_flush_s=0.05, window=2)
    with caplog.at_level(logging.WARNING):
        rows = run(spec, batch(*[f"[[slow 0.05]] {index}" for index in range(20)]))
    assert set(statuses(rows).values()) == {"answered"}
    assert refused == 3
    assert journal.progress(str(tmp_path)).rows == 20
    assert caplog.text.count("No space left on device") == 1


FULL_DISK = """
import json, resource, sys
from tests.inference.test_rewrite import batch, spec_for
from recast.inference import feeder
from recast.inference.server.engine import EngineSpec
from recast.inference.rewrite import rewrite

folder, endpoint = sys.argv[1:]
feeder.TICK_S, feeder.JOURNAL_PATIENCE_S = 0.05, 0.5
spec = spec_for(EngineSpec(model="fake", endpoint=endpoint), journal=folder, journal_flush_s=0.05, window=2)
texts = [f"[[slow 0.02]] {index}" for index in range(100)]
out = rewrite(iter([batch(*texts)]), spec)
rows = 0
try:
    for answered in out:
        rows += answered.num_rows
        # From here on no file may be longer than half a segment: the kernel refuses the write in the middle.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.slow
def test_a_disk_that_fills_stops_the_task_before_it_pays_for_what_it_cannot_keep(
    endpoint: Make, tmp_path: Path
) -> None:
    spec = endpoint("--record", str(tmp_path / "record"))
    kept = str(tmp_path / "journal")
    command = [sys.executable, "-c", FULL_DISK, kept, spec.endpoint]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    (line,) = done.stdout.splitlines()
    assert re.fullmatch(rf"JournalError: the journal {kept} cannot be written: File too large\. Make room .*", line)
    assert not list(Path(kept).rglob(".unfinished-*")), "nothing half-written is left"
    paid = asked(tmp_path / "record")
    assert max(paid.values()) == 1
    lost = len(paid) - journal.progress(kept).rows
    assert 0 < lost <= 2 * (1 + 0.15 / 0.02), "what was in flight, and answered since the last flush"
    rows = run(spec_for(spec, journal=kept, window=2), batch(*[f"[[slow 0.02]] {index}" for index in range(100)]))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 100}
    paid = asked(tmp_path / "record")
    assert sum(paid.values()) == 100 + lost


# Small parts.


def test_the_window_of_an_own_engine_doubles_until_requests_wait() -> None:
    window = feeder.Window(0, own=True)
    for _ in range(3):
        window.follow(running=int(window.size), waiting=0, in_flight=int(window.size))
    assert window.size == 256
    window.follow(running=100, waiting=156, in_flight=256)
    assert window.size < 256
    window.follow(running=3, waiting=0, in_flight=3)
    assert window.size < 256, "it does not grow while there is nothing to send"


def test_the_window_of_an_endpoint_halves_once_for_a_burst_of_refusals() -> None:
    window = feeder.Window(0, own=False)
    sent_at = time.monotonic()
    assert [window.cut(sent_at) for _ in range(8)] == [True] + [False] * 7
    assert window.size == 4


def test_a_fixed_window_stays_for_an_own_engine() -> None:
    window = feeder.Window(7, own=True)
    window.follow(running=7, waiting=0, in_flight=7)
    assert window.size == 7


def test_a_fixed_window_of_an_own_engine_comes_back_after_a_refusal() -> None:
    window = feeder.Window(16, own=True)
    window.cut(time.monotonic())
    assert window.size == 8
    window.follow(running=8, waiting=0, in_flight=8)
    assert window.size == 16


def test_the_budget_needs_enough_requests_to_judge() -> None:
    assert not answers.over_budget(5, 10, 0.05)
    assert not answers.over_budget(5, 100, 0.05)
    assert answers.over_budget(6, 100, 0.05)


def test_a_task_stops_when_chance_does_not_explain_its_failures() -> None:
    assert not answers.clearly_over_budget(10, 10, 0.05), "too few to judge"
    assert not answers.clearly_over_budget(4, 20, 0.05)
    assert answers.clearly_over_budget(5, 20, 0.05)
    assert not answers.clearly_over_budget(70, 1000, 0.05)
    assert answers.clearly_over_budget(72, 1000, 0.05)
    assert answers.clearly_over_budget(1, 20, 0.0)


def test_two_chunks_feeders_leave_a_core_free_where_there_are_three() -> None:
    assert [feeders_on(cores) for cores in (1, 2, 3, 4, 8, 16)] == [1, 2, 1, 1, 3, 7]


def cluster(cores: int, **settings: str) -> Any:
    """A session of which only the settings and the cores that have registered are known."""
    named = {f"spark.{name.replace('_', '.')}": value for name, value in settings.items()}
    return SimpleNamespace(conf=named, sparkContext=SimpleNamespace(defaultParallelism=cores))


SHARED = {"executor_resource_gpu_amount": "2", "master": "spark://head:7077"}
GROWING = {"dynamicAllocation_enabled": "true", "dynamicAllocation_maxExecutors": "8"}


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (cluster(32, executor_cores="8", **SHARED), 4 * 2 * 2),
        (cluster(2, executor_cores="8", **SHARED, **GROWING), 8 * 2 * 2),
        (cluster(2, recast_gpu_amount="1", master="yarn", **GROWING), 8 * 1 * 2),
    ],
    ids=["static", "dynamic, before executors register", "executors of their own"],
)
def test_feeders_are_two_for_each_gpu_that_there_will_be(
    session: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_side, "_profile", lambda *_: object())
    assert spark_side.feeders(session, EngineSpec("m")) == expected


@pytest.mark.parametrize(
    ("session", "missing"),
    [
        (cluster(32, **SHARED), "spark.executor.cores"),
        (cluster(2, dynamicAllocation_enabled="true", **SHARED), "spark.dynamicAllocation.maxExecutors"),
        (cluster(2, recast_gpu_amount="1", master="yarn"), "spark.dynamicAllocation.enabled=true"),
    ],
)
def test_a_cluster_whose_gpus_cannot_be_counted_is_one_line(session: Any, missing: str) -> None:
    with pytest.raises(ValueError, match=rf"need.* {missing}.*\(docs/engine.md\)$"):
        spark_side.feeders(session, EngineSpec("m"))


def test_every_status_is_explained() -> None:
    assert set(feeder.FAILED_STATUSES) <= set(STATUSES)
    assert all(STATUSES.values())


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_a_text_that_the_tokenizer_fails_at_is_a_row_of_its_own_and_its_neighbours_are_answered(
    kind: type[BaseException], endpoint: Callable[..., EngineSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asking.Counter.request

    def fragile(counter: asking.Counter, key: str, text: str) -> Any:
        if text == "fails":
            raise kind("cannot normalize\nthis text")
        return request(counter, key, text)

    monkeypatch.setattr(asking.Counter, "request", fragile)
    rows = run(spec_for(endpoint()), batch("before", "fails", "after"))
    assert statuses(rows) == {"before": "answered", "fails": "crashed", "after": "answered"}
    (failed,) = (row for row in rows if row["text"] == "fails")
    assert failed["error"].startswith(f"{kind.__name__}: cannot normalize")
