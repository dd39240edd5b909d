"""Manners towards a store: how many requests and bytes a second it is asked for, and how long a failed request waits."""

import asyncio
import random
import time

TRIES = 8
"""How often an object is asked for in all, where its failure may pass."""
FIRST_S = 0.5
MOST_S = 30.0


def backoff_s(failures: int) -> float:
    """Return how long a request waits after so many failures: exponential backoff with full jitter.

    At random up to 0.5, 1, 2, ... 30 s, so that requests that failed together do not come together again
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    return random.uniform(0.0, min(FIRST_S * 2.0 ** (failures - 1), MOST_S))


class Rate:
    """So much a second, on average, of what is spent."""

    def __init__(self, per_s: float) -> None:
        """Begin with nothing spent; 0 a second stands for no limit."""
        self._each_s = 1.0 / per_s if per_s else 0.0
        self._free_at = 0.0

    def spend(self, amount: float, now: float) -> float:
        """Spend; return in how many seconds what was spent before is earned."""
        start = max(now, self._free_at)
        self._free_at = start + amount * self._each_s
        return start - now


class Manners:
    """What one task's requests to a store wait for."""

    def __init__(self, requests_per_s: float, bytes_per_s: float) -> None:
        """Begin with nothing asked for; 0 stands for no limit."""
        self._requests, self._bytes = Rate(requests_per_s), Rate(bytes_per_s)
        self._quiet_until = 0.0

    async def turn(self) -> None:
        """Wait until a request may be sent."""
        now = time.monotonic()
        wait_s = max(self._requests.spend(1, now), self._bytes.spend(0, now))
        while (wait_s := max(wait_s, self._quiet_until - now)) > 0:
            await asyncio.sleep(wait_s)
            # The store may have asked for rest meanwhile, or bytes have come that must be earned first.
            now = time.monotonic()
            wait_s = self._bytes.spend(0, now)

    def received(self, size: int) -> None:
        """Count the bytes of an object. How many they are is known too late to wait for them: later requests do."""
        self._bytes.spend(size, time.monotonic())

    def rest(self, after_s: float) -> None:
        """Send nothing more for so many seconds, as the store asks (Retry-After)."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + after_s)
