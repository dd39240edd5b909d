"""Lint engine against the reference: `python -m benchmarks.lint [--files FILES.jsonl.gz] [--limit N] [--no-spark] [--orders]`.

The reference is one pylint process per file with the recipe's flags, as a user starts it (benchmarks/reference.py). Files
of libraries (benchmarks/corpus.py) and scripts of strangers (benchmarks/scripts.py) come mixed.
Both sides are pinned to one core and take turns of 25 files, so that what else the machine does hits both. What counts is
processor time, children included; the engine's start and the standard library modules it has to parse are included too.
Prints one JSON line:

    files              files linted both ways
    scripts            those of them that are scripts
    same_score         files with the reference's score
    same_messages      files with the reference's messages: symbol, number, line and column
    seconds_reference  processor seconds of the reference
    seconds_ours       processor seconds of our engine, comment counts included
    speedup            the first over the second
    warm_speedup       the same once the linter has met the library modules of these files, as a worker has after its first
                       few hundred of thousands: `seconds_reference` over what a second look at the files takes. No result
                       is kept from the first
    short_files        files under 200 lines
    short_speedup      the speed-up over these, without the engine's start
    syntax_comments_files_per_s  files per processor second through syntax, comments and a content hash
    scaling            what two processes on two cores get done, over what one process on one core gets done; wall clock
    spark_overhead     processor time that the first 120 files cost more as a Spark column, as a share of a bare loop's: that
                       of JVM and Python worker, both warm, five passes each in turns. The linter's own is the same both
                       ways and left out of the difference, since this machine's speed changes by more than is looked for
    changed_by_order   with --orders: results that change when the files come shuffled and in small chunks
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import corpus, reference, scripts
from benchmarks.processes import cpu_seconds
from benchmarks.reference import Reference
from recast.columns import add_columns
from recast.schemas.linted_code import Lint
from recast.udfs.python import comments, syntax
from recast.udfs.python.linter import lint

SHORT_LINES = 200
TURN_FILES = 25
SPARK_FILES, SPARK_PASSES = 120, 5
"""A pass must take less than a minute: Spark ends a worker, and with it its helper, that idles for longer."""


def default_files() -> list[corpus.SourceFile]:
    """Return files of libraries and scripts, in a fixed order that mixes them."""
    return sorted([*corpus.files(), *scripts.files()], key=lambda file: corpus.in_fixed_order(file.path))


def messages(result: Lint) -> tuple[tuple[str, str, int, int], ...]:
    """The messages of `result` in the form of Reference.messages."""
    return tuple(sorted((m.symbol, m.msg_id, m.line, m.column) for m in result.messages))


def compare(files: list[corpus.SourceFile], environment: Path) -> dict[str, Any]:
    """Lint every file both ways, in turns. Returns the numbers; says on standard error what differs, as it comes."""
    same_score = same_messages = 0
    seconds = {"reference": 0.0, "own": 0.0, "short_reference": 0.0, "short_own": 0.0}
    short = 0
    children_before = _cpu_s(resource.RUSAGE_CHILDREN)
    told = (
        pair
        for at in range(0, len(files), TURN_FILES)
        for pair in _references(files[at : at + TURN_FILES], environment)
    )
    for file, theirs in told:
        before = _cpu_s(resource.RUSAGE_SELF)
        ours = next(lint.lint([file.text]))
        own = _cpu_s(resource.RUSAGE_SELF) - before
        seconds["reference"] += theirs.cpu_s
        seconds["own"] += own
        if file.text.count("\n") < SHORT_LINES:
            short += 1
            seconds["short_reference"] += theirs.cpu_s
            seconds["short_own"] += own + ours.lint_seconds
        same_score += ours.lint_score == theirs.score
        same_messages += messages(ours) == theirs.messages
        if ours.lint_score != theirs.score or messages(ours) != theirs.messages:
            print(_difference(file.path, ours, theirs), file=sys.stderr, flush=True)
    lint.close()
    children = _cpu_s(resource.RUSAGE_CHILDREN) - children_before - seconds["reference"]
    ours_s = seconds["own"] + children
    return {
        "files": len(files),
        "scripts": sum(isinstance(file, scripts.Script) for file in files),
        "same_score": same_score,
        "same_messages": same_messages,
        "seconds_reference": round(seconds["reference"], 2),
        "seconds_ours": round(ours_s, 2),
        "speedup": round(seconds["reference"] / ours_s, 2),
        "short_files": short,
        "short_speedup": round(seconds["short_reference"] / max(seconds["short_own"], 1e-9), 2),
    }


def _references(files: list[corpus.SourceFile], environment: Path) -> list[tuple[corpus.SourceFile, Reference]]:
    return [(file, reference.judge(file.text, environment)) for file in files]


def warm_seconds(files: list[corpus.SourceFile]) -> float:
    """Return the processor seconds of linting the files with a linter that has linted them before."""
    for _ in lint.lint(file.text for file in files):
        pass
    next(lint.lint(["x = 1"]))  # if a fresh child is due: before it the library is parsed once more, for all after it
    before = cpu_seconds()
    for _ in lint.lint(file.text for file in files):
        pass
    seconds = cpu_seconds() - before
    lint.close()
    return seconds


def orders(files: list[corpus.SourceFile]) -> int:
    """Lint the files shuffled, in small chunks with a fresh engine each, and return how many results change."""
    first = {f.path: r for f, r in zip(files, lint.lint(f.text for f in files), strict=True)}
    shuffled = random.Random(1).sample(files, len(files))
    changed = 0
    for at in range(0, len(shuffled), 97):
        lint.close()
        chunk = shuffled[at : at + 97]
        for file, result in zip(chunk, lint.lint(f.text for f in chunk), strict=True):
            known = first[file.path]
            changed += (known.lint_score, messages(known)) != (result.lint_score, messages(result))
    lint.close()
    return changed


def syntax_and_comments(files: list[corpus.SourceFile]) -> float:
    """Files per second of processor time, child processes included, through syntax, comments and a content hash."""
    import hashlib

    before = cpu_seconds()
    for file in files:
        syntax.check(file.text)
        comments.ratio(file.text)
        hashlib.sha256(file.text.encode()).hexdigest()
    return len(files) / max(cpu_seconds() - before, 0.01)  # a tick of the clock


def scaling(files: list[corpus.SourceFile]) -> float:
    """Return the work that two cores do in the time in which one core does a work of 1, each with a process of its own."""
    cores = sorted(os.sched_getaffinity(0))[:2]

    def loop(core: int, start: Any, times: Any) -> None:
        os.sched_setaffinity(0, {core})
        next(lint.lint(["x = 1"]))
        start.wait()
        started = time.monotonic()
        for _ in lint.lint(f.text for f in files):
            pass
        times.put(time.monotonic() - started)
        lint.close()

    def longest_s(together: list[int]) -> float:
        context = multiprocessing.get_context("fork")
        start, times = context.Barrier(len(together)), context.Queue()
        processes = [context.Process(target=loop, args=(core, start, times)) for core in together]
        for process in processes:
            process.start()
        longest: float = max(times.get() for _ in processes)
        for process in processes:
            process.join()
        return longest

    return len(cores) * longest_s(cores[:1]) / longest_s(cores)


def spark_overhead(files: list[corpus.SourceFile]) -> float:
    """Return what the lint column costs beside the linter, less what a bare loop costs, over all that the loop costs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recast.lakehouse import session

    texts = [f.text for f in files[:SPARK_FILES]]
    with tempfile.TemporaryDirectory(prefix="lint-spark-") as folder:
        pq.write_table(pa.table({"text": texts}), f"{folder}/files.parquet")
        spark = session.start("recast-benchmark", Path(folder, "spark.log"))
        rows = add_columns(spark.read.parquet(f"{folder}/files.parquet").coalesce(1), lint.lint, Lint, "text")

        def as_column() -> None:
            rows.write.format("noop").mode("overwrite").save()

        def bare() -> None:
            for _ in lint.lint(texts):
                pass

        beside = {as_column: 0.0, bare: 0.0}
        whole = 0.0
        for turn in range(SPARK_PASSES + 1):
            for run in beside:
                before, whole_before = cpu_seconds(without="/program/worker.py"), cpu_seconds()
                run()
                if turn:  # the first warms up
                    beside[run] += cpu_seconds(without="/program/worker.py") - before
                    whole += (cpu_seconds() - whole_before) if run is bare else 0.0
        spark.stop()
    lint.close()
    return (beside[as_column] - beside[bare]) / whole


def _difference(path: str, ours: Lint, theirs: Reference) -> str:
    own, other = set(messages(ours)), set(theirs.messages)
    return f"{path}: {ours.lint_status} {ours.lint_score} {sorted(own - other)}, reference {theirs.score} {sorted(other - own)}"


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="gzip file of JSON lines with path and text")
    parser.add_argument("--limit", type=int, help="only the first N files")
    parser.add_argument("--no-spark", action="store_true", help="leave out spark_overhead, which needs a JVM")
    parser.add_argument("--orders", action="store_true", help="also lint in another order and other chunks")
    options = parser.parse_args()
    files = corpus.read(options.files) if options.files else default_files()
    files = files[: options.limit]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    line = compare(files, reference.environment())
    line["warm_speedup"] = round(line["seconds_reference"] / warm_seconds(files), 2)
    line["syntax_comments_files_per_s"] = round(syntax_and_comments(files))
    if options.orders:
        line["changed_by_order"] = orders(files)
    os.sched_setaffinity(0, cores)
    line["scaling"] = round(scaling(files), 3)
    if not options.no_spark:
        line["spark_overhead"] = round(spark_overhead(files), 4)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
