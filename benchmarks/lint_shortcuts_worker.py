"""The program that benchmarks/lint_shortcuts.py starts in the linter's environment: it times children by their shortcuts.

It is started as udfs/python/linter/worker.py is, beside the same files: `python lint_shortcuts_worker.py FOLDER OPTIONS`.
"""

# First, as in the linter's own helper: its imports are those of the command `pylint`, in the same order.
import worker  # type: ignore[import-not-found]  # isort: skip

import gc
import hashlib
import json
import os
import sys
import time
from typing import Any


def main() -> None:
    """Print a JSON line for each pair of children."""
    folder, options = sys.argv[1], json.loads(sys.argv[2])
    with open(f"{folder}/texts.json", encoding="utf-8") as file:
        texts: list[str] = json.load(file)
    worker.name_the_command(options["flags"])
    gc.set_threshold(worker.COLLECT_AFTER)
    (warm,) = worker._load(worker.WARM)
    shortcuts = {}
    for name, changes in warm.shortcuts.replacements().items():
        shortcuts[name] = [(owner, attribute, _original(owner, attribute)) for owner, attribute, _ in changes]
    index = warm.shortcuts.Index
    shortcuts["index"] = [(index, "build", lambda self, module: self.clear())]
    shortcuts["dissolve"] = [(index, "dissolve", index.clear)]
    linter = warm.Warm(worker.SOURCE, options["flags"])
    work = worker.work_of(linter, lambda *functions: functions)
    lint, closing = work[0], work[1]

    def pass_over(part: list[str], left_out: set[str]) -> tuple[float, str]:
        """Lint in this process. Returns its processor seconds, and a hash of all results."""
        for name in left_out:
            for owner, attribute, original in shortcuts[name]:
                if original is None:
                    delattr(owner, attribute)
                else:
                    setattr(owner, attribute, original)
        told = hashlib.sha256()
        started = time.process_time()
        for text in part:
            answer = lint(text.encode())
            closing(answer)
            answer.pop("loaded", None)
            told.update(json.dumps(answer, sort_keys=True).encode())
        return time.process_time() - started, told.hexdigest()

    def in_a_child(part: list[str], left_out: set[str]) -> tuple[float, str]:
        reading, writing = os.pipe()
        if not (pid := os.fork()):
            try:
                os.write(writing, json.dumps(pass_over(part, left_out)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            seconds, told = json.loads(stream.read())
        os.waitpid(pid, 0)
        return seconds, told

    if not options["cold"]:
        pass_over(texts, set())
    gc.collect()
    gc.freeze()
    base = set(options["without"])
    others: dict[Any, set[str]] = {None: set(shortcuts), **{name: base ^ {name} for name in shortcuts}}
    for turn in range(options["rounds"]):
        for at in range(0, len(texts), options["turn"]):
            part = texts[at : at + options["turn"]]
            for name, left_out in others.items():
                pair = [(base, "with"), (left_out, "without")]
                found = {key: in_a_child(part, left) for left, key in (pair if turn % 2 else pair[::-1])}
                if name in base:  # what it adds
                    found = {"with": found["without"], "without": found["with"]}
                row = {"shortcut": name, "round": turn, "same": found["with"][1] == found["without"][1]}
                print(json.dumps({**row, **{key: seconds for key, (seconds, _) in found.items()}}), flush=True)


def _original(owner: Any, attribute: str) -> Any:
    return vars(owner).get(attribute, getattr(owner, attribute, None))


if __name__ == "__main__":
    main()
