"""Random nights of the math lane, and what they must come to: the tables of one clean run over the final state.

Hypothesis draws the steps. After each of them nothing that counts as taken down may be shown, and after a purge no byte of it left.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, assume, stateful
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from recast.jobs.running import RunError
from recast.jobs.settings import Settings
from recast.lakehouse import maintain, query, releases, store, work
from recast.lakehouse.claims import Claim
from recast.lakehouse.purge import purge
from recast.lakehouse.takedown import lift, take_down
from recast.schemas.table import WITHDRAWN
from recast.settings import UserError
from tests.jobs.lanes import Lane, Model, strings_below, write_pages

TABLES = ("raw_math", "rewritten_math", "published_math")
COMPARED = "doc_id, url, content_hash, kept, reason, measured_by, decided_by"
ADDRESSES = [f"https://{site}.example/{page}" for site in ("a", "b", "sub.a") for page in range(3)]
CLAIMS = {
    Claim("url", ADDRESSES[0]): {ADDRESSES[0]},
    Claim("domain", "a.example"): {*ADDRESSES[:3], *ADDRESSES[6:]},
    Claim("url", ADDRESSES[4]): {ADDRESSES[4]},
}
"""What may be claimed, and the pages that it takes down."""
PROMPTS = ("rewrite_math_v1", "rewrite_math_small_v1")
TEXT = "A train to {} travels 120 km in 2 hours. How fast? 120 / 2 = 60 km/h."
SHARED = "Qcommontown"
HOURS = st.sampled_from((0, 168))


def one_of_its(name: str) -> st.SearchStrategy[Any]:
    """Return what draws from an attribute of the machine that runs."""
    return st.runner().flatmap(lambda nights: st.sampled_from(sorted(getattr(nights, name))))


class Nights(stateful.RuleBasedStateMachine):
    """A lake, what a clean run would begin with, and steps on both.

    `pages` is the source: the word by which each page's text is known, and its score; `words` has each page with every word that it
    ever had. `changes` are the settings that steps change, `claims` those that count, `released` the names of releases.
    """

    def __init__(self, folder: Path, served: tuple[Model, str], done: list[str]) -> None:
        super().__init__()
        self.folder, self.served, self.done = Path(tempfile.mkdtemp(dir=folder)), served, done
        self.lane = lane_in(self.folder / "lake", self.folder / "math", served)
        self.pages: dict[str, tuple[str, int]] = {}
        self.words: set[tuple[str, str]] = set()
        self.changes: dict[str, Any] = {"math_min_score": 0, "math_prompt": PROMPTS[0]}
        self.claims: set[Claim] = set()
        self.released: list[str] = []

    @initialize(addresses=st.permutations(ADDRESSES), built=st.booleans())
    def begin(self, addresses: list[str], built: bool) -> None:
        assume(addresses != ADDRESSES)  # Hypothesis begins with the simplest sequence, which is the same for every seed
        for address in addresses[:4]:
            self.put(address, 1, 4)
        if built:
            self.refreshed()

    @rule(address=st.sampled_from(ADDRESSES), number=st.integers(0, 3), score=st.sampled_from((3, 4)))
    def write(self, address: str, number: int, score: int) -> None:
        self.done.append("write")
        self.put(address, number, score)

    @precondition(lambda self: bool(self.pages))
    @rule(address=one_of_its("pages"))
    def remove(self, address: str) -> None:
        self.done.append("remove")
        del self.pages[address]
        self.write_source()

    @rule(least=st.sampled_from((0, 4)), prompt=st.sampled_from(PROMPTS))
    def change(self, least: int, prompt: str) -> None:
        """Change the threshold or the prompt, or both or none."""
        self.done.append("settings")
        self.changes = {"math_min_score": least, "math_prompt": prompt}

    @rule(at=st.integers(0, 2), after=st.booleans())
    def break_off(self, at: int, after: bool) -> None:
        self.done.append("break off")
        breaking_off(at, after, self.refreshed)

    @rule(claim=st.sampled_from(sorted(CLAIMS)))
    def take_down(self, claim: Claim) -> None:
        self.done.append("take down")
        take_down(self.lane.settings, [claim], "a test")
        self.claims.add(claim)

    @precondition(lambda self: bool(self.claims))
    @rule(claim=one_of_its("claims"))
    def lift(self, claim: Claim) -> None:
        self.done.append("lift")
        lift(self.lane.settings, [claim], "a test")
        self.claims.remove(claim)

    @rule()
    def release(self) -> None:
        self.done.append("release")
        name = f"r{len(self.done)}"
        with suppress(UserError):  # the table is not built, or half written
            releases.release(self.lane.settings, name, ["published_math"])
            self.released.append(name)
            assert self.shown("published_math", name) == self.shown("published_math"), "a release shows other rows"

    @precondition(lambda self: bool(self.released))
    @rule(name=one_of_its("released"))
    def roll_back(self, name: str) -> None:
        """Return from a new release to an earlier one. No table changes, so the clean run need not know of it."""
        self.release()
        self.done.append("roll back")
        with suppress(UserError):  # it is the current one, or a purge took its version
            releases.rollback(self.lane.settings, name)
            assert releases.states(self.lane.settings, releases.CURRENT) == releases.states(self.lane.settings, name)

    @rule(hours=HOURS)
    def maintain(self, hours: int) -> None:
        self.done.append("maintain")
        maintain.maintain(self.lane.settings, hours)

    @rule(hours=HOURS)
    def purge(self, hours: int) -> None:
        """Refresh, since a purge refuses a table that still holds what was taken down, and purge."""
        self.done.append("purge")
        self.refreshed()
        report = purge(self.lane.settings, hours)
        if hours:  # what is younger may stay
            return
        assert report["proven"], (report["found"], report["unreadable"])
        gone = {word for address, word in self.words if address in self.claimed()}
        stay = {word for address, word in self.words if address not in self.claimed()}
        said = strings_below(Path(self.lane.settings.lake))
        left = [word for word in gone - stay if word in said]
        assert not left, f"a purge leaves {left}"

    @rule()
    def refresh(self) -> None:
        self.done.append("refresh")
        self.refreshed()

    @invariant()
    def nothing_claimed_is_shown(self) -> None:
        """Read what readers may: the published table, all versions of all tables, all releases."""
        readable = [("published_math", name) for name in self.released]
        for table in TABLES:
            now = query.version(self.lane.settings, table)
            if now is not None:
                readable += [(f"{table} AT (VERSION => {each})", "") for each in range(now + 1)]
                readable += [(table, "")] if table in query.PUBLISHED else []
        for table, release in readable:
            try:
                shown = self.claimed() & self.shown(table, release)
            except UserError as problem:
                assert "can no longer be read" in str(problem)  # a purge took it
            else:
                assert not shown, f"{table} {release} shows {sorted(shown)}"

    def teardown(self) -> None:
        """Refresh and purge; a further refresh finds nothing to do, and the tables are those of a clean run."""
        if sys.exception():  # a step failed, or the sequence is none
            return
        self.purge(0)
        assert self.refreshed() == {}, "a second run finds something to do"
        clean = lane_in(self.folder / "clean", self.folder / "math", self.served)
        take_down(clean.settings, sorted(self.claims), "a test")
        self.refreshed(clean)
        for table in TABLES:
            assert rows(self.lane, table) == rows(clean, table), table

    def put(self, address: str, number: int, score: int) -> None:
        """Give a page one of its texts, each of which has a word of its own, or for 0 the one that pages share."""
        word = f"Q{'abcdefghi'[ADDRESSES.index(address)]}{'xyz'[number - 1]}town" if number else SHARED
        self.words.add((address, word))
        self.pages[address] = (word, score)
        self.write_source()

    def write_source(self) -> None:
        """Write the source; one page stays, so that there always is one."""
        pages = {"https://always.example/": (SHARED, 4), **self.pages}
        rows = [
            {"url": url, "text": TEXT.format(word), "int_score": score} for url, (word, score) in sorted(pages.items())
        ]
        write_pages(self.folder / "math", [], rows)

    def refreshed(self, lane: Lane | None = None) -> dict[str, Any]:
        """Bring the lane, or another one, up to date under the present settings; return what was done."""
        return (lane or self.lane).refresh("math", **self.changes)

    def shown(self, table: str, release: str = "") -> set[str]:
        """Return the addresses that `recast sql` shows of a table or of one of its versions, or of a release of it."""
        settings = self.lane.settings
        states = releases.states(settings, release) if release else {}
        lake, statement = query.connect_for(settings, f"SELECT url FROM {table}", table.split()[0], states=states)
        return {row["url"] for row in query.dictionaries(query.execute(lake, settings, statement))}

    def claimed(self) -> set[str]:
        """Return the pages that count as taken down."""
        return {address for claim in self.claims for address in CLAIMS[claim]}


def run_sequence(seed: int, steps: int, folder: Path, served: tuple[Model, str]) -> list[str]:
    """Take so many random steps and end them as `Nights` says; return the names of all, with the purge at the end.

    A seed names the same sequence as long as neither the steps above nor Hypothesis' version change. Each sequence has some
    kinds of steps alone, which Hypothesis draws first. One that fails is run twice: the second time for the notes of the
    exception, which list the steps with what was drawn for them.

    Raises:
        AssertionError: something that was taken down is there, the tables differ, or a refresh that follows finds something to do.
    """
    done: list[str] = []

    @hypothesis.seed(seed)
    def nights() -> Nights:
        done.clear()
        return Nights(folder, served, done)

    settings = hypothesis.settings(
        max_examples=1,
        stateful_step_count=1 + steps,  # one begins
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with patch.object(work, "MOST_CHANGED", 100):  # in a small lake every change would be a large share
        stateful.run_state_machine_as_test(nights, settings=settings)  # type: ignore[arg-type]
    return done


def breaking_off(at: int, after: bool, run: Callable[[], Any]) -> None:
    """Do what breaks off before or after one of its first commits."""
    calls = iter(range(100))

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


def rows(lane: Lane, table: str) -> list[dict[str, Any]]:
    """Return what a table holds, but for when and by which run, and for rows that only keep what was paid for."""
    statement = (
        f"SELECT {COMPARED} FROM {query.stored(table)} WHERE reason IS DISTINCT FROM '{WITHDRAWN}' ORDER BY doc_id"
    )
    return query.dictionaries(query.run_sql(lane.settings, statement, table, unsafe=True))  # what is hidden, too
