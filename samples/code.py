"""The code lane's input: a folder in the schema of the-stack-v2-train-smol-ids, and the contents it points to.

The Python files come from packages that `requirements/dev.txt` pins, read where they are installed, and from a few
small repositories of our own (`code_files/`) that hold what packages do not: Python 2, homework, rare encodings,
and contents that are broken on purpose. Given the same lock, every byte written is the same.
"""

import gzip
import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from samples.sources import COPIED, COPIES, NO_LICENSE, OWN, PACKAGES, Package, Subset, Written, built

# The dataset's card, bigcode/the-stack-v2-train-smol-ids: columns and types as published.
FILE = pa.struct(
    [
        ("blob_id", pa.string()),
        ("path", pa.string()),
        ("content_id", pa.string()),
        ("language", pa.string()),
        ("length_bytes", pa.int64()),
        ("detected_licenses", pa.list_(pa.string())),
        ("license_type", pa.string()),
        ("src_encoding", pa.string()),
        ("is_vendor", pa.bool_()),
        ("is_generated", pa.bool_()),
        ("alphanum_fraction", pa.float32()),
        ("alpha_fraction", pa.float32()),
        ("num_lines", pa.int32()),
        ("avg_line_length", pa.float32()),
        ("max_line_length", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        ("repo_name", pa.string()),
        ("repo_url", pa.string()),
        ("snapshot_id", pa.string()),
        ("revision_id", pa.string()),
        ("directory_id", pa.string()),
        ("branch_name", pa.string()),
        ("visit_date", pa.timestamp("ns")),
        ("revision_date", pa.timestamp("ns")),
        ("committer_date", pa.timestamp("ns")),
        ("github_id", pa.int64()),
        ("star_events_count", pa.int64()),
        ("fork_events_count", pa.int64()),
        ("gha_license_id", pa.string()),
        ("gha_created_at", pa.timestamp("ns")),
        ("gha_updated_at", pa.timestamp("ns")),
        ("gha_pushed_at", pa.timestamp("ns")),
        ("gha_language", pa.string()),
        ("files", pa.list_(FILE)),
        ("num_files", pa.int64()),
    ]
)


class SampleError(Exception):
    """The samples cannot be built here; the message says what to do."""


class SourceFile(NamedTuple):
    """A file on its way into the dataset. `stored` is the content object, None where the store shall lack it."""

    path: str
    data: bytes
    encoding: str
    stored: bytes | None
    defects: tuple[str, ...]


class Repository(NamedTuple):
    """A row of the dataset before it is one."""

    name: str
    version: str
    licenses: tuple[str, ...]
    files: tuple[SourceFile, ...]


# What the full set takes besides Python, two files of a package at most, by what the name ends in.
OTHER_LANGUAGES = {
    ".css": "CSS",
    ".html": "HTML",
    ".js": "JavaScript",
    ".json": "JSON",
    ".md": "Markdown",
    ".sh": "Shell",
    ".txt": "Text",
    ".yaml": "YAML",
}
MAX_OTHER_FILES = 2
# Below is hardly a program, above costs a sample run more than it shows.
MIN_BYTES, MAX_BYTES = 200, 30_000
STORE_AS_IS = "not_gzip"
STORE_ANOTHER = "wrong_content"
GZIP_BYTES_KEPT = {"gzip_cut_off": 30}

PARQUET_FILES = {"small": 3, "full": 6}


def build(folder: Path, subset: Subset) -> dict[str, Any]:
    """Write `data/*.parquet` and `content/<blob_id>` under `folder`.

    Returns:
        Facts for the manifest: repositories, files and Python files (counts), and `defects`, the blob ids by defect.

    Raises:
        SampleError: a package is missing, or holds a file no longer that is named here.
    """
    repositories = sorted([*packaged(subset), *own(subset), copies()])
    content, data = folder / "content", folder / "data"
    content.mkdir(parents=True)
    data.mkdir(parents=True)
    defects: dict[str, set[str]] = {}
    for repository in repositories:
        for file in repository.files:
            if file.stored is not None:
                (content / blob_id(file.data)).write_bytes(file.stored)
            for defect in file.defects:
                defects.setdefault(defect, set()).add(blob_id(file.data))
    rows = [row(repository) for repository in repositories]
    count = PARQUET_FILES[subset]
    for index in range(count):
        table = pa.Table.from_pylist(rows[index::count], schema=SCHEMA)
        pq.write_table(table, data / f"train-{index:05d}-of-{count:05d}.parquet", compression="zstd", version="2.6")
    files = [file for repository in rows for file in repository["files"]]
    return {
        "repositories": len(rows),
        "files": len(files),
        "python_files": sum(file["language"] == "Python" for file in files),
        "defects": {defect: sorted(blobs) for defect, blobs in sorted(defects.items())},
    }


def packaged(subset: Subset) -> Iterator[Repository]:
    """Yield the installed packages as repositories.

    Raises:
        SampleError: a package is missing, or holds a file no longer that is named here.
    """
    for package in PACKAGES:
        if subset == "small" and not package.short:
            continue
        distribution = installed(package.distribution)
        files = [package_file(distribution, path) for path in chosen(package, distribution, subset)]
        yield Repository(package.repo_name, distribution.version, package.licenses, tuple(sorted(files)))


def installed(name: str) -> importlib.metadata.Distribution:
    """Return the installed distribution of that name.

    Raises:
        SampleError: there is none, or it does not list its files.
    """
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise SampleError(f"the samples read {name}, which is not installed: run `make install`") from None
    if not distribution.files:
        raise SampleError(f"the samples read {name}, but its installation lists no files: install it with pip or uv")
    return distribution


def chosen(package: Package, distribution: importlib.metadata.Distribution, subset: Subset) -> list[str]:
    """Return the paths in the wheel that `subset` takes from `package`, sorted.

    The full set takes what the small set takes, and more.
    """
    named = {*package.short, *package.long}
    if subset == "small":
        return sorted(named)
    listed = sorted(str(path) for path in distribution.files or () if not str(path).startswith(".."))
    python = [
        path
        for path in listed
        if path.endswith(".py") and MIN_BYTES <= Path(str(distribution.locate_file(path))).stat().st_size <= MAX_BYTES
    ]
    spread = [python[index * len(python) // package.spread] for index in range(package.spread)]
    others = [path for path in listed if Path(path).suffix in OTHER_LANGUAGES and ".dist-info/" not in path]
    more = others[:MAX_OTHER_FILES] if package.spread else []
    return sorted({*named, *package.named, *spread, *more})


def package_file(distribution: importlib.metadata.Distribution, path: str) -> SourceFile:
    """Read one file of an installed distribution.

    Raises:
        SampleError: it is not there.
    """
    try:
        data = Path(str(distribution.locate_file(path))).read_bytes()
    except FileNotFoundError:
        name = f"{distribution.name} {distribution.version}"
        raise SampleError(f"{name} holds no {path}: install the version that requirements/dev.txt pins") from None
    defects = ("vendored",) * is_vendored(path) + ("generated",) * is_generated(path)
    return SourceFile(f"/{path}", data, "UTF-8", compressed(data), defects)


def own(subset: Subset) -> Iterator[Repository]:
    """Yield the repositories that we wrote."""
    for name, licenses, written in OWN:
        files = [own_file(file) for file in written if file.subset == "small" or subset == "full"]
        yield Repository(name, "1", licenses, tuple(sorted(files)))


def own_file(written: Written) -> SourceFile:
    """Encode one file of our own and compress it, or do to it what its defect says."""
    if written.source in built():
        data = built()[written.source]
    elif written.source:
        text = package_files("samples").joinpath("code_files", f"{written.source}.txt").read_text(encoding="utf-8")
        data = text.encode(written.encoding)
    else:
        data = b""
    stored: bytes | None = compressed(data)
    if written.source == "content_missing":
        stored = None
    elif written.source == STORE_AS_IS:
        stored = data
    elif written.source == STORE_ANOTHER:
        stored = compressed(data.replace(b"False", b"True"))
    elif written.source in GZIP_BYTES_KEPT:
        stored = compressed(data)[: GZIP_BYTES_KEPT[written.source]]
    return SourceFile(written.path, data, written.encoding, stored, written.defects)


def copies() -> Repository:
    """Return the repository that holds files of other repositories."""
    files = []
    for name, path in COPIED:
        file = package_file(installed(name), path)
        files.append(file._replace(path=f"/vendor/{Path(path).name}", defects=("same_blob", "vendored")))
    return Repository(COPIES, "1", NO_LICENSE, tuple(sorted(files)))


def row(repository: Repository) -> dict[str, Any]:
    """Return the repository in the shape of `SCHEMA`.

    Ids, dates and counts are made up: hashes of the repository's name and version, so that they never change.
    """
    seed = f"{repository.name}@{repository.version}"
    files = [file_row(file, repository.licenses) for file in repository.files]
    on_github_archive = number(f"gha:{repository.name}", 3) > 0
    created, pushed = moment(f"created:{repository.name}", 2015, 5), moment(f"pushed:{seed}", 2022, 1)
    return {
        "repo_name": repository.name,
        "repo_url": f"https://github.com/{repository.name}",
        "snapshot_id": sha1(f"snapshot:{seed}"),
        "revision_id": sha1(f"revision:{seed}"),
        "directory_id": sha1("directory:" + ",".join(file["path"] + file["blob_id"] for file in files)),
        "branch_name": f"refs/heads/{('main', 'master')[number(f'branch:{repository.name}', 2)]}",
        "visit_date": moment(f"visit:{seed}", 2023, 1),
        "revision_date": pushed,
        "committer_date": pushed,
        "github_id": 1_000_000 + number(f"github:{repository.name}", 600_000_000) if on_github_archive else None,
        "star_events_count": number(f"stars:{repository.name}", 5_000),
        "fork_events_count": number(f"forks:{repository.name}", 500),
        "gha_license_id": repository.licenses[0] if on_github_archive and repository.licenses else None,
        "gha_created_at": created if on_github_archive else None,
        "gha_updated_at": pushed if on_github_archive else None,
        "gha_pushed_at": pushed if on_github_archive else None,
        # The dataset names one language of the whole repository here, so a filter on it would lose files.
        "gha_language": ("Python", "JavaScript", None)[number(f"language:{repository.name}", 3)],
        "files": files,
        "num_files": len(files),
    }


def file_row(file: SourceFile, licenses: tuple[str, ...]) -> dict[str, Any]:
    """Return the file in the shape of `FILE`; fractions and lengths are in characters of its text."""
    try:
        text = file.data.decode(file.encoding)
    except (LookupError, UnicodeDecodeError):
        text = file.data.decode("latin-1")
    lines = text.splitlines() or [""]
    characters = max(len(text), 1)
    counted = {each: text.count(each) for each in set(text)}
    return {
        "blob_id": blob_id(file.data),
        "path": file.path,
        "content_id": hashlib.sha1(file.data).hexdigest(),
        "language": language(file.path),
        "length_bytes": len(file.data),
        "detected_licenses": list(licenses),
        "license_type": "permissive" if licenses else "no_license",
        "src_encoding": file.encoding,
        "is_vendor": is_vendored(file.path),
        "is_generated": is_generated(file.path),
        "alphanum_fraction": sum(count for each, count in counted.items() if each.isalnum()) / characters,
        "alpha_fraction": sum(count for each, count in counted.items() if each.isalpha()) / characters,
        "num_lines": len(lines),
        "avg_line_length": sum(map(len, lines)) / len(lines),
        "max_line_length": max(map(len, lines)),
    }


def language(path: str) -> str:
    """Return the language that the dataset would name for a file of that name."""
    return OTHER_LANGUAGES.get(Path(path).suffix, "Python")


def is_vendored(path: str) -> bool:
    """Say whether the path is in a folder for copies of other projects."""
    return re.search(r"(^|/)_?vendor(ed)?/", path) is not None


def is_generated(path: str) -> bool:
    """Say whether the path is that of a protobuf module."""
    return path.endswith(("_pb2.py", "_pb2_grpc.py"))


def compressed(data: bytes) -> bytes:
    """Return `data` as a gzip stream without a time, so that it is the same every time."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def blob_id(data: bytes) -> str:
    """Return the id that git gives to a file of these bytes: sha1 over a header and the bytes, hexadecimal."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha1(text: str) -> str:
    """Return the sha1 of `text`, hexadecimal."""
    return hashlib.sha1(text.encode()).hexdigest()


def number(seed: str, below: int) -> int:
    """Return a number from 0 up to `below` that depends on `seed` alone."""
    return int(sha1(seed)[:12], 16) % below


def moment(seed: str, first_year: int, years: int) -> datetime:
    """Return a second (UTC, without zone) in the `years` years from `first_year` on that depends on `seed` alone."""
    start = datetime(first_year, 1, 1, tzinfo=UTC).timestamp()
    return datetime.fromtimestamp(start + number(seed, years * 365 * 86_400), tz=UTC).replace(tzinfo=None)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each distribution.

    Raises:
        SampleError: one is missing.
    """
    return {name: installed(name).version for name in names}
