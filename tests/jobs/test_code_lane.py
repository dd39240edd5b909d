"""The code lane on real Spark, Delta, Great Expectations and pylint, with a model behind an endpoint.

One lane is built once; every test works on a copy of it.
"""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recast.jobs.catalogue import chosen
from recast.jobs.running import RunError, plan_stages
from recast.jobs.settings import Settings
from recast.lakehouse import query
from recast.schemas import TABLES
from recast.settings import UserError
from recast.udfs.contents import blobs
from tests.jobs.lanes import File, Lane, Model, improved, program, write_repositories

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

Served = tuple[Model, str]

TABLE_NAMES = ("raw_code", "parsed_code", "linted_code", "styled_code", "optimized_code", "published_code")


TWIN = '"""Sums für zwei."""\n\n\ndef total_twins(values):\n    """Return the sum."""\n    return sum(values)\n'
SHARED = program("shared")
PARSING = {
    "good": File("src/good.py", program("good")),
    "shared": File("lib/shared.py", SHARED),
    "middling": File("middling.py", b'"""One warning in three statements: 6.67."""\nimport os\n\nX = 1\nprint(X)\n'),
    "bad": File("bad.py", b"import os\nfrom sys import *\ndef F(a,b):\n  try: return a\n  except: pass\n"),
    "refused": File("refused.py", program("fail_me")),
    "truncated": File("truncated.py", program("cut_me")),
    "twin": File("twin.py", TWIN.encode()),
    "latin twin": File("twin_latin.py", TWIN.encode("latin-1"), src_encoding="ISO-8859-1"),
    "licence unknown": File("nobody.py", program("nobody"), license_type=None, detected_licenses=None),
}
NOT_PARSING = {
    "python2": File("old.py", b"print 'hello'\n"),
    "null_bytes": File("null.py", b"x = 1\0\n"),
    "empty": File("empty.py", b"  \n"),
}
UNREADABLE = {
    "content_missing": File("missing.py", program("missing"), stored=None),
    "not_gzip": File("plain.py", program("plain"), stored=program("plain")),
    "undecodable": File("picture.py", bytes(range(256))),
    "unknown_encoding": File("odd.py", program("odd"), src_encoding="klingon"),
    "wrong_content": File("other.py", program("other"), stored=gzip.compress(program("another"), mtime=0)),
    "too_large": File("large.py", b"#" * (blobs.MAX_TEXT_BYTES + 1)),
}
BROKEN_OFF = File("broken.py", program("broken"), stored=gzip.compress(program("broken"))[:-9])
REPOSITORIES = {
    "ann/one": [*PARSING.values(), *NOT_PARSING.values(), PARSING["good"]],
    "bob/two": [
        *UNREADABLE.values(),
        BROKEN_OFF,
        File("copy of shared.py", SHARED, license_type="no_license", detected_licenses=("GPL-3.0", "Apache-2.0")),
        File("app.js", b"let x = 1;", stored=None, language="JavaScript"),
    ],
}
FILES = PARSING | NOT_PARSING | UNREADABLE | {"broken off": BROKEN_OFF}
IDS = {name: file.blob_id for name, file in FILES.items()}
STYLED = ("good", "shared", "twin", "latin twin", "licence unknown")


@pytest.fixture(scope="module")
def built(spark: "SparkSession", served_model: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lane, Any]:
    """The lane, built from nothing; and what that took: the ledger's rows by table, and the requests."""
    folder = tmp_path_factory.mktemp("code lane")  # with a space
    write_repositories(folder / "source", REPOSITORIES)
    model, url = served_model
    model.failing, model.cut = {"fail_me"}, {"cut_me"}
    settings = Settings(
        lake=str(folder / "lake"),
        code_source=str(folder / "source" / "data"),
        code_contents=str(folder / "source" / "content"),
        code_license_types="",
        code_max_bytes=0,
        endpoint=url,
        model="model-a",
        window=4,
    )
    lane = Lane(settings, model)
    lane.requests()
    return lane, (lane.refresh("code"), lane.requests())


@pytest.fixture
def lane(built: tuple[Lane, Any], tmp_path: Path) -> Lane:
    built[0].model.failing = {"fail_me"}
    return built[0].copied(tmp_path)


