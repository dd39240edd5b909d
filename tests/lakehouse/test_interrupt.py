"""Ctrl-C while Spark works."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recast.lakehouse.interrupt import cancelling

pytestmark = pytest.mark.spark


def slow(batches: Iterator[Any]) -> Iterator[Any]:
    time.sleep(60)
    yield from batches


def test_ctrl_c_ends_the_job_that_runs_and_the_session_goes_on(spark: SparkSession) -> None:
    before, started = signal.getsignal(signal.SIGINT), time.monotonic()
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), cancelling(spark):
        timer.start()
        spark.range(1).mapInArrow(slow, "id bigint").collect()
    assert time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGINT) == before
    assert spark.range(3).count() == 3


def test_ctrl_c_between_two_jobs_ends_the_next_one(spark: SparkSession) -> None:
    with pytest.raises(KeyboardInterrupt), cancelling(spark):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        spark.range(1).mapInArrow(slow, "id bigint").collect()


def test_errors_of_a_run_that_nobody_interrupted_are_its_own(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="its own"), cancelling(spark):
        raise ValueError("its own")
