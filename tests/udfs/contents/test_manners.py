"""Rates hold on average, whatever asks; and a failed request waits at random."""

import asyncio
import time

import pytest

from recast.udfs.contents.manners import MOST_S, Manners, Rate, backoff_s


def test_a_rate_lets_so_much_a_second_pass_and_no_burst_after_a_rest() -> None:
    rate = Rate(10.0)
    assert [round(rate.spend(1, now=5.0), 6) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert rate.spend(1, now=100.0) == 0.0
    assert rate.spend(1, now=100.0) == pytest.approx(0.1)
    assert [Rate(0.0).spend(1000, now=1.0) for _ in range(3)] == [0.0] * 3


def test_bytes_that_came_must_be_earned_before_the_next_request() -> None:
    async def wait_s() -> float:
        manners, start = Manners(0.0, 10_000.0), time.monotonic()
        await manners.turn()
        manners.received(3_000)
        await manners.turn()
        return time.monotonic() - start

    assert 0.25 < asyncio.run(wait_s()) < 2.0


def test_a_store_that_asks_for_rest_gets_it_from_every_request() -> None:
    async def waited_s() -> list[float]:
        manners, start = Manners(0.0, 0.0), time.monotonic()
        waits = [asyncio.create_task(manners.turn()) for _ in range(3)]
        manners.rest(0.2)
        manners.rest(0.1)
        await asyncio.gather(*waits)
        return [time.monotonic() - start]

    assert asyncio.run(waited_s())[0] >= 0.2


def test_requests_of_a_task_keep_its_rate() -> None:
    async def seconds() -> float:
        manners, start = Manners(100.0, 0.0), time.monotonic()
        await asyncio.gather(*(manners.turn() for _ in range(31)))
        return time.monotonic() - start

    assert asyncio.run(seconds()) >= 0.29


def test_backoff_doubles_with_full_jitter_and_is_bounded() -> None:
    for failures, most in ((1, 0.5), (2, 1.0), (4, 4.0), (20, MOST_S)):
        drawn = [backoff_s(failures) for _ in range(300)]
        assert 0 <= min(drawn) < 0.1 * most
        assert 0.9 * most < max(drawn) <= most
