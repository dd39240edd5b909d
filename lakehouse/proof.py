"""Reads every file of a lake and says where text is left that was taken down.

A file is searched for what it means, not for its bytes: Parquet is decoded, whatever made it (tables, old versions, change
feeds, staged rows, journals, checkpoints), JSON and HTML are taken apart.
"""

import gzip
import hashlib
import html
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recast.lakehouse.probes import found_in
from recast.storage import Place

ROWS_AT_ONCE = 256
READERS = 4
IDS = ("doc_id", "blob_id")
MAX_LINE_BYTES = 64 * 1024 * 1024  # what is longer is no log, and is read in pieces


class Searched(NamedTuple):
    """What was found in one file.

    Attributes:
        path: the file, below the lake.
        size: in bytes.
        rows: of a Parquet file; 0 for others.
        ids: documents that were taken down and have a row there.
        probes: probes of their texts that lie there, in no row of theirs.
        fault: why the file could not be read.
    """

    path: str
    size: int
    rows: int = 0
    ids: frozenset[str] = frozenset()
    probes: frozenset[str] = frozenset()
    fault: str = ""


def search(
    lake: Place, ids: Set[str], probes: Set[str], done: Callable[[Searched], None] = lambda one: None
) -> Iterator[Searched]:
    """Yield what was found in every file below the lake, in the order of their paths.

    Args:
        lake: the folder.
        ids: documents that were taken down.
        probes: of their texts (lakehouse/probes.py).
        done: is told of each file, for progress.
    """
    files = [
        info for info in lake.filesystem.get_file_info(pafs.FileSelector(lake.path, recursive=True)) if info.is_file
    ]
    with ThreadPoolExecutor(READERS) as pool:
        for one in pool.map(lambda info: look_into(lake, info, ids, probes), sorted(files, key=lambda info: info.path)):
            done(one)
            yield one


def look_into(lake: Place, info: pafs.FileInfo, ids: Set[str], probes: Set[str]) -> Searched:
    """Return what was found in one file. A file that cannot be read is a fault: it may hold anything."""
    path = info.path.removeprefix(lake.path).lstrip("/")
    try:
        if info.path.endswith(".parquet"):
            return in_parquet(lake.filesystem, info, path, ids, probes)
        found: set[str] = set()
        for text in texts_of(lake.filesystem, info.path):
            found |= found_in(text, probes)
        return Searched(path, info.size, probes=frozenset(found))
    except FileNotFoundError:
        return Searched(path, 0)  # removed since it was listed
    except (OSError, pa.ArrowException, ValueError) as problem:
        return Searched(path, info.size, fault=str(problem).splitlines()[0][:200] if str(problem) else "unreadable")


def in_parquet(
    filesystem: pafs.FileSystem, info: pafs.FileInfo, path: str, ids: Set[str], probes: Set[str]
) -> Searched:
    """Look into every string of a Parquet file, nested ones included, and into the statistics of its footer."""
    rows = 0
    seen_ids: set[str] = set()
    seen: set[str] = set()
    with filesystem.open_input_file(info.path) as file:
        opened = pq.ParquetFile(file)
        for batch in opened.iter_batches(ROWS_AT_ONCE):
            rows += batch.num_rows
            keys = next(
                (batch[name].to_pylist() for name in IDS if name in batch.schema.names), [None] * batch.num_rows
            )
            seen_ids |= ids & {key for key in keys if key}
            for values in map(strings_of, batch.columns):
                for row, value in values:
                    if keys[row] not in ids:
                        seen |= found_in(value, probes)
        for group in range(opened.metadata.num_row_groups):
            for column in range(opened.metadata.num_columns):
                statistics = opened.metadata.row_group(group).column(column).statistics
                for value in (statistics.min, statistics.max) if statistics and statistics.has_min_max else ():
                    if isinstance(value, str):
                        seen |= found_in(value, probes)
    return Searched(path, info.size, rows, frozenset(seen_ids), frozenset(seen))


def strings_of(column: pa.Array) -> Iterator[tuple[int, str]]:
    """Yield the row and the value of every string in a column, however deep in lists, structs and maps."""
    if has_strings(column.type):
        for row, value in enumerate(column.to_pylist()):
            stack = [value]
            while stack:
                each = stack.pop()
                if isinstance(each, str):
                    yield row, each
                elif isinstance(each, bytes):
                    yield row, each.decode("utf-8", "replace")
                elif isinstance(each, dict):
                    stack += each.values()
                elif isinstance(each, list | tuple):
                    stack += each


def has_strings(type_: pa.DataType) -> bool:
    """Say whether a type holds strings or bytes."""
    if any(is_one(type_) for is_one in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)):
        return True
    return any(has_strings(type_.field(place).type) for place in range(type_.num_fields))


def texts_of(filesystem: pafs.FileSystem, path: str) -> Iterator[str]:
    """Yield the texts of a file that is no Parquet: its lines, and those that JSON's, Python's and HTML's escapes hide."""
    with filesystem.open_input_stream(path, compression=None) as stream:
        whole = stream.read(MAX_LINE_BYTES)
        while whole:
            if whole[:2] == b"\x1f\x8b":
                whole = gzip.decompress(whole)
            text = whole.decode("utf-8", "replace")
            yield text
            yield from parts_of(text.splitlines())
            whole = stream.read(MAX_LINE_BYTES)


def parts_of(lines: Iterable[str]) -> Iterator[str]:
    """Yield what stands in lines in another spelling."""
    for line in lines:
        if line[:1] in ("{", "["):
            continue  # JSON, which is taken apart already
        plain = html.unescape(line)
        if plain != line:
            yield plain
        if "\\n" in plain:
            yield plain.replace("\\r", "").replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")


def digest_of(searched: Iterable[Searched]) -> str:
    """Return the sha256, hexadecimal, of the list of files that were read, with their sizes."""
    listed = "".join(f"{one.size} {one.path}\n" for one in searched)
    return hashlib.sha256(listed.encode()).hexdigest()
