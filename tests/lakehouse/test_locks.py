"""Locks of tables in a local lake: who holds one is told, and asking takes none."""

import os
from pathlib import Path

import pytest

from recast.lakehouse import locks
from recast.lakehouse.settings import Settings
from recast.settings import BusyError


def test_who_holds_a_table_is_told_as_long_as_it_is_held(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))
    assert locks.holder(settings, "raw_math") == "", "nobody ever held it"
    for _ in range(2):
        with locks.locking(settings, ["raw_math"]):
            said = locks.holder(settings, "raw_math")
            assert said.startswith(f"another run (process {os.getpid()}, since 20")
            assert said.endswith(") is writing raw_math")
            with pytest.raises(BusyError) as busy, locks.locking(settings, ["raw_math"]):
                pass
            assert str(busy.value) == said
            assert locks.holder(settings, "raw_code") == ""
        assert locks.holder(settings, "raw_math") == "", "it was given back"


def test_of_a_lake_where_nothing_keeps_two_runs_apart_nobody_is_told() -> None:
    assert locks.holder(Settings(lake="hdfs://host/lake"), "raw_math") == ""
