"""Endpoints that others run: their key, their models, their version."""

import time
from collections.abc import Callable

import pytest

from recast.inference.server import endpoint as hosted
from recast.inference.server import engine
from recast.inference.server.model import context_tokens
from recast.inference.server.spec import MAX_LABEL_CHARS, EngineError, EngineSpec
from tests.inference.strangers import KEY, VARIABLE, assert_no_key, one, reached

Make = Callable[..., EngineSpec]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_models_is_an_error_that_names_its_target_and_no_key_goes_there(
    endpoint: Make, status: int
) -> None:
    other = endpoint()
    args = ("--odd", f"redirect{status}", "--odd-path", "/v1/models", "--elsewhere", other.endpoint.removesuffix("/v1"))
    for ask in (engine.connect, context_tokens):
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


def test_a_redirect_to_nowhere_is_an_error(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="answers 305, a redirect to nowhere, which is not followed"):
        engine.connect(endpoint("--odd", "redirect305", "--odd-path", "/v1/models"))
    assert one(endpoint(), "[[odd redirect300]]")["error"].startswith("300, a redirect to nowhere")


def test_model_names_and_the_version_are_printable_labels_without_the_key(endpoint: Make) -> None:
    with pytest.raises(EngineError, match=r"has no model fake; it has m\\x1b\[2J\\nBearer \*\*\*") as raised:
        engine.connect(endpoint("--odd", "models", "--odd-path", "/v1/models", api_key_variable=VARIABLE))
    assert_no_key(raised.value)
    assert str(raised.value).isprintable()
    running = engine.connect(endpoint("--odd", "version", "--odd-path", "/version", api_key_variable=VARIABLE))
    assert running.label.isprintable()
    assert len(running.label) <= MAX_LABEL_CHARS
    assert "1.0" in running.label


def test_a_key_that_is_no_secret_damages_neither_answers_nor_the_list_of_models(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "fake")
    row = one(endpoint("--key", "fake", api_key_variable=VARIABLE), "fake news")
    assert row["answer"] == "FAKE NEWS"
    assert "Bearer ***" in one(endpoint(api_key_variable=VARIABLE), "[[odd quoting]]")["error"]


def test_models_listed_deeper_than_python_goes_are_no_list(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="does not answer as an OpenAI-compatible endpoint does"):
        engine.connect(endpoint("--odd", "deep", "--odd-path", "/v1/models"))


@pytest.mark.parametrize(
    ("listed", "context"),
    [("8192", 8192), ('"8192"', 8192), ("1e400", 0), ("-5", 0), ('"many"', 0), ("[]", 0), ("1" + "0" * 18, 0)],
)
def test_a_context_that_cannot_be_is_not_known(listed: str, context: int) -> None:
    assert hosted.listed_models(f'{{"data": [{{"id": "m", "max_model_len": {listed}}}]}}') == {"m": context}


def test_an_endpoint_is_used_as_it_is(endpoint: Make) -> None:
    spec = endpoint()
    running = engine.connect(spec)
    assert running.base_url == spec.endpoint
    assert running.socket is None
    assert context_tokens(spec) == 4096


def test_a_gateway_that_lists_models_bare_and_drops_the_version_serves(endpoint: Make) -> None:
    began = time.monotonic()
    assert engine.connect(endpoint("--gateway")).version == ""
    assert time.monotonic() - began < 1, "the version is not worth a second try"
    with pytest.raises(EngineError, match="has no model other; it has fake"):
        engine.connect(endpoint("--gateway", model="other"))


def test_an_endpoint_that_refuses_connections_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "TRIES", 1)
    with pytest.raises(EngineError) as raised:
        engine.connect(EngineSpec(model="m", endpoint="http://127.0.0.1:9/v1"))
    assert str(raised.value).startswith("the endpoint http://127.0.0.1:9/v1 cannot be reached: ")
    assert "\n" not in str(raised.value)


def test_an_endpoint_without_the_model_says_which_it_has(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="has no model other; it has fake"):
        engine.connect(endpoint(model="other"))


def test_a_refused_key_names_its_variable(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = endpoint("--key", "secret", api_key_variable="MY_KEY")
    with pytest.raises(EngineError, match=r"refused a request without key \(MY_KEY is not set\)"):
        engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "wrong")
    with pytest.raises(EngineError, match="refused the key in MY_KEY"):
        engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "secret")
    engine.connect(spec)


def test_a_key_is_sent_without_its_line_end_and_never_shown(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = endpoint("--key", "secret", api_key_variable="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret\n")
    engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "sec\nret")
    with pytest.raises(EngineError) as raised:
        engine.connect(spec)
    assert str(raised.value) == "the key in MY_KEY holds characters that no request can carry"
