"""Folders of Parquet: broken files are named, and files that hold a column in their own ways are read as one."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recast.jobs import ingest_code, ingest_math
from recast.lakehouse.forms import parquet
from recast.lakehouse.forms.parquet import leaves, read_parquet, scan, schema, value_count
from recast.settings import UserError
from tests.lakehouse.forms.shards import BROKEN, COLUMNS, INTEGERS, ROWS, TEXTS, write
from tests.sources import write_code

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
    footer = parquet.footer
    monkeypatch.setattr(parquet, "footer", lambda filesystem, path: opened.append(path) or footer(filesystem, path))
    for name in "ab":
        write(tmp_path / f"{name}.parquet", **ROWS)
    assert [value_count(str(tmp_path)) for _ in range(3)] == [4, 4, 4]
    assert len(opened) == 2
    write(tmp_path / "c.parquet", size=[1, 2, 3], name=["a", "b", "c"])
    assert value_count(str(tmp_path)) == 7


def test_a_column_that_spark_has_no_decoder_for_is_named_before_it_is_read(tmp_path: Path) -> None:
    pq.write_table(
        pa.table(ROWS), tmp_path / "a.parquet", compression={"size": "brotli", "name": "zstd", "other": "brotli"}
    )
    with pytest.raises(UserError, match=r"column 'size' of \S+/a\.parquet is stored as BROTLI; Spark cannot read that"):
        schema(str(tmp_path), COLUMNS)
    schema(str(tmp_path), {"name": "string"})
    floats = pa.table({"f": [0.5, 1.5]})
    pq.write_table(floats, tmp_path / "a.parquet", use_dictionary=False, column_encoding={"f": "BYTE_STREAM_SPLIT"})
    with pytest.raises(UserError, match=r"column 'f' .* is stored as BYTE_STREAM_SPLIT"):
        schema(str(tmp_path), {"f": "double"})
    file = pa.struct([("path", pa.string()), ("share", pa.float32()), ("names", pa.list_(pa.string()))])
    listing = pa.table({"files": pa.array([[{"path": "a", "share": 0.5, "names": ["b"]}]], pa.list_(file)), "s": ["x"]})
    assert leaves(listing.schema) == ["files.path", "files.share", "files.names", "s"]
    split = {"files.list.element.share": "BYTE_STREAM_SPLIT"}
    pq.write_table(listing, tmp_path / "a.parquet", use_dictionary=False, column_encoding=split)
    schema(str(tmp_path), {"files.path": "string", "files.names": "list<string>", "s": "string"})
    with pytest.raises(UserError, match=r"column 'files.share' of \S+ is stored as BYTE_STREAM_SPLIT; Spark cannot"):
        schema(str(tmp_path), {"files.share": "double"})


def test_every_file_is_held_against_the_schema(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.parquet", **ROWS)
    schema(str(tmp_path), COLUMNS)
    write(tmp_path / "c.parquet", **(ROWS | {"size": ["1", "2"]}))
    with pytest.raises(UserError, match=r"column 'size' of \S+/c\.parquet is string; the dataset's schema has int64"):
        schema(str(tmp_path), COLUMNS)
    write(tmp_path / "c.parquet", Size=[1], name=["a"])
    with pytest.raises(UserError, match=r"/c\.parquet has no column 'size'; it has Size, name"):
        schema(str(tmp_path), COLUMNS)


def test_duckdb_counts_files_that_hold_a_column_in_their_own_ways_as_one(tmp_path: Path) -> None:
    for place, type_ in enumerate([pa.string(), *TEXTS.values()]):
        write(tmp_path / f"'{place}.parquet", s=pa.array(["x", None]).cast(type_), n=[1, 2], extra=[place, place])
    for place, type_ in enumerate(INTEGERS.values()):
        write(tmp_path / f"n{place}.parquet", extra=["a", "b"], n=pa.array([1, 2], type_), s=["x", None])
    write(tmp_path / "nothing.parquet", s=pa.nulls(1), n=pa.nulls(1))
    with duckdb.connect() as connection:
        scan(connection, str(tmp_path), {"s": "string", "n": "int32"})
        found = connection.sql("SELECT s, n, count(*), typeof(n) FROM source GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [("x", 1, 12, "INTEGER"), (None, 2, 12, "INTEGER"), (None, None, 1, "INTEGER")]


def test_duckdb_counts_repositories_that_hold_their_files_in_their_own_ways_as_one(tmp_path: Path) -> None:
    def put(name: str, type_: pa.DataType, files: object) -> None:
        write(tmp_path / f"{name}.parquet", files=pa.array([files], type_), repo=[name])

    one = pa.struct([("n", pa.int32()), ("path", pa.large_string()), ("l", pa.list_(pa.null()))])
    two = pa.struct([("path", pa.null()), ("l", pa.large_list(pa.string())), ("n", pa.int64())])
    put("a", pa.large_list(one), [{"n": 1, "path": "p", "l": []}])
    put("b", pa.list_view(two), [{"n": 2, "l": ["MIT"]}])
    put("c", pa.list_(pa.null()), [])
    put("d", pa.null(), None)
    with duckdb.connect() as connection:
        columns = {"repo": "string", "files.path": "string", "files.n": "int64", "files.l": "list<string>"}
        scan(connection, str(tmp_path), columns)
        found = connection.sql("SELECT repo, unnest(files) AS file FROM source ORDER BY repo").fetchall()
    assert found == [("a", {"path": "p", "n": 1, "l": []}), ("b", {"path": None, "n": 2, "l": ["MIT"]})]


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
    put("views", pa.string_view(), pa.int8(), pa.list_view(pa.string_view()), [whole])
    put("small", pa.large_string(), pa.int32(), pa.large_list(pa.large_string()), [whole, whole | {"l": None}])
    put("bare", pa.null(), pa.null(), pa.null(), [dict.fromkeys(whole)])
    put("empty", pa.string(), pa.uint32(), pa.list_(pa.null()), [whole | {"l": []}])
    write(tmp_path / "none.parquet", files=pa.nulls(1), repo=["none"])
    write(tmp_path / "nil.parquet", files=pa.array([[]], pa.list_(pa.null())), repo=["nil"])
    rows = {row["repo"]: row["files"] for row in read_parquet(spark, str(tmp_path), columns).collect()}
    assert {repo: files and [tuple(file) for file in files] for repo, files in rows.items()} == {
        "plain": [("p", 1, ["MIT"])],
        "views": [("p", 1, ["MIT"])],
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
    (folder / "c.parquet").symlink_to(write(tmp_path / "blobs" / "4665a5", **ROWS) / "4665a5")
    rows = read_parquet(spark, str(folder), COLUMNS)
    assert rows.columns == ["name", "size"]
    assert sorted(map(tuple, rows.collect())) == [("a", 1)] * 3 + [("b", 2)] * 3


@pytest.mark.spark
def test_a_file_that_went_away_before_it_was_read_is_missed(spark: "SparkSession", tmp_path: Path) -> None:
    folder = write(tmp_path / "a.parquet", **ROWS)
    only = [str(folder / "a.parquet"), str(folder / "b.parquet")]
    assert parquet.read_files(spark, str(folder), COLUMNS, only[:1]).columns == [*COLUMNS]
    with pytest.raises(UserError, match=r"files of .* went away while it was read: refresh again"):
        parquet.read_files(spark, str(folder), COLUMNS, only)


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
    assert "has no column 'repo_name'" in said(tmp_path / "lacking", ingest_code.PER_REPOSITORY)
