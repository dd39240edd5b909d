"""What is taken, down to the fetches: a changed policy fetches what became wanted, and nothing twice.

What was fetched is taken out of the store after each run, so a second fetch of it would be `content_missing`.
"""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recast.jobs import profiling
from recast.jobs.catalogue import STAGES
from recast.jobs.running import plan_stages
from recast.jobs.settings import Settings
from recast.lakehouse import ledger, query
from recast.lakehouse.work import Work
from tests.jobs.lanes import File, Lane, Model, write_pages, write_repositories

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

FILES = {
    "good": File("src/good.py", b"x = 1\n"),
    "bare": File("src/bare.py", b"x = 2\n", license_type="no_license", detected_licenses=None),
    "gpl": File("src/gpl.py", b"x = 3\n", detected_licenses=("GPL-3.0-only", "MIT")),
    "test": File("tests/test_a.py", b"x = 4\n"),
    "long": File("src/long.py", b"y = '" + b"a" * 500 + b"'\n"),
    "signs": File("src/signs.py", b"_ = '" + b"-+" * 40 + b"'\n# \xc3\xa9\r\n\n"),
    "latin": File("src/latin.py", "# Gr\xfc\xdfe\n".encode("latin-1")),
}
NAMES = {file.blob_id: name for name, file in FILES.items()}
OTHER = File("a.js", b"z = 5\n", language="JavaScript")


class Fetching(Lane):
    """A lane of raw_code whose store loses what was fetched."""

    def __init__(self, folder: Path) -> None:
        places = {"code_source": "code/data", "code_contents": "code/content", "lake": "lake"}
        super().__init__(Settings(**{name: str(folder / place) for name, place in places.items()}), Model())
        self.folder = folder
        self.write({"a/a": [*FILES.values(), OTHER]})

    def write(self, repositories: dict[str, list[File]]) -> None:
        """Write the listing, and the objects that are not in the store yet, or were never fetched."""
        gone = self.folder / "code" / "gone"
        gone.mkdir(parents=True, exist_ok=True)
        write_repositories(self.folder / "code", repositories)
        for each in gone.iterdir():
            (self.folder / "code" / "content" / each.name).unlink(missing_ok=True)

    def run(self, **changes: Any) -> tuple[dict[str, str | None], set[str]]:
        """Refresh raw_code under changed settings; return the reasons by name, and what was fetched by this run."""
        before = self.texts()
        self.last = self.refresh("raw_code", **changes).get("raw_code")
        fetched = self.texts() - before
        for name in fetched:
            shutil.move(self.folder / "code" / "content" / name, self.folder / "code" / "gone" / name)
        reasons = {NAMES.get(row["doc_id"], "other"): row["reason"] for row in self.rows("raw_code", "reason").values()}
        return reasons, {NAMES.get(name, "other") for name in fetched}

    def texts(self) -> set[str]:
        """Return the blobs whose text the table holds."""
        if query.version(self.settings, "raw_code") is None:
            return set()
        return {row["doc_id"] for row in self.rows("raw_code", "text").values() if row["text"] is not None}


@pytest.fixture
def lane(spark: "SparkSession", tmp_path: Path) -> Fetching:
    return Fetching(tmp_path)


def test_what_the_settings_refuse_is_not_fetched_and_a_wider_policy_fetches_exactly_that(lane: Fetching) -> None:
    taken = dict.fromkeys(FILES)
    reasons, fetched = lane.run(code_licenses_denied="gpl-3.0-only", code_paths_denied="tests/**", code_max_bytes=400)
    assert reasons == taken | {
        "bare": "license_not_taken",
        "gpl": "license_denied",
        "test": "path_not_taken",
        "long": "above_max_bytes",
    }
    assert fetched == {"good", "signs", "latin"}
    rows = lane.rows("raw_code", "fetch_status, text, kept")
    refused = [row for row in rows.values() if row["text"] is None]
    assert {row["fetch_status"] for row in refused} == {"not_fetched"} and len(refused) == 4

    reasons, fetched = lane.run(code_max_bytes=400)
    assert reasons == taken | {"bare": "license_not_taken", "long": "above_max_bytes"}
    assert fetched == {"gpl", "test"}, "exactly what became wanted"
    assert lane.last and lane.last["rows_measured"] == 2

    reasons, fetched = lane.run(code_license_types="permissive,no_license")
    assert (reasons, fetched) == (taken, {"bare", "long"})

    reasons, fetched = lane.run(code_paths_allowed="tests/**", code_license_types="")
    assert reasons == dict.fromkeys(FILES, "path_not_taken") | {"test": None}
    assert fetched == set() and len(lane.texts()) == len(FILES), "what was fetched stays"
    assert lane.run(code_license_types="permissive,no_license") == (taken, set()), "and going back fetches nothing"
    assert lane.last and lane.last["rows_measured"] == 0
    assert lane.refresh("raw_code", code_license_types="no_license, permissive") == {}, "the order of a list is nothing"


