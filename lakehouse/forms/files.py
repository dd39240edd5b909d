"""The files of a source that is a folder: which Spark would read, what names their present state, what is wrong with them."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import pyarrow.fs as pafs

from recast import s3
from recast.lakehouse.settings import is_local
from recast.settings import UserError
from recast.storage import place

FILES_AT_ONCE = 16
MOST_HASHED = 1_000_000  # a second or two
PARQUET = (".parquet",)
JSON_LINES = tuple(f"{kind}{packed}" for kind in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zst"))
LFS_POINTER = b"version https://git-lfs"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
Found = TypeVar("Found")


def files_of(location: str, endings: Sequence[str] = PARQUET) -> list[pafs.FileInfo]:
    """Return the files below `location` whose names have one of the `endings`, sorted by path.

    Raises:
        UserError: there is no such folder, it holds no such file, a link in it leads nowhere or in a circle, or what it
            holds is a table, which is more than its files.
    """
    files = [each for each in data_files(location) if each.path.endswith(tuple(endings))]
    if not files:
        raise UserError(f"source folder {location} holds no {endings[0]} file")
    return files


def data_files(location: str) -> list[pafs.FileInfo]:
    """Return the files below `location` that Spark would read, whatever they hold, sorted by path.

    Raises:
        UserError: as `files_of` says.
    """
    require_folder(location)
    if is_local(location):
        require_sound_links(location)
    filesystem, root = place(location)
    try:
        listed = filesystem.get_file_info(pafs.FileSelector(root, recursive=True))
    except OSError as problem:
        raise unlisted(location, problem) from None
    for each in listed:
        require_no_table(location, each.path.removeprefix(root).lstrip("/"))
    files = [each for each in listed if each.type == pafs.FileType.File and is_data(each.path.removeprefix(root))]
    return sorted(files, key=lambda each: each.path)


def is_data(path: str) -> bool:
    """Say whether Spark would read a file: it passes over names that start with a dot, or with an underscore and are no
    name of a partition (`_lang=py`).

    https://github.com/apache/spark/blob/v4.1.0/core/src/main/scala/org/apache/spark/util/HadoopFSUtils.scala
    (`shouldFilterOutPathName`)
    """
    return not re.search(r"(^|/)(\.|_(?![^/]*=))", path)


def unlisted(folder: str, problem: OSError) -> UserError:
    """Return one line about a folder whose files cannot be listed."""
    return UserError(f"the files of {folder} cannot be listed: {problem.strerror or problem}")


def as_a_name(path: str) -> str:
    """Return a path as Spark takes it for a name: it reads some characters as patterns."""
    return re.sub(r"([][{}*?\\])", r"\\\1", path)


def spark_names(location: str, paths: Iterable[str] | None) -> list[str]:
    """Return what Spark is to read of a folder: files by pyarrow's paths, or the folder itself where these are None."""
    if paths is None:
        return [as_a_name(location)]
    root = place(location).path
    below = (path.removeprefix(root).lstrip("/") for path in paths)
    return [as_a_name(f"{location.rstrip('/')}/{name}") for name in below]


def duckdb_name(path: str, folder: str) -> str:
    """Return a path below `folder` as a string of DuckDB's SQL that it takes for a name, and for no pattern.

    The folder's own name stays, since it is compared with the names of folders that may be read.
    """
    below = re.sub(r"([*?[])", r"[\1]", path.removeprefix(folder))
    return "'{}'".format((folder + below).replace("'", "''"))


def require_folder(location: str) -> None:
    """Stop where there is no folder.

    Raises:
        UserError: there is nothing, or a file, or its bucket cannot be used.
    """
    if s3.is_s3(location):
        s3.require(location)
    filesystem, path = place(location)
    found = filesystem.get_file_info(path).type
    if found == pafs.FileType.NotFound:
        raise UserError(f"source folder {location} does not exist")
    if found == pafs.FileType.File:
        raise UserError(f"{location} is a file; give the folder that holds the source's files")


def require_no_table(location: str, path: str) -> None:
    """Refuse a folder with a table in it: the table's files hold rows that were deleted from it, too.

    Raises:
        UserError: the `path` below `location` belongs to the log of a table.
    """
    above, _, name = path.rpartition("/")
    table, _, log = above.rpartition("/")
    if not is_data(table):
        return
    folder = f"{location}/{table}".rstrip("/")
    if log == "_delta_log" or (log == "metadata" and name.endswith(".metadata.json")):
        raise UserError(f"{location} holds the table {folder}; name that")
    if log == ".hoodie":
        raise UserError(f"{folder} is a Hudi table; name it as its catalogue does, such as catalog.database.table")


