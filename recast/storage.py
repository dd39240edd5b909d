"""The one door to storage: how a location, a path or a URI, becomes a file system and a path in it."""

import functools
import mimetypes
import os
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow.fs as pafs

from recast import s3


class Place(NamedTuple):
    """A folder in a file system: what a location means to pyarrow."""

    filesystem: pafs.FileSystem
    path: str

    def joined(self, *parts: str) -> "Place":
        """Return a place below this one."""
        return Place(self.filesystem, "/".join((self.path.rstrip("/"), *parts)))


def place(uri: str) -> Place:
    """Return file system and path of a local path or a URI (`file:`, `s3:`, `s3a:`, `gs:`, `hdfs:`, ...).

    Local paths may hold spaces, percent signs and anything else a file name may. An S3 URI with a query, such as
    ``s3://anonymous@bucket/path?region=us-east-1``, says itself where its store is. Raises pyarrow.ArrowInvalid for a URI
    whose scheme pyarrow does not know.
    """
    scheme, separator, rest = uri.partition(":")
    if not separator or "/" in scheme or (not rest.startswith("/") and scheme != "file"):
        return Place(pafs.LocalFileSystem(), os.path.abspath(uri))
    if scheme == "file":
        return Place(pafs.LocalFileSystem(), "/" + unquote(rest).lstrip("/"))
    if s3.is_s3(uri):
        bucket, path = s3.located(uri)
        where = s3.region() or pafs.resolve_s3_region(bucket)
        return Place(_bucket_files(s3.endpoint(), where), f"{bucket}/{path}".rstrip("/"))
    filesystem, path = pafs.FileSystem.from_uri(f"s3:{rest}" if scheme in s3.SCHEMES else uri)
    return Place(filesystem, path)


def listed(folder: Place, recursive: bool = False) -> list[pafs.FileInfo]:
    """Return what lies in a folder, or anywhere below it; nothing where it is not there."""
    selector = pafs.FileSelector(folder.path, allow_not_found=True, recursive=recursive)
    try:
        return list(folder.filesystem.get_file_info(selector))
    except FileNotFoundError:  # Arrow did not find the folder, looked whether it is there, and it had come
        return list(folder.filesystem.get_file_info(selector))


def upload(file: Path, to: Place) -> None:
    """Copy a file of this machine to a place, with its type for browsers. Raises OSError."""
    kind, _ = mimetypes.guess_type(file.name)
    metadata = {"Content-Type": kind} if kind else None
    with file.open("rb") as source, to.filesystem.open_output_stream(to.path, metadata=metadata) as target:
        shutil.copyfileobj(source, target)


@functools.lru_cache(maxsize=4)
def _bucket_files(endpoint: str, region: str) -> pafs.FileSystem:
    """Return pyarrow's client of a store, which takes keys where AWS's own tools do."""
    scheme, _, host = endpoint.rpartition("://")
    return pafs.S3FileSystem(
        endpoint_override=host.strip("/") or None,
        scheme=scheme or "https",
        region=region,
        connect_timeout=s3.CONNECT_S,
        request_timeout=s3.REQUEST_S,
    )
