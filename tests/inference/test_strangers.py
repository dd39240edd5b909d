"""Endpoints as strangers: where keys and texts go, and what is read of an answer that is too long, too slow or a trap."""

import json
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recast.inference import answers, exchange, feeder
from recast.inference.server import engine
from recast.inference.server.engine import EngineError, EngineSpec
from tests.inference.test_rewrite import batch, impatient, run, spec_for

Make = Callable[..., EngineSpec]
KEY = "sk-proj-" + "aB3_" * 10
VARIABLE = "A_TESTS_API_KEY"

__all__ = ["impatient"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)


def reached(spec: EngineSpec) -> list[str]:
    """What was asked of a fake endpoint, and with which key."""
    with urllib.request.urlopen(f"{spec.endpoint.removesuffix('/v1')}/facts") as response:
        asked: list[str] = json.load(response)["reached"]
        return asked


def one(spec: EngineSpec, text: str, **fields: Any) -> dict[str, Any]:
    """Return the row of one text."""
    return run(spec_for(spec, error_budget=1.0, **fields), batch(text))[0]


def spelled() -> list[str]:
    """The key as the fake endpoint's odd replies quote it."""
    import base64

    return [
        KEY,
        "".join(f"%{ord(c):02X}" for c in KEY),
        base64.b64encode(KEY.encode()).decode()[:-4],
        KEY.encode().hex(),
    ]


def assert_no_key(value: object) -> None:
    assert not any(form in str(value) for form in spelled())


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_models_is_an_error_that_names_its_target_and_no_key_goes_there(
    endpoint: Make, status: int
) -> None:
    other = endpoint()
    args = ("--odd", f"redirect{status}", "--odd-path", "/v1/models", "--elsewhere", other.endpoint.removesuffix("/v1"))
    for ask in (engine.connect, engine.context_tokens):
        with pytest.raises(EngineError) as raised:
            ask(endpoint(*args, api_key_variable=VARIABLE))
        assert f"give {other.endpoint} as the endpoint" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert "internal page" not in str(raised.value)
    assert reached(other) == []


def test_a_redirect_of_the_version_is_not_followed_and_the_version_is_asked_without_the_key(endpoint: Make) -> None:
    other = endpoint()
    args = ("--odd", "redirect302", "--odd-path", "/version", "--elsewhere", other.endpoint.removesuffix("/v1"))
    spec = endpoint(*args, "--key", KEY, api_key_variable=VARIABLE)
    assert engine.connect(spec).version == ""
    assert reached(spec) == [f"GET /v1/models Bearer {KEY}", "GET /version no key"]
    assert reached(other) == []


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


def test_a_redirect_to_nowhere_is_an_error(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="answers 305, a redirect to nowhere, which is not followed"):
        engine.connect(endpoint("--odd", "redirect305", "--odd-path", "/v1/models"))
    assert one(endpoint(), "[[odd redirect300]]")["error"].startswith("300, a redirect to nowhere")


@pytest.mark.parametrize("elsewhere", ["http://[", "\u202e\x1b[2J", "http://user@host", "//other", "?x"])
def test_an_odd_target_is_named_in_one_printable_line(endpoint: Make, elsewhere: str) -> None:
    row = one(endpoint("--elsewhere", elsewhere.encode().decode("latin-1")), "[[odd redirect302]]")
    assert row["answer_status"] == "request_failed"
    assert row["error"].isprintable()


# The key.


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


def test_model_names_and_the_version_are_printable_labels_without_the_key(endpoint: Make) -> None:
    with pytest.raises(EngineError, match=r"has no model fake; it has m\\x1b\[2J\\nBearer \*\*\*") as raised:
        engine.connect(endpoint("--odd", "models", "--odd-path", "/v1/models", api_key_variable=VARIABLE))
    assert_no_key(raised.value)
    assert str(raised.value).isprintable()
    running = engine.connect(endpoint("--odd", "version", "--odd-path", "/version", api_key_variable=VARIABLE))
    assert running.label.isprintable()
    assert len(running.label) <= engine.MAX_LABEL_CHARS
    assert "1.0" in running.label


