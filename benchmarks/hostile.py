"""Hostile input through the whole of both lanes: `python -m benchmarks.hostile [--cases N] [--soft-seconds S] [--only PART]`.

Two parts. *Files*: every file of benchmarks/hostile_files.py goes through syntax, comments and lint in a worker process, as it
would in Spark, and after every one a good file, whose right result one pylint process per file has told. *Lanes*:
`recast refresh` over the blobs, pages, answers and responses of benchmarks/hostile_lane.py, good ones between them, with a
real Spark and an endpoint on this machine; then files of the lake are torn. Prints one JSON line:

    cases                          hostile inputs judged
    stopped_lanes                  lanes of which a stage did not succeed
    crashed_workers                worker processes that died, or hung for five minutes
    wrong_neighbours               good inputs that got another verdict, count or message than alone, or were not published
    without_reason                 inputs without a verdict of the closed lists, exceptions included; rows lost on the way
    secrets_seen                   places where the API key stands: output, logs, every file of the lake, Parquet decoded
    escapes_seen                   control characters in what commands print
    published_control_characters   published rows with control characters, control tokens or HTML that acts
    unclear_damage                 torn files about which a command said nothing, or a trace
    longest_seconds                the slowest file: syntax, comments and lint together, wall clock
    past_limit_seconds             by how much the linter was over its limit in the worst case; negative if it never was
    peak_memory_mb                 most resident memory of `recast refresh` and all below it
    markers                        traces that a case left by being executed
    soft_limit_seconds             processor time after which a file's linter stops; a run in production allows 20
    lint, syntax                   files by status and by reason
    reasons                        rows of the lanes by table and reason

All cases are made by rule, without chance or with a fixed seed, so every run judges the same ones.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from benchmarks import hostile_run, reference
from benchmarks.hostile_files import NEIGHBOURS, Case, cases
from benchmarks.lint import messages
from recast.udfs.python import comments, limits, scoring, syntax
from recast.udfs.python.linter import lint

SOFT_S = 2.0
"""Processor time a file's linter may take here. A tenth of production's limit keeps the run short."""
HANG_S = 300
"""Time after which a case counts as one that its worker died of."""

Judged = tuple[str | None, float, str, float | None, tuple[tuple[str, str, int, int], ...]]


def judge(text: str, soft_s: float) -> tuple[Judged, float, float]:
    """Put one text through syntax, comments and lint. Returns what they say, their seconds, and the linter's own."""
    signal.alarm(HANG_S)  # ends the process
    started = time.monotonic()
    verdict = syntax.check(text)
    linted = next(lint.lint([text], soft_s))  # counts comments, too
    seconds = time.monotonic() - started
    counted = 0.0 if limits.check(text) else comments.ratio(text)
    signal.alarm(0)
    return (
        (verdict.syntax_reason, counted, linted.lint_status, linted.lint_score, messages(linted)),
        seconds,
        linted.lint_seconds,
    )


def has_reason(found: Judged) -> bool:
    """Say whether what was found of a text is of the closed lists."""
    reason, _, status, score, _ = found
    return (
        (reason is None or reason in syntax.REASONS)
        and status in ("scored", *scoring.STATUS_REASONS)
        and (status == "scored") == (score is not None)
    )


class Worker:
    """A process that judges texts, and a new one when it dies. `died` counts."""

    def __init__(self) -> None:
        """Start with none dead."""
        self.pool = ProcessPoolExecutor(1)
        self.died = 0

    def judge(self, text: str, soft_s: float) -> tuple[Judged, float, float] | None:
        """As `judge`; None if the process died or an exception came out."""
        try:
            return self.pool.submit(judge, text, soft_s).result()
        except BrokenProcessPool:
            self.died += 1
            self.pool.shutdown()
            self.pool = ProcessPoolExecutor(1)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return None


def run(found: list[Case], soft_s: float, markers: Path) -> dict[str, Any]:
    """Judge the cases, each followed by a neighbour, and return the numbers. Says on standard error what went wrong."""
    worker = Worker()
    known = {}
    environment = reference.environment()
    for text in NEIGHBOURS:
        alone = worker.judge(text, soft_s)
        told = reference.judge(text, environment)
        assert alone and alone[0][3:] == (told.score, told.messages), f"wrong before any hostile file: {text!r}"
        known[text] = alone[0]
    wrong = without_reason = 0
    longest_s = longest_lint_s = 0.0
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for i, case in enumerate(found):
        result = worker.judge(case.text, soft_s)
        if result is None or not has_reason(result[0]):
            without_reason += 1
            print(f"without a reason: {case.name}: {result and result[0][:4]}", file=sys.stderr)
        else:
            statuses[result[0][2]] += 1
            reasons[result[0][0] or "parses"] += 1
            longest_s, longest_lint_s = max(longest_s, result[1]), max(longest_lint_s, result[2])
            if result[1] > soft_s + 1 or result[0][2] == "crashed":
                print(f"{result[1]:.1f} s: {case.name}: {result[0][:4]}", file=sys.stderr)
        neighbour = NEIGHBOURS[i % len(NEIGHBOURS)]
        after = worker.judge(neighbour, soft_s)
        if after is None or after[0] != known[neighbour]:
            wrong += 1
            print(f"wrong after {case.name}: {after} is not {known[neighbour]}", file=sys.stderr)
    worker.pool.shutdown()
    return {
        "cases": len(found),
        "crashed_workers": worker.died,
        "wrong_neighbours": wrong,
        "without_reason": without_reason,
        "longest_seconds": round(longest_s, 2),
        "past_limit_seconds": round(longest_lint_s - soft_s, 2),
        "markers": len(list(markers.iterdir())),
        "soft_limit_seconds": soft_s,
        "lint": dict(statuses.most_common()),
        "syntax": dict(reasons.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, help="judge about so many files, and so many of the lanes' cases")
    parser.add_argument(
        "--soft-seconds", type=float, default=SOFT_S, help=f"processor time a file may take ({SOFT_S:g})"
    )
    parser.add_argument("--only", choices=("files", "lanes"), help="one of the two parts")
    options = parser.parse_args()
    told: dict[str, Any] = {}
    if options.only != "files":
        with tempfile.TemporaryDirectory(prefix="recast-hostile-") as folder:
            told = hostile_run.run(Path(folder), options.cases)
    if options.only != "lanes":
        with tempfile.TemporaryDirectory(prefix="markers-") as folder:
            found = cases(Path(folder))
            if options.cases:
                found = found[:: max(len(found) // options.cases, 1)]
            judged = run(found, options.soft_seconds, Path(folder))
        both = told.keys() & judged.keys()
        told = {**told, **judged, **{name: told[name] + judged[name] for name in both}}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
