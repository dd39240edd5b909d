"""Random nights of the math lane, and what they must come to: the tables of one clean run over the final state."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from recast.jobs.running import RunError
from recast.jobs.settings import Settings
from recast.lakehouse import maintain, query, releases, store, work
from recast.lakehouse.claims import Claim
from recast.lakehouse.purge import purge
from recast.lakehouse.takedown import lift, take_down
from recast.schemas.table import WITHDRAWN
from recast.settings import UserError
from tests.jobs.lanes import Lane, Model, write_pages

TABLES = ("raw_math", "rewritten_math", "published_math")
COMPARED = "doc_id, url, content_hash, kept, reason, measured_by, decided_by"
ADDRESSES = [f"https://{site}.example/{page}" for site in ("a", "b", "sub.a") for page in range(3)]
TEXTS = [
    f"A train travels {60 * hours} km in {hours} hours. How fast? {60 * hours} / {hours} = 60 km/h."
    for hours in (2, 3, 4)
]
CLAIMS = [Claim("url", ADDRESSES[0]), Claim("domain", "a.example"), Claim("url", ADDRESSES[4])]
PROMPTS = ("rewrite_math_v1", "rewrite_math_small_v1")
STEPS = (
    "add",
    "add",
    "remove",
    "change",
    "score",
    "prompt",
    "break off",
    "take down",
    "lift",
    "release",
    "maintain",
    "purge",
    "refresh",
)


@dataclass
class State:
    """What a clean run would begin with: the source, the settings that may change, and the claims that count."""

    pages: dict[str, tuple[str, int]] = field(default_factory=dict)
    least_score: int = 0
    prompt: str = PROMPTS[0]
    claims: set[Claim] = field(default_factory=set)


def run_sequence(seed: int, steps: int, folder: Path, served: tuple[Model, str]) -> list[str]:
    """Do so many random steps, then refresh, and hold the tables against a clean run; return the steps.

    Raises:
        AssertionError: they differ, or a refresh that follows finds something to do.
    """
    chance, state, done = random.Random(seed), State(), []
    lane = lane_in(folder / "lake", folder / "math", served)
    for page in chance.sample(ADDRESSES, 4):
        state.pages[page] = (chance.choice(TEXTS), 4)
    write(folder, state)
    with patch.object(work, "MOST_CHANGED", 100):  # in a small lake every change would be a large share
        for _ in range(steps):
            step = chance.choice(STEPS)
            done.append(step)
            take(step, chance, state, lane, folder)
        refresh(lane, state)
        assert refresh(lane, state) == {}, (seed, done, "a second run finds something to do")
    clean = lane_in(folder / "clean", folder / "math", served)
    if state.claims:
        take_down(clean.settings, sorted(state.claims), "a test")
    refresh(clean, state)
    for table in TABLES:
        assert rows(lane, table) == rows(clean, table), (seed, done, table)
    return done


def take(step: str, chance: random.Random, state: State, lane: Lane, folder: Path) -> None:
    """Take one step, on the lake and in what a clean run would begin with."""
    if step in ("add", "remove", "change"):
        page = chance.choice(ADDRESSES if step == "add" else sorted(state.pages) or ADDRESSES)
        if step == "remove":
            state.pages.pop(page, None)
        else:
            state.pages[page] = (chance.choice(TEXTS), chance.choice((3, 4)))
        write(folder, state)
    elif step == "score":
        state.least_score = chance.choice((0, 4))
    elif step == "prompt":
        state.prompt = chance.choice(PROMPTS)
    elif step == "break off":
        breaking_off(chance, lambda: refresh(lane, state))
    elif step in ("take down", "lift"):
        claim = chance.choice(CLAIMS)
        (state.claims.add if step == "take down" else state.claims.discard)(claim)
        (take_down if step == "take down" else lift)(lane.settings, [claim], "a test")
    elif step == "refresh":
        refresh(lane, state)
    else:
        with suppress(UserError):  # a lake that is not built, a table half written, a takedown that waits for a refresh
            if step == "release":
                releases.release(lane.settings, f"r{chance.randrange(10**6)}", ["published_math"])
            elif step == "maintain":
                maintain.maintain(lane.settings, chance.choice((0, 168)))
            else:
                purge(lane.settings, chance.choice((0, 168)))


def breaking_off(chance: random.Random, run: Callable[[], Any]) -> None:
    """Do what breaks off before or after one of its first commits."""
    calls, at, after = iter(range(100)), chance.randrange(3), chance.choice((False, True))

    def broken(commit: Callable[..., None]) -> Callable[..., None]:
        def commit_or_break(*arguments: Any) -> None:
            breaks = next(calls) == at
            if not breaks or after:
                commit(*arguments)
            if breaks:
                raise OSError("the disk is full")

        return commit_or_break

    with pytest.MonkeyPatch.context() as patched, suppress(RunError, UserError):
        for name in ("insert", "merge", "remove"):
            patched.setattr(store, name, broken(getattr(store, name)))
        run()


def lane_in(lake: Path, source: Path, served: tuple[Model, str]) -> Lane:
    """Return the math lane of a lake of its own."""
    model, url = served
    settings = Settings(
        lake=str(lake), math_source=str(source), endpoint=url, model="model-a", chunk_rows=3, removal_limit=1.0
    )
    return Lane(settings, model)


def refresh(lane: Lane, state: State) -> dict[str, Any]:
    """Bring the lane up to date under the state's settings."""
    settings = replace(lane.settings, math_min_score=state.least_score, math_prompt=state.prompt)
    return Lane(settings, lane.model).refresh("math")


def write(folder: Path, state: State) -> None:
    """Write the source as the state has it; one page stays, so that there always is one."""
    pages = {"https://always.example/": (TEXTS[0], 4), **state.pages}
    rows = [{"url": url, "text": text, "int_score": score} for url, (text, score) in sorted(pages.items())]
    write_pages(folder / "math", [], rows)


def rows(lane: Lane, table: str) -> list[dict[str, Any]]:
    """Return what a table holds, but for when and by which run, and for rows that only keep what was paid for."""
    statement = (
        f"SELECT {COMPARED} FROM {query.stored(table)} WHERE reason IS DISTINCT FROM '{WITHDRAWN}' ORDER BY doc_id"
    )
    return query.rows(lane.settings, statement, table)
