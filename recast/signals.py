"""Ctrl-C and SIGTERM, which end a command with one line and a status of their own."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from recast.exits import Interrupted, Signalled, Terminated, status_of, words_of

RAISES: dict[int, type[Signalled]] = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}
"""What each signal raises. SIGTERM is sent by Kubernetes, Airflow, systemd and `timeout`."""


def heard() -> list[int]:
    """Return which of the signals a handler of ours may take.

    Of a shell's background job Ctrl-C is ignored, and None stands for a handler that is not Python's.
    """
    return [number for number in RAISES if signal.getsignal(number) not in (signal.SIG_IGN, None)]


@contextlib.contextmanager
def handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Have signals handled so in the block. Only the main thread may handle any: in others nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in heard()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """End the program with one line where a signal comes in the block.

    Libraries written in C, DuckDB among them, pass over what a signal raised, or raise an error of their own instead.
    """
    came: list[KeyboardInterrupt] = []

    def interrupted(number: int, _: Any) -> None:
        came.append(RAISES[number]())
        raise came[0]

    with handled(interrupted):
        try:
            yield
        except KeyboardInterrupt as problem:
            came.append(problem)
        except Exception:
            if not came:
                raise
        if came:
            status = status_of(came[0])
            print(f"recast: {words_of(status)}", file=sys.stderr)
            raise SystemExit(status)
