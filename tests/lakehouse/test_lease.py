"""Leases of tables in an object store: at no time two holders, and a dead one's is taken over."""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast import exits, s3
from recast.lakehouse import lease
from recast.settings import UserError
from tests.fake_s3 import Store, serving

FOLDER = "s3a://lake/my lake/_work"
OBJECT = "/lake/my%20lake/_work/notes.lease"
RENEW_S, LEASE_S = 0.1, 1.0

# Holds the lease for a moment, over and over, and writes down its commits: number of the holding and time.
CONTENDER = """
import sys, time
from recast import s3
from recast.lakehouse import lease
from recast.settings import UserError
lease.RENEW_S, lease.LEASE_S, lease.MARGIN_S, lease.LOOK_S = 0.1, 1.0, 0.3, 0.05
if sys.argv[2] == "elsewhere":
    lease.machine = lambda: sys.argv[1]
s3.use()
end = time.monotonic() + float(sys.argv[3])
with open(sys.argv[1], "a", buffering=1) as log:
    for number in range(10**6):
        if time.monotonic() > end:
            break
        try:
            with lease.holding("FOLDER", ["notes"]) as require:
                for _ in range(20):
                    require("notes")
                    print(number, time.monotonic(), file=log)
                    time.sleep(0.02)
        except UserError:
            time.sleep(0.01)
""".replace("FOLDER", FOLDER)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that this process finds, and leases that are over soon."""
    s3.require.cache_clear()
    # Where a shell has started the tests in the background, they ignore the signal that interrupts a run.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    with serving() as running:
        for name, value in {"ENDPOINT_URL_S3": running.url, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "s"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        for name, value in {
            "RENEW_S": RENEW_S,
            "LEASE_S": LEASE_S,
            "MARGIN_S": 0.3,
            "LOOK_S": 0.05,
            "AGAIN_S": 0.05,
        }.items():
            monkeypatch.setattr(lease, name, value)
        yield running
    signal.signal(signal.SIGINT, handler)


def left_behind(store: Store, age_s: float = 100.0, **more: object) -> None:
    """Put the lease of a run that is dead into the store; nothing says so but that it is not renewed."""
    said = lease.myself() | {
        "machine": "another",
        "host": "node-7",
        "process": 12,
        "since": "2026-11-26T12:00:00+00:00",
    }
    store.objects[OBJECT] = (json.dumps(said | more).encode(), time.time() - age_s)


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """Hold the lease in another thread, which is another run."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lease.holding(FOLDER, ["notes"]):
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        yield
    finally:
        over.set()
        thread.join()


def test_the_second_run_says_who_holds_the_table_and_since_when_and_the_first_goes_on(store: Store) -> None:
    with taken():
        held = json.loads(store.objects[OBJECT][0])
        told = rf"another run \(process {os.getpid()} on {held['host']}, since 20.+\+00:00\) is writing notes"
        with pytest.raises(UserError, match=told), lease.holding(FOLDER, ["notes"]):
            pass
        with lease.holding(FOLDER, ["other"]) as require:
            require("other")
    with lease.holding(FOLDER, ["notes"]) as require:
        require("notes")


def test_of_several_tables_all_are_held_or_none(store: Store) -> None:
    with taken():
        with pytest.raises(UserError, match="is writing notes"), lease.holding(FOLDER, ["first", "notes"]):
            pass
        with lease.holding(FOLDER, ["first"]):
            pass


def test_a_lease_is_renewed_for_as_long_as_the_run_lives(store: Store) -> None:
    with lease.holding(FOLDER, ["notes"]) as require:
        before = store.objects[OBJECT][0]
        time.sleep(LEASE_S + 3 * RENEW_S)
        assert store.objects[OBJECT][0] != before
        require("notes")


