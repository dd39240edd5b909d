"""Locks: what keeps two runs apart in a local lake, and who holds a table at this moment, in any lake.

The kernel drops a lock with the process that held it, however that ends. In an object store there are leases (lease.py).
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from recast import s3
from recast.lakehouse import lease
from recast.lakehouse.settings import Settings, is_local, work_path
from recast.settings import BusyError, UserError

ASKING_S = 0.2  # whoever only asks who holds a lock has it for a moment


@contextmanager
def locking(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """Hold the kernel's locks of tables of a local lake.

    Raises:
        BusyError: another run holds one of them.
        UserError: the lake cannot be written.
    """
    import filelock  # which imports asyncio

    with ExitStack() as held:
        for name in names:
            path, table = Path(work_path(settings, f"{name}.lock")), Path(settings.lake, name)
            if table.exists() and not os.access(table, os.W_OK):
                raise UserError(f"cannot write to {table}: {os.strerror(errno.EACCES)}. Is --lake right?")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(filelock.FileLock(path, timeout=ASKING_S))
                path.write_text(str(os.getpid()))
            except filelock.Timeout:
                raise BusyError(words(path, name)) from None
            except OSError as problem:
                raise UserError(f"cannot write to {settings.lake}: {problem.strerror}. Is --lake right?") from None
        yield


def holder(settings: Settings, name: str) -> str:
    """Return in words which live run holds a table, "" where none does, or none can be seen to.

    This run's own locks count as well: whoever holds the table need not ask.
    """
    if s3.is_s3(settings.lake):
        return lease.holder(work_path(settings), name)
    path = Path(work_path(settings, f"{name}.lock"))
    if not is_local(settings.lake) or not path.exists():
        return ""
    try:
        with path.open("rb") as file:  # a shared lock, gone at once, and a user who may only read can ask
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return words(path, name)
    except OSError:
        return ""
    return ""


def words(path: Path, name: str) -> str:
    """Return who writes a table, since when, as its lock says."""
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return f"another run (process {path.read_text() or 'unknown'}, since {since}) is writing {name}"
