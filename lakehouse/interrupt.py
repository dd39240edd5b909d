"""Ctrl-C or SIGTERM while Spark works: its jobs are cancelled, so that a run ends as one that failed does, with its row.

Python's own KeyboardInterrupt would leave the conversation with the JVM in the middle of an answer, and what closes a run
would then read the rest of it. PySpark's own handler speaks with the JVM from inside such an answer.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from recast.exits import BY_SIGNAL, Signalled, status_of
from recast.signals import RAISES, handled

CANCEL_EVERY_S = 0.5
ASKED: list[type[Signalled]] = []
"""What a signal that came in the block of `cancelling` raises at its end."""


@contextlib.contextmanager
def cancelling(spark: SparkSession) -> Iterator[None]:
    """Cancel all jobs of the application from the first signal in the block on, until the block has ended.

    Raises:
        KeyboardInterrupt: at the end of a block that was interrupted so; at once where a signal comes a second time.
    """
    asked = ASKED
    asked.clear()
    over = threading.Event()

    def cancel() -> None:
        while not over.is_set():  # again and again: between two jobs there is none to cancel
            with contextlib.suppress(Py4JError, OSError):
                spark.sparkContext.cancelAllJobs()
            over.wait(CANCEL_EVERY_S)

    def interrupted(number: int, _: Any) -> None:
        if asked:
            raise asked[0]
        asked.append(RAISES[number])
        threading.Thread(target=cancel, name="cancel", daemon=True).start()

    try:
        with handled(interrupted):
            yield
    except Exception as problem:
        if asked:
            ended = asked[0]()
            ended.runs = getattr(problem, "runs", ())
            raise ended from problem
        raise
    else:
        if asked:
            raise asked[0]
    finally:
        over.set()
        asked.clear()


def word_for(problem: BaseException) -> str:
    """Return "interrupted" or "terminated" where a signal is what ended a run with this error; "" where none came."""
    return BY_SIGNAL.get(status_of(ASKED[0]() if ASKED else problem), "")
