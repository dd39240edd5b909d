"""Reading a generated listing of millions of files, and one that did not change: `python -m benchmarks.listing [--files N]`.

The listing is one of The Stack v2, a row per repository: ten files each, and one repository with 300,000 of them (in a
smaller listing a tenth of all); a third of the files is in other languages, a tenth is listed twice. It is read as
raw_code reads it: exploded, filtered, grouped by blob. Then raw_code is built of it under settings that refuse every
file by its length, so that nothing is fetched, and refreshed again: after the folder got another name, and after its
files were written again, with other times. The store of contents is an empty folder. Prints one JSON line:

    files                            file rows of the listing
    documents                        blobs of our language, as found
    right                            whether these are as many as were generated
    exploded_rows_per_s_per_core     file rows exploded, filtered and grouped a second, for each core
    exploded_rows_per_cpu_s          the same for a second of the JVM's processor time, whatever else the machine does
    explode_peak_mb                  peak resident memory of the JVM after that
    explode_peak_mb_of_a_tenth       the same for a listing of a tenth, read before it in the same JVM
    unchanged_snapshot_seconds       a refresh of the whole command after the folder got another name
    touched_snapshot_seconds         the same after its files were written again: the listing is read, keys are compared
    unchanged_rows_written           rows that these two wrote or removed
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from binascii import hexlify
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plan import peak_mb
from recast.jobs import ingest_code
from recast.jobs.settings import Settings
from recast.lakehouse import query, session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LARGEST = 300_000
OTHERS_HAVE = 10
FILES_PER_SHARD = 250_000
OURS, TWICE = 2 / 3, 0.1


def generate(folder: Path, files: int, seed: int = 0) -> int:
    """Write a listing of so many file rows into `folder`; return how many blobs of our language it holds."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    largest = min(LARGEST, files // 10)
    repositories = [largest, *[OTHERS_HAVE] * ((files - largest) // OTHERS_HAVE)]
    files = sum(repositories)
    distinct = round(files * (1 - TWICE))
    ids = random.bytes(20 * distinct)
    ours = random.random(distinct) < OURS
    # Each blob once, and a tenth of the rows are one that is listed already.
    places = np.concatenate([np.arange(distinct), random.integers(0, distinct, files - distinct)])
    random.shuffle(places)
    start, shard = 0, 0
    for begin in range(0, len(repositories), FILES_PER_SHARD // OTHERS_HAVE):
        taken = repositories[begin : begin + FILES_PER_SHARD // OTHERS_HAVE]
        number = sum(taken)
        table = shard_of(taken, places[start : start + number], ids, ours, start)
        pq.write_table(table, folder / f"train-{shard:05d}.parquet", compression="zstd", row_group_size=5_000)
        start, shard = start + number, shard + 1
    return int(ours.sum())


def shard_of(sizes: list[int], places: Any, ids: bytes, ours: Any, first: int) -> pa.Table:
    """Return a table of repositories with so many files each, the blobs at `places`."""
    number = len(places)
    raw = np.frombuffer(ids, np.uint8).reshape(-1, 20)[places].tobytes()
    blob_ids = pa.StringArray.from_buffers(
        number, pa.py_buffer(np.arange(0, 40 * number + 1, 40, np.int32)), pa.py_buffer(hexlify(raw))
    )
    same = {"src_encoding": "UTF-8", "license_type": "permissive"}
    columns = {
        "blob_id": blob_ids,
        "path": pa.array([f"/src/package_{each % 997}/module_{each}.py" for each in range(first, first + number)]),
        "language": pa.array(np.where(ours[places], "Python", "JavaScript")),
        **{name: pa.array([value]).take(pa.array(np.zeros(number, np.int8))) for name, value in same.items()},
        "length_bytes": pa.array(places % 9_973 + 100, pa.int64()),
        "detected_licenses": pa.array([["MIT"]]).take(pa.array(np.zeros(number, np.int8))),
        "is_vendor": pa.array(np.zeros(number, bool)),
        "is_generated": pa.array(np.zeros(number, bool)),
    }
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    files = pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(list(columns.values()), list(columns))
    )
    names = [f"owner_{(first + offset) % 10_007}/repository_{first + offset}" for offset in offsets[:-1].tolist()]
    return pa.table({"repo_name": names, "revision_id": names, "snapshot_id": names, "files": files})


def explode(settings: Settings, smaller: Settings, files: int) -> dict[str, Any]:
    """Read both listings as raw_code does; return how fast, how many blobs, and the memory that it took."""
    with session.application("listing benchmark", Path(settings.lake, "spark.log"), rows=files) as spark:
        from pyspark.sql import Observation
        from pyspark.sql import functions as F

        from recast.lakehouse import sizes

        cores = int(spark.sparkContext.defaultParallelism)
        peaks: list[int] = []
        for each, rows in ((smaller, files // 10), (settings, files)):
            sizes.fit(spark, rows, cores)
            started = time.monotonic()
            cpu_s, counted = cpu_seconds(spark), Observation("counted")
            found = ingest_code.blobs(spark, each, "v", None).observe(counted, F.count("*").alias("documents"))
            found.write.format("noop").mode("overwrite").save()
            took, cpu_s = time.monotonic() - started, cpu_seconds(spark) - cpu_s
            peaks.append(round(peak_mb(spark)))
    return {
        "documents": counted.get["documents"],
        "exploded_rows_per_s_per_core": round(files / took / cores),
        "exploded_rows_per_cpu_s": round(files / cpu_s),
        "explode_peak_mb": peaks[1],
        "explode_peak_mb_of_a_tenth": peaks[0],
    }


def cpu_seconds(spark: "SparkSession") -> float:
    """Return the processor time of the JVM so far (Linux: utime and stime of proc(5))."""
    jvm: Any = spark._jvm
    said = Path(f"/proc/{jvm.java.lang.ProcessHandle.current().pid()}/stat").read_text()
    user, system = said.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def refresh(settings: Settings) -> float:
    """Run `recast refresh raw_code` as a user does; return the seconds of the whole command.

    Raises:
        RuntimeError: it failed.
    """
    given = {
        "lake": settings.lake,
        "code-source": settings.code_source,
        "code-contents": settings.code_contents,
        "code-max-bytes": "1",
        "chunk-rows": "1000000",
    }
    options = [word for name, value in given.items() for word in (f"--{name}", value)]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "recast", "refresh", "raw_code", *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.monotonic() - started


def snapshots(settings: Settings, folder: Path) -> dict[str, Any]:
    """Build raw_code, then refresh it from the same listing under another name, and with other times."""
    built = refresh(settings)
    listing = Path(settings.code_source)
    moved = replace(settings, code_source=str(listing.rename(folder / "2026-11")))
    unchanged = refresh(moved)
    copied = shutil.copytree(moved.code_source, folder / "copied", copy_function=shutil.copyfile)
    for each in Path(copied).iterdir():
        os.utime(each, (1, 1))
    touched = refresh(replace(settings, code_source=str(copied)))
    runs = query.rows(settings, "SELECT rows_in, rows_removed FROM runs ORDER BY number")
    return {
        "built_seconds": round(built, 1),
        "unchanged_snapshot_seconds": round(unchanged, 1),
        "touched_snapshot_seconds": round(touched, 1),
        "unchanged_rows_written": sum(run["rows_in"] + run["rows_removed"] for run in runs[1:]),
    }


def measure(files: int) -> dict[str, Any]:
    """Return what the benchmark prints, for a listing of so many file rows."""
    with tempfile.TemporaryDirectory(prefix="listing-") as name:
        folder = Path(name)
        documents = generate(folder / "listing", files)
        generate(folder / "smaller", files // 10)
        (folder / "content").mkdir()
        settings = Settings(lake=f"{folder}/lake", code_source=f"{folder}/listing", code_contents=f"{folder}/content")
        smaller = replace(settings, code_source=f"{folder}/smaller")
        exploded = explode(settings, smaller, files)
        result = {"files": files, **exploded, "right": exploded["documents"] == documents}
        return result | snapshots(settings, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5_000_000)
    print(json.dumps(measure(parser.parse_args().files)))


if __name__ == "__main__":
    main()
