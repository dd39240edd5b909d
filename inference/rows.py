"""A task's rows: those that wait for an answer, those that go back to the task, and the error budget of their requests."""

import queue
from typing import Any

import pyarrow as pa

from recast.inference.answers import (
    FAILED_STATUSES,
    ErrorBudgetError,
    budget_words,
    clearly_over_budget,
    size,
)
from recast.schemas.answers import Answer

# Finished rows go to the task in lists of so many rows or bytes; while so many lists lie there nothing more is read.
OUTPUT_ROWS = 64
OUTPUT_BYTES = 16 << 20
OUTPUT_LISTS = 16


class Rows:
    """Rows by the key of their request; `output` carries lists of (row, answer) to the task."""

    def __init__(self, error_budget: float) -> None:
        """Begin without rows."""
        self.output: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.known: dict[str, Answer] = {}  # of texts that several rows had, so that more may come
        self._budget = error_budget
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._ready: list[tuple[pa.RecordBatch, Answer]] = []
        self._ready_bytes = 0
        self._finished = self._failed = 0
        self._last_error: str | None = None

    def wait(self, key: str, row: pa.RecordBatch) -> bool:
        """Let a row wait for the answer of a request; tell whether it is the first one, whose request must be sent."""
        self._waiting.setdefault(key, []).append(row)
        return len(self._waiting[key]) == 1

    def finish(self, key: str, answer: Answer) -> None:
        """Give an answer to all rows that wait for it. Raises ErrorBudgetError as `count` does."""
        rows = self._waiting.pop(key, ())
        if len(rows) > 1:
            self.known[key] = answer
        for row in rows:
            self.give(row, answer)
        self.count(answer)

    def count(self, answer: Answer) -> None:
        """Count a distinct request's outcome. Raises ErrorBudgetError where too many have clearly failed."""
        self._finished += 1
        if answer.answer_status in FAILED_STATUSES:
            self._failed += 1
            self._last_error = answer.error
        if clearly_over_budget(self._failed, self._finished, self._budget):
            raise ErrorBudgetError(budget_words(self._failed, self._finished, self._budget, self._last_error))

    def give(self, row: pa.RecordBatch, answer: Answer) -> None:
        """Hand a finished row to the task, with others where it is small."""
        self._ready.append((row, answer))
        self._ready_bytes += row.column("text").nbytes + size(answer)
        if len(self._ready) >= OUTPUT_ROWS or self._ready_bytes >= OUTPUT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what is ready."""
        if self._ready:
            self.output.put(self._ready)
            self._ready, self._ready_bytes = [], 0
