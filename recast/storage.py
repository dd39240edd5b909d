"""The one door to storage: how a location, a path or a URI, becomes a file system and a path in it."""

import os
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow.fs as pafs


class Place(NamedTuple):
    """A folder in a file system: what a location means to pyarrow."""

    filesystem: pafs.FileSystem
    path: str

    def joined(self, *parts: str) -> "Place":
        """Return a place below this one."""
        return Place(self.filesystem, "/".join((self.path.rstrip("/"), *parts)))


def place(uri: str) -> Place:
    """Return file system and path of a local path or a URI (`file:`, `s3:`, `s3a:`, `gs:`, `hdfs:`, ...).

    Local paths may hold spaces, percent signs and anything else a file name may. Raises pyarrow.ArrowInvalid for a URI
    whose scheme pyarrow does not know.
    """
    scheme, separator, rest = uri.partition(":")
    if not separator or "/" in scheme or (not rest.startswith("/") and scheme != "file"):
        return Place(pafs.LocalFileSystem(), os.path.abspath(uri))
    if scheme == "file":
        return Place(pafs.LocalFileSystem(), "/" + unquote(rest).lstrip("/"))
    filesystem, path = pafs.FileSystem.from_uri(f"s3:{rest}" if scheme in ("s3a", "s3n") else uri)
    return Place(filesystem, path)
