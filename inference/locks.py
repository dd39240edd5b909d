"""File locks that processes share. The kernel frees the locks of a process that ends, but not of one that is stopped."""

import fcntl
import os
import re
import time
from pathlib import Path
from typing import IO

# Who stops a process (a debugger, a job control's SIGSTOP) may well let it go on.
STOPPED_PATIENCE_S = 60.0


def take(file: IO[str], operation: int) -> bool:
    """Take a lock (`fcntl.LOCK_SH` or `LOCK_EX`) if that can be done now; tell whether it was."""
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Wait:
    """One wait for a lock, or for several in turn."""

    def __init__(self) -> None:
        """Begin to wait."""
        self._stopped_since: float | None = None

    def in_vain(self, file: IO[str]) -> str:
        """Return why the lock on a file will not be free, "" as long as it may; to be asked from time to time."""
        pid = stopped_holder(file)
        if not pid:
            self._stopped_since = None
            return ""
        self._stopped_since = self._stopped_since or time.monotonic()
        if time.monotonic() - self._stopped_since < STOPPED_PATIENCE_S:
            return ""
        what = f"process {pid}, which holds the lock {file.name} of the shared engine, is stopped"
        return f"{what}: let it go on (kill -CONT {pid}) or end it"


def stopped_holder(file: IO[str]) -> int:
    """Return the pid of a stopped process that holds a lock on a file, 0 where there is none (proc_locks(5))."""
    inode = os.fstat(file.fileno()).st_ino
    try:
        locks = Path("/proc/locks").read_text("ascii")
    except OSError:
        return 0
    holders = re.findall(rf"^\d+: FLOCK .* (\d+) \w+:\w+:{inode} ", locks, re.MULTILINE)
    return next((int(pid) for pid in holders if _is_stopped(pid)), 0)


def _is_stopped(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False
