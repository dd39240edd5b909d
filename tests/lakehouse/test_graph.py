"""The graph of stages follows from the tables that their sources read."""

from dataclasses import replace

import pytest

from recast.lakehouse.graph import above, ordered
from recast.lakehouse.source import Source
from recast.lakehouse.stage import Stage
from tests.lakehouse.toy import TABLE


def stage(name: str, *tables: str) -> Stage:
    """Return a stage that reads these tables and does nothing else that matters here."""
    source = Source(lambda settings: "", lambda spark, settings, version, takedowns: None, lambda settings: 0, tables)  # type: ignore[arg-type, return-value]
    return Stage(replace(TABLE, name=name), source, *[lambda *_: None] * 4)  # type: ignore[arg-type]


def names(*stages: Stage) -> list[str]:
    return list(ordered(stages))


def test_a_stage_stands_after_all_that_it_reads_and_otherwise_where_it_was_named() -> None:
    assert names(stage("c", "b"), stage("a"), stage("b", "a"), stage("x")) == ["a", "b", "c", "x"]
    assert names(stage("a"), stage("left", "a"), stage("right", "a"), stage("both", "right", "left")) == [
        "a",
        "left",
        "right",
        "both",
    ]
    assert names(stage("both", "right", "left"), stage("left", "a"), stage("right", "a"), stage("a")) == [
        "a",
        "right",
        "left",
        "both",
    ]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((stage("a"), stage("a")), "two stages write a"),
        ((stage("a", "b"),), "a reads b, which no stage writes"),
        ((stage("a", "b"), stage("b", "a")), "stages read each other in a circle: .*a.* -> .*b"),
    ],
)
def test_a_graph_that_cannot_be_run_is_refused(stages: tuple[Stage, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ordered(stages)


def test_what_a_table_is_made_from_is_found_over_all_steps() -> None:
    stages = ordered([stage("a"), stage("left", "a"), stage("right", "a"), stage("both", "right", "left"), stage("x")])
    assert above(stages, "both") == {"right", "left", "a"}
    assert above(stages, "a") == set()
