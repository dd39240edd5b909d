"""One task's fetches: every row once with its content or a reason, few held at a time, nothing fetched twice."""

import asyncio
import gzip
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recast import journal
from recast.schemas import raw_code
from recast.udfs.contents import checking, fetching, manners
from recast.udfs.contents.blobs import FETCHED, MAX_TEXT_BYTES
from recast.udfs.contents.checking import StoreError
from recast.udfs.contents.fetching import Spec, fetch_all
from recast.udfs.contents.stores import Missed, store_at
from tests.fake_store import Behaviour
from tests.sources import blob_id
from tests.stores import Served

GIVEN = pa.schema([("doc_id", pa.string()), ("input_hash", pa.string()), ("encodings", pa.list_(pa.string()))])
GOTTEN = pa.schema([*GIVEN, ("text", pa.string()), ("fetch_status", pa.string())])


def batches_of(names: Sequence[str], rows: int = 64) -> Iterator[pa.RecordBatch]:
    """Yield rows to fetch in batches."""
    for start in range(0, len(names), rows):
        some = list(names[start : start + rows])
        keys = [f"key of {name}" for name in some]
        yield pa.record_batch([some, keys, pa.array([[]] * len(some), GIVEN.field("encodings").type)], schema=GIVEN)


def fetched(names: Sequence[str], spec: Spec) -> dict[str, tuple[str | None, str]]:
    """Return text and status by blob_id, and see that every row came once."""
    rows = pa.Table.from_batches(list(fetch_all(batches_of(names), spec, GOTTEN)), GOTTEN)
    found = rows["doc_id"].to_pylist()
    assert sorted(found) == sorted(names)
    assert [f"key of {name}" for name in found] == rows["input_hash"].to_pylist()
    return dict(zip(found, zip(rows["text"].to_pylist(), rows["fetch_status"].to_pylist(), strict=True), strict=True))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are waited for as briefly as can be."""
    monkeypatch.setattr(manners, "FIRST_S", 0.001)
    monkeypatch.setattr(manners, "SLOWER", 1.0)
    monkeypatch.setattr(fetching, "OUTAGE_S", 0.2)


def texts(count: int) -> list[bytes]:
    return [f"x = {number}\n".encode() for number in range(count)]


def test_every_row_comes_once_with_its_text_whatever_store_it_is_in(served: Served, tmp_path: Path) -> None:
    wanted = {served.put(text): (text.decode(), FETCHED) for text in texts(300)}
    for name, packed in served.fake.objects.items():
        (tmp_path / name).write_bytes(packed)
    for store in (served.anonymous, served.mirror, store_at(str(tmp_path))):
        assert fetched(list(wanted), Spec(store, 16)) == wanted
    assert set(served.fake.served.values()) == {2}


def test_nothing_comes_of_nothing(served: Served) -> None:
    assert fetched([], Spec(served.anonymous)) == {}


def test_every_failure_has_a_reason_of_the_closed_list(served: Served) -> None:
    missing, big = "1" * 40, b"#" * (MAX_TEXT_BYTES + 1)
    cases = {
        missing: "content_missing",
        served.behave("2" * 40, 403): "forbidden",
        served.behave("3" * 40, 429): "throttled",
        served.behave("4" * 40, 500): "store_error",
        served.behave(served.put(b"slow"), body="slow"): "timeout",
        served.behave(served.put(b"cut"), body="cut"): "cut_off",
        served.put(b"halved", gzip.compress(b"halved")[:-6]): "cut_off",
        served.behave(served.put(b"endless"), body="endless"): "too_large",
        served.put(big): "too_large",
        served.put(b"plain", b"plain"): "not_gzip",
        served.put(b"other", gzip.compress(b"another")): "wrong_content",
        served.put(bytes(range(256))): "undecodable",
    }
    found = fetched(list(cases), Spec(served.anonymous, timeout_s=0.3))
    assert {name: status for name, (_, status) in found.items()} == cases
    assert {text for text, _ in found.values()} == {None}
    assert set(cases.values()) <= raw_code.REASONS.keys()
    assert {name: served.fake.asked[name] for name in ("1" * 40, "2" * 40)} == {"1" * 40: 1, "2" * 40: 1}
    assert {served.fake.asked[name] for name in ("3" * 40, "4" * 40)} == {manners.TRIES}


@pytest.mark.parametrize(
    "name",
    ["", "../" + "1" * 40, "../../etc/passwd", "http://host/x", "1" * 39, "A" * 40, "1" * 40 + "\n", "x\0", "n" * 5000],
)
def test_what_is_no_blob_id_never_reaches_a_store(served: Served, tmp_path: Path, name: str) -> None:
    for store in (served.anonymous, store_at(str(tmp_path))):
        assert fetched([name], Spec(store)) == {name: (None, "bad_blob_id")}
    assert served.fake.requests == []


def test_what_passes_is_waited_for_and_costs_no_row(served: Served) -> None:
    wanted = {served.put(text): (text.decode(), FETCHED) for text in texts(60)}
    for number, name in enumerate(wanted):
        how = ({"status": 503}, {"status": 429}, {"status": 500}, {"body": "cut"})[number % 4]
        served.behave(name, times=1 + number % 3, **how)
    assert fetched(list(wanted), Spec(served.anonymous, 8)) == wanted
    assert sum(served.fake.asked.values()) == 60 + sum(1 + number % 3 for number in range(60))


def test_retry_after_holds_up_all_requests_of_the_task(served: Served) -> None:
    names = [served.put(text) for text in texts(20)]
    served.behave(names[0], 503, times=1, headers={"Retry-After": "0.5"})
    start = time.monotonic()
    fetched(names, Spec(served.anonymous, 1))
    assert time.monotonic() - start >= 0.5


def test_no_more_requests_are_in_flight_than_may_be(served: Served) -> None:
    names = [served.put(text) for text in texts(100)]
    served.fake.latency_s = 0.005
    fetched(names, Spec(served.anonymous, 7))
    assert served.fake.most_in_flight == 7


def test_a_slow_object_holds_up_no_other(served: Served) -> None:
    names = [served.put(text) for text in texts(400)]
    served.behave(names[0], body="hang")
    came = 0
    for batch in fetch_all(batches_of(names), Spec(served.anonymous, 8, timeout_s=8.0), GOTTEN):
        came += batch.num_rows
        if came == 399:
            return
    raise AssertionError("the others did not come first")


def test_rates_are_kept(served: Served) -> None:
    names = [served.put(text) for text in texts(40)]
    start = time.monotonic()
    fetched(names, Spec(served.anonymous, 16, requests_per_s=100.0))
    assert time.monotonic() - start >= 0.38
    start = time.monotonic()
    fetched(names, Spec(served.anonymous, 1, bytes_per_s=sum(map(len, served.fake.objects.values())) * 2.5))
    assert time.monotonic() - start >= 0.35


def test_a_store_that_cannot_be_asked_at_all_ends_the_task(served: Served) -> None:
    gone = store_at("s3://gone/content", served.endpoint, "", True)
    with pytest.raises(StoreError, match="NoSuchBucket; there is no such bucket"):
        fetched(["1" * 40], Spec(gone, 8))
    with pytest.raises(StoreError, match="cannot connect to 127"):
        fetched(["1" * 40], Spec(store_at("http://127.0.0.1:1"), 8))


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"", "it answers 404 Whatever"),
        (403, b"", "it answers 403 Whatever"),
        (429, b"", "it answers 429 Whatever"),
        (200, b"<html>", "it is not_gzip"),
        (200, gzip.compress(b"other", mtime=0), "it is wrong_content"),
    ],
)
def test_a_task_whose_objects_bring_no_content_ends_unless_they_failed_before(
    served: Served, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, why: str
) -> None:
    for module, name, value in ((checking, "FRUITLESS", 100), (fetching, "TRIES", 2), (manners, "MOST_S", 0.001)):
        monkeypatch.setattr(module, name, value)
    names = [f"{number:040x}" for number in range(300)]
    served.fake.objects = dict.fromkeys(names, body)
    if status != 200:
        served.fake.everything = Behaviour(status)
    with pytest.raises(StoreError) as raised:
        fetched(names, Spec(served.anonymous, 8))
    assert f"100 objects in a row brought no content, the last, {served.endpoint}/store/content/0000" in str(
        raised.value
    )
    assert str(raised.value).endswith(f", because {why}")
    assert len(served.fake.asked) < 130, "the rest is not asked for"
    assert len(fetched(names, Spec(served.anonymous, 8, may_all_fail=True))) == 300


def test_a_task_of_few_objects_without_any_content_ends_and_what_failed_before_a_kill_does_not(
    served: Served, tmp_path: Path
) -> None:
    missing, spec = [f"{number:040x}" for number in range(195)], Spec(served.anonymous, 8, journal=str(tmp_path / "j"))
    with pytest.raises(StoreError, match="195 objects in a row brought no content"):
        fetched(missing, spec)
    assert len(fetched(missing[: checking.FRUITLESS_LATER - 1], spec)) == 99
    good = served.put(b"good")
    assert len(fetched([good], spec)) == 1
    assert len(fetched([good, *missing], spec)) == 196


class Scripted:
    """A store without a network: asks `answer` what becomes of each request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Missed | None]) -> None:
        self.asked = 0
        self.objects = {blob_id(text): gzip.compress(text) for text in texts(400)}

        async def get(name: str) -> bytes:
            self.asked += 1
            await asyncio.sleep(0.002)
            if missed := answer():
                raise missed
            return self.objects[name]

        @asynccontextmanager
        async def opened(*_: object) -> AsyncIterator[object]:
            yield get

        monkeypatch.setattr(fetching, "opened", opened)


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_store_that_cannot_be_reached_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(fetching, "OUTAGE_S", 20.0)
    start = time.monotonic()

    def answer() -> Missed | None:
        return Missed("", "cannot connect", True) if 0.1 < time.monotonic() - start < 1.5 else None

    store = Scripted(monkeypatch, answer)
    found = fetched(list(store.objects), Spec(store_at("s3://b", "", "", True), at_once))
    assert {status for _, status in found.values()} == {FETCHED}
    assert store.asked < 400 + 3 * at_once + 40, "the whole task rests"


