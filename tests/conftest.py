"""What tests share. Tests without the marker `spark` start no JVM."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """The one Spark session of the whole test run; starting it takes about ten seconds."""
    from lakehouse import session

    folder = tmp_path_factory.mktemp("spark")
    running = session.start("recast-tests", folder / "spark.log")
    yield running
    running.stop()
