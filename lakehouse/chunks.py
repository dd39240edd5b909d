"""Chunks: a run's rows are cut into ranges of their hashes, each measured, checked and committed as one."""

from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

# Rows are counted by so many hexadecimal digits of their hash: at most 65,536 numbers on the driver.
PREFIX_DIGITS = 4


class Chunk(NamedTuple):
    """A range of input hashes.

    Equal texts have equal hashes and so share a chunk, and tables written chunk by chunk are skipped file by file by
    the statistics that Delta keeps of their hashes.

    Attributes:
        number: its place, from 0.
        low: the least hash.
        high: the hash above all of its own, None for the last chunk.
        rows: how many are pending in it.
    """

    number: int
    low: str
    high: str | None
    rows: int = 0

    def holds(self, column: str) -> Column:
        """Return the condition that a row's hash lies in this chunk."""
        above = F.col(column) >= self.low
        return above if self.high is None else above & (F.col(column) < self.high)


def chunks_of(rows: dict[str, int], chunk_rows: int, staggered: bool = False) -> list[Chunk]:
    """Return the fewest hash ranges of about equally many rows that keep their average within `chunk_rows`.

    Every chunk holds rows, wherever the pending ones lie: a run that goes on where another stopped finds them all at one
    end.

    Args:
        rows: pending rows by the first digits of their hash.
        chunk_rows: the most rows that a chunk should hold.
        staggered: whether the first of several gets half as many: two chunks that are measured side by side then never
            end together.
    """
    total = sum(rows.values())
    count = max(1, -(-total // chunk_rows))
    missing = 0.5 if staggered and count > 1 else 0.0
    if total > (count - missing) * chunk_rows:
        count += 1
    lows: dict[int, str] = {}
    held: dict[int, int] = {}
    before = 0
    for prefix in sorted(rows):
        place = int(missing + before * (count - missing) / total)
        lows.setdefault(place, prefix)
        held[place] = held.get(place, 0) + rows[prefix]
        before += rows[prefix]
    bounds = ["", *list(lows.values())[1:], None]
    return [Chunk(i, bounds[i] or "", bounds[i + 1], each) for i, each in enumerate(held.values())]