def reasons(lane: Lane, table: str) -> dict[str, str | None]:
    """Return each row's reason by the name of its file."""
    rows = lane.rows(table, "reason")
    return {name: rows[doc_id]["reason"] for name, doc_id in IDS.items() if doc_id in rows}


def test_every_defect_of_a_blob_is_a_row_with_its_reason(built: tuple[Lane, Any]) -> None:
    lane, _ = built
    expected = dict.fromkeys((*PARSING, *NOT_PARSING)) | {name: name for name in UNREADABLE} | {"broken off": "cut_off"}
    assert reasons(lane, "raw_code") == expected
    assert len(lane.rows("raw_code")) == len(FILES), "one row per blob, and none of another language"


def test_a_blob_lists_every_place_it_occurs_and_is_permissive_only_if_all_of_them_are(built: tuple[Lane, Any]) -> None:
    rows = built[0].rows("raw_code", "occurrences, license_type, detected_licenses, repo_name, path, text")
    shared = rows[IDS["shared"]]
    assert [(each["repo_name"], each["path"], each["license_type"]) for each in shared["occurrences"]] == [
        ("ann/one", "lib/shared.py", "permissive"),
        ("bob/two", "copy of shared.py", "no_license"),
    ]
    assert (shared["repo_name"], shared["path"]) == ("ann/one", "lib/shared.py")
    assert shared["license_type"] == "no_license"
    assert shared["detected_licenses"] == ["Apache-2.0", "GPL-3.0", "MIT"]
    good = rows[IDS["good"]]
    assert len(good["occurrences"]) == 1, "a file listed twice occurs once"
    assert (good["license_type"], good["detected_licenses"]) == ("permissive", ["MIT"])
    unknown = rows[IDS["licence unknown"]]
    assert (unknown["license_type"], unknown["detected_licenses"]) == ("no_license", [])
    assert rows[IDS["latin twin"]]["text"] == rows[IDS["twin"]]["text"] == TWIN


def test_every_table_holds_the_kept_rows_of_the_one_above(built: tuple[Lane, Any]) -> None:
    lane, (runs, _) = built
    above = set(IDS.values())
    texts: dict[str, dict[str, Any]] = {}
    for table in TABLE_NAMES:
        raw_hash = "content_hash" if table == "raw_code" else "raw_hash"
        rows = lane.rows(table, f"kept, reason, content_hash, made_by, {raw_hash} AS raw_hash")
        texts = rows if table == "raw_code" else texts
        assert set(rows) == above
        assert {doc_id: row["raw_hash"] for doc_id, row in rows.items()} == {
            doc_id: texts[doc_id]["content_hash"] for doc_id in rows
        }
        assert all(row["kept"] == (row["reason"] is None) for row in rows.values())
        assert {row["reason"] for row in rows.values()} <= {None, *TABLES[table].reasons}
        above = {doc_id for doc_id, row in rows.items() if row["kept"]}
        run = runs[table]
        assert run["rows_in"] == len(rows) == run["rows_kept"] + run["rows_rejected"]
        assert run["rows_kept"] == len(above)
        assert sum(run["reasons"].values()) == run["rows_rejected"]
        assert run["status"] == "succeeded"
    assert above == {IDS[name] for name in STYLED}
    failed = query.rows(lane.settings, "SELECT * FROM expectation_results WHERE NOT success AND severity = 'critical'")
    assert failed == []


def test_reasons_down_the_lane(built: tuple[Lane, Any]) -> None:
    lane, _ = built
    assert reasons(lane, "parsed_code") == dict.fromkeys(PARSING) | {name: name for name in NOT_PARSING}
    linted = dict.fromkeys(PARSING) | {"middling": "low_score", "bad": "low_score"}
    assert reasons(lane, "linted_code") == linted
    styled = dict.fromkeys(STYLED) | {"refused": "request_failed", "truncated": "truncated"}
    assert reasons(lane, "styled_code") == styled
    assert reasons(lane, "optimized_code") == dict.fromkeys(STYLED)
    assert reasons(lane, "published_code") == dict.fromkeys(STYLED)


