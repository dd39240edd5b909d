"""Runs functions over strangers' text in a child process, which may crash, hang or exhaust its memory.

CPython's parser and compiler recurse without a check, take quadratic time on some texts, and end the whole interpreter
where the stack does: one file would end its Spark task, and so its lane, every night. A function under `guarded` runs in
a helper interpreter of the calling process (udfs/child/helper.py), with limits of processor time and memory; what goes wrong
there is that call's alone. Within the helper guarded functions call each other directly.
"""

import functools
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from recast.schemas import reasons
from recast.udfs.child import helper

P = ParamSpec("P")
R = TypeVar("R")

SOFT_CPU_S = reasons.CHILD_CPU_S
MAX_MEMORY_BYTES = reasons.CHILD_MEMORY_BYTES
REASONS = reasons.CHILD

GREETING = "ready"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""For NumPy, which otherwise takes address space for each core, out of a child's MAX_MEMORY_BYTES."""
DONE = "done"

inside = False
"""Whether this process is the helper, where guarded functions run."""
_lock = threading.Lock()


class Failure(NamedTuple):
    """Why a call has no result: a reason of REASONS, and the error's first line or the signal's name."""

    reason: str
    detail: str


def guarded(failed: Callable[[Failure], R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a function of a module in udfs/guard_worker.MODULES; `failed` stands in for its result.

    Arguments and results are pickled. What a call raises is the machine's fault: OSError or RuntimeError where no process
    can be started.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> R:
            if inside:
                return function(*args, **options)
            assert not options, "guarded functions take their arguments by place"
            result = _ask(pickle.dumps((function.__module__, function.__name__, args), pickle.HIGHEST_PROTOCOL))
            return failed(result) if isinstance(result, Failure) else result

        return call

    return decorate


def _ask(request: bytes) -> Any:
    with _lock:
        # A helper can be lost through no fault of the request, for instance to a machine that is short of memory.
        answer = _helper().ask(request) or _helper().ask(request)
    if answer is None:
        return Failure("crashed", "the helper interpreter ended")
    if answer["status"] == "unable":
        raise OSError(f"cannot read texts on this machine: {answer['detail']}")
    return answer["result"] if answer["status"] == DONE else Failure(answer["status"], answer["detail"])


def _helper() -> helper.Helper:
    return helper.of_process("guard", None, _start)


def _start() -> helper.Helper:
    limits = json.dumps(helper.limits(SOFT_CPU_S, MAX_MEMORY_BYTES))
    # What this process can import the helper can, be it a zip that Spark sent; its working directory is its own.
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-P", "-m", "recast.udfs.child.guard_worker", str(folder), limits]

    return helper.Helper("the reading of texts", command, GREETING, {"PYTHONPATH": path, **ONE_THREAD})
