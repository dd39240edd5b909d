"""raw_code out of stores of contents: an S3-compatible one, and a source that holds its texts itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recast.jobs import ingest_code
from recast.jobs.ingest_code import fetch_spec
from recast.jobs.running import RunError
from recast.jobs.settings import Settings
from recast.settings import UserError
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from tests import fake_store
from tests.jobs.lanes import File, Lane, Model, write_repositories
from tests.jobs.test_ingest_forms import FLAT_SCHEMA
from tests.sources import table_of
from tests.stores import Served, serving

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A store without objects, which is asked anonymously."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as store:
        yield store


def files(count: int) -> list[File]:
    return [File(f"{number}.py", f"x = {number}\n".encode()) for number in range(count)]


def lane_of(folder: Path, served: Served, listed: list[File], **settings: Any) -> Lane:
    """Return a lane whose source lists these files, and whose store holds them."""
    write_repositories(folder / "code", {"a/b": listed})
    for file in listed:
        served.put(file.content)
    given: dict[str, Any] = {
        "lake": str(folder / "lake"),
        "code_source": str(folder / "code" / "data"),
        "code_contents": "s3://store/content",
        "contents_endpoint": served.endpoint,
        "contents_anonymous": True,
        "fetch_requests_per_s": 0.0,
    }
    return Lane(Settings(**given | settings), Model())


@pytest.mark.spark
def test_contents_of_a_bucket_are_fetched_once_and_what_failed_is_tried_again_alone(
    spark: object, served: Served, tmp_path: Path
) -> None:
    listed = files(40)
    lane = lane_of(tmp_path, served, listed, fetch_at_once=4)
    served.behave(listed[0].blob_id, 403, "AccessDenied", times=1)
    served.behave(listed[1].blob_id, 503, "SlowDown", times=1)
    served.fake.latency_s = 0.005
    run = lane.refresh("raw_code")["raw_code"]
    assert (run["rows_in"], run["rows_kept"]) == (40, 39)
    rows = lane.rows("raw_code", "text, fetch_status, reason")
    assert rows[listed[0].blob_id] == {"doc_id": listed[0].blob_id, "text": None} | dict.fromkeys(
        ("fetch_status", "reason"), "forbidden"
    )
    assert all(rows[file.blob_id]["text"] == file.content.decode() for file in listed[1:])
    assert served.fake.most_in_flight <= 4
    assert not Path(lane.settings.lake, "_work", "raw_code", "journal").exists(), "the commit removes the journal"
    before = served.fake.served.copy()
    run = lane.refresh("raw_code", retry=True)["raw_code"]
    assert (run["rows_measured"], run["rows_kept"]) == (1, 1)
    assert served.fake.served - before == {listed[0].blob_id: 1}


@pytest.mark.spark
def test_a_bucket_that_is_not_there_is_one_line_and_no_row(spark: object, served: Served, tmp_path: Path) -> None:
    lane = lane_of(tmp_path, served, files(3), code_contents="s3://gone/content")
    with pytest.raises(UserError, match=r"^the contents s3://gone/content at http.* it answers 404 NoSuchBucket"):
        lane.refresh("raw_code")
    assert len(served.fake.requests) == 1


@pytest.mark.spark
def test_a_store_that_fails_in_the_middle_is_one_line_without_a_secret(
    spark: object, served: Served, tmp_path: Path
) -> None:
    lane = lane_of(tmp_path, served, files(1_010), partitions=1, fetch_at_once=2)
    served.fake.everything = fake_store.Behaviour(403, "AccessDenied")
    with pytest.raises(RunError) as raised:
        lane.refresh("raw_code")
    said = str(raised.value)
    assert said.startswith(
        f"raw_code failed: StoreError: s3://store/content at {served.endpoint}, region us-east-1, asked anonymously: "
        f"1,000 objects in a row brought no content, the last, {served.endpoint}/store/content/"
    )
    assert said.endswith(", because it answers 403 AccessDenied")
    assert lane.rows("raw_code") == {}


@pytest.mark.spark
@pytest.mark.parametrize("where", ["in the listing", "in a folder", "in a table of the catalogue"])
def test_texts_that_a_source_or_another_table_holds_need_no_store(
    spark: "SparkSession", tmp_path: Path, where: str
) -> None:
    apart = where != "in the listing"
    good, latin = File("a.py", b"x = 1\n"), File("b.py", "é".encode("latin-1"), src_encoding="ISO-8859-1")
    large, wrong, lacking = (File(name, name.encode()) for name in ("large.py", "wrong.py", "lacking.py"))
    texts = ["x = 1\n", "é", "#" * (MAX_TEXT_BYTES + 5), "another", None, "x = 1\n"]
    rows = [
        {"repo_name": repo, "revision_id": "r", "snapshot_id": "s", **file.listed()}
        for file, repo in zip((good, latin, large, wrong, lacking, good), [*["a/b"] * 5, "c/d"], strict=True)
    ]
    table = table_of(rows, FLAT_SCHEMA).append_column("content", pa.array(texts, pa.large_string()))
    for name in ("source", "texts"):
        (tmp_path / name).mkdir()
    others = [{"blob_id": "0" * 40, "content": "nobody's"}, *table.select(["blob_id", "content"]).to_pylist()]
    (tmp_path / "texts" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in others))
    pq.write_table(table.drop_columns("content") if apart else table, tmp_path / "source" / "a.parquet")
    places = {"lake": str(tmp_path / "lake"), "code_source": str(tmp_path / "source")}
    table_name, folder = "default.texts_of_blobs", tmp_path / "texts"
    spark.sql(f"DROP TABLE IF EXISTS {table_name}")
    spark.sql(f"CREATE TABLE {table_name} (blob_id STRING, content STRING) USING json LOCATION '{folder}'")
    contents = f"{folder}#content" if where == "in a folder" else f"{table_name}#content"
    lane = Lane(Settings(**places, code_contents=contents if apart else ""), Model())
    lane.refresh("raw_code")
    found = {row["path"]: row for row in lane.rows("raw_code", "path, text, reason").values()}
    assert {path: row["text"] for path, row in found.items() if not row["reason"]} == {"a.py": "x = 1\n", "b.py": "é"}
    assert {path: row["reason"] for path, row in found.items() if row["reason"]} == {
        "large.py": "too_large",
        "wrong.py": "wrong_content",
        "lacking.py": "content_missing",
    }
    assert lane.refresh("raw_code") == {}
    spark.sql(f"DROP TABLE {table_name}")


def test_a_source_without_texts_needs_a_store(tmp_path: Path) -> None:
    write_repositories(tmp_path, {"a/b": files(1)})
    with pytest.raises(UserError, match="code_contents is not set"):
        ingest_code.source_version(Settings(code_source=str(tmp_path / "data")))


@pytest.mark.parametrize(
    ("cores", "at_once", "tasks", "each"),
    [(2, 128, 8, 64), (16, 128, 64, 8), (128, 128, 512, 1), (500, 128, 64, 1), (500, 3, 1, 1), (4, 2, 1, 1)],
)
def test_what_all_tasks_may_ask_is_shared_by_those_that_run_at_once(
    cores: int, at_once: int, tasks: int, each: int
) -> None:
    settings = Settings(code_contents="s3://b", fetch_at_once=at_once, fetch_requests_per_s=100.0)
    spec = fetch_spec(settings, cores, "journal")
    assert (spec.buckets, spec.at_once) == (tasks, each)
    running = min(cores, 2 * tasks)  # of two chunks
    assert running * spec.at_once <= at_once
    assert running * spec.requests_per_s <= 100.001


@pytest.mark.parametrize(
    ("cores", "partitions", "tasks"), [(2, 0, 2), (16, 0, 16), (500, 0, 64), (16, 4, 4), (16, 500, 64)]
)
def test_where_cores_may_grow_the_limits_hold_however_many_come(cores: int, partitions: int, tasks: int) -> None:
    settings = Settings(
        code_contents="s3://b", fetch_requests_per_s=100.0, fetch_bytes_per_s=1e6, partitions=partitions
    )
    spec = fetch_spec(settings, cores, "journal", may_grow=True)
    assert spec.buckets == tasks
    assert spec.at_once >= 1
    assert 2 * tasks * spec.at_once <= settings.fetch_at_once
    assert 2 * tasks * spec.requests_per_s == pytest.approx(100.0)
    assert 2 * tasks * spec.bytes_per_s == pytest.approx(1e6)


def test_fewer_tasks_than_cores_share_all_that_may_be_asked() -> None:
    spec = fetch_spec(Settings(code_contents="s3://b", fetch_requests_per_s=100.0, partitions=1), 8, "journal")
    assert (spec.at_once, spec.requests_per_s) == (64, 50.0)


@pytest.mark.parametrize(
    ("settings", "may_all_fail"), [({}, False), ({"error_budget": 1.0}, True), ({"retry_after_hours": 24.0}, True)]
)
def test_only_rows_that_may_have_failed_before_may_all_fail(settings: dict[str, Any], may_all_fail: bool) -> None:
    assert fetch_spec(Settings(code_contents="s3://b", **settings), 2, "").may_all_fail is may_all_fail


def test_a_folder_is_read_without_a_rate(tmp_path: Path) -> None:
    spec = fetch_spec(Settings(code_contents=str(tmp_path), fetch_bytes_per_s=5.0), 2, "journal")
    assert (spec.requests_per_s, spec.bytes_per_s) == (0.0, 0.0)


@pytest.mark.spark
@pytest.mark.slow
def test_a_killed_run_fetches_again_only_what_was_in_flight(served: Served, tmp_path: Path) -> None:
    listed = files(600)
    served.fake.latency_s = 0.1
    lane = lane_of(tmp_path, served, listed)
    names = ("lake", "code_source", "code_contents", "contents_endpoint", "contents_anonymous")
    options = [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(lane.settings, name)))]
    options += ["--fetch-at-once", "8", "--partitions", "2"]
    command = [sys.executable, "-m", "recast", "refresh", "raw_code", *options]
    run = subprocess.Popen(command, start_new_session=True)
    try:
        while sum(served.fake.served.values()) < 300:
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    time.sleep(2.0)
    subprocess.run(command, check=True, start_new_session=True)
    assert set(served.fake.served) == {file.blob_id for file in listed}
    twice = sum(served.fake.served.values()) - len(listed)
    print(f"fetched twice: {twice}")
    assert twice <= 8
    assert all(row["reason"] is None for row in lane.rows("raw_code", "reason").values())