def test_a_published_row_says_what_made_it_and_one_join_leads_to_its_blob(built: tuple[Lane, Any]) -> None:
    lane, _ = built
    statement = """
        SELECT p.*, [made.table_name FOR made IN p.made_by] AS made_by_tables, r.text AS source, r.occurrences
        FROM published_code AS p JOIN raw_code AS r USING (doc_id)
        WHERE p.repo_name = 'ann/one' AND p.path = 'src/good.py'
    """
    (row,) = query.rows(lane.settings, statement)
    once = improved(row["source"]).removeprefix("```python\n").removesuffix("```")
    assert row["text"] == improved(once).removeprefix("```python\n").removesuffix("```")
    assert row["made_by_tables"] == list(TABLE_NAMES[:-1])
    assert (row["license_type"], row["model"], row["prompt"]) == ("permissive", "model-a", "optimize_code_v1")
    assert [each["path"] for each in row["occurrences"]] == ["src/good.py"]
    assert row["token_count"] == -(-len(row["text"].encode()) // 3)
    assert row["tokenizer"].startswith("estimated")
    assert row["source_dataset"] == "bigcode/the-stack-v2-train-smol-ids"


def test_requests_are_counted_and_identical_text_is_asked_once(built: tuple[Lane, Any]) -> None:
    lane, (runs, requests) = built
    assert set(requests.values()) == {1}, "also of the two twins, which are two blobs of one text"
    answers = lane.rows("styled_code", "answer, answer_status, error, model_revision, engine, prompt_tokens, text")
    assert answers[IDS["twin"]]["answer"] == answers[IDS["latin twin"]]["answer"]
    assert "refused by the model's owner" in answers[IDS["refused"]]["error"]
    assert answers[IDS["good"]]["engine"].startswith("127.0.0.1")
    styled, optimized = runs["styled_code"], runs["optimized_code"]
    assert (styled["rows_in"], styled["rows_measured"], styled["model_requests"]) == (7, 6, 5)
    assert (styled["prompt_tokens"], styled["output_tokens"]) == (500, 50)
    assert (optimized["rows_in"], optimized["model_requests"]) == (5, 4)
    assert len(requests) == 6 + 4
    assert runs["linted_code"]["model_requests"] == 0


def test_a_second_run_does_nothing_and_asks_nothing(lane: Lane) -> None:
    versions = {table: query.version(lane.settings, table) for table in TABLE_NAMES}
    runs = len(query.rows(lane.settings, "SELECT * FROM runs"))
    assert lane.refresh("code") == {}
    assert lane.requests() == {}
    assert {table: query.version(lane.settings, table) for table in TABLE_NAMES} == versions
    assert len(query.rows(lane.settings, "SELECT * FROM runs")) == runs


def test_a_plan_shows_what_a_refresh_would_do_and_does_none_of_it(lane: Lane) -> None:
    stages = chosen(["code"])
    assert [plan.why for plan in plan_stages(lane.settings, stages)] == [()] * len(stages)
    plans = {plan.table_name: plan for plan in plan_stages(replace(lane.settings, lint_threshold=0.0), stages)}
    linted = len(lane.rows("linted_code"))
    assert plans["linted_code"].why == ("threshold 7.0 -> 0.0",)
    assert plans["linted_code"].rows == {"decide": linted}
    assert plans["parsed_code"].rows == {}
    assert [plans[name].may_come for name in ("styled_code", "published_code")] == [linted, linted]
    likely = [plans[name].likely_come for name in ("styled_code", "optimized_code", "published_code")]
    assert likely[0] == sum(plans["linted_code"].moves.values()) > 0, "those that are no longer rejected"
    assert likely[0] > likely[1] >= likely[2] > 0, "some of what comes is rejected on the way, as before"
    both = replace(lane.settings, lint_threshold=0.0, style_prompt="style_code_small_v1")
    plans = {
        plan.table_name: plan for plan in plan_stages(both, chosen(["linted_code", "styled_code", "optimized_code"]))
    }
    assert plans["styled_code"].to_write > 0
    assert plans["optimized_code"].may_come == linted, "a file that both tables above write comes once"
    assert lane.requests() == {}
    assert lane.refresh("code") == {}, "nothing was written"


def test_another_threshold_decides_again_without_the_linter(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lane.rows("linted_code", "lint_seconds, lint_score, messages")
    with monkeypatch.context() as patch:
        patch.setattr("recast.jobs.lint_code.add_columns", None)
        run = lane.refresh("linted_code", lint_threshold=6.5)["linted_code"]
    assert (run["rows_in"], run["rows_measured"], run["rows_removed"]) == (len(PARSING), 0, 0)
    assert lane.rows("linted_code", "lint_seconds, lint_score, messages") == before
    assert reasons(lane, "linted_code") == dict.fromkeys(PARSING) | {"bad": "low_score"}

    # Below, only the file that came in is asked about; the others take their answers along.
    run = lane.refresh("styled_code", lint_threshold=6.5)["styled_code"]
    asked = {text for _, text in lane.requests()}
    assert asked == {PARSING["middling"].content.decode()}
    assert (run["rows_in"], run["rows_measured"], run["model_requests"]) == (8, 1, 1)
    assert reasons(lane, "styled_code")["middling"] is None


def test_a_threshold_that_is_raised_and_lowered_again_costs_no_linter_and_no_model(lane: Lane) -> None:
    lane.refresh("code", lint_threshold=6.5)
    assert len(lane.requests()) == 2, "a file that came in is rewritten twice"
    columns = "kept, reason, text, measured_by"
    before = {table: lane.rows(table, columns) for table in TABLE_NAMES}
    middling = IDS["middling"]
    assert before["published_code"][middling]["kept"]

    raised = lane.refresh("code")
    assert middling not in lane.rows("published_code")
    for table in ("styled_code", "optimized_code"):
        found = lane.rows(table, columns)
        assert found[middling]["reason"] == "source_rejected"
        assert found[middling]["text"] == before[table][middling]["text"], "what was paid for stays"

    lowered = lane.refresh("code", lint_threshold=6.5)
    assert {table: lane.rows(table, columns) for table in TABLE_NAMES} == before
    assert lane.requests() == {}
    for runs in (raised, lowered):
        assert set(runs) == {"linted_code", "styled_code", "optimized_code", "published_code"}
        assert {runs[table]["rows_measured"] for table in set(runs) - {"published_code"}} == {0}


def whole_rows(lane: Lane, table: str) -> dict[str, dict[str, Any]]:
    """Return a table's rows by doc_id, but for which run wrote them and when."""
    return lane.rows(table, "* EXCLUDE (doc_id, run_id, written_at, source_version)")


def test_a_file_that_leaves_the_source_leaves_every_table_and_neither_that_nor_its_return_is_paid_for(
    lane: Lane,
) -> None:
    gone, whole = {"shared", "python2"}, lane.settings.code_source
    before = {table: whole_rows(lane, table) for table in TABLE_NAMES}
    contents = {FILES[name].content for name in gone}
    left = {name: [file for file in files if file.content not in contents] for name, files in REPOSITORIES.items()}
    write_repositories(Path(lane.settings.code_source).parent / "smaller", left)
    lane.settings = Settings(**{**vars(lane.settings), "code_source": f"{lane.settings.code_source}/../smaller/data"})
    runs = lane.refresh("code")
    for table in TABLE_NAMES:
        assert not set(lane.rows(table)) & {IDS[name] for name in gone}
    assert lane.requests() == {}
    assert {table: run["rows_removed"] for table, run in runs.items()} == {
        "raw_code": 2,
        "parsed_code": 2,
        "linted_code": 1,
        "styled_code": 1,
        "optimized_code": 1,
        "published_code": 1,
    }
    assert sum(run["rows_measured"] for run in runs.values()) == 0

    lane.settings = replace(lane.settings, code_source=whole)
    runs = lane.refresh("code")
    assert {table: whole_rows(lane, table) for table in TABLE_NAMES} == before
    assert lane.requests() == {}
    paying = {"raw_code": 2, "linted_code": 1, "styled_code": 1, "optimized_code": 1}
    assert {table: (runs[table]["rows_in"], runs[table]["rows_measured"]) for table in paying} == {
        table: (rows, 0) for table, rows in paying.items()
    }


def test_another_prompt_asks_again_from_its_stage_on_and_nothing_before(lane: Lane) -> None:
    runs = lane.refresh("code", optimize_prompt="style_code_v1")
    assert set(runs) == {"optimized_code", "published_code"}
    assert {prompt for prompt, _ in lane.requests()} == {"style_code_v1"}
    assert (runs["optimized_code"]["rows_in"], runs["optimized_code"]["model_requests"]) == (5, 4)
    assert {row["prompt"] for row in lane.rows("published_code", "prompt").values()} == {"style_code_v1"}


def test_another_model_is_asked_about_every_text_again(lane: Lane) -> None:
    run = lane.refresh("styled_code", model="model-b")["styled_code"]
    assert (run["rows_measured"], run["model_requests"]) == (6, 5)
    assert set(lane.requests().values()) == {1}
    assert {row["model"] for row in lane.rows("styled_code", "model").values()} == {"model-b"}


def test_stored_answers_are_read_again_under_another_floor_without_asking(lane: Lane) -> None:
    run = lane.refresh("styled_code", names_floor=0.99, endpoint="http://127.0.0.1:1/v1")["styled_code"]
    assert (run["rows_in"], run["rows_measured"], run["model_requests"]) == (7, 0, 0)
    assert lane.requests() == {}


def test_retry_asks_only_the_failed_rows_again(lane: Lane) -> None:
    lane.model.failing = set()
    assert lane.refresh("styled_code") == {}, "without being told to, nothing is asked again"
    runs = lane.refresh("styled_code", retry=True)
    assert lane.requests() == {("style_code_v1", PARSING["refused"].content.decode()): 1}
    run = runs["styled_code"]
    assert (run["rows_in"], run["rows_kept"], run["rows_measured"], run["model_requests"]) == (1, 1, 1, 1)
    assert reasons(lane, "styled_code") == dict.fromkeys((*STYLED, "refused")) | {"truncated": "truncated"}
    assert lane.refresh("styled_code") == {}


def test_retry_fetches_again_only_what_the_store_may_have_mended(lane: Lane) -> None:
    missing = FILES["content_missing"]
    (Path(lane.settings.code_contents) / missing.blob_id).write_bytes(gzip.compress(missing.content))
    run = lane.refresh("raw_code", retry=True)["raw_code"]
    assert (run["rows_in"], run["rows_measured"], run["rows_kept"]) == (4, 4, 1), "and not_gzip, cut_off, wrong_content"
    assert reasons(lane, "raw_code")["content_missing"] is None


def test_an_endpoint_that_refuses_is_one_line_and_the_table_stays_as_it_is(lane: Lane) -> None:
    before = query.version(lane.settings, "styled_code")
    with pytest.raises(RunError) as refused:
        lane.refresh("styled_code", model="model-b", endpoint="http://127.0.0.1:1/v1")
    assert str(refused.value).startswith("styled_code failed: ")
    assert "the endpoint http://127.0.0.1:1/v1 cannot be reached" in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(RunError, match=r"has no model model-c; it has model-a, model-b$"):
        lane.refresh("styled_code", model="model-c")
    assert query.version(lane.settings, "styled_code") == before
    last = query.last_run(lane.settings, "styled_code")
    assert last is not None
    assert (last["status"], last["model_requests"]) == ("failed", 0)
    assert "has no model model-c" in last["problem"]


def test_a_content_folder_that_is_not_there_is_one_line_and_no_thousand_missing_rows(
    lane: Lane, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"source folder {nowhere} does not exist"):
        lane.refresh("raw_code", lake=str(tmp_path / "new lake"), code_contents=nowhere)


def test_an_empty_source_is_one_line(lane: Lane, tmp_path: Path) -> None:
    write_repositories(tmp_path / "empty", {})
    where = {"lake": str(tmp_path / "new lake"), "code_source": str(tmp_path / "empty" / "data")}
    with pytest.raises(UserError, match="holds no row"):
        lane.refresh("code", **where)
    write_repositories(tmp_path / "empty", {"a/b": [REPOSITORIES["bob/two"][-1]]})
    with pytest.raises(UserError, match=r"no file of .* has a language of Python"):
        lane.refresh("code", **where)
