"""Folders of JSON lines, compressed or not: what is refused, and that Spark and DuckDB read what is there."""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from recast.lakehouse.forms.json_lines import read_files, read_json, scan, schema, type_of_all, value_count
from recast.lakehouse.problems import explain
from recast.settings import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"s": "string", "n": "int32", "f": "double", "l": "list<string>", "o.p": "string", "o.b": "bool"}
ROWS: list[dict[str, Any]] = [
    {"s": "a\u00e9", "n": 1, "f": 2, "l": ["x"], "o": [{"p": "q", "b": True}, {"p": None}], "more": {"y": 1}},
    {"s": None, "n": 2**40, "f": 0.5, "o": []},
]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def test_what_json_says_of_a_column_is_its_type() -> None:
    assert type_of_all([1, None, 2**70]) == pa.int64()
    assert type_of_all([1, 0.5]) == pa.float64()
    assert type_of_all(["\ud800"]) == pa.string()
    assert type_of_all([]) == type_of_all([None]) == pa.null()
    assert type_of_all([[], ["a"], None]) == pa.list_(pa.string())
    assert type_of_all([{"a": 1}, {"b": [True]}]) == pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_()))])
    assert pa.types.is_union(type_of_all([1, "1"]))
    assert pa.types.is_union(type_of_all([1, True]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b'[{"s": "a"}]', "a line is a list"),
        (b'{\n"s": "a"\n}\n', "is not a file of JSON objects, one a line"),
        (LINES * 200 + LINES[:30], "is not a file of JSON objects, one a line"),
        (gzip.compress(LINES, mtime=0)[:-20], "is not a file of JSON objects, one a line"),
        (LINES.replace(b'"f"', b'"g"'), r"\(its first 100 lines\) has no column 'f'; it has s, n, g"),
        (LINES.replace(b'"x"', b"7"), r"column 'l' of \S+ \(its first 100 lines\) is list<\S+ int64>; .* list<string>"),
        (LINES.replace(b"0.5", b'"0.5"'), r"column 'f' of \S+ \(its first 100 lines\) is dense_union<"),
    ],
)
def test_a_file_that_is_broken_or_does_not_fit_is_one_line(tmp_path: Path, lines: bytes, said: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    packed = lines[:2] == b"\x1f\x8b"
    (tmp_path / f"b.jsonl{'.gz' if packed else ''}").write_bytes(lines)
    with pytest.raises(UserError, match=said) as refused:
        schema(str(tmp_path), COLUMNS)
    assert "/b.jsonl" in str(refused.value)
    assert "\n" not in str(refused.value)


def write_all_kinds(folder: Path) -> int:
    (folder / "deeper").mkdir()
    (folder / "a.jsonl").write_bytes(LINES.removesuffix(b"\n"))
    (folder / "b.json").write_bytes(b"\xef\xbb\xbf" + LINES + b"\n")
    (folder / "deeper" / "c.json.gz").write_bytes(gzip.compress(LINES) + gzip.compress(LINES))
    (folder / "d.ndjson").write_bytes(LINES)
    (folder / "e.jsonl.zst").write_bytes(pa.compress(LINES, codec="zstd", asbytes=True))
    (folder / "_notes.json").write_bytes(b"no JSON")
    return 6


def test_the_number_of_values_is_estimated(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES * 1000)
    assert 2900 < value_count(str(tmp_path)) < 3100


def test_duckdb_takes_no_column_from_the_name_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "language=xx").mkdir()
    (tmp_path / "language=xx" / "a.jsonl").write_bytes(b'{"language": "en"}\n')
    with duckdb.connect() as connection:
        scan(connection, str(tmp_path), {"language": "string"})
        assert connection.execute("SELECT language FROM source").fetchall() == [("en",)]


def test_duckdb_counts_every_kind_of_file(tmp_path: Path) -> None:
    kinds = write_all_kinds(tmp_path)
    (tmp_path / "b.json").write_bytes(LINES)  # DuckDB refuses a byte order mark, in words of its own
    with duckdb.connect() as connection:
        scan(connection, str(tmp_path), COLUMNS | {"n": "int64"})
        assert connection.execute("SELECT count(*), sum(n), sum(len(o)) FROM source").fetchone() == (
            2 * kinds,
            (2**40 + 1) * kinds,
            2 * kinds,
        )


@pytest.mark.spark
def test_spark_reads_every_kind_of_file(spark: "SparkSession", tmp_path: Path) -> None:
    kinds = write_all_kinds(tmp_path)
    rows = read_json(spark, str(tmp_path), COLUMNS)
    assert rows.columns == ["s", "n", "f", "l", "o"]
    assert rows.schema["n"].dataType.simpleString() == "int"
    found = rows.collect()
    assert len(found) == 2 * kinds
    assert rows.where("s IS NULL").count() == kinds, "rows that nobody looks at whole"
    first, second = (next(row for row in found if (row["s"] is None) is lacks) for lacks in (False, True))
    assert (first["s"], first["n"], first["f"], first["l"]) == ("a\u00e9", 1, 2.0, ["x"])
    assert [tuple(each) for each in first["o"]] == [("q", True), (None, None)]
    assert (second["n"], second["f"], second["l"], second["o"]) == (None, 0.5, None, [])


@pytest.mark.spark
def test_spark_reads_some_of_the_files(spark: "SparkSession", tmp_path: Path) -> None:
    folder = tmp_path / "a [folder]"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}*.jsonl").write_text(json.dumps({"n": number}) + "\n")
    only = [f"{folder}/0*.jsonl", f"{folder}/2*.jsonl"]
    assert sorted(row["n"] for row in read_files(spark, str(folder), {"n": "int64"}, only).collect()) == [0, 2]


