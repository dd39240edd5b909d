"""Ctrl-C while Spark works: its jobs are cancelled, so that a run ends as one that failed does, with its row in the ledger.

Python's own KeyboardInterrupt would leave the conversation with the JVM in the middle of an answer, and what closes a run
would then read the rest of it. PySpark's own handler speaks with the JVM from inside such an answer.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

CANCEL_EVERY_S = 0.5


@contextlib.contextmanager
def cancelling(spark: SparkSession) -> Iterator[None]:
    """Cancel all jobs of the application from the first Ctrl-C in the block on, until the block has ended.

    Raises:
        KeyboardInterrupt: at the end of a block that was interrupted so; at once where Ctrl-C comes a second time.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    asked, over = threading.Event(), threading.Event()

    def cancel() -> None:
        while not over.is_set():  # again and again: between two jobs there is none to cancel
            with contextlib.suppress(Py4JError, OSError):
                spark.sparkContext.cancelAllJobs()
            over.wait(CANCEL_EVERY_S)

    def interrupted(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        threading.Thread(target=cancel, name="cancel", daemon=True).start()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    except Exception as problem:
        if asked.is_set():
            raise KeyboardInterrupt from problem
        raise
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)
    if asked.is_set():
        raise KeyboardInterrupt
