"""Reads the contents of The Stack v2's blobs: one gzip object per blob_id, as Software Heritage publishes them."""

import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from udfs.journal import Place, place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MAX_TEXT_BYTES = 16 * 1024 * 1024  # far above what the linter takes (udfs/limits.py); bounds a task's memory
FETCHES_AT_ONCE = 32  # an object store answers one small read in tens of milliseconds, so a task keeps many under way
ROWS_AHEAD = 256  # so that the slowest object of a batch holds up no fetch of the next ones
FETCHED = "fetched"
BLOB_ID = re.compile("[0-9a-f]{40}")  # anything else could name another place than an object of the store


class Content(NamedTuple):
    """A blob's text, or None and why there is none: a reason of raw_code."""

    text: str | None
    status: str


def fetch(store: Place, blob_id: str, encoding: str | None) -> Content:
    """Read one object and decode it.

    Raises:
        OSError: the store failed in a way that says nothing about this object; Spark tries the task again.
    """
    if not BLOB_ID.fullmatch(blob_id):
        return Content(None, "bad_blob_id")
    try:
        with store.filesystem.open_input_stream(f"{store.path}/{blob_id}", compression=None) as stream:
            packed = stream.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        return Content(None, "content_missing")
    return decode(packed, encoding)


def decode(packed: bytes, encoding: str | None) -> Content:
    """Unpack a gzip object and decode its bytes; without an encoding they are read as UTF-8."""
    if len(packed) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            raw = unpacked.read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return Content(None, "not_gzip")
    if len(raw) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    try:
        text = raw.decode(encoding or "utf-8")
        text.encode()
    except LookupError:
        return Content(None, "unknown_encoding")
    except UnicodeEncodeError:
        return Content(None, "lone_surrogates")
    except (UnicodeError, ValueError):  # some codecs raise a bare ValueError
        return Content(None, "undecodable")
    return Content(text, FETCHED)


def fetch_all(batches: Iterable[pa.RecordBatch], store_uri: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Add `text` and `fetch_status` to every row of `batches`, which hold `doc_id` and `src_encoding`."""
    store = place(store_uri)
    under_way: deque[tuple[pa.RecordBatch, list[Future[Content]]]] = deque()
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        try:
            for batch in batches:
                blobs = zip(batch["doc_id"].to_pylist(), batch["src_encoding"].to_pylist(), strict=True)
                under_way.append((batch, [pool.submit(fetch, store, blob_id, encoding) for blob_id, encoding in blobs]))
                while sum(ahead.num_rows for ahead, _ in under_way) > ROWS_AHEAD:
                    yield _with_contents(*under_way.popleft(), schema)
            while under_way:
                yield _with_contents(*under_way.popleft(), schema)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a store that fails is not asked for the rest


def _with_contents(batch: pa.RecordBatch, fetched: Iterable[Future[Content]], schema: pa.Schema) -> pa.RecordBatch:
    found = [each.result() for each in fetched]
    texts = pa.array([content.text for content in found], pa.string())
    statuses = pa.array([content.status for content in found], pa.string())
    return pa.RecordBatch.from_arrays([*batch.columns, texts, statuses], schema=schema)


def add_text(rows: "DataFrame", store_uri: str) -> "DataFrame":
    """Return `rows` with `text` and `fetch_status`, read from the objects below `store_uri`."""
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import StringType, StructType

    schema = StructType(list(rows.schema.fields)).add("text", StringType()).add("fetch_status", StringType())
    arrow = to_arrow_schema(schema)
    return rows.mapInArrow(lambda batches: fetch_all(batches, store_uri, arrow), schema)
