"""A refresh over a table of a hundred thousand and of a million rows: `python -m benchmarks.refresh [--small N] [--large N]`.

Pages of generated text with real keys and hashes are brought into raw_math by `recast refresh raw_math`, a process each
time, as users do; every number of seconds is that of the whole command. Settings come from the environment, as
RECAST_CHUNK_ROWS=1000000. Prints one JSON line:

    rows_small, rows_large            pages of the two sources
    built_seconds_large               the first refresh of the large one
    quality_share                     share of that run's seconds that Great Expectations took, in chunks of `chunk_rows`
    noop_seconds_small, _large        a refresh where nothing has changed
    noop_model_calls                  requests that a model got from a refresh of a small math lane where nothing has changed
    added_rows                        pages of a further file, as many for both sources
    added_plan_seconds, added_seconds_small, _large    `recast plan` of the large source with it, and the refreshes that bring it in
    changed_rows, recomputed_rows     pages whose text changed in the large source, 0.1%; rows that were measured
    plan_seconds                      `recast plan` with these changes
    plan_driver_mb                    most resident memory of its JVM
    refresh_seconds_small_change      the refresh that brings them in
    refresh_seconds_per_changed_row   that for each of them, in seconds
    takedown_seconds                  taking a domain down, a thousandth of all pages
    purge_seconds, purge_scanned_files, purge_found    deleting it for good, with proof
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recast.jobs.settings import Settings, resolve
from recast.lakehouse import query
from tests.jobs.lanes import Model, serve

PAGES_PER_SHARD = 100_000
DOMAINS = 1_000
CHANGED = 1_000  # one page in so many
ADDED = 1_000
PAGES_FOR_MODEL = 300


def write_source(folder: Path, pages: int, changed: bool = False) -> None:
    """Write a source of so many pages of about 150 characters, unlike each other; `changed` gives one in CHANGED another text."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, pages, PAGES_PER_SHARD):
        write_shard(folder, start, min(pages, start + PAGES_PER_SHARD), changed)


def write_shard(folder: Path, start: int, end: int, changed: bool = False) -> None:
    """Write a file of the pages from `start` to `end`."""
    numbers = np.arange(start, end)
    names = pa.array(numbers).cast(pa.string())
    domains = pa.array(numbers % DOMAINS).cast(pa.string())
    other = pa.array(np.where((numbers % CHANGED == 0) & changed, "Another page", "Page"))
    table = pa.table(
        {
            "url": pc.binary_join_element_wise("https://site", domains, ".example/", names, ""),
            "text": pc.binary_join_element_wise(other, " number ", names, filling(numbers), ""),
            "warc_filename": pa.array(["w"] * len(numbers)),
            "warc_record_offset": numbers.astype(np.int32),
            "crawl": pa.array(["c"] * len(numbers)),
            "language": pa.array(["en"] * len(numbers)),
            "language_score": np.full(len(numbers), 0.99),
            "score": np.full(len(numbers), 4.5),
            "int_score": np.full(len(numbers), 5),
            "token_count": np.full(len(numbers), 60),
        }
    )
    pq.write_table(table, folder / f"part-{start:09}.parquet")


def filling(numbers: NDArray[np.int64]) -> pa.Array:
    """Return a text for each number that shares no part with another's."""
    return pa.array(f" asks: {hashlib.sha512(number.tobytes()).hexdigest()}" for number in numbers)


