"""What each lint shortcut is worth: `python -m benchmarks.lint_shortcuts [--files N] [--rounds N] [--cold] [--without NAME ...]`.

One interpreter of the linter's environment, warm like the supervisor of a helper, forks a child for each measurement. Two
children take turns over the same few files: one has every shortcut, the other every shortcut but one. What counts is the
processor time of the child, so that a busy machine matters little, and both must find the same scores and messages.
`--without` takes shortcuts out of both sides; such a one is then measured by what it adds. Prints one JSON line:

    files          files linted
    seconds        processor seconds of these files with every shortcut, mean of the rounds
    without_any    time with no shortcut at all, in percent more
    worth          shortcut -> time without it, in percent more; lowest and highest round
    different_results  shortcuts without which a file has another result: there must be none

The library modules that the files import are parsed beforehand; with --cold each child parses them itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.corpus import SourceFile
from benchmarks.lint import default_files
from recast.udfs.child import helper
from recast.udfs.python.linter import lint

PROGRAM = ("benchmarks.lint_shortcuts_worker", *lint.PROGRAM)
TURN_FILES = 10


def of_all_lengths(files: list[SourceFile], count: int) -> list[SourceFile]:
    """Return `count` of the files, as short and as long as all of them, in the order in which they come."""
    by_length = sorted(files, key=lambda file: (file.text.count("\n"), file.path))
    chosen = {by_length[int((i + 0.5) * len(files) / count)].path for i in range(count)}
    return [file for file in files if file.path in chosen]


def measure(texts: list[str], rounds: int, cold: bool, without: list[str]) -> list[dict[str, Any]]:
    """Return a row for each pair of children: shortcut (None: all of them), round, seconds with and without, same."""
    with tempfile.TemporaryDirectory(prefix="lint-shortcuts-") as name:
        folder = Path(name).resolve()
        for each in ("source", "empty"):
            (folder / each).mkdir()
        (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
        python = lint.make_environment(folder / "environment")
        worker = helper.write_program(folder / "program", PROGRAM)
        options = {
            "flags": lint.FLAGS,
            "rounds": rounds,
            "cold": cold,
            "without": without,
            "turn": len(texts) if cold else TURN_FILES,
        }
        env = {"HOME": str(folder / "empty"), "PATH": os.defpath, "LANG": "C.UTF-8"}
        command = [python, worker, str(folder), json.dumps(options)]
        done = subprocess.run(command, cwd=folder / "empty", env=env, check=True, stdout=subprocess.PIPE)
    return [json.loads(row) for row in done.stdout.splitlines()]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `rows` say, in percent."""

    def percent(found: list[dict[str, Any]]) -> float:
        less, more = (sum(row[side] for row in found) for side in ("with", "without"))
        return float(round(100 * (more / less - 1), 1))

    worth, same = {}, []
    rounds = {row["round"] for row in rows}
    for name in dict.fromkeys(row["shortcut"] for row in rows):
        own = [row for row in rows if row["shortcut"] == name]
        of_rounds = [percent([row for row in own if row["round"] == each]) for each in rounds]
        worth[name] = [percent(own), min(of_rounds), max(of_rounds)]
        if all(row["same"] for row in own):
            same.append(name)
    of_passes = [
        sum(row["with"] for row in rows if (row["shortcut"], row["round"]) == (name, each))
        for name in worth
        for each in rounds
    ]
    without_any = worth.pop(None)
    return {
        "seconds": round(statistics.mean(of_passes), 2),
        "without_any": without_any,
        "worth": dict(sorted(worth.items(), key=lambda item: -item[1][0])),
        "different_results": [name for name in worth if name not in same],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100, help="how many of the files of benchmarks.lint")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair takes turns over the files")
    parser.add_argument("--cold", action="store_true", help="parse the library modules within the time, too")
    parser.add_argument("--without", nargs="*", default=[], help="shortcuts to leave out of both sides")
    options = parser.parse_args()
    texts = [file.text for file in of_all_lengths(default_files(), options.files)]
    rows = measure(texts, options.rounds, options.cold, options.without)
    print(json.dumps({"files": len(texts), "cold": options.cold, "without": options.without, **summary(rows)}))


if __name__ == "__main__":
    main()
