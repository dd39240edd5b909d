"""Fingerprints: equal facts have equal names, others have others. The ledger's rows: none lost, each replaced alone."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse import ledger, query
from recast.lakehouse.problems import warn
from recast.lakehouse.settings import Settings
from recast.schemas import TABLES
from recast.schemas.operations import EXPECTATION_RESULTS, RUNS, TOMBSTONES
from recast.settings import UserError
from tests.lakehouse.lakes import RUN, write_table

ID, OTHER_ID = "0a1b2c3d-0000-4000-8000-0123456789ab", "ffffffff-0000-4000-8000-0123456789ab"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
FACTS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(FACTS, st.randoms())
def test_the_order_of_facts_does_not_matter(facts: dict, random) -> None:  # type: ignore[no-untyped-def, type-arg]
    shuffled = list(facts.items())
    random.shuffle(shuffled)
    assert ledger.canonical(dict(shuffled)) == ledger.canonical(facts)
    assert ledger.fingerprint(dict(shuffled)) == ledger.fingerprint(facts)


@given(FACTS)
def test_the_canonical_form_says_all_there_is(facts: dict) -> None:  # type: ignore[type-arg]
    assert json.loads(ledger.canonical(facts)) == facts


@given(FACTS, FACTS)
def test_other_facts_have_another_fingerprint(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    same = ledger.canonical(one) == ledger.canonical(other)
    assert (ledger.fingerprint(one) == ledger.fingerprint(other)) == same


def test_a_fingerprint_is_sixteen_hexadecimal_digits() -> None:
    assert ledger.fingerprint({"rule": 1}) == "91c26342579995a3"


def test_a_fact_that_is_no_json_is_refused_rather_than_named_by_its_address() -> None:
    try:
        ledger.fingerprint({"rule": object()})
    except TypeError:
        return
    raise AssertionError("an object's repr holds its address, which changes from run to run")


def test_a_run_that_begins_has_nothing_but_known_columns_and_counts_from_zero() -> None:
    run = ledger.begin("run", "linted_code", "3", {"rule": 1}, {"rule": 2})
    assert set(run) <= set(RUNS.column_names)
    assert run["status"] == "running"
    assert all(run[name] == 0 for name in (*ledger.COUNTS, *ledger.TOKENS))
    assert run["measured_by"] != run["decided_by"]


def test_two_lanes_that_write_at_once_lose_no_row_and_replace_only_their_own(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))

    def keep_books(table_name: str) -> None:
        for seconds in range(5):
            ledger.record(settings, {"run_id": "run", "table_name": table_name, "seconds": float(seconds)})

    names = [f"table_{i}" for i in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(keep_books, names))
    found = query.rows(settings, "SELECT table_name, seconds FROM runs ORDER BY table_name")
    assert found == [{"table_name": name, "seconds": 4.0} for name in names]


def test_a_row_says_all_that_it_was_given_and_null_for_the_rest(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))
    run = ledger.begin("run", "linted_code", "3", {"rule": 1}, {"rule": 2}) | {"reasons": {"low_score": 2}}
    ledger.record(settings, run)
    (row,) = query.rows(settings, "SELECT * FROM runs")
    assert {name: value for name, value in row.items() if value is not None} | {"takedowns": None} == run
    assert list(row) == RUNS.column_names


def test_a_table_that_an_older_version_made_gains_the_columns_it_lacks(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))
    write_table(tmp_path, "runs", [RUN])
    ledger.record(settings, {"run_id": "run-2", "table_name": "raw_code", "tokens_per_s": 7.5})
    found = query.rows(settings, "SELECT run_id, tokens_per_s FROM runs ORDER BY run_id")
    assert [tuple(row.values()) for row in found] == [("run-1", None), ("run-2", 7.5)]


def test_a_table_whose_columns_an_older_version_commented_otherwise_takes_rows(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))
    comment = {"comment": "what it was called then"}
    fields = [pa.field(c.name, ledger.ARROW_TYPES[c.type], metadata=comment) for c in RUNS.columns]
    DeltaTable.create(str(tmp_path / "runs"), pa.schema(fields))
    ledger.record(settings, {"run_id": "run-1", "table_name": "raw_code"})
    ledger.record(settings, {"run_id": "run-1", "table_name": "raw_code", "status": "failed"})
    assert query.rows(settings, "SELECT status FROM runs") == [{"status": "failed"}]


def test_results_of_many_chunks_are_gathered_into_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(lake=str(tmp_path))
    monkeypatch.setattr(ledger, "FILES_BEFORE_COMPACTION", 3)
    for chunk in range(4):
        ledger.record_results(settings, [{"run_id": "run", "chunk": chunk, "success": True}])
    found = query.rows(settings, "SELECT chunk FROM expectation_results ORDER BY chunk")
    assert [row["chunk"] for row in found] == [0, 1, 2, 3]
    table = query.open_table(settings, "expectation_results")
    assert table
    assert len(table.file_uris()) == 1


def test_every_type_of_the_operations_tables_is_known_to_arrow() -> None:
    types = {column.type for table in (RUNS, EXPECTATION_RESULTS, TOMBSTONES) for column in table.columns}
    assert types == set(ledger.ARROW_TYPES)


def test_the_type_of_a_run_names_the_columns_of_its_table_in_their_order() -> None:
    assert list(ledger.Run.__annotations__) == RUNS.column_names


def test_what_changed_since_the_last_run_is_named(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))

    def began(source: str, threshold: float) -> ledger.Run:
        return ledger.begin("run-1", "linted_code", source, {"rule": 1}, {"threshold": threshold, "rule": 2})

    assert ledger.changes(settings, began("3", 7.0)) == ("no run is recorded",)
    ledger.record(settings, began("3", 7.0) | {"status": "succeeded", "target_version": None})
    assert ledger.changes(settings, began("3", 7.0)) == ()
    assert ledger.changes(settings, began("4", 6.5)) == ("source changed (version 3 -> 4)", "threshold 7.0 -> 6.5")
    ledger.record(settings, began("3", 7.0) | {"status": "failed", "target_version": 5})
    assert ledger.changes(settings, began("3", 7.0)) == (
        "the last run is failed",
        "the table is not built; the last run left version 5",
    )


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (f"2@{ID}", f"3@{ID}", "2 -> 3"),
        (f"3@{OTHER_ID}", f"3@{ID}", "3 -> another 3"),
        (f"2@{ID}@0123abcd", f"3@{ID}@4567abcd", "2 -> 3"),
        (json.dumps([f"2@{ID}", f"5@{ID}"]), json.dumps([f"2@{ID}", f"6@{ID}"]), "2, 5 -> 2, 6"),
        ("notes@2", "notes@3", "notes@2 -> notes@3"),
    ],
)
def test_a_changed_source_is_told_by_versions_and_no_ids_of_tables(before: str, now: str, words: str) -> None:
    assert ledger.changed_source(before, now) == f"source changed (version {words})"


def test_the_last_run_is_the_one_that_began_last_whatever_clocks_said(tmp_path: Path) -> None:
    settings, at = Settings(lake=str(tmp_path)), datetime(2026, 3, 1, tzinfo=UTC)
    early = ledger.begin("before the clock was set back", "raw_math", "3", {}, {}) | {"started_at": at}
    late = ledger.begin("after it", "raw_math", "4", {}, {}) | {"started_at": at - timedelta(days=300)}
    for run in (early, late, early):  # a run's row is written again and again, and its place stays
        ledger.record(settings, run)
    last = query.last_run(settings, "raw_math")
    assert last is not None and last["run_id"] == "after it"
    write_deltalake(
        str(tmp_path / "older" / "runs"),
        pa.table({"run_id": ["1", "2"], "table_name": ["raw_math"] * 2, "started_at": [at, at - timedelta(1)]}),
    )
    last = query.last_run(Settings(lake=str(tmp_path / "older")), "raw_math")
    assert last is not None and last["run_id"] == "1", "an older Recast gave runs no number"


def test_a_table_that_lost_a_column_is_neither_refreshed_nor_read(tmp_path: Path) -> None:
    settings, folder = Settings(lake=str(tmp_path)), tmp_path / "raw_math"
    rows = pa.table({"doc_id": ["a"], "url": ["https://a.org"], "own": [1]})
    write_deltalake(str(folder), rows)
    run = ledger.begin("run-1", "raw_math", "3", {}, {}) | {"status": "succeeded", "target_version": 0}
    ledger.record(settings, run)
    write_deltalake(str(folder), rows.drop_columns(["own"]), mode="overwrite", schema_mode="overwrite")
    query.require_columns(settings, "raw_math", 0, 1)
    write_deltalake(str(folder), rows.drop_columns(["url"]), mode="overwrite", schema_mode="overwrite")
    said = rf"{folder} lost its columns url after version 0; restore it, or move {folder} away: recast refresh"
    for look in (lambda: ledger.changes(settings, run), lambda: ledger.require_finished(settings, "raw_math")):
        with pytest.raises(UserError, match=said):
            look()
    DeltaTable(str(folder)).restore(0)
    assert ledger.changes(settings, run) == ("the table is at version 3; the last run left version 0",)


def test_columns_that_came_with_this_recast_are_a_reason_to_refresh(tmp_path: Path) -> None:
    settings, names = Settings(lake=str(tmp_path)), TABLES["raw_math"].column_names
    write_deltalake(str(tmp_path / "raw_math"), pa.table({name: pa.array([], pa.string()) for name in names[:-2]}))
    version, id_ = query.identity(settings, "raw_math")
    run = ledger.begin("run-1", "raw_math", "3", {}, {})
    ledger.record(settings, run | {"status": "succeeded", "target_version": version, "target_id": id_})  # type: ignore[operator, arg-type]
    assert ledger.changes(settings, run) == (f"this Recast has new columns: {', '.join(names[-2:])}",)


def test_zero_and_zero_point_zero_are_told_apart_as_their_fingerprints_are(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path))
    ledger.record(
        settings, ledger.begin("run-1", "raw_math", "3", {"t": 0}, {}) | {"status": "succeeded", "target_version": None}
    )
    assert ledger.changes(settings, ledger.begin("run-2", "raw_math", "3", {"t": 0.0}, {})) == ("t 0 -> 0.0",)
    assert ledger.changes(settings, ledger.begin("run-2", "raw_math", "3", {}, {})) == ("t 0 -> nothing",)


def metadata(words: str) -> CommitProperties:
    """Return what makes a commit carry words as its `userMetadata`."""
    return CommitProperties(custom_metadata={"userMetadata": words})


def commit_of(folder: Path, run_id: str) -> None:
    """Commit to a table as a run of Recast does."""
    rows = pa.table({"doc_id": ["a"], "kept": [True]})
    facts = metadata(json.dumps({"run_id": run_id}))
    write_deltalake(str(folder), rows, mode="append", commit_properties=facts)


def test_a_table_is_read_only_where_its_last_run_is_known_to_have_succeeded(tmp_path: Path) -> None:
    settings, folder = Settings(lake=str(tmp_path)), tmp_path / "raw_math"
    run = {"run_id": "run-1", "table_name": "raw_math", "status": "succeeded"}
    ledger.require_finished(settings, "raw_math")
    commit_of(folder, "run-1")
    version, id_ = query.identity(settings, "raw_math")
    ledger.record(settings, run | {"target_version": version, "target_id": id_})
    ledger.require_finished(settings, "raw_math")
    DeltaTable(str(folder)).optimize.compact()
    DeltaTable(str(folder)).alter.set_table_properties({"delta.appendOnly": "false"})
    ledger.require_finished(settings, "raw_math")  # somebody else's commits, but the same rows
    commit_of(folder, "run-2")
    with pytest.raises(UserError, match=r"the last run of raw_math was killed, .*: recast refresh raw_math"):
        ledger.require_finished(settings, "raw_math")
    shutil.rmtree(folder)
    commit_of(folder, "run-1")
    with pytest.raises(UserError, match="made another table"):
        ledger.require_finished(settings, "raw_math")
    ledger.record(settings, run | {"status": "failed"})
    with pytest.raises(UserError, match="is failed"):
        ledger.require_finished(settings, "raw_math")


@pytest.mark.parametrize(
    ("behind", "words"),
    [
        (lambda table: table.restore(1), "was followed by a RESTORE that Recast did not make"),
        (lambda table: table.delete("doc_id = 'a'"), "was followed by a DELETE that Recast did not make"),
        (
            lambda table: table.delete("doc_id = 'a'", commit_properties=metadata('{"ticket": "GDPR-12"}')),
            "was followed by a DELETE that Recast did not make",
        ),
        (
            lambda table: Path(urlsplit(table.table_uri).path, "_delta_log", f"{2:020}.json").unlink(),
            "left version 2, and .* at version 1",
        ),
    ],
)
def test_a_table_that_others_took_rows_from_is_not_read(
    tmp_path: Path, behind: Callable[[DeltaTable], object], words: str
) -> None:
    settings, folder = Settings(lake=str(tmp_path)), tmp_path / "raw_math"
    for _ in range(3):
        commit_of(folder, "run-1")
    version, id_ = query.identity(settings, "raw_math")
    run = {"run_id": "run-1", "table_name": "raw_math", "status": "succeeded"}
    ledger.record(settings, run | {"target_version": version, "target_id": id_})
    ledger.require_finished(settings, "raw_math")
    behind(DeltaTable(f"{tmp_path}/raw_math"))
    with pytest.raises(UserError, match=f"the last run of raw_math {words}, so rows may be missing: recast refresh"):
        ledger.require_finished(settings, "raw_math")


def test_an_older_copy_that_has_come_to_the_same_version_is_another_table(tmp_path: Path) -> None:
    settings, folder = Settings(lake=str(tmp_path / "lake")), tmp_path / "lake" / "raw_math"
    for number in range(3):
        commit_of(folder, "run-1")
        if number == 1:
            shutil.copytree(folder, tmp_path / "copy")
    run = ledger.begin("run-1", "raw_math", "3", {}, {})
    ledger.record(settings, cast(ledger.Run, run | query.target(settings, "raw_math") | {"status": "succeeded"}))
    ledger.require_finished(settings, "raw_math")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    before = query.state(settings, "raw_math")
    DeltaTable(str(folder)).optimize.compact()
    ledger.rows_are_in(settings, "raw_math", str(before), str(query.state(settings, "raw_math")))
    with pytest.raises(UserError, match="left other files than the table has"):
        ledger.require_finished(settings, "raw_math")
    assert query.version(settings, "raw_math") == 2
    assert "the table's files are others than the last run left" in ledger.changes(settings, run)


def test_a_removal_of_what_was_taken_down_is_recasts_own(tmp_path: Path) -> None:
    settings, folder = Settings(lake=str(tmp_path)), tmp_path / "raw_math"
    commit_of(folder, "run-1")
    run = {"run_id": "run-1", "table_name": "raw_math", "status": "succeeded", "target_version": 0}
    ledger.record(settings, run)  # type: ignore[arg-type]
    DeltaTable(str(folder)).delete("doc_id = 'a'", commit_properties=metadata('{"takedowns": 3}'))
    ledger.require_finished(settings, "raw_math")


def tear_a_file(folder: Path) -> Path:
    (path,) = folder.glob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    return path


def tear_the_log(folder: Path) -> Path:
    path = sorted((folder / "_delta_log").glob("*.json"))[-1]
    path.write_bytes(path.read_bytes()[:100])
    return path


def remove_a_file(folder: Path) -> Path:
    (path,) = folder.glob("*.parquet")
    path.unlink()
    return path


def empty_a_file(folder: Path) -> Path:
    (path,) = folder.glob("*.parquet")
    path.write_bytes(b"")
    return path


DAMAGE = {
    "a torn file": tear_a_file,
    "no file": remove_a_file,
    "an empty file": empty_a_file,
    "a torn log": tear_the_log,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_ledger_means_work_and_stops_no_run(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, run = Settings(lake=str(tmp_path)), ledger.begin("run-1", "linted_code", "3", {}, {})
    ledger.record(settings, run | {"status": "succeeded", "target_version": None})
    ledger.record_results(settings, [{"run_id": "run", "chunk": 0, "success": True}])
    assert not ledger.changes(settings, run)
    warn.cache_clear()
    paths = [DAMAGE[case](tmp_path / name) for name in ("runs", "expectation_results")]
    for _ in range(2):
        assert ledger.changes(settings, run)
        assert ledger.status_of(settings, "run-1", "linted_code") is None
        ledger.record(settings, run)
        ledger.record_results(settings, [{"run_id": "run", "chunk": 1, "success": True}])
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("recast: the ledger is damaged, and the run goes on without it: ") for line in lines)
    assert any(str(paths[0]) in line for line in lines)
    assert len(set(lines)) == len(lines), "each is said once"
