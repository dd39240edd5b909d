"""`recast refresh --json` and `--notify`: what a scheduler is told, and the exit status of every outcome."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner
from pyspark.errors import PythonException

from recast import exits
from recast.cli import outcome as telling
from recast.cli.main import main
from recast.jobs import running
from recast.jobs.running import RunError
from recast.lakehouse import ledger
from recast.lakehouse.limits import LimitError
from recast.lakehouse.quality import QualityError
from recast.settings import BusyError, UserError
from tests.conftest import CHECKOUT

RUN = ledger.begin("run-1", "raw_code", "1", {}, {}) | {"status": "succeeded", "rows_in": 7}  # type: ignore[operator]
GATE = RunError("linted_code failed", [RUN], QualityError("linted_code: a row is lost"))
STOPPED = LimitError("stopped after 7 rows")
STOPPED.runs = [RUN]
TRACE = "Job aborted: Traceback (most recent call last):\n  File 'rows.py', line 58\n{}\n\tat java.lang.Thread.run"
OF_A_TASK = PythonException(TRACE.format("recast.inference.answers.ErrorBudgetError: 7 of 9 requests failed"))
OF_ITS_NAME = PythonException(TRACE.format("ValueError: the answer quotes ErrorBudgetError: 7 of 9"))
OUTCOMES: dict[str, tuple[Any, int, str]] = {
    "done": ([RUN], exits.DONE, "done"),
    "nothing": ([], exits.DONE, "nothing to do"),
    "failed": (RunError("raw_code failed"), exits.FAILED, "failed"),
    "user": (UserError("there is no such table"), exits.USER_ERROR, "user error"),
    "gate": (GATE, exits.GATE_FAILED, "gate failed"),
    "budget": (RunError("x", [], OF_A_TASK), exits.GATE_FAILED, "gate failed"),
    "its name": (RunError("x", [], OF_ITS_NAME), exits.FAILED, "failed"),
    "limit": (STOPPED, exits.STOPPED, "stopped"),
    "partial": (RunError("linted_code failed", [RUN]), exits.PARTIAL, "partial"),
    "busy": (BusyError("another run is writing raw_code"), exits.BUSY, "busy"),
    "interrupted": (exits.Interrupted(), exits.INTERRUPTED, "interrupted"),
    "denied": (PermissionError(13, "Permission denied", "lake/_work"), exits.USER_ERROR, "user error"),
    "terminated": (exits.Terminated(), exits.TERMINATED, "terminated"),
}


def refresh(monkeypatch: pytest.MonkeyPatch, ends: Any, *arguments: str) -> tuple[int, list[str]]:
    """Run `recast refresh` where the stages end so; return its status and its lines of standard output."""

    def stages(*_: Any, **__: Any) -> Any:
        if isinstance(ends, BaseException):
            raise ends
        return ends

    monkeypatch.setattr(running, "refresh_stages", stages)
    done = CliRunner().invoke(main, ["refresh", "code", *arguments])
    return done.exit_code, done.stdout.splitlines()


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_has_a_status_and_a_line_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, status, words = OUTCOMES[name]
    ended, lines = refresh(monkeypatch, ends, "--json")
    said = json.loads(lines[-1])
    assert (ended, said["exit_status"], said["ended"]) == (status, status, words)
    assert set(said["tables"]) == ({"raw_code"} if name in ("done", "gate", "partial", "limit") else set())


def test_the_numbers_of_a_table_that_was_refreshed_twice_in_one_run_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    first = RUN | {"rows_in": 900, "rows_kept": 890, "output_tokens": 12, "cost": 12.5, "seconds": 100.0}
    again = RUN | {"rows_in": 1, "rows_removed": 3, "output_tokens": None, "cost": 0.5, "seconds": 5.0}
    below = RUN | {"table_name": "parsed_code", "rows_in": 880, "status": "stopped"}
    _, (line,) = refresh(monkeypatch, [first, again | {"status": "stopped"}, below], "--json")
    tables = json.loads(line)["tables"]
    added = {"status": "stopped", "rows_in": 901, "rows_kept": 890, "rows_removed": 3, "output_tokens": 12}
    assert tables["raw_code"].items() >= (added | {"cost": 13.0, "seconds": 105.0}).items()
    assert (tables["parsed_code"]["rows_in"], list(tables)) == (880, ["raw_code", "parsed_code"])


def test_nothing_to_do_has_a_status_of_its_own_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    status, lines = refresh(monkeypatch, [], "--detailed-exit-code", "--json")
    assert (status, json.loads(lines[-1])["exit_status"]) == (exits.NOTHING_TO_DO, exits.NOTHING_TO_DO)
    assert refresh(monkeypatch, [RUN], "--detailed-exit-code")[0] == exits.DONE


def test_every_status_is_listed_once() -> None:
    statuses = [value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)]
    assert sorted(statuses) == sorted(exits.MEANINGS)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[Any]]]:
    """An address that takes what is posted at the second try, and what it took."""
    took: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        tries = 0

        def do_POST(self) -> None:
            Handler.tries += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if Handler.tries > 1:  # before the answer: who asked goes on with it
                took.append(json.loads(body))
            self.send_response(200 if Handler.tries > 1 else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook?token=secret", took
    server.shutdown()


def test_the_outcome_is_posted_also_where_a_run_failed(
    listener: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, took = listener
    assert refresh(monkeypatch, GATE, "--notify", url)[0] == exits.GATE_FAILED
    assert [each["ended"] for each in took] == ["gate failed"]


def test_an_address_that_nobody_answers_changes_no_outcome_and_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(telling, "NOTIFY_ATTEMPTS", 1)
    monkeypatch.setattr(running, "refresh_stages", lambda *_, **__: [RUN])
    done = CliRunner().invoke(main, ["refresh", "--notify", "http://127.0.0.1:9/hook?token=secret"])
    assert done.exit_code == exits.DONE
    assert "secret" not in done.output + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "url", ["ftp://example.org", "http://[bad", "http://?token", "http://..../", "http://a.org:99999"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_done(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(telling, "post", lambda *given: posted.append(given))
    status, lines = refresh(monkeypatch, AssertionError("the run began"), "--json", "--notify", url)
    (said,) = (json.loads(line) for line in lines)
    assert (status, said["exit_status"], said["ended"], said["tables"]) == (2, 2, "user error", {})
    assert said["problem"].startswith("--notify takes an address") and "token" not in said["problem"]
    assert posted == []


@pytest.mark.parametrize("fault", [UnicodeError("label too long"), exits.Terminated()])
def test_the_object_is_printed_also_where_posting_it_fails_in_whatever_way(
    fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(**_: Any) -> None:
        raise fault

    monkeypatch.setattr("aiohttp.ClientSession", run)
    monkeypatch.setattr(telling, "NOTIFY_ATTEMPTS", 1)
    status, lines = refresh(monkeypatch, GATE, "--json", "--notify", "http://127.0.0.1:9/hook")
    assert status == (exits.TERMINATED if isinstance(fault, exits.Terminated) else exits.GATE_FAILED)
    assert [json.loads(line)["ended"] for line in lines] == ["gate failed"]


def test_the_page_lists_every_status() -> None:
    page = (CHECKOUT / "docs" / "schedules.md").read_text()
    assert all(f"| {status} | {words} |" in page for status, words in exits.MEANINGS.items())
