"""A night in which two files change: `python -m benchmarks.night [--rows N] [--keep FOLDER]` prints one JSON line.

A lake of `--rows` files goes through the code lane, each stage with a measurement that costs nothing in the place of its own
(the same fingerprints, so that every later run takes the rows as measured). Then the text of two files changes, and
`recast refresh code` runs as a process of its own, as users run it: real parser, linter, requests to a model's endpoint,
expectations and commits. Prints:

    rows                files of the source
    nights              how often it was run, each with two files that had not changed before
    seconds             the fastest night: the whole command
    seconds_warm        a night in a session that has run one before
    seconds_by_stage    the seconds of that night's stages, as `runs` has them
    seconds_by_step     the same by step, over all stages
    quality_share       share of the expectations in the seconds of the lake's first build, where measuring costs nothing
    model_requests      of that night: two for each rewriting stage
    load                what the machine had to do before (one-minute average)

With `--keep` the lake is built in that folder once and used again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console

from recast.jobs.catalogue import lane
from recast.jobs.running import refresh_stages
from recast.jobs.settings import Settings
from recast.lakehouse import query, session
from recast.lakehouse.progress import Meter
from recast.lakehouse.stage import Stage
from tests.jobs.lanes import Model, serve
from tests.sources import blob_id

CHANGED = 2
NIGHTS = 3
REPOSITORY_FILES = 20


def write_source(folder: Path, rows: int, changed: int) -> None:
    """Write `rows` files in one table, row by row as the-stack-v2-dedup has them; the first `changed` have a second text."""
    texts = [f'"""Number {i}."""\n\nVALUE = {i}{"0" if i < changed else ""}\n' for i in range(rows)]
    table = pa.table(
        {
            "blob_id": [blob_id(text.encode()) for text in texts],
            "repo_name": [f"owner/repository-{i // REPOSITORY_FILES}" for i in range(rows)],
            "path": [f"number_{i}.py" for i in range(rows)],
            "content": texts,
            "length_bytes": [len(text) for text in texts],
            "detected_licenses": [["MIT"]] * rows,
            **{name: ["x" * 40] * rows for name in ("revision_id", "snapshot_id")},
            **dict.fromkeys(("language", "license_type", "src_encoding")),
        }
        | {"language": ["Python"] * rows, "license_type": ["permissive"] * rows, "src_encoding": ["UTF-8"] * rows}
        | {name: [False] * rows for name in ("is_vendor", "is_generated")}
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "files.parquet")


def scored(rows: DataFrame, *_: Any) -> DataFrame:
    """Give every file the best score."""
    measured = {"lint_status": F.lit("scored"), "comment_ratio": F.lit(0.0), "adjusted_score": F.lit(10.0)}
    none = F.array().cast("array<struct<symbol: string, msg_id: string, line: int, column: int>>")
    return rows.withColumns({**measured, "lint_score": F.lit(10.0), "messages": none})


def answered(rows: DataFrame, *_: Any) -> DataFrame:
    """Give every file an answer: itself."""
    said = {"answer_status": "answered", "finish_reason": "stop", "lint_status": "scored"}
    counted = {"prompt_tokens": F.lit(100), "output_tokens": F.lit(10), "lint_score": F.lit(10.0)}
    return rows.withColumns(
        {name: F.lit(word) for name, word in said.items()} | counted | {"text": F.col("source_text")}
    )


def free(stage: Stage) -> Stage:
    """Return the stage with a measurement that costs nothing, and with the same fingerprints."""
    if stage.name == "linted_code":
        return replace(stage, measure=scored, decide=lambda rows, settings: rows)
    if stage.usage:
        return replace(stage, measure=answered, decide=lambda rows, settings: rows, usage=None)
    return stage


def refreshed(folder: Path, options: Sequence[str]) -> float:
    """Refresh the code lane in a process of its own, started in `folder`; return its seconds. Raises SystemExit where it failed."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "recast", "refresh", "code", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,  # where no recast.toml lies
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.monotonic() - started


def refreshed_here(folder: Path, settings: Settings, rows: int, nights: Sequence[int]) -> float:
    """Run nights in one session of this process; return the seconds of the last."""
    with session.application("night", folder / "spark.log", rows=rows):
        for night in nights:
            write_source(folder / "code", rows, night * CHANGED)
            started = time.monotonic()
            refresh_stages(settings, lane("code"), meter=Meter(Console(quiet=True)))
    return time.monotonic() - started


def measure(folder: Path, rows: int) -> dict[str, Any]:
    """Build the lake where it is not there, and return what the benchmark prints."""
    load = os.getloadavg()[0]
    endpoint, end = serve(Model())
    try:
        source, lake = folder / "code", str(folder / "lake")
        settings = Settings(lake=lake, code_source=str(source), endpoint=endpoint, model="model-a")
        done = "SELECT run_id FROM runs WHERE table_name = 'published_code' AND status = 'succeeded'"
        nights_before = len(query.rows(settings, done)) if Path(lake).exists() else 0
        if not nights_before:
            write_source(source, rows, 0)
            refresh_stages(settings, [free(stage) for stage in lane("code")], meter=Meter(Console(stderr=True)))
            nights_before = 1
        options = ["--lake", lake, "--code-source", str(source), "--endpoint", endpoint, "--model", "model-a"]
        nights = []
        for night in range(nights_before, nights_before + NIGHTS):
            write_source(source, rows, night * CHANGED)
            nights.append((refreshed(folder, options), night))
            last = query.rows(settings, "SELECT * FROM runs WHERE run_id = (SELECT max(run_id) FROM runs)")
            wrong = [run["table_name"] for run in last if run["rows_measured"] != CHANGED]
            if wrong:
                sys.exit(f"measured in {wrong}: {[run['rows_measured'] for run in last]}")
            print(
                f"{nights[-1][0]:.1f} s", {run["table_name"]: run["seconds_by_step"] for run in last}, file=sys.stderr
            )
            if nights[-1] == min(nights):
                fastest = last
        warm = refreshed_here(folder, settings, rows, range(night + 1, night + 3))
    finally:
        end()
    built = query.rows(settings, "SELECT * FROM runs WHERE run_id = (SELECT min(run_id) FROM runs)", "runs")
    checks = sum(run["seconds_by_step"]["check"] for run in built)
    by_step: Counter[str] = Counter()
    for run in fastest:
        by_step.update(run["seconds_by_step"])
    return {
        "rows": rows,
        "nights": NIGHTS,
        "seconds": round(min(nights)[0], 1),
        "seconds_warm": round(warm, 1),
        "seconds_by_stage": {run["table_name"]: round(run["seconds"], 1) for run in fastest},
        "seconds_by_step": {step: round(seconds, 1) for step, seconds in by_step.items()},
        "quality_share": round(checks / sum(run["seconds"] for run in built), 3),
        "model_requests": sum(run["model_requests"] for run in fastest),
        "load": round(load, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder for source and lake, used again where they are there")
    given = parser.parse_args()
    if given.keep:
        print(json.dumps(measure(given.keep, given.rows)))
        return
    with tempfile.TemporaryDirectory(prefix="night-benchmark-") as folder:
        print(json.dumps(measure(Path(folder), given.rows)))


if __name__ == "__main__":
    main()
