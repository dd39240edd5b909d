"""Too many failed requests: the run stops by itself with its reason, keeps what it committed, and goes on from there."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recast.jobs.running import RunError
from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests.jobs.lanes import Lane, Model, write_pages
from tests.jobs.test_math_lane import page

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GOOD, FAILING = 40, 20
ROWS = GOOD + FAILING
# Sixty rows in chunks of at most forty: the first chunk of two is half as large as the second.
IN_FIRST_CHUNK = 20


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("tasks", [1, 4], ids=["a task says so", "the chunk says so"])
def test_a_run_stops_with_its_reason_and_goes_on_where_it_stopped(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path, tasks: int
) -> None:
    model, url = served_model
    model.failing, model.answer_s = {"fail_me"}, 0.0
    good = sorted((page(2 * number) for number in range(10, 10 + GOOD)), key=digest)
    candidates = (f"fail_me {page(2 * number)}" for number in range(10, 1000))
    failing = [text for text in candidates if digest(text) > digest(good[IN_FIRST_CHUNK])][:FAILING]
    texts = good + failing
    write_pages(tmp_path / "source", [(f"https://a.org/{number}", text) for number, text in enumerate(texts)])
    settings = Settings(
        lake=str(tmp_path / "lake"),
        math_source=str(tmp_path / "source"),
        endpoint=url,
        model="model-a",
        chunk_rows=40,
        partitions=tasks,
    )
    lane = Lane(settings, model)
    lane.requests()

    with pytest.raises(RunError, match=r"rewritten_math failed: .*\d+ of \d+ requests failed, the budget is 5.0%: 400"):
        lane.refresh("math")
    first = lane.requests()
    assert max(first.values()) == 1
    ledger = query.last_run(settings, "rewritten_math")
    assert ledger is not None
    assert ledger["status"] == "failed"
    assert "refused by the model's owner" in ledger["problem"]
    committed = lane.rows("rewritten_math", "kept")
    assert len(committed) == ledger["rows_in"] == IN_FIRST_CHUNK
    assert all(row["kept"] for row in committed.values())

    model.failing = set()
    run = lane.refresh("math")["rewritten_math"]
    again = Counter(lane.requests())
    assert {text for _, text in again} >= set(failing), "what failed is asked again"
    assert not [text for (_, text) in again if text not in failing and ("rewrite_math_v1", text) in first]
    assert len(lane.rows("rewritten_math")) == ROWS
    assert len(lane.rows("published_math")) == ROWS

    # Every answer has one hundred prompt tokens and ten output tokens.
    asked = sum(again.values())
    assert run["requests_failed"] == 0
    assert run["output_tokens"] - run["recalled_output_tokens"] == 10 * asked
    assert run["prompt_tokens"] == 10 * run["output_tokens"] == 10 * run["kept_output_tokens"]
    assert run["engines"] == 1
    assert 0 < run["engine_seconds"] < run["seconds"]
    assert run["tokens_per_s"] == pytest.approx(10 * asked / run["engine_seconds"])
    assert run["mfu"] is None
