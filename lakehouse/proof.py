"""Reads every file of a lake and says where text is left that was taken down.

A file is searched for what it means, not for its bytes: Parquet is decoded, whatever made it and whatever it is called (tables,
old versions, change feeds, staged rows, journals, checkpoints); so are the tails of journals; JSON, logs and HTML are taken
apart. What cannot be read may hold anything, and is a fault.
"""

import codecs
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recast import journal
from recast.lakehouse.claims import is_of
from recast.lakehouse.probes import NONE, Hashes, found_in, spellings
from recast.storage import Place

ROWS_AT_ONCE = 256
READERS = 4
PIECE_BYTES = 16 * 1024 * 1024
OVERLAP_CHARS = 4096  # of two pieces of a file, so that no window is cut
QUOTED_SHARE = 0.5  # of a document's probes: from here on another row has its text, and not only a few lines
WHOLE_TEXTS = ("text", "source_text")
"""Columns whose values are hashed: a text that was claimed by its hash may lie where nothing else names it."""
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a packed file begins, and what pyarrow calls the format."""
PARQUET = b"PAR1"
NO_TEXT = (
    b"crc\0",  # Hadoop's sums of the bytes of files on a local disk
    *(b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\0\0\1\0"),  # pictures, of Data Docs
    *(b"OTTO", b"\0\1\0\0", b"wOFF", b"wOF2"),  # fonts, likewise
)
"""How files begin that hold no text."""


class Wanted(NamedTuple):
    """What no file may hold.

    Attributes:
        keys: values by the column that holds them: of documents (`doc_id`), addresses, hashes, repositories. The hashes of
            texts (`content_hash`) are also compared with those of the values of WHOLE_TEXTS.
        domains: whose addresses (`url`) no row may have, nor those of domains below, in each spelling.
        probes: of the documents' texts, sorted.
        owner: for each probe the number of a document.
        documents: ids of the documents, by number.
    """

    keys: Mapping[str, set[str]] = {}
    domains: frozenset[str] = frozenset()
    probes: Hashes = NONE
    owner: NDArray[np.int64] = NONE
    documents: tuple[str, ...] = ()

    @property
    def distinct(self) -> Hashes:
        """The probes, each once."""
        return np.unique(self.probes)


class Searched(NamedTuple):
    """What was found in one file.

    Attributes:
        path: the file, below the lake.
        size: in bytes.
        changed_at: when it was last written.
        rows: of a Parquet file; 0 for others.
        named: rows that name what was taken down in a key column, or hold a text that was claimed by its hash.
        probes: probes of texts that lie in no such row.
        quotes: other documents whose row has a good part of a text that was taken down.
        fault: why the file could not be read.
    """

    path: str
    size: int
    changed_at: datetime | None = None
    rows: int = 0
    named: int = 0
    probes: frozenset[int] = frozenset()
    quotes: frozenset[str] = frozenset()
    fault: str = ""


def search(lake: Place, wanted: Wanted, done: Callable[[Searched], None] = lambda one: None) -> Iterator[Searched]:
    """Yield what was found in every file below the lake, in the order of their paths; `done` is told of each."""
    files = [info for info in listed(lake) if info.is_file or is_linked(lake, info)]
    distinct = wanted.distinct
    with ThreadPoolExecutor(READERS) as pool:
        for one in pool.map(lambda info: look_into(lake, info, wanted, distinct), sorted(files, key=lambda f: f.path)):
            done(one)
            yield one


def listed(lake: Place) -> list[pafs.FileInfo]:
    """Return all that lies below the lake. Links to folders are not followed: what they lead to may be all of a disk."""
    infos: list[pafs.FileInfo] = lake.filesystem.get_file_info(pafs.FileSelector(lake.path, recursive=True))
    links = tuple(f"{info.path}/" for info in infos if is_linked(lake, info))
    return [info for info in infos if not info.path.startswith(links)] if links else infos


def is_linked(lake: Place, info: pafs.FileInfo) -> bool:
    """Say whether something below the lake is a link to a folder."""
    local = isinstance(lake.filesystem, pafs.LocalFileSystem)
    return local and info.type == pafs.FileType.Directory and os.path.islink(info.path)


def look_into(lake: Place, info: pafs.FileInfo, wanted: Wanted, distinct: Hashes) -> Searched:
    """Return what was found in one file."""
    path = info.path.removeprefix(lake.path).lstrip("/")
    if not info.is_file:
        return Searched(path, 0, info.mtime, fault="a link to a folder, which was not followed")
    about = Searched(path, info.size, info.mtime)
    try:
        with lake.filesystem.open_input_file(info.path) as file:
            start = file.read(4)
            file.seek(0)
            if start == PARQUET:
                return in_parquet(about, pq.ParquetFile(file), wanted, distinct)
            if start.startswith(NO_TEXT):
                return about
            return in_text(about, file, start, wanted, distinct)
    except FileNotFoundError:
        return about._replace(size=0)  # removed since it was listed
    except (OSError, ValueError, pa.ArrowException) as problem:
        return about._replace(fault=str(problem).partition("\n")[0][:200] or type(problem).__name__)


def in_parquet(about: Searched, file: pq.ParquetFile, wanted: Wanted, distinct: Hashes) -> Searched:
    """Look into every value of a Parquet file that may be text, nested ones included, and into its footer."""
    rows = named = 0
    found: set[int] = set()
    quotes: set[str] = set()
    footer = [value.decode("utf-8", "replace") for value in (file.metadata.metadata or {}).values()]
    footer += [str(value) for value in statistics_of(file.metadata)]
    for text in footer:
        for spelling in spellings(text):
            found |= set(found_in([spelling], distinct).tolist())
    for batch in file.iter_batches(ROWS_AT_ONCE):
        rows += batch.num_rows
        claimed = rows_named(batch, wanted)
        named += len(claimed)
        texts = texts_by_row(batch)
        if not len(found_in((text for row in texts for text in row), distinct)):
            continue
        ids = batch["doc_id"].to_pylist() if "doc_id" in batch.schema.names else [None] * batch.num_rows
        for row, words in enumerate(texts):
            if row not in claimed and len(hits := found_in(words, distinct)):
                found |= set(hits.tolist())
                if isinstance(doc_id := ids[row], str) and has_a_text(hits, wanted):
                    quotes.add(doc_id)
    return about._replace(rows=rows, named=named, probes=frozenset(found), quotes=frozenset(quotes))


def in_text(about: Searched, file: Any, start: bytes, wanted: Wanted, distinct: Hashes) -> Searched:
    """Look into a file that is no Parquet; `start` are its first bytes. Raises ValueError where it is no text."""
    if start == journal.TAIL:  # it holds its texts as they are, so that a torn row can be searched
        for batch in journal.tail_table(file).to_batches():
            named = len(rows_named(batch, wanted))
            about = about._replace(rows=about.rows + batch.num_rows, named=about.named + named)
        file.seek(0)
    found: set[int] = set()
    for text in texts_of(file, start):
        for spelling in spellings(text):
            found |= set(found_in([spelling], distinct).tolist())
    return about._replace(probes=frozenset(found))


def statistics_of(metadata: pq.FileMetaData) -> Iterator[Any]:
    """Yield the least and greatest value of every column and row group."""
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            statistics = metadata.row_group(group).column(column).statistics
            if statistics and statistics.has_min_max:
                yield from (statistics.min, statistics.max)


def rows_named(batch: pa.RecordBatch, wanted: Wanted) -> set[int]:
    """Return the rows that name something that is `wanted`, or have a text whose hash is."""
    found: set[int] = set()
    if wanted.domains and "url" in batch.schema.names:
        addresses = enumerate(batch["url"].to_pylist())
        found |= {row for row, url in addresses if isinstance(url, str) and is_of(url, wanted.domains)}
    for column, values in wanted.keys.items():
        if values and column in batch.schema.names:
            found |= {
                row
                for row, value in enumerate(batch[column].to_pylist())
                if isinstance(value, str) and (value in values or value.lower() in values)
            }
    if hashes := wanted.keys.get("content_hash"):
        for column in WHOLE_TEXTS:
            if column in batch.schema.names:
                found |= {row for row, text in enumerate(batch[column].to_pylist()) if sha256_of(text) in hashes}
    return found


def sha256_of(text: Any) -> str:
    """Return the sha256 of a text, as `content_hash` has it; "" of what is none."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else ""


