"""Maintenance: fewer files, no old ones, the same rows, and nothing for the next run to do."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from recast.lakehouse import confinement, ledger, maintain, purge, query, releases, takedown
from recast.lakehouse.claims import claim
from recast.lakehouse.settings import Settings
from recast.lakehouse.time_travel import State
from recast.settings import UserError
from recast.storage import place
from tests.lakehouse.taken import blob, build, write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return build(tmp_path / "lake")


def known_to_the_ledger(settings: Settings) -> list[ledger.Run]:
    """Record a run of raw_code and one of parsed_code, which reads it; return what a next run of each would begin with."""
    version, id_ = query.identity(settings, "raw_code")
    source = query.state(settings, "raw_code")
    assert source
    runs = [ledger.begin("run-1", "raw_code", "1", {}, {}), ledger.begin("run-1", "parsed_code", source, {}, {})]
    for run, built in zip(runs, ((version, id_), (None, None)), strict=True):
        ledger.record(settings, run | {"status": "succeeded", "target_version": built[0], "target_id": built[1]})  # type: ignore[operator, arg-type]
    return runs


def test_many_small_files_become_one_and_no_run_finds_a_change(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "new_columns", lambda *_: [])  # the table of this test has few
    for number in range(maintain.SMALL_FILES):
        write(Path(settings.lake), "raw_code", [blob(f"{number:040}", "x = 1\n", "a/b")])
    raw, parsed = known_to_the_ledger(settings)
    before = query.rows(settings, "SELECT doc_id, text FROM raw_code ORDER BY doc_id", "raw_code")
    kept = {each.table_name: each for each in maintain.maintain(settings, 168)}
    assert (kept["raw_code"].files_before, kept["raw_code"].files_after) == (maintain.SMALL_FILES + 1, 1)
    assert query.rows(settings, "SELECT doc_id, text FROM raw_code ORDER BY doc_id", "raw_code") == before
    assert ledger.changes(settings, raw) == ()
    assert ledger.changes(settings, parsed | {"source_version": query.state(settings, "raw_code")}) == ()  # type: ignore[operator, arg-type]


def test_few_files_are_left_alone_and_old_ones_go_after_the_retention(settings: Settings) -> None:
    lake = Path(settings.lake)
    known_to_the_ledger(settings)
    DeltaTable(str(lake / "raw_code")).delete("true")
    page = lake / "data_docs" / "index.html"
    page.parent.mkdir()
    page.write_text("old")
    assert maintain.maintain(settings, 168)[-1].deleted.files == 0
    assert page.exists()
    kept = {each.table_name: each for each in maintain.maintain(settings, 0)}
    assert kept["raw_code"].deleted.files > 1
    assert not page.exists()
    assert query.rows(settings, "SELECT * FROM raw_code", "raw_code") == []


def test_rows_that_left_stay_for_their_days_whatever_the_retention(settings: Settings) -> None:
    folder = Path(settings.lake) / "_dropped" / "linted_code"
    for name, days in (("old", 15), ("young", 13)):
        for file in ("part-0.parquet", "_SUCCESS"):
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("rows")
            os.utime(path, (time.time() - days * 86_400,) * 2)
    kept = maintain.maintain(settings, 0)[-1]
    assert (kept.table_name, kept.deleted) == (maintain.DROPPED_ROWS, (2, 8))
    assert [file.parent.name for file in folder.rglob("*.parquet")] == ["young"]
    assert maintain.maintain(replace(settings, keep_dropped_days=0.0), 168)[-1].deleted.files == 2


def test_what_a_killed_query_had_no_memory_for_goes(settings: Settings) -> None:
    mine = confinement.spilled_by(os.getpid())
    folder = Path(settings.lake, f"{mine.rpartition('-')[0]}-1")  # of an earlier process with this number
    folder.mkdir()
    (folder / "duckdb_temp_storage_S32K-0.tmp").write_bytes(b"spilled")
    work = next(each for each in maintain.maintain(settings, 168) if each.table_name == "work and pages")
    assert work.deleted == (1, 7)
    assert not folder.exists()


def test_a_strangers_table_below_the_lake_is_not_touched(settings: Settings) -> None:
    other = Path(settings.lake) / "theirs"
    write(other.parent, "raw_math", [{"doc_id": "1", "url": "u", "text": "t"}])
    (other.parent / "raw_math").rename(other)
    before = sorted(file.name for file in other.rglob("*"))
    maintain.maintain(settings, 0)
    assert sorted(file.name for file in other.rglob("*")) == before


def test_a_lake_of_a_newer_recast_is_refused_in_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.record(settings, ledger.begin("run-1", "raw_code", "1", {}, {}))
    assert query.rows(settings, "SELECT run_id FROM runs") == [{"run_id": "run-1"}]
    monkeypatch.setattr(query, "FORMAT_NUMBER", 0)
    with pytest.raises(UserError, match=r"runs was made by a newer Recast \(format 1, and this one knows 0\): upgrade"):
        query.rows(settings, "SELECT run_id FROM runs")


def test_a_released_version_is_read_as_before_whatever_its_age(settings: Settings) -> None:
    lake = Path(settings.lake)
    releases.release(settings, "2026-11", ["published_code", "published_math"])
    DeltaTable(str(lake / "published_code")).delete("true")
    maintain.maintain(settings, 0)
    assert query.rows(settings, "SELECT * FROM published_code", "published_code") == []
    (state,) = [each for name, each in releases.states(settings, "2026-11").items() if name == "published_code"]
    releases.require_readable(settings, state)
    assert DeltaTable(str(lake / "published_code"), version=state.when).to_pyarrow_table().num_rows == 3


def test_a_release_whose_version_was_purged_is_in_nobody_s_way(settings: Settings) -> None:
    releases.release(settings, "2026-11", ["published_code"])
    DeltaTable(str(Path(settings.lake, "published_code"))).delete("true")
    purge.remove_history(settings, place(settings.lake), "published_code", 0, datetime.now(UTC), purge.Deleted())
    assert maintain.maintain(settings, 0)
    (row,) = releases.recorded(settings)
    assert not releases.is_readable(settings, row)
    with pytest.raises(UserError, match=r"published_code at version 0 can no longer be read: .* as after a purge"):
        releases.require_readable(settings, State("published_code", row["table_version"]))


def test_a_table_that_cannot_be_read_for_a_moment_loses_no_released_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.release(settings, "2026-11", ["published_code"])
    DeltaTable(str(Path(settings.lake, "published_code"))).delete("true")

    def timed_out(*_: object) -> None:
        raise OSError("the store timed out")

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "load_as_version", timed_out)
        with pytest.raises(UserError, match="timed out"):
            maintain.maintain(settings, 0)
    maintain.maintain(settings, 0)
    (row,) = releases.recorded(settings)
    assert releases.is_readable(settings, row)


def test_tombstones_that_are_put_together_are_no_further_takedown(settings: Settings) -> None:
    for number in range(maintain.SMALL_FILES + 1):
        takedown.take_down(settings, [claim("url", f"https://a.org/{number}")], "asked")
    takedown.take_down(settings, [claim("content", "0" * 64)], "asked")
    obeying = {"raw_math": takedown.version, "rewritten_math": takedown.text_claims}
    for name, obeyed in obeying.items():
        run = ledger.begin("run-1", name, "1", {}, {}, obeyed(settings))
        ledger.record(settings, run | {"status": "succeeded"})  # type: ignore[arg-type]
    before = takedown.version(settings)
    maintain.maintain(settings, 168)
    assert takedown.version(settings) != before
    for name, obeyed in obeying.items():
        begun = ledger.begin("run-2", name, "1", {}, {}, obeyed(settings))
        assert not any("takedowns" in words for words in ledger.changes(settings, begun))
    takedown.lift(settings, [claim("content", "0" * 64)], "a mistake")
    for name, obeyed in obeying.items():
        begun = ledger.begin("run-2", name, "1", {}, {}, obeyed(settings))
        assert any("takedowns" in words for words in ledger.changes(settings, begun))


def test_a_takedown_that_is_made_while_tombstones_are_put_together_is_still_to_be_obeyed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(maintain.SMALL_FILES):
        takedown.take_down(settings, [claim("url", f"https://a.org/{number}")], "asked")
    run = ledger.begin("run-1", "raw_math", "1", {}, {}, takedown.version(settings))
    ledger.record(settings, run | {"status": "succeeded"})  # type: ignore[arg-type]
    state_of, made = query.state_of, []

    def meanwhile(table: DeltaTable) -> str:
        found = state_of(table)
        if table.table_uri.rstrip("/").endswith("tombstones") and not made:
            made.append(takedown.take_down(settings, [claim("url", "https://a.org/late")], "asked"))
        return found

    monkeypatch.setattr(query, "state_of", meanwhile)
    _, files = maintain.compact(settings, "tombstones")
    assert made and files < maintain.SMALL_FILES
    begun = ledger.begin("run-2", "raw_math", "1", {}, {}, takedown.version(settings))
    assert "takedowns were added or lifted" in ledger.changes(settings, begun)


def age(folder: Path, days: dict[int, int]) -> None:
    """Make a table's files two months old, and its commits of so many days."""
    now = time.time()
    for path in folder.glob("*.parquet"):
        os.utime(path, (now - 60 * 86400,) * 2)
    for version, past in days.items():
        path = folder / "_delta_log" / f"{version:020}.json"
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = int((now - past * 86400) * 1000)
        path.write_text("\n".join(map(json.dumps, actions)))
        os.utime(path, (now - past * 86400,) * 2)


