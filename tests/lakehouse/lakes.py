"""A small lake made by delta-rs, for tests of what needs no JVM."""

import atexit
import functools
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from recast.lakehouse.settings import Settings

STARTED_AT = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)
MESSAGES = [{"symbol": "unused-import", "line": 3, "seen_at": STARTED_AT, "weight": float("nan")}]

DOCUMENTS = [
    {"doc_id": "a", "kept": True, "reason": None, "lint_score": 9.25, "messages": [], "path": "src/a.py"},
    {
        "doc_id": "b",
        "kept": False,
        "reason": "low_score",
        "lint_score": 1.5,
        "messages": MESSAGES,
        "path": "naïve, b.py",
    },
    {"doc_id": "c", "kept": False, "reason": "low_score", "lint_score": None, "messages": None, "path": None},
]
PARSED = [
    {"doc_id": "a", "kept": True, "reason": None},
    {"doc_id": "d", "kept": False, "reason": "python2"},
]
RUN = {
    "run_id": "run-1",
    "table_name": "linted_code",
    "status": "succeeded",
    "problem": None,
    "rows_in": 3,
    "rows_kept": 1,
    "rows_rejected": 2,
    "reasons": [("low_score", 2)],
    "model_requests": 0,
    "output_tokens": 0,
    "seconds": 2.5,
    "started_at": STARTED_AT,
}
RUNS = [
    RUN,
    RUN | {"run_id": "run-2", "status": "failed", "problem": "it broke", "started_at": STARTED_AT + timedelta(days=1)},
    RUN | {"table_name": "parsed_code", "run_id": "run-0", "model_requests": 7, "output_tokens": 1234},
]
MESSAGE = pa.struct(
    [("symbol", pa.string()), ("line", pa.int32()), ("seen_at", pa.timestamp("us", "UTC")), ("weight", pa.float64())]
)
VERDICT = [("doc_id", pa.string()), ("kept", pa.bool_()), ("reason", pa.string()), ("run_id", pa.string())]
WRITTEN = [("written_at", pa.timestamp("us", "UTC"))]
SCHEMAS = {
    "linted_code": pa.schema(
        [*VERDICT, *WRITTEN, ("lint_score", pa.float64()), ("messages", pa.list_(MESSAGE)), ("path", pa.string())]
    ),
    "parsed_code": pa.schema([*VERDICT, *WRITTEN]),
    "styled_code": pa.schema(
        [
            *VERDICT,
            *WRITTEN,
            *((name, pa.string()) for name in ("path", "source_text", "text", "answer", "model", "prompt")),
            ("prompt_tokens", pa.int64()),
            ("output_tokens", pa.int64()),
            ("made_by", pa.list_(pa.struct([("table_name", pa.string())]))),
        ]
    ),
    "runs": pa.schema(
        [
            *((name, pa.string()) for name in ("run_id", "table_name", "status", "problem")),
            *(
                (name, pa.int64())
                for name in ("rows_in", "rows_kept", "rows_rejected", "model_requests", "output_tokens")
            ),
            ("reasons", pa.map_(pa.string(), pa.int64())),
            ("seconds", pa.float64()),
            ("started_at", pa.timestamp("us", "UTC")),
        ]
    ),
}


def write_table(lake: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write a table with a part of its columns."""
    schema = SCHEMAS[name]
    if "kept" in schema.names:
        rows = [{"run_id": "run-1", "written_at": STARTED_AT} | row for row in rows]
    place = str(lake / name)
    if rows:
        write_deltalake(place, pa.Table.from_pylist(rows, schema), mode="overwrite")
    else:
        DeltaTable.create(place, schema)


def write_lake(folder: Path) -> Settings:
    """Write `parsed_code`, `linted_code`, an empty `styled_code` and `runs`; return the settings that name them."""
    shutil.copytree(_written_once(), folder, dirs_exist_ok=True)
    return Settings(lake=str(folder))


@functools.cache
def _written_once() -> Path:
    """Return the lake of this process that others are copied from, which takes a third of writing one."""
    folder = Path(tempfile.mkdtemp(prefix="recast-test-lake-"))
    atexit.register(shutil.rmtree, folder)
    for name, rows in {"parsed_code": PARSED, "linted_code": DOCUMENTS, "styled_code": [], "runs": RUNS}.items():
        write_table(folder, name, rows)
    return folder
