"""Where a refresh stops by itself: after so many rows, hours or so much money, at the end of a chunk."""

import time
from collections.abc import Sequence

from recast.exits import STOPPED
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.costs import PRICES, S_PER_HOUR, cost_of
from recast.lakehouse.ledger import Run
from recast.lakehouse.settings import AllSettings as Settings
from recast.settings import UserError


class LimitError(Exception):
    """A limit was reached. What was committed stays, and the next refresh goes on from there."""

    exit_status = STOPPED
    runs: Sequence[Run] = ()  # of the stages before
    stopped: Run | None = None  # of the stage that stopped


class Limits:
    """What one refresh may still do, over all of its stages; a limit of 0 is none.

    A chunk that has begun is finished, so that nothing is paid for in vain. Rows pass their limit by no more than the first
    chunk of a stage, which is taken however large it is, since a limit must not stop all progress. Time and money are
    counted up to the last commit: two chunks may be under way when such a limit is reached.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin to count.

        Raises:
            UserError: a limit of money without a price is none.
        """
        if settings.max_cost and not any(getattr(settings, price) for price in PRICES):
            raise UserError(f"max_cost needs a price: set one of {', '.join(PRICES)}")
        self.max_rows, self.max_hours, self.max_cost = settings.max_rows, settings.max_hours, settings.max_cost
        self.began = time.monotonic()
        self._of_run: dict[tuple[str, str], tuple[int, float]] = {}

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return sum(rows for rows, _ in self._of_run.values())

    @property
    def cost(self) -> float:
        """Cost so far, by the prices."""
        return sum(cost for _, cost in self._of_run.values())

    @property
    def rows_left(self) -> int | None:
        """Rows that may still be written, None for any number."""
        return max(0, self.max_rows - self.rows) if self.max_rows else None

    def fitting(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Return the first chunks, those whose rows may be written; the first one at least, while any row may be."""
        if self.rows_left is None:
            return chunks
        rows = 0
        for place, chunk in enumerate(chunks):
            rows += chunk.rows
            if rows > self.rows_left:
                return chunks[: max(place, 1 if self.rows_left else 0)]
        return chunks

    def count(self, run: Run, settings: Settings) -> None:
        """Take in what a stage's run has written and cost so far."""
        run["cost"] = cost_of(run, settings)
        self._of_run[run["run_id"], run["table_name"]] = (run["rows_in"], run["cost"])

    def reached(self) -> str:
        """Return which limit of time or money was reached, in words; "" while none is."""
        hours = (time.monotonic() - self.began) / S_PER_HOUR
        if self.max_hours and hours >= self.max_hours:
            return f"stopped after {hours:.2f} hours, as max_hours = {self.max_hours:g} asks"
        if self.max_cost and self.cost >= self.max_cost:
            return f"stopped at a cost of {self.cost:,.2f}, as max_cost = {self.max_cost:g} asks"
        return ""

    def words(self) -> str:
        """Return why a refresh stops."""
        return self.reached() or f"stopped after {self.rows:,} rows, as max_rows = {self.max_rows:,} asks"
