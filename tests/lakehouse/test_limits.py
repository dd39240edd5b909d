"""Limits of a refresh: rows, hours and money, over all of its stages."""

from typing import Any

import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import ledger, limits
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.limits import Limits
from recast.settings import UserError

CHUNKS = [Chunk(number, str(number), None, 10) for number in range(4)]


def run(table: str, rows: int, **more: Any) -> ledger.Run:
    return ledger.begin("run", table, "1", {}, {}) | {"rows_in": rows} | more  # type: ignore[return-value, operator]


def test_without_limits_everything_is_done() -> None:
    free = Limits(Settings())
    assert (free.fitting(CHUNKS), free.rows_left, free.reached()) == (CHUNKS, None, "")


def test_rows_are_counted_over_all_tables_and_never_passed() -> None:
    settings = Settings(max_rows=35)
    limited = Limits(settings)
    assert limited.fitting(CHUNKS) == CHUNKS[:3]
    limited.count(run("raw_code", 10), settings)
    limited.count(run("raw_code", 20), settings)  # the same run, one chunk later
    assert limited.rows_left == 15
    limited.count(run("parsed_code", 15), settings)
    assert (limited.rows_left, list(limited.fitting(CHUNKS))) == (0, [])
    assert limited.words() == "stopped after 35 rows, as max_rows = 35 asks"


def test_the_first_chunk_is_taken_however_large_it_is_so_that_every_night_gets_on() -> None:
    limited = Limits(Settings(max_rows=3))
    assert list(limited.fitting(CHUNKS)) == CHUNKS[:1]


def test_a_limit_of_money_without_a_price_is_refused() -> None:
    with pytest.raises(UserError, match="max_cost needs a price: set one of price_gpu_hour"):
        Limits(Settings(max_cost=1))


def test_money_and_time_are_looked_at_after_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(max_cost=1, price_output_tokens=1, max_hours=2)
    limited = Limits(settings)
    limited.count(run("styled_code", 10, output_tokens=900_000), settings)
    assert limited.reached() == ""
    limited.count(run("optimized_code", 10, output_tokens=100_000), settings)
    assert limited.reached() == "stopped at a cost of 1.00, as max_cost = 1 asks"
    later = limited.began + 2 * 3600 + 1
    monkeypatch.setattr(limits.time, "monotonic", lambda: later)
    assert limited.reached().startswith("stopped after 2.00 hours")