def test_limits_of_lines_and_signs_decide_again_from_stored_columns(lane: Fetching) -> None:
    lane.run(code_license_types="")
    rows = lane.rows("raw_code", "max_line_length, mean_line_length, line_count, alphanum_fraction, fetch_status")
    signs = rows[FILES["signs"].blob_id]
    lines = ["_ = '" + "-+" * 40 + "'", "# \xe9", ""]
    text = FILES["signs"].content.decode()
    assert (signs["max_line_length"], signs["line_count"]) == (86, 3)
    assert signs["mean_line_length"] == pytest.approx(sum(map(len, lines)) / 3)
    assert signs["alphanum_fraction"] == pytest.approx(sum(map(str.isalnum, text)) / len(text))
    assert rows[FILES["latin"].blob_id]["fetch_status"] == "guessed"
    limits = {
        "line_too_long": ({"code_max_line_length": 100}, {"long"}),
        "lines_too_long": ({"code_max_mean_line_length": 100.0}, {"long"}),
        "too_many_lines": ({"code_max_lines": 2}, {"signs"}),
        "too_few_alphanums": ({"code_alphanum_floor": 0.25}, {"signs"}),
        "encoding_guessed": ({"code_dropped": "guessed"}, {"latin"}),
    }
    for reason, (changes, names) in limits.items():
        reasons, fetched = lane.run(code_license_types="", **changes)
        assert {name for name, why in reasons.items() if why == reason} == names
        assert fetched == set() and {*reasons.values()} == {None, reason}


def test_another_language_adds_rows_and_takes_them_away(lane: Fetching) -> None:
    lane.run()
    reasons, fetched = lane.run(code_languages="JavaScript, Python")
    assert (len(reasons), fetched) == (len(FILES) + 1, {"other"})
    assert lane.last and lane.last["rows_measured"] == 1
    languages = [row["language"] for row in lane.rows("raw_code", "language").values()]
    assert sorted(set(languages)) == ["JavaScript", "Python"]
    reasons, fetched = lane.run()
    assert (len(reasons), fetched) == (len(FILES), set())


def test_a_listing_that_changes_what_the_settings_say_fetches_at_once(lane: Fetching) -> None:
    lane.run()
    files = FILES | {
        "bare": replace(FILES["bare"], license_type="permissive", detected_licenses=("MIT",)),
        "good": replace(FILES["good"], license_type="no_license"),
    }
    lane.write({"a/a": list(files.values())})
    reasons, fetched = lane.run()
    assert (reasons["bare"], reasons["good"], fetched) == (None, "license_not_taken", {"bare"})
    assert lane.last and lane.last["rows_measured"] == 1


def test_a_new_snapshot_is_found_by_keys_and_fetches_only_what_is_new(lane: Fetching) -> None:
    lane.run()
    listing = lane.folder / "code" / "data"
    moved = listing.rename(lane.folder / "code" / "2026-11")
    assert lane.refresh("raw_code", code_source=str(moved)) == {}, "a folder's name is nothing"
    copied = Path(shutil.copytree(moved, listing, copy_function=shutil.copy))
    assert lane.run() == ({**dict.fromkeys(FILES), "bare": "license_not_taken"}, set())
    assert lane.last and (lane.last["rows_in"], lane.last["rows_removed"]) == (0, 0), "nor are the times of its files"
    assert copied == listing
    new = File("src/new.py", b"n = 1\n")
    left = [file for name, file in FILES.items() if name not in ("good", "gpl")]
    lane.write({"a/a": left, "b/b": [new, replace(FILES["test"], path="copy.py")]})
    reasons, fetched = lane.run()
    assert (fetched, "good" in reasons, "gpl" in reasons) == ({"other"}, False, False)
    assert lane.last and (lane.last["rows_in"], lane.last["rows_removed"], lane.last["rows_measured"]) == (2, 2, 1)


def test_rows_that_vanish_leave_every_table_below(lane: Fetching) -> None:
    tables = ("raw_code", "parsed_code", "linted_code")
    lane.refresh(*tables)
    lane.write({"a/a": [file for name, file in FILES.items() if name != "good"]})
    lane.refresh(*tables)
    for table in tables:
        assert FILES["good"].blob_id not in lane.rows(table)
        assert FILES["test"].blob_id in lane.rows(table)


def test_what_is_counted_before_is_what_is_taken(lane: Fetching) -> None:
    lane.write({"a/a": [*FILES.values(), OTHER], "b/b": [replace(FILES["gpl"], path="x.py"), FILES["good"]]})
    changes: dict[str, Any] = {"code_licenses_denied": "GPL-3.0-only", "code_paths_allowed": "src/*.py,x.py"}
    (found,) = profiling.profiles(replace(lane.settings, **changes))
    reasons, fetched = lane.run(**changes)
    assert found.takes == found.fetch.requests == len(fetched) == 4
    dropped = {reason: count for reason, count in found.drops.items() if count}
    assert dropped["repeated"] == 2
    for reason in ("license_not_taken", "license_denied", "path_not_taken"):
        assert dropped[reason] == [*reasons.values()].count(reason)


