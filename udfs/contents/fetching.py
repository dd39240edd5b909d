"""One task's fetches: keeps requests in flight while Spark takes rows, and what has come in the journal."""

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from recast import journal
from recast.columns import extended
from recast.schemas.raw_code import FETCH_FAILURES, Content
from recast.storage import Place
from recast.udfs.contents.blobs import BLOB_ID, inline, unpack
from recast.udfs.contents.manners import TRIES, Manners, backoff_s
from recast.udfs.contents.stores import Get, Missed, Store, opened

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""Most requests of a task in flight. An answer may take MAX_TEXT_BYTES, and twice as many rows may wait for theirs."""
MAX_BATCH_BYTES = 8_000_000  # of texts that go to the journal and to Spark together
MAX_BATCH_ROWS = 256
FLUSH_S = 0.5  # so long a text may wait for others to go with: a kill costs no more
SEGMENTS_HELD = 8  # of journals, in memory
FAILURES_IN_A_ROW = 100
OF_STORES = ("forbidden", "throttled", "store_error", "timeout", "cut_off")
"""What objects of a store that fails altogether end as."""
JOURNAL = pa.schema([("input_hash", pa.string()), ("text", pa.string()), ("fetch_status", pa.string())])


class StoreError(RuntimeError):
    """The store fails altogether, so that asking for more objects makes no sense."""


class Spec(NamedTuple):
    """How one task fetches.

    Attributes:
        store: where contents are.
        at_once, requests_per_s, bytes_per_s: this task's share of what all tasks may ask for; 0 a second: any.
        timeout_s: for one request.
        journal: the chunk's journal, cut into `buckets`; empty for none.
        fingerprint: of what changes a fetched text by intent.
    """

    store: Store
    at_once: int = MOST_AT_ONCE
    requests_per_s: float = 0.0
    bytes_per_s: float = 0.0
    timeout_s: float = 60.0
    journal: str = ""
    fingerprint: str = "none"
    buckets: int = 1


class Row(NamedTuple):
    """A row to fetch: its place in a batch of the input, and what is needed of it."""

    batch: pa.RecordBatch
    place: int
    key: str
    blob_id: str
    encodings: list[str]


Done = tuple[Row, Content | Exception]


def add_text(rows: "DataFrame", spec: Spec) -> "DataFrame":
    """Return `rows`, which lie in `spec.buckets` partitions by `input_hash`, with `text` and `fetch_status`, in any order."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = extended(rows.schema, Content)
    arrow = to_arrow_schema(schema)
    return rows.mapInArrow(lambda batches: fetch_all(batches, spec, arrow, journal.task_bucket()), schema)


def add_inline(rows: "DataFrame") -> "DataFrame":
    """Return `rows` with `text` and `fetch_status`, read from their own column `source_text` (binary)."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = extended(rows.schema, Content)
    arrow = to_arrow_schema(schema)
    return rows.mapInArrow(lambda batches: (part for batch in batches for part in _inline(batch, arrow)), schema)


def _inline(batch: pa.RecordBatch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch with their contents, at most MAX_BATCH_BYTES of texts, and one more, together."""
    ready: list[tuple[Row, Content]] = []
    texts = batch.column("source_text")
    for row in _rows(batch):
        ready.append((row, inline(texts[row.place].as_py(), row.blob_id, row.encodings)))
        if _is_full(ready, sum(len(content.text or b"") for _, content in ready)):
            yield from _with_contents(ready, schema)
            ready = []
    if ready:
        yield from _with_contents(ready, schema)