@pytest.mark.spark
def test_a_line_that_does_not_fit_is_shown_with_its_file(spark: "SparkSession", tmp_path: Path) -> None:
    for line in (b'{"s": "late", "n": 1.5}', b"no JSON", b'{"s": "caf\xe9"}'):
        (tmp_path / "a.jsonl").write_bytes(LINES * 100 + line + b"\n" + LINES)
        with pytest.raises(Exception, match="line") as stopped:
            read_json(spark, str(tmp_path), COLUMNS).collect()
        said = f"{tmp_path}/a.jsonl has a line that is no JSON object of the source's schema: {line.decode(errors='replace')}"
        assert said in explain(stopped.value)


NO_SINGLE_OBJECT = (
    b"[]",
    b'[{"s": "a"}]',
    b'{"s": "a"}{"s": "b"}',
    b'{"s": "a"}, {"s": "b"}',
    b'{"s": "a"} and more',
    b'{"s": "a"}]',
    b'{"s": "a"}]}',
    b'{"s": "a"',
    b"{'s': 'a'}",
    b"null",
    b'""',
    b"7",
)
OTHER_VALUES = (
    b'{"s": 7}',
    b'{"l": ["x", 0.5]}',
    b'{"n": 1.5}',
    b'{"n": "7"}',
    b'{"n": 18446744073709551615}',
    b'{"f": "0.5"}',
    b'{"o": {"p": "q"}}',
    b'{"o": [5]}',
    b'{"o": [{"b": "true"}]}',
    b'{"o": [{"b": false}, {"p": 7}]}',
)


def test_a_line_that_spark_refuses_is_counted_by_no_duckdb(tmp_path: Path) -> None:
    for line in (*NO_SINGLE_OBJECT, *OTHER_VALUES):
        (tmp_path / "a.jsonl").write_bytes(LINES * 100 + line + b"\n" + LINES)
        with duckdb.connect() as connection:
            scan(connection, str(tmp_path), COLUMNS)
            with pytest.raises(duckdb.Error, match=r"/a\.jsonl"):
                connection.execute("SELECT count(*) FROM source").fetchall()


def test_duckdb_takes_what_spark_takes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES + b'\n \t\r\n{}\n{"f": NaN, "l": [null], "o": [null, {"b": true}]}\n')
    with duckdb.connect() as connection:
        scan(connection, str(tmp_path), COLUMNS)
        found = connection.execute("SELECT s, n, f, l, o FROM source").fetchall()
    assert found[:3] == [
        ("a\u00e9", 1, 2.0, ["x"], [{"p": "q", "b": True}, {"p": None, "b": None}]),
        (None, None, 0.5, None, []),
        (None,) * 5,
    ]
    assert found[3][3:] == ([None], [None, {"p": None, "b": True}])
    assert len(found) == 4


@pytest.mark.spark
def test_a_late_line_that_is_no_object_of_the_schema_stops_a_run(spark: "SparkSession", tmp_path: Path) -> None:
    for line in (*NO_SINGLE_OBJECT, *OTHER_VALUES):
        (tmp_path / "a.jsonl").write_bytes(LINES * 100 + line + b"\n" + LINES)
        with pytest.raises(Exception, match="line") as stopped:
            read_json(spark, str(tmp_path), COLUMNS).count()
        said = f"{tmp_path}/a.jsonl has a line that is no JSON object of the source's schema: {line.decode()}"
        words = explain(stopped.value)
        assert said in words or (
            line in OTHER_VALUES and f"{tmp_path}/a.jsonl; the source's schema has string" in words
        )


@pytest.mark.spark
def test_a_line_is_read_once_whatever_is_asked_of_its_values(spark: "SparkSession", tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    rows = read_json(spark, str(tmp_path), COLUMNS).where("s = 'a' OR n > 1").where("f > 0").select("s", "o")
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert plan.count("from_json(") == 1


@pytest.mark.spark
def test_a_value_that_is_no_string_far_behind_is_not_read_as_one(spark: "SparkSession", tmp_path: Path) -> None:
    for line, said in {
        b'{"s": 7}': "column 's' is bigint",
        b'{"s": true}': "column 's' is boolean",
        b'{"s": {"a": "b"}}': "column 's' is object<",
        b'{"l": ["x", 0.5]}': "column 'l' is d",
        b'{"o": [{"p": null}, {"b": true, "p": [1]}]}': "column 'o.p' is array<bigint>",
    }.items():
        (tmp_path / "a.jsonl").write_bytes(LINES * 100 + line + b"\n" + LINES)
        with pytest.raises(Exception, match="line") as stopped:
            read_json(spark, str(tmp_path), COLUMNS).collect()
        words = explain(stopped.value)
        assert said in words
        assert "in a line of file:" in words
        assert f"{tmp_path}/a.jsonl; the source's schema has string" in words


@pytest.mark.spark
def test_a_packed_file_that_breaks_off_later_is_named(spark: "SparkSession", tmp_path: Path) -> None:
    lines = b"".join(json.dumps(ROWS[0] | {"s": str(number)}).encode() + b"\n" for number in range(5000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:-20])
    with pytest.raises(Exception, match="file") as stopped:
        read_json(spark, str(tmp_path), COLUMNS).collect()
    assert "a.jsonl.gz" in explain(stopped.value)