def texts_by_row(batch: pa.RecordBatch) -> list[list[str]]:
    """Return the texts of every row, however deep in lists, structs and maps; JSON among them is taken apart, too."""
    rows: list[list[str]] = [[] for _ in range(batch.num_rows)]
    for column in batch.columns:
        if never_text(column.type):
            continue
        for row, value in enumerate(column.to_pylist()):
            stack = [value]
            while stack:
                each = stack.pop()
                if isinstance(each, bytes):
                    each = each.decode("utf-8", "replace")
                if isinstance(each, str):
                    rows[row] += spellings(each) if each[:1] in ("{", "[", '"') else [each]
                elif isinstance(each, dict):
                    stack += each.values()
                elif isinstance(each, list | tuple):
                    stack += each
    return rows


def never_text(type_: pa.DataType) -> bool:
    """Say whether no value of a type can hold text: numbers, truth values and times."""
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_null)
    return any(is_one(type_) for is_one in (*plain, pa.types.is_decimal))


def has_a_text(hits: Hashes, wanted: Wanted) -> bool:
    """Say whether probes that were found are a good part of those of one document."""
    owners = wanted.owner[np.isin(wanted.probes, hits)]
    of_each = np.bincount(wanted.owner, minlength=len(wanted.documents))
    got = np.bincount(owners, minlength=len(wanted.documents))
    return bool(np.any((got > 0) & (got >= QUOTED_SHARE * of_each)))


def texts_of(file: Any, start: bytes) -> Iterator[str]:
    """Yield the text of a file that is no Parquet, in pieces that overlap; what is packed is unpacked.

    Raises:
        ValueError: it is no text.
    """
    packed = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
    stream = pa.CompressedInputStream(file, packed) if packed else file
    decoder: codecs.IncrementalDecoder | None = None
    before = ""
    while piece := stream.read(PIECE_BYTES):
        if decoder is None:
            encoding = "utf-16" if piece[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
            decoder = codecs.getincrementaldecoder(encoding)("replace")
        text = decoder.decode(piece)
        if start != journal.TAIL and text.count("\ufffd") + text.count("\0") > len(text) / 10:
            raise ValueError("neither Parquet nor text")
        yield before + text
        before = text[-OVERLAP_CHARS:]


def digest_of(searched: Iterable[Searched]) -> str:
    """Return the sha256, hexadecimal, of the list of files that were read, with their sizes."""
    names = "".join(f"{one.size} {one.path}\n" for one in searched)
    return hashlib.sha256(names.encode()).hexdigest()
