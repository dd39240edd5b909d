"""The graph of stages: it follows from the tables that their sources read."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from recast.lakehouse.stage import Stage


def ordered(stages: Iterable[Stage]) -> dict[str, Stage]:
    """Return the stages by name, each after the stages whose tables it reads, otherwise in the order given.

    Raises:
        ValueError: two write one table, one reads a table that none of them writes, or they read each other in a circle.
    """
    given: dict[str, Stage] = {}
    for stage in stages:
        if stage.name in given:
            raise ValueError(f"two stages write {stage.name}")
        given[stage.name] = stage
    reads = {name: stage.source.tables for name, stage in given.items()}
    for name, tables in reads.items():
        if unknown := set(tables) - set(given):
            raise ValueError(f"{name} reads {unknown.pop()}, which no stage writes")
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as problem:
        raise ValueError(f"stages read each other in a circle: {' -> '.join(problem.args[1])}") from None
    placed: dict[str, Stage] = {}

    def place(name: str) -> None:
        for table in reads[name]:
            place(table)
        placed.setdefault(name, given[name])

    for name in given:
        place(name)
    return placed


def above(stages: Mapping[str, Stage], name: str) -> set[str]:
    """Return the tables that the stage `name` reads, and those that they are made from, over all steps."""
    found: set[str] = set()
    for table in stages[name].source.tables:
        found |= {table, *above(stages, table)}
    return found
