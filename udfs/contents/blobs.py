"""What is made of a blob's bytes: unpacked, held against the name that git gives them, and decoded."""

import hashlib
import re
import zlib
from collections.abc import Sequence

from recast.schemas.raw_code import GUESSED, Content
from recast.udfs.encodings import NAMES, normalised, read

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of the object, its bytes and its text: 4 for a character that limits.py lets through
MAX_MEMBERS = 1000  # of a gzip stream; gzip itself writes one
PIECE_BYTES = 16 * 1024  # are unpacked at a time: zlib copies what of them lies behind a member's end
PADDING = re.compile(rb"\0*")  # between members
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
        raw = gunzip(packed)
    except EOFError:
        return Content(None, "cut_off")
    except zlib.error:
        return Content(None, "wrong_content" if plain else "not_gzip")
    if len(raw) > MAX_TEXT_BYTES:
        return Content(None, "too_large")
    if git_name(raw) != blob_id:
        return Content(None, "wrong_content")
    return decode(raw, encodings)


def gunzip(packed: bytes) -> bytes:
    """Return what the members of a gzip stream hold together, and no more than MAX_TEXT_BYTES + 1 of it.

    Takes time linear in `packed`.

    Raises:
        EOFError: the stream breaks off.
        zlib.error: it is none, or damaged, or has more than MAX_MEMBERS members.
    """
    raw, view, at = bytearray(), memoryview(packed), 0
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        while at < len(packed) and not member.eof and len(raw) <= MAX_TEXT_BYTES:
            piece = view[at : at + PIECE_BYTES]
            raw += member.decompress(piece, MAX_TEXT_BYTES + 1 - len(raw))
            at += len(piece) - len(member.unused_data)
        if len(raw) > MAX_TEXT_BYTES:
            return bytes(raw)
        if not member.eof:
            raise EOFError
        at = PADDING.match(packed, at).end()  # type: ignore[union-attr]  # it matches anywhere
        if at == len(packed):
            return bytes(raw)
    raise zlib.error(f"more than {MAX_MEMBERS} members")


def inline(text: bytes | None, blob_id: str, encodings: Sequence[str]) -> Content:
    """Return the content of a blob whose text a source holds itself, as UTF-8, where git's name proves that it is the blob's.

    The blob may be the text in UTF-8 or in any of `encodings`.
    """
    if not BLOB_ID.fullmatch(blob_id):
        return Content(None, "bad_blob_id")
    if text is None:
        return Content(None, "content_missing")
    found = unpack(text, blob_id, encodings, plain=True)
    if found.fetch_status in ("wrong_content", "cut_off") and _is_named(text, blob_id, encodings):
        return Content(text, FETCHED)
    return found if found.fetch_status != "cut_off" else Content(None, "wrong_content")


def _is_named(text: bytes, blob_id: str, encodings: Sequence[str]) -> bool:
    """Say whether a text has git's name in one of the encodings."""
    for encoding in {NAMES[name] for name in map(normalised, filter(None, encodings)) if name in NAMES}:
        try:
            if git_name(text.decode().encode(encoding)) == blob_id:
                return True
        except (UnicodeError, ValueError):
            continue
    return False


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
