"""The helper interpreter that functions of udfs/child/guard.py run in: `python -P guard_worker.py FOLDER LIMITS`.

A request is a pickled (module, function, arguments). Its first words are GREETING. Children are forked with MODULES loaded.
"""

import importlib
import json
import os
import pickle
import shutil
import sys

from recast.udfs.child import guard, supervisor

MODULES = (
    *("recast.udfs.python.comments", "recast.udfs.python.reading", "recast.udfs.python.syntax"),
    "recast.udfs.math.reading",
)
"""All modules with guarded functions, loaded before the first fork."""


def main() -> None:
    """Answer requests until standard input ends."""
    guard.inside = True
    try:
        supervisor.serve(prepare, json.loads(sys.argv[2]))
    finally:
        shutil.rmtree(sys.argv[1], ignore_errors=True)
    os._exit(0)


def prepare() -> tuple[supervisor.Work, str]:
    """Load what children need."""
    for name in MODULES:
        importlib.import_module(name)
    return supervisor.Work(call), guard.GREETING


def call(request: bytes) -> supervisor.Answer:
    """Call the function that a request names."""
    module, function, arguments = pickle.loads(request)
    return {"status": guard.DONE, "result": getattr(sys.modules[module], function)(*arguments)}


if __name__ == "__main__":
    main()
