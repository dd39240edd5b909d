"""Answers of one task on their way into its journal, and its reports about the engine.

While the journal cannot be written nothing new is sent, so that a full disk costs no more than a kill does.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

import pyarrow as pa

from recast import journal
from recast.inference import telemetry
from recast.inference.answers import JOURNAL_FIELDS, answer_columns, size
from recast.inference.request import RewriteSpec
from recast.inference.telemetry import Report
from recast.inference.threads import in_thread
from recast.journal import JournalError
from recast.schemas.answers import Answer

logger = logging.getLogger(__name__)

# Answers of so many characters go into one segment of the journal; Arrow holds 2 GiB of a column in one piece.
SEGMENT_CHARS = 64 << 20
# A journal that cannot be written for so long ends the task.
JOURNAL_PATIENCE_S = 60.0
JOURNAL_ADVICE = "Make room and run again: what was answered before is kept"


class Pending:
    """Answers that are not in the journal yet; keeps none where the spec names no journal.

    `lock` is held while they are written, `unwritable_since` is when the store first refused, None where it does not.
    """

    def __init__(self, spec: RewriteSpec, bucket: int) -> None:
        """Begin without answers; nothing is written before there are some."""
        self._uri = spec.journal
        self._answers: list[tuple[str, Answer]] = []
        self.lock = asyncio.Lock()
        self.unwritable_since: float | None = None
        self._writer: journal.Writer | None = None
        if spec.journal:
            folder = journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets)
            self._writer = journal.Writer(folder, bucket)

    def add(self, key: str, answer: Answer) -> None:
        """Take an answer."""
        if self._writer is not None:
            self._answers.append((key, answer))

    async def flush(self, report: Callable[[], Report | None]) -> None:
        """Write a report on the engine, where there is one, and what was added since the last flush as segments.

        Answers are kept on errors. A store that refuses is asked again at the next flush.

        Raises:
            JournalError: that has lasted too long.
        """
        if self._writer is None:
            return
        async with self.lock:
            batch, self._answers = self._answers, []
            try:
                if made := report():
                    await in_thread(telemetry.write, self._writer.folder, self._writer.name, made)
                while batch:
                    count = _fitting(batch)
                    await in_thread(self._writer.write, segment(batch[:count]))
                    batch = batch[count:]
                self.unwritable_since = None
            except OSError as error:
                self._note_refusal(error)
            finally:
                self._answers = batch + self._answers

    def _note_refusal(self, error: OSError) -> None:
        now = time.monotonic()
        if self.unwritable_since is None:
            self.unwritable_since = now
            logger.warning("the journal cannot be written, so nothing more is asked for now: %s", error)
        elif now - self.unwritable_since > JOURNAL_PATIENCE_S:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise JournalError(f"the journal {self._uri} cannot be written: {reason}. {JOURNAL_ADVICE}")


def segment(answers: Sequence[tuple[str, Answer]]) -> pa.Table:
    """Return answers by key as a segment of the journal."""
    columns = answer_columns([answer for _, answer in answers])
    keys = pa.array([key for key, _ in answers], pa.string())
    return pa.Table.from_arrays([keys, *columns.columns], schema=JOURNAL_FIELDS)


def _fitting(answers: Sequence[tuple[str, Answer]]) -> int:
    """Return how many of the answers go into one segment: one at least."""
    chars = accumulate(size(answer) for _, answer in answers)
    return max(1, sum(1 for so_far in chars if so_far <= SEGMENT_CHARS))
