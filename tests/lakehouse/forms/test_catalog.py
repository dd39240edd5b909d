"""Sources that only Spark can open: tables by their name in a catalogue, and Iceberg tables in a folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recast.lakehouse.datasets import column_names, form_of, read, value_count, version_of
from recast.lakehouse.forms.catalog import iceberg_files
from recast.settings import UserError
from tests.lakehouse.forms.shards import ROWS, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def write_iceberg(folder: Path, **changes: Any) -> str:
    """Write what an Iceberg table without a catalogue has in its folder, but for the rows."""
    write(folder / "data" / "a.parquet", **ROWS)
    snapshots = [
        {"snapshot-id": 11, "summary": {"total-records": "5"}},
        {
            "snapshot-id": 6204384913186331242,
            "summary": {"total-records": "2", "total-data-files": "1", "total-files-size": "700"},
        },
    ]
    said = {"table-uuid": "9b1f", "current-snapshot-id": 6204384913186331242, "snapshots": snapshots} | changes
    (folder / "metadata").mkdir(exist_ok=True)
    (folder / "metadata" / "v2.metadata.json").write_text(json.dumps(said))
    (folder / "metadata" / "version-hint.text").write_text("2")
    return str(folder)


def test_the_version_of_a_name_is_the_name_with_its_number() -> None:
    assert version_of("lake.stack.files@6204384913186331242", "") == "lake.stack.files@6204384913186331242"
    assert version_of("lake.stack.files", "2026-11") == "2026-11"
    with pytest.raises(
        UserError, match=r"name the one to read, lake\.stack\.files@NUMBER .* --source-version"
    ) as refused:
        version_of("lake.stack.files", "")
    assert "\n" not in str(refused.value)
    assert value_count("lake.stack.files") > 0


def test_the_version_of_an_iceberg_folder_is_its_snapshot(tmp_path: Path) -> None:
    folder = write_iceberg(tmp_path / "table")
    assert form_of(folder).name == "Iceberg table"
    assert version_of(folder, "") == "6204384913186331242@9b1f"
    (tmp_path / "table" / "metadata" / "version-hint.text").write_text("1")
    (tmp_path / "table" / "metadata" / "v1.metadata.json").write_text("{}")
    assert version_of(folder, "") == "6204384913186331242@9b1f", "a hint may be older than the last commit"
    assert value_count(folder) == 2
    assert iceberg_files(folder) == (1, 700)


def test_an_iceberg_folder_that_says_too_little_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no row"):
        version_of(write_iceberg(tmp_path / "empty", **{"current-snapshot-id": -1, "snapshots": []}), "")
    folder = write_iceberg(tmp_path / "torn")
    Path(folder, "metadata", "v2.metadata.json").write_text("{")
    with pytest.raises(UserError, match=r"metadata of the Iceberg table .* cannot be read"):
        version_of(folder, "")
    Path(folder, "metadata", "version-hint.text").unlink()
    with pytest.raises(UserError, match=r"is an Iceberg table of a catalogue, .* name it as the catalogue does"):
        version_of(folder, "")


@pytest.mark.spark
def test_an_iceberg_folder_without_a_runtime_is_one_line(spark: "SparkSession", tmp_path: Path) -> None:
    folder = write_iceberg(tmp_path / "table")
    with pytest.raises(UserError, match=r"is an Iceberg table, and this Spark has no Iceberg runtime") as refused:
        read(spark, folder, {"name": "string"}, version_of(folder, ""))
    assert "\n" not in str(refused.value)


@pytest.mark.spark
def test_a_table_is_read_by_its_name_as_it_stands_or_at_a_version(spark: "SparkSession", tmp_path: Path) -> None:
    name, columns = "default.named_source", {"s": "string", "n": "int64"}
    spark.sql(f"CREATE TABLE {name} (n INT, more VARIANT, s STRING) USING delta LOCATION '{tmp_path}/table'")
    try:
        for number in (1, 2):
            spark.sql(f"INSERT INTO {name} VALUES ({number}, NULL, 'a')")
        assert column_names(spark, name) == ["n", "more", "s"]
        rows = read(spark, name, columns, "mine")
        assert rows.schema.simpleString() == "struct<s:string,n:bigint>"
        assert sorted(map(tuple, rows.collect())) == [("a", 1), ("a", 2)]
        assert [tuple(row) for row in read(spark, f"{name}@1", columns, "1").collect()] == [("a", 1)]
        with pytest.raises(
            UserError, match=f"column 's' of the table {name} is string; the dataset's schema has int64"
        ):
            read(spark, name, {"s": "int64"}, "")
        with pytest.raises(UserError, match=f"the table {name} has no column 'text'; it has n, more, s"):
            read(spark, name, {"text": "string"}, "")
        with pytest.raises(UserError, match=f"the table {name}@99 cannot be read: "):
            read(spark, f"{name}@99", columns, "")
    finally:
        spark.sql(f"DROP TABLE {name}")
    with pytest.raises(UserError, match=f"the table {name} cannot be read: ") as refused:
        read(spark, name, columns, "mine")
    assert "\n" not in str(refused.value)
