"""Files of sources, as real writers make and break them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {"name": "string", "size": "int64"}
ROWS = {"size": [1, 2], "name": ["a", "b"], "other": [0.5, 0.5]}


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path.parent


TEXTS = {
    "large": pa.large_string(),
    "views": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of large texts": pa.dictionary(pa.int8(), pa.large_string()),
}
INTEGERS = {
    str(type_): type_
    for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
}


def pointer(path: Path) -> None:
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0\n"
    )


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "a pointer of Git LFS": (pointer, "git lfs pull"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "is not a Parquet file, or not all of one"),
    "its beginning": (lambda path: path.write_bytes(path.read_bytes()[:4]), "is not a Parquet file, or not all of one"),
    "a text": (lambda path: path.write_text("<html>404\x1b[2J</html>" * 9), "is not a Parquet file, or not all of one"),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), "is not a Parquet file, or not all of one"),
    "a footer of noise": (
        lambda path: path.write_bytes(path.read_bytes()[:-200] + b"\xff" * 192 + path.read_bytes()[-8:]),
        "is not a Parquet file, or not all of one",
    ),
}
