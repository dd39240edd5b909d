"""What each lint shortcut is worth: `python -m benchmarks.lint_shortcuts [--files N] [--rounds N] [--without NAME ...]`.

One process of the linter's environment, warm like the child of a helper, lints each file again and again, in turns with
every shortcut and with every shortcut but one. What counts is the processor time of a file, the least of all rounds, so
that a busy machine matters little. `--without` leaves shortcuts out from the beginning; such a one is then measured by
what it adds, which is a negative percentage. Prints one JSON line:

    files              files linted
    seconds            processor seconds of these files
    worth              shortcut -> time without it, in percent more. `nothing` shows the noise, `all` has no shortcut at all
    different_results  shortcuts without which a file has another result: there must be none
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.corpus import SourceFile
from benchmarks.lint import default_files
from recast.udfs.child import helper
from recast.udfs.python.linter import lint

PROGRAM = ("benchmarks.lint_shortcuts_worker", *lint.PROGRAM)


def of_all_lengths(files: list[SourceFile], count: int) -> list[SourceFile]:
    """Return `count` of the files, as short and as long as all of them, in the order in which they come."""
    by_length = sorted(files, key=lambda file: (file.text.count("\n"), file.path))
    chosen = {by_length[int((i + 0.5) * len(files) / count)].path for i in range(count)}
    return [file for file in files if file.path in chosen]


def measure(texts: list[str], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what benchmarks/lint_shortcuts_worker.py prints of the texts."""
    with tempfile.TemporaryDirectory(prefix="lint-shortcuts-") as name:
        folder = Path(name).resolve()
        for each in ("source", "empty"):
            (folder / each).mkdir()
        (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
        python = lint.make_environment(folder / "environment")
        worker = helper.write_program(folder / "program", PROGRAM)
        env = {"HOME": str(folder / "empty"), "PATH": os.defpath, "LANG": "C.UTF-8"}
        command = [python, worker, str(folder), json.dumps({"flags": lint.FLAGS, **options})]
        done = subprocess.run(command, cwd=folder / "empty", env=env, check=True, stdout=subprocess.PIPE)
    return [json.loads(row) for row in done.stdout.splitlines()]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `rows` say."""
    least: dict[str, dict[int, float]] = {}
    for row in rows:
        files = least.setdefault(row["shortcut"], {})
        files[row["file"]] = min(row["seconds"], files.get(row["file"], math.inf))
    seconds = {name: sum(files.values()) for name, files in least.items()}
    base = seconds.pop("base")
    worth = {name: round(100 * (each / base - 1), 1) for name, each in seconds.items()}
    return {
        "seconds": round(base, 2),
        "worth": dict(sorted(worth.items(), key=lambda item: -item[1])),
        "different_results": sorted({row["shortcut"] for row in rows if not row["same"]}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100, help="how many of the files of benchmarks.lint")
    parser.add_argument("--rounds", type=int, default=5, help="how often a file is linted with each set of shortcuts")
    parser.add_argument("--without", nargs="*", default=[], help="shortcuts to leave out from the beginning")
    parser.add_argument("--only", nargs="*", default=[], help="shortcuts to measure; a+b are measured together")
    options = vars(parser.parse_args())
    texts = [file.text for file in of_all_lengths(default_files(), options.pop("files"))]
    print(json.dumps({"files": len(texts), **options, **summary(measure(texts, options))}))


if __name__ == "__main__":
    main()
