"""Purges: old versions, change feeds and leftovers go, and every file is read for what was taken down."""

import bz2
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from recast import exits
from recast.journal import Writer
from recast.lakehouse import confinement, ledger, proof, query
from recast.lakehouse import purge as purging
from recast.lakehouse.claims import Claim
from recast.lakehouse.purge import purge
from recast.lakehouse.settings import Settings
from recast.lakehouse.takedown import lift, take_down
from recast.settings import UserError
from recast.storage import Place, place
from tests.lakehouse.taken import OTHER_PAGE, PARSER, PROOF, ROOMS, A, B, C, build, remove, sha256, write

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
    write(
        lake,
        "published_code",
        [{"doc_id": "e" * 40, "text": ROOMS, "repo_name": "a/b", "answer": None, "token_count": 7}],
    )
    assert len(query.rows(settings, "SELECT doc_id FROM published_code")) == 2


def test_what_a_refresh_has_not_removed_yet_is_not_purged(settings: Settings) -> None:
    take_down(settings, [Claim("blob", A)], "asked to")
    with pytest.raises(UserError, match=r"raw_code still holds 1 documents .* recast refresh"):
        purge(settings, 0)


def test_what_is_younger_than_the_retention_stays_and_is_reported(settings: Settings) -> None:
    taken_down(settings)
    report = purge(settings, 168)
    assert not report["proven"]
    assert report["deleted_files"] == 0
    assert any("raw_code/" in each["file"] and each["rows"] == 2 for each in report["found"])
    assert any(each["file"].startswith("styled_code/_change_data/") for each in report["found"])


def test_versions_younger_than_the_retention_are_read_as_before(settings: Settings) -> None:
    lake = taken_down(settings)
    entries = sorted((lake / "raw_code" / "_delta_log").glob("*.json"))
    os.utime(entries[0], (1, 1))
    young = DeltaTable(str(lake / "raw_code"), version=1).to_pyarrow_table().num_rows
    purge(settings, 168)
    assert DeltaTable(str(lake / "raw_code"), version=1).to_pyarrow_table().num_rows == young
    purge(settings, 0.5)
    assert DeltaTable(str(lake / "raw_code"), version=1).to_pyarrow_table().num_rows == young, (
        "half an hour is no nothing"
    )


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data_docs/validations/x.html", "<td>def parse_the_measurements(lines: list[str]) -&gt; list[float]:</td>"),
        ("data_docs/index.html", f"<tr><td>{LINE[:20]}</td><td>{LINE[20:]}</td></tr>"),
        ("_work/spark.log", json.dumps({"level": "WARN", "message": f"cannot read\n{LINE}"})),
        ("_work/spark.log", f"26/11/26 WARN bad row: {LINE}"),
        ("_work/spark.log", f"26/11/26 WARN bad row: 'x\\n{LINE}\\n'"),
    ],
)
def test_a_log_or_page_that_quotes_the_text_is_deleted(settings: Settings, file: str, words: str) -> None:
    path = taken_down(settings) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    assert purge(settings, 0)["proven"]
    assert not path.exists()


@pytest.mark.parametrize(
    "words",
    [
        LINE.encode(),
        json.dumps([{"deep": {"text": PARSER}}], indent=2).encode(),
        f"intro\n   {LINE}\n".encode(),
        LINE.encode("utf-16"),
        gzip.compress(PARSER.encode(), mtime=0),
        bz2.compress(PARSER.encode()),
        b"x" * (proof.PIECE_BYTES - 20) + PARSER.encode(),
    ],
    ids=["line", "json", "indented", "utf-16", "gzip", "bzip2", "at a seam"],
)
def test_a_strangers_file_that_quotes_the_text_is_reported_and_not_touched(settings: Settings, words: bytes) -> None:
    path = taken_down(settings) / "exports" / "part.jsonl"
    path.parent.mkdir()
    path.write_bytes(words)
    report = purge(settings, 0)
    assert [each["file"] for each in report["found"]] == ["exports/part.jsonl"]
    assert not report["proven"]
    assert path.exists()


