"""Who may send requests to a shared engine: all tasks, or one that holds it exclusively to find a request that kills it.

Such a request can only be found by sending it alone, and alone means: no other task's requests are in flight either. So
tasks that share an engine share two file locks in its runtime folder. `requests` is held shared by everybody who has
requests in flight; `entry` is passed on the way to it and held by whoever wants the engine exclusively, so that those
who send drain and nobody else begins.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from recast.inference.locks import EXCLUSIVE, SHARED, Lock
from recast.inference.server.spec import EngineError

POLL_S = 0.1
# No request is in flight for longer than its time-out, an hour, and no longer than twice that where it is asked again.
DRAIN_PATIENCE_S = 7200.0


class EngineLock:
    """One task's part in the lock of a shared engine. All raise EngineError where a holder is stopped."""

    def __init__(self, folder: Path) -> None:
        """Open the locks of the engine whose runtime folder this is."""
        self._entry, self._requests = Lock(folder / "entry"), Lock(folder / "requests")
        self._shared = self._exclusive = False

    def share(self) -> bool:
        """Join those who send; False while somebody holds the engine exclusively, or wants to. Repeating it is harmless."""
        if not self._entry.take(SHARED):
            return False
        self._shared = self._shared or self._requests.take(SHARED)
        self._entry.release()
        return self._shared

    def release(self) -> None:
        """Say that nothing of this task is in flight any more; without effect for whoever holds the engine exclusively."""
        if not self._exclusive:
            self._requests.release()
            self._shared = False

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Wait until no other task has anything in flight, and keep it so. Releases its own share first.

        Raises EngineError, too, where another has something in flight for longer than anybody may.
        """
        self.release()
        try:
            # Whoever holds it may be at it for hours: each death of the engine costs a start.
            while not self._entry.take(EXCLUSIVE):
                await asyncio.sleep(POLL_S)
            deadline = time.monotonic() + DRAIN_PATIENCE_S
            while not self._requests.take(EXCLUSIVE):
                if time.monotonic() > deadline:
                    raise EngineError(f"requests of other tasks are still in flight after {DRAIN_PATIENCE_S:.0f} s")
                await asyncio.sleep(POLL_S)
            self._exclusive = True
            yield
        finally:
            self._exclusive = False
            self.release()
            self._entry.release()

    def close(self) -> None:
        """Close the lock files, which frees the locks."""
        self._entry.close()
        self._requests.close()
