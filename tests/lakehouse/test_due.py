"""Failures that a run tries again by itself: how many there are is known without a JVM."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from recast.lakehouse import due, ledger
from recast.lakehouse.settings import Settings
from tests.lakehouse.lakes import write_table
from tests.lakehouse.toy import toy_stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED_AT = {"a": 1, "b": 5, "c": 25, "d": 49}
"""Hours since each document was written."""


def test_failures_are_counted_once_they_are_as_old_as_the_setting_says(tmp_path: Path) -> None:
    rows = [
        {"doc_id": name, "kept": name == "d", "reason": None, "written_at": NOW - timedelta(hours=hours)}
        for name, hours in FAILED_AT.items()
    ]
    write_table(tmp_path, "parsed_code", rows)
    stage = toy_stage(tmp_path / "bill")
    object.__setattr__(stage, "target", type("Named", (), {"name": "parsed_code"}))
    object.__setattr__(stage, "retryable", "NOT kept")
    run = ledger.begin("run", "parsed_code", "1", {}, {}) | {"started_at": NOW}

    def said(hours: float) -> tuple[str, ...]:
        return due.failures(Settings(lake=str(tmp_path), retry_after_hours=hours), stage, run)

    assert said(0) == ()
    assert said(0.5) == ("3 failures are tried again",)
    assert said(24) == ("1 failures are tried again",)
    assert said(25.5) == ()
    assert due.failures(Settings(lake=str(tmp_path / "empty"), retry_after_hours=1.0), stage, run) == ()
