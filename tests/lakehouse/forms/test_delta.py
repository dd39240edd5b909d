"""Sources that are Delta tables: read at one version, without the rows that were deleted there."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from recast.lakehouse.datasets import read, value_count, version_of
from recast.lakehouse.forms.delta import files, scan, schema
from recast.settings import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"name": "string", "size": "int64"}


def numbers(*sizes: int) -> pa.Table:
    return pa.table({"size": pa.array(sizes, pa.int32()), "name": [str(size) for size in sizes]})


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table of which a row was deleted, and whose rows before that were others."""
    folder = str(tmp_path / "a table")
    write_deltalake(folder, numbers(7, 8, 9))
    write_deltalake(folder, numbers(1, 2, 3), mode="overwrite")
    DeltaTable(folder).delete("size = 3")
    return folder


def test_the_version_is_the_tables_and_its_id(table: str) -> None:
    assert version_of(table, "").startswith(f"2@{DeltaTable(table).metadata().id}@")
    assert version_of(table, "mine") == "mine"
    DeltaTable(table).delete("size = 2")
    assert version_of(table, "").startswith("3@")
    assert value_count(table) == 1


def test_copies_of_a_table_that_went_on_differently_have_versions_of_their_own(table: str, tmp_path: Path) -> None:
    copy = str(shutil.copytree(table, tmp_path / "a copy"))
    assert version_of(copy, "") == version_of(table, "")
    write_deltalake(table, numbers(5), mode="append")
    write_deltalake(copy, numbers(6), mode="append")
    assert version_of(copy, "") != version_of(table, "")


def test_its_schema_is_held_against_the_columns(table: str) -> None:
    schema(table, COLUMNS)
    with pytest.raises(UserError, match=r"the Delta table \S+ table has no column 'other'; it has size, name"):
        schema(table, {"other": "string"})
    with pytest.raises(
        UserError, match=r"column 'size' of the Delta table .* is int32; the dataset's schema has string"
    ):
        schema(table, {"size": "string"})
    DeltaTable(table).delete()
    with pytest.raises(UserError, match="holds no row"):
        schema(table, COLUMNS)


def test_a_log_that_cannot_be_read_is_one_line(table: str) -> None:
    for commit in Path(table, "_delta_log").glob("*.json"):
        commit.write_text("{")
    with pytest.raises(UserError, match=r"^the Delta table .* cannot be read: ") as refused:
        version_of(table, "")
    assert "\n" not in str(refused.value)


def test_duckdb_counts_the_rows_that_are_there(table: str) -> None:
    assert files(table)[0] == 1
    with duckdb.connect() as connection:
        for _ in range(2):
            scan(connection, table, COLUMNS)
            assert connection.sql("SELECT name, size FROM source ORDER BY size").fetchall() == [("1", 1), ("2", 2)]


@pytest.mark.spark
def test_spark_reads_the_version_that_was_named(spark: "SparkSession", table: str) -> None:
    version = version_of(table, "")
    DeltaTable(table).delete("size = 2")
    rows = read(spark, table, COLUMNS, version)
    assert rows.schema.simpleString() == "struct<name:string,size:bigint>"
    assert sorted(map(tuple, rows.collect())) == [("1", 1), ("2", 2)]
    for later in ("a name of the user's", "20@another table's"):
        assert [tuple(row) for row in read(spark, table, COLUMNS, later).collect()] == [("1", 1)]


@pytest.mark.spark
def test_deletion_vectors_and_renamed_columns_are_obeyed(spark: "SparkSession", tmp_path: Path) -> None:
    folder = str(tmp_path / "table")
    properties = "'delta.enableDeletionVectors'='true', 'delta.columnMapping.mode'='name'"
    spark.sql(
        f"CREATE TABLE delta.`{folder}` (first STRING, files ARRAY<STRUCT<p: STRING, n: INT>>, kind STRING) "
        f"USING delta PARTITIONED BY (kind) TBLPROPERTIES ({properties})"
    )
    spark.range(20).coalesce(1).selectExpr(
        "CAST(id AS STRING)", "array(named_struct('p', 'x', 'n', CAST(id AS INT)))", "'k'"
    ).write.insertInto(f"delta.`{folder}`")
    spark.sql(f"ALTER TABLE delta.`{folder}` RENAME COLUMN first TO name")
    spark.sql(f"DELETE FROM delta.`{folder}` WHERE name < 5")
    assert list(Path(folder).glob("**/deletion_vector*"))
    columns = {"name": "string", "kind": "string", "files.n": "int64", "files.p": "string"}
    rows = read(spark, folder, columns, version_of(folder, ""))
    left = rows.selectExpr("name", "kind", "files[0].n AS n").collect()
    with duckdb.connect() as connection:
        scan(connection, folder, columns)
        counted = connection.sql("SELECT name, kind, files[1].n FROM source").fetchall()
    assert sorted(map(tuple, left)) == sorted(counted)
    assert len(left) == sum(not str(number) < "5" for number in range(20)) or len(left) == 15