def test_a_failure_is_tried_again_once_it_is_old_enough(lane: Fetching) -> None:
    missing = File("src/missing.py", b"m = 1\n", stored=None)
    lane.write({"a/a": [FILES["good"], missing]})
    reasons, _ = lane.run()
    assert reasons["other"] == "content_missing"
    assert lane.run(retry=True) == (reasons, set())
    tries = lane.rows("raw_code", "fetch_tries")
    assert {name: tries[name]["fetch_tries"] for name in (FILES["good"].blob_id, missing.blob_id)} == {
        FILES["good"].blob_id: 1,
        missing.blob_id: 2,
    }
    failed = lane.rows("raw_code", "fetch_tried_at, written_at")[missing.blob_id]
    assert lane.run(code_max_lines=1000) == (reasons, set())
    again = lane.rows("raw_code", "fetch_tried_at, written_at")[missing.blob_id]
    assert again["fetch_tried_at"] == failed["fetch_tried_at"] <= failed["written_at"] < again["written_at"]
    refused = {"code_paths_denied": missing.path}
    assert lane.run(**refused)[0]["other"] == "path_not_taken"
    assert lane.refresh("raw_code", retry_after_hours=1e-7, **refused) == {}, "what is refused is not tried again"
    assert lane.run()[0] == reasons
    (lane.folder / "code" / "content" / missing.blob_id).write_bytes(gzip.compress(missing.content))
    assert lane.refresh("raw_code", retry_after_hours=1.0) == {}
    soon = replace(lane.settings, retry_after_hours=1e-7)
    (plan,) = plan_stages(soon, [STAGES["raw_code"]])
    assert (plan.why, plan.rows) == (("1 failures are tried again",), {"measure": 1})
    reasons, fetched = lane.run(retry_after_hours=1e-7)
    assert (reasons["other"], fetched) == (None, {"other"})
    assert lane.refresh("raw_code", retry_after_hours=1e-7) == {}


def test_a_sample_is_so_many_documents_and_another_lake(lane: Fetching) -> None:
    lake = str(lane.folder / "lake-sample-3")
    lane.refresh("raw_code", sample=3, lake=lake)
    (found,) = query.rows(replace(lane.settings, lake=lake), "SELECT count(*) AS n FROM raw_code")
    assert found["n"] == 3
    assert query.version(lane.settings, "raw_code") is None


def test_pages_are_decided_again_from_stored_columns(lane: Fetching) -> None:
    source = lane.folder / "math"
    pages = [("https://a.org/1", "1"), ("http://www.b.org/2", "2")]
    more = [
        {"url": "https://c.org/3", "text": "3", "int_score": 3, "score": 3.2, "language": "de", "token_count": None}
    ]
    write_pages(source, pages, more)
    settings = replace(lane.settings, math_source=str(source))
    math = Lane(settings, lane.model)

    def reasons(**changes: Any) -> list[str | None]:
        run = math.refresh("raw_math", **changes)["raw_math"]
        assert run["rows_measured"] in (0, 3)
        return [
            row["reason"] for row in sorted(math.rows("raw_math", "url, reason").values(), key=lambda r: r["url"][-1])
        ]

    assert reasons() == [None, None, None]
    assert reasons(math_min_score=4) == [None, None, "score_too_low"]
    assert reasons(math_domains_denied="b.org", math_languages="en") == [None, "domain_denied", "language_not_taken"]
    assert reasons(math_min_tokens=1) == [None, None, "too_few_tokens"]
    (plan,) = plan_stages(replace(settings, math_max_tokens=50), [STAGES["raw_math"]])
    assert plan.moves == {"kept -> too_many_tokens": 2, "too_few_tokens -> too_many_tokens": 1}
    assert plan.moved_tokens == {"kept -> too_many_tokens": 200, "too_few_tokens -> too_many_tokens": 0}
    assert not plan.tokens_estimated, "they are as stored"
    hosts = {row["host"] for row in math.rows("raw_math", "host").values()}
    assert hosts == {"a.org", "www.b.org", "c.org"}


def test_what_changed_is_found_without_reading_a_text(lane: Fetching, spark: "SparkSession") -> None:
    lane.run()
    stage, version = STAGES["raw_code"], query.version(lane.settings, "raw_code")
    work = Work(spark, lane.settings, stage, ledger.begin("", "raw_code", "v", {}, {}), found_version=str(version))
    rows = work.target_rows()
    keys = rows.select("doc_id", "input_hash", "carried_hash", "measured_by", "decided_by", work.lends)
    scanned = keys._jdf.queryExecution().executedPlan().toString()
    assert "occurrences" in scanned, "what the settings take is decided from stored columns"
    assert "text" not in scanned.partition("ReadSchema")[2]
