"""A small lake with every table and every column, made by delta-rs: two refreshes of both lanes, of a few documents each.

The second refresh lowers the linter's threshold, asks for style with another prompt, meets a changed page, and a
repository has been withdrawn.
"""

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from recast.lakehouse.settings import Settings
from recast.lakehouse.views import duckdb_type
from recast.schemas import TABLES

FIRST, SECOND = datetime(2026, 10, 1, 2, 15, tzinfo=UTC), datetime(2026, 11, 1, 2, 15, tzinfo=UTC)
RUN_IDS = ("run-october", "run-november")
CODE = [name for name, table in TABLES.items() if table.reasons and name.endswith("_code")]
MATH = [name for name, table in TABLES.items() if table.reasons and name.endswith("_math")]
STAGES = [*((CODE, name) for name in CODE), *((MATH, name) for name in MATH)]
ASKING = ("styled_code", "optimized_code", "rewritten_math")
WHO = {"ada/numbers": "permissive", "bob/tools": "no_license", "gone/away": "permissive"}
FILES: dict[str, tuple[str, float, Mapping[str, str]]] = {
    "ada/numbers/primes.py": ("def sieve(n):\n    return [n]\n", 9.1, {}),
    "ada/numbers/roots.py": ("import os\ndef root(x):\n    return x ** 0.5\n", 8.2, {}),
    "ada/numbers/old.py": ("print 'two'\n", 0.0, {"parsed_code": "python2"}),
    "ada/numbers/matrix.py": ("def product(a, b):\n    return a\n", 8.8, {"optimized_code": "truncated"}),
    "ada/numbers/near.py": ("import sys, os\ndef near(x):\n    return x\n", 6.7, {}),
    "bob/tools/mess.py": ("import sys\nx=1;y=2\n", 3.4, {"linted_code": "low_score"}),
    "bob/tools/rename.py": ("def rename(path):\n    return path\n", 7.9, {"styled_code": "lint_regressed"}),
    "bob/tools/talk.py": ("def talk():\n    return 'hello'\n", 9.4, {"styled_code": "request_failed"}),
    "bob/tools/half.py": ("def half(:\n", 0.0, {"parsed_code": "unterminated"}),
    "gone/away/secret.py": ("def keep():\n    return 1\n", 9.9, {}),
}
"""Text, lint score, and the stage that rejects it with its reason, of each file by its place."""
PAGES: dict[str, tuple[str, Mapping[str, str]]] = {
    "https://example.org/fractions": ("Add 1/2 and 1/3. The answer is 5/6.", {}),
    "https://example.org/angles": ("A triangle has 180 degrees.", {}),
    "https://example.org/shop": ("Menu. Cart. Add 2 and 2.", {"rewritten_math": "remarks"}),
    "https://example.org/proof": ("Suppose 2 = p/q. Then q = p/2.", {"rewritten_math": "answer_changed"}),
    "https://example.org/blank": (" ", {"raw_math": "no_text"}),
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def doc_id_of(place: str) -> str:
    return hashlib.sha1(place.encode()).hexdigest()


@functools.cache
def arrow_schema(name: str) -> pa.Schema:
    """Return the columns of a table as Arrow."""
    columns = ", ".join(f'NULL::{duckdb_type(each.type)} AS "{each.name}"' for each in TABLES[name].columns)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(f"SELECT {columns} WHERE false").to_arrow_table().schema


def facts(name: str, refresh: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what measures and what decides a stage's rows in a refresh: 0 or 1."""
    measured: dict[str, Any] = {"rule": 1}
    if name in ASKING:
        measured = {"model": "model-70b", "prompt": sha(prompt_of(name, refresh)), "temperature": 0.2}
    decided = {"threshold": (7.0, 6.5)[refresh]} if name == "linted_code" else {"rule": 2}
    return measured, decided


def prompt_of(name: str, refresh: int) -> str:
    if name == "styled_code":
        return ("style_code_v1", "style_code_v2")[refresh]
    return {"optimized_code": "optimize_code_v1", "rewritten_math": "rewrite_math_v1"}[name]


def made(name: str, refresh: int) -> dict[str, str]:
    """Return the fingerprints of a stage's rows."""
    measured, decided = (sha(json.dumps(each, sort_keys=True))[:16] for each in facts(name, refresh))
    return {"table_name": name, "measured_by": measured, "decided_by": decided}


def row_of(lane: list[str], name: str, refresh: int, place: str) -> dict[str, Any]:
    """Return one document's row of one table."""
    step = lane.index(name)
    code = lane is CODE
    text = FILES[place][0] if code else PAGES[place][0]
    if refresh and place.endswith("angles"):
        text += " A square has 360."
    stages = {"styled_code": '"""Styled."""\n', "optimized_code": "# fast\n", "rewritten_math": "Step by step: "}
    above = "".join(stages.get(each, "") for each in lane[:step])
    own = "".join(stages.get(each, "") for each in lane[: step + 1])
    reason = rejected(place, refresh).get(name)
    repo, _, path = place.rpartition("/")
    kept_text = None if name in ASKING and reason else own + text
    row = {
        "doc_id": doc_id_of(place),
        "content_hash": sha(kept_text) if kept_text else None,
        "input_hash": sha(above + text),
        "text": kept_text,
        "kept": reason is None,
        "reason": reason,
        "source_dataset": "the-stack-v2" if code else "finemath-4plus",
        "source_version": ("2026-09", "2026-10")[refresh],
        "license_type": WHO[repo] if code else "no_license",
        "detected_licenses": ["MIT"] if code and WHO[repo] == "permissive" else [],
        "made_by": [made(each, refresh) for each in lane[:step]],
        "run_id": RUN_IDS[refresh],
        "written_at": (FIRST, SECOND)[refresh],
        **{key: value for key, value in made(name, refresh).items() if key != "table_name"},
    }
    row |= {"repo_name": repo, "path": path} if code else {"url": place}
    return row | measured_columns(name, refresh, place, above + text, row)


def measured_columns(name: str, refresh: int, place: str, source: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a table has of its own."""
    answered = row["reason"] != "request_failed"
    if name == "raw_code":
        listed = {"repo_name": row["repo_name"], "path": row["path"], "license_type": row["license_type"]}
        return {"length_bytes": len(row["text"]), "occurrences": [listed], "fetch_status": "fetched"}
    if name == "raw_math":
        return {
            "warc_filename": "crawl-2026/a.warc.gz",
            "warc_record_offset": len(place),
            "language": "en",
            "score": 4.2,
        }
    if name == "parsed_code":
        return {"syntax_reason": row["reason"], "syntax_line": 1 if row["reason"] else None}
    if name == "linted_code":
        message = {"symbol": "unused-import", "msg_id": "W0611", "line": 1, "column": 0}
        score = FILES[place][1]
        found = {
            "lint_score": score,
            "adjusted_score": score,
            "comment_ratio": 0.1,
            "statements": 2,
            "lint_seconds": 0.2,
        }
        return found | {"messages": [message] if source.startswith("import") else [], "lint_status": "scored"}
    if name in ASKING:
        answer = row["text"] or ("that is that" if answered else None)
        counted = {"prompt_tokens": 200 + len(source), "output_tokens": len(answer or "") if answered else None}
        asked = {
            "model": "model-70b",
            "model_revision": "r1",
            "prompt": prompt_of(name, refresh),
            "request_seconds": 1.5,
        }
        read = {
            "answer_status": "answered" if answered else "request_failed",
            "finish_reason": "stop" if answered else None,
        }
        return {"source_text": source, "answer": answer, **counted, **asked, **read}
    if name.startswith("published"):
        prompt = prompt_of("optimized_code" if name == "published_code" else "rewritten_math", refresh)
        counted = {"token_count": len(row["text"]) // 4, "tokenizer": "model-70b"}
        return {"model": "model-70b", "model_revision": "r1", "prompt": prompt, **counted}
    return {}


def rejected(place: str, refresh: int) -> Mapping[str, str]:
    """Return the stage that rejects a document in a refresh, and why."""
    if place.endswith("near.py") and refresh == 0:
        return {"linted_code": "low_score"}
    return FILES[place][2] if place in FILES else PAGES[place][1]


def rows_of(lane: list[str], name: str, refresh: int) -> list[dict[str, Any]]:
    """Return the rows of a table after a refresh."""
    places = [place for place in (FILES if lane is CODE else PAGES) if not (refresh and place.startswith("gone/"))]
    above = set(lane[: lane.index(name)])
    return [row_of(lane, name, refresh, place) for place in places if not above & rejected(place, refresh).keys()]


def run_of(name: str, refresh: int, rows: list[dict[str, Any]], position: int) -> dict[str, Any]:
    """Return the ledger's row of a stage's run."""
    measured, decided = facts(name, refresh)
    reasons = [row["reason"] for row in rows if row["reason"]]
    kept = [row for row in rows if row["kept"]]

    def total(column: str, among: list[dict[str, Any]]) -> int:
        return sum(row.get(column) or 0 for row in among)

    asked = {
        "model_requests": len([row for row in rows if row.get("answer")]),
        "prompt_tokens": total("prompt_tokens", rows),
        "output_tokens": total("output_tokens", rows),
        "kept_output_tokens": total("output_tokens", kept),
        "requests_failed": reasons.count("request_failed"),
        "engine_seconds": 1.5 * len(rows),
        "mfu": 0.4,
        "cost": 0.25,
    }
    made_by = made(name, refresh)
    return {
        "run_id": RUN_IDS[refresh],
        "table_name": name,
        "number": 1 + refresh * len(STAGES) + position,
        "status": "succeeded",
        "source_version": "1",
        "target_version": refresh,
        "chunks": 1,
        "rows_in": len(rows),
        "rows_kept": len(kept),
        "rows_rejected": len(reasons),
        "rows_measured": len(rows),
        "rows_removed": 0,
        "reasons": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "seconds": 10.0 + position,
        "seconds_by_step": {"plan": 1.0, "measure": 8.0, "commit": 1.0 + position},
        "started_at": (FIRST, SECOND)[refresh] + timedelta(minutes=position),
        "measured_by": made_by["measured_by"],
        "decided_by": made_by["decided_by"],
        "measured_by_facts": json.dumps(measured, sort_keys=True),
        "decided_by_facts": json.dumps(decided, sort_keys=True),
        "recast_version": "0.1.0",
        **(asked if name in ASKING else dict.fromkeys(("model_requests", "prompt_tokens", "output_tokens"), 0)),
    }


def write(folder: Path, name: str, rows: list[dict[str, Any]], mode: str = "overwrite") -> None:
    """Commit rows to a table with all its columns."""
    write_deltalake(str(folder / name), pa.Table.from_pylist(rows, arrow_schema(name)), mode=mode)  # type: ignore[call-overload]


@functools.cache
def written_once() -> Path:
    """Return the lake of this process that others are copied from."""
    folder = Path(tempfile.mkdtemp(prefix="recast-test-whole-lake-"))
    atexit.register(shutil.rmtree, folder)
    for refresh in (0, 1):
        for position, (lane, name) in enumerate(STAGES):
            rows = rows_of(lane, name, refresh)
            write(folder, name, rows)
            write(folder, "runs", [run_of(name, refresh, rows, position)], "append")
            checked = {
                "expectation": "expect_column_values_to_be_unique doc_id",
                "severity": "critical",
                "success": True,
            }
            checked |= {"run_id": RUN_IDS[refresh], "table_name": name, "chunk": 0, "unexpected_rows": 0}
            write(folder, "expectation_results", [checked], "append")
    return folder


def write_whole_lake(folder: Path) -> Settings:
    """Write the lake; return the settings that name it."""
    shutil.copytree(written_once(), folder, dirs_exist_ok=True)
    return Settings(lake=str(folder))
