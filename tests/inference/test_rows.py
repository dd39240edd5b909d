"""Rows that wait for an answer, and the error budget."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.inference.answers import ErrorBudgetError
from recast.inference.server.spec import EngineSpec
from tests.inference.feeding import asked, batch, run, spec_for

Make = Callable[..., EngineSpec]


def test_identical_texts_are_asked_once(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    rows = run(spec_for(fake_engine("--record", str(record))), batch(*["same"] * 50, "other"), batch(*["same"] * 50))
    assert len(rows) == 101
    assert asked(record) == {"same": 1, "other": 1}


def test_too_many_failures_stop_the_task_with_the_reason(endpoint: Make) -> None:
    texts = [f"[[status 400]] {index}" for index in range(15)] + [f"fine {index}" for index in range(60)]
    with pytest.raises(ErrorBudgetError, match=r"\d+ of \d+ requests failed, the budget is 5.0%: 400: refused"):
        run(spec_for(endpoint(), error_budget=0.05), batch(*texts))


def test_what_was_answered_before_a_restart_counts_for_the_budget(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path), error_budget=0.2)
    fine = [f"fine {index}" for index in range(60)]
    run(spec, batch(*fine))
    failing = [f"[[status 400]] {index}" for index in range(10)]
    rows = run(spec, batch(*failing, *fine[:50]), batch(*fine[50:], *[f"more {index}" for index in range(15)]))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 75, "request_failed": 10}
