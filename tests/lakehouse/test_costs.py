"""Costs: what a run cost by the prices, and what the next will take by earlier ones."""

from pathlib import Path

import pytest

from recast.jobs.settings import Settings
from recast.lakehouse import ledger
from recast.lakehouse.costs import Estimate, cost_of, experience


def test_a_run_costs_its_gpus_cores_and_tokens() -> None:
    prices = Settings(
        price_gpu_hour=2, price_core_hour=0.1, price_prompt_tokens=1, price_output_tokens=4, tensor_parallel=2
    )
    run = {"engine_seconds": 1800, "executor_seconds": 7200, "prompt_tokens": 500_000, "output_tokens": 250_000}
    assert cost_of(run, prices) == pytest.approx(2 + 0.2 + 0.5 + 1.0)
    assert cost_of(run, Settings()) == 0
    assert cost_of({"engine_seconds": None, "prompt_tokens": None}, prices) == 0


def test_what_measuring_takes_follows_from_the_lakes_own_runs(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path), price_output_tokens=10)
    assert experience(settings, "styled_code") is None
    for number, rows in enumerate((10, 30)):
        run = ledger.begin(f"run-{number}", "styled_code", "1", {}, {})
        run |= {"rows_in": rows * 2, "rows_measured": rows, "rows_kept": rows, "prompt_tokens": rows * 100}
        run |= {"output_tokens": rows * 50, "seconds_by_step": {"measure": rows * 2.0, "plan": 100.0}}
        ledger.record(settings, run)
    ledger.record(settings, ledger.begin("run-2", "styled_code", "1", {}, {}))
    known = experience(settings, "styled_code")
    assert known is not None
    assert (known.rows, known.kept) == (40, 0.5)
    assert known.estimate(1000, settings) == Estimate(100_000, 50_000, 2000.0, 0.5)
    assert known.estimate(0, settings) == Estimate(0, 0, 0.0, 0.0)
