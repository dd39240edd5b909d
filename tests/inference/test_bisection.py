"""Deaths of an own engine: the request that kills it is found, and nobody else is blamed."""

import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recast import journal
from recast.inference import bisection
from recast.inference import request as asking
from recast.inference.server import process
from recast.inference.server.spec import EngineError, EngineSpec
from tests.inference.feeding import asked, batch, killing, run, spec_for, starts_of, statuses

Make = Callable[..., EngineSpec]


@pytest.mark.slow
def test_a_death_in_passing_costs_no_row(fake_engine: Make, tmp_path: Path) -> None:
    engine = fake_engine("--state", str(tmp_path / "state"))
    rows = run(spec_for(engine), batch("[[dieonce]]", *[f"fine {index}" for index in range(50)]))
    assert len(rows) == 51
    assert set(statuses(rows).values()) == {"answered"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
@pytest.mark.parametrize(("texts", "kills"), [(["[[slow 1]] a"], 3), ([f"[[slow 1]] {name}" for name in "abc"], 5)])
def test_who_is_alone_when_somebody_kills_the_engine_is_not_blamed(
    fake_engine: Make, tmp_path: Path, texts: list[str], kills: int
) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    with killing(engine, record, kills, after_s=0.3) as killed:
        rows = run(spec_for(engine), batch(*texts))
    assert len(killed) == kills
    assert statuses(rows) == dict.fromkeys(texts, "answered")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_an_engine_that_somebody_kills_once_goes_on_as_before(fake_engine: Make, tmp_path: Path) -> None:
    """Nobody is looked at apart: that would leave a large engine nearly idle for as long as eight answers take."""
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    texts = [f"[[slow 0.6]] {index}" for index in range(16)]
    with killing(engine, record, 1, after_s=0.3):
        rows = run(spec_for(engine, window=16), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered")
    servers = [json.loads(line)["server"] for line in record.read_text().splitlines()]
    assert Counter(servers) == dict.fromkeys(servers, 16)
    # All at once: eight groups of two would take eight times 0.6 s.
    assert max(row["answered_at"] for row in rows) - min(row["answered_at"] for row in rows) < timedelta(seconds=2.4)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_tasks_that_share_an_engine_which_somebody_kills_blame_nobody(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    texts = [[f"[[slow 0.5]] {name}{index}" for index in range(3)] for name in "ab"]
    with killing(engine, record, 5, after_s=0.2) as killed, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda mine: run(spec_for(engine, window=4), batch(*mine)), texts))
    assert len(killed) == 5
    assert Counter(row["answer_status"] for rows in found for row in rows) == {"answered": 6}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
@pytest.mark.parametrize(
    ("poison", "most_starts"),
    # First with all others, then in its group of eight, then alone: three times, or six where the kernel's killer is suspected
    # of being somebody, which makes another round with all others, too. A last start serves those who are left.
    [("[[die 0.01]]", 1 + 2 + 3), ("[[killed]]", 1 + 3 + 6)],
)
def test_a_poison_row_is_found_and_alone_gets_the_reason(fake_engine: Make, poison: str, most_starts: int) -> None:
    engine = fake_engine()
    texts = [f"[[slow 0.02]] {index}" for index in range(100)] + [poison]
    rows = run(spec_for(engine, window=64), batch(*texts))
    assert statuses(rows) == dict.fromkeys(texts, "answered") | {poison: "poison"}
    (error,) = (row["error"] for row in rows if row["text"] == poison)
    assert re.search(r"alone, at last: (exit status 1|somebody ended it with signal 9)$", error)
    assert starts_of(engine) <= most_starts


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_a_poison_row_with_nobody_beside_it_takes_three_deaths_alone(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    engine = fake_engine("--record", str(record))
    assert statuses(run(spec_for(engine), batch("[[die]]"))) == {"[[die]]": "poison"}
    assert asked(record) == {"[[die]]": 1 + 3}
    assert starts_of(engine) == 1 + 3


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_between_its_deaths_the_accused_lets_others_be_answered(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    texts = ["[[die]]", *[f"fine {index}" for index in range(200)]]
    rows = run(spec_for(fake_engine("--record", str(record)), window=4), batch(*texts))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 200, "poison": 1}
    order = [json.loads(line)["messages"][-1]["content"] for line in record.read_text().splitlines()]
    places = [place for place, text in enumerate(order) if text == "[[die]]"]
    assert len(places) == 1 + 3
    assert all(after - before > 1 for before, after in itertools.pairwise(places[1:])), "others stand between"


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_an_engine_that_dies_whatever_it_is_asked_is_at_fault_itself(fake_engine: Make) -> None:
    engine = fake_engine()
    texts = [f"[[die]] {index}" for index in range(40)]
    with pytest.raises(EngineError, match=r"^the engine died 8 times in a row, .* at last: exit status 1$"):
        run(spec_for(engine, window=40), batch(*texts))
    assert starts_of(engine) <= 1 + 2 + bisection.FAULTY_DEATHS


@pytest.mark.slow
def test_a_poison_row_of_one_task_is_not_blamed_on_another(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BACKOFF_MAX_S", 0.1)
    engine = fake_engine()
    found: list[list[dict[str, Any]]] = []

    def task(*texts: str) -> None:
        found.append(run(spec_for(engine, window=16), batch(*texts)))

    texts = [[f"[[slow 0.05]] {name}{index}" for index in range(60)] for name in "ab"]
    tasks = [threading.Thread(target=task, args=(*texts[0], "[[die]]")), threading.Thread(target=task, args=texts[1])]
    for thread in tasks:
        thread.start()
    for thread in tasks:
        thread.join()
    by_text = statuses([row for rows in found for row in rows])
    assert len(by_text) == 121
    assert {text for text, status in by_text.items() if status != "answered"} == {"[[die]]"}


def test_suspects_come_back_in_order_in_groups_of_an_eighth() -> None:
    suspects = [asking.Request(str(index), "", 1) for index in range(100)]
    split = bisection.groups(suspects)
    assert [len(group) for group in split] == [13] * 7 + [9]
    assert [request for group in split for request in group] == suspects
    assert [len(group) for group in bisection.groups(suspects[:8])] == [1] * 8


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_a_verdict_is_not_journaled(fake_engine: Make, tmp_path: Path) -> None:
    spec = spec_for(fake_engine(), journal=str(tmp_path / "journal"))
    assert statuses(run(spec, batch("[[die]]", "fine"))) == {"[[die]]": "poison", "fine": "answered"}
    assert journal.progress(spec.journal).rows == 1
