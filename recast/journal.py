"""The journal of a stage that pays for its rows: results, stored beside a staging table until the chunk is committed.

Layout: `<journals>/<journal>/<fingerprint>/<buckets>/b<bucket>-<writer>-<seq>.rows-N.parquet`; a model stage's segments
have their tokens in their names too (`.rows-N.prompt-P.output-O.parquet`). `b<bucket>-<writer>-<seq>.tail` is a tail.

* A segment is a whole Parquet file that appears by a rename (or, in an object store, when its upload is complete), so a
  killed writer leaves nothing torn behind; a torn file (power loss) or a foreign one is skipped with a warning.
* A tail holds rows that are in no segment yet, each appended as it comes, until a segment holds them. Its rows can be read up
  to where a killed writer stopped. Object stores cannot append: there is none.
* A task reads only its own bucket's segments and tails, before it asks for anything.
* The counts stand in the names: the driver shows live progress by listing them, without opening a file.
"""

import contextlib
import itertools
import logging
import os
import re
import struct
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recast.storage import Place, listed, place

logger = logging.getLogger(__name__)

UNFINISHED_PREFIX = ".unfinished-"
_SEGMENT_NAME = re.compile(
    r"b(?P<bucket>\d+)-(?P<writer>[0-9a-f]+)-(?P<seq>\d+)\.rows-(?P<rows>\d+)"
    r"(\.prompt-(?P<prompt>\d+)\.output-(?P<output>\d+))?\.parquet"
)
_TAIL_NAME = re.compile(r"b(?P<bucket>\d+)-[0-9a-f]+-\d+\.tail")
TAIL = b"\xffRJT"
HEAD = struct.Struct("<II")
SEED = 1  # zeros, which a machine that loses its power may leave in a file, are then no record
MAX_RECORD_BYTES = 1 << 30


class JournalError(RuntimeError):
    """The journal cannot be written, so that results would be paid for and lost."""


class Progress(NamedTuple):
    """What a journal holds: results, and the tokens of answers."""

    rows: int
    prompt_tokens: int
    output_tokens: int


def bucket_folder(uri: str, fingerprint: str, buckets: int) -> Place:
    """Return the folder that holds the segments of one fingerprint cut into `buckets` buckets."""
    return place(uri).joined(fingerprint, str(buckets))


class Writer:
    """Writes one task's segments. Each writer has names of its own, so that two attempts of a task never meet."""

    def __init__(self, folder: Place, bucket: int) -> None:
        """Make a writer for one bucket; nothing is created before the first segment."""
        self.folder = folder
        self.name = f"b{bucket}-{uuid.uuid4().hex[:16]}"
        self._seq = 0
        self._tails = itertools.count()

    def write(self, results: pa.Table) -> str:
        """Write a table as one segment; return its name, with the sums of `prompt_tokens` and `output_tokens` where it has them.

        Raises OSError where the store refuses (a full disk); the same rows can then be offered again.
        """
        name = f"{self.name}-{self._seq}.rows-{results.num_rows}"
        if "output_tokens" in results.column_names:
            prompt, output = (_total(results, column) for column in ("prompt_tokens", "output_tokens"))
            name += f".prompt-{prompt}.output-{output}"
        name += ".parquet"
        filesystem = self.folder.filesystem
        write_whole(
            self.folder, name, lambda path: pq.write_table(results, path, filesystem=filesystem, compression="zstd")
        )
        self._seq += 1
        return name

    def tail(self, names: Sequence[str]) -> "Tail | None":
        """Begin a tail of columns of strings; None in an object store. From any thread. Raises OSError as a store refuses."""
        if not isinstance(self.folder.filesystem, pafs.LocalFileSystem):
            return None
        self.folder.filesystem.create_dir(self.folder.path, recursive=True)
        return Tail(f"{self.folder.path}/{self.name}-{next(self._tails)}.tail", names)


class Tail:
    """A local file of rows. What was appended survives the process, though not the machine: nothing waits for the disk.

    It begins with TAIL; its first record has the names of the columns, each other a row: its size and its checksum, then how
    many values there are, the size of each (-1: null) and the values. An Arrow stream would cost three times as much a row.
    """

    def __init__(self, path: str, names: Sequence[str]) -> None:
        """Make the file."""
        self.path = path
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 closed by `close`
        try:
            self._write(TAIL)
            self.append(*names)
        except BaseException:
            self.close()
            raise

    def append(self, *values: str | bytes | None) -> None:
        """Append a row. Raises OSError where the store refuses (a full disk): what is appended later is then not read."""
        texts = [value.encode() if isinstance(value, str) else value for value in values]
        sizes = (-1 if text is None else len(text) for text in texts)
        record = b"".join((struct.pack(f"<{1 + len(texts)}i", len(texts), *sizes), *(text or b"" for text in texts)))
        self._write(HEAD.pack(len(record), zlib.crc32(record, SEED)) + record)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Append nothing more."""
        self._file.close()

    def delete(self) -> None:
        """Delete the file: a segment holds its rows."""
        self.close()
        with contextlib.suppress(FileNotFoundError):  # its chunk was committed by another attempt
            os.unlink(self.path)


def tail_table(stream: Any) -> pa.Table:
    """Return the rows of a tail up to the first that is not whole. Raises ValueError for another file."""
    if stream.read(len(TAIL)) != TAIL:
        raise ValueError("this is no tail of a journal")
    names, *rows = _records(stream) or [()]
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    arrays = [pa.array(values, pa.string()) for values in columns]
    return pa.table(arrays, [(name or b"").decode() for name in names])


def _records(stream: Any) -> list[tuple[bytes | None, ...]]:
    found = []
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        size, checksum = HEAD.unpack(head)
        record = stream.read(min(size, MAX_RECORD_BYTES))
        if len(record) != size or zlib.crc32(record, SEED) != checksum:
            break
        try:
            (count,) = struct.unpack_from("<i", record)
            sizes = struct.unpack_from(f"<{count}i", record, 4)
        except struct.error:
            raise ValueError("a record of a tail has another form") from None
        ends = list(itertools.accumulate((max(0, each) for each in sizes), initial=4 * (1 + count)))
        if ends[-1] != len(record):
            raise ValueError("a record of a tail has another form")
        places = zip(sizes, itertools.pairwise(ends), strict=True)
        found.append(tuple(None if each < 0 else record[start:end] for each, (start, end) in places))
    return found


def write_whole(folder: Place, name: str, write: Callable[[str], None]) -> None:
    """Have `write` write a file, given its path, so that a reader sees all of it or none. Raises OSError as it does."""
    filesystem, path = folder
    filesystem.create_dir(path, recursive=True)
    if not isinstance(filesystem, pafs.LocalFileSystem):
        write(f"{path}/{name}")  # an object store shows an object when its upload is complete, and renames by copying
        return
    unfinished = f"{path}/{UNFINISHED_PREFIX}{name}"
    try:
        write(unfinished)
        os.rename(unfinished, f"{path}/{name}")
    except BaseException:
        with contextlib.suppress(OSError):  # the write's own error says why there is none
            os.unlink(unfinished)
        raise


def read(folder: Place, bucket: int | None, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the readable segments of one bucket, or of all where it is None, as `read_segment` does."""
    yield from filter(None, (read_segment(each, schema) for each in segments(folder, bucket)))


