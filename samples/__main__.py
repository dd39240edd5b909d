"""``python -m samples --output DIR [--subset small|full]``: build the inputs of `make run`, unless they are there."""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pyarrow as pa

from samples import code, math
from samples.code import SampleError
from samples.sources import PACKAGES, Subset

MANIFEST = "manifest.json"
LANES = ("code", "math")
OUR_SOURCES = ("__main__.py", "code.py", "math.py", "sources.py", "code_files/*", "math_pages/*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m samples", description="Build the sample inputs of both lanes.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to; made if missing")
    parser.add_argument("--subset", choices=get_args(Subset), default="full", help="small: for a small model on a CPU")
    options = parser.parse_args(arguments)
    try:
        folder, built = build(options.output, options.subset)
    except (SampleError, OSError) as error:
        print(f"samples: {error}", file=sys.stderr)
        return 1
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    facts, pages = manifest["code"], manifest["math"]["pages"]
    print(
        f"samples: {facts['repositories']} repositories with {facts['python_files']} Python files, {pages} math pages "
        f"{'written to' if built else 'already in'} {folder}"
    )
    return 0


def build(output: Path, subset: Subset) -> tuple[Path, bool]:
    """Build one subset of both lanes, unless it is there and intact.

    The full set goes to `output` itself, the small one to `output/small`. Each holds `code/data/*.parquet`,
    `code/content/<blob_id>`, `math/*.parquet` and a manifest: what it was made from, what is wrong with which file, and
    the sha256 of every file written.

    Returns:
        The folder, and whether anything was written.

    Raises:
        SampleError: a package that the samples read is missing or of another version.
        OSError: the folder cannot be written.
    """
    folder = output if subset == "full" else output / subset
    source = made_from()
    if intact(folder, source):
        return folder, False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as name:
        draft = Path(name)
        facts = {"code": code.build(draft / "code", subset), "math": math.build(draft / "math", subset)}
        manifest = {"made_from": source, **facts, "files": hashes(draft)}
        # Equal bytes stay where they are: a source's version includes its files' times. The manifest goes first and
        # comes last, so that a build that is cut off leaves a folder that is not taken for intact.
        (folder / MANIFEST).unlink(missing_ok=True)
        if hashes(folder) != manifest["files"]:
            for lane in LANES:
                if (folder / lane).exists():
                    shutil.rmtree(folder / lane)
                (draft / lane).rename(folder / lane)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return folder, True


def made_from() -> dict[str, str]:
    """Return what decides every byte written: versions of the packages read, of pyarrow, and our own sources.

    Raises:
        SampleError: a package that the samples read is missing.
    """
    sources = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted(path for pattern in OUR_SOURCES for path in here.glob(pattern)):
        sources.update(path.name.encode() + b"\0" + path.read_bytes())
    return {
        **code.versions(package.distribution for package in PACKAGES),
        "pyarrow": pa.__version__,
        "samples": sources.hexdigest(),
    }


def intact(folder: Path, source: dict[str, str]) -> bool:
    """Say whether `folder` holds what `source` would be built to, each byte of it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["made_from"] == source and manifest["files"] == hashes(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of the lanes below `folder`, by path."""
    files = sorted(path for lane in LANES for path in (folder / lane).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main())
