"""The generated listing is what the benchmark says that it is."""

from pathlib import Path

import duckdb

from benchmarks.listing import OTHERS_HAVE, generate


def test_a_listing_has_one_large_repository_and_blobs_that_are_listed_twice(tmp_path: Path) -> None:
    documents = generate(tmp_path / "listing", 20_000)
    source = f"'{tmp_path}/listing/*.parquet'"
    sizes = duckdb.sql(f"SELECT len(files) AS n, count(*) FROM {source} GROUP BY n ORDER BY n").fetchall()
    assert sizes == [(OTHERS_HAVE, 1_800), (2_000, 1)], "files of a repository, repositories"
    files = f"(SELECT unnest(files) AS file FROM {source}) WHERE file.language = 'Python'"
    (counted,) = duckdb.sql(f"SELECT count(*), count(DISTINCT file.blob_id) FROM {files}").fetchall()
    assert counted[1] == documents < counted[0]
    (named,) = duckdb.sql(f"SELECT count(DISTINCT repo_name) FROM {source}").fetchall()
    assert named == (1_801,)
