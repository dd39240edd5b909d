"""Sources outside the lakehouse: what is refused, in one line that names it, and when a source counts as changed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import ingest_code, ingest_math
from lakehouse.settings import UserError
from lakehouse.sources import files_of, listing_version, read_parquet, type_of
from tests.sources import REPOSITORIES, write_code

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"name": "string", "size": "int64"}
ROWS = {"size": [1, 2], "name": ["a", "b"], "other": [0.5, 0.5]}


def write(path: Path, **columns: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path.parent


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
    version = listing_version(str(folder), "")
    assert listing_version(str(folder), "") == version
    folder = folder.rename(tmp_path / "moved here")
    assert listing_version(str(folder), "") == version
    stat = (folder / "a.parquet").stat()
    os.utime(folder / "a.parquet", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    touched = listing_version(str(folder), "")
    (folder / "a.parquet").rename(folder / "b.parquet")
    renamed = listing_version(str(folder), "")
    write(folder / "c.parquet", **ROWS)
    assert len({version, touched, renamed, listing_version(str(folder), "")}) == 4


def test_a_version_that_is_given_stands_and_no_listing_is_made(tmp_path: Path) -> None:
    assert listing_version(str(tmp_path / "nowhere"), "2026-03") == "2026-03"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("repo_name", "string"),
        ("files.blob_id", "string"),
        ("files.length_bytes", "int64"),
        ("files.colour", None),
        ("colour", None),
        ("repo_name.blob_id", None),
    ],
)
def test_the_type_of_a_column_and_of_a_field_in_lists_is_found(name: str, expected: str | None) -> None:
    assert type_of(REPOSITORIES, name) == expected


def test_other_spellings_of_a_string_are_strings() -> None:
    schema = pa.schema([("a", pa.large_string()), ("b", pa.string_view())])
    assert [type_of(schema, name) for name in "ab"] == ["string", "string"]


@pytest.mark.spark
def test_rows_come_with_the_columns_asked_for_from_every_file(spark: "SparkSession", tmp_path: Path) -> None:
    folder = tmp_path / "my sources"
    write(folder / "a.parquet", **ROWS)
    write(folder / "deeper" / "kind=x" / "b.parquet", **ROWS)
    write(folder / "_temporary" / "c.parquet", **ROWS)
    rows = read_parquet(spark, str(folder), COLUMNS)
    assert rows.columns == ["name", "size"]
    assert sorted(map(tuple, rows.collect())) == [("a", 1), ("a", 1), ("b", 2), ("b", 2)]


@pytest.mark.spark
def test_what_cannot_be_read_is_refused_in_one_line(spark: "SparkSession", tmp_path: Path) -> None:
    def said(folder: Path, columns: dict[str, str] = COLUMNS) -> str:
        with pytest.raises(UserError) as refused:
            read_parquet(spark, str(folder), columns)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert "has no column 'name'; it has size" in said(write(tmp_path / "lacking" / "a.parquet", size=[1]))
    wrong = write(tmp_path / "wrong" / "a.parquet", name=["a"], size=["1"])
    assert f"column 'size' of {wrong} is string; the dataset's schema has int64" in said(wrong)
    assert "holds no row" in said(
        write(tmp_path / "empty" / "a.parquet", name=pa.array([], "string"), size=pa.array([], "int64"))
    )
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.parquet").write_text("this is no Parquet file")
    assert "broken/a.parquet is not a Parquet file" in said(broken)
    repositories = write_code(tmp_path / "code", {"a/b": {"a.py": "X = 1\n"}}) / "data"
    assert "has no column 'url'; it has repo_name" in said(repositories, ingest_math.SOURCE_COLUMNS)
    assert "has no column 'files.colour'" in said(repositories, {"files.colour": "string"})
    assert "has no column 'repo_name'" in said(tmp_path / "lacking", ingest_code.SOURCE_COLUMNS)
