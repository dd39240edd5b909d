"""Runs `recast refresh` over the cases of benchmarks/hostile_lane.py and checks the tables afterwards."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import hostile_lane
from benchmarks.hostile_lane import KEY, Blob, Lane, Page, lane, page, program
from benchmarks.processes import below
from recast.jobs.catalogue import lane as stages_of
from recast.jobs.names import LANES
from recast.jobs.settings import Settings
from recast.lakehouse import query
from recast.schemas import TABLES
from tests.fake_endpoint import Reply
from tests.jobs.lanes import MODELS, PAGES, Model, serve
from tests.sources import REPOSITORIES

NEIGHBOURS = 100
KEY_VARIABLE = "RECAST_HOSTILE_API_KEY"
SAMPLE_S = 0.5
TIMEOUT_S = 3600.0
TEARS = ("cut", "empty", "gone", "garbage")
"""What happens to a file of the lake."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CASE = re.compile(r"\bcase (\d+)\b")


class Stranger(Model):
    """A model that replies to some cases as they say, and to all others well."""

    def __init__(self, replies: dict[str, Reply]) -> None:
        """Answer by `replies`."""
        super().__init__()
        self.replies = replies

    async def chat(self, body: dict[str, Any]) -> Reply:
        """Answer a request."""
        numbers = _CASE.findall(body["messages"][-1]["content"])
        reply = next((self.replies[number] for number in numbers if number in self.replies), None)
        return reply or await super().chat(body)


def strings(values: list[bytes | None]) -> pa.Array:
    """Return a string array of bytes that need not be UTF-8, as writers of Parquet make them that do not look."""
    return pa.array(values, pa.binary()).view(pa.string())


def write_sources(made: Lane, folder: Path) -> dict[str, str]:
    """Write the cases as a source of each lane; return the settings that name them."""
    for name in ("data", "content", "pages"):
        (folder / name).mkdir()
    for blob in made.blobs:
        if re.fullmatch(b"[0-9a-f]{40}", blob.blob_id):
            (folder / "content" / blob.blob_id.decode()).write_bytes(blob.object)
    pq.write_table(repositories(made.blobs), folder / "data" / "repositories.parquet")
    pq.write_table(pages(made.pages), folder / "pages" / "pages.parquet", row_group_size=1000)
    return {
        "RECAST_CODE_SOURCE": str(folder / "data"),
        "RECAST_CODE_CONTENTS": str(folder / "content"),
        "RECAST_MATH_SOURCE": str(folder / "pages"),
        "RECAST_CODE_LICENSE_TYPES": "any",
        "RECAST_CODE_MAX_BYTES": "0",
    }


def repositories(blobs: list[Blob]) -> pa.Table:
    """Return a repository of one file for each blob."""
    count = len(blobs)
    offsets = pa.array(range(count + 1), pa.int32())
    licenses = pa.ListArray.from_arrays(
        pa.array(accumulate((len(blob.licenses) for blob in blobs), initial=0), pa.int32()),
        strings([each for blob in blobs for each in blob.licenses]),
    )
    columns = {
        "blob_id": strings([blob.blob_id for blob in blobs]),
        "path": strings([blob.path for blob in blobs]),
        "content_id": strings([blob.blob_id for blob in blobs]),
        "language": strings([b"Python"] * count),
        "length_bytes": pa.array([len(blob.content) for blob in blobs], pa.int64()),
        "detected_licenses": licenses,
        "license_type": strings([blob.license_type for blob in blobs]),
        "src_encoding": strings([blob.encoding for blob in blobs]),
        "is_vendor": pa.array([False] * count),
        "is_generated": pa.array([False] * count),
    }
    files = pa.StructArray.from_arrays([*columns.values()], names=[*columns])
    revision = strings([b"r" * 40] * count)
    arrays = [strings([blob.repo for blob in blobs]), revision, revision, pa.ListArray.from_arrays(offsets, files)]
    return pa.Table.from_arrays(arrays, schema=REPOSITORIES)


def pages(cases: list[Page]) -> pa.Table:
    """Return the pages as a source lists them."""
    count = len(cases)
    arrays = [
        strings([each.address for each in cases]),
        strings([each.text for each in cases]),
        strings([each.warc for each in cases]),
        pa.array([each.offset for each in cases], pa.int32()),
        strings([each.crawl for each in cases]),
        strings([each.language for each in cases]),
        *(pa.array([value] * count) for value in (0.9, 4.5)),
        *(pa.array([number] * count, type_) for number, type_ in ((4, pa.int64()), (100, pa.int32()), (0, pa.int64()))),
    ]
    return pa.Table.from_arrays(arrays, schema=PAGES)


def with_neighbours(made: Lane) -> Lane:
    """Return the cases with good files and pages spread among them."""
    count = neighbours_of(made)
    blobs = [Blob(f"good {n}", program(100_000 + n).encode(), repo=b"good/neighbour") for n in range(count)]
    good = [Page(f"good {n}", page(200_000 + n).encode()) for n in range(count)]
    return Lane(spread(made.blobs, blobs), spread(made.pages, good), made.replies)


