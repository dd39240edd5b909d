"""Manners towards a store: how many requests and bytes a second it is asked for, and what is done when it refuses."""

import asyncio
import random
import time

TRIES = 8
"""How often an object is asked for in all, where its failure may pass."""
FIRST_S = 0.5
MOST_S = 30.0
REFUSALS = 5
FORGIVEN = 0.25
"""So many refusals slow the task down, each answer between them making up for so much of one: where more than one request in
five is refused. One in a hundred never came so close together in 800 million requests drawn at random."""
SLOWER = 0.5
RECOVERY_S = 300.0  # from nothing to the full rate
FASTEST_PER_S = 1000.0  # about what one task manages (docs/log.md): where a limit begins to fall that nobody set
SLOWEST_PER_S = 0.1
LATE_S = 0.02
"""So late a request may go without those behind it going later: a loop wakes some milliseconds after it was to."""


def backoff_s(failures: int) -> float:
    """Return how long a request waits after so many failures: exponential backoff with full jitter.

    At random up to 0.5, 1, 2, ... 30 s, so that requests that failed together do not come together again
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    return random.uniform(0.0, min(FIRST_S * 2.0 ** min(failures - 1, 10), MOST_S))


class Rate:
    """So much a second, on average, of what is spent; 0 a second stands for no limit."""

    def __init__(self, per_s: float) -> None:
        """Begin with nothing spent."""
        self.most_per_s = self.per_s = per_s or float("inf")
        self.free_at = 0.0

    def spend(self, amount: float, now: float) -> float:
        """Spend; return in how many seconds what was spent before is earned."""
        start = max(now, self.free_at)
        self.free_at = start + amount / self.per_s
        return start - now

    def slow_down(self) -> None:
        """Let less pass (multiplicative decrease)."""
        self.per_s = max(min(self.per_s, FASTEST_PER_S) * SLOWER, min(SLOWEST_PER_S, self.most_per_s))

    def recover(self, passed_s: float) -> None:
        """Let more pass for the time that passed without a refusal, up to the limit (additive increase)."""
        self.per_s = min(self.per_s + passed_s / RECOVERY_S * min(self.most_per_s, FASTEST_PER_S), self.most_per_s)


class Manners:
    """What one task's requests to a store wait for. Each is told how it ended: `answered` or `refused`."""

    def __init__(self, requests_per_s: float, bytes_per_s: float) -> None:
        """Begin with nothing asked for; 0 stands for no limit. Tasks that begin together do not ask together."""
        self._requests, self._bytes = Rate(requests_per_s), Rate(bytes_per_s)
        self._requests.free_at = time.monotonic() + random.uniform(0.0, 1.0 / self._requests.per_s)
        self._in_turn = asyncio.Lock()
        self._refusals, self._is_refused, self._slowed = 0.0, False, False
        self._refused_since = self._resting_until = 0.0
        self._asked_at = time.monotonic()

    async def turn(self) -> None:
        """Wait until a request may be sent: one after the other, so that none holds a place that a rest puts off."""
        async with self._in_turn:
            while (wait_s := max(self._requests.free_at, self._bytes.free_at) - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            now = time.monotonic()
            if not self._is_refused:
                self._requests.recover(now - self._asked_at)
            self._asked_at = now
            self._requests.spend(1, now - LATE_S)

    def answered(self, size: int = 0) -> None:
        """Count an answer, and its bytes. How many they are is known too late to wait for them: later requests do."""
        self._refusals = max(0.0, self._refusals - FORGIVEN)
        self._is_refused = self._slowed = False
        self._bytes.spend(size, time.monotonic())

    def refused(self, after_s: float = 0.0) -> None:
        """Count a request that the store refused, or that did not reach it, and rest as long as it asks (Retry-After).

        Many have the task ask for less a second and rest, while only refusals follow as long again as they have lasted.
        """
        now = time.monotonic()
        was_resting = now < self._resting_until  # then it was sent before
        self._refused_since = self._refused_since if self._is_refused else now
        self._is_refused = True
        self._rest(after_s, now)
        if was_resting:
            return
        self._refusals += 1
        if self._refusals >= REFUSALS and not self._slowed:
            self._refusals, self._slowed = 0.0, True
            self._requests.slow_down()
        if self._slowed:
            self._rest(min(max(self.refused_for_s(), FIRST_S), MOST_S), now)

    def refused_for_s(self) -> float:
        """Return for how many seconds all requests have been refused."""
        return time.monotonic() - self._refused_since if self._is_refused else 0.0

    def _rest(self, for_s: float, now: float) -> None:
        """Send nothing for so many seconds, and then at the rate as before."""
        if for_s > 0:
            self._resting_until = max(self._resting_until, now + for_s * random.uniform(1.0, 1.2))
            self._requests.free_at = max(self._requests.free_at, self._resting_until)