def test_a_journal_that_is_young_is_reported_and_stays(settings: Settings) -> None:
    lake = taken_down(settings)
    folder = lake / "_work" / "styled_code" / "journal"
    folder.mkdir(parents=True)
    answers = [{"input_hash": sha256(PARSER), "answer": "no part of it"}, {"input_hash": "other", "answer": PARSER}]
    pq.write_table(pa.Table.from_pylist(answers), folder / "segment.parquet")
    found = {each["file"]: each for each in purge(settings, 168)["found"]}
    assert found["_work/styled_code/journal/segment.parquet"]["rows"] == 1
    assert (folder / "segment.parquet").exists()


def test_rows_that_left_and_lend_their_measurements_go_whatever_their_age(settings: Settings) -> None:
    """Even of a document that no tombstone lists, since it had left before its domain was claimed."""
    lake = taken_down(settings)
    folder = lake / "_dropped" / "raw_code" / "run-1-0"
    folder.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(next(lake.glob("raw_code/*.parquet")).read_bytes())
    (folder / "_SUCCESS").touch()
    report = purge(settings, 168)
    assert report["deleted_files"] == 2
    assert not any(each["file"].startswith("_dropped/") for each in report["found"])
    assert not list((lake / "_dropped").rglob("*.parquet"))


def test_a_tail_of_a_journal_is_read_to_its_torn_end(settings: Settings) -> None:
    lake = taken_down(settings)
    writer = Writer(place(str(lake / "_work" / "raw_code" / "journal" / "run-0")), 0)

    def tail(*rows: tuple[str, str | None]) -> Path:
        tail = writer.tail(["input_hash", "text"])
        assert tail
        for row in rows:
            tail.append(*row)
        tail.close()
        return Path(tail.path)

    short, named, torn = tail(*((str(n), "") for n in range(50))), tail((sha256(PARSER), None)), tail(("other", PARSER))
    whole = torn.read_bytes()
    torn.write_bytes(whole[: whole.index(PARSER.encode()) + len(PARSER) // 2])
    report = purge(settings, 168)
    found = {Path(each["file"]).name: each for each in report["found"]}
    assert found[named.name]["rows"] == 1
    assert found[torn.name]["parts_of_texts"] > 0
    assert short.name not in found
    assert report["unreadable"] == []
    assert purge(settings, 0)["proven"]
    assert not torn.exists()


def test_a_text_that_is_claimed_by_its_hash_is_found_where_a_killed_run_alone_has_left_it(settings: Settings) -> None:
    """No table held it, so no tombstone has probes of it."""
    text = "def only_a_killed_run_has_read_this(lines):\n    return sorted(lines)\n"
    take_down(settings, [Claim("content", str(sha256(text)))], "asked to")
    work = Path(settings.lake) / "_work"
    folders = {name: work / name / "run-0" for name in ("raw_code", "parsed_code", "styled_code")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    pq.write_table(pa.table({"text": ["other", None, text]}), folders["raw_code"] / "segment.parquet")
    pq.write_table(pa.table({"text": pa.array([text.encode()])}), folders["parsed_code"] / "bytes.parquet")
    answers = {"input_hash": [sha256(text), "other"], "answer": ["a rewrite", "another"]}
    pq.write_table(pa.table(answers), folders["styled_code"] / "answers.parquet")
    pq.write_table(pa.table({"source_text": [text], "text": ["a rewrite"]}), folders["styled_code"] / "staged.parquet")
    tail = Writer(place(str(folders["raw_code"])), 0).tail(["input_hash", "text", "fetch_status"])
    assert tail
    tail.append("one", "other", "fetched")
    tail.append("another", text, "fetched")
    tail.close()
    report = purge(settings, 168)
    found = {Path(each["file"]).name: each["rows"] for each in report["found"]}
    names = ("segment.parquet", "bytes.parquet", "answers.parquet", "staged.parquet", Path(tail.path).name)
    assert (report["proven"], found) == (False, dict.fromkeys(names, 1))
    assert purge(settings, 0)["proven"]
    assert not [file for file in work.rglob("*") if file.is_file()]


def test_staged_rows_and_journals_of_killed_runs_go(settings: Settings) -> None:
    lake = taken_down(settings)
    folder = lake / "_work" / "styled_code" / "run-1" / "staged"
    folder.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(next(lake.glob("styled_code/*.parquet")).read_bytes())
    (lake / "_work" / "styled_code.lock").touch()
    assert purge(settings, 0)["proven"]
    assert [file.name for file in (lake / "_work").rglob("*") if file.is_file()] == ["styled_code.lock"]


def test_what_queries_had_no_memory_for_goes_once_their_process_has_ended_or_may_have(settings: Settings) -> None:
    lake = taken_down(settings)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    killed = confinement.spilled_by(ended.pid)
    ended.wait()
    mine = confinement.spilled_by(os.getpid())
    started_before = f"{mine.rpartition('-')[0]}-1"  # a process of this number, which is another's now
    ours = [killed, mine, started_before]
    others = [".duckdb-0123abcd-7-99", ".duckdb-12"]
    for name in (*ours, *others):
        (lake / name).mkdir()
        (lake / name / "duckdb_temp_storage_S32K-0.tmp").write_bytes(bytes(range(256)) * 9)
    unreadable = [each["file"].partition("/")[0] for each in purge(settings, 1)["unreadable"]]
    assert sorted(unreadable) == sorted([mine, *others])
    assert not any((lake / name).exists() for name in (killed, started_before))
    unreadable = [each["file"].partition("/")[0] for each in purge(settings, 0)["unreadable"]]
    assert unreadable == [mine]
    assert sorted(each.name for each in lake.glob(".duckdb-*")) == [mine]


@pytest.mark.parametrize(
    "type_", [pa.string_view(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize("name", ["part.parquet", "part.pq"])
def test_a_parquet_file_is_read_whatever_it_is_called_and_however_it_holds_texts(
    settings: Settings, type_: pa.DataType, name: str
) -> None:
    path = taken_down(settings) / "exports" / name
    path.parent.mkdir()
    texts = pa.array(["aaa", PARSER, "zzz"]).cast(type_) if type_ != pa.dictionary(pa.int32(), pa.string()) else None
    column = pa.array(["aaa", PARSER, "zzz"]).dictionary_encode() if texts is None else texts
    pq.write_table(pa.table({"other": column}), path)
    assert [each["file"] for each in purge(settings, 0)["found"]] == [f"exports/{name}"]


def test_a_part_that_other_documents_have_as_well_proves_nothing_and_whole_texts_are_named(settings: Settings) -> None:
    taken_down(settings, with_content=False)  # C has the same text, and stays
    report = purge(settings, 0)
    assert report["proven"]
    assert report["parts_in_other_documents"] > 0
    assert report["texts_in_other_documents"] == [C]
    assert query.rows(settings, "SELECT doc_id FROM published_code ORDER BY 1") == [{"doc_id": B}, {"doc_id": C}]


def test_a_document_that_went_before_it_was_claimed_is_searched_for_by_its_name(settings: Settings) -> None:
    remove(Path(settings.lake), A)
    take_down(settings, [Claim("blob", A), Claim("url", "https://example.org/gone")], "asked to")
    report = purge(settings, 168)
    assert not report["proven"]
    assert any("_change_data" in each["file"] and each["rows"] == 1 for each in report["found"])
    assert purge(settings, 0)["proven"]


def test_pages_of_a_domain_that_went_before_it_was_claimed_are_searched_for(settings: Settings) -> None:
    lake = Path(settings.lake)
    page = {
        "doc_id": "9" * 64,
        "url": "https://www.GONE.org:443/ellipses",
        "text": "Of ellipses and of both their foci.",
    }
    write(lake, "raw_math", [page])
    remove(lake, "9" * 64)
    take_down(settings, [Claim("domain", "gone.org")], "asked to")
    report = purge(settings, 168)
    assert {each["file"].partition("/")[0] for each in report["found"]} == {"raw_math"}
    assert purge(settings, 0)["proven"]
    (lake / "exports").mkdir()
    pq.write_table(pa.table({"url": [page["url"], "https://notgone.org/", None]}), lake / "exports" / "urls.parquet")
    assert [(each["file"], each["rows"]) for each in purge(settings, 0)["found"]] == [("exports/urls.parquet", 1)]


def test_what_a_claim_reached_before_it_was_lifted_and_made_again_is_searched_for(settings: Settings) -> None:
    alice = Claim("repo", "alice/rooms")
    take_down(settings, [alice], "asked to")
    remove(Path(settings.lake), A)
    lift(settings, [alice], "a mistake")
    take_down(settings, [alice], "asked to once more")
    remove(Path(settings.lake), B)
    report = purge(settings, 168)
    assert report["documents"] == 2
    assert any(each["parts_of_texts"] for each in report["found"] if each["file"].startswith("published_code/"))
    assert purge(settings, 0)["proven"]


def test_a_repository_that_went_is_no_longer_named_anywhere(settings: Settings) -> None:
    take_down(settings, [Claim("repo", "alice/rooms")], "asked to")
    remove(Path(settings.lake), A)
    assert {each["file"].partition("/")[0] for each in purge(settings, 0)["found"]} == {
        "raw_code",
        "styled_code",
        "published_code",
    }, "B stays, and still stands under that name"


def test_a_table_that_was_not_refreshed_since_the_takedown_is_not_purged(settings: Settings) -> None:
    ledger.record(settings, ledger.begin("run-1", "raw_code", "1", {}, {}))
    take_down(settings, [Claim("repo", "bob/copy")], "asked to")
    with pytest.raises(UserError, match="raw_code was not refreshed since the last takedown"):
        purge(settings, 0)


def test_a_mistyped_lake_is_not_proven_clean(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no table"):
        purge(Settings(lake=str(tmp_path / "typo")), 0)
    assert not (tmp_path / "typo").exists()


def test_takedowns_that_are_made_meanwhile_survive(settings: Settings) -> None:
    taken_down(settings)
    tombstones = Path(settings.lake) / "tombstones"
    unborn = tombstones / "part-of-a-commit-to-come.parquet"
    unborn.write_bytes(next(tombstones.glob("*.parquet")).read_bytes())
    purge(settings, 0)
    assert unborn.exists()


def test_a_claim_that_is_made_while_a_purge_reads_is_no_part_of_its_report(settings: Settings) -> None:
    taken_down(settings)
    late: list[object] = []

    def done(_: object) -> None:
        if not late:
            late.append(take_down(settings, [Claim("blob", B)], "made meanwhile"))

    report = purge(settings, 0, done)
    assert late and report["proven"]
    assert B not in {each["value"] for each in report["claims"]}
    assert B not in {each["doc_id"] for each in report["removed"]}


def test_a_claim_that_is_made_before_a_purge_reads_stops_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_down(settings)
    wanted = purging.wanted

    def meanwhile(settings: Settings) -> proof.Wanted:
        take_down(settings, [Claim("blob", B)], "made meanwhile")
        return wanted(settings)

    monkeypatch.setattr(purging, "wanted", meanwhile)
    with pytest.raises(UserError, match="while the purge began: first, recast refresh"):
        purge(settings, 0)


def test_a_link_to_the_lake_within_it_is_not_followed(settings: Settings) -> None:
    lake = taken_down(settings)
    (lake / "again").symlink_to(lake)
    assert not any(each.path.startswith("again/") for each in proof.search(place(str(lake)), proof.Wanted()))
    report = purge(settings, 0)
    assert (report["proven"], [each["file"] for each in report["unreadable"]]) == (False, ["again"])


def test_a_file_that_cannot_be_read_may_hold_anything(settings: Settings) -> None:
    lake = taken_down(settings)
    files = {
        "torn.parquet": b"PAR1",
        "torn.gz": gzip.compress(PARSER.encode(), mtime=0)[:-9],
        "packed.bin": bytes(range(256)) * 9,
    }
    for name, content in files.items():
        (lake / name).write_bytes(content)
    report = purge(settings, 0)
    assert not report["proven"]
    assert sorted(each["file"] for each in report["unreadable"]) == ["packed.bin", "torn.gz", "torn.parquet"]


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


def test_a_purge_that_breaks_off_while_it_writes_its_report_is_finished_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = taken_down(settings)

    def half(lake: Place, report: dict[str, Any]) -> None:
        path = Path(lake.path, purging.REPORTS, "half.json")
        path.parent.mkdir()
        path.write_text(json.dumps(report, default=str)[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(purging, "keep", half)
        purge(settings, 0)
    report = purge(settings, 0)
    assert report["proven"], report["unreadable"]
    assert (lake / report["report"]).exists()


def test_files_that_a_killed_writer_has_not_finished_go_and_those_of_a_living_one_stay(settings: Settings) -> None:
    lake = taken_down(settings)
    half = next(lake.glob("raw_code/*.parquet")).read_bytes()[:400]
    version = DeltaTable(str(lake / "raw_code")).version() + 1  # purging sets a property first
    names = [
        f"raw_code/_delta_log/{version:020}.checkpoint.parquet#1",
        "raw_code/part.parquet#1",
        "raw_code/_delta_log/c.tmp",
    ]
    names += ["tombstones/part.parquet#1", "tombstones/old.parquet#1"]
    for name in names:
        (lake / name).write_bytes(half)
    os.utime(lake / "tombstones/old.parquet#1", (1, 1))
    report = purge(settings, 0)
    assert [each["file"] for each in report["unreadable"]] == ["tombstones/part.parquet#1"], "it may be under way"
    os.utime(lake / "tombstones/part.parquet#1", (1, 1))
    assert purge(settings, 0)["proven"]


def test_a_purge_on_a_disk_that_is_full_fails_in_one_line_and_the_next_proves_all(settings: Settings) -> None:
    lake = taken_down(settings)
    program = (
        "import resource, sys; import recast.cli.takedowns; from recast.cli.main import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99)); "  # locks have room, commits have not
        "main(['purge', '--retention-hours', '0', '--lake', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(lake)], capture_output=True, text=True, check=False)
    assert done.returncode == exits.FAILED
    assert "recast: a disk is full: make room" in done.stderr.splitlines()[-1], done.stderr
    assert query.rows(settings, "SELECT doc_id FROM published_code") == [{"doc_id": B}]
    assert purge(settings, 0)["proven"]


def test_files_that_a_clock_ahead_has_dated_stay_and_are_reported(settings: Settings) -> None:
    lake = taken_down(settings)
    ahead = datetime.now(UTC).timestamp() + 1e6
    for file in filter(Path.is_file, lake.rglob("*")):
        os.utime(file, (ahead, ahead))
    report = purge(settings, 0)
    assert not report["proven"]
    assert query.rows(settings, "SELECT doc_id FROM published_code") == [{"doc_id": B}]
    for file in filter(Path.is_file, lake.rglob("*")):
        os.utime(file)
    assert purge(settings, 0)["proven"]


def test_pictures_and_fonts_of_data_docs_are_no_faults(settings: Settings) -> None:
    package = importlib.util.find_spec("great_expectations")
    assert package and package.origin
    static = Path(package.origin).parent / "render" / "view" / "static"
    shutil.copytree(static, taken_down(settings) / "data_docs" / "static")
    report = purge(settings, 0)
    assert report["proven"], report["unreadable"]


def test_the_report_lies_in_the_lake_and_holds_hashes_and_no_text(settings: Settings) -> None:
    lake = taken_down(settings)
    report = purge(settings, 0)
    kept = (lake / report["report"]).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == report["sha256"]
    assert (lake / f"{report['report']}.sha256").read_text().split()[0] == report["sha256"]
    assert LINE not in kept.decode()
    assert json.loads(kept)["proven"] is True
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


def test_each_table_is_asked_for_before_anything_of_it_is_deleted(settings: Settings) -> None:
    lake = taken_down(settings)
    files = set(lake.rglob("*.parquet"))
    asked: list[str] = []

    def require(name: str) -> None:
        if name == "raw_code" and name in asked:
            raise UserError("held no more")
        asked.append(name)

    with pytest.raises(UserError, match="held no more"):
        purge(settings, 0, require=require)
    assert "runs" not in asked, "several may write it"
    gone = {file.relative_to(lake).parts[0] for file in files if not file.exists()}
    assert gone and "raw_code" not in gone
