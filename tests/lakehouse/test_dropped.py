"""Rows that leave a table because of their source lend their measurements, on the toy lake of tests/lakehouse/test_refresh.py."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recast.lakehouse import dropped, query, store
from recast.lakehouse.refresh import look
from recast.schemas.linted_code import TABLE as LINTED
from tests.lakehouse import test_refresh
from tests.lakehouse.test_refresh import Lake, halve, tear_parts
from tests.lakehouse.toy import settings_in, toy_stage, write_notes

lake, catalogue = test_refresh.lake, test_refresh.catalogue

NOTES = {"a": ("alpha", "ann"), "b": ("beta", "bob"), "c": ("gamma", "ann"), "d": ("delta", "dan")}
LESS = {"b": ("another", "bob"), "c": ("gamma", "cid"), "d": ("delta", "dan")}
"""A night later one note is gone, another has a new text, and a third another owner."""
OF_A_RUN = ("run_id", "written_at", "source_version")


def left(lake: Lake) -> list[str]:
    """Return the texts of the rows that left."""
    files = sorted(Path(dropped.path(lake.settings, "notes")).glob("*/*.parquet"))
    return sorted(text for file in files for text in pq.read_table(file, columns=["text"])["text"].to_pylist())


def whole_rows(lake: Lake) -> dict[str, dict[str, Any]]:
    found = query.rows(lake.settings, "SELECT * FROM notes")
    return {row["doc_id"]: {name: row[name] for name in row if name not in OF_A_RUN} for row in found}


@pytest.mark.spark
def test_what_a_source_has_again_costs_nothing_and_is_as_it_was(lake: Lake) -> None:
    lake.run(NOTES)
    before = whole_rows(lake)
    run, paid = lake.run(LESS)
    assert (run["rows_removed"], paid) == (1, ["another"])
    assert left(lake) == ["alpha", "beta"], "with another owner no measurement leaves"
    write_notes(lake.folder / "source", NOTES)
    planned = look(lake.spark, lake.settings, toy_stage(lake.folder / "bill"))
    assert planned.rows == {"copy": 3}, "a plan that is shown knows of it"
    run, paid = lake.run()
    assert (run["rows_in"], run["rows_measured"], paid) == (3, 0, [])
    assert whole_rows(lake) == before


@pytest.mark.spark
def test_rows_that_only_leave_are_kept_too_and_none_where_none_are_to_be(lake: Lake) -> None:
    lake.run(NOTES)
    run, _ = lake.run({name: NOTES[name] for name in "abc"}, keep_dropped_days=0.0)
    assert (run["chunks"], run["rows_removed"], left(lake)) == (0, 1, [])
    run, _ = lake.run({name: NOTES[name] for name in "ab"})
    assert (run["chunks"], run["rows_removed"], left(lake)) == (0, 1, ["gamma"])
    assert lake.run(NOTES)[1] == ["delta"]


@pytest.mark.spark
def test_what_many_chunks_replaced_lends_all_of_it(lake: Lake) -> None:
    notes = {f"n{number}": (f"text {number}", "ann") for number in range(12)}
    lake.run(notes)
    run, _ = lake.run({doc_id: (f"other {text}", owner) for doc_id, (text, owner) in notes.items()}, chunk_rows=3)
    assert run["chunks"] > 2
    assert left(lake) == sorted(text for text, _ in notes.values())
    run, paid = lake.run(notes, chunk_rows=3)
    assert (run["rows_in"], paid) == (12, [])


@pytest.mark.spark
def test_a_run_that_is_killed_before_or_while_it_writes_such_rows_harms_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.run(NOTES)
    before = whole_rows(lake)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store, "merge", die)
        lake.run(LESS)
    assert whole_rows(lake) == before
    assert left(lake) == ["alpha", "beta"], "its rows are in the table as well"
    folder = Path(dropped.path(lake.settings, "notes"))
    (written,) = folder.iterdir()
    shutil.copytree(written, folder / "killed-0" / "_temporary" / "0" / "_temporary" / "attempt_0")
    tear_parts(folder, halve)
    _, paid = lake.run(NOTES)
    assert (paid, whole_rows(lake)) == ([], before), "a torn file is no fault"


def test_only_tables_whose_measurements_cost_something_keep_rows(tmp_path: Path) -> None:
    settings, raw = settings_in(tmp_path), toy_stage(tmp_path)
    assert dropped.is_kept(settings, raw)
    assert not dropped.is_kept(settings_in(tmp_path, keep_dropped_days=0.0), raw)
    below = replace(raw, source=raw.source._replace(tables=("parsed_code",)))
    assert not dropped.is_kept(settings, below)
    assert dropped.is_kept(settings, replace(below, target=LINTED))
