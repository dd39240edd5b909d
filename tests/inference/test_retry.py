"""The rules for failures: the table, and that the client does what it says."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from recast.inference import retry
from recast.inference.client import Client, EngineDied
from recast.inference.exchange import ResponseError
from recast.inference.request import Request
from recast.inference.retry import RULES, Action, Failed, Failure, Rule
from recast.inference.server import process
from recast.inference.server.spec import Engine, EngineError, EngineSpec
from tests.inference.feeding import asked, batch, run, spec_for, statuses

Make = Callable[..., EngineSpec]
ROOT = Path(__file__).parents[2]


class Case(NamedTuple):
    """What stands for a rule: a failure that it is the first to fit, and a text with which a fake endpoint shows it."""

    failure: Failure
    text: str
    server: tuple[str, ...] = ()
    fields: dict[str, Any] = {}  # noqa: RUF012 never changed


TEMPERATURE = "400: Unsupported value: 'temperature' does not support 0.2 with this model."
LIMIT = "400: Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
CONTEXT = "400: This model's maximum context length is 100 tokens."
REFUSED = ConnectionRefusedError(111, "refused")
CASES = [
    Case(Failure("302, a redirect", error=ResponseError("302, a redirect")), "[[odd redirect302]]"),
    Case(Failure("refused", error=aiohttp.ConnectionTimeoutError("none")), "text"),
    Case(Failure("no answer", error=TimeoutError()), "[[hang]]", fields={"request_timeout_s": 0.2}),
    Case(Failure("closed", error=aiohttp.ServerDisconnectedError()), "[[close]]"),
    Case(Failure("a response without an answer: maximum context", 200), "[[nochoices]]"),
    Case(Failure("401: no", 401), "[[odd unauthorized]]"),
    Case(Failure("413: no", 413, can_shorten=True), "[[status 413]]"),
    Case(Failure(CONTEXT, 400, can_shorten=True), "[[context 600]]"),
    Case(Failure(CONTEXT, 400, untried=True), "[[context]]", fields={"max_tokens": 64}),
    Case(Failure(LIMIT, 400, renamed=True), "text", ("--refuse", "max_tokens")),
    Case(Failure(LIMIT, 400, untried=True, old_limit_name=True), "text", ("--refuse", "max_tokens")),
    Case(Failure(TEMPERATURE, 400, untried=True), "text", ("--refuse", "temperature")),
    Case(Failure("503: busy", 503), "[[busy 2]]"),
    Case(Failure("500: no", 500), "[[status 500]]"),
    Case(Failure(TEMPERATURE, 400), "[[status 404]]"),
]
BOTH = list(zip(RULES, CASES, strict=True))
ids = [rule.case for rule in RULES]


@pytest.mark.parametrize(("rule", "case"), BOTH, ids=ids)
def test_each_rule_is_the_first_to_fit_its_failure(rule: Rule, case: Case) -> None:
    assert retry.rule_for(case.failure) is rule


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "case"), BOTH, ids=ids)
def test_the_client_does_what_each_rule_says(
    endpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: Rule, case: Case
) -> None:
    if not rule.reached:
        connect, failures = aiohttp.TCPConnector.connect, iter(range(2))

        async def dropping(connector: Any, request: Any, *arguments: Any, **named: Any) -> Any:
            if request.method == "POST" and next(failures, None) is not None:
                raise aiohttp.ConnectionTimeoutError("Connection timeout to host")
            return await connect(connector, request, *arguments, **named)

        monkeypatch.setattr(aiohttp.TCPConnector, "connect", dropping)
    monkeypatch.setattr(retry, "RETRY_FACTOR", 1.0)
    record = tmp_path / "record"
    spec = spec_for(endpoint(*case.server, "--record", str(record)), error_budget=1.0, **case.fields)
    if rule.action is Action.STOP:
        with pytest.raises(EngineError) as raised:
            run(spec, batch(case.text))
        assert "\n" not in str(raised.value)
        return
    found = statuses(run(spec, batch(case.text, "another")))[case.text]
    times = asked(record)[case.text]
    if rule.action is Action.FAIL:
        assert (found, times) == (rule.outcome, 0 if "odd" in case.text else 1)
    elif rule.action is Action.RETRY:
        assert (found, times) == (rule.outcome, rule.tries)
    else:
        assert found == "answered"
        assert times == {Action.PAUSE: 3 if rule.reached else 1, Action.RENAME: 2}.get(rule.action, times)
        assert times > 1 or not rule.reached


@pytest.mark.parametrize(("rule", "case"), BOTH, ids=ids)
def test_an_own_server_is_asked_for_its_health_where_the_rule_says_so(
    monkeypatch: pytest.MonkeyPatch, rule: Rule, case: Case
) -> None:
    monkeypatch.setattr(process, "state", lambda _: process.DEAD)
    client = Client(spec_for(EngineSpec(model="m")))
    engine = Engine("http://localhost/v1", "/s", "vllm", "", "", 0.0)
    asking = client._failed(engine, Request("key", "text", 10), case.failure, 0.0)
    if rule.asks_health:
        with pytest.raises(EngineDied) as died:
            asyncio.run(asking)
        assert died.value.reached == rule.reached
    else:
        monkeypatch.setattr(client, "ask", lambda _: asyncio.sleep(0, "asked again"))
        try:
            assert asyncio.run(asking)
        except EngineError:
            assert rule.action is Action.STOP


def test_what_may_be_asked_again_asks_for_health_and_nothing_else_does() -> None:
    assert all(rule.asks_health == (rule.action in (Action.RETRY, Action.PAUSE)) for rule in RULES)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        *((status, Action.PAUSE) for status in (429, 503)),
        *((status, Action.RETRY) for status in (200, 408, 409, 425, 500, 502, 504, 529)),
        *((status, Action.FAIL) for status in (201, 304, 400, 403, 404, 413, 422, 451)),
        (401, Action.STOP),
    ],
)
def test_a_status_alone_decides_where_words_say_nothing(status: int, action: Action) -> None:
    assert retry.rule_for(Failure(f"{status}: no", status, untried=True)).action is action


def test_a_failure_keeps_what_the_endpoint_asked_for(endpoint: Make) -> None:
    client = Client(spec_for(endpoint()))
    engine = Engine("http://host/v1", None, "host", "", "", 0.0)
    with pytest.raises(Failed) as raised:
        asyncio.run(client._failed(engine, Request("key", "text", 10), Failure("429: slow down", 429), 7.0))
    assert raised.value.after_s == 7.0


def test_delays_and_pauses_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "RETRY_FIRST_S", 0.5)
    assert [retry.pause_s(times, 0.0) for times in range(5)] == [0.5, 2.0, 8.0, 32.0, 60.0]
    assert retry.pause_s(3, 1.5) == 1.5
    for tries, delay in enumerate((0.5, 2.0, 8.0, 32.0, 60.0), start=1):
        assert 0.75 * delay <= retry.delay_s(tries, 0.0) <= 1.25 * delay


def test_the_documentation_shows_the_table() -> None:
    assert retry.table() in (ROOT / "docs" / "engine.md").read_text("utf-8"), (
        "run: python -m recast.inference.retry, and put it into docs/engine.md"
    )


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
