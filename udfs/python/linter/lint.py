"""Lints files with pylint in a helper interpreter that stays warm; results equal those of one fresh process per file.

`lint` is the whole interface: texts in, one result per text out, in order. docs/lint.md tells how it works and why its
scores can be trusted. Nothing here or in the helper executes what it reads.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import threading
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recast.schemas.linted_code import Lint, Message
from recast.udfs.child import helper
from recast.udfs.python import comments, limits

SOFT_CPU_S = 20.0
"""Processor time of one file after which its child stops by itself. 652 real files took 3 s at most."""
NEAR_SHARE = 0.5
"""Share of the soft limit from which a file counts as near it: two machines of a cluster differ in speed by about two."""
MAX_MEMORY_BYTES = 3 * 2**30
"""Address space of a child, the warm linter's own 0.5 GB included."""

FLAGS = ("--persistent=n", "--disable=E0401,C0114,C0301,C0103,C0116,C0411,R0903,W0511,C0412")
"""The recipe's flags, as in the reference's code."""

VERSIONS = {"pylint": "4.1.4", "astroid": "4.3.4"}
"""The linter of record. Others rate some files otherwise: pylint 3.3 one in nine, so they are refused."""

PACKAGES = ("pylint", "astroid", "dill", "isort", "mccabe", "mypy-extensions", "pip", "platformdirs", "tomlkit")
"""What `pip install pylint` brings, and pip: all that analysed imports can find besides the standard library."""

PROGRAM = (
    *("recast.udfs.python.linter.worker", "recast.udfs.child.supervisor"),
    *(f"recast.udfs.python.linter.{name}" for name in ("warm", "tree_writes", "shortcuts")),
)
"""What the helper interpreter runs."""

COMMON = (
    "import argparse, asyncio, collections, contextlib, copy, csv, dataclasses, datetime, enum, functools, hashlib, io, "
    "itertools, json, logging, math, multiprocessing, operator, os, pathlib, random, re, shutil, socket, string, "
    "subprocess, sys, tempfile, threading, time, traceback, typing, unittest, urllib.request, warnings\n"
)
"""A file that imports what files import most; pylint parses each module of the standard library once for all files."""


def lint(texts: Iterable[str | None], soft_cpu_s: float = SOFT_CPU_S) -> Iterator[Lint]:
    """Yield one Lint per text, in order, as the texts come. `soft_cpu_s` is the processor time that a file may take.

    Whatever a text holds, it gets a result. What is raised is the machine's fault, and would be no result of a file:
    OSError if nothing can be written to the temporary folder or no process be started, RuntimeError if the helper interpreter
    does not start or finds another pylint than VERSIONS.
    """
    for text in texts:
        if text is None:
            yield Lint("skipped")
            continue
        beyond = limits.check(text)
        if beyond:
            yield Lint(beyond[0], detail=beyond[1])
            continue
        yield _lint(text, soft_cpu_s)


def _lint(text: str, soft_cpu_s: float) -> Lint:
    source = text.encode()
    # A helper can be lost through no fault of the file, for instance to a machine that is short of memory.
    answer = _helper(soft_cpu_s).ask(source) or _helper(soft_cpu_s).ask(source)
    ratio = comments.ratio(text)
    if not answer:
        return Lint("crashed", comment_ratio=ratio, detail="the helper interpreter ended")
    if answer["status"] == "unable":
        close()  # its folder may be gone for good; whoever tries again gets another
        raise OSError(f"cannot lint on this machine: {answer['detail']}")
    seconds = answer["seconds"]
    near = answer["status"] == "timeout" or seconds >= NEAR_SHARE * soft_cpu_s
    if answer["status"] not in ("scored", "no_score"):
        return Lint(
            answer["status"], comment_ratio=ratio, lint_seconds=seconds, lint_near_limit=near, detail=answer["detail"]
        )
    fatal, error, warning, refactor, convention = answer["counts"]
    return Lint(
        answer["status"],
        lint_score=answer["score"],
        statements=answer["statements"],
        fatal=fatal,
        error=error,
        warning=warning,
        refactor=refactor,
        convention=convention,
        messages=tuple(Message(*message) for message in answer["messages"]),
        pragmas=tuple(answer["pragmas"]),
        comment_ratio=ratio,
        lint_seconds=seconds,
        lint_near_limit=near,
        detail=f"{seconds:.1f} of {soft_cpu_s:g} s of processor time: another machine may say otherwise"
        if near
        else "",
    )


def _helper(soft_cpu_s: float) -> helper.Helper:
    """Return the process's helper interpreter for this limit."""
    return helper.of_process("linter", soft_cpu_s, lambda: _start(soft_cpu_s))


def _start(soft_cpu_s: float) -> helper.Helper:
    check_installed()

    def command(folder: Path) -> list[str]:
        (folder / "source").mkdir()
        options = {"flags": FLAGS, **helper.limits(soft_cpu_s, MAX_MEMORY_BYTES)}
        worker = helper.write_program(folder / "program", PROGRAM)
        return [make_environment(folder / "environment"), worker, str(folder), json.dumps(options)]

    return helper.Helper("the linter", command, VERSIONS)


def start() -> None:
    """Start the process's helper interpreter, which parses the modules of COMMON while nobody asks it anything.

    Raises:
        OSError, RuntimeError: as `lint` does.
    """
    started = _helper(SOFT_CPU_S)
    threading.Thread(target=started.ask, args=(COMMON.encode(),), daemon=True).start()


def close() -> None:
    """End the helper interpreter, if there is one."""
    helper.close("linter")


def check_installed() -> None:
    """Raise RuntimeError where this interpreter lacks a package of VERSIONS, or has another version of it."""
    for package, needed in VERSIONS.items():
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise RuntimeError(f"the linter needs {package} {needed}, and there is none") from None
        if found != needed:
            raise RuntimeError(f"the linter needs {package} {needed}, found {found}")


def make_environment(folder: Path) -> str:
    """Make a virtual environment at `folder` that holds links to the packages of PACKAGES. Returns its interpreter.

    `site` treats it as any other, so a program that starts there finds the names, modules and paths that it finds where
    `pip install pylint` was run.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    link_packages(folder / "lib" / version / "site-packages")
    return str(folder / "bin" / "python")


def link_packages(folder: Path) -> None:
    """Fill `folder` with links to the packages of PACKAGES: put on a path, it is a fresh `pip install pylint`.

    Modules that are one file share a `__pycache__`, which pip counts among the files of each.
    """
    for package in PACKAGES:
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "/", "__pycache__"}:
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def facts() -> dict[str, Any]:
    """What changes results by intent; part of the measuring half's fingerprint."""
    return {
        "rule": 4,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **VERSIONS,
        "isort": importlib.metadata.version("isort"),
        "flags": list(FLAGS),
        **comments.VERSION,
    }
