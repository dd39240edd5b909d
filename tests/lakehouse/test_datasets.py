"""Sources outside the lakehouse: what is refused, in one line that names it, and when a source counts as changed."""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recast.jobs import ingest_code, ingest_math
from recast.lakehouse import datasets
from recast.lakehouse.datasets import (
    Footer,
    check_columns,
    files_of,
    listing_version,
    read_parquet,
    type_of,
    value_count,
)
from recast.settings import UserError
from tests.sources import REPOSITORIES, write_code

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"name": "string", "size": "int64"}
ROWS = {"size": [1, 2], "name": ["a", "b"], "other": [0.5, 0.5]}


def write(path: Path, **columns: Any) -> Path:
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


TEXTS = {
    "large": pa.large_string(),
    "views": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of large texts": pa.dictionary(pa.int8(), pa.large_string()),
}
INTEGERS = {
    str(type_): type_
    for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
}
FITTING = (
    {f"texts as {name}": ("string", type_) for name, type_ in TEXTS.items()}
    | {f"integers as {name}": ("int64", type_) for name, type_ in INTEGERS.items()}
    | {
        f"nothing for {name}": (name, pa.null())
        for name in ("string", "int32", "int64", "double", "bool", "list<string>")
    }
    | {
        "integers wider than wanted": ("int32", pa.int64()),
        "shorter floats": ("double", pa.float32()),
        "large lists": ("list<string>", pa.large_list(pa.large_string())),
        "lists of one length": ("list<string>", pa.list_(pa.string(), 1)),
        "lists of nothing": ("list<string>", pa.list_(pa.null())),
        "lists of a dictionary": ("list<string>", pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    }
)
UNFITTING = {
    "bytes for texts": ("string", pa.binary()),
    "numbers for texts": ("string", pa.int64()),
    "texts for numbers": ("int64", pa.string()),
    "floats for integers": ("int64", pa.float64()),
    "half floats, which Spark cannot read": ("double", pa.float16()),
    "integers for truth": ("bool", pa.int8()),
    "times for numbers": ("int64", pa.timestamp("us")),
    "a text for a list": ("list<string>", pa.string()),
    "numbers for texts in a list": ("list<string>", pa.list_(pa.int32())),
    "a list for a text": ("string", pa.list_(pa.string())),
}


@pytest.mark.parametrize("case", FITTING)
def test_a_column_fits_by_its_meaning(case: str) -> None:
    wanted, type_ = FITTING[case]
    check_columns(Footer("a.parquet", pa.schema([("c", type_)]), 1, 1), {"c": wanted})
    nested = pa.schema([("files", pa.large_list(pa.struct([("c", type_)])))])
    check_columns(Footer("a.parquet", nested, 1, 1), {"files.c": wanted})


@pytest.mark.parametrize("case", UNFITTING)
def test_a_column_of_another_meaning_is_named_with_its_file_and_both_types(case: str) -> None:
    wanted, type_ = UNFITTING[case]
    with pytest.raises(UserError, match=rf"column 'c' of b/a\.parquet is {re.escape(str(type_))}.*; .* {wanted}"):
        check_columns(Footer("b/a.parquet", pa.schema([("c", type_)]), 1, 1), {"c": wanted})


@pytest.mark.parametrize("type_", [pa.null(), pa.list_(pa.null())])
def test_files_that_list_nothing_fit_every_field(type_: pa.DataType) -> None:
    check_columns(
        Footer("a.parquet", pa.schema([("files", type_)]), 1, 1), {"files.path": "string", "files.n": "int64"}
    )


def pointer(path: Path) -> None:
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0\n"
    )


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "a pointer of Git LFS": (pointer, "git lfs pull"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "is not a Parquet file, or not all of one"),
    "its beginning": (lambda path: path.write_bytes(path.read_bytes()[:4]), "is not a Parquet file, or not all of one"),
    "a text": (lambda path: path.write_text("<html>404\x1b[2J</html>" * 9), "is not a Parquet file, or not all of one"),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), "is not a Parquet file, or not all of one"),
    "a footer of noise": (
        lambda path: path.write_bytes(path.read_bytes()[:-200] + b"\xff" * 192 + path.read_bytes()[-8:]),
        "is not a Parquet file, or not all of one",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_among_others_is_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.parquet", **ROWS)
    spoil, words = BROKEN[case]
    spoil(tmp_path / "b.parquet")
    with pytest.raises(UserError) as refused:
        value_count(str(tmp_path))
    assert str(refused.value).startswith(f"{tmp_path}/b.parquet is")
    assert words in str(refused.value)
    assert str(refused.value).isprintable()


def test_each_footer_is_read_once_until_its_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    footer = datasets.footer
    monkeypatch.setattr(datasets, "footer", lambda filesystem, path: opened.append(path) or footer(filesystem, path))
    for name in "ab":
        write(tmp_path / f"{name}.parquet", **ROWS)
    assert [value_count(str(tmp_path)) for _ in range(3)] == [4, 4, 4]
    assert len(opened) == 2
    write(tmp_path / "c.parquet", size=[1, 2, 3], name=["a", "b", "c"])
    assert value_count(str(tmp_path)) == 7


@pytest.mark.spark
def test_files_that_hold_a_column_in_their_own_ways_are_read_as_one(spark: "SparkSession", tmp_path: Path) -> None:
    folder = tmp_path / "a [1] {b}*"
    texts, numbers = ["x", None], [1, 2]
    for place, type_ in enumerate([pa.string(), *TEXTS.values()]):
        write(
            folder / f"texts={place}" / "a.parquet",
            s=pa.array(texts).cast(type_),
            n=numbers,
            f=[0.5, 1.5],
            b=[True, None],
        )
    for place, type_ in enumerate(INTEGERS.values()):
        floats = pa.array([0.5, 1.5], pa.float32())
        write(folder / f"n{place}.parquet", s=texts, n=pa.array(numbers, type_), f=floats, b=[True, None])
    nothing = pa.nulls(1)
    write(folder / "nothing.parquet", s=nothing, n=nothing, f=nothing, b=nothing)
    columns = {"s": "string", "n": "int32", "f": "double", "b": "bool"}
    rows = read_parquet(spark, str(folder), columns)
    assert rows.schema.simpleString() == "struct<s:string,n:int,f:double,b:boolean>"
    found = Counter(map(tuple, rows.collect()))
    assert found == {("x", 1, 0.5, True): 12, (None, 2, 1.5, None): 12, (None, None, None, None): 1}


@pytest.mark.spark
def test_repositories_that_hold_their_files_in_their_own_ways_are_read_as_one(
    spark: "SparkSession", tmp_path: Path
) -> None:
    licenses = pa.list_(pa.string())
    columns = {"files.path": "string", "files.n": "int64", "files.l": "list<string>", "repo": "string"}

    def put(
        name: str, path: pa.DataType, n: pa.DataType, listed: pa.DataType, files: list[dict[str, object]] | None
    ) -> None:
        type_ = pa.large_list(pa.struct([("l", listed), ("more", pa.int8()), ("n", n), ("path", path)]))
        write(tmp_path / f"{name}.parquet", files=pa.array([files], type_), repo=[name])

    whole = {"path": "p", "n": 1, "l": ["MIT"], "more": 7}
    put("plain", pa.string(), pa.int64(), licenses, [whole])
    put("small", pa.large_string(), pa.int32(), pa.large_list(pa.large_string()), [whole, whole | {"l": None}])
    put("bare", pa.null(), pa.null(), pa.null(), [dict.fromkeys(whole)])
    put("empty", pa.string(), pa.uint32(), pa.list_(pa.null()), [whole | {"l": []}])
    write(tmp_path / "none.parquet", files=pa.nulls(1), repo=["none"])
    write(tmp_path / "nil.parquet", files=pa.array([[]], pa.list_(pa.null())), repo=["nil"])
    rows = {row["repo"]: row["files"] for row in read_parquet(spark, str(tmp_path), columns).collect()}
    assert {repo: files and [tuple(file) for file in files] for repo, files in rows.items()} == {
        "plain": [("p", 1, ["MIT"])],
        "small": [("p", 1, ["MIT"]), ("p", 1, None)],
        "bare": [(None, None, None)],
        "empty": [("p", 1, [])],
        "none": None,
        "nil": None,
    }


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
    assert f"column 'size' of {wrong}/a.parquet is string; the dataset's schema has int64" in said(wrong)
    later = write(tmp_path / "later" / "a.parquet", **ROWS)
    write(later / "b.parquet", body=["a"], size=[1])
    assert said(later) == f"{later}/b.parquet has no column 'name'; it has body, size"
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
