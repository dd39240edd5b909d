"""The engine's watchdog process: starts one server, ends it when its owner is gone, and removes its files.

    python -m recast.inference.server.watch RUNTIME_FOLDER OWNER_PID OWNER_START LOG_FILE COMMAND...

It runs in a session of its own, outside the Spark worker that started it, because an engine must outlive tasks and
Python workers and must not outlive the application, however either of them ends:

* the owner (an executor's JVM) is named by pid and start time, so that a reused pid is not mistaken for it;
* the server runs in its own process group and is asked to end, then killed, with every process it started;
* if the watcher itself is killed, the kernel ends the server (parent-death signal), and whoever starts the next engine
  kills the rest of the group by the pid in `server.json`;
* how each server ended is a line of `endings`: who judges a request needs to know whether somebody killed its engine.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from recast.inference.locks import EXCLUSIVE, Lock

POLL_S = 0.5
END_PATIENCE_S = 10.0
SERVER_FILE = "server.json"
ENDINGS_FILE = "endings"
LOCK_FILE = "watched"  # locked by the folder's one watcher
# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def process_start(pid: int) -> int:
    """Return a process's start time in clock ticks since boot (proc(5), field 22), 0 where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def end_group(group: int, patience_s: float = END_PATIENCE_S) -> None:
    """End every process of a process group: SIGTERM, after `patience_s` SIGKILL; return when none is left."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, sent)
            os.killpg(group, signal.SIGCONT)  # a stopped process cannot end
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not _group_alive(group):
                return
            time.sleep(0.05)


def _group_alive(group: int) -> bool:
    """Tell whether a group has a process that is no zombie: in a container nobody may collect those."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("latin-1").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            return True
    return False


def instance(facts: dict[str, Any]) -> str:
    """Return what tells a server from those before and after it in the same folder; `facts` are SERVER_FILE's."""
    return f"{facts['server']}-{facts['server_start']}"


def oom_kills() -> int:
    """Return how many processes the kernel's OOM killer has ended on this machine since boot.

    `oom_kill` of proc(5)'s vmstat, Linux 4.13: kills for want of the machine's memory and for a control group's limit.
    """
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text("ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def write_whole(path: Path, content: str) -> None:
    """Write a file by rename, so that a reader sees all of it or none."""
    unfinished = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    unfinished.write_text(content, "utf-8")
    unfinished.rename(path)


def watch(folder: Path, owner_pid: int, owner_start: int, log_path: Path, command: list[str]) -> None:
    """Run the server until it ends, the owner is gone or a SIGTERM comes; then end whatever is left of it."""
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    lock = Lock(folder / LOCK_FILE)
    if not lock.take(EXCLUSIVE):
        return  # another watcher is at it: who started it was killed before SERVER_FILE was there
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork, where little is allowed
    with log_path.open("ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            close_fds=True,
            process_group=0,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509 one thread only
        )
    facts = {
        "watcher": os.getpid(),
        "watcher_start": process_start(os.getpid()),
        "server": server.pid,
        "server_start": process_start(server.pid),
        "started_at": time.time(),
    }
    write_whole(folder / SERVER_FILE, json.dumps(facts))
    owner_gone = False
    # The last look but one: the newest may have been taken after the kill and before the end that it caused.
    oom_before = oom_now = oom_kills()
    while server.poll() is None and not ending and not owner_gone:
        oom_before, oom_now = oom_now, oom_kills()
        time.sleep(POLL_S)
        owner_gone = process_start(owner_pid) != owner_start
    ended = {"instance": instance(facts), "returncode": server.poll(), "oom_kills": oom_kills() - oom_before}
    # A full disk, or a folder that is gone, must not keep the rest of the server alive.
    with contextlib.suppress(OSError), (folder / ENDINGS_FILE).open("a", encoding="utf-8") as endings:
        endings.write(json.dumps(ended) + "\n")
    end_group(server.pid)
    if owner_gone:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Parse the command line, step aside so that the caller has no child to wait for, and watch."""
    folder, owner_pid, owner_start, log_path, *command = sys.argv[1:]
    if os.fork():
        os._exit(0)
    watch(Path(folder), int(owner_pid), int(owner_start), Path(log_path), command)


if __name__ == "__main__":
    main()
