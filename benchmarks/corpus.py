"""The files that the benchmarks and tests read: a deterministic set from the standard library and from pinned packages.

Nothing that others wrote is kept in the repository: the files are those of the running interpreter and of the packages
that requirements/dev.txt pins, so the same environment always gives the same set.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STDLIB_GROUPS = {
    ".": 50,
    "asyncio": 8,
    "concurrent": 4,
    "ctypes": 6,
    "distutils": 8,
    "email": 8,
    "encodings": 4,
    "idlelib": 14,
    "lib2to3": 14,
    "multiprocessing": 6,
    "test": 50,
    "tkinter": 6,
    "turtledemo": 12,
    "unittest": 8,
    "xml": 6,
}
"""Folder of the standard library -> number of files taken from it; "." is its top level alone."""

PACKAGE_GROUPS = {
    "IPython": 8,
    "aiohttp": 6,
    "altair": 6,
    "anyio": 5,
    "click": 4,
    "fastapi": 6,
    "great_expectations": 8,
    "hypothesis": 6,
    "jedi": 5,
    "jinja2": 5,
    "marshmallow": 4,
    "matplotlib_inline": 2,
    "mpmath": 6,
    "mypy": 6,
    "networkx": 10,
    "numba": 8,
    "numpy": 10,
    "openai": 8,
    "pandas": 10,
    "pygments": 6,
    "pyspark": 8,
    "requests": 5,
    "rich": 6,
    "scipy": 8,
    "sympy": 10,
    "torch": 12,
    "transformers": 12,
    "vllm": 12,
}
"""Package pinned in requirements/dev.txt -> number of files taken from it."""


@dataclass(frozen=True)
class SourceFile:
    """One file: `path` names it relative to where it was found, `text` is its source."""

    path: str
    text: str


def files() -> list[SourceFile]:
    """The default set: at least 300 files, short and long, tidy and untidy, some of them Python 2, in a fixed order."""
    stdlib, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    found = [
        *(f for name, count in STDLIB_GROUPS.items() for f in _sample(stdlib, name, count)),
        *(f for name, count in PACKAGE_GROUPS.items() for f in _sample(packages, name, count)),
    ]
    return sorted(found, key=lambda f: _order(f.path))


def read(path: Path) -> list[SourceFile]:
    """Read a gzip file of JSON lines with `path` and `text`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [SourceFile(row["path"], row["text"]) for row in map(json.loads, lines)]


def _sample(root: Path, name: str, count: int) -> Iterator[SourceFile]:
    """Take `count` files below `root/name`, drawn by the hash of their path and passing over those that are not UTF-8."""
    base = root / name
    paths = base.glob("*.py") if name == "." else base.rglob("*.py")
    by_hash = sorted({p.relative_to(root).as_posix() for p in paths}, key=_order)
    taken = 0
    for relative in by_hash:
        if taken == count:
            return
        try:
            text = (root / relative).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip():
            taken += 1
            yield SourceFile(relative, text)


def _order(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()
