"""The response journal: what was written whole is read back, whatever else lies beside it."""

import logging
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast import journal
from recast.storage import Place

SCHEMA = pa.schema(
    [
        ("input_hash", pa.string()),
        ("answer", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
    ]
)


def answers(*rows: tuple[str, str | None, int | None, int | None]) -> pa.Table:
    return pa.Table.from_arrays(
        [pa.array(column, type) for column, type in zip(zip(*rows, strict=True), SCHEMA.types, strict=True)],
        schema=SCHEMA,
    )


def read_all(folder: Place, bucket: int) -> list[dict[str, object]]:
    return [row for table in journal.read(folder, bucket, SCHEMA) for row in table.to_pylist()]


def test_a_bucket_reads_back_its_own_segments_and_no_other(tmp_path: Path) -> None:
    folder = journal.bucket_folder(str(tmp_path / "journal"), "f", 2)
    journal.Writer(folder, 0).write(answers(("a", "1", 10, 3)))
    journal.Writer(folder, 0).write(answers(("b", None, None, None)))
    journal.Writer(folder, 1).write(answers(("c", "3", 1, 1)))
    assert sorted(row["input_hash"] for row in read_all(folder, 0)) == ["a", "b"]
    assert [row["input_hash"] for row in read_all(folder, 1)] == ["c"]


def test_bucket_1_does_not_read_bucket_11(tmp_path: Path) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 12)
    journal.Writer(folder, 11).write(answers(("a", "1", 1, 1)))
    assert read_all(folder, 1) == []


def test_progress_counts_by_names_over_all_fingerprints_and_writers(tmp_path: Path) -> None:
    uri = str(tmp_path / "journal")
    for fingerprint in ("f", "g"):
        writer = journal.Writer(journal.bucket_folder(uri, fingerprint, 2), 0)
        writer.write(answers(("a", "1", 10, 3), ("b", "2", 20, None)))
        writer.write(answers(("c", "3", 5, 2)))
    assert journal.progress(uri) == journal.Progress(rows=6, prompt_tokens=70, output_tokens=10)


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    uri = str(tmp_path / "nothing")
    assert journal.progress(uri) == journal.Progress(0, 0, 0)
    assert read_all(journal.bucket_folder(uri, "f", 1), 0) == []


def test_torn_and_foreign_files_are_skipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 1)
    name = journal.Writer(folder, 0).write(answers(("torn", "1", 1, 1)))
    whole = (Path(folder.path) / name).read_bytes()
    (Path(folder.path) / name).write_bytes(whole[: len(whole) // 2])
    journal.Writer(folder, 0).write(answers(("good", "2", 1, 1)))
    other = pa.table({"something": [1], "prompt_tokens": [1], "output_tokens": [1]})
    journal.Writer(folder, 0).write(other)
    (Path(folder.path) / ".unfinished-b0-ff-0.rows-1.prompt-1.output-1.parquet").write_bytes(b"half")
    (Path(folder.path) / "notes.txt").write_text("not ours")
    with caplog.at_level(logging.WARNING):
        assert [row["input_hash"] for row in read_all(folder, 0)] == ["good"]
    assert len(caplog.records) == 2


TEXTS = pa.schema([("input_hash", pa.string()), ("text", pa.string())])
ROWS: list[tuple[str, str | None]] = [("a", "print(1)\n" * 9), ("b", None), ("", "ä€\0"), ("d", "")]


def tail_of(folder: Place, bucket: int = 0) -> journal.Tail:
    tail = journal.Writer(folder, bucket).tail(TEXTS.names)
    assert tail
    for row in ROWS:
        tail.append(*row)
    tail.close()
    return tail


def rows_left(folder: Place, bucket: int = 0) -> list[tuple[str, str | None]]:
    return [tuple(row.values()) for table in journal.read(folder, bucket, TEXTS) for row in table.to_pylist()]


def test_what_was_appended_to_a_tail_is_read_until_it_is_deleted(tmp_path: Path) -> None:
    folder = journal.bucket_folder(str(tmp_path / "journal"), "f", 2)
    tail = tail_of(folder, 1)
    assert rows_left(folder, 1) == ROWS
    assert rows_left(folder, 0) == []
    tail.delete()
    assert rows_left(folder, 1) == []
    assert journal.progress(str(tmp_path)).rows == 0


@pytest.mark.parametrize("lost", [b"", b"\0" * 5000], ids=["cut off", "zeros"])
def test_of_a_torn_tail_the_rows_before_are_read_and_none_is_changed(tmp_path: Path, lost: bytes) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 1)
    path = Path(tail_of(folder).path)
    whole, counts = path.read_bytes(), []
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size] + lost[size:])
        found = rows_left(folder)
        assert found == ROWS[: len(found)]
        counts.append(len(found))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("record", [b"", b"\xff\xff\xff\xff", b"\x01\0\0\0\x09\0\0\0short"])
def test_a_record_of_another_form_is_none_whatever_its_checksum(
    tmp_path: Path, record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 1)
    with open(tail_of(folder).path, "ab") as file:
        file.write(journal.HEAD.pack(len(record), zlib.crc32(record, journal.SEED)) + record)
    assert rows_left(folder) == []
    assert "another form" in caplog.text


def test_an_object_store_which_cannot_append_has_no_tails(tmp_path: Path) -> None:
    elsewhere = Place(pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "journal")
    assert journal.Writer(elsewhere, 0).tail(TEXTS.names) is None


def test_a_refused_write_leaves_no_half_segment_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 1)
    writer = journal.Writer(folder, 0)

    def full_disk(table: pa.Table, path: str, **_: object) -> None:
        Path(path).write_bytes(b"PAR1 half a segm")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal.pq, "write_table", full_disk)
        with pytest.raises(OSError, match="No space left"):
            writer.write(answers(("a", "1", 1, 1)))
    assert list(Path(folder.path).iterdir()) == []
    writer.write(answers(("a", "1", 1, 1)))
    assert [row["input_hash"] for row in read_all(folder, 0)] == ["a"]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1),
            st.none() | st.text(st.characters(codec="utf-8")),
            st.none() | st.integers(0, 2**40),
            st.none() | st.integers(0, 2**40),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_answers_survive_the_round_trip(rows: list[tuple[str, str | None, int | None, int | None]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        folder = journal.bucket_folder(root, "f", 1)
        journal.Writer(folder, 0).write(answers(*rows))
        assert [tuple(row.values()) for row in read_all(folder, 0)] == rows
        assert journal.progress(root).rows == len(rows)
