"""One task's fetches: keeps requests in flight while Spark takes rows, and what has come in the journal."""

import asyncio
import os
import queue
import threading
from collections import deque
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
from recast.udfs.contents.checking import Outcomes, StoreError
from recast.udfs.contents.manners import TRIES, Manners, backoff_s
from recast.udfs.contents.stores import Get, Missed, Store, opened

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_AT_ONCE = 64
"""Most requests of a task in flight. Twice as many rows may be under way, and each may have a text of MAX_TEXT_BYTES."""
MAX_HELD_BYTES = 64_000_000  # of texts that wait to be taken; while they do, nothing more is asked for
ROWS_AHEAD = 1024  # rows that are given away to be fetched
MAX_BATCH_BYTES = 8_000_000  # of texts that go to the journal and to Spark together
MAX_BATCH_ROWS = 256
FLUSH_S = 0.5  # so long a text may wait for others to go with; where the journal has no tails, a kill costs no more
SEGMENTS_HELD = 8  # of journals, in memory
OUTAGE_S = 600.0
"""So long a store that cannot be reached is waited for."""
JOURNAL = pa.schema([("input_hash", pa.string()), ("text", pa.string()), ("fetch_status", pa.string())])


class Spec(NamedTuple):
    """How one task fetches.

    Attributes:
        store: where contents are.
        at_once, requests_per_s, bytes_per_s: this task's share of what all tasks may ask for; 0 a second: any.
        timeout_s: for one request.
        may_all_fail: whether these are rows that failed before, so that none need bring a content.
        journal: the chunk's journal, cut into `buckets`; empty for none.
        fingerprint: of what changes a fetched text by intent.
    """

    store: Store
    at_once: int = MOST_AT_ONCE
    requests_per_s: float = 0.0
    bytes_per_s: float = 0.0
    timeout_s: float = 60.0
    may_all_fail: bool = False
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


class Done(NamedTuple):
    """Rows that were fetched, how many bytes of texts, and the journal's tail that holds them; or what ended the fetching
    after these."""

    rows: list[tuple[Row, Content]]
    size: int
    problem: Exception | None = None
    tail: journal.Tail | None = None


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
        if _is_full(ready):
            yield from _with_contents(ready, schema)
            ready = []
    if ready:
        yield from _with_contents(ready, schema)


def fetch_all(
    batches: Iterable[pa.RecordBatch], spec: Spec, schema: pa.Schema, bucket: int = 0
) -> Iterator[pa.RecordBatch]:
    """Add `text` and `fetch_status` to the rows of `batches`, which hold `doc_id`, `input_hash` and `encodings`.

    Rows come as they are fetched, each once. About MAX_BATCH_BYTES of texts are handed on together.

    Raises:
        StoreError: the store fails altogether.
        JournalError: the journal cannot be written.
    """
    known, writer = Recalled(spec, bucket), _writer(spec, bucket)
    spec = spec._replace(may_all_fail=spec.may_all_fail or bool(known))  # else what failed of a killed run is alone
    rows = (row for batch in batches for row in _rows(batch))
    done: queue.SimpleQueue[Done] = queue.SimpleQueue()
    asked = 0
    with fetching(spec, done.put, writer) as fetches:
        while True:
            more, recalled, ended = [], [], True
            for row in rows:
                if found := known.get(row.key):
                    recalled.append((row, found))
                else:
                    more.append(row)
                if asked + len(more) >= ROWS_AHEAD or _is_full(recalled):
                    ended = False
                    break
            fetches.ask(more)
            asked += len(more)
            yield from _with_contents(recalled, schema)
            if _is_full(recalled):
                continue
            if not asked and ended:
                fetches.ended()
                return
            came = done.get()
            _store(writer, came, spec)
            if came.problem:
                raise came.problem
            asked -= len(came.rows)
            yield from _with_contents(came.rows, schema)
            fetches.handed_on(came.size)


def _size(ready: Iterable[tuple[Row, Content]]) -> int:
    return sum(len(content.text or b"") for _, content in ready)


def _is_full(ready: Sequence[tuple[Row, Content]]) -> bool:
    return len(ready) >= MAX_BATCH_ROWS or _size(ready) >= MAX_BATCH_BYTES


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


def _store(writer: journal.Writer | None, came: Done, spec: Spec) -> None:
    """Write what need not be fetched again as one segment, which takes the place of a tail. Raises JournalError."""
    lasting = [(row.key, *content) for row, content in came.rows if not _may_mend(content.fetch_status)]
    if writer is None or not lasting:
        return
    with _writing(spec):
        columns = [pa.array(values, pa.string()) for values in zip(*lasting, strict=True)]
        writer.write(pa.Table.from_arrays(columns, schema=JOURNAL))
        if came.tail:
            came.tail.delete()


@contextmanager
def _writing(spec: Spec) -> Iterator[None]:
    """Raise JournalError where the block raises OSError."""
    try:
        yield
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

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._places)

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
def fetching(spec: Spec, done: Callable[[Done], None], writer: journal.Writer | None) -> "Iterator[Fetches]":
    """Give what fetches rows in a thread of its own until the block ends; `done` gets them, many at a time.

    Until `done` has them they lie in a tail of `writer`.
    """
    fetches = Fetches(spec, done, writer)
    thread = threading.Thread(target=fetches.run, name="recast-fetches", daemon=True)
    thread.start()
    try:
        yield fetches
    finally:
        fetches.stop()
        thread.join(timeout=10.0)


