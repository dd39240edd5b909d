"""Blocking calls beside an event loop."""

import asyncio
import threading
import time

import pytest

from recast.inference.threads import in_thread


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


def test_a_blocking_call_returns_to_the_loop_from_a_thread_of_its_own() -> None:
    assert asyncio.run(in_thread(threading.current_thread)) is not threading.current_thread()


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_what_it_raises_is_raised_in_the_loop(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("a fault")

    with pytest.raises(kind, match="a fault"):
        asyncio.run(in_thread(fail))


def test_a_call_that_nobody_waits_for_any_more_holds_up_no_end() -> None:
    release = threading.Event()

    async def give_up() -> None:
        async with asyncio.timeout(0.05):
            await in_thread(release.wait, 10)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert time.monotonic() - began < 5
    before = threading.active_count()
    release.set()
    while threading.active_count() >= before and time.monotonic() - began < 5:
        time.sleep(0.01)
