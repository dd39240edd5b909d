"""Contents of blobs: every defect has its reason, and no bytes whatever raise."""

import gzip
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.journal import Place
from recast.schemas import raw_code
from recast.udfs import contents
from recast.udfs.contents import FETCHED, Content, decode, unpack
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
        assert (content.text is None) == (content.fetch_status in raw_code.REASONS)
        assert (content.text is not None) == (content.fetch_status == FETCHED)
        if content.text is not None:
            content.text.decode()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_gzip_stream_are_not_gzip(raw: bytes) -> None:
    if raw[:2] != b"\x1f\x8b" and raw:
        assert unpack(raw, blob_id(raw), ()) == Content(None, "not_gzip")


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_stream_that_breaks_off_is_not_gzip(raw: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(raw)
    kept = data.draw(st.integers(1, len(packed) - 1))
    assert unpack(packed[:kept], blob_id(raw), ["latin-1"]).fetch_status == "not_gzip"


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_never_taken_for_the_content(raw: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(raw, mtime=0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    found = unpack(bytes(packed), blob_id(raw), ["latin-1"])
    # A flipped bit of the header may cut the stream short; then the bytes are others.
    assert found.fetch_status in ("not_gzip", "wrong_content") or found.text == raw.decode("latin-1").encode()


@pytest.mark.parametrize(
    ("raw", "encodings", "status"),
    [
        (b"caf\xe9", ["UTF-8"], "undecodable"),
        (b"caf\xe9", [], "undecodable"),
        (b"caf\xe9", ["klingon", "ascii"], "undecodable"),
        (b"\xff\xfeh\x00i", ["UTF-16"], "undecodable"),
        (b"\xed\xa0\xbd", ["UTF-8"], "undecodable"),
        (b"\x3d\xd8", ["utf-16-le"], "undecodable"),
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


def test_an_object_beyond_the_limit_is_too_large_packed_or_not_or_as_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_TEXT_BYTES", 1000)
    assert read(b"x" * 1000).fetch_status == FETCHED
    assert read(b"x" * 1001).fetch_status == "too_large", "a bomb is not unpacked any further"
    assert unpack(zlib.compress(b"") + b"y" * 1000, blob_id(b""), ()).fetch_status == "too_large"
    assert read(b"\xe9" * 500, "latin-1").fetch_status == FETCHED
    assert read(b"\xe9" * 501, "latin-1").fetch_status == "too_large"


@pytest.mark.parametrize("other", [b"x = 2\n", b"", b"x = 1", b"x = 1\n" * 2])
def test_another_object_under_a_blobs_name_is_wrong_content(other: bytes) -> None:
    assert unpack(gzip.compress(other), blob_id(b"x = 1\n"), ()) == Content(None, "wrong_content")


def test_an_object_that_is_not_there_is_content_missing(tmp_path: Path) -> None:
    store, text = Place(pafs.LocalFileSystem(), str(tmp_path)), b"x = 1\n"
    assert contents.fetch(store, "0" * 40, ["UTF-8"]) == Content(None, "content_missing")
    (tmp_path / blob_id(text)).write_bytes(gzip.compress(text))
    assert contents.fetch(store, blob_id(text), ["UTF-8"]) == Content(text, FETCHED)
    (tmp_path / ("1" * 40)).mkdir()
    (tmp_path / ("2" * 40)).symlink_to("2" * 40)
    for odd in ("1" * 40, "2" * 40):
        assert contents.fetch(store, odd, ["UTF-8"]) == Content(None, "content_missing"), "no file is in its place"


@pytest.mark.parametrize("name", ["", "../" + "1" * 40, "1" * 39, "A" * 40, "1" * 40 + "\n", "x\0", "n" * 5000])
def test_what_is_no_blob_id_is_not_looked_for(tmp_path: Path, name: str) -> None:
    store = Place(pafs.LocalFileSystem(), str(tmp_path))
    assert contents.fetch(store, name, ["UTF-8"]) == Content(None, "bad_blob_id")


FETCHED_SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("encodings", pa.list_(pa.string())),
        ("text", pa.string()),
        ("fetch_status", pa.string()),
    ]
)


def batches_of(*sizes: int) -> Iterator[pa.RecordBatch]:
    """Yield batches whose doc_ids are numbers in order."""
    first = 0
    for size in sizes:
        names = [str(number) for number in range(first, first + size)]
        yield pa.record_batch({"doc_id": names, "encodings": pa.array([[]] * size, pa.list_(pa.string()))})
        first += size


def test_a_slow_object_holds_up_no_fetch_of_the_next_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    others = threading.Event()

    def fetch(_store: Place, blob_id: str, _encodings: Sequence[str]) -> Content:
        if blob_id == "150":
            others.set()
        return Content(blob_id.encode(), FETCHED if blob_id != "0" or others.wait(10) else "held up")

    monkeypatch.setattr(contents, "fetch", fetch)
    batches = list(contents.fetch_all(batches_of(64, 0, 64, 64, 3), "/nowhere", FETCHED_SCHEMA))
    assert [batch.num_rows for batch in batches] == [64, 64, 64, 3]
    rows = pa.Table.from_batches(batches)
    assert rows["text"].to_pylist() == rows["doc_id"].to_pylist() == [str(number) for number in range(195)]
    assert set(rows["fetch_status"].to_pylist()) == {FETCHED}


def test_no_more_is_read_ahead_than_fills_the_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "fetch", lambda _store, blob_id, _encodings: Content(blob_id.encode(), FETCHED))
    read = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for batch in batches_of(*[64] * 20):
            read += batch.num_rows
            yield batch

    given = contents.fetch_all(counted(), "/nowhere", FETCHED_SCHEMA)
    next(given)
    assert read <= contents.ROWS_AHEAD + 2 * 64
    given.close()


def test_texts_that_fill_more_than_a_batch_come_in_several_and_few_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contents, "MAX_TEXT_BYTES", 1000)
    monkeypatch.setattr(contents, "BYTES_AHEAD", 64_000)
    monkeypatch.setattr(contents, "MAX_BATCH_BYTES", 10_500)
    asked: list[str] = []

    def fetch(_store: Place, blob_id: str, _encodings: Sequence[str]) -> Content:
        asked.append(blob_id)
        return Content(b"x" * 1000, FETCHED) if int(blob_id) % 2 else Content(None, "content_missing")

    monkeypatch.setattr(contents, "fetch", fetch)
    batches, handed_on = [], 0
    for batch in contents.fetch_all(batches_of(64, 200, 1), "/nowhere", FETCHED_SCHEMA):
        batches.append(batch)
        handed_on += batch.num_rows
        # What was asked for and not handed on: 64,000 bytes in texts of half of the rows, and the batch being filled.
        assert len(asked) - handed_on <= 2 * 64 + 2 * 11
    assert max(batch["text"].nbytes for batch in batches) < 10_500 + 1000
    rows = pa.Table.from_batches(batches)
    assert rows["doc_id"].to_pylist() == [str(number) for number in range(265)]
    assert [text is not None for text in rows["text"].to_pylist()] == [number % 2 == 1 for number in range(265)]
    assert [batch.num_rows for batch in batches] == [21, 20, 20, 3, *[21, *[20] * 8, 19], 1]


@pytest.mark.slow
def test_130_blobs_of_the_largest_size_pass_in_bounded_batches(tmp_path: Path) -> None:
    raw = b" " * contents.MAX_TEXT_BYTES
    (tmp_path / blob_id(raw)).write_bytes(gzip.compress(raw))
    batch = pa.record_batch(
        {"doc_id": [blob_id(raw)] * 130, "encodings": pa.array([["UTF-8"]] * 130, pa.list_(pa.string()))}
    )
    sizes = []
    for each in contents.fetch_all([batch], str(tmp_path), FETCHED_SCHEMA):
        assert set(each["fetch_status"].to_pylist()) == {FETCHED}
        sizes.append((each.num_rows, each["text"].nbytes))
    assert sum(rows for rows, _ in sizes) == 130
    assert max(size for _, size in sizes) <= contents.MAX_BATCH_BYTES + 1000


def test_a_store_that_fails_is_not_asked_for_what_was_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(_store: Place, blob_id: str, _encodings: Sequence[str]) -> Content:
        asked.append(blob_id)
        threading.Event().wait(0.05)
        raise OSError("the store is down")

    monkeypatch.setattr(contents, "fetch", fetch)
    with pytest.raises(OSError, match="the store is down"):
        list(contents.fetch_all(batches_of(*[64] * 20), "/nowhere", FETCHED_SCHEMA))
    assert len(asked) <= 3 * contents.FETCHES_AT_ONCE