class Fetches:
    """An event loop that fetches rows. It and who takes them meet seldom: each time Python's threads wait for each other."""

    def __init__(self, spec: Spec, done: Callable[[Done], None], writer: journal.Writer | None) -> None:
        """Begin without rows."""
        self._spec, self._done, self._writer = spec, done, writer
        self._tail: journal.Tail | None = None
        self._at_once = max(1, min(spec.at_once, MOST_AT_ONCE))
        self._manners = Manners(spec.requests_per_s, spec.bytes_per_s)
        self._slots = asyncio.Semaphore(self._at_once)
        self._outcomes = Outcomes(spec.store, spec.may_all_fail)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._get: Get | None = None
        self._waiting: deque[Row] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: list[tuple[Row, Content]] = []
        self._under_way = 0
        self._size = self._held = 0  # bytes in `_ready`, and of all that was not handed on yet
        self._flush: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Fetch until `stop`, in this thread."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def ask(self, rows: Sequence[Row]) -> None:
        """Have rows fetched; from any thread."""
        self._call(self._take, rows)

    def handed_on(self, size: int) -> None:
        """Say that so many bytes of texts are no longer held; from any thread."""
        self._call(self._free, size)

    def ended(self) -> None:
        """Say that all rows came; from any thread. Raises StoreError where none had a content."""
        self._outcomes.ended()

    def stop(self) -> None:
        """Ask for nothing more; from any thread."""
        self._call(self._stopped.set)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    async def _serve(self) -> None:
        try:
            async with opened(self._spec.store, self._at_once, self._spec.timeout_s) as self._get:
                self._start()
                await self._stopped.wait()
                self._waiting.clear()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        except Exception as problem:
            self._hand_over(problem)
        finally:
            if self._tail:
                self._tail.close()

    def _take(self, rows: Sequence[Row]) -> None:
        self._waiting.extend(rows)
        self._start()

    def _free(self, size: int) -> None:
        self._held -= size
        self._start()

    def _start(self) -> None:
        """Begin to fetch rows that wait, while memory allows. Those that wait to be tried again count like those in flight."""
        most = 2 * self._at_once
        while self._get and self._waiting and len(self._tasks) < most and self._held < MAX_HELD_BYTES:
            task = self._loop.create_task(self._one(self._waiting.popleft(), self._get))
            self._under_way += 1
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, row: Row, get: Get) -> None:
        try:
            content = await self._content(row, get)
            self._keep(row, content)
        except Exception as problem:
            self._hand_over(problem)
            return
        self._under_way -= 1
        size = len(content.text or b"")
        self._ready.append((row, content))
        self._size += size
        self._held += size
        if (
            len(self._ready) >= MAX_BATCH_ROWS
            or self._size >= MAX_BATCH_BYTES
            or not self._under_way + len(self._waiting)
        ):
            self._hand_over()
        elif not self._flush:
            self._flush = self._loop.call_later(FLUSH_S, self._hand_over)
        self._loop.call_soon(self._start)

    def _keep(self, row: Row, content: Content) -> None:
        """Append what need not be fetched again to the tail. Nothing lies between this and its arrival that a kill could meet.

        Raises JournalError.
        """
        if self._writer and not _may_mend(content.fetch_status):
            with _writing(self._spec):
                self._tail = self._tail or self._writer.tail(JOURNAL.names)
                if self._tail:
                    self._tail.append(row.key, *content)

    def _hand_over(self, problem: Exception | None = None) -> None:
        if self._flush:
            self._flush.cancel()
        ready, size, tail = self._ready, self._size, self._tail
        self._ready, self._size, self._flush, self._tail = [], 0, None, None
        if tail:
            tail.close()
        if ready or problem:
            self._done(Done(ready, size, problem, tail))

    async def _content(self, row: Row, get: Get) -> Content:
        """Return a blob's content. Raises StoreError."""
        if not BLOB_ID.fullmatch(row.blob_id):
            return Content(None, "bad_blob_id")
        try:
            packed = await self._fetched(row.blob_id, get)
        except Missed as missed:
            if not missed.status:
                raise StoreError(f"{self._spec.store.words}: {missed.words}") from None
            content, why = Content(None, missed.status), missed.words
        else:
            content = unpack(packed, row.blob_id, row.encodings, plain=self._spec.store.is_mirror)
            why = f"it is {content.fetch_status}"
        self._outcomes.note(row.blob_id, not _may_mend(content.fetch_status), why)
        return content

    async def _fetched(self, blob_id: str, get: Get) -> bytes:
        """Return a blob's object, asked for again while a failure may pass. Raises Missed."""
        tries = waits = 0
        while True:
            async with self._slots:
                await self._manners.turn()
                try:
                    packed = await get(blob_id)
                except Missed as missed:
                    if missed.status in ("", "throttled"):
                        self._manners.refused(missed.after_s)
                    else:
                        self._manners.answered()
                    tries += bool(missed.status)  # what does not reach the store says nothing of an object
                    is_over = self._manners.refused_for_s() >= OUTAGE_S if not missed.status else tries == TRIES
                    if not missed.passing or is_over:
                        raise
                else:
                    self._manners.answered(len(packed))
                    return packed
            waits += 1
            await asyncio.sleep(backoff_s(waits))
