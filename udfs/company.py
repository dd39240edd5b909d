"""Who may send requests to a shared engine after it died: every feeder, or one that holds an exclusive lock.

A request that kills the engine can only be found by sending it alone, and alone means: no other task's requests are in
flight either. So tasks that share an engine share two file locks in its runtime folder. `company` is held by everybody
who has requests in flight; `door` is passed on the way in and held shut by whoever wants to be alone, so that those
inside drain and nobody new comes in. The kernel frees both when their holder dies.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

POLL_S = 0.1


class Company:
    """One feeder's part in an engine's company. Not for use by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the locks of the engine whose runtime folder this is."""
        self._door = (folder / "door").open("a")
        self._company = (folder / "company").open("a")
        self._inside = self._alone = False

    def enter(self) -> bool:
        """Join those who send; False while somebody is, or wants to be, alone. Repeating it is harmless."""
        if not _try(self._door, fcntl.LOCK_SH):
            return False
        self._inside = self._inside or _try(self._company, fcntl.LOCK_SH)
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
        """Wait until no other feeder has anything in flight, and keep it so. Leaves the company first."""
        self.leave()
        try:
            while not _try(self._door, fcntl.LOCK_EX):
                await asyncio.sleep(POLL_S)
            while not _try(self._company, fcntl.LOCK_EX):
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


def _try(file: IO[str], operation: int) -> bool:
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
