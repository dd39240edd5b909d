"""Fetching against the bare client: the same objects, requests in flight and server, with latency and errors put in.

The server is tests/fake_store.py in a process of its own: 20 ms of latency, and 1% of requests answered with 503.
The bare client is aiohttp that does nothing but ask again at once and drop what it gets; ours checks, unpacks, decodes and
journals. Neither runs under Spark: one task's fetches are measured. The kill and the memory are of a child process.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from recast.udfs.contents.fetching import Spec, fetch_all
from recast.udfs.contents.stores import base_url, store_at
from tests import fake_store

ROOT = Path(__file__).parents[1]
LATENCY_S, ERRORS, TEXT_BYTES = 0.02, 0.01, 4_000
ROUNDS = 5
AT_ONCE = 16  # a task's share of fetch_at_once where eight run at once
LARGE = 200  # objects of the largest size, for the peak of memory
GIVEN = pa.schema([("doc_id", pa.string()), ("input_hash", pa.string()), ("encodings", pa.list_(pa.string()))])
GOTTEN = pa.schema([*GIVEN, ("text", pa.string()), ("fetch_status", pa.string())])


def figures(files: int) -> dict[str, Any]:
    """Return what fetching reaches."""
    names = [name for name, _ in fake_store.made(files, TEXT_BYTES)]
    bare, ours, used, in_flight = [], [], [], 0
    for _ in range(ROUNDS):
        with serving(files) as endpoint:
            bare.append(files / asyncio.run(bare_client_s(endpoint, names)))
        with serving(files) as endpoint, tempfile.TemporaryDirectory() as folder:
            before = time.process_time()
            ours.append(files / fetch_s(endpoint, names, folder))
            used.append((time.process_time() - before) / files)
            in_flight = max(in_flight, facts(endpoint)["most_in_flight"])
    ratios = [each / beside for each, beside in zip(ours, bare, strict=True)]
    return {
        "at_once": AT_ONCE,
        "fetch_files_per_s": round(statistics.median(ours)),
        "bare_client_files_per_s": round(statistics.median(bare)),
        "ratio_to_bare_client": round(statistics.median(ratios), 3),
        "fetch_processor_us_per_file": round(statistics.median(used) * 1e6),
        "in_flight_most": in_flight,
        "refetched_after_kill": refetched_after_kill(files),
        "peak_memory_mb": peak_memory_mb(),
    }


@contextmanager
def serving(objects: int, size: int = TEXT_BYTES, errors: float = ERRORS) -> Iterator[str]:
    """Give the endpoint of a server with so many objects until the block ends."""
    command = [sys.executable, "tests/fake_store.py", "--objects", str(objects), "--size", str(size)]
    command += ["--latency", str(LATENCY_S), "--errors", str(errors)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def facts(endpoint: str) -> dict[str, Any]:
    """Return what a server was asked."""
    with urllib.request.urlopen(f"{endpoint}/facts") as response:
        found: dict[str, Any] = json.load(response)
        return found


async def bare_client_s(endpoint: str, names: Sequence[str]) -> float:
    """Return in how many seconds the client alone gets the objects."""
    import aiohttp

    left, base = iter(names), base_url(store_at("s3://store/content", endpoint))

    async def work(session: aiohttp.ClientSession) -> None:
        for name in left:
            while True:
                async with session.get(base + name) as response:
                    await response.read()
                    if response.status == 200:
                        break

    start = time.monotonic()
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))
    return time.monotonic() - start


def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield rows as Spark gives them to a task."""
    for start in range(0, len(names), 64):
        some = list(names[start : start + 64])
        yield pa.record_batch([some, some, pa.array([["utf-8"]] * len(some), GIVEN.field(2).type)], schema=GIVEN)


def fetch_s(endpoint: str, names: Sequence[str], folder: str) -> float:
    """Return in how many seconds a task fetches the objects; what it yields is written as to Spark, and dropped."""
    spec = Spec(store_at("s3://store/content", endpoint, "", True), AT_ONCE, journal=f"{folder}/journal/run-0")
    start, fetched = time.monotonic(), 0
    with open(os.devnull, "wb") as sink, pa.ipc.new_stream(sink, GOTTEN) as stream:
        for batch in fetch_all(batches(names), spec, GOTTEN):
            stream.write_batch(batch)
            fetched += batch["fetch_status"].to_pylist().count("fetched")
    assert fetched == len(names)
    return time.monotonic() - start


def child(*arguments: str) -> subprocess.Popen[str]:
    """Start this module as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ingest_fetching", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def refetched_after_kill(files: int) -> int:
    """Return how many objects came twice, since the task that fetched them was killed half way and run again."""
    with serving(files) as endpoint, tempfile.TemporaryDirectory() as folder:
        arguments = ("--endpoint", endpoint, "--folder", folder)
        with child(*arguments) as task:
            while sum(facts(endpoint)["served"].values()) < files // 2:
                assert task.poll() is None, "the task ended before it was killed"
                time.sleep(0.05)
            task.send_signal(signal.SIGKILL)
        with child(*arguments) as again:
            assert again.wait() == 0
        served = facts(endpoint)["served"]
        assert len(served) == files
        return sum(map(int, served.values())) - files


def peak_memory_mb() -> int:
    """Return the most memory of a task all of whose texts are as large as can be."""
    with (
        serving(LARGE, MAX_TEXT_BYTES) as endpoint,
        tempfile.TemporaryDirectory() as folder,
        child("--endpoint", endpoint, "--folder", folder) as task,
    ):
        told: str = task.communicate()[0]
        return int(told)


def main() -> None:
    """Fetch objects of a server that is under way, and print the peak of memory in MB."""
    parser = argparse.ArgumentParser()
    for name in ("--endpoint", "--folder"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    fetch_s(options.endpoint, facts(options.endpoint)["names"], options.folder)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
