"""Contents of blobs: every defect has its reason, and no bytes whatever raise."""

import gzip
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import raw_code
from udfs import contents
from udfs.contents import FETCHED, Content, decode
from udfs.journal import Place

ENCODINGS = st.sampled_from(
    ["UTF-8", "utf-8", "ISO-8859-1", "latin-1", "UTF-16", "windows-1252", "shift_jis", "gb18030", None]
)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["UTF-8", "UTF-16", "utf-7", "gb18030", "utf-8-sig"]))
def test_a_text_comes_back_from_any_encoding_that_can_hold_it(text: str, encoding: str) -> None:
    assert decode(gzip.compress(text.encode(encoding)), encoding) == Content(text, FETCHED)


@given(st.binary(max_size=200), ENCODINGS | st.text(max_size=12))
def test_no_bytes_and_no_encoding_raise(raw: bytes, encoding: str | None) -> None:
    for packed in (raw, gzip.compress(raw)):
        content = decode(packed, encoding)
        assert (content.text is None) == (content.status in raw_code.REASONS)
        assert (content.text is not None) == (content.status == FETCHED)
        if content.text is not None:
            content.text.encode()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_gzip_stream_are_not_gzip(raw: bytes) -> None:
    if raw[:2] != b"\x1f\x8b" and raw:
        assert decode(raw, "UTF-8") == Content(None, "not_gzip")


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_stream_that_breaks_off_is_not_gzip(raw: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(raw)
    kept = data.draw(st.integers(1, len(packed) - 1))
    assert decode(packed[:kept], "latin-1").status == "not_gzip"


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_never_taken_for_the_content(raw: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(raw, mtime=0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    found = decode(bytes(packed), "latin-1")
    assert found == Content(None, "not_gzip") or found.text == raw.decode("latin-1")


@pytest.mark.parametrize(
    ("raw", "encoding", "status"),
    [
        (b"caf\xe9", "UTF-8", "undecodable"),
        (b"caf\xe9", None, "undecodable"),
        (b"\xff\xfeh\x00i", "UTF-16", "undecodable"),
        (b"+2D0-", "utf-7", "lone_surrogates"),
        (rb"\ud83d", "unicode_escape", "lone_surrogates"),
        (b"x", "klingon", "unknown_encoding"),
        (b"x", "rot13", "unknown_encoding"),
        (b"x", "hex", "unknown_encoding"),
        (b"x", "../etc/passwd", "unknown_encoding"),
    ],
)
def test_a_defect_has_its_reason(raw: bytes, encoding: str | None, status: str) -> None:
    assert decode(gzip.compress(raw), encoding) == Content(None, status)


def test_an_encoding_is_the_sources_word_and_not_a_guess() -> None:
    assert decode(gzip.compress(b"caf\xe9"), "latin-1").text == "café"
    assert decode(gzip.compress("日本".encode("shift_jis")), "shift_jis").text == "日本"
    assert decode(gzip.compress(b"a\0b"), "UTF-8").text == "a\0b", "what the parser refuses is the parser's to say"
    assert decode(gzip.compress(b"\xef\xbb\xbfx"), "UTF-8").text == "\ufeffx"
    assert decode(gzip.compress(b""), "UTF-8").text == ""


def test_an_object_beyond_the_limit_is_too_large_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_TEXT_BYTES", 1000)
    assert decode(gzip.compress(b"x" * 1000), "UTF-8").status == FETCHED
    assert decode(gzip.compress(b"x" * 1001), "UTF-8").status == "too_large", "a bomb is not unpacked any further"
    assert decode(zlib.compress(b"") + b"y" * 1000, "UTF-8").status == "too_large"


def test_an_object_that_is_not_there_is_content_missing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    store = Place(pafs.LocalFileSystem(), str(tmp_path))
    assert contents.fetch(store, "0" * 40, "UTF-8") == Content(None, "content_missing")
    (tmp_path / ("1" * 40)).write_bytes(gzip.compress(b"x = 1\n"))
    assert contents.fetch(store, "1" * 40, "UTF-8") == Content("x = 1\n", FETCHED)


@pytest.mark.parametrize("blob_id", ["", "../" + "1" * 40, "1" * 39, "A" * 40, "x\0", "n" * 5000])
def test_what_is_no_blob_id_is_not_looked_for(tmp_path: Path, blob_id: str) -> None:
    store = Place(pafs.LocalFileSystem(), str(tmp_path))
    assert contents.fetch(store, blob_id, "UTF-8") == Content(None, "bad_blob_id")


FETCHED_SCHEMA = pa.schema([(name, pa.string()) for name in ("doc_id", "src_encoding", "text", "fetch_status")])


def batches_of(*sizes: int) -> Iterator[pa.RecordBatch]:
    """Yield batches whose doc_ids are numbers in order."""
    first = 0
    for size in sizes:
        names = [str(number) for number in range(first, first + size)]
        yield pa.record_batch({"doc_id": names, "src_encoding": pa.nulls(size, pa.string())})
        first += size


def test_a_slow_object_holds_up_no_fetch_of_the_next_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    others = threading.Event()

    def fetch(_store: Place, blob_id: str, _encoding: str | None) -> Content:
        if blob_id == "150":
            others.set()
        return Content(blob_id, FETCHED if blob_id != "0" or others.wait(10) else "held up")

    monkeypatch.setattr(contents, "fetch", fetch)
    batches = list(contents.fetch_all(batches_of(64, 64, 64, 3), "/nowhere", FETCHED_SCHEMA))
    assert [batch.num_rows for batch in batches] == [64, 64, 64, 3]
    rows = pa.Table.from_batches(batches)
    assert rows["text"].to_pylist() == rows["doc_id"].to_pylist() == [str(number) for number in range(195)]
    assert set(rows["fetch_status"].to_pylist()) == {FETCHED}


def test_no_more_is_read_ahead_than_fills_the_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "fetch", lambda _store, blob_id, _encoding: Content(blob_id, FETCHED))
    read = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for batch in batches_of(*[64] * 20):
            read += batch.num_rows
            yield batch

    given = contents.fetch_all(counted(), "/nowhere", FETCHED_SCHEMA)
    next(given)
    assert read <= contents.ROWS_AHEAD + 64
    given.close()


def test_a_store_that_fails_is_not_asked_for_what_was_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(_store: Place, blob_id: str, _encoding: str | None) -> Content:
        asked.append(blob_id)
        threading.Event().wait(0.05)
        raise OSError("the store is down")

    monkeypatch.setattr(contents, "fetch", fetch)
    with pytest.raises(OSError, match="the store is down"):
        list(contents.fetch_all(batches_of(*[64] * 20), "/nowhere", FETCHED_SCHEMA))
    assert len(asked) <= 3 * contents.FETCHES_AT_ONCE
