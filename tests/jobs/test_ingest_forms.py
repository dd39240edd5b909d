"""A source gives the same rows in whatever form it comes: a row per repository or per file, in files or in tables."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from recast.jobs import ingest_code, ingest_math
from recast.jobs.settings import Settings
from recast.lakehouse.datasets import version_of
from recast.settings import UserError
from tests.jobs.lanes import PAGES, File
from tests.sources import REPOSITORIES, table_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ONE = File("a.py", b"x = 1\n")
TWO = File("b.py", b"y = 2\n", license_type=None, detected_licenses=None, src_encoding="latin-1")
OTHER = File("c.js", b"z", language="JavaScript")
GONE = File("gone.py", b"z = 3\n")


def repository(name: str, *files: File) -> dict[str, Any]:
    return {
        "repo_name": name,
        "revision_id": "r" * 40,
        "snapshot_id": "s" * 40,
        "files": [file.listed() for file in files],
    }


# The last two are one repository, in two shards.
SOURCE = [
    repository("a/a", ONE, OTHER),
    repository("b/b", ONE, TWO),
    repository("b/b", TWO, File("d.py", b"w = 4\n", license_type="")),
]
VISITED = pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))  # as the hub has it; nobody reads it
FLAT = [{**{k: v for k, v in row.items() if k != "files"}, **file} for row in SOURCE for file in row["files"]]
FLAT_SCHEMA = pa.schema([*list(REPOSITORIES)[:3], *REPOSITORIES.field("files").type.value_type])


def per_repository(folder: Path) -> None:
    for number, row in enumerate(SOURCE):
        shard = table_of([row], REPOSITORIES).append_column("visit_date", VISITED)
        pq.write_table(shard, folder / f"train-0000{number}-of-00003.parquet")


def per_file(folder: Path) -> None:
    (folder / "data" / "Python").mkdir(parents=True)
    names = [*FLAT_SCHEMA.names[::-1], "visit_date"]
    for number, row in enumerate(FLAT):
        shard = table_of([row], FLAT_SCHEMA).append_column("visit_date", VISITED)
        if number % 2:  # as another writer would
            narrow = shard.schema.field("length_bytes").with_type(pa.int32())
            shard = shard.cast(shard.schema.set(shard.schema.get_field_index("length_bytes"), narrow)).select(names)
        pq.write_table(shard, folder / "data" / "Python" / f"train-0000{number}-of-00006.parquet")


def delta(folder: Path) -> None:
    rows = [*SOURCE, repository("gone/gone", GONE)]
    write_deltalake(str(folder), table_of(rows, REPOSITORIES))
    DeltaTable(str(folder)).delete("repo_name = 'gone/gone'")


def lines(folder: Path) -> None:
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in FLAT)))


FORMS: dict[str, Callable[[Path], None]] = {
    "a row per file, in shards that differ": per_file,
    "a Delta table with a deleted row": delta,
    "packed JSON lines": lines,
}


def blobs(spark: "SparkSession", source: Path | str) -> dict[str, Any]:
    settings = Settings(code_source=str(source), code_contents="/nowhere")
    rows = ingest_code.blobs(spark, settings, ingest_code.source_version(settings), None).drop("source_version")
    return {row["doc_id"]: row for row in rows.collect()}


@pytest.fixture(scope="module")
def expected(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The rows of the source as the hub lays out the-stack-v2-train-smol-ids."""
    folder = tmp_path_factory.mktemp("repositories")
    per_repository(folder)
    return blobs(spark, folder)


@pytest.mark.spark
def test_a_repository_in_two_shards_is_one_and_a_licence_that_is_null_is_none(expected: dict[str, Any]) -> None:
    assert len(expected) == 3
    assert [each["repo_name"] for each in expected[ONE.blob_id]["occurrences"]] == ["a/a", "b/b"]
    assert len(expected[TWO.blob_id]["occurrences"]) == 1
    assert {row["license_type"] for row in expected.values()} == {"permissive", "no_license"}


@pytest.mark.spark
@pytest.mark.parametrize("form", FORMS)
def test_code_is_the_same_rows_in_every_form(
    spark: "SparkSession", tmp_path: Path, form: str, expected: dict[str, Any]
) -> None:
    FORMS[form](tmp_path)
    assert blobs(spark, tmp_path) == expected


@pytest.mark.spark
def test_pages_are_the_same_rows_in_every_form(spark: "SparkSession", tmp_path: Path) -> None:
    usual = {"warc_filename": "w", "crawl": "c", "language": "en", "fetch_time": 1}
    usual |= {"language_score": 0.5, "int_score": 4, "token_count": 3}
    rows = [
        usual | {"url": f"u{n}", "text": f"{n} = {n}", "warc_record_offset": n, "score": score}
        for n, score in enumerate((4.5, 5, None))
    ]
    table = table_of(rows, PAGES)
    wide = PAGES.set(3, pa.field("warc_record_offset", pa.int64())).set(7, pa.field("score", pa.float32()))
    for name in ("parquet", "widths", "lines"):
        (tmp_path / name).mkdir()
    pq.write_table(table, tmp_path / "parquet" / "a.parquet")
    pq.write_table(table.cast(wide).slice(0, 1), tmp_path / "widths" / "a.parquet")
    pq.write_table(table.slice(1), tmp_path / "widths" / "b.parquet")
    write_deltalake(str(tmp_path / "delta"), table)
    (tmp_path / "lines" / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def pages(name: str) -> list[Any]:
        settings = Settings(math_source=str(tmp_path / name))
        return sorted(
            ingest_math.pages(spark, settings, version_of(settings.math_source, ""), None)
            .drop("source_version")
            .collect()
        )

    first = pages("parquet")
    assert len(first) == 3
    assert pages("widths") == pages("delta") == pages("lines") == first


@pytest.mark.spark
@pytest.mark.slow
def test_a_repository_of_300_000_files_is_one_row_among_others(spark: "SparkSession", tmp_path: Path) -> None:
    files = [
        ONE.listed() | {"blob_id": f"{number:040x}", "path": f"some/folder/of/files/{number}.py"}
        for number in range(300_000)
    ]
    rows = [repository("a/large", ONE) | {"files": files}, *SOURCE]
    pq.write_table(table_of(rows, REPOSITORIES), tmp_path / "a.parquet")
    settings = Settings(code_source=str(tmp_path), code_contents="/nowhere")
    assert ingest_code.blobs(spark, settings, "v", None).count() == 300_000 + 3


def test_the_columns_that_are_read_follow_from_those_that_are_there() -> None:
    assert ingest_code.source_columns(REPOSITORIES.names, "x") is ingest_code.PER_REPOSITORY
    assert ingest_code.source_columns(FLAT_SCHEMA.names, "x") is ingest_code.PER_FILE
    with pytest.raises(UserError, match=r"^x has neither a column 'files' .* nor 'blob_id' .*; it has url, text$"):
        ingest_code.source_columns(["url", "text"], "x")
