"""Whatever happens to a lake, it ends in the tables of one clean run over the final state, without what was taken down."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.jobs.lanes import Model
from tests.jobs.sequences import run_sequence

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(
    ("lane", "seed"),
    [
        ("math", 221),
        ("code", 5),
    ],  # a text claimed after a release, and a return to that; a repository claimed after one
)
def test_a_random_sequence_of_nights_ends_as_one_clean_run(
    lane: str, seed: int, spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    served_model[0].failing, served_model[0].cut = set(), set()
    assert len(run_sequence(lane, seed, 4, tmp_path, served_model)) > 4
