"""Reads the contents of The Stack v2's blobs: one gzip object per blob_id, as Software Heritage publishes them."""

import errno
import gzip
import hashlib
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from recast.columns import extended
from recast.schemas.raw_code import GUESSED, Content
from recast.storage import Place, place
from recast.udfs.encodings import read

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of the object, its bytes and its text: 4 for a character that limits.py lets through
MAX_BATCH_BYTES = 64_000_000  # of text in a batch for Spark, which holds several of them
FETCHES_AT_ONCE = 32  # an object store answers one small read in tens of milliseconds, so a task keeps many under way
ROWS_AHEAD = 256  # so that the slowest object of a batch holds up no fetch of the next ones
BYTES_AHEAD = 2 * FETCHES_AT_ONCE * MAX_TEXT_BYTES  # of texts that wait; a fetch under way counts as the largest
FETCHED = "fetched"
BLOB_ID = re.compile("[0-9a-f]{40}")  # anything else could name another place than an object of the store


def fetch(store: Place, blob_id: str, encodings: Sequence[str]) -> Content:
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
    except OSError as problem:
        if isinstance(problem, PermissionError) or not _is_file(store, blob_id):
            return Content(None, "content_missing")
        raise
    return unpack(packed, blob_id, encodings)


def _is_file(store: Place, blob_id: str) -> bool:
    """Say whether an object is there; a folder or a link that leads nowhere in its place is none."""
    try:
        return bool(store.filesystem.get_file_info(f"{store.path}/{blob_id}").type == pafs.FileType.File)
    except OSError as problem:
        return problem.errno != errno.ELOOP


def unpack(packed: bytes, blob_id: str, encodings: Sequence[str]) -> Content:
    """Unpack a gzip object, see that git would give its bytes the name `blob_id`, and decode them."""
    if len(packed) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            raw = unpacked.read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return Content(None, "not_gzip")
    if len(raw) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    if git_name(raw) != blob_id:
        return Content(None, "wrong_content")
    return decode(raw, encodings)


def git_name(raw: bytes) -> str:
    """Return the name that git gives to a file of these bytes: a SHA-1, hexadecimal."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def decode(raw: bytes, encodings: Sequence[str]) -> Content:
    """Decode bytes, of which repositories say that they are in one of `encodings`, as `recast.udfs.encodings` does."""
    text, _, said = read(raw, encodings)
    if text is None:
        return Content(None, said)
    if len(text) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    return Content(text, GUESSED if said == "guess" else FETCHED)


def fetch_all(batches: Iterable[pa.RecordBatch], store_uri: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Add `text` and `fetch_status` to every row of `batches`, which hold `doc_id` and `encodings`.

    Rows keep their order. A batch whose texts fill more than MAX_BATCH_BYTES is handed on in several.
    """
    taken: deque[pa.RecordBatch] = deque()

    def blobs() -> Iterator[tuple[str, list[str]]]:
        for batch in batches:
            if batch.num_rows:
                taken.append(batch)
                yield from zip(batch["doc_id"].to_pylist(), batch["encodings"].to_pylist(), strict=True)

    found: list[Content] = []
    first = size = 0
    for content in _in_order(place(store_uri), blobs()):
        more = len(content.text or b"")
        if size + more > MAX_BATCH_BYTES:
            yield _with_contents(taken[0].slice(first, len(found)), found, schema)
            first, size, found = first + len(found), 0, []
        found.append(content)
        size += more
        if first + len(found) == taken[0].num_rows:
            yield _with_contents(taken.popleft().slice(first), found, schema)
            first, size, found = 0, 0, []


def _in_order(store: Place, blobs: Iterator[tuple[str, list[str]]]) -> Iterator[Content]:
    """Yield the blobs' contents in their order, while those of the next ones are fetched."""
    ahead: deque[Future[Content]] = deque()
    under_way: set[Future[Content]] = set()
    held = 0  # bytes of the texts in `ahead`
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        try:
            blob = next(blobs, None)
            while blob or ahead:
                if blob and len(ahead) < ROWS_AHEAD and held + (1 + len(under_way)) * MAX_TEXT_BYTES <= BYTES_AHEAD:
                    ahead.append(pool.submit(fetch, store, *blob))
                    under_way.add(ahead[-1])
                    blob = next(blobs, None)
                    continue
                ended = {each for each in under_way if each.done()}
                if not ended and ahead[0] in under_way:
                    ended = wait(under_way, return_when=FIRST_COMPLETED).done
                under_way -= ended
                held += sum(len(each.result().text or b"") for each in ended)
                if ahead[0] not in under_way:
                    content = ahead.popleft().result()
                    held -= len(content.text or b"")
                    yield content
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a store that fails is not asked for the rest


def _with_contents(batch: pa.RecordBatch, found: list[Content], schema: pa.Schema) -> pa.RecordBatch:
    texts = pa.array([content.text for content in found], pa.string())
    statuses = pa.array([content.fetch_status for content in found], pa.string())
    return pa.RecordBatch.from_arrays([*batch.columns, texts, statuses], schema=schema)


def add_text(rows: "DataFrame", store_uri: str) -> "DataFrame":
    """Return `rows` with `text` and `fetch_status`, read from the objects below `store_uri`."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = extended(rows.schema, Content)
    arrow = to_arrow_schema(schema)
    return rows.mapInArrow(lambda batches: fetch_all(batches, store_uri, arrow), schema)
