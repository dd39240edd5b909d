"""The DuckDB file of `recast attach`: what plain DuckDB finds in it, and for how long."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from recast.lakehouse import maintain, query, takedown
from recast.lakehouse.attach import attach, attach_spark
from recast.lakehouse.claims import Claim
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import lift, take_down
from recast.schemas import TABLES
from recast.schemas.views import VIEWS
from recast.settings import UserError
from tests.lakehouse.whole_lake import MATH, doc_id_of, rows_of, write, write_whole_lake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_whole_lake(tmp_path / "a 'lake'")


def rows(file: Path, statement: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(statement).fetchall()


def test_plain_duckdb_finds_the_same_rows_as_recast_sql(settings: Settings, tmp_path: Path) -> None:
    names = attach(settings, str(tmp_path / "lake.duckdb"))
    assert names == [*(name for name in TABLES if name != "releases"), *VIEWS]
    for name in names:
        count = f"SELECT count(*) AS n FROM {name}"
        assert rows(tmp_path / "lake.duckdb", count) == [(query.rows(settings, count)[0]["n"],)], name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a 'lake'", "lake.duckdb"]


def test_the_file_can_be_read_from_any_folder(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attach(settings, "lake.duckdb")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert rows(tmp_path / "lake.duckdb", "SELECT count(*) FROM rejects")[0][0] > 0


def test_a_table_without_rows_has_its_columns(settings: Settings, tmp_path: Path) -> None:
    write(Path(settings.lake), "raw_math", [])
    attach(settings, str(tmp_path / "lake.duckdb"))
    assert rows(tmp_path / "lake.duckdb", "SELECT doc_id, warc_record_offset FROM raw_math") == []


def test_the_file_shows_the_tables_as_they_were_until_it_is_written_again(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lake.duckdb"
    attach(settings, str(file))
    write(Path(settings.lake), "raw_math", rows_of(MATH, "raw_math", 1)[:1])
    assert rows(file, "SELECT count(*) FROM raw_math") == [(5,)]
    assert rows(file, "SELECT version FROM attached WHERE table_name = 'raw_math'") == [(1,)]
    attach(settings, str(file))
    assert rows(file, "SELECT count(*) FROM raw_math") == [(1,)]
    assert rows(file, "SELECT version FROM attached WHERE table_name = 'raw_math'") == [(2,)]


def test_after_a_vacuum_duckdb_names_the_file_that_is_gone(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lake.duckdb"
    attach(settings, str(file))
    write(Path(settings.lake), "raw_math", rows_of(MATH, "raw_math", 1)[:1])
    table = DeltaTable(Path(settings.lake, "raw_math"))
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(duckdb.Error, match=r"raw_math/.*\.parquet"):
        rows(file, "SELECT text FROM raw_math")


PAGE, FILE = Claim("domain", "example.org"), Claim("blob", doc_id_of("ada/numbers/near.py"))


@pytest.mark.parametrize("before", [[], [FILE]])
def test_what_is_taken_down_later_is_not_shown_without_attaching_again(tmp_path: Path, before: list[Claim]) -> None:
    settings, file = write_whole_lake(tmp_path / "a 'lake'"), tmp_path / "lake.duckdb"
    take_down(settings, before, "asked to")
    attach(settings, str(file))
    pages, files = (f"SELECT doc_id FROM published_{lane}" for lane in ("math", "code"))
    assert len(rows(file, pages)) == 2
    assert ((FILE.value,) in rows(file, files)) == (not before)
    take_down(settings, [PAGE, FILE], "asked to")
    assert rows(file, pages) == []
    assert (FILE.value,) not in rows(file, files)
    assert rows(file, "SELECT DISTINCT table_name FROM lineage WHERE table_name = 'published_math'") == []
    lift(settings, [PAGE], "a mistake")
    assert len(rows(file, pages)) == 2


def test_tombstones_whose_files_were_put_together_or_are_gone_hide_the_same(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lake.duckdb"
    take_down(settings, [FILE], "asked to")
    attach(settings, str(file))
    take_down(settings, [PAGE], "asked to")
    monkeypatch.setattr(maintain, "SMALL_FILES", 2)
    for _ in "old files stay", "and go":
        assert maintain.compact(settings, "tombstones")[1] == 1
        assert rows(file, "SELECT doc_id FROM published_math") == []
        assert (FILE.value,) not in rows(file, "SELECT doc_id FROM published_code")
        table = DeltaTable(Path(settings.lake, "tombstones"))
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(list(Path(settings.lake, "tombstones").glob("*.parquet"))) == 1


def test_a_lake_that_was_attached_has_no_takedown_yet(settings: Settings, tmp_path: Path) -> None:
    attach(settings, str(tmp_path / "lake.duckdb"))
    assert takedown.version(settings) is None
    assert query.rows(settings, "FROM tombstones") == []
    assert takedown.in_force(settings) == []
    take_down(settings, [FILE], "asked to")
    assert takedown.version(settings) is not None


@pytest.mark.parametrize("content", [b"", b"mine\n", None])
def test_a_file_of_somebody_else_is_not_replaced(settings: Settings, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "other.duckdb"
    if content is None:
        with duckdb.connect(str(file)) as connection:
            connection.execute("CREATE TABLE precious AS SELECT 1 AS one")
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    with pytest.raises(UserError, match="was not made by recast attach"):
        attach(settings, str(file))
    assert file.read_bytes() == before


def test_a_lake_without_tables_or_with_a_damaged_one_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="recast refresh"):
        attach(Settings(lake=str(tmp_path / "nowhere")), str(tmp_path / "lake.duckdb"))
    for path in Path(settings.lake, "raw_math").glob("*.parquet"):
        path.unlink()
    with pytest.raises(UserError, match="is missing"):
        attach(settings, str(tmp_path / "lake.duckdb"))
    assert [path.name for path in tmp_path.iterdir()] == ["a 'lake'"]


def test_a_folder_that_is_not_there_and_an_object_store_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        attach(settings, str(tmp_path / "nowhere" / "lake.duckdb"))
    with pytest.raises(UserError, match="object store"):
        attach(Settings(lake="s3a://bucket/lake"), str(tmp_path / "lake.duckdb"))


def test_the_statements_for_spark_name_every_table_by_its_place_and_every_view(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lake.sql"
    names = attach_spark(settings, str(file))
    text = file.read_text()
    assert names == [*(name for name in TABLES if name != "releases"), *VIEWS]
    for name in names:
        created = "CREATE OR REPLACE VIEW" if name in VIEWS else "CREATE TABLE IF NOT EXISTS"
        assert f"{created} {query.stored(name)} " in text
    for name in query.PUBLISHED:
        assert f"CREATE OR REPLACE VIEW {name} AS\nSELECT stored_{name}.* FROM stored_{name} ANTI JOIN" in text
    assert rf"USING delta LOCATION '{tmp_path}/a \'lake\'/raw_code'" in text
    attach_spark(settings, str(file))
    assert file.read_text() == text
    (tmp_path / "mine.sql").write_text("SELECT 1;")
    with pytest.raises(UserError, match="was not made by recast attach"):
        attach_spark(settings, str(tmp_path / "mine.sql"))
    with pytest.raises(UserError, match="recast refresh"):
        attach_spark(Settings(lake=str(tmp_path / "nowhere")), str(tmp_path / "other.sql"))
