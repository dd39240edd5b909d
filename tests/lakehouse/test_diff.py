"""What differs between two states of a table: counts, reasons that moved, texts; and that only changed files are read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from recast.lakehouse import diff, query, takedown
from recast.lakehouse.claims import claim
from recast.lakehouse.settings import Settings
from recast.lakehouse.time_travel import State
from recast.settings import UserError
from tests.lakehouse.lakes import write_lake
from tests.lakehouse.whole_lake import MATH, row_of, sha, write, write_whole_lake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_whole_lake(tmp_path / "a 'lake'")


def between(settings: Settings, table: str, before: int = 0, after: int = 1, examples: int = 3) -> diff.Difference:
    return diff.between(settings, State(table, before), State(table, after), examples)


def test_rows_are_added_and_removed(settings: Settings) -> None:
    found = between(settings, "published_code")
    assert (found.added, found.removed, found.changed, found.judged_otherwise, found.rows) == (1, 1, 0, 0, 3)
    assert found.moved == [("absent", "kept", 1), ("kept", "absent", 1)]


def test_a_moved_threshold_moves_reasons_and_changes_no_text(settings: Settings) -> None:
    found = between(settings, "linted_code")
    assert (found.changed, found.judged_otherwise, found.examples) == (0, 1, [])
    assert ("low_score", "kept", 1) in found.moved


def test_between_a_version_and_itself_nothing_differs(settings: Settings) -> None:
    found = between(settings, "linted_code", 1, 1)
    assert found[4:] == (0, 0, 0, 0, [], None, [])
    assert found.rows == 7


def test_the_way_back_is_the_way_there_turned_round(settings: Settings) -> None:
    there, back = between(settings, "linted_code", 0, 1), between(settings, "linted_code", 1, 0)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert sorted(there.moved) == sorted((after, before, rows) for before, after, rows in back.moved)


def test_tokens_of_published_rows_are_counted(settings: Settings) -> None:
    total = "SELECT sum(token_count) AS n FROM published_math AT (VERSION => {}) WHERE kept"
    (old,), (new,) = (query.rows(settings, total.format(version)) for version in (0, 1))
    assert between(settings, "published_math").token_change == new["n"] - old["n"]
    assert between(settings, "linted_code").token_change is None


def test_an_example_shows_the_lines_that_changed_and_where_they_came_from(settings: Settings) -> None:
    (example,) = between(settings, "published_math").examples
    assert example.source == "https://example.org/angles"
    assert [line[0] for line in example.lines] == ["@", "-", "+"]
    assert "A square has 360." in example.lines[2]
    assert between(settings, "published_math", examples=0).examples == []


def test_rows_that_move_alike_are_one_number(settings: Settings) -> None:
    row = row_of(MATH, "raw_math", 1, "https://example.org/fractions")
    write(Path(settings.lake), "raw_math", [row | {"doc_id": name, "path": name} for name in "abc"], "append")
    assert between(settings, "raw_math", 1, 2).moved == [("absent", "kept", 3)]


def test_what_was_taken_down_is_in_neither_state(settings: Settings) -> None:
    before = between(settings, "raw_math")
    takedown.take_down(settings, [claim("url", "https://example.org/angles")], "asked")
    after = between(settings, "raw_math")
    assert (before.changed, after.changed) == (1, 0)
    assert (after.rows, after.examples) == (before.rows - 1, [])


def test_only_files_that_one_state_has_alone_are_read(settings: Settings) -> None:
    added = row_of(MATH, "raw_math", 1, "https://example.org/fractions") | {"doc_id": "new"}
    write(Path(settings.lake), "raw_math", [added], "append")
    (first,) = DeltaTable(f"{settings.lake}/raw_math", version=1).file_uris()
    Path(settings.lake, "raw_math", Path(first).name).write_bytes(b"a file that both versions have may be anything")
    found = between(settings, "raw_math", 1, 2)
    assert (found.added, found.removed, found.changed, found.rows) == (1, 0, 0, 6)


def test_a_table_that_arrow_reads_is_compared_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every table of a lake in an object store is."""
    expected = between(settings, "published_code")
    monkeypatch.setattr(query, "is_local", lambda _: False)
    monkeypatch.setattr(diff, "is_local", lambda _: False)
    assert between(settings, "published_code") == expected


def test_columns_that_an_older_table_lacks_are_null(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake")
    found = between(settings, "linted_code", 0, 0)
    assert found.rows == 3


@pytest.mark.parametrize(
    ("table", "before", "after", "words"),
    [
        ("runs", 0, 1, "runs is no table of documents"),
        ("linted_code", 0, 9, "there is no linted_code at version 9"),
        ("linted_code", datetime(2001, 1, 1, tzinfo=UTC), 1, "its log begins later"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    settings: Settings, table: str, before: Any, after: Any, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        between(settings, table, before, after)


def test_a_table_that_is_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="raw_math is not built"):
        between(write_lake(tmp_path / "lake"), "raw_math")


def test_a_version_that_was_vacuumed_is_refused(settings: Settings) -> None:
    table = DeltaTable(query.table_uri(settings, "linted_code"))
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(UserError, match="files of it are gone"):
        between(settings, "linted_code")


def test_a_damaged_file_is_one_line(settings: Settings) -> None:
    for path in Path(settings.lake, "linted_code").glob("*.parquet"):
        whole = path.read_bytes()
        path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(UserError) as refused:
        between(settings, "linted_code")
    assert "\n" not in str(refused.value)


OUTCOMES = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from("xyz"), st.sampled_from([None, "low_score", "no_score"]))
)


@options(max_examples=15)
@given(OUTCOMES, OUTCOMES)
def test_counts_are_those_of_two_dictionaries(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, Any], after: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for state in (before, after):
        rows = [
            {"doc_id": key, "text": text, "content_hash": sha(text), "kept": reason is None, "reason": reason}
            for key, (text, reason) in state.items()
        ]
        write(folder, "linted_code", rows)
    found = between(Settings(lake=str(folder)), "linted_code")
    both = before.keys() & after.keys()
    changed = {key for key in both if before[key][0] != after[key][0]}
    assert found.added == len(after.keys() - both)
    assert found.removed == len(before.keys() - both)
    assert found.changed == len(changed)
    assert found.judged_otherwise == len([key for key in both - changed if before[key][1] != after[key][1]])
    assert found.rows == len(after)
    assert {example.doc_id for example in found.examples} == set(sorted(changed)[:3])
