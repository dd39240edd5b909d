"""The files of a source that is a folder: which count, which are refused, and when they count as changed."""

import os
from pathlib import Path

import duckdb
import pytest

from recast.lakehouse.forms.files import (
    added_files,
    as_a_name,
    duckdb_name,
    files_of,
    listing_version,
    require_no_table_above,
)
from recast.settings import UserError
from tests.lakehouse.forms.shards import ROWS, write


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"source folder {tmp_path}/nowhere does not exist"):
        files_of(str(tmp_path / "nowhere"))


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path / "one.parquet", **ROWS)
    with pytest.raises(UserError, match=r"one\.parquet is a file; give the folder"):
        files_of(str(tmp_path / "one.parquet"))


def test_a_folder_without_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    write(tmp_path / "_temporary" / "half.parquet", **ROWS)
    write(tmp_path / ".hidden.parquet", **ROWS)
    with pytest.raises(UserError, match=r"holds no \.parquet file"):
        files_of(str(tmp_path))


def test_files_are_found_in_folders_of_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b.parquet", "a/z.parquet", "a/date=1/y.parquet"):
        write(tmp_path / name, **ROWS)
    assert [Path(each.path).relative_to(tmp_path).as_posix() for each in files_of(str(tmp_path))] == [
        "a/date=1/y.parquet",
        "a/z.parquet",
        "b.parquet",
    ]


def test_the_version_follows_names_sizes_and_times_and_not_the_place(tmp_path: Path) -> None:
    folder = write(tmp_path / "one" / "a.parquet", **ROWS)
    version = listing_version(str(folder))
    assert listing_version(str(folder)) == version
    folder = folder.rename(tmp_path / "moved here")
    assert listing_version(str(folder)) == version
    stat = (folder / "a.parquet").stat()
    os.utime(folder / "a.parquet", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    touched = listing_version(str(folder))
    (folder / "a.parquet").rename(folder / "b.parquet")
    renamed = listing_version(str(folder))
    write(folder / "c.parquet", **ROWS)
    assert len({version, touched, renamed, listing_version(str(folder))}) == 4


def touch(path: Path, seconds: int) -> None:
    """Set a file's time, so that the test does not depend on how fine the file system's clock is."""
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


def test_files_that_came_are_known_by_the_others_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path / "b.parquet", **ROWS)
    touch(folder / "b.parquet", 100)
    before = listing_version(str(folder))
    assert added_files(str(folder), before) is None, "nothing came"
    for name, seconds in (("a", 300), ("new/c", 200)):
        write(folder / f"{name}.parquet", **ROWS)
        touch(folder / f"{name}.parquet", seconds)
    assert added_files(str(folder), before) == [str(folder / "a.parquet"), str(folder / "new/c.parquet")]
    assert added_files(str(folder), "another") is None


@pytest.mark.parametrize("change", ["touched", "removed", "renamed", "older than one that was there", "as old"])
def test_files_that_came_are_not_all_where_another_changed(tmp_path: Path, change: str) -> None:
    for name, seconds in (("a", 100), ("b", 200)):
        write(tmp_path / f"{name}.parquet", **ROWS)
        touch(tmp_path / f"{name}.parquet", seconds)
    before = listing_version(str(tmp_path))
    write(tmp_path / "c.parquet", **ROWS)
    touch(tmp_path / "c.parquet", {"older than one that was there": 150, "as old": 200}.get(change, 300))
    if change == "touched":
        touch(tmp_path / "b.parquet", 201)
    elif change == "removed":
        (tmp_path / "b.parquet").unlink()
    elif change == "renamed":
        (tmp_path / "b.parquet").rename(tmp_path / "d.parquet")
    assert added_files(str(tmp_path), before) is None


