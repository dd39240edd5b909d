"""Leases: what keeps two runs apart in an object store, where no kernel drops a lock with the process that held it.

A table's lease is an object that names the run which holds it. Each write of it is conditional, so of two that meet one
fails: it is created only where there is none (If-None-Match: *) and replaced only where nobody else replaced it (If-Match).

That no two runs hold one lease rests on durations alone, and on no two clocks being set alike. A run renews its lease
every RENEW_S and before each commit, and counts it as held until LEASE_S after it *asked* for the last renewal. Another run
takes it over only after it has *seen* it unchanged for LEASE_S. Where the holder was a process of this very machine that has
ended for certain, it need not wait.
"""

import contextlib
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recast import s3
from recast.lakehouse.problems import warn
from recast.settings import BusyError, UserError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RENEW_S = 15.0
LEASE_S = 60.0
MARGIN_S = 10.0  # what must be left of a lease where a commit begins
LOOK_S = 2.0  # between two looks at a lease that seems to be left behind
AGAIN_S = 1.0  # between two tries to renew a lease before a commit
WAIT_S = 120.0  # for a store that does not renew it, before that commit is given up
# Linux's monotonic clock stands still while the machine is suspended.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Found(NamedTuple):
    """A lease as it lies in the store: what it says, its entity tag, and its age in seconds by the two machines' clocks."""

    said: dict[str, Any]
    e_tag: str
    age_s: float


@dataclass
class Lease:
    """A lease that this run holds, or has lost.

    Attributes:
        store: the lake's work folder.
        name: of the table.
        said: what the object says.
        e_tag: of the object as this run wrote it last.
        until: time by `clock` until which it is held.
        lost: who holds it now; empty while this run does.
        problem: why the last try to renew it failed; None where it did not.
        lock: held while it is renewed.
    """

    store: "ObjectStore"
    name: str
    said: dict[str, Any]
    e_tag: str
    until: float
    lost: str = ""
    problem: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def clock() -> float:
    """Return a time in seconds to measure durations by, which goes on while the machine is suspended where it can."""
    return time.clock_gettime(CLOCK)


