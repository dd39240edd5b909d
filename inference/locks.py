"""File locks that processes share. The kernel frees the locks of a process that ends, but not of one that is stopped."""

import fcntl
import os
import re
import time
from pathlib import Path

from recast.inference.server.spec import EngineError

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX
# Who stops a process (a debugger, a job control's SIGSTOP) may well let it go on.
STOPPED_PATIENCE_S = 60.0


class Lock:
    """A lock of a shared engine, on a file that is made where there is none. Not for use by several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file = path.open("a")
        self._stopped_since: float | None = None

    def take(self, operation: int) -> bool:
        """Take the lock (SHARED or EXCLUSIVE) if that can be done now; tell whether it was.

        To be repeated from time to time. Raises EngineError where its holder has been stopped for STOPPED_PATIENCE_S.
        """
        try:
            fcntl.flock(self._file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            self._check()
            return False
        self._stopped_since = None
        return True

    def release(self) -> None:
        """Free the lock; without effect where it is not held."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which frees the lock."""
        self._file.close()

    def stopped_holder(self) -> int:
        """Return the pid of a stopped process that holds the lock, 0 where there is none (proc_locks(5))."""
        inode = os.fstat(self._file.fileno()).st_ino
        try:
            locks = Path("/proc/locks").read_text("ascii")
        except OSError:
            return 0
        holders = re.findall(rf"^\d+: FLOCK .* (\d+) \w+:\w+:{inode} ", locks, re.MULTILINE)
        return next((int(pid) for pid in holders if _is_stopped(pid)), 0)

    def _check(self) -> None:
        pid = self.stopped_holder()
        self._stopped_since = (self._stopped_since or time.monotonic()) if pid else None
        if self._stopped_since and time.monotonic() - self._stopped_since >= STOPPED_PATIENCE_S:
            what = f"process {pid}, which holds the lock {self._file.name} of the shared engine, is stopped"
            raise EngineError(f"{what}: let it go on (kill -CONT {pid}) or end it")


def _is_stopped(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False
