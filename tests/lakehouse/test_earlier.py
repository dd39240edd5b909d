"""A text that was claimed, and documents that had it once: what was made from it is hidden, the documents stay."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from recast.lakehouse import query
from recast.lakehouse.claims import Claim
from recast.lakehouse.earlier import may_hold
from recast.lakehouse.purge import purge
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import lift, take_down
from recast.settings import UserError
from tests.lakehouse.taken import OTHER_PAGE, PAGE, PROOF, build, sha256, write

URL = "https://example.org/roots"
REWRITTEN = "Suppose the square root of two were a fraction in lowest terms. Then both its terms would be even."
NEW, NEW_REWRITTEN = (
    "Squares of odd numbers are odd.",
    "Take an odd number 2k + 1. Its square is 2(2k^2 + 2k) + 1, which is odd.",
)
CLAIM = Claim("content", str(sha256(PROOF)))


def put(lake: Path, text: str, rewritten: str, raw: bool = True) -> None:
    """Write the tables of one page anew: its text, and what was made from it."""
    page = {"doc_id": PAGE, "url": URL}
    if raw:
        write(lake, "raw_math", [page | {"text": text}], mode="overwrite")
    write(lake, "rewritten_math", [page | {"source_text": text, "text": rewritten}], mode="overwrite")
    write(lake, "published_math", [page | {"text": rewritten, "token_count": 7}], mode="overwrite")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = build(tmp_path / "lake")
    put(tmp_path / "lake", PROOF, REWRITTEN)
    put(tmp_path / "lake", NEW, NEW_REWRITTEN)
    return settings


def shown(settings: Settings, table: str) -> list[str]:
    return [row["text"] for row in query.dictionaries(query.run_sql(settings, f"SELECT text FROM {table}"))]


def test_what_was_made_from_it_is_hidden_in_the_version_that_holds_it_and_the_page_stays(settings: Settings) -> None:
    assert shown(settings, "published_math AT (VERSION => 1)") == [REWRITTEN]
    take_down(settings, [CLAIM], "asked to")
    assert shown(settings, "published_math AT (VERSION => 1)") == []
    assert shown(settings, "rewritten_math AT (VERSION => 0)") == []
    assert shown(settings, "published_math AT (VERSION => 2)") == [NEW_REWRITTEN]
    assert shown(settings, "published_math") == [NEW_REWRITTEN]


def test_what_is_not_refreshed_yet_is_hidden_as_well(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "lake", PROOF, REWRITTEN, raw=False)
    take_down(settings, [CLAIM], "asked to")
    assert shown(settings, "published_math") == []


def test_the_same_words_of_another_page_stay(settings: Settings, tmp_path: Path) -> None:
    write(
        tmp_path / "lake",
        "published_math",
        [{"doc_id": OTHER_PAGE, "url": "https://b.net/", "text": REWRITTEN, "token_count": 7}],
    )
    take_down(settings, [CLAIM], "asked to")
    assert sorted(shown(settings, "published_math")) == sorted([NEW_REWRITTEN, REWRITTEN])


def test_a_lift_shows_it_again(settings: Settings) -> None:
    take_down(settings, [CLAIM], "asked to")
    lift(settings, [CLAIM], "a mistake")
    assert shown(settings, "published_math AT (VERSION => 1)") == [REWRITTEN]


def test_what_a_killed_run_left_half_written_is_passed_over(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "lake" / "rewritten_math" / "part-00000.snappy.parquet").write_bytes(b"PAR1 and no footer")
    take_down(settings, [CLAIM], "asked to")
    assert shown(settings, "published_math AT (VERSION => 1)") == []


def test_files_that_delta_rs_wrote_anew_are_read(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "lake", PROOF, REWRITTEN, raw=False)
    other = {"doc_id": OTHER_PAGE, "url": "https://b.net/", "source_text": NEW, "text": NEW_REWRITTEN}
    write(tmp_path / "lake", "rewritten_math", [other])
    table = DeltaTable(str(tmp_path / "lake" / "rewritten_math"))
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    take_down(settings, [CLAIM], "asked to")
    assert shown(settings, "published_math") == []


@pytest.mark.parametrize(
    ("least", "most", "held"),
    [("a", "b", False), ("a", "c", True), ("c", "c", True), ("d", "e", False), ("e", "z", True)],
)
def test_parts_of_a_file_are_read_where_their_statistics_allow_one_of_the_hashes(
    least: str, most: str, held: bool
) -> None:
    assert may_hold({"min": least, "max": most}, ["c", "f"]) == held
    assert not may_hold({"min": least, "max": most}, [])
    assert may_hold(None, ["c"])


def test_a_purge_wants_it_out_of_every_table_first_and_then_finds_it_nowhere(
    settings: Settings, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    put(lake, PROOF, REWRITTEN, raw=False)
    take_down(settings, [CLAIM], "asked to")
    with pytest.raises(UserError, match="rewritten_math still holds 1 documents that were taken down"):
        purge(settings, 0)
    write(
        lake,
        "rewritten_math",
        [{"doc_id": PAGE, "url": URL, "source_text": NEW, "text": NEW_REWRITTEN}],
        mode="overwrite",
    )
    with pytest.raises(UserError, match="published_math still holds 1 documents that were taken down"):
        purge(settings, 0)
    put(lake, NEW, NEW_REWRITTEN, raw=False)
    kept = DeltaTable(str(lake / "published_math")).file_uris()
    assert purge(settings, 0)["proven"]
    assert DeltaTable(str(lake / "published_math")).file_uris() == kept
    assert shown(settings, "published_math") == [NEW_REWRITTEN]


def test_a_purge_finds_it_in_a_file_that_it_may_not_delete(settings: Settings, tmp_path: Path) -> None:
    take_down(settings, [CLAIM], "asked to")
    write(tmp_path / "lake" / "mine", "published_math", [{"doc_id": PAGE, "url": URL, "text": REWRITTEN}])
    report = purge(settings, 0)
    assert not report["proven"]
    assert [each["file"].startswith("mine/published_math/") for each in report["found"]] == [True]


def test_another_text_that_came_out_the_same_does_not_stop_a_purge(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "lake", NEW, REWRITTEN)
    take_down(settings, [CLAIM], "asked to")
    assert purge(settings, 0)["proven"]
