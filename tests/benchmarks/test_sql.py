"""The benchmark of views and diffs: its tables are what it says, at a small size."""

from pathlib import Path

import pytest

from benchmarks import sql


@pytest.mark.slow
def test_the_diff_finds_the_rows_that_were_changed(tmp_path: Path) -> None:
    found = sql.measured(str(tmp_path), 1_000, 0.01)
    assert found["rows"] == 1_000
    assert found["changed"] == 10
