"""Takedowns: what a claim reaches, what readers see from then on, and what a lift brings back."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recast.lakehouse import ledger, query, takedown
from recast.lakehouse.claims import Claim, claim
from recast.lakehouse.diff import between
from recast.lakehouse.purge import purge
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import in_force, lift, take_down
from recast.lakehouse.time_travel import State
from recast.settings import UserError
from tests.lakehouse.taken import (
    BELOW,
    OTHER_PAGE,
    PAGE,
    PARSER,
    PROOF,
    ROOMS,
    A,
    B,
    C,
    blob,
    build,
    remove,
    sha256,
    write,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return build(tmp_path / "lake")


def published(settings: Settings, table: str = "published_code") -> list[str]:
    return [row["doc_id"] for row in query.rows(settings, f"SELECT doc_id FROM {table} ORDER BY doc_id", table)]


def test_a_blob_is_hidden_from_readers_at_once_and_from_no_other_table(settings: Settings) -> None:
    taken = take_down(settings, [Claim("blob", A)], "asked to")
    assert (taken.documents, taken.rows) == (1, {"raw_code": 1, "styled_code": 1, "published_code": 1})
    assert published(settings) == [B, C]
    assert published(settings, "styled_code") == [A, B, C]


def test_an_equal_text_under_another_blob_is_reported_and_stays(settings: Settings) -> None:
    assert take_down(settings, [Claim("blob", A)], "asked to").equal == 1
    assert C in published(settings)


def test_content_takes_equal_texts_down_whatever_blob_holds_them(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    taken = take_down(settings, [Claim("blob", A)], "asked to", with_content=True)
    assert (taken.documents, taken.equal) == (2, 0)
    assert published(settings) == [B]
    claims = {(each["kind"], each["value"]) for each in in_force(settings)}
    assert claims == {("blob", A), ("content", sha256(PARSER))}


def test_a_file_of_a_repository_stays_under_the_others_that_hold_it_but_not_under_its_name(settings: Settings) -> None:
    taken = take_down(settings, [Claim("repo", "bob/copy")], "asked to")
    assert (taken.documents, taken.elsewhere) == (0, 1)
    assert published(settings) == [A, B, C]
    taken = take_down(settings, [Claim("repo", "alice/rooms")], "asked to")
    assert (taken.documents, taken.elsewhere) == (2, 0)  # nobody holds B any more
    assert published(settings) == [C]


def test_a_row_that_stays_is_hidden_while_it_names_the_repository(settings: Settings) -> None:
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to")
    assert published(settings) == [C]
    assert elsewhere(settings) == {"alice/rooms": True}


def elsewhere(settings: Settings) -> dict[str, bool]:
    """Return, by repository that was taken down, whether B stays."""
    statement = f"SELECT DISTINCT value, elsewhere FROM ({takedown.DOCUMENTS}) WHERE doc_id = '{B}'"
    return {row["value"]: row["elsewhere"] for row in query.rows(settings, statement, "tombstones")}


def test_whether_a_document_stays_follows_the_claims_that_count_now(settings: Settings) -> None:
    alice, bob = Claim("repo", "alice/rooms"), Claim("repo", "bob/copy")
    take_down(settings, [alice], "asked to")
    take_down(settings, [bob], "asked to")
    assert elsewhere(settings) == {"alice/rooms": False, "bob/copy": False}
    lift(settings, [alice], "a mistake")
    assert elsewhere(settings) == {"bob/copy": True}
    take_down(settings, [alice], "asked to")
    assert elsewhere(settings) == {"alice/rooms": False, "bob/copy": False}


def test_content_takes_a_repositorys_files_down_wherever_they_are(settings: Settings) -> None:
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to", with_content=True)
    assert published(settings) == []


def test_a_page_and_a_domain_with_all_below_it(settings: Settings) -> None:
    assert take_down(settings, [Claim("url", "https://example.org/roots")], "asked to").documents == 1
    assert published(settings, "published_math") == sorted([OTHER_PAGE, BELOW])
    taken = take_down(settings, [Claim("domain", "example.org")], "asked to")
    assert published(settings, "published_math") == [OTHER_PAGE]
    assert taken.rows == {"raw_math": 2, "published_math": 2}


def test_a_domain_is_not_the_end_of_another_name(settings: Settings) -> None:
    assert take_down(settings, [Claim("domain", "ample.org")], "asked to").documents == 0


def test_a_text_is_taken_down_by_its_hash(settings: Settings) -> None:
    take_down(settings, [Claim("content", str(sha256(PROOF)))], "asked to")
    assert published(settings, "published_math") == [BELOW]


def test_what_a_lake_does_not_hold_is_written_all_the_same(settings: Settings, tmp_path: Path) -> None:
    for where in (settings, Settings(lake=str(tmp_path / "new"))):
        taken = take_down(where, [Claim("repo", "dora/unknown")], "asked to")
        assert (taken.claims, taken.unknown) == (1, [Claim("repo", "dora/unknown")])
        assert [each["value"] for each in in_force(where)] == ["dora/unknown"]


def test_a_document_that_came_after_its_claim_is_reached_when_it_is_claimed_again(settings: Settings) -> None:
    late = "d" * 40
    take_down(settings, [Claim("blob", late)], "asked to")
    for table in ("raw_code", "published_code"):
        write(
            Path(settings.lake),
            table,
            [blob(late, ROOMS, "eve/late")] if table == "raw_code" else [published_row(late)],
        )
    assert late not in published(settings), "its blob is claimed"
    taken = take_down(settings, [Claim("blob", late)], "asked to")
    assert (taken.documents, taken.unknown) == (1, [])
    assert [each["value"] for each in in_force(settings)] == [late]


def test_a_claim_that_is_made_again_keeps_what_it_reached_before_until_it_is_lifted(settings: Settings) -> None:
    alice = Claim("repo", "alice/rooms")
    take_down(settings, [alice], "asked to")
    remove(Path(settings.lake), A)
    taken = take_down(settings, [alice], "asked to again")
    assert taken.documents == 0, "B is all that it finds, which stays elsewhere"
    assert counting(settings) == {A: False, B: True}
    lift(settings, [alice], "a mistake")
    assert counting(settings) == {}
    take_down(settings, [alice], "asked to once more")
    assert counting(settings) == {B: True}


def test_who_holds_a_document_is_what_the_last_takedown_found(settings: Settings) -> None:
    alice = Claim("repo", "alice/rooms")
    take_down(settings, [alice], "asked to")
    remove(Path(settings.lake), B)
    for table in ("raw_code", "published_code"):
        write(
            Path(settings.lake),
            table,
            [blob(B, ROOMS, "alice/rooms")]
            if table == "raw_code"
            else [published_row(B) | {"repo_name": "alice/rooms"}],
        )
    take_down(settings, [alice], "asked to")
    assert counting(settings) == {A: False, B: False}, "its other repository has it no more"


def test_a_document_that_another_repository_brings_after_its_claim_is_shown_after_the_run_that_found_it_there(
    settings: Settings,
) -> None:
    alice, bob = Claim("repo", "alice/rooms"), Claim("repo", "bob/copy")
    take_down(settings, [alice, bob], "asked to")
    before = takedown.version(settings)
    run = ledger.begin("run-1", "raw_code", "1", {}, {}, before)
    takedown.note_holders(settings, run)
    assert run["takedowns"] == takedown.version(settings) == before, (
        "nobody else holds what the run has not removed yet"
    )

    remove(Path(settings.lake), A, B)
    row = published_row(A) | {"repo_name": "eve/late"}
    write(Path(settings.lake), "raw_code", [blob(A, PARSER, "Eve/late")])
    write(Path(settings.lake), "published_code", [row])
    assert A not in published(settings)
    takedown.note_holders(settings, run)
    assert A in published(settings)
    assert counting(settings) == {A: True, B: False}
    noted = takedown.version(settings)
    (note,) = query.rows(settings, "SELECT * FROM tombstones WHERE why LIKE 'run run-1 found%'", "tombstones")
    assert (note["held_by"], note["content_hash"]) == (["eve/late"], sha256(PARSER))
    assert run["takedowns"] == noted != before, "the run need not read its source again"
    takedown.note_holders(settings, run)
    assert takedown.version(settings) == noted
    take_down(settings, [Claim("repo", "eve/late")], "asked to")
    assert A not in published(settings)
    assert counting(settings)[A] is False


def test_a_claim_that_is_made_while_a_run_ends_has_the_source_read_once_more(settings: Settings) -> None:
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to")
    remove(Path(settings.lake), A)
    write(Path(settings.lake), "raw_code", [blob(A, PARSER, "eve/late")])
    obeyed = takedown.version(settings)
    run = ledger.begin("run-1", "raw_code", "1", {}, {}, obeyed)
    take_down(settings, [Claim("repo", "dora/unknown")], "asked to")
    takedown.note_holders(settings, run)
    assert run["takedowns"] == obeyed != takedown.version(settings)


def counting(settings: Settings) -> dict[str, bool]:
    """Return the documents that claims reached which count, and whether each stays elsewhere."""
    rows = query.rows(
        settings, f"SELECT DISTINCT doc_id, elsewhere FROM ({takedown.DOCUMENTS}) ORDER BY ALL", "tombstones"
    )
    return {row["doc_id"]: row["elsewhere"] for row in rows}


def published_row(doc_id: str) -> dict[str, Any]:
    """Return a row of published_code."""
    return {
        "doc_id": doc_id,
        "text": f"# rewritten\n{ROOMS}",
        "repo_name": "eve/late",
        "answer": None,
        "token_count": 7,
    }


def test_lifting_with_content_lifts_all_that_was_taken_down_together(settings: Settings) -> None:
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to", with_content=True)
    take_down(settings, [Claim("url", "https://example.org/roots")], "asked to")
    assert lift(settings, [Claim("repo", "alice/rooms")], "a mistake") == 1
    assert published(settings) == []
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to", with_content=True)
    lift(settings, [Claim("repo", "alice/rooms")], "a mistake", with_content=True)
    assert published(settings) == [A, B, C]
    assert [each["kind"] for each in in_force(settings)] == ["url"]


def test_what_was_taken_down_together_is_lifted_together_though_one_was_claimed_again(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to", with_content=True)
    take_down(settings, [Claim("blob", A)], "asked to again")
    assert lift(settings, [Claim("blob", A)], "a mistake", with_content=True) == 2
    assert published(settings) == [A, B, C]
    take_down(settings, [Claim("blob", A)], "asked to once more")
    assert lift(settings, [Claim("blob", A)], "a mistake", with_content=True) == 1, "the text was lifted before"
    bob = Claim("repo", "bob/copy")
    take_down(settings, [Claim("blob", A), bob], "asked to")
    take_down(settings, [bob], "asked to by bob himself")
    assert lift(settings, [Claim("blob", A)], "a mistake", with_content=True) == 1
    assert [each["value"] for each in in_force(settings)] == ["bob/copy"]


@pytest.mark.parametrize("named", [Claim("blob", A), Claim("repo", "alice/rooms")])
def test_equal_texts_are_taken_down_also_after_the_claimed_documents_went(settings: Settings, named: Claim) -> None:
    take_down(settings, [named], "asked to")
    remove(Path(settings.lake), A)
    assert C in published(settings)
    taken = take_down(settings, [named], "asked to", with_content=True)
    assert Claim("content", str(sha256(PARSER))) in {Claim(each["kind"], each["value"]) for each in in_force(settings)}
    assert taken.documents >= 1
    assert C not in published(settings)


@pytest.mark.parametrize("says_from_which", [True, False])
def test_the_hash_of_a_rewrite_takes_down_the_text_that_it_was_made_from(
    settings: Settings, says_from_which: bool
) -> None:
    rewrite = f"# rewritten\n{ROOMS}"
    if says_from_which:
        shutil.rmtree(Path(settings.lake, "published_code"))
        write(Path(settings.lake), "published_code", [published_row(B) | {"text": rewrite, "raw_hash": sha256(ROOMS)}])
    taken = take_down(settings, [Claim("content", str(sha256(rewrite)))], "asked to")
    assert (taken.claims, taken.unknown, taken.documents) == (2, [], 2), "a page has that text as well"
    assert {each["value"] for each in in_force(settings)} == {sha256(ROOMS), sha256(rewrite)}
    assert B not in published(settings)


def test_the_hash_of_a_rewrite_that_many_have_takes_no_source_down(settings: Settings) -> None:
    write(Path(settings.lake), "published_code", [published_row(B) | {"text": "pass\n"}])
    taken = take_down(settings, [Claim("content", str(sha256("pass\n")))], "asked to")
    assert (taken.claims, taken.documents) == (1, 0)


def test_a_raw_table_that_cannot_be_read_stops_a_takedown_and_another_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Path(settings.lake)
    for file in (lake / "styled_code").glob("*.parquet"):
        file.unlink()
    assert take_down(settings, [Claim("blob", A)], "asked to").rows == {"raw_code": 1, "published_code": 1}
    assert "What is taken down is not looked for in styled_code" in capsys.readouterr().err
    for file in (lake / "raw_code").glob("*.parquet"):
        file.unlink()
    with pytest.raises(UserError, match=r"nothing was taken down: .*raw_code"):
        take_down(settings, [Claim("blob", B)], "asked to")
    assert [each["value"] for each in in_force(settings)] == [A]


def test_a_table_may_be_a_link_to_a_folder_elsewhere(settings: Settings, tmp_path: Path) -> None:
    table = Path(settings.lake, "styled_code")
    shutil.move(table, tmp_path / "elsewhere")
    table.symlink_to(tmp_path / "elsewhere")
    assert take_down(settings, [Claim("blob", A)], "asked to").rows["styled_code"] == 1
    assert published(settings, "styled_code") == [A, B, C]


def test_a_reason_that_is_no_text_is_refused_in_one_line(settings: Settings) -> None:
    for words in (("caf\udce9", ""), ("asked to", "\udcff")):
        with pytest.raises(UserError, match="is no text"):
            take_down(settings, [Claim("blob", A)], *words)
    assert in_force(settings) == []


def test_a_column_of_a_table_names_what_it_holds(settings: Settings) -> None:
    hashes = takedown.column_of(settings, "raw_math", "content_hash").claims
    assert {each.kind for each in hashes} == {"content"}
    assert {each.kind for each in takedown.column_of(settings, "raw_code", "doc_id").claims} == {"blob"}
    with pytest.raises(UserError, match="pages are claimed by their address"):
        takedown.column_of(settings, "published_math", "doc_id")


def test_an_empty_file_takes_no_other_down(settings: Settings) -> None:
    lake = Path(settings.lake)
    write(lake, "raw_code", [blob("d" * 40, "", "dan/empty"), blob("e" * 40, "", "eve/empty")])
    taken = take_down(settings, [Claim("repo", "dan/empty")], "asked to", with_content=True)
    assert (taken.claims, taken.documents) == (1, 1)


def test_a_repository_is_the_same_in_capitals(settings: Settings) -> None:
    assert take_down(settings, [claim("repo", "Carol/Fork")], "asked to").documents == 1


def test_content_closes_over_both_lanes(settings: Settings) -> None:
    taken = take_down(settings, [Claim("repo", "alice/rooms")], "asked to", with_content=True)
    assert taken.equal == 0
    assert BELOW not in published(settings, "published_math"), "the page has the text of a file"


def test_a_lift_brings_documents_back_and_a_second_takedown_hides_them_again(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A), Claim("url", "https://example.org/roots")], "asked to")
    assert lift(settings, [Claim("blob", A), Claim("blob", C)], "a mistake") == 1
    assert published(settings) == [A, B, C]
    assert PAGE not in published(settings, "published_math")
    take_down(settings, [Claim("blob", A)], "asked to")
    assert published(settings) == [B, C]


def test_clocks_that_jump_back_change_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    row = query.rows(settings, "SELECT max(requested_at) AS at FROM tombstones", "tombstones")[0]

    class Earlier(takedown.datetime):  # type: ignore[name-defined, misc]
        @classmethod
        def now(cls, tz: object = None) -> object:
            return row["at"].replace(year=2001)

    monkeypatch.setattr(takedown, "datetime", Earlier)
    lift(settings, [Claim("blob", A)], "a mistake")
    assert in_force(settings) == []


def test_a_document_that_a_refresh_brings_while_it_is_taken_down_is_reached(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "d" * 40
    recording = takedown.record

    def bring_first(*arguments: Any) -> None:
        if late not in {row["doc_id"] for row in query.rows(settings, "SELECT doc_id FROM raw_code")}:
            write(Path(settings.lake), "raw_code", [blob(late, PARSER, "eve/late")])
        recording(*arguments)

    monkeypatch.setattr(takedown, "record", bring_first)
    taken = take_down(settings, [Claim("repo", "eve/late")], "asked to")
    assert (taken.documents, taken.unknown) == (1, [])
    write(Path(settings.lake), "published_code", [published_row(late)])
    assert late not in published(settings)


def test_two_takedowns_at_once_both_count(settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(take_down, settings, [Claim("blob", each)], "asked to") for each in (A, C)]:
            done.result()
    assert published(settings) == [B]


def test_of_a_takedown_and_a_lift_at_once_the_takedown_counts(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    lift(settings, [Claim("blob", A)], "a mistake")
    rows = query.rows(settings, "SELECT * FROM tombstones WHERE doc_id IS NULL ORDER BY number", "tombstones")
    again = [rows[0] | {"number": rows[1]["number"]}]
    takedown.ledger.write(settings, takedown.TOMBSTONES, again)
    assert [each["value"] for each in in_force(settings)] == [A]


def test_claims_are_read_from_a_column_of_a_table(settings: Settings) -> None:
    listed = takedown.column_of(settings, "raw_code", "repo_name")
    assert set(listed.claims) == {Claim("repo", "alice/rooms"), Claim("repo", "carol/fork")}
    assert listed.duplicates == 1
    assert takedown.column_of(settings, f"{settings.lake}/raw_code", "doc_id").claims[0].kind == "blob"
    for table, column in (("raw_code", "nothing"), ("nowhere", "doc_id")):
        with pytest.raises(UserError):
            takedown.column_of(settings, table, column)


def test_damaged_tombstones_show_no_published_table(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    for file in Path(settings.lake, "tombstones").glob("*.parquet"):
        file.unlink()
    with pytest.raises(UserError, match="tombstones"):
        published(settings)


REWRITTEN = "Suppose the square root of two were a fraction in lowest terms. Then both its terms would be even."
NEW, NEW_REWRITTEN = (
    "Squares of odd numbers are odd.",
    "Take an odd number 2k + 1. Its square is 2(2k^2 + 2k) + 1, which is odd.",
)
TEXT_CLAIM = Claim("content", str(sha256(PROOF)))


def put(lake: Path, text: str | None, rewritten: str, was: str | None = None) -> None:
    """Write the tables of one page anew: its text, where there is one, and what was made from it, or from what it was."""
    page = {"doc_id": PAGE, "url": "https://example.org/roots"}
    made = page | {"source_text": was or text, "text": rewritten, "raw_hash": sha256(was or text)}
    if text:
        write(lake, "raw_math", [page | {"text": text}], mode="overwrite")
    write(lake, "rewritten_math", [made], mode="overwrite")
    del made["source_text"]
    write(lake, "published_math", [made | {"token_count": 7, "input_hash": sha256(rewritten)}], mode="overwrite")


@pytest.fixture
def page(settings: Settings) -> Settings:
    """A lake with one page, which had the text PROOF before it got the text NEW."""
    lake = Path(settings.lake)
    shutil.rmtree(lake / "published_math")
    put(lake, PROOF, REWRITTEN)
    put(lake, NEW, NEW_REWRITTEN)
    return settings


def shown(settings: Settings, table: str, column: str = "text") -> list[str]:
    statement = f"SELECT {column} AS shown FROM {table} ORDER BY ALL"
    return [row["shown"] for row in query.dictionaries(query.run_sql(settings, statement))]


def test_what_was_made_from_a_claimed_text_is_hidden_where_it_stands_and_its_page_stays(page: Settings) -> None:
    assert shown(page, "published_math AT (VERSION => 0)") == [REWRITTEN]
    assert shown(page, "rewritten_math AT (VERSION => 0)", "source_text") == [PROOF]
    take_down(page, [TEXT_CLAIM], "asked to")
    assert shown(page, "published_math AT (VERSION => 0)") == []
    assert shown(page, "rewritten_math AT (VERSION => 0)") == []
    assert shown(page, "published_math AT (VERSION => 1)") == [NEW_REWRITTEN]
    assert shown(page, "published_math") == [NEW_REWRITTEN]
    lift(page, [TEXT_CLAIM], "a mistake")
    assert shown(page, "published_math AT (VERSION => 0)") == [REWRITTEN]


def test_what_is_made_from_a_claimed_text_later_is_hidden_too_and_what_is_made_from_the_next_text_is_not(
    page: Settings,
) -> None:
    lake = Path(page.lake)
    put(lake, PROOF, REWRITTEN)
    assert take_down(page, [TEXT_CLAIM], "asked to").documents == 1
    put(lake, None, "A run that had begun before the claim wrote this from the old text.", was=PROOF)
    assert shown(page, "published_math") == []
    put(lake, NEW, NEW_REWRITTEN)
    assert shown(page, "published_math") == [NEW_REWRITTEN]
    assert purge(page, 0)["proven"]


def test_a_row_without_a_text_does_not_show_from_what_it_was_made(page: Settings) -> None:
    row = {
        "doc_id": "f" * 64,
        "url": "u",
        "source_text": PROOF,
        "text": None,
        "reason": "no_answer",
        "raw_hash": sha256(PROOF),
    }
    write(Path(page.lake), "rewritten_math", [row])
    assert PROOF in shown(page, "rewritten_math AT (VERSION => 2)", "source_text")
    take_down(page, [TEXT_CLAIM], "asked to")
    assert shown(page, "rewritten_math AT (VERSION => 2)", "source_text") == [NEW]


def test_the_same_words_that_were_made_from_another_text_stay(page: Settings) -> None:
    other = {
        "doc_id": OTHER_PAGE,
        "url": "https://b.net/",
        "text": REWRITTEN,
        "raw_hash": sha256(NEW),
        "token_count": 7,
    }
    write(Path(page.lake), "published_math", [other])
    take_down(page, [TEXT_CLAIM], "asked to")
    assert shown(page, "published_math") == sorted([REWRITTEN, NEW_REWRITTEN])


def test_a_purge_wants_what_was_made_from_a_claimed_text_out_of_every_table_and_then_finds_it_nowhere(
    page: Settings,
) -> None:
    lake = Path(page.lake)
    put(lake, None, REWRITTEN, was=PROOF)
    take_down(page, [TEXT_CLAIM], "asked to")
    with pytest.raises(UserError, match="rewritten_math still holds 1 documents that were taken down"):
        purge(page, 0)
    put(lake, None, NEW_REWRITTEN, was=NEW)
    assert purge(page, 0)["proven"]
    assert shown(page, "published_math") == [NEW_REWRITTEN]
    write(lake / "mine", "published_math", [{"doc_id": PAGE, "url": "u", "text": REWRITTEN, "raw_hash": sha256(PROOF)}])
    report = purge(page, 0)
    assert {each["file"].startswith("mine/published_math/") for each in report["found"]} == {True}


def test_a_difference_does_not_show_what_was_made_from_a_claimed_text(page: Settings) -> None:
    before, after = State("rewritten_math", 0), State("rewritten_math", 1)
    (example,) = between(page, before, after, 5).examples
    assert f"-{REWRITTEN}" in example.lines
    take_down(page, [TEXT_CLAIM], "asked to")
    difference = between(page, before, after, 5)
    assert (difference.examples, difference.added) == ([], 1)


def test_a_purge_looks_for_a_claimed_text_everywhere_though_its_page_stays(page: Settings) -> None:
    lake = Path(page.lake)
    put(lake, PROOF, REWRITTEN)
    take_down(page, [TEXT_CLAIM], "asked to")
    longer = f"{PROOF} So Hippasus found, who is said to have been drowned for it."
    put(lake, longer, NEW_REWRITTEN)
    report = purge(page, 0)
    assert report["proven"], "what the page says now is no part of what went"
    assert PAGE in {each["doc_id"] for each in report["removed"]}
    (lake / "notes.txt").write_text(f"They had: {REWRITTEN}")
    report = purge(page, 0)
    assert [each["file"] for each in report["found"]] == ["notes.txt"]


def test_a_claim_that_reaches_an_earlier_text_alone_counts_rows_and_no_document(page: Settings) -> None:
    put(Path(page.lake), None, REWRITTEN, was=PROOF)
    taken = take_down(page, [TEXT_CLAIM], "asked to")
    assert (taken.documents, taken.rows) == (0, {"published_math": 1, "rewritten_math": 1})
    assert taken.elsewhere == 0


def test_a_page_that_has_no_text_any_more_holds_up_no_purge(page: Settings) -> None:
    lake = Path(page.lake)
    put(lake, PROOF, REWRITTEN)
    take_down(page, [TEXT_CLAIM], "asked to")
    put(lake, NEW, NEW_REWRITTEN)
    write(lake, "raw_math", [{"doc_id": PAGE, "url": "https://example.org/roots", "text": None}], mode="overwrite")
    assert purge(page, 0)["proven"]


def test_two_claims_of_texts_at_once_are_both_counted(page: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda text: take_down(page, [Claim("content", text * 64)], "asked to"), "12"))
    assert takedown.text_claims(page) == 2
    lift(page, [Claim("content", "1" * 64)], "a mistake")
    assert takedown.text_claims(page) == 3