def neighbours_of(made: Lane) -> int:
    """Return how many good neighbours each lane gets: one for every few cases, at most NEIGHBOURS."""
    return min(NEIGHBOURS, max(len(made.blobs), len(made.pages)) // 4)


def spread(cases: list[Any], good: list[Any]) -> list[Any]:
    """Return both, the good ones at equal distances."""
    every = -(-len(cases) // len(good))
    return [each for n, one in enumerate(good) for each in (*cases[n * every : (n + 1) * every], one)]


class Memory(threading.Thread):
    """Samples the resident memory of a process and all below it; `peak_mb` is the most."""

    def __init__(self, pid: int) -> None:
        """Sample until `ended` is set."""
        super().__init__(daemon=True)
        self.pid, self.peak_mb, self.ended = pid, 0, threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self.ended.wait(SAMPLE_S):
            family = [self.pid, *(process.pid for process in below(self.pid))]
            self.peak_mb = max(self.peak_mb, sum(map(resident_kb, family)) // 1024)


def resident_kb(pid: int) -> int:
    """Return a process's resident memory, its share of what several have; 0 where it has ended."""
    try:
        found = re.search(rb"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_bytes(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def recast(environment: dict[str, str], *arguments: str) -> tuple[int, str, int]:
    """Run the command line; return its status, all that it printed, and the most memory in MB."""
    command = [sys.executable, "-m", "recast", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
        memory = Memory(process.pid)
        memory.start()
        output, _ = process.communicate(timeout=TIMEOUT_S)
        memory.ended.set()
    return process.returncode, output.decode("utf-8", "surrogateescape"), memory.peak_mb


def run(folder: Path, most: int | None = None) -> dict[str, Any]:
    """Build both lanes from all cases, or from about `most` of them, in `folder` and count what went wrong."""
    cases = lane()
    if most:
        every = max((len(cases.blobs) + len(cases.pages)) // most, 1)
        cases = Lane(cases.blobs[::every], cases.pages[::every], cases.replies)
    made = with_neighbours(cases)
    url, end = serve(Stranger(made.replies))
    settings = Settings(lake=str(folder / "lake"))
    environment = {
        **os.environ,
        **write_sources(made, folder),
        "RECAST_LAKE": settings.lake,
        "RECAST_ENDPOINT": url,
        "RECAST_MODEL": MODELS[0],
        "RECAST_API_KEY_VARIABLE": KEY_VARIABLE,
        KEY_VARIABLE: KEY,
        "RECAST_ERROR_BUDGET": "1.0",
        "COLUMNS": "200",
    }
    try:
        started = time.monotonic()
        _, output, peak_mb = recast(environment, "refresh")
        print(f"refresh: {time.monotonic() - started:.0f} s\n{CONTROLS.sub('?', output[-6000:])}", file=sys.stderr)
        outputs = [output, *looked_at(environment)]
    finally:
        end()
    unclear = list(unclear_damage(folder, environment, TEARS[:1] if most else TEARS))
    rows = {
        name: query.rows(settings, f"SELECT * FROM {name}")
        for each in LANES
        for name in (stage.name for stage in stages_of(each))
        if query.version(settings, name) is not None
    }
    lost, secrets, planted = list(without_reason(rows, made)), list(secrets_seen(settings, outputs)), list(unfit(rows))
    told = {
        "cases": len(cases.blobs) + len(cases.pages),
        "stopped_lanes": sum(stopped(settings, [stage.name for stage in stages_of(each)]) for each in LANES),
        "crashed_workers": sum(text.count("Python worker exited unexpectedly") for text in [output, *logs(settings)]),
        "wrong_neighbours": sum(
            neighbours_of(cases) - published(rows, name) for name in ("published_code", "published_math")
        ),
        "without_reason": len(lost),
        "secrets_seen": len(secrets),
        "escapes_seen": sum(len(CONTROLS.findall(text)) for text in outputs),
        "published_control_characters": len(planted),
        "unclear_damage": len(unclear),
        "peak_memory_mb": peak_mb,
        "reasons": {name: dict(Counter(str(row["reason"]) for row in found)) for name, found in rows.items()},
    }
    for what in (*lost, *secrets, *planted, *unclear):
        print(CONTROLS.sub("?", what)[:500], file=sys.stderr)
    return told


def looked_at(environment: dict[str, str]) -> Iterator[str]:
    """Yield what the commands print that show rows."""
    for form in ("table", "json"):
        for name in ("raw_code", "raw_math", "styled_code", "rewritten_math", "published_math", "runs"):
            yield recast(environment, "sql", f"SELECT * FROM {name}", "--format", form)[1]
    yield recast(environment, "status")[1]
    for name in ("styled_code", "rewritten_math"):
        yield recast(environment, "compare", name)[1]


def stopped(settings: Settings, tables: list[str]) -> bool:
    """Say whether the last run of one of these tables did not succeed."""
    runs = [query.last_run(settings, name) for name in tables]
    return any(last is None or last["status"] != "succeeded" for last in runs)


def logs(settings: Settings) -> Iterator[str]:
    """Yield what the lake's logs say."""
    for path in Path(settings.lake).rglob("*.log"):
        yield path.read_text("utf-8", "replace")


def published(rows: dict[str, list[dict[str, Any]]], name: str) -> int:
    """Return how many of the good neighbours a table publishes."""
    least = 100_000 if name == "published_code" else 200_000
    numbers = {int(number) for row in rows.get(name, ()) if row["kept"] for number in _CASE.findall(row["text"])[:1]}
    return len({number for number in numbers if least <= number < least + NEIGHBOURS})


def without_reason(rows: dict[str, list[dict[str, Any]]], made: Lane) -> Iterator[str]:
    """Yield rows without a verdict of their table's closed list, and what was lost between two tables."""
    for name, found in rows.items():
        for row in found:
            if row["kept"] == (row["reason"] is not None) or (
                row["reason"] and row["reason"] not in TABLES[name].reasons
            ):
                yield f"{name} {row['doc_id']}: kept {row['kept']}, reason {row['reason']}"
    for each in LANES:
        for above, below_ in pairwise(stage.name for stage in stages_of(each)):
            kept = {row["doc_id"] for row in rows.get(above, ()) if row["kept"]}
            for lost in kept - {row["doc_id"] for row in rows.get(below_, ())}:
                yield f"{lost} is kept in {above} and not in {below_}"
    there = {row["doc_id"] for row in rows.get("raw_code", ())}
    for blob in made.blobs:
        if re.fullmatch(b"[0-9a-f]{40}", blob.blob_id) and blob.blob_id.decode() not in there:
            yield f"no row of raw_code for {blob.name}"
    addresses = {(each.address, each.warc, each.offset) for each in made.pages}
    if len(rows.get("raw_math", ())) != len(addresses):
        yield f"raw_math has {len(rows.get('raw_math', ()))} rows of {len(addresses)} pages"


def secrets_seen(settings: Settings, outputs: list[str]) -> Iterator[str]:
    """Yield the places where the key stands, as it is or in base64."""
    spellings = [KEY.encode(), base64.b64encode(KEY.encode()), base64.b64encode(f"user:{KEY}".encode())]
    spellings += [
        KEY.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D").encode(),
        KEY.replace("/", "\\/").encode(),
    ]
    for number, output in enumerate(outputs):
        if any(each in output.encode("utf-8", "surrogateescape") for each in spellings):
            yield f"the key is in output {number}"
    for path in Path(settings.lake).rglob("*"):
        if path.is_file() and any(each in decoded(path) for each in spellings):
            yield f"the key is in {path.relative_to(settings.lake)}"


def decoded(path: Path) -> bytes:
    """Return a file's bytes; of a Parquet file those of all its values."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    try:
        return str(pq.read_table(path).to_pylist()).encode("utf-8", "replace")
    except (OSError, pa.ArrowException):
        return path.read_bytes()


def unfit(rows: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield published rows that hold what the cases plant: control characters and tokens and, among pages, HTML that acts.

    Looked for as planted: what finds them in the lanes may be what is wrong.
    """
    planted = (*hostile_lane.CONTROLS, *hostile_lane.SPECIAL_TOKENS)
    for name, strings_ in {"published_code": planted, "published_math": (*planted, *hostile_lane.ACTIVE)}.items():
        for row in rows.get(name, ()):
            found = [each for each in strings_ if each in (row["text"] or "")]
            if row["kept"] and found:
                yield f"{name} {row['doc_id']} holds {found!r}"


def unclear_damage(folder: Path, environment: dict[str, str], tears: tuple[str, ...]) -> Iterator[str]:
    """Yield commands that do not name a torn file of the lake in a line, or say that all is well."""
    lake = folder / "lake"
    for table in ("runs", "raw_math", "published_math"):
        for how in tears:
            copy = folder / "torn"
            shutil.copytree(lake, copy)
            victim = max((copy / table).glob("*.parquet"), key=lambda path: path.stat().st_size)
            content = victim.read_bytes()
            victim.write_bytes(
                {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"x" * len(content)}.get(how, b"")
            )
            if how == "gone":
                victim.unlink()
            torn = {**environment, "RECAST_LAKE": str(copy)}
            for command in (
                ["status"],
                ["sql", f"SELECT * FROM {table}"],
                ["refresh", table if TABLES[table].reasons else "raw_math"],
            ):
                status, output, _ = recast(torn, *command)
                told = victim.name in output and "Traceback" not in output
                if not told or (not status and (command[0] == "sql" or TABLES[table].reasons)):
                    yield f"{table} {how}: {' '.join(command)} exits with {status}: {output[-300:]}"
            shutil.rmtree(copy)
