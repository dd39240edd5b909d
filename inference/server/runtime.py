"""The runtime folder of a server: its lock, address, log and state, named for its owner, its devices and its spec."""

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recast.inference.server.spec import SOCKET_FILE, Engine, EngineError, EngineSpec
from recast.inference.server.watch import SERVER_FILE, end_group, instance, process_start, write_whole

# sockaddr_un.sun_path is 108 bytes, one of them the closing NUL (unix(7)).
MAX_SOCKET_PATH_BYTES = 107
OWNER_FILE = "owner.json"
READY_FILE = "ready.json"
LOG_FILE = "log"
WATCHER_PATIENCE_S = 25.0


def owner() -> int:
    """Return the pid of the process an engine started here belongs to.

    In a Spark task the executor's JVM, on a driver with a session its JVM (in local mode the same), else this process.
    """
    if "pyspark" in sys.modules:
        from pyspark import SparkContext, TaskContext

        if TaskContext.get() is not None:
            return _java_ancestor() or os.getpid()
        context = SparkContext._active_spark_context
        if context is not None and context._jvm is not None:
            return int(context._jvm.java.lang.ProcessHandle.current().pid())
    return os.getpid()


def runtime_folder(spec: EngineSpec, owner_pid: int, devices: str) -> Path:
    """Return (and make, for this user alone) the folder of a server.

    Short whatever the checkout's path, because a Unix socket's path may have 107 bytes. A root where somebody else has
    made the folder before us is passed over. Raises EngineError where none is left.
    """
    identity = [owner_pid, process_start(owner_pid), _pid_namespace(), devices, asdict(spec)]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    for root in _roots():
        folder = Path(root, f"recast-{os.getuid()}", digest)
        if len(os.fsencode(folder / SOCKET_FILE)) > MAX_SOCKET_PATH_BYTES or not _private(folder.parent):
            continue
        if not folder.exists():
            _sweep(folder.parent)
        if _private(folder):
            write_whole(folder / OWNER_FILE, json.dumps(identity[:3]))
            return folder
    words = f"a path short enough for a Unix socket ({MAX_SOCKET_PATH_BYTES} bytes)"
    raise EngineError(f"no folder for an engine, of this user alone and with {words}, can be made below {_roots()}")


def read(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file of a runtime folder, None where there is no such file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content
    except FileNotFoundError:
        return None


def alive(facts: dict[str, Any]) -> bool:
    """Tell whether a server and its watcher run; `facts` are SERVER_FILE's."""
    return all(process_start(facts[who]) == facts[f"{who}_start"] != 0 for who in ("watcher", "server"))


def gone(engine: Engine) -> bool:
    """Tell whether an own server has no process any more, or another one has taken its place; no request is made."""
    if not engine.folder:
        return False
    facts = read(Path(engine.folder) / SERVER_FILE)
    return not (facts and alive(facts)) or instance(facts) != engine.instance


def clear(folder: Path) -> None:
    """End what is left of a server and remove its socket and state."""
    facts = read(folder / SERVER_FILE)
    if facts:
        if process_start(facts["watcher"]) == facts["watcher_start"]:
            os.kill(facts["watcher"], 15)
            deadline = time.monotonic() + WATCHER_PATIENCE_S
            while process_start(facts["watcher"]) == facts["watcher_start"] and time.monotonic() < deadline:
                time.sleep(0.05)
        # A server outlives a watcher that was killed only for as long as it takes to end; a part of it may hang.
        if process_start(facts["server"]) in (0, facts["server_start"]):
            end_group(facts["server"])
    for path in folder.iterdir():
        if path.is_socket() or path.name in (SERVER_FILE, READY_FILE):
            path.unlink(missing_ok=True)


def _roots() -> list[str]:
    """Return where runtime folders may lie, the first choice first."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    roots = ["/tmp", tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR", ""), cache]
    return list(dict.fromkeys(root for root in roots if os.path.isabs(root)))


def _private(folder: Path) -> bool:
    """Make a folder for this user alone; tell whether it is one. One of ours with a wider mode is narrowed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


def _sweep(parent: Path) -> None:
    """Remove the folders of owners that are gone and whose watcher could not do it (both were killed)."""
    for owner_file in parent.glob(f"*/{OWNER_FILE}"):
        try:
            if owner_file.lstat().st_uid != os.getuid():
                continue  # from when the folder was open to others
            pid, start, namespace = json.loads(owner_file.read_text("utf-8"))
            if namespace == _pid_namespace() and process_start(pid) != start:
                clear(owner_file.parent)
                shutil.rmtree(owner_file.parent, ignore_errors=True)
        except (OSError, ValueError):
            continue  # another process sweeps it, or its watcher just did


def _pid_namespace() -> str:
    """Name the pid namespace: containers that share a /tmp may well have equal pids."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _java_ancestor() -> int:
    """Return the pid of the nearest ancestor that is a JVM: a Spark worker's is its executor; 0 where there is none."""
    pid = os.getppid()
    while pid > 1:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name == "java":
                return pid
            pid = int(Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[1])
        except OSError:
            break
    return 0
