"""Purges: old versions, change feeds and leftovers go, and every file is read for what was taken down."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from recast.lakehouse import purge as purging
from recast.lakehouse import query
from recast.lakehouse.claims import Claim
from recast.lakehouse.purge import purge
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import take_down
from recast.settings import UserError
from tests.lakehouse.taken import OTHER_PAGE, PARSER, PROOF, ROOMS, A, B, C, build, remove, write

LINE = PARSER.splitlines()[0]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return build(tmp_path / "a läke")


def taken_down(settings: Settings, with_content: bool = True) -> Path:
    """Take the text PARSER down and remove its documents, as a refresh does."""
    take_down(settings, [Claim("blob", A)], "asked to", "ticket 7", with_content)
    remove(Path(settings.lake), *([A, C] if with_content else [A]))
    return Path(settings.lake)


def test_before_a_purge_the_text_is_in_old_versions_and_change_feeds_and_afterwards_nowhere(settings: Settings) -> None:
    lake = taken_down(settings)
    assert any(LINE.encode() in file.read_bytes() for file in lake.rglob("*.parquet"))
    assert list(lake.rglob("_change_data/*.parquet"))
    report = purge(settings, 0)
    assert report["proven"]
    assert report["documents"] == 2
    assert report["scanned_files"] > 10
    assert not list(lake.rglob("_change_data/*.parquet"))
    left = [file for file in lake.rglob("*") if file.is_file() and LINE.encode() in file.read_bytes()]
    assert left == []


def test_tables_are_read_as_before_by_the_same_version(settings: Settings) -> None:
    lake = taken_down(settings)
    purge(settings, 0)  # sets a property of tables that lack it
    before = {name: query.version(settings, name) for name in ("raw_code", "published_code", "raw_math")}
    purge(settings, 0)
    assert {name: query.version(settings, name) for name in before} == before
    assert query.rows(settings, "SELECT doc_id FROM published_code") == [{"doc_id": B}]
    assert DeltaTable(str(lake / "raw_code")).to_pyarrow_table().num_rows == 1
    write(lake, "published_code", [{"doc_id": "e" * 40, "text": ROOMS, "repo_name": "a/b", "answer": None}])
    assert len(query.rows(settings, "SELECT doc_id FROM published_code")) == 2


def test_what_a_refresh_has_not_removed_yet_is_not_purged(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    with pytest.raises(UserError, match=r"raw_code still holds 1 documents .* recast refresh"):
        purge(settings, 0)


def test_what_is_younger_than_the_retention_stays_and_is_reported(settings: Settings) -> None:
    lake = taken_down(settings)
    report = purge(settings, 168)
    assert not report["proven"]
    assert report["deleted_files"] == 0
    assert any("raw_code/" in each["file"] and each["documents"] == [A, C] for each in report["found"])
    assert any(each["file"].startswith("styled_code/_change_data/") for each in report["found"])
    for file in lake.rglob("*"):
        os.utime(file, (1, 1))
    assert purge(settings, 168)["proven"] is False  # Delta counts from the removal


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data_docs/validations/x.html", "<td>def parse_the_measurements(lines: list[str]) -&gt; list[float]:</td>"),
        ("_work/spark.log", json.dumps({"level": "WARN", "message": f"cannot read\n{LINE}"})),
        ("_work/spark.log", f"26/11/26 WARN bad row: 'x\\n{LINE}\\n'"),
    ],
)
def test_a_log_or_page_that_quotes_the_text_is_deleted(settings: Settings, file: str, words: str) -> None:
    path = taken_down(settings) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words.replace("<td>", "\n").replace("</td>", "\n"))
    assert purge(settings, 0)["proven"]
    assert not path.exists()


@pytest.mark.parametrize("words", [LINE, json.dumps([{"deep": {"text": PARSER}}]), f"intro\n   {LINE}\n"])
def test_a_strangers_file_that_quotes_the_text_is_reported_and_not_touched(settings: Settings, words: str) -> None:
    path = taken_down(settings) / "exports" / "part.jsonl"
    path.parent.mkdir()
    path.write_text(words)
    report = purge(settings, 0)
    assert [each["file"] for each in report["found"]] == ["exports/part.jsonl"]
    assert not report["proven"]
    assert path.exists()


def test_staged_rows_and_journals_of_killed_runs_go(settings: Settings) -> None:
    lake = taken_down(settings)
    folder = lake / "_work" / "styled_code" / "run-1" / "staged"
    folder.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(next(lake.glob("styled_code/*.parquet")).read_bytes())
    (lake / "_work" / "styled_code.lock").touch()
    assert purge(settings, 0)["proven"]
    assert [file.name for file in (lake / "_work").rglob("*") if file.is_file()] == ["styled_code.lock"]


def test_a_line_that_other_documents_have_as_well_proves_nothing(settings: Settings) -> None:
    taken_down(settings, with_content=False)  # C has the same text, and stays
    report = purge(settings, 0)
    assert report["proven"]
    assert report["lines_in_other_documents"] > 0
    assert query.rows(settings, "SELECT doc_id FROM published_code ORDER BY 1") == [{"doc_id": B}, {"doc_id": C}]


def test_a_file_that_cannot_be_read_may_hold_anything(settings: Settings) -> None:
    path = taken_down(settings) / "raw_code" / "copy.parquet"
    purge(settings, 0)
    path.with_name("x").mkdir()
    (path.with_name("x") / "torn.parquet").write_bytes(b"PAR1")
    report = purge(settings, 168)
    assert not report["proven"]
    assert [each["file"] for each in report["unreadable"]] == ["raw_code/x/torn.parquet"]


@pytest.mark.parametrize("after", range(8))
def test_a_purge_that_breaks_off_anywhere_is_finished_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    taken_down(settings)
    deleting = purging.delete
    calls = iter(range(1000))

    def breaking(filesystem: Any, infos: list[Any], deleted: purging.Deleted) -> purging.Deleted:
        if next(calls) == after:
            deleting(filesystem, infos[:1], deleted)
            raise OSError(28, "No space left on device")
        return deleting(filesystem, infos, deleted)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(purging, "delete", breaking)
        purge(settings, 0)
    assert query.rows(settings, "SELECT doc_id FROM published_code") == [{"doc_id": B}]
    assert purge(settings, 0)["proven"]
    assert query.rows(settings, "SELECT doc_id FROM raw_code") == [{"doc_id": B}]


def test_the_report_lies_in_the_lake_and_holds_hashes_and_no_text(settings: Settings) -> None:
    lake = taken_down(settings)
    report = purge(settings, 0)
    kept = (lake / report["report"]).read_text()
    assert json.loads(kept)["sha256"] == report["sha256"]
    assert LINE not in kept
    assert {each["table_name"] for each in report["removed"]} == {"raw_code", "styled_code", "published_code"}
    assert report["claims"][0]["reference"] == "ticket 7"


def test_a_lake_without_takedowns_is_cleaned_all_the_same(settings: Settings) -> None:
    remove(Path(settings.lake), OTHER_PAGE)
    report = purge(settings, 0)
    assert report["proven"]
    assert report["deleted_files"] > 0
    assert query.rows(
        settings, "SELECT count(*) AS n FROM published_math WHERE text = ?".replace("?", f"'{PROOF}'")
    ) == [{"n": 1}]