@pytest.mark.slow
def test_a_lease_that_nobody_renews_is_taken_over_once_it_was_seen_unchanged_for_its_time(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(store)
    begun = time.monotonic()
    with lease.holding(FOLDER, ["notes"]) as require:
        assert time.monotonic() - begun >= LEASE_S
        require("notes")
    assert "process 12 on node-7, since 2026-11-26T12:00:00+00:00" in capsys.readouterr().err


def test_a_lease_that_was_renewed_of_late_is_not_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 10.0)  # the store tells times in whole seconds
    left_behind(store, age_s=0)
    told = r"process 12 on node-7.*it renewed its lease [01] s ago"
    with pytest.raises(UserError, match=told), lease.holding(FOLDER, ["notes"]):
        pass


def test_who_holds_a_table_is_told_of_a_lease_that_is_renewed_and_of_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 10.0)  # the store tells times in whole seconds
    assert lease.holder(FOLDER, "notes") == ""
    with taken():
        assert re.fullmatch(
            r"another run \(.*\) is writing notes; it renewed .* [01] s ago", lease.holder(FOLDER, "notes")
        )
    assert lease.holder(FOLDER, "notes") == "", "it was given back"
    left_behind(store)
    assert lease.holder(FOLDER, "notes") == "", "nobody renews it"


def test_a_lease_that_only_looks_old_is_not_taken_over(store: Store) -> None:
    store.age_s = 1000.0  # the store's clock is behind
    with taken(), pytest.raises(UserError, match="is writing notes"), lease.holding(FOLDER, ["notes"]):
        pass


def test_the_lease_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once(store: Store) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_behind(store, age_s=0, machine=lease.machine(), process=ended.pid, started="1")
    begun = time.monotonic()
    with lease.holding(FOLDER, ["notes"]):
        assert time.monotonic() - begun < LEASE_S


def test_a_process_that_this_user_may_not_look_at_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    held = lease.myself() | {"process": 12, "started": "7"}

    def kill(refusal: type[OSError]) -> None:
        raise refusal

    monkeypatch.setattr(os, "kill", lambda *_: kill(PermissionError))
    monkeypatch.setattr(lease, "started", lambda process: "")  # as where /proc hides it
    assert not lease.is_over(held)
    monkeypatch.setattr(os, "kill", lambda *_: kill(ProcessLookupError))
    assert lease.is_over(held)


def test_a_number_that_another_process_has_now_is_of_one_that_has_ended() -> None:
    mine = lease.myself()
    assert not lease.is_over(mine)
    assert lease.is_over(mine | {"started": "7"})
    assert not lease.is_over(mine | {"started": ""}), "it could not read its own"
    assert not lease.is_over(mine | {"process": "no number"})


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux has it")
def test_durations_go_on_while_the_machine_is_suspended() -> None:
    assert abs(lease.clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1


def test_a_commit_asks_the_store_though_no_time_has_passed_by_this_machines_clock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 60.0)
    with lease.holding(FOLDER, ["notes"]) as require:
        stopped_at = lease.clock()
        monkeypatch.setattr(lease, "clock", lambda: stopped_at)
        require("notes")
        left_behind(store, age_s=0)  # taken over while this machine and its clock stood still
        with pytest.raises(UserError, match="is writing notes now"):
            require("notes")


def test_leases_are_renewed_together_however_slow_the_store(store: Store) -> None:
    names = [f"table_{number}" for number in range(9)]
    with lease.holding(FOLDER, names):
        store.slow_s = 0.3
        time.sleep(LEASE_S)
        store.slow_s = 0.0
        renewed = [json.loads(content)["renewed"] for content, _ in store.objects.values()]
    assert len(renewed) == 9
    assert min(renewed) >= 1, "one after another they would take 2.7 s"


def test_a_run_that_lost_its_lease_is_interrupted_and_commits_nothing_more(store: Store) -> None:
    signalled = exits.Interrupted()
    signalled.runs = ["the row of a table that is done"]
    lost = pytest.raises(UserError, match=r"stood still for too long, and another run \(process 12 on node-7")
    with lost as ended, lease.holding(FOLDER, ["notes"]) as require:
        left_behind(store, age_s=0)
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
        assert time.monotonic() - begun < 5
        with pytest.raises(UserError, match="is writing notes now"):
            require("notes")
        raise signalled
    assert ended.value.runs == signalled.runs
    assert json.loads(store.objects[OBJECT][0])["host"] == "node-7", "what another run holds is not given back"