def test_a_key_that_is_no_secret_damages_neither_answers_nor_the_list_of_models(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "fake")
    row = one(endpoint("--key", "fake", api_key_variable=VARIABLE), "fake news")
    assert row["answer"] == "FAKE NEWS"
    assert "Bearer ***" in one(endpoint(api_key_variable=VARIABLE), "[[odd quoting]]")["error"]


def test_netrc_is_never_read(endpoint: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login someone password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    keyless, keyed = endpoint(), endpoint("--key", KEY, api_key_variable=VARIABLE)
    for spec in (keyless, keyed):
        assert one(spec, "text")["answer"] == "TEXT"
    assert {each.split(" ", 2)[2] for each in reached(keyless)} == {"no key"}
    assert {each.split(" ", 2)[2] for each in reached(keyed)} == {"no key", f"Bearer {KEY}"}


# Proxies.


def test_a_proxy_of_the_environment_is_used_with_its_password_and_no_proxy_is_honoured(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = endpoint()
    host = proxy.endpoint.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("http_proxy", f"http://user:hunter2@{host}")
    behind = EngineSpec(model="fake", endpoint="http://model.invalid/v1")
    monkeypatch.setenv("no_proxy", "other.invalid,127.0.0.1")
    one(behind, "text")
    login = "Basic dXNlcjpodW50ZXIy"
    assert f"GET http://model.invalid/v1/models {login}" in reached(proxy)
    assert f"POST http://model.invalid/v1/chat/completions {login}" in reached(proxy)
    assert one(endpoint(), "direct")["answer"] == "DIRECT"
    assert not any("127.0.0.1" in each for each in reached(proxy))


@pytest.mark.parametrize(
    ("proxy", "no_proxy", "found"),
    [
        ("http://proxy:3128", "", "http://proxy:3128"),
        ("proxy:3128", "", "http://proxy:3128"),
        ("http://proxy:3128", "host", None),
        ("http://proxy:3128", "another-host,x", "http://proxy:3128"),
        ("http://proxy:3128", "*", None),
        ("", "", None),
    ],
)
def test_the_environment_says_which_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str, no_proxy: str, found: str | None
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", no_proxy)
    assert exchange.proxy_of("https://host:8000/v1") == found


@pytest.mark.parametrize(
    "proxy", ["socks5://user:hunter2@proxy", "http://user:hunter2@[", "http://user:hunter2@p:99999"]
)
def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setattr(engine, "ENDPOINT_TRIES", 1)
    with pytest.raises(EngineError, match="http_proxy names no HTTP proxy") as raised:
        engine.connect(EngineSpec(model="m", endpoint="http://model.invalid/v1"))
    assert "hunter2" not in str(raised.value)


# Bounds.


@pytest.mark.parametrize("word", ["bomb", "endless"])
def test_a_response_past_its_bound_fails_one_request_and_is_not_asked_for_again(endpoint: Make, word: str) -> None:
    spec = endpoint()
    rows = run(spec_for(spec, error_budget=1.0, max_tokens=100), batch(f"[[odd {word}]]", "text"))
    found = {row["text"]: row for row in rows}
    assert found["text"]["answer"] == "TEXT"
    failed = found[f"[[odd {word}]]"]
    assert failed["answer_status"] == "request_failed"
    most = 100 * 256 + feeder.RESPONSE_EXTRA_BYTES
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


@pytest.mark.parametrize(
    ("word", "words"), [("endless", "more than 1048576 bytes"), ("bomb", "more than 1048576 bytes")]
)
def test_a_list_of_models_without_end_is_an_error(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch, word: str, words: str
) -> None:
    monkeypatch.setattr(engine, "MAX_GET_BYTES", 1 << 20)
    with pytest.raises(EngineError, match=words):
        engine.connect(endpoint("--odd", word, "--odd-path", "/v1/models"))


def test_a_list_of_models_that_drips_is_given_up_in_time(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENDPOINT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(engine, "ENDPOINT_TRIES", 1)
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached: no answer within 0 s"):
        engine.connect(endpoint("--odd", "drip", "--odd-path", "/v1/models"))
    assert time.monotonic() - began < 2


def test_an_own_server_that_drips_or_never_ends_does_not_answer(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_GET_BYTES", 1 << 20)
    monkeypatch.setattr(engine, "PROBE_TIMEOUT_S", 1.0)
    running = engine.connect(fake_engine("--odd", "endless", "--odd-path", "/metrics"))
    assert engine.load(running) is None
    dripping = engine.connect(fake_engine("--odd", "drip", "--odd-path", "/metrics"))
    began = time.monotonic()
    assert engine.load(dripping) is None
    assert time.monotonic() - began < 5


def test_a_question_that_drips_ends_with_its_time(endpoint: Make) -> None:
    row = one(endpoint(), "[[odd drip]]", request_timeout_s=0.3)
    assert row["answer_status"] == "request_failed"
    assert row["error"] == "no answer within 0 s"


def test_a_flood_of_brackets_is_read_in_no_time(endpoint: Make) -> None:
    began = time.monotonic()
    row = one(endpoint(), "[[odd flood]]")
    assert row["answer_status"] == "request_failed"
    assert time.monotonic() - began < 10


def test_models_listed_deeper_than_python_goes_are_no_list(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="does not answer as an OpenAI-compatible endpoint does"):
        engine.connect(endpoint("--odd", "deep", "--odd-path", "/v1/models"))


@pytest.mark.parametrize(
    ("listed", "context"),
    [("8192", 8192), ('"8192"', 8192), ("1e400", 0), ("-5", 0), ('"many"', 0), ("[]", 0), ("1" + "0" * 18, 0)],
)
def test_a_context_that_cannot_be_is_not_known(listed: str, context: int) -> None:
    assert engine._models(f'{{"data": [{{"id": "m", "max_model_len": {listed}}}]}}') == {"m": context}


# What lies in one list or segment is bounded, too.


def test_large_answers_are_written_as_several_segments_and_handed_over_in_short_lists(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(feeder, "SEGMENT_CHARS", 1000)
    monkeypatch.setattr(feeder, "OUTPUT_BYTES", 2000)
    lists: list[int] = []
    flush = feeder.Feeder._flush_rows

    def counted(self: feeder.Feeder) -> None:
        lists.append(len(self._ready))
        flush(self)

    monkeypatch.setattr(feeder.Feeder, "_flush_rows", counted)
    texts = [f"{index} " + "word " * 100 for index in range(20)]
    spec = spec_for(endpoint(), journal=str(tmp_path / "journals" / "one"), journal_flush_s=60.0)
    assert len(run(spec, batch(*texts))) == 20
    segments = list(tmp_path.rglob("*.parquet"))
    assert len(segments) >= 10
    assert sum(int(each.name.split(".rows-")[1].split(".")[0]) for each in segments) == 20
    assert max(lists) <= 2


def test_answers_past_what_one_arrow_array_holds_are_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 GiB are too much for a test: an array that pyarrow cuts in two stands for them."""
    import pyarrow as pa

    whole = pa.array

    def cut(values: Any, kind: Any) -> Any:
        array = whole(values, kind)
        return pa.chunked_array([array[:1], array[1:]]) if kind == pa.string() else array

    monkeypatch.setattr(answers.pa, "array", cut)
    given = [answers.Answer("a" * 10, "answered"), answers.Answer("b" * 10, "answered")]
    assert answers.answer_columns(given).column("answer").to_pylist() == ["a" * 10, "b" * 10]


def test_reading_leaves_no_thread_behind(endpoint: Make) -> None:
    before = threading.active_count()
    engine.connect(endpoint())
    assert threading.active_count() == before
    assert os.environ[VARIABLE] == KEY
