"""HTTP with strangers: where keys and texts go, and what is read of an answer that is too long, too slow or a trap."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.inference import exchange
from recast.inference.server import endpoint as hosted
from recast.inference.server import engine, metrics, process
from recast.inference.server.spec import EngineError, EngineSpec
from tests.inference.strangers import KEY, VARIABLE, one, reached

Make = Callable[..., EngineSpec]


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
    "proxy", ["socks5://user:hunter2@proxy", "http://user:hunter2@[", "http://user:hunter2@p:99999"]
)
def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setattr(hosted, "TRIES", 1)
    with pytest.raises(EngineError, match="http_proxy names no HTTP proxy") as raised:
        engine.connect(EngineSpec(model="m", endpoint="http://model.invalid/v1"))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("word", "words"), [("endless", "more than 1048576 bytes"), ("bomb", "more than 1048576 bytes")]
)
def test_a_list_of_models_without_end_is_an_error(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch, word: str, words: str
) -> None:
    monkeypatch.setattr(exchange, "MAX_GET_BYTES", 1 << 20)
    with pytest.raises(EngineError, match=words):
        engine.connect(endpoint("--odd", word, "--odd-path", "/v1/models"))


def test_a_list_of_models_that_drips_is_given_up_in_time(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(hosted, "TRIES", 1)
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached: no answer within 0 s"):
        engine.connect(endpoint("--odd", "drip", "--odd-path", "/v1/models"))
    assert time.monotonic() - began < 2


def test_an_own_server_that_drips_or_never_ends_does_not_answer(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_GET_BYTES", 1 << 20)
    monkeypatch.setattr(process, "PROBE_TIMEOUT_S", 1.0)
    running = engine.connect(fake_engine("--odd", "endless", "--odd-path", "/metrics"))
    assert metrics.load(running) is None
    dripping = engine.connect(fake_engine("--odd", "drip", "--odd-path", "/metrics"))
    began = time.monotonic()
    assert metrics.load(dripping) is None
    assert time.monotonic() - began < 5


def test_reading_leaves_no_thread_behind(endpoint: Make) -> None:
    before = threading.active_count()
    engine.connect(endpoint())
    assert threading.active_count() == before
    assert os.environ[VARIABLE] == KEY
