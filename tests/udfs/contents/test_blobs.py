"""Contents of blobs: every defect has its reason, and no bytes whatever raise."""

import gzip
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.schemas import raw_code
from recast.udfs.contents import blobs
from recast.udfs.contents.blobs import FETCHED, Content, decode, inline, unpack
from recast.udfs.encodings import NAMES
from tests.sources import blob_id

ENCODINGS = st.sampled_from(
    ["UTF-8", "utf-8", "ISO-8859-1", "latin-1", "UTF-16", "windows-1252", "shift_jis", "gb18030", "punycode"]
)


def read(raw: bytes, *encodings: str) -> Content:
    """Return what is made of a blob of these bytes."""
    return unpack(gzip.compress(raw), blob_id(raw), encodings)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["UTF-8", "UTF-16", "gb18030", "utf-8-sig"]))
def test_a_text_comes_back_from_any_encoding_that_can_hold_it(text: str, encoding: str) -> None:
    assert read(text.encode(encoding), encoding) == Content(text.encode(), FETCHED)


@given(st.binary(max_size=200), st.lists(ENCODINGS | st.sampled_from(sorted(NAMES)) | st.text(max_size=12), max_size=4))
def test_no_bytes_and_no_encoding_raise(raw: bytes, encodings: list[str]) -> None:
    for content in (decode(raw, encodings), unpack(raw, blob_id(raw), encodings), read(raw, *encodings)):
        assert (content.text is None) == (content.fetch_status in raw_code.FETCH_FAILURES)
        assert (content.text is not None) == (content.fetch_status in (FETCHED, raw_code.GUESSED))
        if content.text is not None:
            content.text.decode()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_gzip_stream_are_not_gzip(raw: bytes) -> None:
    if raw[:2] != b"\x1f\x8b" and len(raw) > 1:
        assert unpack(raw, blob_id(raw), ()) == Content(None, "not_gzip")


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_stream_that_breaks_off_is_cut_off(raw: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(raw)
    kept = data.draw(st.integers(1, len(packed) - 1))
    assert unpack(packed[:kept], blob_id(raw), ["latin-1"]).fetch_status == "cut_off"


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_never_taken_for_the_content(raw: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(raw, mtime=0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    found = unpack(bytes(packed), blob_id(raw), ["latin-1"])
    # A flipped bit of the header may cut the stream short, or make it longer than it is.
    assert (
        found.fetch_status in ("not_gzip", "cut_off", "wrong_content") or found.text == raw.decode("latin-1").encode()
    )


@pytest.mark.parametrize(
    ("raw", "encodings", "status"),
    [
        (bytes(range(256)), ["UTF-8"], "undecodable"),
        (b"\xff\xfeh\x00i", ["UTF-16"], "undecodable"),
        (b"x", ["klingon"], "unknown_encoding"),
        (b"x", ["klingon", "punycode", "AAA", ""], "unknown_encoding"),
        *((b"x", [name], "unknown_encoding") for name in ("rot13", "hex", "zip", "uu", "idna", "undefined", "mbcs")),
        *((b"+2D0-", [name], "unknown_encoding") for name in ("utf-7", "U7", "unicode_1_1_utf_7")),
        *((rb"\ud83d", [name], "unknown_encoding") for name in ("unicode_escape", "raw-unicode-escape")),
        *((b"x", [name], "unknown_encoding") for name in ("../etc/passwd", "x" * 100_000, "\0", "é", "EUC-TW")),
    ],
)
def test_a_defect_has_its_reason(raw: bytes, encodings: list[str], status: str) -> None:
    assert read(raw, *encodings) == Content(None, status)


@pytest.mark.parametrize(
    ("raw", "encodings", "text"),
    [
        (b"caf\xe9", ["latin-1"], "café"),
        (b"caf\xe9", [" Latin_1 "], "café"),
        ("日本".encode("shift_jis"), ["Shift-JIS"], "日本"),
        ("п".encode("koi8-r"), ["KOI8-R", "cp1251"], "п"),
        ("п".encode("koi8-r"), ["cp1251", "KOI8-R"], "\u0420"),
        (b"a\0b", ["UTF-8"], "a\0b"),  # what the parser refuses is the parser's to say
        (b"\xef\xbb\xbfx", ["UTF-8"], "\ufeffx"),
        (b"", ["UTF-8"], ""),
        ("é".encode(), [], "é"),
        ("é".encode(), ["ascii"], "é"),  # whatever is named, bytes that are UTF-8 are not lost
        ("é!".encode(), ["UTF-16-LE", "AAA"], "é!"),
        (b"caf\xe9", ["AAA", "UTF-8", "latin-1"], "café"),
    ],
)
def test_the_first_encoding_in_which_the_bytes_are_text_is_taken(raw: bytes, encodings: list[str], text: str) -> None:
    assert read(raw, *encodings) == Content(text.encode(), FETCHED)


@pytest.mark.parametrize("encodings", [["UTF-8"], [], ["klingon", "ascii"]])
def test_bytes_in_no_encoding_that_is_named_are_read_by_a_guess_that_says_so(encodings: list[str]) -> None:
    assert read(b"caf\xe9", *encodings) == Content("café".encode(), raw_code.GUESSED)


def test_an_object_beyond_the_limit_is_too_large_packed_or_not_or_as_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_TEXT_BYTES", 1000)
    assert read(b"x" * 1000).fetch_status == FETCHED
    assert read(b"x" * 1001).fetch_status == "too_large", "a bomb is not unpacked any further"
    assert unpack(zlib.compress(b"") + b"y" * 1000, blob_id(b""), ()).fetch_status == "too_large"
    assert read(b"\xe9" * 500, "latin-1").fetch_status == FETCHED
    assert read(b"\xe9" * 501, "latin-1").fetch_status == "too_large"


@pytest.mark.parametrize("other", [b"x = 2\n", b"", b"x = 1", b"x = 1\n" * 2])
def test_another_object_under_a_blobs_name_is_wrong_content(other: bytes) -> None:
    assert unpack(gzip.compress(other), blob_id(b"x = 1\n"), ()) == Content(None, "wrong_content")


def test_the_members_of_a_stream_are_one_content() -> None:
    raw = b"x = 1\n" * 100
    packed = gzip.compress(raw[:100]) + gzip.compress(b"") + gzip.compress(raw[100:])
    assert unpack(packed, blob_id(raw), ()) == Content(raw, FETCHED)
    assert unpack(packed + b"\0" * 10, blob_id(raw), ()) == Content(raw, FETCHED), "zeros behind it are padding"
    assert unpack(packed[:-5], blob_id(raw), ()).fetch_status == "cut_off"
    assert unpack(packed + b"junk", blob_id(raw), ()).fetch_status == "not_gzip"


def test_a_stream_of_very_many_members_is_not_gzip_and_costs_no_time() -> None:
    empty, name = gzip.compress(b""), blob_id(b"")
    assert unpack(empty * blobs.MAX_MEMBERS, name, ()) == Content(b"", FETCHED)
    start = time.process_time()
    for packed in (empty * (blobs.MAX_TEXT_BYTES // len(empty)), empty + b"\0" * (blobs.MAX_TEXT_BYTES - 40) + b"x"):
        assert unpack(packed, name, ()).fetch_status in ("not_gzip", "cut_off")
    padded = (empty + b"\0" * 4000) * 900
    assert unpack(padded, name, ()) == Content(b"", FETCHED)
    assert time.process_time() - start < 1.0


def test_an_object_without_bytes_is_cut_off() -> None:
    assert unpack(b"", blob_id(b"x"), ()).fetch_status == "cut_off"


@pytest.mark.parametrize("nested", [1, 2, 3])
def test_a_bomb_of_any_nesting_is_unpacked_no_further_than_the_limit(nested: int) -> None:
    packed = b"\0" * (64 << 20)
    for _ in range(nested):
        packed = gzip.compress(packed, 9)
    assert len(packed) < blobs.MAX_TEXT_BYTES
    import tracemalloc

    tracemalloc.start()
    found = unpack(packed, blob_id(b"x"), ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.fetch_status in ("too_large", "wrong_content"), "what is packed twice is another content"
    assert peak < 5 * blobs.MAX_TEXT_BYTES


def test_a_mirror_may_have_a_blob_as_it_is_and_whatever_it_has_is_held_against_the_blobs_name() -> None:
    raw = b"x = 1\n"
    assert unpack(raw, blob_id(raw), (), plain=True) == unpack(gzip.compress(raw), blob_id(raw), (), plain=True)
    assert unpack(raw, blob_id(raw), (), plain=True) == Content(raw, FETCHED)
    assert unpack(b"", blob_id(b""), (), plain=True) == Content(b"", FETCHED)
    assert unpack(b"<html>not found</html>", blob_id(raw), (), plain=True).fetch_status == "wrong_content"
    packed = gzip.compress(raw)
    assert unpack(packed, blob_id(packed), ("latin-1",), plain=True).text == packed.decode("latin-1").encode()


def test_a_text_that_the_source_holds_is_held_against_the_blobs_name_in_every_encoding_that_is_named() -> None:
    for raw, encoding in ((b"x = 1\n", "UTF-8"), ("caf\xe9".encode("latin-1"), "ISO-8859-1"), (b"", "UTF-8")):
        text = raw.decode(encoding).encode()
        assert inline(text, blob_id(raw), [encoding]) == Content(text, FETCHED)
    assert inline("caf\xe9".encode(), blob_id("caf\xe9".encode("latin-1")), ["UTF-8"]) == Content(None, "wrong_content")
    assert inline(b"changed", blob_id(b"x"), ["UTF-8", "klingon"]) == Content(None, "wrong_content")
    assert inline(b"", blob_id(b"x"), []) == Content(None, "wrong_content")
    assert inline(None, blob_id(b"x"), []) == Content(None, "content_missing")
    assert inline(b"x", "x", []) == Content(None, "bad_blob_id")
    picture = bytes(range(256))
    assert inline(picture, blob_id(picture), ["UTF-8"]) == Content(None, "undecodable")
    large = b"#" * (blobs.MAX_TEXT_BYTES + 1)
    assert inline(large, blob_id(large), ["UTF-8"]) == Content(None, "too_large")
