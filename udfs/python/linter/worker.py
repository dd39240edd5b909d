"""The program of the linter's helper interpreter: udfs/child/supervisor.py with a warm pylint.

udfs/python/linter/lint.py starts this file as `environment/bin/python worker.py FOLDER OPTIONS`, an ordinary start in a virtual
environment of the helper's own, since pylint describes the interpreter that it runs in. FOLDER holds `environment` (pylint
and what it needs), `source` (the file being linted) and `empty` (the working directory). A request is a file's UTF-8. The
first frame out names the versions at work.
"""

# The start of the command `pylint`, import by import: astroid lists sys.modules as it finds them, and reads the first 100.
import sys

FOLDER = sys.argv[1]
COMMAND = f"{sys.prefix}/bin/pylint"
sys.path[0] = f"{sys.prefix}/bin"  # the folder of the command, in place of this file's

import re  # noqa: E402, F401

# isort: split
from pylint import run_pylint  # noqa: E402, F401

# isort: split
import pylint.lint  # noqa: E402

# isort: split
import astroid  # noqa: E402

# isort: split
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from recast.udfs.child.supervisor import Answer, Work
    from recast.udfs.python.linter.warm import Warm

SOURCE = f"{FOLDER}/source/tmprecast.py"
WARM, SUPERVISOR = "recast.udfs.python.linter.warm", "recast.udfs.child.supervisor"
COLLECT_AFTER = 100_000
"""New objects after which Python looks for garbage within a file: its own 700 made it a third of the whole time."""


def main() -> None:
    """Answer requests until standard input ends."""
    limits = json.loads(sys.argv[2])
    flags = limits.pop("flags")
    os.chdir(f"{FOLDER}/empty")
    gc.set_threshold(COLLECT_AFTER)
    name_the_command(flags)
    warm, supervisor = _load(WARM, SUPERVISOR)

    def prepare() -> "tuple[Work, Any]":
        versions = {"pylint": pylint.__version__, "astroid": astroid.__version__}
        return work_of(warm.Warm(SOURCE, flags), supervisor.Work), versions

    try:
        supervisor.serve(prepare, limits)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    os._exit(0)  # to take a warm pylint apart would cost a tenth of a second and more


def name_the_command(flags: list[str]) -> None:
    """Say in `sys` what the command `pylint` would have been called with, for files that take `sys.argv` apart."""
    sys.argv[:] = [COMMAND, *flags, SOURCE]
    sys.orig_argv[:] = [sys.executable, *sys.argv]


def _load(*names: str) -> list[ModuleType]:
    """Import modules of Recast, all of whose packages are this file's folder here.

    No trace of them is left where astroid could find it for a file that imports `recast`.
    """
    for name in names:
        parts = name.split(".")[:-1]
        for package in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
            sys.modules[package] = ModuleType(package)
            sys.modules[package].__path__ = [os.path.dirname(os.path.abspath(__file__))]
    loaded = [importlib.import_module(name) for name in names]
    for name in [name for name in sys.modules if name.partition(".")[0] == "recast"]:
        del sys.modules[name]
    return loaded


def work_of(warm: "Warm", work: "type[Work]") -> "Work":
    """Return the linting of files: children start with every module of the library that an earlier child had to parse."""
    seen: dict[str, None] = {}
    known = set(warm.loaded())

    def lint(source: bytes) -> "Answer":
        try:
            with open(SOURCE, "wb") as file:
                file.write(source)
        except OSError as error:  # not the file's fault, so it is no result
            return {"status": "unable", "detail": str(error)}
        answer: Answer = warm.check()
        answer["status"] = "no_score" if answer["score"] is None else "scored"
        return answer

    def closing(answer: "Answer") -> bool:
        now = set(warm.loaded())
        answer["loaded"] = sorted(now - known)
        known.update(now)
        # What is left is the library's trees: looked through once, not again with every file.
        gc.collect()
        gc.freeze()
        return warm.loaded_deep()

    def before_fork() -> None:
        warm.load(list(seen))
        seen.clear()
        known.update(warm.loaded())

    return work(lint, closing, before_fork, lambda answer: seen.update(dict.fromkeys(answer.pop("loaded", ()))))


if __name__ == "__main__":
    main()
