"""File locks that processes share."""

import contextlib
import os
from pathlib import Path

from recast.inference import locks


def test_nobody_is_stopped_where_a_lock_is_free_or_its_holder_runs(tmp_path: Path) -> None:
    with contextlib.closing(locks.Lock(tmp_path / "lock")) as lock:
        assert lock.stopped_holder() == 0
        assert lock.take(locks.EXCLUSIVE)
        assert lock.stopped_holder() == 0, f"{os.getpid()} runs"
