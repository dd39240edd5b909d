"""SQL over a source: DuckDB reads the source's folder and no other file."""

from pathlib import Path

import pytest

from recast.lakehouse.datasets import form_of
from recast.lakehouse.source_sql import by_duckdb
from recast.settings import UserError
from tests.lakehouse.forms.shards import COLUMNS, ROWS, write


def test_statements_read_the_columns_of_the_source_and_nothing_else(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "a [1] source" / "a.parquet", **ROWS))
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n1\n")
    with by_duckdb(form_of(folder), folder, COLUMNS) as source:
        assert source.run("SELECT * FROM source ORDER BY name") == [{"name": "a", "size": 1}, {"name": "b", "size": 2}]
        assert source.run(f"SELECT {source.sql.bytes}('é') AS n") == [{"n": 2}]
        for statement in (f"FROM read_csv('{secret}')", f"COPY (SELECT 1) TO '{tmp_path}/out.csv'", "SET threads = 1"):
            with pytest.raises(UserError, match="cannot be counted: ") as refused:
                source.run(statement)
            assert "\n" not in str(refused.value)


def test_links_are_followed_as_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "blobs" / "4665a5", **ROWS)
    snapshot = tmp_path / "hub" / "snapshots" / "9b1f" / "data"
    snapshot.mkdir(parents=True)
    (snapshot / "train-0.parquet").symlink_to("../../../blobs/4665a5")
    (tmp_path / "link").symlink_to(tmp_path / "hub" / "snapshots")
    for folder in (str(snapshot), str(tmp_path / "link" / "9b1f")):
        with by_duckdb(form_of(folder), folder, COLUMNS) as source:
            assert source.run("SELECT sum(size)::INT AS n FROM source") == [{"n": 3}]


def test_a_file_that_breaks_under_the_reader_is_one_line(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "source" / "a.parquet", **(ROWS | {"name": ["a" * 999, "b" * 999]})))
    with by_duckdb(form_of(folder), folder, COLUMNS) as source:
        file = tmp_path / "source" / "a.parquet"
        file.write_bytes(file.read_bytes()[:4] + bytes(20) + file.read_bytes()[24:])
        with pytest.raises(UserError, match=f"^{folder}.*cannot be counted: ".replace("[", "\\[")):
            source.run("SELECT max(name), sum(size) FROM source")
