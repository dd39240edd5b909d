"""Random nights of a lane, and what they must come to: the tables of one clean run over the final state.

Hypothesis draws the steps. After each of them nothing that counts as taken down may be shown, and after a purge no byte of it left.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
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
from tests.jobs.lanes import File, Lane, Model, program, strings_below, write_pages, write_repositories
from tests.lakehouse.taken import sha256
from tests.sources import blob_id

SHARED = "Qcommontown"
HOURS = st.sampled_from((0, 168))


class Reached(NamedTuple):
    """What a claim takes down: the documents that are at some places of the source, and those whose text has one of some words."""

    places: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()


def one_of_its(name: str) -> st.SearchStrategy[Any]:
    """Return what draws from an attribute of the machine that runs."""
    return st.runner().flatmap(lambda nights: st.sampled_from(sorted(getattr(nights, name))))


class Nights(stateful.RuleBasedStateMachine):
    """A lake, what a clean run would begin with, and steps on both.

    Of a lane: `lane_name` and `tables`; `places` of documents in its source, `place` as SQL of its tables; `weak`, how the
    words of texts that are not good end; `changing`, the settings that steps change, with their values; `claimable`, what may
    be claimed.

    `source` has the word by which the text at each place is known, and whether it is a good one; `words` has each place with
    every word that it ever had. `changes` are the settings as they are, `claims` those that count, `released` names releases.
    """

    lane_name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    places: ClassVar[list[str]]
    place: ClassVar[str]
    weak: ClassVar[str] = "town"
    changing: ClassVar[Mapping[str, tuple[Any, ...]]]
    claimable: ClassVar[Mapping[Claim, Reached]]

    def __init__(self, folder: Path, served: tuple[Model, str], done: list[str]) -> None:
        super().__init__()
        self.folder, self.done = Path(tempfile.mkdtemp(dir=folder)), done
        model, url = served
        common = Settings(endpoint=url, model="model-a", chunk_rows=3, removal_limit=1.0)
        located = self.located(common)
        self.lane, self.clean = (
            Lane(replace(located, lake=str(self.folder / name)), model) for name in ("lake", "clean")
        )
        self.source: dict[str, tuple[str, bool]] = {}
        self.words: set[tuple[str, str]] = set()
        self.changes: dict[str, Any] = {name: values[0] for name, values in self.changing.items()}
        self.claims: set[Claim] = set()
        self.released: list[str] = []

    def located(self, settings: Settings) -> Settings:
        """Return settings that say where the source lies."""
        raise NotImplementedError

    def write_source(self) -> None:
        """Write the source; one document more stays, so that there always is one."""
        raise NotImplementedError

    @initialize(places=st.runner().flatmap(lambda nights: st.permutations(nights.places)), built=st.booleans())
    def begin(self, places: list[str], built: bool) -> None:
        assume(places != self.places)  # Hypothesis begins with the simplest sequence, which is the same for every seed
        for place in places[:4]:
            self.put(place, 1, True)
        if built:
            self.refreshed()

    @rule(place=one_of_its("places"), number=st.integers(0, 3), good=st.booleans())
    def write(self, place: str, number: int, good: bool) -> None:
        self.done.append("write")
        self.put(place, number, good)

    @precondition(lambda self: bool(self.source))
    @rule(place=one_of_its("source"))
    def remove(self, place: str) -> None:
        self.done.append("remove")
        del self.source[place]
        self.write_source()

    @rule(name=one_of_its("changing"), which=st.integers(0, 1))
    def change(self, name: str, which: int) -> None:
        """Change a threshold or a prompt, or leave it as it is."""
        self.done.append("settings")
        self.changes[name] = self.changing[name][which]

    @rule(at=st.integers(0, 2), after=st.booleans())
    def break_off(self, at: int, after: bool) -> None:
        self.done.append("break off")
        breaking_off(at, after, self.refreshed)

    @rule(claim=one_of_its("claimable"))
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
            releases.release(self.lane.settings, name, [self.tables[-1]])
            self.released.append(name)
            assert self.shown(self.tables[-1], name) == self.shown(self.tables[-1]), "a release shows other rows"

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
        places, words = self.claimed()
        gone = {word for place, word in self.words if place in places or word in words}
        stay = {word for place, word in self.words if place not in places and word not in words}
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
        readable = [(self.tables[-1], name) for name in self.released]
        for table in self.tables:
            now = query.version(self.lane.settings, table)
            if now is not None:
                readable += [(f"{table} AT (VERSION => {each})", "") for each in range(now + 1)]
                readable += [(table, "")] if table in query.PUBLISHED else []
        places, words = self.claimed()
        for table, release in readable:
            try:
                shown = self.shown(table, release)
            except UserError as problem:
                assert "can no longer be read" in str(problem)  # a purge took it
            else:
                wrong = {
                    (place, text) for place, text in shown if place in places or any(word in text for word in words)
                }
                assert not wrong, f"{table} {release} shows {sorted(wrong)}"

    def teardown(self) -> None:
        """Refresh and purge; a further refresh finds nothing to do, and the tables are those of a clean run."""
        if sys.exception():  # a step failed, or the sequence is none
            return
        self.purge(0)
        assert self.refreshed() == {}, "a second run finds something to do"
        take_down(self.clean.settings, sorted(self.claims), "a test")
        self.refreshed(self.clean)
        for table in self.tables:
            assert self.rows(self.lane, table) == self.rows(self.clean, table), table

    def put(self, place: str, number: int, good: bool) -> None:
        """Put one of its texts at a place, each of which has a word of its own, or for 0 the one that places share."""
        word = f"Q{'abcdefghi'[self.places.index(place)]}{'xyz'[number - 1]}town" if number else SHARED
        word = word if good else word.replace("town", self.weak)
        self.words.add((place, word))
        self.source[place] = (word, good)
        self.write_source()

    def refreshed(self, lane: Lane | None = None) -> dict[str, Any]:
        """Bring the lane, or another one, up to date under the present settings; return what was done."""
        return (lane or self.lane).refresh(self.lane_name, **self.changes)

    def shown(self, table: str, release: str = "") -> set[tuple[str, str]]:
        """Return place and text of what `recast sql` shows of a table or of one of its versions, or of a release of it."""
        settings = self.lane.settings
        states = releases.states(settings, release) if release else {}
        asked = f"SELECT {self.place} AS place, coalesce(text, '') AS text FROM {table}"
        lake, statement = query.connect_for(settings, asked, table.split()[0], states=states)
        return {(row["place"], row["text"]) for row in query.dictionaries(query.execute(lake, settings, statement))}

    def rows(self, lane: Lane, table: str) -> list[dict[str, Any]]:
        """Return what a table holds, but for when and by which run, and for rows that only keep what was paid for."""
        carried = "listing_hash" if table == "raw_code" else "NULL" if table == "raw_math" else "raw_hash"
        statement = (
            f"SELECT doc_id, {self.place} AS place, content_hash, {carried}, kept, reason, measured_by, decided_by "
            f"FROM {query.stored(table)} WHERE reason IS DISTINCT FROM '{WITHDRAWN}' ORDER BY doc_id"
        )
        return query.dictionaries(query.run_sql(lane.settings, statement, table, unsafe=True))  # what is hidden, too

    def claimed(self) -> Reached:
        """Return what counts as taken down."""
        every = [self.claimable[claim] for claim in self.claims]
        return Reached(*(frozenset().union(*each) for each in zip(*every, strict=True))) if every else Reached()


class MathNights(Nights):
    """Pages of three hosts."""

    lane_name = "math"
    tables = ("raw_math", "rewritten_math", "published_math")
    places: ClassVar = [f"https://{site}.example/{page}" for site in ("a", "b", "sub.a") for page in range(3)]
    place = "url"
    changing: ClassVar = {"math_min_score": (0, 4), "math_prompt": ("rewrite_math_v1", "rewrite_math_small_v1")}
    text = "A train to {} travels 120 km in 2 hours. How fast? 120 / 2 = 60 km/h."
    claimable: ClassVar = {
        Claim("url", places[0]): Reached(frozenset(places[:1])),
        Claim("domain", "a.example"): Reached(frozenset([*places[:3], *places[6:]])),
        Claim("url", places[4]): Reached(frozenset(places[4:5])),
        Claim("content", str(sha256(text.format(SHARED)))): Reached(words=frozenset([SHARED])),
        Claim("content", str(sha256(text.format("Qextown")))): Reached(words=frozenset(["Qextown"])),
    }

    def located(self, settings: Settings) -> Settings:
        return replace(settings, math_source=str(self.folder / "math"))

    def write_source(self) -> None:
        """Write a file for each page that changed, so that a new page leaves the files of all others as they are."""
        folder = self.folder / "math"
        wanted = {
            f"{self.places.index(url)}-{word}-{good}": {
                "url": url,
                "text": self.text.format(word),
                "int_score": 4 if good else 3,
            }
            for url, (word, good) in self.source.items()
        } | {"always": {"url": "https://always.example/", "text": self.text.format("Qalwaystown")}}
        for path in folder.glob("*.parquet"):
            if path.stem not in wanted:
                path.unlink()
        for name, page in wanted.items():
            if not (folder / f"{name}.parquet").exists():
                write_pages(folder, [], [page], file=name)


class CodeNights(Nights):
    """Files of three repositories. A text that is not good has a word of its own, and pylint rates it 6.67."""

    lane_name = "code"
    tables = ("raw_code", "parsed_code", "linted_code", "styled_code", "optimized_code", "published_code")
    places: ClassVar = [f"{repo}/{file}.py" for repo in ("ann/one", "bob/two", "cy/three") for file in "abc"]
    place = "concat_ws('/', repo_name, path)"
    weak = "weak"
    changing: ClassVar = {
        "lint_threshold": (7.0, 5.0),
        "style_prompt": ("style_code_v1", "style_code_small_v1"),
        "optimize_prompt": ("optimize_code_v1", "optimize_code_small_v1"),
    }
    claimable: ClassVar = {
        Claim("repo", "ann/one"): Reached(frozenset(places[:3])),
        Claim("repo", "bob/two"): Reached(frozenset(places[3:6])),
        Claim("blob", blob_id(program(SHARED))): Reached(words=frozenset([SHARED])),
        Claim("blob", blob_id(program("Qextown"))): Reached(words=frozenset(["Qextown"])),
        Claim("content", str(sha256(program("Qaxtown").decode()))): Reached(words=frozenset(["Qaxtown"])),
    }

    def located(self, settings: Settings) -> Settings:
        code = self.folder / "code"
        return replace(settings, code_source=str(code / "data"), code_contents=str(code / "content"))

    def write_source(self) -> None:
        repositories: dict[str, list[File]] = {"dan/always": [File("a.py", program("Qalwaystown"))]}
        for place, (word, good) in sorted(self.source.items()):
            weak = f'"""One warning in three statements, {word}: 6.67."""\nimport os\n\nX = 1\nprint(X)\n'.encode()
            repository, _, path = place.rpartition("/")
            repositories.setdefault(repository, []).append(File(path, program(word) if good else weak))
        write_repositories(self.folder / "code", repositories)


LANES = {"math": MathNights, "code": CodeNights}


def run_sequence(lane: str, seed: int, steps: int, folder: Path, served: tuple[Model, str]) -> list[str]:
    """Take so many random steps of a lane and end them as `Nights` says; return the names of all, with the purge at the end.

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
        return LANES[lane](folder, served, done)

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
