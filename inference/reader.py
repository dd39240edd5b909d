"""Reads a task's input: looks rows up in the journal and turns the others into requests."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import NamedTuple

import pyarrow as pa

from recast import journal
from recast.inference.answers import ANSWERED, CRASHED, EMPTY_INPUT, JOURNAL_FIELDS, MAX_ERROR_CHARS
from recast.inference.request import Counter, Request, RewriteSpec
from recast.schemas.answers import Answer

# 256 files of the corpus take about 2 MB, text and source text.
LARGE_BATCH_BYTES = 4 << 20
PREPARED_ROWS = 32


class Prepared(NamedTuple):
    """An input row, a batch of one, with its request, or with its answer where nothing needs to be asked."""

    row: pa.RecordBatch
    key: str
    request: Request | None
    answer: Answer | None


def prepared(batches: Iterable[pa.RecordBatch], spec: RewriteSpec, bucket: int) -> Iterator[list[Prepared]]:
    """Yield the rows of a task in lists of at most PREPARED_ROWS. Raises what reading and loading a tokenizer raise."""
    counter = cache(partial(Counter, spec))  # loaded for the first text that must be asked about
    try:
        known = recall(spec, bucket)
        for batch in batches:
            large = batch.nbytes > LARGE_BATCH_BYTES
            for start in range(0, batch.num_rows, PREPARED_ROWS):
                places = range(start, min(start + PREPARED_ROWS, batch.num_rows))
                yield [prepare(batch.slice(place, 1), known, counter, large) for place in places]
    except (Exception, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a library in Rust
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def prepare(row: pa.RecordBatch, known: dict[str, Answer], counter: Callable[[], Counter], large: bool) -> Prepared:
    """Turn an input row into a request, or into the answer that makes one needless, which is taken out of `known`.

    A row is a slice, which keeps its whole batch in memory until the answer comes; that of a `large` batch is copied.
    """
    text, key = (row.column(name)[0].as_py() for name in ("text", "input_hash"))
    if text is None:
        return Prepared(row, "", None, Answer(None, EMPTY_INPUT))
    key = key or hashlib.sha256(text.encode()).hexdigest()
    if (answer := known.pop(key, None)) is not None:
        return Prepared(row, key, None, answer)
    loaded = counter()
    try:
        outcome = loaded.request(key, text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a tokenizer that fails at a text, or panics, costs that row alone
        outcome = Answer(None, CRASHED, error=f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARS])
    if isinstance(outcome, Answer):
        return Prepared(row, key, None, outcome)
    return Prepared(row.take(pa.array([0])) if large else row, key, outcome, None)


def recall(spec: RewriteSpec, bucket: int) -> dict[str, Answer]:
    """Return what the journals know for a task's bucket, by `input_hash`: answers. That a request failed is never believed."""
    known: dict[str, Answer] = {}
    if spec.journal:
        for segment in journal.recall(spec.journal, spec.fingerprint, spec.journal_buckets, bucket, JOURNAL_FIELDS):
            columns = [segment.column(name).to_pylist() for name in JOURNAL_FIELDS.names]
            for key, *values in zip(*columns, strict=True):
                answer = Answer(*values)
                if answer.answer_status == ANSWERED:
                    known.setdefault(key, answer)
    return known
