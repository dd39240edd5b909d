"""Tells a scheduler how a refresh ended: one JSON object on standard output, and the same posted to an address."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from recast import __version__, exits
from recast.jobs.settings import Settings
from recast.lakehouse.ledger import Run
from recast.lakehouse.problems import first_line, status_of, warn
from recast.printable import printable
from recast.settings import UserError

ENDED = {
    exits.DONE: "done",
    exits.NOTHING_TO_DO: "nothing to do",
    exits.FAILED: "failed",
    exits.USER_ERROR: "user error",
    exits.GATE_FAILED: "gate failed",
    exits.STOPPED: "stopped",
    exits.PARTIAL: "partial",
    exits.BUSY: "busy",
    **exits.BY_SIGNAL,
}
FACTS = (
    "status",
    "rows_in",
    "rows_kept",
    "rows_rejected",
    "rows_measured",
    "rows_removed",
    "output_tokens",
    "cost",
    "seconds",
)
NOTIFY_TIMEOUT_S = 10
NOTIFY_ATTEMPTS = 3
NOTIFY_WAIT_S = 2.0


@dataclass
class Outcome:
    """What a refresh did: its run's id, once it has begun, and the rows of `runs` of the tables that are done."""

    run_id: str | None = None
    runs: list[Run] = field(default_factory=list)

    def begin(self, run_id: str) -> None:
        """Note the run's id."""
        self.run_id = run_id


@contextmanager
def told(settings: Settings, as_json: bool, notify: str) -> Iterator[Outcome]:
    """Give an `Outcome` to fill; when the block ends, however it does, say so as asked.

    Raises:
        UserError: `notify` is no address of HTTP.
    """
    outcome, began = Outcome(), time.monotonic()
    problem: BaseException | None = None
    address = notify if is_address(notify) else ""
    try:
        if notify and not address:
            raise UserError("--notify takes an address that begins with http:// or https:// and names a host")
        yield outcome
    except BaseException as raised:
        problem = raised
        outcome.runs = outcome.runs or list(getattr(raised, "runs", []))
        raise
    finally:
        facts = facts_of(settings, outcome, problem, time.monotonic() - began)
        try:
            if as_json:
                print(json.dumps(facts), flush=True)  # before it is posted, which may take a while
        finally:  # whoever reads the line may have gone
            if address:
                post(address, facts)


def is_address(url: str) -> bool:
    """Say whether something can be posted to a URL."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # UnicodeError for a name that no resolver takes, as `a..b`
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0  # ValueError for one above 65535
    except ValueError:
        return False


def facts_of(settings: Settings, outcome: Outcome, problem: BaseException | None, seconds: float) -> dict[str, Any]:
    """Return how a refresh ended, as JSON holds it."""
    status = exits.DONE if problem is None else status_of(problem)
    ended = exits.NOTHING_TO_DO if problem is None and not outcome.runs else status
    return {
        "ended": ENDED.get(ended, "failed"),
        "exit_status": status,
        "problem": None if problem is None or isinstance(problem, SystemExit) else printable(first_line(problem)),
        "lake": settings.lake,
        "run_id": outcome.run_id,
        "tables": by_table(outcome.runs),
        "seconds": round(seconds, 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recast_version": __version__,
    }


def by_table(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Return FACTS of each table. Numbers add up where it was refreshed twice, as a raw table is for a takedown meanwhile."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        facts: dict[str, Any] = {name: run.get(name) for name in FACTS}
        for name, earlier in found.get(run["table_name"], {}).items():
            if name != "status" and earlier is not None:
                facts[name] = earlier + (facts[name] or 0)
        found[run["table_name"]] = facts
    return found


def post(url: str, facts: dict[str, Any]) -> None:
    """Post facts as JSON; where nobody takes them after a few tries, warn. The run's own outcome stays what it is."""
    import aiohttp
    import tenacity

    async def send() -> None:
        timeout = aiohttp.ClientTimeout(total=NOTIFY_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=facts) as response:
            response.raise_for_status()

    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(NOTIFY_ATTEMPTS), wait=tenacity.wait_random(0, NOTIFY_WAIT_S), reraise=True
    )
    try:
        attempts(lambda: asyncio.run(send()))
    except Exception as problem:  # whatever it is, the outcome is another
        host = urlsplit(url).hostname  # the rest of the address may be a secret
        warn(f"{host} could not be notified: {type(problem).__name__}")
