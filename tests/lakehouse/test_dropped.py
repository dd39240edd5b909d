"""Rows that leave a table because of their source lend their measurements, on the toy lake of tests/lakehouse/test_refresh.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recast.lakehouse import dropped, query, store
from recast.lakehouse.refresh import look
from recast.schemas.linted_code import TABLE as LINTED
from tests.lakehouse import test_refresh
from tests.lakehouse.test_refresh import Lake
from tests.lakehouse.toy import settings_in, toy_stage, write_notes

lake, catalogue = test_refresh.lake, test_refresh.catalogue

NOTES = {"a": ("alpha", "ann"), "b": ("beta", "bob"), "c": ("gamma", "ann"), "d": ("delta", "dan")}
LESS = {"b": ("another", "bob"), "c": ("gamma", "cid"), "d": ("delta", "dan")}
"""A night later one note is gone, another has a new text, and a third another owner."""
OF_A_RUN = ("run_id", "written_at", "source_version")


def folders(lake: Lake) -> list[str]:
    return sorted(folder.name for folder in Path(dropped.path(lake.settings, "notes")).glob("*"))


def whole_rows(lake: Lake) -> dict[str, dict[str, Any]]:
    found = query.rows(lake.settings, "SELECT * FROM notes")
    return {row["doc_id"]: {name: row[name] for name in row if name not in OF_A_RUN} for row in found}


@pytest.mark.spark
def test_what_a_source_has_again_costs_nothing_and_is_as_it_was(lake: Lake) -> None:
    lake.run(NOTES)
    before = whole_rows(lake)
    assert lake.run({**NOTES, "c": ("gamma", "cid")})[1] == []
    assert folders(lake) == [], "only the owner is another, so no measurement leaves the table"
    run, paid = lake.run(LESS)
    assert (run["rows_removed"], paid) == (1, ["another"])
    assert set(lake.rows()) == {"b", "c", "d"}
    assert folders(lake) == ["run-3-0"]
    write_notes(lake.folder / "source", NOTES)
    planned = look(lake.spark, lake.settings, toy_stage(lake.folder / "bill"))
    assert planned.rows == {"copy": 3}, "a plan that is shown knows of it"
    run, paid = lake.run()
    assert (run["rows_in"], run["rows_measured"], paid) == (3, 0, [])
    assert whole_rows(lake) == before
    assert lake.run(LESS)[1] == [], "and the text that was there for a night, too"


@pytest.mark.spark
def test_rows_that_only_leave_are_kept_too_and_none_where_none_are_to_be(lake: Lake) -> None:
    lake.run(NOTES)
    less = {name: note for name, note in NOTES.items() if name != "a"}
    run, _ = lake.run(less, keep_dropped_days=0.0)
    assert (run["chunks"], run["rows_removed"], folders(lake)) == (0, 1, [])
    assert lake.run(NOTES)[1] == ["alpha"]
    lake.run(less)
    assert folders(lake) == ["run-4-0"]
    assert lake.run(NOTES)[1] == []


@pytest.mark.spark
def test_of_documents_that_only_have_other_names_nothing_is_written(lake: Lake) -> None:
    lake.run(NOTES)
    lake.run({f"new {name}": note for name, note in NOTES.items()}, chunk_rows=2)
    assert folders(lake) == []


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
    assert folders(lake) == ["run-2-0"], "the rows are there twice"
    torn = Path(dropped.path(lake.settings, "notes"), "run-1-7")
    torn.mkdir()
    (torn / "part-0.parquet").write_bytes(b"PAR1")
    assert lake.run()[1] == [], "what was staged is used"
    assert folders(lake) == ["run-2-0", "run-3-0"], "a folder without a mark is deleted"
    for part in Path(dropped.path(lake.settings, "notes"), "run-2-0").glob("part-*"):
        test_refresh.halve(part)
    run, paid = lake.run(NOTES)
    assert (run["rows_measured"], paid) == (0, []), "a torn file lends nothing, and the other folder does"
    assert whole_rows(lake) == before


def test_only_tables_whose_measurements_cost_something_keep_rows(tmp_path: Path) -> None:
    settings, raw = settings_in(tmp_path), toy_stage(tmp_path)
    assert dropped.is_kept(settings, raw)
    assert not dropped.is_kept(settings_in(tmp_path, keep_dropped_days=0.0), raw)
    below = replace(raw, source=raw.source._replace(tables=("parsed_code",)))
    assert not dropped.is_kept(settings, below)
    assert dropped.is_kept(settings, replace(below, target=LINTED))
