"""The catalogue of stages: their order, and what a user may name."""

from pathlib import Path

import pytest

from recast.jobs.catalogue import LANES, STAGES, chosen
from recast.jobs.names import check_names
from recast.jobs.settings import Settings
from recast.lakehouse.stage import Stage
from recast.settings import UserError


def source_of(stage: Stage, folder: Path) -> str:
    """Return the table that a stage reads, which it names when it is missing; "" for the top of a lane."""
    settings = Settings(
        lake=str(folder / "no lake"), code_source=str(folder / "none"), math_source=str(folder / "none")
    )
    with pytest.raises(UserError) as missing:
        stage.source.version(settings)
    first_word = str(missing.value).split()[0]
    return first_word if first_word in STAGES else ""


@pytest.mark.parametrize("lane", LANES)
def test_every_stage_comes_right_after_the_table_that_it_reads(lane: str, tmp_path: Path) -> None:
    names = [stage.name for stage in LANES[lane]]
    assert [source_of(stage, tmp_path) for stage in LANES[lane]] == ["", *names[:-1]]


def test_no_name_stands_for_all_tables_and_a_lane_for_its_own() -> None:
    assert [stage.name for stage in chosen([])] == list(STAGES)
    assert chosen(["math"]) == list(LANES["math"])
    assert chosen(["math", "code"]) == chosen([])


def test_whatever_the_order_of_names_stages_run_after_their_sources() -> None:
    names = [stage.name for stage in chosen(["published_code", "linted_code", "math", "linted_code"])]
    assert names == ["linted_code", "published_code", *(stage.name for stage in LANES["math"])]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no lane or table 'linted'; there are code, math, raw_code, .*published_math"):
        chosen(["raw_code", "linted"])


def test_the_names_that_are_checked_are_those_of_the_catalogue() -> None:
    with pytest.raises(UserError) as refused:
        check_names(["linted"])
    assert str(refused.value).partition("there are ")[2].split(", ") == [*LANES, *STAGES]


def test_a_stage_whose_measurement_can_fail_names_the_failures_that_retry_tries_again() -> None:
    retried = {name for name, stage in STAGES.items() if stage.passing_failure != "false"}
    assert retried == {"raw_code", "parsed_code", "styled_code", "optimized_code", "rewritten_math"}
    assert {name for name, stage in STAGES.items() if stage.usage} == retried - {"raw_code", "parsed_code"}