def fetch_all(
    batches: Iterable[pa.RecordBatch], spec: Spec, schema: pa.Schema, bucket: int = 0
) -> Iterator[pa.RecordBatch]:
    """Add `text` and `fetch_status` to the rows of `batches`, which hold `doc_id`, `input_hash` and `encodings`.

    Rows come as they are fetched, each once. At most MAX_BATCH_BYTES of texts, and one more, are handed on together.

    Raises:
        StoreError: the store fails altogether.
        JournalError: the journal cannot be written.
    """
    at_once = max(1, min(spec.at_once, MOST_AT_ONCE))
    known, writer = Recalled(spec, bucket), _writer(spec, bucket)
    rows = (row for batch in batches for row in _rows(batch))
    done: queue.SimpleQueue[Done] = queue.SimpleQueue()
    ready: list[tuple[Row, Content]] = []
    fresh: list[tuple[Row, Content]] = []
    size, unfinished, flush_at = 0, 0, 0.0
    row = next(rows, None)
    with fetching(spec, at_once, done.put) as ask:
        while row or unfinished or ready:
            asked = []
            while row and unfinished < 2 * at_once and not _is_full(ready, size):
                if found := known.get(row.key):
                    ready.append((row, found))
                    size += len(found.text or b"")
                else:
                    asked.append(row)
                    unfinished += 1
                row = next(rows, None)
            ask(asked)
            flush_at = flush_at if ready else time.monotonic() + FLUSH_S
            while unfinished and not _is_full(ready, size):
                try:
                    given, content = done.get(timeout=max(0.0, flush_at - time.monotonic())) if ready else done.get()
                except queue.Empty:
                    break
                if isinstance(content, Exception):
                    _store(writer, fresh, spec)
                    raise content
                unfinished -= 1
                ready.append((given, content))
                fresh.append(ready[-1])
                size += len(content.text or b"")
                if row and done.empty():
                    break  # to ask for more
            if ready and (_is_full(ready, size) or time.monotonic() >= flush_at or not (row or unfinished)):
                _store(writer, fresh, spec)
                yield from _with_contents(ready, schema)
                ready, fresh, size = [], [], 0


def _is_full(ready: Sequence[object], size: int) -> bool:
    return size >= MAX_BATCH_BYTES or len(ready) >= MAX_BATCH_ROWS


def _rows(batch: pa.RecordBatch) -> Iterator[Row]:
    columns = (batch.column(name).to_pylist() for name in ("input_hash", "doc_id", "encodings"))
    for place, (key, blob_id, encodings) in enumerate(zip(*columns, strict=True)):
        yield Row(batch, place, key, blob_id, encodings or [])