def test_a_store_that_cannot_be_reached_for_too_long_ends_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Scripted(monkeypatch, lambda: Missed("", "cannot connect", True))
    start = time.monotonic()
    with pytest.raises(StoreError, match="cannot connect"):
        fetched(list(store.objects), Spec(store_at("s3://b", "", "", True), 8))
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("at_once", [2, 32])
def test_a_store_with_a_quota_is_fetched_whole_and_slower(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    for name, value in {"FIRST_S": 0.01, "MOST_S": 0.3, "SLOWER": 0.5, "RECOVERY_S": 3.0}.items():
        monkeypatch.setattr(manners, name, value)  # a minute takes 0.6 s
    # No chance: seven waits last longer than a minute.
    monkeypatch.setattr(manners.random, "uniform", lambda _least, most: most)
    minutes: Counter[int] = Counter()

    def answer() -> Missed | None:
        minute = int(time.monotonic() / 0.6)
        minutes[minute] += 1
        return Missed("throttled", "it answers 429", True) if minutes[minute] > 80 else None

    store = Scripted(monkeypatch, answer)
    found = fetched(list(store.objects), Spec(store_at("s3://b", "", "", True), at_once))
    assert {status for _, status in found.values()} == {FETCHED}
    assert store.asked < 700


def test_a_store_that_cannot_be_opened_ends_the_task(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", "socks5://proxy")
    with pytest.raises(OSError, match="names no HTTP proxy"):
        fetched(["1" * 40], Spec(served.mirror))


class TestJournal:
    """What was fetched is kept, and what may mend is asked for again."""

    def test_what_was_fetched_is_not_fetched_again(self, served: Served, tmp_path: Path) -> None:
        wanted = {served.put(text): (text.decode(), FETCHED) for text in texts(200)}
        bad = served.put(bytes(range(256)))
        spec = Spec(served.anonymous, 8, journal=str(tmp_path / "run1-0"))
        first = fetched([*wanted, bad], spec)
        again = fetched([*wanted, bad], spec._replace(journal=str(tmp_path / "run2-0")))
        assert first == again == {**wanted, bad: (None, "undecodable")}
        assert set(served.fake.served.values()) == {1}
        assert journal.progress(str(tmp_path / "run1-0")).rows == 201
        assert journal.progress(str(tmp_path / "run2-0")).rows == 0, "it lies in the first one"

    def test_the_journal_of_another_chunk_of_the_run_is_not_read(self, served: Served, tmp_path: Path) -> None:
        """It holds none of these texts, and would make a store that fails altogether look like one that a kill left."""
        name = served.put(b"text")
        for chunk in range(2):
            fetched([name], Spec(served.anonymous, journal=str(tmp_path / f"run-{chunk}")))
        assert served.fake.served[name] == 2

    def test_what_may_mend_is_fetched_again(self, served: Served, tmp_path: Path) -> None:
        spec = Spec(served.anonymous, journal=str(tmp_path / "j"))
        name = blob_id(b"late")
        assert fetched([name], spec) == {name: (None, "content_missing")}
        served.put(b"late")
        assert fetched([name], spec) == {name: ("late", FETCHED)}

    def test_another_rule_or_another_bucket_s_texts_are_not_taken(self, served: Served, tmp_path: Path) -> None:
        name = served.put(b"text")
        spec = Spec(served.anonymous, journal=str(tmp_path / "j"), fingerprint="one", buckets=2)
        for each in (spec, spec._replace(fingerprint="two")):
            fetched([name], each)
        assert served.fake.served[name] == 2
        list(fetch_all(batches_of([name]), spec, GOTTEN, bucket=1))
        assert served.fake.served[name] == 3
        fetched([name], spec._replace(buckets=3))
        assert served.fake.served[name] == 3, "of another number of buckets all is read"

    def test_a_task_that_is_killed_loses_what_was_in_flight_and_no_more(
        self, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching, "FLUSH_S", 60.0)
        names = [served.put(text) for text in texts(240)]
        served.fake.latency_s = 0.01
        spec = Spec(served.anonymous, 8, journal=str(tmp_path / "j" / "run1-0"))
        task = threading.Thread(target=fetched, args=(names, spec), daemon=True)
        task.start()
        while len(before := set(served.fake.served)) < 120:
            assert task.is_alive()
            time.sleep(0.005)
        shutil.copytree(tmp_path / "j", tmp_path / "left by a kill")
        task.join()
        assert journal.progress(str(tmp_path / "left by a kill")).rows == 0, "nothing was flushed"
        served.fake.served.clear()
        fetched(names, spec._replace(journal=str(tmp_path / "left by a kill" / "run2-0")))
        assert len(before & set(served.fake.served)) <= 8
        assert not list(tmp_path.glob("j/**/*.tail")), "what a segment holds is in no tail"

    def test_what_came_before_the_store_failed_is_kept(self, served: Served, tmp_path: Path) -> None:
        good = [served.put(text) for text in texts(50)]
        bad = [served.behave(f"{number:040x}", 403) for number in range(checking.FRUITLESS)]
        spec = Spec(served.anonymous, 1, journal=str(tmp_path / "j"))
        with pytest.raises(StoreError):
            fetched([*good, *bad], spec)
        assert journal.progress(spec.journal).rows == 50

    def test_a_torn_segment_is_fetched_again(self, served: Served, tmp_path: Path) -> None:
        wanted = {served.put(text): (text.decode(), FETCHED) for text in texts(5)}
        spec = Spec(served.anonymous, journal=str(tmp_path / "j"))
        fetched(list(wanted), spec)
        (segment,) = (tmp_path / "j").rglob("*.parquet")
        segment.write_bytes(segment.read_bytes()[:100])
        assert fetched(list(wanted), spec) == wanted

    def test_a_journal_that_is_removed_meanwhile_is_fetched_again(
        self, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = served.put(b"text")
        spec = Spec(served.anonymous, journal=str(tmp_path / "j"))
        fetched([name], spec)
        known = fetching.Recalled(spec, 0)
        (segment,) = (tmp_path / "j").rglob("*.parquet")
        segment.unlink()
        assert known.get(f"key of {name}") is None

    @pytest.mark.parametrize(("where", "name"), [(pq, "write_table"), (journal.Tail, "append")])
    def test_a_disk_that_is_full_is_one_line(
        self, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(where, name, full)
        with pytest.raises(journal.JournalError, match="cannot be written: No space left on device"):
            fetched([served.put(b"x")], Spec(served.anonymous, journal=str(tmp_path / "j")))


def test_large_texts_come_in_several_batches_and_few_are_held_at_a_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_BATCH_BYTES", 10_000)
    monkeypatch.setattr(fetching, "MAX_HELD_BYTES", 20_000)
    name = served.put(b"#" * 4_000)
    came = 0
    for batch in fetch_all(batches_of([name] * 640, 8), Spec(served.anonymous, 4), GOTTEN):
        came += batch.num_rows
        assert batch["text"].nbytes <= 10_000 + 4_000 + 100
        time.sleep(0.001)
        assert served.fake.asked[name] - came <= 20_000 / 4_000 + 2 * 4 + 3
    assert came == 640


@pytest.mark.slow
def test_130_blobs_of_the_largest_size_pass_in_bounded_batches(tmp_path: Path) -> None:
    raw = b" " * MAX_TEXT_BYTES
    (tmp_path / blob_id(raw)).write_bytes(gzip.compress(raw))
    came = fetch_all(batches_of([blob_id(raw)] * 130), Spec(store_at(str(tmp_path))), GOTTEN)
    sizes = [(batch.num_rows, batch["text"].nbytes) for batch in came]
    assert sum(rows for rows, _ in sizes) == 130
    assert max(size for _, size in sizes) <= fetching.MAX_BATCH_BYTES + MAX_TEXT_BYTES + 1000


def test_a_task_that_ends_early_leaves_no_thread(served: Served) -> None:
    names = [served.put(text) for text in texts(300)]
    under_way = fetch_all(batches_of(names), Spec(served.anonymous, 4), GOTTEN)
    next(under_way)
    under_way.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "recast-fetches"]


def test_an_object_that_is_elsewhere_costs_no_other(served: Served) -> None:
    wanted = {served.put(text): (text.decode(), FETCHED) for text in texts(20)}
    moved = served.behave("1" * 40, 302, headers={"Location": "https://elsewhere/x"})
    assert fetched([moved, *wanted], Spec(served.mirror, 2)) == {**wanted, moved: (None, "store_error")}


def test_the_page_shows_the_reasons_and_whether_trying_again_makes_sense() -> None:
    page = (Path(__file__).parents[3] / "docs" / "contents.md").read_text("utf-8")
    assert raw_code.failures_table() in page, "print(raw_code.failures_table()), and put it into docs/contents.md"
