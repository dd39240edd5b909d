"""Releases: names for versions of the published tables, given at once, and returned to."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from recast.lakehouse import ledger, query, releases
from recast.lakehouse.settings import Settings
from recast.lakehouse.time_travel import State
from recast.settings import UserError
from tests.lakehouse.whole_lake import CODE, row_of, rows_of, write, write_whole_lake

PUBLISHED = ("published_code", "published_math")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_whole_lake(tmp_path / "lake")


def publish(settings: Settings) -> None:
    """Add one row to published_code, as a run does."""
    added = row_of(CODE, "published_code", 1, "ada/numbers/primes.py") | {"doc_id": "later"}
    write(Path(settings.lake), "published_code", [added], "append")
    record_run_after(settings, "published_code", run_id="run-later", target_version=2)


def record_run_after(settings: Settings, table: str, **fields: Any) -> None:
    """Write a run of a table into the ledger that began after its last one, and is like it but for `fields`."""
    last = query.last_run(settings, table)
    assert last is not None
    write(Path(settings.lake), "runs", [last | {"number": last["number"] + 1} | fields], "append")


def documents(settings: Settings, name: str) -> int:
    states = releases.states(settings, name)
    lake, statement = query.connect_for(settings, "SELECT count(*) AS n FROM published_code", states=states)
    return int(query.dictionaries(query.execute(lake, settings, statement))[0]["n"])


def refused(settings: Settings, action: Any, *arguments: Any) -> str:
    before = releases.recorded(settings)
    with pytest.raises(UserError) as problem:
        action(settings, *arguments)
    assert releases.recorded(settings) == before
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_a_release_names_one_version_of_each_published_table_in_one_commit(settings: Settings) -> None:
    releases.release(settings, "2026-11", PUBLISHED)
    rows = releases.recorded(settings)
    assert [(row["table_name"], row["table_version"], row["rows"]) for row in rows] == [
        ("published_code", 1, 3),
        ("published_math", 1, 2),
    ]
    assert {(row["number"], row["release"], row["action"]) for row in rows} == {(1, "2026-11", "released")}
    tokens = query.rows(settings, "SELECT sum(token_count) AS n FROM published_code WHERE kept")[0]["n"]
    assert rows[0]["tokens"] == tokens
    written = [commit for commit in DeltaTable(f"{settings.lake}/releases").history() if commit["operation"] == "WRITE"]
    assert len(written) == 1


def test_a_release_stays_what_it_was_while_tables_go_on(settings: Settings) -> None:
    releases.release(settings, "2026-11", PUBLISHED)
    publish(settings)
    assert documents(settings, "2026-11") == 3
    assert query.rows(settings, "SELECT count(*) AS n FROM published_code") == [{"n": 4}]
    releases.release(settings, "2026-12", PUBLISHED)
    assert (documents(settings, "2026-12"), documents(settings, releases.CURRENT)) == (4, 4)


def test_a_rollback_makes_an_earlier_release_the_current_one_and_changes_no_table(settings: Settings) -> None:
    releases.release(settings, "2026-11", PUBLISHED)
    publish(settings)
    releases.release(settings, "2026-12", PUBLISHED)
    version = query.version(settings, "published_code")
    releases.rollback(settings, "2026-11")
    assert documents(settings, releases.CURRENT) == 3
    assert documents(settings, "2026-12") == 4
    assert query.version(settings, "published_code") == version
    last = releases.recorded(settings)[-1]
    assert (last["number"], last["release"], last["action"]) == (3, "2026-11", "rolled back")
    releases.rollback(settings, "2026-12")
    assert documents(settings, releases.CURRENT) == 4


def test_a_name_is_given_once(settings: Settings) -> None:
    releases.release(settings, "a", PUBLISHED)
    assert "there is a release a already" in refused(settings, releases.release, "a", PUBLISHED)


@pytest.mark.parametrize("name", ["", "current", "a b", "../a", "a'", "-a", "é", "a\n", "x" * 101])
def test_what_is_no_name_is_refused(settings: Settings, name: str) -> None:
    assert "is no name of a release" in refused(settings, releases.release, name, PUBLISHED)


def test_a_rollback_to_nothing_or_to_what_is_there_is_refused(settings: Settings) -> None:
    assert "there is none yet" in refused(settings, releases.rollback, "a")
    releases.release(settings, "a", PUBLISHED)
    assert "a is the current release already" in refused(settings, releases.rollback, "a")
    assert "there are a" in refused(settings, releases.rollback, "b")


def test_a_table_whose_last_run_did_not_succeed_is_not_released(settings: Settings) -> None:
    record_run_after(settings, "published_math", run_id="run-killed", status="running")
    assert "the last run of published_math is running" in refused(settings, releases.release, "a", PUBLISHED)


def test_a_table_with_commits_of_a_killed_run_is_not_released(settings: Settings) -> None:
    folder = Path(settings.lake, "published_math")
    table = DeltaTable(folder)
    rows = table.to_pyarrow_table().slice(0, 1)
    killed = CommitProperties(custom_metadata={"userMetadata": '{"run_id": "run-killed"}'})
    write_deltalake(str(folder), rows, mode="append", commit_properties=killed)
    assert "was killed" in refused(settings, releases.release, "a", PUBLISHED)


def test_a_table_that_a_run_writes_at_this_moment_is_not_released(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = ledger.require_finished
    monkeypatch.setattr(ledger, "require_finished", lambda *given: (finished(*given), publish(settings)))
    assert "published_code is being written" in refused(settings, releases.release, "a", PUBLISHED)


def test_a_lane_that_is_not_built_is_no_part_of_a_release(settings: Settings) -> None:
    shutil.rmtree(Path(settings.lake, "published_math"))
    releases.release(settings, "a", PUBLISHED)
    assert [row["table_name"] for row in releases.recorded(settings)] == ["published_code"]
    shutil.rmtree(Path(settings.lake, "published_code"))
    assert "recast refresh" in refused(settings, releases.release, "b", PUBLISHED)


def test_a_release_of_a_table_that_was_built_anew_is_gone(settings: Settings) -> None:
    releases.release(settings, "a", PUBLISHED)
    shutil.rmtree(Path(settings.lake, "published_code"))
    for refresh in (0, 1):
        write(Path(settings.lake), "published_code", rows_of(CODE, "published_code", refresh))
    assert "published_code was deleted since release a" in refused(settings, releases.states, "a")


def test_there_is_no_way_back_to_a_release_that_was_vacuumed(settings: Settings) -> None:
    releases.release(settings, "a", PUBLISHED)
    write(Path(settings.lake), "published_code", rows_of(CODE, "published_code", 0))
    record_run_after(settings, "published_code", run_id="r", target_version=2)
    releases.release(settings, "b", PUBLISHED)
    table = DeltaTable(Path(settings.lake, "published_code"))
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert "can no longer be read" in refused(settings, releases.rollback, "a")


def test_of_releases_made_at_one_moment_each_has_a_number_of_its_own_and_a_name_is_given_once(
    settings: Settings,
) -> None:
    problems: list[str] = []

    def release(name: str) -> None:
        try:
            releases.release(settings, name, PUBLISHED)
        except UserError as problem:
            problems.append(str(problem))

    threads = [threading.Thread(target=release, args=(name,)) for name in ("a", "b", "c", "a")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = releases.recorded(settings)
    assert len(problems) == 1
    assert "already" in problems[0]
    assert [(row["number"], row["table_name"]) for row in rows] == [(n, name) for n in (1, 2, 3) for name in PUBLISHED]
    assert {row["release"] for row in rows} == {"a", "b", "c"}


def test_states_are_versions_by_table(settings: Settings) -> None:
    releases.release(settings, "a", PUBLISHED)
    assert releases.states(settings, "a") == {name: State(name, 1) for name in PUBLISHED}