def _with_contents(ready: Iterable[tuple[Row, Content]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows with their contents, together where they came together."""
    for _, group in groupby(sorted(ready, key=lambda each: id(each[0].batch)), key=lambda each: id(each[0].batch)):
        rows, contents = zip(*group, strict=True)
        given = rows[0].batch.take(pa.array([row.place for row in rows], pa.int32()))
        texts = pa.array([content.text for content in contents], pa.string())
        statuses = pa.array([content.fetch_status for content in contents], pa.string())
        yield pa.RecordBatch.from_arrays([*given.columns, texts, statuses], schema=schema)


def _writer(spec: Spec, bucket: int) -> journal.Writer | None:
    if not spec.journal:
        return None
    return journal.Writer(journal.bucket_folder(spec.journal, spec.fingerprint, spec.buckets), bucket)


def _store(writer: journal.Writer | None, fresh: Iterable[tuple[Row, Content]], spec: Spec) -> None:
    """Write what need not be fetched again as one segment. Raises JournalError."""
    lasting = [(row.key, *content) for row, content in fresh if not _may_mend(content.fetch_status)]
    if writer is None or not lasting:
        return
    try:
        columns = [pa.array(values, pa.string()) for values in zip(*lasting, strict=True)]
        writer.write(pa.Table.from_arrays(columns, schema=JOURNAL))
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise journal.JournalError(f"the journal {spec.journal} cannot be written: {reason}") from problem


def _may_mend(fetch_status: str) -> bool:
    return fetch_status in FETCH_FAILURES and FETCH_FAILURES[fetch_status].again


class Recalled:
    """What the journals hold for a task: the keys in memory, and the segments of the last few texts that were asked for."""

    def __init__(self, spec: Spec, bucket: int) -> None:
        """Read the keys."""
        self._segments: list[Place] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._read = lru_cache(SEGMENTS_HELD)(lambda number: journal.read_segment(self._segments[number], JOURNAL))
        found = journal.recalled(spec.journal, spec.fingerprint, spec.buckets, bucket) if spec.journal else ()
        for segment in found:
            if table := journal.read_segment(segment, JOURNAL):
                self._segments.append(segment)
                for place, key in enumerate(table.column("input_hash").to_pylist()):
                    self._places.setdefault(key, (len(self._segments) - 1, place))

    def get(self, key: str) -> Content | None:
        """Return what was fetched, None where that is not known."""
        if key not in self._places:
            return None
        number, place = self._places[key]
        segment = self._read(number)  # of a chunk that was committed meanwhile nothing is left
        if segment is None:
            return None
        text = segment.column("text")[place].as_buffer()
        return Content(None if text is None else text.to_pybytes(), segment.column("fetch_status")[place].as_py())


@contextmanager
def fetching(spec: Spec, at_once: int, done: Callable[[Done], None]) -> Iterator[Callable[[Sequence[Row]], None]]:
    """Give a function that has rows fetched by a thread of its own; `done` gets each with its content, or an error."""
    fetches = Fetches(spec, at_once, done)
    thread = threading.Thread(target=fetches.run, name="recast-fetches", daemon=True)
    thread.start()
    try:
        yield fetches.ask
    finally:
        fetches.stop()
        thread.join(timeout=10.0)


class Fetches:
    """An event loop that fetches the rows it is given, `at_once` at a time."""

    def __init__(self, spec: Spec, at_once: int, done: Callable[[Done], None]) -> None:
        """Begin without rows."""
        self._spec, self._done = spec, done
        self._manners = Manners(spec.requests_per_s, spec.bytes_per_s)
        self._slots = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._failed_in_a_row = 0
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened: asyncio.Future[Get] = self._loop.create_future()

    def run(self) -> None:
        """Fetch until `stop`, in this thread."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def ask(self, rows: Sequence[Row]) -> None:
        """Have rows fetched; from any thread."""
        if rows:
            self._loop.call_soon_threadsafe(self._start, rows)

    def stop(self) -> None:
        """Ask for nothing more; from any thread."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        try:
            async with opened(self._spec.store, self._at_once, self._spec.timeout_s) as get:
                self._opened.set_result(get)
                await self._stopped.wait()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        except Exception as problem:
            if self._opened.done():
                raise
            self._opened.set_exception(problem)
            await self._stopped.wait()

    def _start(self, rows: Sequence[Row]) -> None:
        for row in rows:
            task = self._loop.create_task(self._one(row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, row: Row) -> None:
        try:
            self._done((row, await self._content(row)))
        except Exception as problem:
            self._done((row, problem))

    async def _content(self, row: Row) -> Content:
        """Return a blob's content. Raises StoreError."""
        if not BLOB_ID.fullmatch(row.blob_id):
            return Content(None, "bad_blob_id")
        try:
            packed = await self._fetched(row.blob_id)
        except Missed as missed:
            content = Content(None, missed.status)
            self._note(missed)
        else:
            content = unpack(packed, row.blob_id, row.encodings, plain=self._spec.store.is_mirror)
            self._failed_in_a_row = 0
        return content

    async def _fetched(self, blob_id: str) -> bytes:
        """Return a blob's object, asked for again while a failure may pass. Raises Missed."""
        get = await asyncio.shield(self._opened)
        for tried in range(1, TRIES + 1):
            async with self._slots:
                await self._manners.turn()
                try:
                    packed = await get(blob_id)
                except Missed as missed:
                    if not missed.passing or tried == TRIES:
                        raise
                    self._manners.rest(missed.after_s)
                else:
                    self._manners.received(len(packed))
                    return packed
            await asyncio.sleep(backoff_s(tried))
        raise AssertionError("the last try returns or raises")

    def _note(self, missed: Missed) -> None:
        """Count an object that was missed. Raises StoreError where that shows that the store fails altogether."""
        store = self._spec.store
        if not missed.status:
            raise StoreError(f"{store.words}: {missed.words}")
        self._failed_in_a_row = self._failed_in_a_row + 1 if missed.status in OF_STORES else 0
        if self._failed_in_a_row >= FAILURES_IN_A_ROW:
            raise StoreError(
                f"{store.words}: {FAILURES_IN_A_ROW} objects in a row failed, the last because {missed.words}"
            )
