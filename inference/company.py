"""Who may send requests to a shared engine after it died: every feeder, or one that holds an exclusive lock.

A request that kills the engine can only be found by sending it alone, and alone means: no other task's requests are in
flight either. So tasks that share an engine share two file locks in its runtime folder. `company` is held by everybody
who has requests in flight; `door` is passed on the way in and held shut by whoever wants to be alone, so that those
inside drain and nobody new comes in. The kernel frees both when their holder dies; for one that is stopped nobody waits
for long.
"""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from recast.inference.locks import Wait, take
from recast.inference.server.engine import EngineError

POLL_S = 0.1
# No request is in flight for longer than its time-out, an hour, and no longer than twice that where it is asked again.
DRAIN_PATIENCE_S = 7200.0


class Company:
    """One feeder's part in an engine's company. Not for use by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the locks of the engine whose runtime folder this is."""
        self._door = (folder / "door").open("a")
        self._company = (folder / "company").open("a")
        self._inside = self._alone = False
        self._wait = Wait()

    def enter(self) -> bool:
        """Join those who send; False while somebody is, or wants to be, alone. Repeating it is harmless.

        Raises EngineError where who is alone is stopped.
        """
        if not take(self._door, fcntl.LOCK_SH):
            self._check(self._door)
            return False
        self._wait = Wait()
        self._inside = self._inside or take(self._company, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        return self._inside

    def leave(self) -> None:
        """Say that nothing of this feeder is in flight any more; without effect for whoever is alone."""
        if self._alone:
            return
        fcntl.flock(self._company, fcntl.LOCK_UN)
        self._inside = False

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until no other feeder has anything in flight, and keep it so. Leaves the company first.

        Raises EngineError where another is stopped, or has something in flight for longer than anybody may.
        """
        self.leave()
        self._wait = Wait()
        try:
            # Who is alone may be at it for hours: each death of the engine costs a start.
            while not take(self._door, fcntl.LOCK_EX):
                self._check(self._door)
                await asyncio.sleep(POLL_S)
            deadline = time.monotonic() + DRAIN_PATIENCE_S
            while not take(self._company, fcntl.LOCK_EX):
                self._check(self._company)
                if time.monotonic() > deadline:
                    raise EngineError(f"requests of other tasks are still in flight after {DRAIN_PATIENCE_S:.0f} s")
                await asyncio.sleep(POLL_S)
            self._alone = True
            yield
        finally:
            self._alone = False
            self.leave()
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files, which frees the locks."""
        self._door.close()
        self._company.close()

    def _check(self, lock: IO[str]) -> None:
        if reason := self._wait.in_vain(lock):
            raise EngineError(reason)
