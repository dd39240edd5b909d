"""Takedowns on real lanes: what goes, what stays, what no later source brings back, and what a purge leaves."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from recast.jobs.catalogue import chosen
from recast.jobs.running import plan_stages
from recast.jobs.settings import Settings
from recast.lakehouse import query, withheld
from recast.lakehouse import refresh as loop
from recast.lakehouse.claims import Claim
from recast.lakehouse.limits import LimitError
from recast.lakehouse.purge import purge
from recast.lakehouse.takedown import DOCUMENTS, lift, take_down, version
from tests.jobs.lanes import File, Lane, Model, program, strings_below, write_pages, write_repositories
from tests.jobs.test_code_lane import TABLE_NAMES
from tests.lakehouse import taken
from tests.lakehouse.taken import sha256

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

GOOD, SHARED = File("good.py", program("good")), File("shared.py", program("shared"))
LISTED = {"ann/one": [GOOD, SHARED], "bob/two": [SHARED]}


def test_spark_and_duckdb_agree_on_what_counts_where_claims_are_made_again_and_lifted(
    spark: "SparkSession", tmp_path: Path
) -> None:
    settings = taken.build(tmp_path / "lake")
    alice, bob = Claim("repo", "alice/rooms"), Claim("repo", "bob/copy")
    page, proof = Claim("url", "https://example.org/roots"), Claim("content", str(sha256(taken.PROOF)))

    def agreed() -> dict[str, bool]:
        statement = f"SELECT doc_id, bool_and(elsewhere) AS elsewhere FROM ({DOCUMENTS}) GROUP BY ALL"
        rows = query.rows(settings, statement, "tombstones")
        found = withheld.documents(spark, settings, version(settings))
        assert found is not None
        expected = {row["doc_id"]: row["elsewhere"] for row in rows}
        assert {row["doc_id"]: row["elsewhere"] for row in found.collect()} == expected
        return expected

    take_down(settings, [alice, page], "asked to")
    taken.remove(tmp_path / "lake", taken.A, taken.PAGE)
    take_down(settings, [alice, page, proof], "asked to again")
    assert agreed() == {taken.A: False, taken.B: True, taken.PAGE: False}, "a claim of a text reaches texts"
    lift(settings, [page], "a mistake")
    take_down(settings, [page, bob], "asked to once more")
    assert agreed() == {taken.A: False, taken.B: False}


def code_lane(folder: Path, served: tuple[Model, str], **changes: Any) -> Lane:
    """Return a code lane over the repositories in `folder/source`, with a model that answers everything."""
    model, url = served
    model.failing, model.cut = set(), set()
    source = folder / "source"
    places = {"code_source": str(source / "data"), "code_contents": str(source / "content")}
    return Lane(Settings(lake=str(folder / "lake"), endpoint=url, model="model-a", **places, **changes), model)


def test_a_repository_that_was_taken_down_leaves_every_table_and_does_not_come_back(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    write_repositories(source, LISTED)
    lane = code_lane(tmp_path, served_model)
    settings = lane.settings
    lane.refresh("code")
    lane.requests()

    take_down(settings, [Claim("repo", "ann/one")], "asked to", "ticket 7")
    assert lane.rows("published_code") == {}, "the shared file stands under ann/one until it is written anew"
    (plan,) = plan_stages(settings, chosen(["raw_code"]))
    assert (plan.why, plan.to_remove, plan.to_write) == (("takedowns were added or lifted",), 1, 1)
    runs = lane.refresh("code")
    assert {name: run["rows_removed"] for name, run in runs.items()} == dict.fromkeys(TABLE_NAMES, 1)
    assert lane.requests() == {}
    assert not Path(settings.lake, "_dropped").exists(), "what was taken down is kept nowhere"
    (row,) = lane.rows("published_code", "repo_name").values()
    assert row["repo_name"] == "bob/two"
    (row,) = lane.rows("raw_code", "occurrences").values()
    assert [each["repo_name"] for each in row["occurrences"]] == ["bob/two"]
    assert lane.refresh("code") == {}

    write_repositories(source, {**LISTED, "cy/three": [File("new.py", program("new"))]})
    assert lane.refresh("raw_code")["raw_code"]["rows_in"] == 1, "a new snapshot lists it again"
    assert GOOD.blob_id not in lane.rows("raw_code")
    lane.refresh("code")
    lane.requests()

    assert "total_good" in strings_below(Path(settings.lake))
    report = purge(settings, 0)
    assert report["proven"], report["found"]
    assert "total_good" not in strings_below(Path(settings.lake))
    assert lane.refresh("code") == {}, "a purge changes no version of a table"

    lift(settings, [Claim("repo", "ann/one")], "a mistake")
    lane.refresh("code")
    assert sum(lane.requests().values()) == 2, "what was purged is paid for again, once for each rewrite"
    assert GOOD.blob_id in lane.rows("published_code")

    take_down(settings, [Claim("repo", "ann/one")], "asked to again")
    assert GOOD.blob_id not in lane.rows("published_code")
    write_repositories(source, {**LISTED, "dan/four": [GOOD]})
    assert lane.refresh("code")["raw_code"]["takedowns"] == version(settings)
    assert lane.requests() == {}
    assert lane.rows("published_code", "repo_name")[GOOD.blob_id]["repo_name"] == "dan/four"
    assert lane.refresh("code") == {}


def test_a_text_that_is_taken_down_after_its_file_left_is_not_lent_and_a_purge_leaves_none_of_it(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    source, other = tmp_path / "source", File("other.py", program("other"))
    write_repositories(source, {"ann/one": [GOOD, SHARED, other]})
    lane = code_lane(tmp_path, served_model, removal_limit=1.0)
    settings = lane.settings
    lane.refresh("raw_code")
    write_repositories(source, {"ann/one": [other]})
    lane.refresh("raw_code")
    left = Path(settings.lake, "_dropped")
    assert "total_good" in strings_below(left) and "total_shared" in strings_below(left)

    take_down(settings, [Claim("content", str(sha256(program("good").decode())))], "asked to")
    write_repositories(source, {"ann/one": [GOOD, SHARED, other]})
    run = lane.refresh("raw_code")["raw_code"]
    assert (run["rows_in"], run["rows_measured"]) == (2, 1), "the other text that left is lent"
    rows = lane.rows("raw_code", "reason, text")
    assert (rows[GOOD.blob_id]["reason"], rows[GOOD.blob_id]["text"]) == ("taken_down", None)
    assert rows[SHARED.blob_id]["text"] == program("shared").decode()
    assert purge(settings, 0)["proven"]
    assert not list(left.rglob("*.parquet"))
    assert "total_good" not in strings_below(Path(settings.lake))


def test_pages_are_withheld_by_address_domain_and_text_however_many_there_are(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    model, url = served_model
    text = "A train travels 120 km in 2 hours. How fast is it? 120 / 2 = 60, so 60 km/h."
    addresses = [
        *("https://a.org/1", "https://a.org/2", "https://b.org/1", "http://WWW.b.org:80/1", "https://notb.org/1"),
        *(
            "https://c.co.uk/1",
            "https://x.y.c.co.uk?q",
            "https://co.uk.d.org/",
            "https://user@b.org/2",
            "no address",
            "",
        ),
    ]
    write_pages(tmp_path / "math", [(each, f"{text} {place}") for place, each in enumerate(addresses)])
    settings = Settings(lake=str(tmp_path / "lake"), math_source=str(tmp_path / "math"), endpoint=url, model="model-a")
    claims = [
        Claim("url", "https://a.org/1"),
        Claim("domain", "b.org"),
        Claim("domain", "c.co.uk"),
        Claim("content", str(sha256(f"{text} 4"))),
    ]
    take_down(settings, claims, "asked to")
    Lane(settings, model).refresh("raw_math")
    left = {row["url"] for row in query.rows(settings, "SELECT url FROM raw_math")}
    assert left == {"https://a.org/2", "https://co.uk.d.org/", "no address", ""}


def test_a_takedown_while_a_refresh_runs_fails_nothing_and_shows_nothing_and_no_limit_keeps_its_documents(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, url = served_model
    model.failing, model.cut = set(), set()
    text = "A train travels 120 km in 2 hours. How fast is it? 120 / 2 = 60, so 60 km/h."
    pages: list[tuple[str, str | None]] = [(f"https://{each}.org", f"{text} {each}") for each in "abcd"]
    write_pages(tmp_path / "math", pages)
    settings = Settings(lake=str(tmp_path / "lake"), math_source=str(tmp_path / "math"), endpoint=url, model="model-a")
    lane = Lane(settings, model)
    meanwhile = {
        "raw_math": [Claim("url", "https://a.org"), Claim("content", str(sha256(f"{text} b")))],
        "published_math": [Claim("domain", "c.org")],
    }

    def take_down_first(work: loop.Work, *arguments: Any) -> None:
        if claims := meanwhile.pop(work.stage.name, []):
            take_down(settings, claims, "asked to")
        do(work, *arguments)

    do = loop.do
    with monkeypatch.context() as patch:
        patch.setattr(loop, "do", take_down_first)
        lane.refresh("math")
    statement = "SELECT rows_in, rows_removed FROM runs WHERE table_name = 'raw_math' ORDER BY started_at"
    assert [tuple(row.values()) for row in query.rows(settings, statement)] == [(4, 0), (0, 2)], (
        "raw_math is read again"
    )
    assert urls(settings, "raw_math") == urls(settings, "published_math") == ["https://c.org", "https://d.org"]
    assert len(lane.rows("published_math")) == 1, "what was published meanwhile is hidden"

    write_pages(tmp_path / "math", [*pages, ("https://e.org", f"{text} e"), ("https://f.org", f"{text} f")])
    with pytest.raises(LimitError):
        lane.refresh("math", max_rows=1, chunk_rows=1)
    for table in ("rewritten_math", "published_math"):
        assert urls(settings, table) == ["https://d.org"], "gone, though the limit left new pages for another night"
    assert len(urls(settings, "raw_math")) == 2
    assert [plan.to_remove for plan in plan_stages(settings, chosen(["raw_math"]))] == [0]

    take_down(settings, [Claim("url", "https://d.org")], "asked")
    with pytest.raises(LimitError):
        lane.refresh("math", max_rows=1, chunk_rows=1)
    statement = (
        "SELECT status, rows_removed FROM runs WHERE table_name = 'rewritten_math' ORDER BY started_at DESC LIMIT 1"
    )
    assert query.rows(settings, statement) == [{"status": "stopped", "rows_removed": 1}]


def urls(settings: Settings, table: str) -> list[str]:
    """Return the addresses of all rows that a table holds, those included that its view hides."""
    return sorted(DeltaTable(f"{settings.lake}/{table}").to_pyarrow_table(columns=["url"])["url"].to_pylist())


def test_a_code_text_is_withheld_by_its_hash_whatever_blob_brings_it(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    text = '"""Größe."""\n'
    write_repositories(
        tmp_path / "source",
        {"a/b": [File("x.py", text.encode("latin-1"), src_encoding="ISO-8859-1"), File("y.py", text.encode()), GOOD]},
    )
    lane = code_lane(tmp_path, served_model)
    settings = lane.settings
    take_down(settings, [Claim("content", str(sha256(text)))], "asked to")
    lane.refresh("raw_code")
    rows = lane.rows("raw_code", "reason, text")
    assert sorted((row["reason"] or "", row["text"] is None) for row in rows.values()) == [
        ("", False),
        *[("taken_down", True)] * 2,
    ]
    lift(settings, [Claim("content", str(sha256(text)))], "a mistake")
    assert lane.refresh("raw_code")["raw_code"]["rows_measured"] == 2, "the next refresh reads them again"
    assert [row["reason"] for row in lane.rows("raw_code", "reason").values()] == [None] * 3


def test_a_stored_text_that_is_claimed_is_left_out_without_a_fetch_and_read_again_after_a_lift(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path
) -> None:
    source, claim = tmp_path / "source", Claim("content", str(sha256(program("good").decode())))
    write_repositories(source, LISTED)
    lane = code_lane(tmp_path, served_model)
    settings = lane.settings
    lane.refresh("code")
    take_down(settings, [claim], "asked to")
    (source / "content" / GOOD.blob_id).unlink()
    (plan,) = plan_stages(settings, chosen(["raw_code"]))
    assert (plan.rows, plan.moves) == ({"decide": 1}, {"kept -> taken_down": 1})
    lane.requests()
    runs = lane.refresh("code")
    assert (runs["raw_code"]["rows_measured"], runs["published_code"]["rows_removed"]) == (0, 1)
    columns = "text, content_hash, line_count, reason, fetch_status"
    without_text = dict.fromkeys(("text", "content_hash", "line_count"))
    row = lane.rows("raw_code", columns)[GOOD.blob_id]
    assert row == {"doc_id": GOOD.blob_id, **without_text, "reason": "taken_down", "fetch_status": "taken_down"}
    assert all(list(lane.rows(name)) == [SHARED.blob_id] for name in TABLE_NAMES[1:])
    assert lane.refresh("code") == {}
    assert purge(settings, 0)["proven"]
    assert "total_good" not in strings_below(Path(settings.lake))

    write_repositories(source, {**LISTED, "cy/three": [File("new.py", program("new"))]})
    assert lane.refresh("raw_code")["raw_code"]["rows_in"] == 1, "what counts as taken down is not fetched again"
    lift(settings, [claim], "a mistake")
    assert lane.refresh("code")["raw_code"]["rows_measured"] == 1
    assert {GOOD.blob_id, SHARED.blob_id} < set(lane.rows("published_code"))
    assert lane.refresh("code") == {}


@pytest.mark.parametrize("claimed", ["before the change", "with the change", "after the change"])
def test_a_row_that_is_kept_for_its_answer_goes_with_the_text_that_it_comes_from(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path, claimed: str
) -> None:
    model, url = served_model
    model.failing, model.cut = set(), set()
    settings = Settings(
        lake=str(tmp_path / "lake"),
        math_source=str(tmp_path / "source"),
        endpoint=url,
        model="model-a",
        math_min_score=4,
    )
    lane = Lane(settings, model)
    before, after = "A proof that Qwithdrawn squares are odd numbers.", "Another proof, of something else entirely."
    others = [
        {"url": f"https://b.example/{n}", "text": f"Number {n} is a number, and so is {n + 1}."} for n in range(2)
    ]

    def write(text: str, score: int) -> None:
        write_pages(tmp_path / "source", [], [*others, {"url": "https://a.example/", "text": text, "int_score": score}])

    def claim() -> None:
        take_down(settings, [Claim("content", str(sha256(before)))], "asked to")

    write(before, 4)
    lane.refresh("math")
    if claimed == "before the change":
        claim()
        lane.refresh("math")
    write(after, 3)
    if claimed == "with the change":
        claim()
    lane.refresh("math")
    if claimed == "after the change":
        kept = lane.rows("rewritten_math", "reason, source_text").values()
        assert ("source_rejected", before) in [(row["reason"], row["source_text"]) for row in kept]
        claim()
        lane.refresh("math")
    assert before not in [row["source_text"] for row in lane.rows("rewritten_math", "source_text").values()]
    assert len(lane.rows("raw_math")) == 3, "the page stays with its other text"
    assert lane.refresh("math") == {}
    assert purge(settings, 0)["proven"]
    assert "Qwithdrawn" not in strings_below(Path(settings.lake))


def test_many_claims_are_obeyed_by_a_table_of_their_own(spark: "SparkSession", tmp_path: Path) -> None:
    from recast.lakehouse import withheld

    settings = Settings(lake=str(tmp_path / "lake"))
    rows = spark.createDataFrame(pa.table({"repo_name": [f"owner/{number}" for number in range(2000)]}).to_pandas())

    def left(obeyed: int | None) -> int:
        return withheld.without(spark, settings, obeyed, rows, "repo", "repo_name").count()

    assert left(None) == 2000, "no takedown, no filter"
    take_down(settings, [Claim("repo", f"owner/{number}") for number in range(0, 2000, 2)], "opted out")
    first = version(settings)
    assert (left(None), left(first)) == (2000, 1000), "a run obeys the version that it is given"
    lift(settings, [Claim("repo", "owner/0")], "opted in")
    assert (left(first), left(version(settings))) == (1000, 1001)
