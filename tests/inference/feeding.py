"""What tests of the feeder share: rows, specs, and what reached the fake server."""

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from recast.inference.request import RewriteSpec
from recast.inference.rewrite import rewrite
from recast.inference.server import process, runtime
from recast.inference.server.spec import Engine, EngineSpec


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def batch(*texts: str | None) -> pa.RecordBatch:
    """Rows with an int32 and a nested column beside the text, to see that these pass through as they are."""
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array(range(len(texts)), pa.int32()),
            "text": pa.array(texts, pa.string()),
            "input_hash": pa.array([None if text is None else digest(text) for text in texts], pa.string()),
            "places": pa.array([[{"path": str(index)}] for index in range(len(texts))]),
        }
    )


def spec_for(engine: EngineSpec, **fields: Any) -> RewriteSpec:
    return replace(RewriteSpec(engine, system="Be kind.", user_template="{text}", fingerprint="f"), **fields)


def run(spec: RewriteSpec, *batches: pa.RecordBatch) -> list[dict[str, Any]]:
    return [row for answered in rewrite(iter(batches), spec) for row in answered.to_pylist()]


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["text"]: row["answer_status"] for row in rows}


def asked(record: Path) -> Counter[str]:
    """How often each text reached the server, over all its lives."""
    lines = record.read_text().splitlines() if record.exists() else []
    return Counter(json.loads(line)["messages"][-1]["content"] for line in lines)


def starts_of(engine: EngineSpec) -> int:
    """How often the engine was started in this test."""
    folder = runtime.runtime_folder(engine, runtime.owner(), "")
    return process.starts(Engine("", None, "", "", "", 0.0, str(folder)))


@contextlib.contextmanager
def killing(engine: EngineSpec, record: Path, times: int, after_s: float) -> Iterator[list[int]]:
    """Kill -9 the engine a while after the first request that each of its lives gets; yield the pids killed."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.is_set():
            lines = record.read_text().splitlines() if record.exists() else []
            fresh = {json.loads(line)["server"] for line in lines} - set(killed)
            if not fresh:
                time.sleep(0.02)
                continue
            time.sleep(after_s)
            os.kill(next(iter(fresh)), signal.SIGKILL)
            killed.extend(fresh)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
