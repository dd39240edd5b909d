"""The feeder: every row comes out once, with an answer or with the reason why there is none."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from recast.inference.answers import ANSWER_FIELDS
from recast.inference.rewrite import rewrite
from recast.inference.server.spec import EngineError, EngineSpec
from tests.inference.feeding import asked, batch, run, spec_for, statuses

Make = Callable[..., EngineSpec]


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


def test_a_task_that_is_given_up_leaves_no_thread_behind(endpoint: Make) -> None:
    before = set(threading.enumerate())
    out = rewrite(iter([batch("quick", *["[[hang]] " + str(index) for index in range(10)])]), spec_for(endpoint()))
    next(out)
    out.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


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


def test_an_engine_that_cannot_start_fails_the_task_with_its_log(fake_engine: Make) -> None:
    with pytest.raises(EngineError, match="RuntimeError: no room"):
        run(spec_for(fake_engine("--fail-start", "no room")), batch("text"))
