"""Rates hold on average, whatever asks; and a failed request waits at random."""

import asyncio
import time
from itertools import pairwise

import pytest

from recast.udfs.contents import manners
from recast.udfs.contents.manners import MOST_S, Manners, Rate, backoff_s


def test_a_rate_lets_so_much_a_second_pass_and_no_burst_after_a_rest() -> None:
    rate = Rate(10.0)
    assert [round(rate.spend(1, now=5.0), 6) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert rate.spend(1, now=100.0) == 0.0
    assert rate.spend(1, now=100.0) == pytest.approx(0.1)
    assert [Rate(0.0).spend(1000, now=1.0) for _ in range(3)] == [0.0] * 3


def test_bytes_that_came_must_be_earned_before_the_next_request() -> None:
    async def wait_s() -> float:
        some, start = Manners(0.0, 10_000.0), time.monotonic()
        await some.turn()
        some.answered(3_000)
        await some.turn()
        return time.monotonic() - start

    assert 0.25 < asyncio.run(wait_s()) < 2.0


def test_a_store_that_asks_for_rest_gets_it_from_every_request_and_the_rate_holds_afterwards() -> None:
    async def waited_s() -> list[float]:
        some, start, turns = Manners(100.0, 0.0), time.monotonic(), []

        async def ask() -> None:
            await some.turn()
            turns.append(time.monotonic() - start)

        waits = [asyncio.create_task(ask()) for _ in range(40)]
        await asyncio.sleep(0.02)
        some.refused(0.3)
        some.refused(0.1)
        await asyncio.gather(*waits)
        return turns

    turns = asyncio.run(waited_s())
    during, after = [each for each in turns if 0.03 < each < 0.3], [each for each in turns if each >= 0.3]
    assert not during
    assert after[-1] - after[0] >= (len(after) - 1) / 100.0 - 2 * manners.LATE_S


def test_the_first_requests_of_tasks_that_begin_together_do_not_come_together() -> None:
    async def first_s() -> float:
        start = time.monotonic()
        await Manners(5.0, 0.0).turn()
        return time.monotonic() - start

    async def firsts() -> list[float]:
        return await asyncio.gather(*(first_s() for _ in range(50)))

    waits = asyncio.run(firsts())
    assert min(waits) < 0.08
    assert 0.12 < max(waits) < 1.0


def test_refusals_in_a_row_halve_the_rate_once_and_it_recovers_with_time() -> None:
    rate = Rate(100.0)
    rate.slow_down()
    assert rate.per_s == 50.0
    rate.recover(manners.RECOVERY_S / 10)
    assert rate.per_s == pytest.approx(60.0)
    rate.recover(10 * manners.RECOVERY_S)
    assert rate.per_s == 100.0
    for _ in range(100):
        rate.slow_down()
    assert rate.per_s == manners.SLOWEST_PER_S
    slow, free = Rate(0.01), Rate(0.0)
    slow.slow_down()
    free.slow_down()
    assert (slow.per_s, free.per_s) == (0.01, manners.FASTEST_PER_S / 2)
    some = Manners(100.0, 0.0)
    for number in range(1000):
        some.refused() if number % 10 in (3, 4) else some.answered()
    assert some._requests.per_s == 100.0, "a refusal now and then is none of the rate's"
    for _ in range(64):
        some.refused()
    assert some._requests.per_s == 50.0, "those that were in flight together are one"
    mixed = Manners(100.0, 0.0)
    for number in range(20):
        mixed.refused() if number % 2 else mixed.answered()
    assert mixed._requests.per_s == 50.0, "answers between refusals do not hide them"


def test_a_task_rests_as_long_again_as_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(manners.time, "monotonic", lambda: now)
    some, rests = Manners(0.0, 0.0), []
    for _ in range(15):
        some.refused()
        rests.append(max(0.0, some._requests.free_at - now))
        now = max(now, some._requests.free_at) + 0.01
    assert rests[:4] == [0.0] * 4
    assert 0.5 <= rests[4] <= 0.6
    assert all(before <= after for before, after in pairwise(rests[4:10]))
    assert manners.MOST_S <= rests[-1] <= 1.2 * manners.MOST_S
    assert some.refused_for_s() > 100
    some.answered()
    assert some.refused_for_s() == 0.0


def test_requests_of_a_task_keep_its_rate() -> None:
    async def seconds() -> float:
        some, start = Manners(100.0, 0.0), time.monotonic()
        await asyncio.gather(*(some.turn() for _ in range(31)))
        return time.monotonic() - start

    assert asyncio.run(seconds()) >= 0.27


def test_backoff_doubles_with_full_jitter_and_is_bounded() -> None:
    for failures, most in ((1, 0.5), (2, 1.0), (4, 4.0), (20, MOST_S)):
        drawn = [backoff_s(failures) for _ in range(300)]
        assert 0 <= min(drawn) < 0.1 * most
        assert 0.9 * most < max(drawn) <= most
