"""The outside reference: one `pylint FILE` process per file, in a virtual environment that only `venv` and pip have made.

The environment holds pylint as `pip install` puts it there, its dependencies at the versions of the lock, and pip. What a
user does not do is not done: no flag on the interpreter, none on pylint beyond the recipe's, no module of Recast in reach.
setuptools, which `python -m venv` of Python 3.11 brings along, is uninstalled: it replaces distutils, and no later Python
installs it. The environment is kept in `.cache` and made once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import filelock

from recast.udfs.python.linter import lint

CACHE = Path(__file__).parents[1] / ".cache"
_RATED = re.compile(r"^Your code has been rated at (-?[\d.]+)/10", re.MULTILINE)
_MESSAGE = re.compile(r":(\d+):(-?\d+): ([A-Z]\d{4}): .*\(([\w-]+)\)", re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """What a pylint process said of a file, and its processor time."""

    score: float | None
    messages: tuple[tuple[str, str, int, int], ...]  # symbol, number, line, column
    cpu_s: float


def environment() -> Path:
    """Return the virtual environment's folder, made first if need be. CalledProcessError if pip cannot make it."""
    pins = sorted(_pins())
    name = hashlib.sha256(f"{sys.version} {sys._base_executable} {pins}".encode()).hexdigest()[:16]  # type: ignore[attr-defined]
    folder = CACHE / "reference" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            env = ordinary_environment()
            python = str(folder / "bin" / "python")
            pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
            for command in (
                [sys.executable, "-m", "venv", str(folder)],
                [*pip, "uninstall", "-y", "setuptools"],
                [*pip, "install", *pins],
            ):
                subprocess.run(command, env=env, check=True, stdout=sys.stderr)
            (folder / "ready").touch()
    return folder


def _pins() -> set[str]:
    """Versions of what is installed here, which are the lock's; pip is the one that `venv` brings."""
    pins = set()
    for package in lint.PACKAGES:
        try:
            pins.add(f"{package}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {pin for pin in pins if not pin.startswith("pip==")}


def ordinary_environment() -> dict[str, str]:
    """The user's environment variables without those that change what Python does."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYLINT"))}


def judge(text: str, environment: Path) -> Reference:
    """Run the `pylint` of `environment` on `text`, in an empty folder and with a home that holds no configuration."""
    with tempfile.TemporaryDirectory(prefix="reference-") as folder:
        for name in ("empty", "home", "source"):
            Path(folder, name).mkdir()
        source = Path(folder, "source", "tmprecast.py")
        source.write_bytes(text.encode())
        process = subprocess.Popen(
            [str(environment / "bin" / "pylint"), *lint.FLAGS, str(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=f"{folder}/empty",
            env={**ordinary_environment(), "HOME": f"{folder}/home"},
        )
        assert process.stdout
        output = process.stdout.read().decode("utf-8", "replace")
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    rated = _RATED.search(output)
    return Reference(
        score=float(rated[1]) if rated else None,
        messages=read_messages(output.partition("\n\n---")[0], str(source)),
        cpu_s=usage.ru_utime + usage.ru_stime,
    )


def read_messages(output: str, path: str) -> tuple[tuple[str, str, int, int], ...]:
    """Read pylint's messages, `path:line:column: number: text (symbol)`, as symbol, number, line, column; sorted.

    A text may go over several lines, and a message about nothing in particular has `configuration` for its path.
    """
    parts = re.split(rf"^(?:{re.escape(path)}|configuration)(?=:\d+:)", output, flags=re.MULTILINE)
    found = [_MESSAGE.match(part) for part in parts[1:]]
    return tuple(sorted((m[4], m[3], int(m[1]), int(m[2])) for m in found if m))
