"""A small lake of both lanes with real columns, written by delta-rs, for tests of takedowns and purges."""

import atexit
import functools
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from recast.lakehouse.ledger import ARROW_TYPES
from recast.lakehouse.settings import Settings
from recast.schemas import TABLES

OCCURRENCES = pa.list_(pa.struct([("repo_name", pa.string()), ("path", pa.string())]))
PARSER = "def parse_the_measurements(lines: list[str]) -> list[float]:\n    return [float(line) for line in lines]\n"
ROOMS = "def area_of_a_room(width: float, length: float) -> float:\n    return width * length\n"
PROOF = "The square root of two is irrational, since no fraction in lowest terms has two for its square."
A, B, C = (letter * 40 for letter in "abc")
ALWAYS = ("content_hash", "input_hash", "kept", "reason", "run_id", "written_at")
PAGE, OTHER_PAGE, BELOW = ("1" * 64, "2" * 64, "3" * 64)


def blob(doc_id: str, text: str, *repositories: str) -> dict[str, Any]:
    """Return a row of raw_code."""
    return {
        "doc_id": doc_id,
        "text": text,
        "repo_name": repositories[0],
        "occurrences": [{"repo_name": name, "path": "a.py"} for name in repositories],
    }


CODE = [blob(A, PARSER, "alice/rooms"), blob(B, ROOMS, "alice/rooms", "bob/copy"), blob(C, PARSER, "carol/fork")]
PAGES = [
    {"doc_id": PAGE, "url": "https://example.org/roots", "text": PROOF},
    {"doc_id": OTHER_PAGE, "url": "https://mirror.example.net/roots", "text": PROOF},
    {"doc_id": BELOW, "url": "https://blog.EXAMPLE.org:443/area", "text": ROOMS},
]


def write(lake: Path, name: str, rows: list[dict[str, Any]], mode: str = "append") -> None:
    """Add rows to a document table; its change feed is on, as Recast's are."""
    names = [column.name for column in TABLES[name].columns if column.name in {*rows[0], *ALWAYS}]
    types = {column.name: column.type for column in TABLES[name].columns}
    schema = pa.schema([(each, OCCURRENCES if each == "occurrences" else ARROW_TYPES[types[each]]) for each in names])
    full = [
        {
            "kept": True,
            "content_hash": sha256(row.get("text")),
            "input_hash": sha256(row.get("source_text", row.get("text"))),
            **row,
        }
        for row in rows
    ]
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(str(lake / name), pa.Table.from_pylist(full, schema), mode=mode, configuration=feed)


def sha256(text: str | None) -> str | None:
    """Return the sha256 of a text, as content_hash has it."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def build(lake: Path) -> Settings:
    """Return settings that name a copy of a lake with raw, rewritten and published tables of both lanes."""
    shutil.copytree(_written_once(), lake)
    return Settings(lake=str(lake))


@functools.cache
def _written_once() -> Path:
    lake = Path(tempfile.mkdtemp(prefix="recast-test-lake-"))
    atexit.register(shutil.rmtree, lake)
    write(lake, "raw_code", CODE)
    rewritten = [{**row, "source_text": row["text"], "text": f"# rewritten\n{row['text']}"} for row in CODE]
    for row in rewritten:
        del row["occurrences"]
    write(lake, "styled_code", [{**row, "answer": f"Better:\n```python\n{row['text']}```"} for row in rewritten])
    published = [{k: v for k, v in row.items() if k != "source_text"} for row in rewritten]
    write(lake, "published_code", [row | {"token_count": 7} for row in published])
    write(lake, "raw_math", PAGES)
    write(lake, "published_math", [page | {"token_count": 7} for page in PAGES])
    return lake


def remove(lake: Path, *doc_ids: str) -> None:
    """Remove documents from every table, as a refresh does."""
    listed = ", ".join(f"'{doc_id}'" for doc_id in doc_ids)
    for name in ("raw_code", "styled_code", "published_code", "raw_math", "published_math"):
        DeltaTable(str(lake / name)).delete(f"doc_id IN ({listed})")