def recast(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """Run a command on the lake in `folder`; return its seconds, the most memory of its JVM in MB, and what it printed.

    Raises:
        SystemExit: it failed.
    """
    settings = ["--lake", f"{folder}/lake", "--math-source", f"{folder}/math"]
    started = time.monotonic()
    command = [sys.executable, "-m", "recast", *arguments, *settings]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak, over = [0.0], threading.Event()
    watching = threading.Thread(target=watch, args=(running.pid, peak, over))
    watching.start()
    out, err = running.communicate()
    over.set()
    watching.join()
    if running.returncode:
        sys.exit(f"{' '.join(command)} exited with {running.returncode}: {err[-2000:]}")
    seconds = time.monotonic() - started
    print(f"{seconds:7.1f} s  recast {' '.join(arguments)}", file=sys.stderr)
    return seconds, peak[0], out


def watch(pid: int, peak: list[float], over: threading.Event) -> None:
    """Keep the most resident memory, in MB, of a process's Java children (VmHWM of proc(5))."""
    while not over.wait(0.5):
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                said = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            except OSError:
                continue
            if said.get("Name") == "java" and int(said["PPid"]) in (pid, *children(pid)) and "VmHWM" in said:
                peak[0] = max(peak[0], int(said["VmHWM"].split()[0]) / 1024)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that run still."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def noop_model_calls(folder: Path) -> int:
    """Build a math lane in `folder`, with its own model; return how often a refresh asks that where nothing has changed.

    Raises:
        SystemExit: a refresh failed, or the build asked the model for less than a request per page.
    """
    write_source(folder / "math", PAGES_FOR_MODEL)
    model = Model()
    endpoint, end = serve(model)
    try:
        asked = []
        for _ in ("build", "no-op"):
            recast(folder, "refresh", "math", "--endpoint", endpoint, "--model", "model-a")
            asked.append(model.asked.total())
    finally:
        end()
    built, after = asked
    if built < PAGES_FOR_MODEL:
        sys.exit(f"the model was asked {built} times for {PAGES_FOR_MODEL} pages")
    return after - built


def measure(small: int, large: int) -> dict[str, Any]:
    """Return what the benchmark prints."""
    found: dict[str, Any] = {
        "rows_small": small,
        "rows_large": large,
        "chunk_rows": resolve().chunk_rows,
        "added_rows": ADDED,
    }
    with tempfile.TemporaryDirectory(prefix="refresh-benchmark-") as name:
        for size, pages in (("small", small), ("large", large)):
            folder = Path(name, size)
            write_source(folder / "math", pages)
            found[f"built_seconds_{size}"] = round(recast(folder, "refresh", "raw_math")[0], 1)
            found[f"noop_seconds_{size}"] = round(recast(folder, "refresh", "raw_math")[0], 1)
            write_shard(folder / "math", pages, pages + ADDED)
            if size == "large":
                found["added_plan_seconds"] = round(recast(folder, "plan", "raw_math", "--json")[0], 1)
            found[f"added_seconds_{size}"] = round(recast(folder, "refresh", "raw_math")[0], 1)
        settings = Settings(lake=f"{folder}/lake")
        built, *_ = query.rows(settings, "SELECT * FROM runs ORDER BY number", "runs")
        found["quality_share"] = round(built["seconds_by_step"]["check"] / built["seconds"], 3)
        found["noop_model_calls"] = noop_model_calls(Path(name, "model"))
        write_source(folder / "math", large, changed=True)
        found["changed_rows"] = len(range(0, large, CHANGED))
        planned = recast(folder, "plan", "raw_math", "--json")
        found["plan_seconds"], found["plan_driver_mb"] = round(planned[0], 1), round(planned[1])
        took = recast(folder, "refresh", "raw_math")[0]
        last = query.rows(settings, "SELECT * FROM runs ORDER BY number DESC LIMIT 1", "runs")[0]
        found["recomputed_rows"] = last["rows_measured"]
        found["refresh_seconds_small_change"] = round(took, 1)
        found["refresh_seconds_per_changed_row"] = round(took / found["changed_rows"], 4)
        down = recast(folder, "takedown", "--domain", "site7.example", "--why", "benchmark")
        found["takedown_seconds"] = round(down[0], 1)
        recast(folder, "refresh", "raw_math")
        seconds, _, report = recast(folder, "purge", "--retention-hours", "0", "--json")
        told = json.loads(report)
        found["purge_seconds"], found["purge_scanned_files"] = round(seconds, 1), told["scanned_files"]
        found["purge_found"] = len(told["found"]) + len(told["unreadable"])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    options = parser.parse_args()
    print(json.dumps(measure(options.small, options.large)))


if __name__ == "__main__":
    main()
