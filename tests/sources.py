"""Small sources in the real schemas, for tests that need only a few rows."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FILE = pa.struct(
    [
        ("blob_id", pa.string()),
        ("path", pa.string()),
        ("content_id", pa.string()),
        ("language", pa.string()),
        ("length_bytes", pa.int64()),
        ("detected_licenses", pa.list_(pa.string())),
        ("license_type", pa.string()),
        ("src_encoding", pa.string()),
        ("is_vendor", pa.bool_()),
        ("is_generated", pa.bool_()),
    ]
)
REPOSITORIES = pa.schema(
    [("repo_name", pa.string()), ("revision_id", pa.string()), ("snapshot_id", pa.string()), ("files", pa.list_(FILE))]
)


def table_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table whose strings may hold any bytes: those that are no UTF-8 are written as surrogate escapes."""

    def raw(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, dict):
            return {name: raw(each) for name, each in value.items()}
        return [raw(each) for each in value] if isinstance(value, list | tuple) else value

    def binary(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(type_):
            return pa.struct([(field.name, binary(field.type)) for field in type_])
        if pa.types.is_list(type_):
            return pa.list_(binary(type_.value_type))
        return pa.binary() if pa.types.is_string(type_) else type_

    bytes_schema = pa.schema([(field.name, binary(field.type)) for field in schema])
    return pa.Table.from_pylist([raw(row) for row in rows], bytes_schema).cast(schema, safe=False)


def blob_id(content: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def write_code(folder: Path, repositories: dict[str, dict[str, str | bytes]], license_type: str = "permissive") -> Path:
    """Write repositories (name -> path -> content) as `folder/data/repositories.parquet` and `folder/content/<blob_id>`."""
    (folder / "content").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    rows = []
    for repo_name, files in repositories.items():
        listed = []
        for path, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            (folder / "content" / blob_id(content)).write_bytes(gzip.compress(content, mtime=0))
            listed.append(
                {
                    "blob_id": blob_id(content),
                    "path": path,
                    "content_id": blob_id(content),
                    "language": "Python",
                    "length_bytes": len(content),
                    "detected_licenses": ["MIT"],
                    "license_type": license_type,
                    "src_encoding": "UTF-8",
                    "is_vendor": False,
                    "is_generated": False,
                }
            )
        rows.append({"repo_name": repo_name, "revision_id": "r" * 40, "snapshot_id": "s" * 40, "files": listed})
    pq.write_table(table_of(rows, REPOSITORIES), folder / "data" / "repositories.parquet")
    return folder
