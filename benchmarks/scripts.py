"""Scripts of the kind that strangers publish, for the benchmarks: a deterministic set out of pinned wheels.

A corpus of repositories is mostly not libraries: command line tools, games, demos, homework, exported notebooks, Django
apps, scrapers, code that was written for Python 2. pip fetches the wheels into `.cache`, once; nothing in them is installed
or run, and nothing of them is kept in the repository. Files that do not parse are passed over: no linter sees them.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
from packaging.utils import canonicalize_name, parse_wheel_filename

from benchmarks import reference
from benchmarks.corpus import LONGEST, SHORTEST, SourceFile, in_fixed_order
from recast.udfs.python import syntax

GROUPS: dict[str, dict[str, int]] = {
    "Django==1.8.19": {"django/contrib/*/*.py": 10},
    "Fabric==1.14.1": {"fabric/*.py": 10},
    "Kivy-examples==2.3.0": {"*/share/kivy-examples/*.py": 40},
    "Mezzanine==4.3.1": {"mezzanine/*.py": 20},
    "algorithms==1.0.1": {"algorithms/*.py": 25},
    "boto==2.49.0": {"*.data/scripts/*": 18},
    "django-oscar==3.2.4": {"oscar/apps/*.py": 20},
    "holoviews==1.14.9": {"*.ipynb": 25},
    "hvplot==0.7.3": {"*.ipynb": 10},
    "nltk==3.8.1": {"nltk/app/*.py": 6, "nltk/parse/*.py": 4, "nltk/test/*.py": 6},
    "pgzero==1.2.1": {"*.py": 6},
    "pygame==2.6.1": {"pygame/examples/*.py": 30},
    "pygorithm==1.0.4": {"pygorithm/*.py": 20},
    "pymunk==6.8.1": {"pymunk/examples/*.py": 25},
    "pyqtgraph==0.13.7": {"pyqtgraph/examples/*.py": 40},
    "pytorch-lightning==1.0.0": {"pl_examples/*.py": 8},
    "pyxel==2.2.10": {"pyxel/examples/*.py": 14},
    "s3cmd==2.4.0": {"*.data/scripts/*": 1, "S3/*.py": 8},
    "speedtest-cli==2.1.3": {"speedtest.py": 1},
    "sqlmap==1.8.4": {"sqlmap/*.py": 30},
    "stable-baselines==2.10.2": {"stable_baselines/*run_*.py": 8},
    "thefuck==3.32": {"thefuck/*.py": 10},
    "you-get==0.4.1743": {"you_get/*.py": 20},
    "youtube-dl==2021.12.17": {"youtube_dl/*.py": 20},
}
"""Wheel -> pattern of the names in it -> number of files to pick, at most."""

STDLIB_GROUPS = {"turtledemo/*.py": 12, "idlelib/*.py": 6, "test/*.py": 6}
"""The same for the standard library."""

RARE = 40
"""Further files of the wheels, picked because one of RARE_NAMES is called: few files do it, and a linter can be wrong about it."""
RARE_NAMES = re.compile(r"(?<![\w.'\"])(exit|quit|help|basestring|execfile|raw_input|reload|unichr|unicode|xrange)\(")

PYTHON_2 = {"Fabric==1.14.1", "sqlmap==1.8.4"}
"""Wheels that name no Python 3; their files that parse as Python 3 are used."""


class Script(SourceFile):
    """A file of which nobody made a library."""


def files() -> list[Script]:
    """Return the scripts in a fixed order. CalledProcessError if pip cannot fetch a wheel."""
    wheels = {parse_wheel_filename(path.name)[0]: path for path in _fetch().glob("*.whl")}
    found: dict[str, Script] = {}
    rare: dict[str, bytes] = {}
    for pin, patterns in GROUPS.items():
        with zipfile.ZipFile(wheels[canonicalize_name(pin.partition("==")[0])]) as wheel:
            contents = {name: wheel.read(name) for name in wheel.namelist()}
        _pick(pin, patterns, contents, found)
        rare |= {f"{pin}/{name}": content for name, content in contents.items() if _calls_rare(name, content)}
    _pick("rare", {"*": RARE}, rare, found)
    stdlib = Path(sysconfig.get_path("stdlib"))
    for pattern, count in STDLIB_GROUPS.items():
        contents = {path.relative_to(stdlib).as_posix(): path.read_bytes() for path in stdlib.glob(pattern)}
        _pick("stdlib", {pattern: count}, contents, found)
    return sorted(found.values(), key=lambda file: in_fixed_order(file.path))


def _fetch() -> Path:
    """Download the wheels, whatever machine this is: always those of Linux and of Python 3.11 or 2.7."""
    name = hashlib.sha256(json.dumps([sorted(GROUPS), sorted(PYTHON_2)]).encode()).hexdigest()[:16]
    folder = reference.CACHE / "scripts" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = str(reference.environment() / "bin" / "python")
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
            pip += ["--no-deps", "--only-binary", ":all:", "--platform", "any", "--dest", str(folder)]
            kinds = {
                "3.11": "--implementation cp --abi cp311 --abi abi3 --abi none --platform manylinux2014_x86_64",
                "2.7": "--implementation py --abi none",
            }
            for version, options in kinds.items():
                pins = sorted(GROUPS.keys() - PYTHON_2 if version == "3.11" else PYTHON_2)
                command = [*pip, "--python-version", version, *options.split(), *pins]
                subprocess.run(command, check=True, stdout=sys.stderr)
            (folder / "ready").touch()
    return folder


def _calls_rare(name: str, content: bytes) -> bool:
    return name.endswith(".py") and bool(RARE_NAMES.search(content.decode("utf-8", "replace")))


def _pick(group: str, patterns: dict[str, int], contents: dict[str, bytes], found: dict[str, Script]) -> None:
    """Add to `found`, by text, the files of `contents` that `patterns` ask for, drawn by the hash of their names."""
    for pattern, count in patterns.items():
        names = sorted(fnmatch.filter(contents, pattern), key=in_fixed_order)
        wanted = count
        for name in names:
            if not wanted:
                break
            text = _text(name, contents[name])
            if text and text not in found:
                found[text] = Script(f"{group}/{name}", text)
                wanted -= 1


def _text(name: str, content: bytes) -> str | None:
    """Return a script's text; None if it is not UTF-8, does not parse, or is shorter or longer than those of repositories."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if name.endswith(".ipynb"):
        text = "".join(_exported(json.loads(text)))
    if not SHORTEST <= text.count("\n") <= LONGEST or syntax.check(text).syntax_reason:
        return None
    return text


def _exported(notebook: dict[str, object]) -> Iterator[str]:
    """Yield a notebook's cells as `jupyter nbconvert --to script` writes them."""
    from IPython.core.inputtransformer2 import TransformerManager

    to_python: Any = TransformerManager()  # type: ignore[no-untyped-call]
    cells = notebook["cells"]
    assert isinstance(cells, list)
    yield "#!/usr/bin/env python\n# coding: utf-8\n\n"
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            number = cell["execution_count"] or " "
            code = to_python.transform_cell(source)
            yield f"# In[{number}]:\n\n\n{code}\n\n"
        elif cell["cell_type"] == "markdown":
            yield "".join(f"# {line}\n" for line in source.splitlines()) + "\n"
