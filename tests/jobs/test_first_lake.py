"""A lake that the first Recast made: every later one reads it, and a refresh gives its tables the columns that came since."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import query
from recast.schemas import TABLES
from tests.jobs.lanes import Lane, Model, write_pages

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MADE = Path(__file__).with_name("first_lake")
TABLES_MADE = ("raw_math", "rewritten_math", "published_math")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "lake"))


def test_sql_shows_every_column_of_today_that_a_view_needs(lake: Path) -> None:
    settings = Settings(lake=str(lake))
    found = query.rows(settings, "SELECT count(*) AS rows FROM lineage")
    assert found == [{"rows": 12}], "four documents in three tables"
    assert [row["table_name"] for row in query.rows(settings, "SELECT table_name FROM funnel WHERE run_id IS NULL")]
    assert query.rows(settings, "SELECT * FROM rejects") == []
    assert query.rows(settings, "SELECT table_name FROM cost")


@pytest.mark.spark
def test_a_refresh_adds_columns_and_keeps_rows(
    spark: "SparkSession", served_model: tuple[Model, str], lake: Path, tmp_path: Path
) -> None:
    model, url = served_model
    settings = Settings(lake=str(lake), math_source=str(tmp_path / "source"), endpoint=url, model="model-a")
    pages = query.rows(settings, "SELECT url, text FROM raw_math ORDER BY url")
    write_pages(tmp_path / "source", [(page["url"], page["text"]) for page in pages])
    lane = Lane(settings, model)
    lane.requests()
    runs = lane.refresh("math")
    assert {name: (run["status"], run["rows_kept"]) for name, run in runs.items()} == dict.fromkeys(
        TABLES_MADE, ("succeeded", 4)
    )
    assert len(lane.requests()) == 4, "the rules of a rewrite are others now, and each page is asked about once"
    for name in TABLES_MADE:
        found = query.run_sql(settings, f"SELECT * FROM {name}", name).description
        assert {column for column, *_ in found} == set(TABLES[name].column_names)
    assert query.rows(settings, "SELECT url FROM published_math ORDER BY url") == [
        {"url": page["url"]} for page in pages
    ]
    assert lane.refresh("math") == {}
