"""What a task knows of its own engine, and what the driver is told."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.inference import feeder, telemetry
from recast.inference.rewrite import rewrite
from recast.inference.server import metrics
from recast.inference.server.spec import Engine, EngineSpec
from tests.inference.feeding import batch, run, spec_for, statuses

Make = Callable[..., EngineSpec]


def test_a_fault_of_the_feeders_own_ends_the_task(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Engine) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(metrics, "load", broken)
    monkeypatch.setattr(feeder, "METRICS_EVERY_S", 0.0)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        run(spec_for(fake_engine()), batch("[[slow 5]]"))


@pytest.mark.slow
def test_an_own_engine_that_goes_on_computing_does_not_hang(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "METRICS_EVERY_S", 0.05)
    monkeypatch.setattr(feeder, "METRICS_CALM_S", 0.05)
    spec = spec_for(fake_engine(), patience_s=0.4, window=2)
    rows = run(spec, batch("[[work 1.0]] a", "[[work 1.0]] b", "fine"))
    assert set(statuses(rows).values()) == {"answered"}


def test_a_feeder_reports_while_it_works(fake_engine: Callable[..., EngineSpec], tmp_path: Path) -> None:
    spec = spec_for(fake_engine(), journal=str(tmp_path), journal_flush_s=0.1, window=4)
    answered = rewrite(iter([batch(*[f"[[slow 0.2]] {index}" for index in range(40)])]), spec)
    for _ in answered:
        if found := telemetry.reports(str(tmp_path)):
            break
    (said,) = found
    answered.close()
    (last,) = telemetry.reports(str(tmp_path))
    assert (last.in_flight, last.since) == (0, said.since), "the last report comes at the end"
    assert said.label == "vllm 0.0-fake on cpu"
    assert said.starts == 1
    assert said.window == 4
    assert not said.ended
    assert time.time() - 60 < said.since <= said.at


def test_a_feeder_says_when_it_has_every_answer(fake_engine: Callable[..., EngineSpec], tmp_path: Path) -> None:
    spec = spec_for(fake_engine(), journal=str(tmp_path), journal_flush_s=0.05, window=4)
    for _ in rewrite(iter([batch(*[f"[[slow 0.1]] {index}" for index in range(12)])]), spec):
        pass
    (said,) = telemetry.reports(str(tmp_path))
    assert (said.ended, said.in_flight) == (True, 0)
