"""The catalogue of stages: their order, and what a user may name."""

import pytest

from recast.jobs.catalogue import STAGES, chosen, drawn, lane
from recast.jobs.names import LANES, check_names
from recast.settings import UserError


@pytest.mark.parametrize("name", LANES)
def test_every_stage_comes_right_after_the_table_that_it_reads(name: str) -> None:
    names = [stage.name for stage in lane(name)]
    assert [stage.source.tables for stage in lane(name)] == [(), *((above,) for above in names[:-1])]


def test_every_stage_is_in_one_lane() -> None:
    assert sorted(stage.name for name in LANES for stage in lane(name)) == sorted(STAGES)


def test_a_table_can_be_chosen_with_all_that_it_is_made_from() -> None:
    names = [stage.name for stage in chosen(["styled_code"], with_sources=True)]
    assert names == ["raw_code", "parsed_code", "linted_code", "styled_code"]
    assert [stage.name for stage in chosen(["styled_code"])] == ["styled_code"]


def test_no_name_stands_for_all_tables_and_a_lane_for_its_own() -> None:
    assert [stage.name for stage in chosen([])] == list(STAGES)
    assert chosen(["math"]) == lane("math")
    assert chosen(["math", "code"]) == chosen([])


def test_whatever_the_order_of_names_stages_run_after_their_sources() -> None:
    names = [stage.name for stage in chosen(["published_code", "linted_code", "math", "linted_code"])]
    assert names == ["linted_code", "published_code", *(stage.name for stage in lane("math"))]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no lane or table 'linted'; there are code, math, raw_code, .*published_math"):
        chosen(["raw_code", "linted"])


def test_the_names_that_are_checked_are_those_of_the_catalogue() -> None:
    with pytest.raises(UserError) as refused:
        check_names(["linted"])
    assert str(refused.value).partition("there are ")[2].split(", ") == [*LANES, *STAGES]


def test_a_stage_whose_measurement_can_fail_names_the_failures_that_retry_tries_again() -> None:
    retried = {name for name, stage in STAGES.items() if stage.retryable != "false"}
    assert retried == {"raw_code", "parsed_code", "styled_code", "optimized_code", "rewritten_math"}
    assert {name for name, stage in STAGES.items() if stage.usage} == retried - {"raw_code", "parsed_code"}


def test_the_graph_names_each_table_after_those_it_reads_with_its_lane() -> None:
    assert [table["table_name"] for table in drawn()] == list(STAGES)
    for place, table in enumerate(drawn()):
        assert set(table["reads"]) <= {other["table_name"] for other in drawn()[:place]}
        assert STAGES[table["table_name"]] in lane(table["lane"])
