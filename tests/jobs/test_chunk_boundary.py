"""Between two chunks the engine always has something to do."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recast.jobs.settings import Settings
from tests.fake_endpoint import Reply
from tests.jobs.lanes import Lane, Model, serve, write_pages
from tests.jobs.test_math_lane import page

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHUNK_ROWS = 40
ROWS = CHUNK_ROWS * 5 // 2
WINDOW = 2
ANSWER_S = 1.0


class Watched(Model):
    """A model that notes for how long it had nothing to do between two requests, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.idle_since = 0.0
        self.idle_s: list[float] = []

    async def chat(self, body: dict[str, Any]) -> Reply:
        if not self.running and self.idle_since:
            self.idle_s.append(time.monotonic() - self.idle_since)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await super().chat(body)
        finally:
            self.running -= 1
            self.idle_since = time.monotonic()


@pytest.mark.spark
@pytest.mark.slow
def test_the_next_chunks_requests_are_in_flight_while_the_last_ones_tail_drains(
    spark: "SparkSession", tmp_path: Path
) -> None:
    """Three chunks of 20, 40 and 40 pages: 10 s, 20 s and 20 s of answers by one feeder each, two at a time."""
    model = Watched()
    model.answer_s = ANSWER_S
    url, end = serve(model)
    write_pages(tmp_path / "source", [(f"https://a.org/{n}", page(2 * n)) for n in range(10, 10 + ROWS)])
    settings = Settings(
        lake=str(tmp_path / "lake"),
        math_source=str(tmp_path / "source"),
        endpoint=url,
        model="model-a",
        chunk_rows=CHUNK_ROWS,
        partitions=1,
        window=WINDOW,
    )
    run = Lane(settings, model).refresh("raw_math", "rewritten_math")["rewritten_math"]
    end()
    assert (run["chunks"], run["model_requests"]) == (3, ROWS)
    assert model.most_running == 2 * WINDOW, "two chunks are asked about at a time"
    # A feeder sends its next request within milliseconds of an answer; starting a chunk takes Spark seconds.
    assert max(model.idle_s, default=0.0) < 0.2
