"""What is made of a blob's bytes: unpacked, held against the name that git gives them, and decoded."""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Sequence

from recast.schemas.raw_code import GUESSED, Content
from recast.udfs.encodings import read

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of the object, its bytes and its text: 4 for a character that limits.py lets through
FETCHED = "fetched"
BLOB_ID = re.compile("[0-9a-f]{40}")  # anything else could name another place than an object of the store


def unpack(packed: bytes, blob_id: str, encodings: Sequence[str], plain: bool = False) -> Content:
    """Unpack a gzip object of one or more members, see that git would give its bytes the name `blob_id`, and decode them.

    No more than MAX_TEXT_BYTES are unpacked. With `plain` the object may also be the blob's own bytes.
    """
    if len(packed) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    if plain and git_name(packed) == blob_id:
        return decode(packed, encodings)
    if not packed:
        return Content(None, "cut_off")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            raw = unpacked.read(MAX_TEXT_BYTES + 1)
    except EOFError:
        return Content(None, "cut_off")
    except (OSError, zlib.error):
        return Content(None, "wrong_content" if plain else "not_gzip")
    if len(raw) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    if git_name(raw) != blob_id:
        return Content(None, "wrong_content")
    return decode(raw, encodings)


def git_name(raw: bytes) -> str:
    """Return the name that git gives to a file of these bytes: a SHA-1, hexadecimal."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def decode(raw: bytes, encodings: Sequence[str]) -> Content:
    """Decode bytes, of which repositories say that they are in one of `encodings`, as `recast.udfs.encodings` does."""
    text, _, said = read(raw, encodings)
    if text is None:
        return Content(None, said)
    if len(text) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    return Content(text, GUESSED if said == "guess" else FETCHED)
