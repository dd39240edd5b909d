"""Chunks: a run's rows are cut into ranges of their hashes, each measured, checked and committed as one."""

import itertools
from collections.abc import Mapping
from operator import itemgetter
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

# Rows are counted by so many hexadecimal digits of their hash: at most 65,536 numbers on the driver.
PREFIX_DIGITS = 4


class Todo(NamedTuple):
    """What an action has to do.

    Attributes:
        rows: how many.
        replacing: those that take the place of a stored row.
        losing: those whose stored row holds a measurement of another text (lakehouse/actions.py).
        copies: how often a source lists one of them, at most.
    """

    rows: int = 0
    replacing: int = 0
    losing: int = 0
    copies: int = 1

    def __add__(self, other: "Todo") -> "Todo":  # type: ignore[override]
        """Return what both have to do."""
        counts = (self.rows + other.rows, self.replacing + other.replacing, self.losing + other.losing)
        return Todo(*counts, max(self.copies, other.copies))


class Chunk(NamedTuple):
    """A range of input hashes.

    Equal texts have equal hashes and so share a chunk, and tables written chunk by chunk are skipped file by file by
    the statistics that Delta keeps of their hashes.

    Attributes:
        number: its place, from 0.
        low: the least hash.
        high: the hash above all of its own, None for the last chunk.
        rows: how many are pending in it.
        todo: the same by action.
    """

    number: int
    low: str
    high: str | None
    rows: int = 0
    todo: Mapping[str, Todo] = {}

    @property
    def is_replacing(self) -> bool:
        """Whether one of its rows takes the place of a stored one."""
        return any(each.replacing for each in self.todo.values())

    @property
    def is_losing(self) -> bool:
        """Whether one of its rows takes the place of a measurement of another text."""
        return any(each.losing for each in self.todo.values())

    def holds(self, column: str) -> Column:
        """Return the condition that a row's hash lies in this chunk."""
        above = F.col(column) >= self.low
        return above if self.high is None else above & (F.col(column) < self.high)


def chunks_of(todo: Mapping[tuple[str, str], Todo], chunk_rows: int, staggered: bool = False) -> list[Chunk]:
    """Return the fewest hash ranges of about equally many rows that keep their average within `chunk_rows`.

    Every chunk holds rows, wherever the pending ones lie: a run that goes on where another stopped finds them all at one
    end.

    Args:
        todo: pending rows by the first digits of their hash and by action.
        chunk_rows: the most rows that a chunk should hold.
        staggered: whether the first of several gets half as many: two chunks that are measured side by side then never
            end together.
    """
    total = sum(each.rows for each in todo.values())
    count = max(1, -(-total // chunk_rows))
    missing = 0.5 if staggered and count > 1 else 0.0
    if total > (count - missing) * chunk_rows:
        count += 1
    lows: dict[int, str] = {}
    held: dict[int, dict[str, Todo]] = {}
    before = 0
    for prefix, own in itertools.groupby(sorted(todo), key=itemgetter(0)):
        place = int(missing + before * (count - missing) / total)
        lows.setdefault(place, prefix)
        by_action = held.setdefault(place, {})
        for key in own:
            by_action[key[1]] = by_action.get(key[1], Todo()) + todo[key]
            before += todo[key].rows
    bounds = ["", *list(lows.values())[1:], None]
    return [
        Chunk(i, bounds[i] or "", bounds[i + 1], sum(each.rows for each in by_action.values()), by_action)
        for i, by_action in enumerate(held.values())
    ]