def test_links_lead_to_files_as_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    blobs = write(tmp_path / "blobs" / "4665a5", **ROWS)
    snapshot = tmp_path / "snapshots" / "9b1f"
    (snapshot / "data").mkdir(parents=True)
    (snapshot / "data" / "train-00000-of-00001.parquet").symlink_to("../../../blobs/4665a5")
    (found,) = files_of(str(snapshot))
    assert found.size == (blobs / "4665a5").stat().st_size
    (blobs / "4665a5").unlink()
    with pytest.raises(UserError, match=r"train-00000-of-00001\.parquet is a link to a file that is not there"):
        files_of(str(snapshot))


def test_a_link_to_a_folder_that_holds_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", **ROWS)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "again").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"deeper/again is a link to a folder that holds it"):
        files_of(str(tmp_path))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("table/_delta_log/00000000000000000000.json", "holds the table {}/table; name that"),
        ("a/b/metadata/v1.metadata.json", "holds the table {}/a/b; name that"),
        ("table/.hoodie/hoodie.properties", "{}/table is a Hudi table"),
    ],
)
def test_files_of_a_table_are_not_taken_for_its_rows(tmp_path: Path, log: str, said: str) -> None:
    write(tmp_path / "table" / "a.parquet", **ROWS)
    (tmp_path / log).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / log).write_text("{}")
    with pytest.raises(UserError) as refused:
        files_of(str(tmp_path))
    assert said.format(tmp_path) in str(refused.value)


def test_a_folder_called_metadata_is_no_table(tmp_path: Path) -> None:
    write(tmp_path / "metadata" / "a.parquet", **ROWS)
    assert len(files_of(str(tmp_path))) == 1


def test_a_folder_of_a_delta_table_is_not_taken_for_a_source(tmp_path: Path) -> None:
    folder = write(tmp_path / "table" / "language=Python" / "a.parquet", **ROWS)
    require_no_table_above(str(folder))
    (tmp_path / "table" / "_delta_log").mkdir()
    with pytest.raises(UserError, match=f"language=Python is a folder of the Delta table {tmp_path}/table; name the"):
        require_no_table_above(str(folder))
    (tmp_path / "table" / "_delta_log").rmdir()
    (tmp_path / "table" / "metadata").mkdir()
    (tmp_path / "table" / "metadata" / "version-hint.text").write_text("1")
    with pytest.raises(UserError, match="is a folder of the Iceberg table"):
        require_no_table_above(str(folder))


def test_what_spark_passes_over_is_no_fault_of_a_source(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", **ROWS)
    write(tmp_path / ".trash" / "table" / "_delta_log" / "b.parquet", **ROWS)
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "c.parquet").symlink_to("nowhere")
    assert [Path(each.path).name for each in files_of(str(tmp_path))] == ["a.parquet"]


def test_names_that_readers_take_for_patterns_are_names(tmp_path: Path) -> None:
    assert as_a_name("/a [1]/{b}*?.parquet") == r"/a \[1\]/\{b\}\*\?.parquet"
    for name in ("a*.parquet", "ab.parquet", "a[b].parquet", "it's.parquet"):
        write(tmp_path / name, **ROWS)
    for name in ("a*", "a[b]", "it's"):
        path = duckdb_name(f"{tmp_path}/{name}.parquet", str(tmp_path))
        assert duckdb.sql(f"SELECT count(*) FROM read_parquet({path})").fetchall() == [(2,)]


def test_names_of_partitions_may_begin_with_an_underscore_as_for_spark(tmp_path: Path) -> None:
    for name in (
        "_lang=py/a.parquet",
        "_k=1/_x/b.parquet",
        "_temporary/k=1/c.parquet",
        ".k=1/d.parquet",
        "_e=1.parquet",
    ):
        write(tmp_path / name, **ROWS)
    found = [Path(each.path).relative_to(tmp_path).as_posix() for each in files_of(str(tmp_path))]
    assert found == ["_e=1.parquet", "_lang=py/a.parquet"]


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", **ROWS)
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def refused(folder: str) -> object:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(UserError, match=rf"^the files of {tmp_path}/closed cannot be listed: Permission denied$"):
        files_of(str(tmp_path))