def segments(folder: Place, bucket: int | None) -> Iterator[Place]:
    """Yield where the segments and tails of one bucket lie, or those of all where it is None."""
    for info in _files(folder):
        match = _SEGMENT_NAME.fullmatch(info.base_name) or _TAIL_NAME.fullmatch(info.base_name)
        if match is not None and bucket in (None, int(match["bucket"])):
            yield Place(folder.filesystem, info.path)


def read_segment(segment: Place, schema: pa.Schema) -> pa.Table | None:
    """Return the columns of `schema` of a segment or a tail. None, with a warning, for one that cannot be read or has other
    columns: its rows are paid for again. None without a word for one that is gone, since its chunk was committed.

    An older version wrote the schema's first columns only: the others are null in its segments.
    """
    try:
        if segment.path.endswith(".tail"):
            with segment.filesystem.open_input_stream(segment.path, buffer_size=1 << 16) as stream:
                table = tail_table(stream)
        else:
            table = pq.read_table(segment.path, filesystem=segment.filesystem, partitioning=None)
        if table.column_names == schema.names[: table.num_columns]:
            for field in list(schema)[table.num_columns :]:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table.select(schema.names).cast(schema)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        logger.warning("journal segment %s skipped: %s", segment.path.rpartition("/")[2], error)
        return None


def recall(uri: str, fingerprint: str, buckets: int, bucket: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield every segment of `recalled` that can be read."""
    places = recalled(uri, fingerprint, buckets, bucket)
    yield from filter(None, (read_segment(each, schema) for each in places))


def recalled(uri: str, fingerprint: str, buckets: int, bucket: int) -> Iterator[Place]:
    """Yield where the segments lie that may hold this bucket's results.

    A chunk has a journal of its own, `<run>-<chunk>`, so that its commit can remove it; the journals beside it are those of
    killed runs, and of the run's other chunks, which share no row with it. One that was cut into another number of buckets
    (another cluster) is read as a whole.
    """
    own = place(uri)
    parent, _, name = own.path.rpartition("/")
    run = name.rpartition("-")[0]
    for journal in _folders(Place(own.filesystem, parent)):
        other = journal.path.rpartition("/")[2]
        if run and other != name and other.rpartition("-")[0] == run:
            continue
        for folder in _folders(journal.joined(fingerprint)):
            yield from segments(folder, bucket if folder.path.endswith(f"/{buckets}") else None)


def task_bucket() -> int:
    """Return the bucket of this task: its partition's number, 0 outside Spark."""
    if "pyspark" in sys.modules:
        from pyspark import TaskContext

        context = TaskContext.get()
        if context is not None:
            return int(context.partitionId())
    return 0


def progress(uri: str) -> Progress:
    """Return what the whole journal holds, over all fingerprints and buckets, from the segments' names alone."""
    rows = prompt = output = 0
    for info in _files(place(uri), recursive=True):
        match = _SEGMENT_NAME.fullmatch(info.base_name)
        if match is not None:
            rows += int(match["rows"])
            prompt += int(match["prompt"] or 0)
            output += int(match["output"] or 0)
    return Progress(rows, prompt, output)


def files(uri: str) -> Iterator[tuple[Place, str]]:
    """Yield place and name of every file in the journal, whatever it is."""
    folder = place(uri)
    for info in _files(folder, recursive=True):
        yield Place(folder.filesystem, info.path), info.base_name


def _files(folder: Place, recursive: bool = False) -> list[pafs.FileInfo]:
    return [info for info in listed(folder, recursive) if info.type == pafs.FileType.File]


def _folders(folder: Place) -> list[Place]:
    found = [info.path for info in listed(folder) if info.type == pafs.FileType.Directory]
    return [Place(folder.filesystem, path) for path in sorted(found)]


def _total(results: pa.Table, column: str) -> int:
    return sum(value for value in results.column(column).to_pylist() if value is not None)
