"""Calls of DuckDB that a signal ends: it looks for none while it fetches rows."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import duckdb

from recast.exits import status_of

Result = TypeVar("Result")

END_TRIES = 10
END_WAIT_S = 0.1  # DuckDB ends a query between two vectors of rows, and one may take minutes


def call(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Return what `work` does with a connection. Another thread does it, since the main thread alone hears of signals.

    Raises:
        KeyboardInterrupt: a signal came that raises it; the query is interrupted.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as problem:
            done.set_exception(problem)

    try:
        threading.Thread(target=run, name="duckdb", daemon=True).start()
        return done.result()
    except KeyboardInterrupt as problem:
        for _ in range(END_TRIES):  # a query that only begins forgets that it was interrupted
            connection.interrupt()
            if wait([done], END_WAIT_S).done:
                break
        else:  # a thread that is inside DuckDB may keep Python from ending
            atexit.register(end_at_once, done, status_of(problem))
        raise


def end_at_once(call_: "Future[Any]", status: int) -> None:
    """End the program, unless the call has come to an end since."""
    if not call_.done():
        sys.stdout.flush()
        os._exit(status)