def require_no_table_above(location: str) -> None:
    """Refuse a folder that belongs to a Delta or Hudi table, or to an Iceberg table that keeps a hint of its version.

    Raises:
        UserError: a folder above `location` holds a table's log.
    """
    filesystem, path = place(location)
    parts = path.rstrip("/").split("/")
    above = ["/".join(parts[:end]) for end in range(2, len(parts))]
    for kind, log in {"Delta": "_delta_log", "Hudi": ".hoodie", "Iceberg": "metadata/version-hint.text"}.items():
        for folder, found in zip(above, filesystem.get_file_info([f"{each}/{log}" for each in above]), strict=True):
            if found.type != pafs.FileType.NotFound:
                raise UserError(f"{location} is a folder of the {kind} table {folder}; name the table")


def require_sound_links(location: str) -> None:
    """Stop at a link that leads nowhere, which every reader passes over, and at one that leads in a circle.

    Raises:
        UserError: the link.
    """

    def walk(folder: str, above: tuple[str, ...]) -> None:
        real = os.path.realpath(folder)
        if real in above:
            raise UserError(f"{folder} is a link to a folder that holds it; remove it")
        try:
            entries = list(os.scandir(folder))
        except OSError as problem:
            raise unlisted(folder, problem) from None
        for entry in entries:
            if not is_data(entry.name):
                continue
            if entry.is_dir():
                walk(entry.path, (*above, real))
            elif entry.is_symlink() and entry.name.endswith(PARQUET + JSON_LINES) and not entry.is_file():
                raise UserError(f"{entry.path} is a link to a file that is not there; fetch it again")

    walk(location, ())


def linked_folders(location: str) -> set[str]:
    """Return the folders in which the files are to which links below a local folder lead."""
    paths = [each.path for each in data_files(location)] if is_local(location) else []
    return {os.path.dirname(os.path.realpath(path)) for path in paths} - {os.path.dirname(path) for path in paths}


def listing_version(location: str, endings: Sequence[str] = PARQUET) -> str:
    """Return a fingerprint of the names, sizes and times of the source's files, which the folder's place does not change.

    Raises:
        UserError: as `files_of` says.
    """
    return fingerprint(place(location).path, files_of(location, endings))


def fingerprint(root: str, files: Iterable[pafs.FileInfo]) -> str:
    """Return a fingerprint of the names below `root`, sizes and times of files that are sorted by path."""
    digest = hashlib.sha256()
    for each in files:
        digest.update(f"{each.path.removeprefix(root)}\0{each.size}\0{each.mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def added_files(location: str, before: str, endings: Sequence[str] = PARQUET) -> list[str] | None:
    """Return the paths of the files that came since `listing_version` returned `before`; None where that is not all that changed.

    Nothing is remembered of the older files: where the newest files came, the others have the older fingerprint. How many are
    the newest is tried, so many that the trying hashes no more than MOST_HASHED names.

    Raises:
        UserError: as `files_of` says.
    """
    root, files = place(location).path, files_of(location, endings)
    times = sorted({each.mtime_ns for each in files}, reverse=True)
    for time in times[: MOST_HASHED // len(files)]:
        if fingerprint(root, (each for each in files if each.mtime_ns < time)) == before:
            return [each.path for each in files if each.mtime_ns >= time]
    return None


def of_each(files: Sequence[pafs.FileInfo], look: Callable[[str], Found]) -> tuple[Found, ...]:
    """Return what `look` finds in each file, a bounded number of them at once, in their order."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return tuple(pool.map(lambda file: look(file.path), files))


def refuse(path: str, begins: bytes, kind: str, why: str) -> NoReturn:
    """Say in one line what is wrong with a file that cannot be read as `kind`.

    Raises:
        UserError: always.
    """
    if begins.startswith(LFS_POINTER):
        raise UserError(f"{path} is a Git LFS pointer; fetch the file itself with: git lfs pull")
    raise UserError(f"{path} is not {kind}, or not all of one: {why if begins else 'it is empty'}")