@contextlib.contextmanager
def holding(folder: str, names: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Hold the leases of tables while the block runs, and give it what a commit asks first: `require`, for one table.

    They lie in `folder`, the lake's work folder. Where a lease is lost the block is interrupted, as by Ctrl-C.

    Raises:
        BusyError: another run holds one of them, or took one over.
        UserError: the store cannot be used.
    """
    from obstore.exceptions import BaseError

    s3.require(folder)
    store = s3.store(folder)
    held: list[Lease] = []
    over = threading.Event()
    try:
        try:
            held = take_all(store, names)
        except (BaseError, OSError) as problem:
            raise UserError(s3.told(folder, problem)) from None
        main = threading.main_thread()
        interrupted = main.ident if threading.current_thread() is main else None
        renewing = threading.Thread(target=renew_all, args=(held, over, interrupted), name="leases", daemon=True)
        renewing.start()
        by_name = {lease.name: lease for lease in held}
        try:
            try:
                yield lambda name: require(by_name[name], folder)
            finally:  # the interruption may come here as well, where `require` was the first to see the loss
                over.set()
                renewing.join()
        except KeyboardInterrupt as interruption:
            for lease in held:
                if lease.lost:
                    lost = BusyError(lease.lost)
                    lost.runs = getattr(interruption, "runs", ())
                    raise lost from None
            raise
    finally:
        over.set()
        together(release, held)


def take_all(store: "ObjectStore", names: Sequence[str]) -> list[Lease]:
    """Take the leases of tables, all or none.

    Raises:
        BusyError: another run holds one of them.
        obstore's errors: the store cannot be used.
    """
    found = {name: look(store, name) for name in names}
    for name, each in found.items():
        if line := renewed_of_late(name, each):
            raise BusyError(line)
    watch(store, {name: each for name, each in found.items() if each and not is_over(each.said)})
    me = myself()
    held: list[Lease] = []
    try:
        for name, each in found.items():
            held.append(take(store, name, me, each))
        if held:
            require_conditions(held[0])
    except BaseException:
        for lease in held:
            release(lease)
        raise
    return held


def renewed_of_late(name: str, found: Found | None) -> str:
    """Return who holds a table whose lease was renewed within LEASE_S; "" for any other."""
    if found is None or is_over(found.said) or found.age_s >= LEASE_S:
        return ""
    return f"{words(name, found.said)}; it renewed its lease {max(found.age_s, 0):.0f} s ago"


def holder(folder: str, name: str) -> str:
    """Return who holds the lease of a table, which lies in `folder`; "" where nobody does for sure, or the store does not say."""
    from obstore.exceptions import BaseError

    s3.require(folder)
    try:
        return renewed_of_late(name, look(s3.store(folder), name))
    except (BaseError, OSError):
        return ""


def watch(store: "ObjectStore", left: dict[str, Found]) -> None:
    """See leases unchanged for LEASE_S, which shows that their runs are dead or have lost them.

    Raises:
        BusyError: one of them was renewed.
    """
    if not left:
        return
    name, found = next(iter(left.items()))
    warn(f"{words(name, found.said)}, but does not renew its lease: it is taken over in {LEASE_S:.0f} s")
    until = clock() + LEASE_S
    while clock() < until:
        time.sleep(min(LOOK_S, LEASE_S / 4))
        for name, found in left.items():
            now = look(store, name)
            if now and now.e_tag != found.e_tag and not is_over(now.said):
                raise BusyError(words(name, now.said))


def take(store: "ObjectStore", name: str, me: dict[str, Any], found: Found | None) -> Lease:
    """Take one lease, which is not there or is the one that was `found`.

    Raises:
        BusyError: another run was quicker.
    """
    asked_at = clock()
    said = me | {"table": name}
    e_tag = put(store, name, said, found.e_tag if found else None)
    if e_tag is None:
        now = look(store, name)
        if now is None or now.said.get("owner") != me["owner"]:  # else the answer to a first try was lost
            raise BusyError(words(name, now.said if now else {}))
        e_tag = now.e_tag
    return Lease(store, name, said, e_tag, asked_at + LEASE_S)


def require_conditions(lease: Lease) -> None:
    """See that the store obeys conditions, on which all else rests.

    Raises:
        UserError: it does not.
    """
    for e_tag, condition in {None: "If-None-Match", '"00000000000000000000000000000000"': "If-Match"}.items():
        if put(lease.store, lease.name, lease.said, e_tag) is not None:
            raise UserError(
                f"the store writes whatever {condition} says, so two runs would both go on: a lake needs a store with "
                "conditional writes (docs/object_storage.md)"
            )


def together(work: Callable[[Lease], object], held: Sequence[Lease]) -> None:
    """Do the same with many leases at once, so that a slow store takes the time of one."""
    with ThreadPoolExecutor(max(len(held), 1), "lease") as pool:
        list(pool.map(work, held))


def renew_all(held: Sequence[Lease], over: threading.Event, main: int | None) -> None:
    """Renew leases until the run is over, or has lost one: then interrupt the thread `main`, where that is given."""
    while not over.wait(RENEW_S):
        together(renew, held)
        if any(lease.lost for lease in held):
            if main and not over.is_set():
                signal.pthread_kill(main, signal.SIGINT)
            return


def renew(lease: Lease) -> bool:
    """Renew a lease, or find that it is lost; a store that fails changes nothing. Return whether it was renewed."""
    from obstore.exceptions import BaseError

    with lease.lock:
        if lease.lost:
            return False
        try:
            asked_at = clock()
            # An entity tag is a hash of what was written: the same words again would have the same tag.
            said = lease.said | {"renewed": lease.said["renewed"] + 1}
            e_tag = put(lease.store, lease.name, said, lease.e_tag)
            if e_tag:
                lease.said, lease.e_tag, lease.until, lease.problem = said, e_tag, asked_at + LEASE_S, None
                return True
            now = look(lease.store, lease.name)
        except (BaseError, OSError) as problem:
            lease.problem = problem
            return False
        if now and now.said.get("owner") == lease.said["owner"]:  # the answer to an earlier renewal was lost
            lease.said, lease.e_tag = now.said, now.e_tag
        else:
            lease.lost = f"this run stood still for too long, and {words(lease.name, now.said if now else {})} now"
        return False


def require(lease: Lease, folder: str) -> None:
    """Renew a lease, so that it is held for the time of a commit's first request; stop where that cannot be.

    The store is asked whatever the clock says: one that stood still with the machine would say that nothing has changed.

    Args:
        lease: that of the table.
        folder: where it lies, for words.

    Raises:
        BusyError: it is lost.
        UserError: the store does not renew it.
    """
    give_up_at = clock() + WAIT_S
    while not (renew(lease) and lease.until - clock() >= MARGIN_S):
        if lease.lost:
            raise BusyError(lease.lost)
        if clock() > give_up_at:
            problem = lease.problem
            why = s3.told(folder, problem) if problem else "the store is too slow"
            raise UserError(f"the lease of {lease.name} could not be renewed for {WAIT_S:.0f} s: {why}")
        time.sleep(AGAIN_S)


def release(lease: Lease) -> None:
    """Say in the store that a lease is free, where this run holds it; where that fails it ends by itself."""
    from obstore.exceptions import BaseError

    with lease.lock, contextlib.suppress(BaseError, OSError):
        if not lease.lost:
            put(lease.store, lease.name, lease.said | {"released": True}, lease.e_tag)


def look(store: "ObjectStore", name: str) -> Found | None:
    """Return a table's lease as it lies in the store, None where there is none."""
    import obstore

    try:
        got = obstore.get(store, f"{name}.lease")
        text = bytes(got.bytes())
    except FileNotFoundError:
        return None
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    age = datetime.now(UTC) - got.meta["last_modified"]
    return Found(said if isinstance(said, dict) else {}, got.meta["e_tag"] or "", age.total_seconds())


def put(store: "ObjectStore", name: str, said: dict[str, Any], e_tag: str | None) -> str | None:
    """Write a lease where the store holds the version `e_tag`, or none; return the new tag, None where that is not so."""
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    try:
        written = obstore.put(
            store, f"{name}.lease", json.dumps(said).encode(), mode={"e_tag": e_tag} if e_tag else "create"
        )
    except (AlreadyExistsError, PreconditionError):
        return None
    return written["e_tag"]


def myself() -> dict[str, Any]:
    """Return what a lease says of this run."""
    return {
        "owner": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "started": started(os.getpid()),
        "renewed": 0,
    }


def machine() -> str:
    """Return what names this machine since its last start, and within it the container whose processes this one sees."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started(process: int) -> str:
    """Return when a process of this machine started, in the kernel's ticks; empty where that cannot be read."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_over(said: dict[str, Any]) -> bool:
    """Say whether a lease was given back, or its holder was a process of this machine that has ended for certain."""
    if said.get("released"):
        return True
    here = bool(said.get("machine")) and said["machine"] == machine()
    return here and has_ended(said.get("process"), said.get("started"))


def has_ended(process: Any, ticks: Any) -> bool:
    """Say whether a process of this machine has ended for certain: there is none of its number, or one that started later.

    What cannot be read proves nothing: /proc may hide the processes of other users (hidepid).
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, TypeError, OverflowError):
        pass
    now = started(process)
    return bool(now and ticks) and now != ticks


def words(name: str, said: dict[str, Any]) -> str:
    """Return who writes a table, since when."""
    who = f"process {said.get('process', 'unknown')} on {said.get('host', 'an unknown host')}"
    return f"another run ({who}, since {said.get('since', 'an unknown time')}) is writing {name}"
