"""The files that the benchmarks and tests read: a deterministic set from the standard library and from pinned packages.

Nothing that others wrote is kept in the repository: the files are those of the running interpreter and of the packages
that requirements/dev.txt pins, so the same environment always gives the same set. Packages hold longer files than
repositories do, and the longer a file, the more of its linting is paid by everybody alike; so files are picked by length.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import statistics
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STDLIB_GROUPS = {
    ".": 200,
    "asyncio": 32,
    "concurrent": 16,
    "ctypes": 24,
    "distutils": 32,
    "email": 32,
    "encodings": 16,
    "idlelib": 56,
    "lib2to3": 56,
    "multiprocessing": 24,
    "test": 200,
    "tkinter": 24,
    "turtledemo": 48,
    "unittest": 32,
    "xml": 24,
}
"""Folder of the standard library -> number of files to pick from; "." is its top level alone."""

PACKAGE_GROUPS = {
    "IPython": 32,
    "aiohttp": 24,
    "altair": 24,
    "anyio": 20,
    "click": 16,
    "fastapi": 24,
    "great_expectations": 32,
    "hypothesis": 24,
    "jedi": 20,
    "jinja2": 20,
    "marshmallow": 16,
    "matplotlib_inline": 8,
    "mpmath": 24,
    "mypy": 24,
    "networkx": 40,
    "numba": 32,
    "numpy": 40,
    "openai": 32,
    "pandas": 40,
    "pygments": 24,
    "pyspark": 32,
    "requests": 20,
    "rich": 24,
    "scipy": 32,
    "sympy": 40,
    "torch": 48,
    "transformers": 48,
    "vllm": 48,
}
"""Package pinned in requirements/dev.txt -> number of files to pick from."""

FILES = 400
MEDIAN_LINES, MEAN_LINES, SHORTEST, LONGEST = 101.5, 265, 10, 2858
"""Lengths of 652 files of GitHub scripts, CPython and old wheels. A log-normal distribution is what they come near."""


@dataclass(frozen=True)
class SourceFile:
    """One file: `path` names it relative to where it was found, `text` is its source."""

    path: str
    text: str


def files() -> list[SourceFile]:
    """The default set: FILES files, short and long, tidy and untidy, some of them Python 2, in a fixed order."""
    stdlib, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    found = [
        *(f for name, count in STDLIB_GROUPS.items() for f in _sample(stdlib, name, count)),
        *(f for name, count in PACKAGE_GROUPS.items() for f in _sample(packages, name, count)),
    ]
    found.sort(key=lambda f: in_fixed_order(f.path))
    return sorted(_of_usual_lengths(found), key=lambda f: in_fixed_order(f.path))


def _of_usual_lengths(found: list[SourceFile]) -> Iterator[SourceFile]:
    """Yield, for each of FILES quantiles of the distribution of lengths, the first of the files that come nearest."""
    sigma = math.sqrt(2 * math.log(MEAN_LINES / MEDIAN_LINES))
    logarithms = statistics.NormalDist(math.log(MEDIAN_LINES), sigma)
    left = {f: f.text.count("\n") + 1 for f in found}
    for i in range(FILES):
        wanted = min(max(math.exp(logarithms.inv_cdf((i + 0.5) / FILES)), SHORTEST), LONGEST)
        nearest = min(left, key=lambda f: abs(left[f] - wanted))
        del left[nearest]
        yield nearest


def read(path: Path) -> list[SourceFile]:
    """Read a gzip file of JSON lines with `path` and `text`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [SourceFile(row["path"], row["text"]) for row in map(json.loads, lines)]


def _sample(root: Path, name: str, count: int) -> Iterator[SourceFile]:
    """Take `count` files below `root/name`, drawn by the hash of their path and passing over those that are not UTF-8."""
    base = root / name
    paths = base.glob("*.py") if name == "." else base.rglob("*.py")
    by_hash = sorted({p.relative_to(root).as_posix() for p in paths}, key=in_fixed_order)
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


def in_fixed_order(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()