def test_a_loss_that_a_commit_saw_first_ends_the_run_as_one_that_was_interrupted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(held: object, over: threading.Event, main: int) -> None:
        over.wait()
        signal.pthread_kill(main, signal.SIGINT)

    monkeypatch.setattr(lease, "renew_all", late)
    with pytest.raises(UserError, match="is writing notes now"), lease.holding(FOLDER, ["notes"]) as require:
        left_behind(store, age_s=0)
        require("notes")


def test_a_store_that_does_not_answer_for_a_while_costs_nothing_but_that_while(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "RETRIES", 0)
    with lease.holding(FOLDER, ["notes"]) as require:
        store.fails = 503
        time.sleep(LEASE_S)
        threading.Timer(0.3, lambda: setattr(store, "fails", 0)).start()
        begun = time.monotonic()
        require("notes")
        assert time.monotonic() - begun > 0.2
        monkeypatch.setattr(lease, "WAIT_S", 0.2)
        store.fails, store.code = 403, "ExpiredToken"
        with pytest.raises(UserError, match=r"of notes could not be renewed .*: bucket lake .* says ExpiredToken"):
            require("notes")
        store.fails = 0


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_store_without_conditional_writes_is_refused(store: Store, header: str) -> None:
    store.obeys.remove(header)
    with pytest.raises(UserError, match=f"whatever {header} says"), lease.holding(FOLDER, ["notes"]):
        pass


def test_what_is_no_lease_in_its_place_is_taken_over_as_one_that_nobody_renews(store: Store) -> None:
    store.objects[OBJECT] = (b"[1]", time.time() - 100)
    with lease.holding(FOLDER, ["notes"]) as require:
        require("notes")


def test_a_store_that_cannot_be_used_is_named(store: Store) -> None:
    store.fails, store.code = 403, "InvalidAccessKeyId"
    told = f"bucket lake at {store.url} cannot be used: .*InvalidAccessKeyId to the key"
    with pytest.raises(UserError, match=told), lease.holding(FOLDER, ["notes"]):
        pass


@pytest.mark.slow
def test_at_no_time_there_are_two_holders_whoever_is_killed_or_stopped(store: Store, tmp_path: Path) -> None:
    """Four processes contend, as if two were of other machines. The holder is killed, or stopped for longer than a
    lease, again and again."""
    started, lasts_s = 0, 14.0

    def contender() -> subprocess.Popen[bytes]:
        nonlocal started
        started += 1
        where = ("here", "elsewhere")[started % 2]
        return subprocess.Popen([sys.executable, "-c", CONTENDER, str(tmp_path / str(started)), where, str(lasts_s)])

    running = [contender() for _ in range(4)]
    end = time.monotonic() + lasts_s - 5
    kill = True
    while time.monotonic() < end:
        time.sleep(0.7)
        victim = None
        while victim is None and time.monotonic() < end:
            said = json.loads(store.objects[OBJECT][0]) if OBJECT in store.objects else {"released": True}
            held_by = None if said.get("released") else said["process"]
            victim = next((each for each in running if each.pid == held_by), None)
            time.sleep(0.01)
        if victim is None:
            break
        running.remove(victim)
        if kill:
            victim.kill()
            victim.wait()
            running.append(contender())
        else:
            victim.send_signal(signal.SIGSTOP)
            threading.Timer(3.5 * LEASE_S, victim.send_signal, [signal.SIGCONT]).start()
            running.append(victim)
        kill = not kill
    for process in running:
        assert process.wait() == 0
    holdings: dict[tuple[str, str], list[float]] = {}
    for log in tmp_path.iterdir():
        for number, at in (line.split() for line in log.read_text().splitlines() if line.count(" ") == 1):
            holdings.setdefault((log.name, number), []).append(float(at))
    assert len({name for name, _ in holdings}) > 2, "several have held it"
    spans = sorted((min(times), max(times), holder) for holder, times in holdings.items())
    for (_, last, first), (begun, _, second) in itertools.pairwise(spans):
        assert last < begun, f"{first} committed at {last}, after {second} had begun at {begun}"
