"""The math lane on real Spark, Delta and Great Expectations, with a model behind an endpoint."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recast.jobs import ingest_math
from recast.jobs.settings import Settings
from recast.lakehouse import query
from recast.lakehouse.refresh import look
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


@pytest.mark.spark
def test_of_a_folder_with_further_files_these_alone_are_read(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    source = tmp_path / "math source"
    write_pages(source, [(f"https://a.org/{number}", page(2 * number)) for number in range(1, 6)])
    lane = Lane(Settings(lake=str(tmp_path / "lake"), math_source=str(source), chunk_rows=4), served_model[0])
    lane.refresh("raw_math")
    first = lane.rows("raw_math")
    unreadable(source / "pages.parquet")

    came = [("1", page(2)), ("2", page(200)), ("6", page(6)), ("7", page(300)), ("8", page(400))]
    write_pages(source, [(f"https://a.org/{name}", text) for name, text in came], file="more")
    planned = look(spark, lane.settings, ingest_math.STAGE)
    assert dict(planned.rows) == {"measure": 2, "copy": 1}, "6 has the text of 3"
    assert (planned.unchanged, planned.conflicting) == (5, 2), (
        "the target's row of 2 stays; the one of 1 came once more"
    )

    run = lane.refresh("raw_math")["raw_math"]
    assert (run["rows_in"], run["rows_measured"], run["rows_removed"], run["rows_conflicting"]) == (3, 2, 0, 2)
    rows = lane.rows("raw_math")
    assert {row["url"][-1] for row in rows.values()} == set("12345678")
    assert {name: rows[name] for name in first} == first
    assert lane.refresh("raw_math") == {}

    write_pages(source, [(f"https://a.org/{number}", page(2 * number)) for number in range(2, 6)])
    assert lane.refresh("raw_math")["raw_math"]["rows_removed"] == 0, "the other file has 1 still"
    write_pages(source, [("https://a.org/7", page(300))], file="more")
    assert lane.refresh("raw_math", removal_limit=1.0)["raw_math"]["rows_removed"] == 3
    assert {row["url"][-1] for row in lane.rows("raw_math").values()} == set("23457")

    write_pages(source, [("https://a.org/9", page(9))], file="further")
    lane.refresh("raw_math", math_dataset="another name")
    named = {row["url"][-1]: row["source_dataset"] for row in lane.rows("raw_math").values()}
    assert named == dict.fromkeys("234579", "another name"), (
        "a name that all rows have is brought to the older ones, too"
    )


def unreadable(path: Path) -> None:
    """Spoil what a Parquet file holds, so that its name, size, time and footer stay and reading its rows fails."""
    time, content = path.stat().st_mtime_ns, path.read_bytes()
    end = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:4] + b"x" * (len(content) - 4 - end) + content[-end:])
    os.utime(path, ns=(time, time))
