"""Why a server did not start, or how it ended: what its watcher saw, and what its log says."""

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import NamedTuple

from recast.inference.server import servers
from recast.inference.server.runtime import LOG_FILE, gone, read
from recast.inference.server.spec import Engine, Server
from recast.inference.server.watch import ENDINGS_FILE, SERVER_FILE, instance

LOG_LINES = 40
LOG_TAIL_BYTES = 1 << 16
# A watcher looks twice a second.
ENDING_PATIENCE_S = 5.0
POLL_S = 0.2
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)


class Ending(NamedTuple):
    """How a server ended: whether somebody else's signal ended it, and in words."""

    from_outside: bool
    words: str


def ending(engine: Engine) -> Ending:
    """Return how a dead server ended, as its watcher saw it; waits up to ENDING_PATIENCE_S for the watcher to see it.

    From outside is a signal by which processes are told to end, unless the kernel's OOM killer was at work at that moment,
    for a request may take the memory that it kills for, or the server's log says that it is its own; and an end that nobody
    saw, since no request ends a watcher. An exit status is the server's own, 0 too: vLLM's API server ends with it when its
    engine process has died (github.com/vllm-project/vllm/issues/48966).
    """
    folder, deadline = Path(engine.folder), time.monotonic() + ENDING_PATIENCE_S
    while True:
        for line in _lines(folder / ENDINGS_FILE):
            with contextlib.suppress(ValueError):  # cut by a full disk
                ended = json.loads(line)
                if ended["instance"] == engine.instance:
                    found = _ending(ended["returncode"], ended["oom_kills"])
                    own = found.from_outside and _ended_itself(engine)
                    return Ending(False, "it ended itself, as its log says") if own else found
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if not gone(engine):
        return Ending(False, "it said itself that its engine was dead")
    return Ending(True, "its watcher ended with it")


def failure(folder: Path, server: Server, what: str) -> str:
    """Return what to say of a failed start: the cause in the server's log, what to do about it, and the last lines."""
    lines = [line.rstrip() for line in _log_tail(folder) if line.strip()]
    cause = _cause(lines, server)
    tail = "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
    advice = next((f". {words}" for pattern, words in server.advice if re.search(pattern, cause)), "")
    return f"{what}{f': {cause}' if cause else ''}{advice}\n  last lines of its log:\n{tail}"


def _ending(returncode: int | None, oom_kills: int) -> Ending:
    if returncode is None:
        return Ending(False, "it did not answer and was replaced")
    # A shell between watcher and server makes 128 and more of a signal's number.
    number = -returncode if returncode < 0 else returncode - 128
    if number in ENDING_SIGNALS and not oom_kills:
        return Ending(True, f"somebody ended it with signal {number}")
    if number in ENDING_SIGNALS:
        return Ending(False, f"signal {number}, as the kernel ran out of memory")
    return Ending(False, f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}")


def _ended_itself(engine: Engine) -> bool:
    """Tell whether a server's log says that it ended itself; not known where its successor has begun to write there."""
    pattern, folder = servers.named(engine.name).own_end, Path(engine.folder)
    facts = read(folder / SERVER_FILE)
    is_its_log = facts is None or instance(facts) == engine.instance
    return bool(pattern) and is_its_log and any(re.search(pattern, line) for line in _log_tail(folder))


def _cause(lines: list[str], server: Server) -> str:
    """Return the first error a server's log ends with, not the one that follows from it; "" where none is seen."""
    errors = [match[0] for line in lines if (match := re.search(r"\b\w*(?:Error|Exception): .+", line))]
    errors += [match[0] for line in lines if (match := re.search(r"\berror: .+", line))]
    first_hand = [error for error in errors if not re.search(server.consequence, error)]
    return (first_hand or errors or [""])[-1]


def _log_tail(folder: Path) -> list[str]:
    try:
        with (folder / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