def test_versions_within_a_longer_retention_are_read_as_before_also_behind_a_checkpoint(settings: Settings) -> None:
    folder = Path(settings.lake, "raw_code")
    table = DeltaTable(str(folder))
    table.delete("true")
    age(folder, {0: 60, 1: 10})
    DeltaTable(str(folder)).create_checkpoint()  # it no longer tells of what was removed a week ago
    maintain.maintain(settings, 720)
    was = query.rows(settings, "SELECT count(*) AS n FROM raw_code AT (VERSION => 0)", "raw_code")
    assert was != [{"n": 0}], "it was current 30 days ago"
    maintain.maintain(settings, 168)
    with pytest.raises(UserError, match="can no longer be read"):
        query.rows(settings, "SELECT count(*) FROM raw_code AT (VERSION => 0)", "raw_code")


def test_delta_itself_never_deletes_the_log_of_a_release(settings: Settings) -> None:
    maintain.maintain(settings, 168)  # tables of an older Recast lack the property
    folder = Path(settings.lake, "published_code")
    releases.release(settings, "2026-11", ["published_code"])
    DeltaTable(str(folder)).alter.set_table_properties({"delta.checkpointInterval": "1"})
    for path in (folder / "_delta_log").iterdir():
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    DeltaTable(str(folder)).delete("true")
    assert list(folder.glob("_delta_log/*.checkpoint.parquet")), "this is when a log is cleaned"
    (row,) = releases.recorded(settings)
    assert releases.is_readable(settings, row)


def test_a_table_is_asked_for_before_its_files_are_put_together_and_before_any_is_deleted(settings: Settings) -> None:
    asked: list[str] = []
    maintain.maintain(settings, 168, asked.append)
    assert asked.count("raw_code") == 3, "and once before files that are of no table"
    assert "tombstones" not in asked

    def lost(name: str) -> None:
        raise UserError("held no more")

    for number in range(maintain.SMALL_FILES):
        write(Path(settings.lake), "raw_code", [blob(f"{number:040}", "x = 1\n", "a/b")])
    version = query.version(settings, "raw_code")
    with pytest.raises(UserError, match="held no more"):
        maintain.maintain(settings, 0, lost)
    assert query.version(settings, "raw_code") == version
