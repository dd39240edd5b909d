"""One request: what is sent, and what its answer or its failure means."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from recast.inference import answers, client, retry
from recast.inference.server.spec import EngineError, EngineSpec
from tests.inference.feeding import asked, batch, run, spec_for, statuses
from tests.inference.strangers import VARIABLE, assert_no_key, one, reached

Make = Callable[..., EngineSpec]


def test_fifty_megabytes_are_not_sent_to_an_endpoint_of_unknown_vocabulary(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("x" * 50_000_000, "fine"))
    assert Counter(row["answer_status"] for row in rows) == {"too_long": 1, "answered": 1}


def test_fifty_megabytes_are_not_sent_to_an_endpoint_of_unknown_context(endpoint: Make) -> None:
    rows = run(spec_for(endpoint("--context", "0")), batch("x" * 50_000_000, "fine"))
    assert Counter(row["answer_status"] for row in rows) == {"too_long": 1, "answered": 1}


def test_an_endpoints_word_on_length_is_a_too_long(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("[[context]]", "[[context 600]]", "fine"))
    assert statuses(rows) == {"[[context]]": "too_long", "[[context 600]]": "answered", "fine": "answered"}


def test_a_tokenizer_alone_tells_nothing_of_an_endpoints_context(endpoint: Make, model_folder: Path) -> None:
    """Without the context nothing says how much of it the prompt leaves, so the endpoint is asked for less."""
    spec = spec_for(endpoint("--context", "0", tokenizer=str(model_folder), revision="2024-08-06"))
    assert statuses(run(spec, batch("[[context 600]]"))) == {"[[context 600]]": "answered"}


def test_a_refused_request_is_that_rows_alone(endpoint: Make) -> None:
    rows = run(spec_for(endpoint()), batch("[[status 400]]", "[[status 422]]", "fine"))
    failed = {row["text"]: (row["answer_status"], row["error"]) for row in rows}
    assert failed["[[status 400]]"] == ("request_failed", "400: refused with 400")
    assert failed["fine"] == ("answered", None)


def test_a_request_that_the_endpoint_calls_too_large_is_too_long_at_once(endpoint: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(endpoint("--record", str(record))), batch("[[status 413]]"))
    assert statuses(rows) == {"[[status 413]]": "too_long"}
    assert asked(record) == {"[[status 413]]": 1}


def test_a_request_over_the_endpoints_own_limit_is_too_long_at_once(endpoint: Make) -> None:
    assert statuses(run(spec_for(endpoint()), batch("[[toolarge]]"))) == {"[[toolarge]]": "too_long"}


def test_a_connection_that_times_out_counts_against_no_request(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "RETRY_FACTOR", 1.0)
    connect, attempts = aiohttp.TCPConnector.connect, iter(range(retry.MAX_TRIES + 1))

    async def dropping(connector: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        if request.method == "POST" and next(attempts, None) is not None:
            raise aiohttp.ConnectionTimeoutError("Connection timeout to host")
        return await connect(connector, request, *arguments, **named)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", dropping)
    assert statuses(run(spec_for(endpoint()), batch("one"))) == {"one": "answered"}


def test_a_lone_surrogate_in_an_answer_becomes_a_replacement_character(endpoint: Make) -> None:
    (row,) = run(spec_for(endpoint()), batch("[[surrogate]]"))
    assert row["answer"] == "half a \ufffd pair"


def test_truncated_and_empty_answers_keep_their_finish_reason(endpoint: Make) -> None:
    rows = {row["text"]: row for row in run(spec_for(endpoint()), batch("[[length]] a", "[[empty]]"))}
    assert rows["[[length]] a"]["finish_reason"] == "length"
    assert rows["[[empty]]"]["answer"] == ""
    assert rows["[[empty]]"]["answer_status"] == "answered"


def test_an_endpoint_that_wants_the_limit_under_its_newer_name_is_told_it_so_from_then_on(
    endpoint: Make, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    texts = [f"text {index}" for index in range(50)]
    rows = run(spec_for(endpoint("--refuse", "max_tokens", "--record", str(record)), window=4), batch(*texts))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 50}
    bodies = [json.loads(line) for line in record.read_text().splitlines()]
    old = [body for body in bodies if "max_tokens" in body]
    assert 1 <= len(old) <= 4, "those in flight when the endpoint first said so"
    assert all(("max_tokens" in body) != ("max_completion_tokens" in body) for body in bodies)
    assert len(bodies) == 50 + len(old)


@pytest.mark.parametrize("name", ["temperature", "repetition_penalty"])
def test_an_endpoint_that_refuses_a_sampling_parameter_ends_the_task_with_one_line(endpoint: Make, name: str) -> None:
    spec = replace(spec_for(endpoint("--refuse", name)), repetition_penalty=1.1)
    with pytest.raises(
        EngineError, match=rf"refuses {name}=.*Give the setting {name} a value that it takes$"
    ) as raised:
        run(spec, batch("one", "two"))
    assert "\n" not in str(raised.value)


def test_words_about_a_parameter_from_an_endpoint_that_takes_it_are_that_rows_alone(
    endpoint: Make,
) -> None:
    """An endpoint may quote what it was sent: a stranger's text must not end the task."""
    quoted = "[[quoted]] temperature"
    rows = run(spec_for(endpoint(), window=1), batch("fine", quoted, "fine too"))
    assert {row["text"]: row["answer_status"] for row in rows} == {
        "fine": "answered",
        quoted: "request_failed",
        "fine too": "answered",
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_question_is_a_failed_request_and_the_text_goes_nowhere_else(
    endpoint: Make, status: int
) -> None:
    other = endpoint()
    spec = endpoint("--elsewhere", other.endpoint.removesuffix("/v1"), api_key_variable=VARIABLE)
    row = one(spec, f"[[odd redirect{status}]]")
    assert row["answer_status"] == "request_failed"
    assert f"{other.endpoint}/chat/completions" in row["error"]
    assert "internal page" not in row["error"]
    assert row["answer"] is None
    assert len([each for each in reached(spec) if each.startswith("POST")]) == 1, "it is not tried again"
    assert reached(other) == []


@pytest.mark.parametrize("elsewhere", ["http://[", "\u202e\x1b[2J", "http://user@host", "//other", "?x"])
def test_an_odd_target_is_named_in_one_printable_line(endpoint: Make, elsewhere: str) -> None:
    row = one(endpoint("--elsewhere", elsewhere.encode().decode("latin-1")), "[[odd redirect302]]")
    assert row["answer_status"] == "request_failed"
    assert row["error"].isprintable()


@pytest.mark.parametrize("word", ["quoting", "header"])
def test_an_error_that_quotes_the_key_is_kept_without_it(endpoint: Make, word: str) -> None:
    row = one(endpoint(api_key_variable=VARIABLE), f"[[odd {word}]]")
    assert row["answer_status"] == "request_failed"
    assert row["error"]
    assert_no_key(row)


def test_a_refused_key_is_not_shown(endpoint: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EngineError, match=r"refused the key: 401: Incorrect API key provided: Bearer \*\*\*") as raised:
        one(endpoint(api_key_variable=VARIABLE), "[[odd unauthorized]]")
    assert_no_key(raised.value)
    assert_no_key(caplog.text)


def test_an_answer_that_quotes_the_key_is_kept_without_it(endpoint: Make) -> None:
    row = one(endpoint(api_key_variable=VARIABLE), "[[odd telling]]")
    assert row["answer_status"] == "answered"
    assert row["answer"].startswith("Hello Bearer *** *** Basic ")
    assert_no_key(row)
    for label in ("finish_reason", "server_finish_reason"):
        assert row[label].isprintable()
        assert len(row[label]) <= answers.MAX_LABEL_CHARS


@pytest.mark.parametrize("word", ["bomb", "endless"])
def test_a_response_past_its_bound_fails_one_request_and_is_not_asked_for_again(endpoint: Make, word: str) -> None:
    spec = endpoint()
    rows = run(spec_for(spec, error_budget=1.0, max_tokens=100), batch(f"[[odd {word}]]", "text"))
    found = {row["text"]: row for row in rows}
    assert found["text"]["answer"] == "TEXT"
    failed = found[f"[[odd {word}]]"]
    assert failed["answer_status"] == "request_failed"
    most = 100 * 256 + client.RESPONSE_EXTRA_BYTES
    assert failed["error"] == f"200, with more than {most} bytes, which are not read"
    assert len([each for each in reached(spec) if each.startswith("POST")]) == 2


def test_a_bomb_costs_its_bound_in_memory(endpoint: Make) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    texts = [f"[[odd bomb]] {index}" for index in range(16)]
    rows = run(spec_for(endpoint(), error_budget=1.0, max_tokens=100, window=16), batch(*texts))
    assert {row["answer_status"] for row in rows} == {"request_failed"}
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 300, "16 answers of 64 MB"


def test_a_question_that_drips_ends_with_its_time(endpoint: Make) -> None:
    row = one(endpoint(), "[[odd drip]]", request_timeout_s=0.3)
    assert row["answer_status"] == "request_failed"
    assert row["error"] == "no answer within 0 s"


def test_a_flood_of_brackets_is_read_in_no_time(endpoint: Make) -> None:
    began = time.monotonic()
    row = one(endpoint(), "[[odd flood]]")
    assert row["answer_status"] == "request_failed"
    assert time.monotonic() - began < 10
