"""The program that benchmarks/lint_shortcuts.py starts in the linter's environment: it times files by shortcuts in force.

It is started as udfs/python/linter/worker.py is, beside the same files: `python lint_shortcuts_worker.py FOLDER OPTIONS`.
"""

# First, as in the linter's own helper: its imports are those of the command `pylint`, in the same order.
import worker  # type: ignore[import-not-found]  # isort: skip

import gc
import json
import random
import sys
import time
from typing import Any


def main() -> None:
    """Print a JSON line for each file, round and set of shortcuts: seconds, and whether the result is that of all shortcuts."""
    folder, options = sys.argv[1], json.loads(sys.argv[2])
    with open(f"{folder}/texts.json", encoding="utf-8") as file:
        texts: list[str] = json.load(file)
    worker.name_the_command(options["flags"])
    gc.set_threshold(worker.COLLECT_AFTER)
    (warm,) = worker._load(worker.WARM)
    shortcuts = {
        name: (owner, attribute, getattr(owner, attribute))
        for name, (owner, attribute, _) in warm.shortcuts.REPLACEMENTS.items()
    }
    linter = warm.Warm(worker.SOURCE, options["flags"])
    work = worker.work_of(linter, lambda *functions: functions)
    lint, closing = work[0], work[1]

    def timed(text: str, left_out: set[str]) -> tuple[float, dict[str, Any]]:
        undone = [shortcuts[name] for name in left_out]
        now = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in undone]
        _put(undone)
        started = time.process_time()
        answer = lint(text.encode())
        closing(answer)
        seconds = time.process_time() - started
        _put(now)
        answer.pop("loaded", None)
        return seconds, answer

    base = set(options["without"])
    sets = {"base": base, "nothing": base, "all": set(shortcuts)}
    sets |= {name: base ^ set(name.split("+")) for name in options["only"] or shortcuts}
    expected = {text: timed(text, set())[1] for text in texts}  # which parses the library modules, too
    draw = random.Random(0)
    for _ in range(options["rounds"]):
        for number, text in enumerate(texts):
            for name in draw.sample(list(sets), len(sets)):
                seconds, answer = timed(text, sets[name])
                row = {"shortcut": name, "file": number, "seconds": seconds, "same": answer == expected[text]}
                print(json.dumps(row))


def _put(changes: list[tuple[Any, str, Any]]) -> None:
    for owner, attribute, value in changes:
        setattr(owner, attribute, value)


if __name__ == "__main__":
    main()
