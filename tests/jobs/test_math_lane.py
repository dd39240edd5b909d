"""The math lane on real Spark, Delta and Great Expectations, with a model behind an endpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests.jobs.lanes import Lane, Model, improved_page, write_pages

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def page(number: int) -> str:
    speed = number // 2
    question = f"A train travels {number} km in 2 hours. How fast is it?"
    return f"Home | Login\n\n{question} {number} / 2 = {speed}, so {speed} km/h."


PAGES: list[tuple[str, str | None]] = [
    ("https://a.org/1", page(120)),
    ("https://a.org/1", page(120)),
    ("https://mirror.org/1", page(120)),
    ("https://a.org/2", page(80)),
    ("https://a.org/3", page(60)),
    ("https://a.org/4", page(40)),
    ("https://a.org/refused", f"fail_me {page(20)}"),
    ("https://a.org/empty", None),
    ("https://a.org/blank", " \n\t "),
    ("https://a.org/nul", f"{page(10)}\0"),
]


@pytest.mark.spark
def test_pages_are_rewritten_once_and_follow_their_source(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    model, url = served_model
    model.failing = {"fail_me"}
    source = tmp_path / "math source"
    write_pages(source, PAGES)
    settings = Settings(
        lake=str(tmp_path / "math lake"), math_source=str(source), endpoint=url, model="model-a", chunk_rows=4
    )
    lane = Lane(settings, model)
    lane.requests()

    def pages(table: str) -> dict[str, str | None]:
        return {row["url"]: row["reason"] for row in lane.rows(table, "url, reason").values()}

    runs = lane.refresh("math")
    readable = {f"https://a.org/{name}": None for name in ("1", "2", "3", "4", "refused")} | {
        "https://mirror.org/1": None
    }
    assert pages("raw_math") == readable | {
        "https://a.org/empty": "no_text",
        "https://a.org/blank": "no_text",
        "https://a.org/nul": "null_bytes",
    }
    assert pages("rewritten_math") == readable | {"https://a.org/refused": "request_failed"}
    assert len(pages("published_math")) == 5
    rewritten = runs["rewritten_math"]
    assert (rewritten["rows_in"], rewritten["rows_measured"], rewritten["model_requests"]) == (6, 5, 4)
    assert rewritten["chunks"] == 2
    assert all(run["rows_in"] == run["rows_kept"] + run["rows_rejected"] for run in runs.values())
    assert set(lane.requests().values()) == {1}, "a text of two addresses is asked about once"
    statement = "SELECT p.text, r.text AS source FROM published_math AS p JOIN raw_math AS r USING (doc_id)"
    assert all(row["text"] == improved_page(row["source"]) + "\n" for row in query.rows(settings, statement))

    # One page changes, one goes, one gets a new address, and all get another place in the crawl: other identities.
    changed = [("https://a.org/1", page(120)), ("https://a.org/2", page(82)), ("https://a.org/three", page(60))]
    moved = [{"url": url, "text": text, "warc_filename": "another"} for url, text in [*changed, *PAGES[5:]]]
    write_pages(source, [], moved)
    runs = lane.refresh("math")
    assert lane.requests() == {("rewrite_math_v1", page(82)): 1}
    assert runs["raw_math"]["rows_removed"] == 9
    rewritten = runs["rewritten_math"]
    assert (rewritten["rows_in"], rewritten["rows_measured"]) == (5, 1), "what was paid for a text is taken along"
    assert set(pages("published_math")) == {f"https://a.org/{name}" for name in ("1", "2", "three", "4")}
    assert lane.refresh("math") == {}
