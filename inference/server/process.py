"""One model server per GPU (or CPU host), started on first use, shared by all that its application runs there.

The first caller starts it under a file lock; later tasks, Python workers and stages find it again. A server belongs to
one owner (the executor's JVM, or this process outside Spark), one set of devices and one spec: all three name its runtime
folder, so that two applications, two executors on a host or two models never share one. It is watched by
`recast.inference.server.watch` and ends with its owner. docs/engine.md tells the whole life.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import aiohttp

from recast.inference import exchange
from recast.inference.exchange import ResponseError
from recast.inference.locks import EXCLUSIVE, Lock
from recast.inference.server import devices, diagnosis, endpoint, runtime, servers
from recast.inference.server.model import context_tokens
from recast.inference.server.runtime import READY_FILE, alive, clear, gone, read
from recast.inference.server.spec import Engine, EngineError, EngineSpec, Server
from recast.inference.server.watch import SERVER_FILE, instance, process_start, write_whole

logger = logging.getLogger(__name__)

POLL_S = 0.2
PROBE_TIMEOUT_S = 10.0
# A server that lives but answers no health check for so long is taken for hung and replaced. CPU hosts answer slowly.
HEALTH_PATIENCE_S = 120.0
# A restart waits 1, 2, 4, ... s for each start within the last ten minutes, the first one excepted.
BACKOFF_MAX_S = 60.0
BACKOFF_WINDOW_S = 600.0
RESTART_TRIES = 3
# A process that ends closes its sockets a moment before it is gone.
DYING_S = 1.0

# Spark sets OMP_NUM_THREADS to a task's cpus, which would cripple a CPU engine; the others are Spark's and Prometheus' own.
DROPPED_VARIABLES = (
    "OMP_NUM_THREADS",
    "PYTHON_WORKER_FACTORY_PORT",
    "PYTHON_WORKER_FACTORY_SECRET",
    "PROMETHEUS_MULTIPROC_DIR",
)
LOCK_FILE = "lock"
ADDRESS_FILE = "address"
SERVED_FILE = "served"
FAILED_FILE = "failed.json"
STARTS_FILE = "starts.json"
ALIVE, DEAD, SILENT = "alive", "dead", "silent"


def connect(spec: EngineSpec, owner_pid: int) -> Engine:
    """Return a running server for this spec, starting or restarting one where none answers.

    Blocks while another caller starts it. `owner_pid` is the process whose end ends the server. Raises EngineError where
    no server can be had; callers that waited for a start that failed get its error.
    """
    visible = devices.visible_devices(spec)
    folder = runtime.runtime_folder(spec, owner_pid, visible)
    entered_at = time.time()
    with locked(folder / LOCK_FILE):
        failed = read(folder / FAILED_FILE)
        if failed and failed["at"] > entered_at:
            raise EngineError(failed["message"])
        facts = read(folder / SERVER_FILE)
        if facts and alive(facts):
            ready = read(folder / READY_FILE)
            if ready and _wait_healthy(Engine(**ready)):
                return Engine(**ready)
            if not ready:
                # Whoever started it was killed before it was ready: wait for it in their folder.
                return await_ready(spec, folder, visible, facts["started_at"])
            logger.warning("the engine in %s lives but does not answer: it is replaced", folder)
        # What served before deserves more than one try: its GPU may still be giving back the dead server's memory.
        tries = RESTART_TRIES if (folder / SERVED_FILE).exists() else 1
        while True:
            clear(folder)
            _back_off(folder)
            started_at = time.time()
            start(spec, folder, owner_pid, visible)
            try:
                return await_ready(spec, folder, visible, started_at)
            except EngineError as error:
                tries -= 1
                if not tries:
                    raise
                logger.warning("the engine could not be restarted, trying again: %s", str(error).splitlines()[0])


def state(engine: Engine) -> str:
    """Return how an own server is: ALIVE, DEAD (no process, or it says itself that its engine died), or SILENT.

    One that another server has replaced is dead.
    """
    if gone(engine):
        return DEAD
    status = _health(engine)
    deadline = time.monotonic() + DYING_S
    while status == 0 and time.monotonic() < deadline:
        if gone(engine):
            return DEAD
        time.sleep(POLL_S / 4)
    return {200: ALIVE, 0: SILENT}.get(status, DEAD)


def stop(engine: Engine) -> None:
    """End an own server now; an endpoint is left alone. For tests and benchmarks: a server ends with its owner."""
    if engine.folder:
        with locked(Path(engine.folder) / LOCK_FILE):
            clear(Path(engine.folder))


def starts(engine: Engine) -> int:
    """Return how many times this server was started, its deaths' restarts included; 0 for an endpoint."""
    known = read(Path(engine.folder) / STARTS_FILE) if engine.folder else None
    return int(known["count"]) if known else 0


def probe(address: str, resource: str) -> tuple[int, str]:
    """GET a resource of an own server; return its status and body, status 0 where it does not answer in time."""
    unix = address if os.path.isabs(address) else None
    try:
        url = f"http://{'localhost' if unix else address}{resource}"
        got = exchange.get(url, PROBE_TIMEOUT_S, socket=unix, proxied=False)
    except (OSError, aiohttp.ClientError, ResponseError):
        return 0, ""
    return got.status, got.text


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file. Raises EngineError where its holder is stopped."""
    with contextlib.closing(Lock(path)) as lock:
        while not lock.take(EXCLUSIVE):
            time.sleep(POLL_S)
        yield


def start(spec: EngineSpec, folder: Path, owner_pid: int, visible: str) -> None:
    """Start watcher and server in a runtime folder; returns at once."""
    owner_start = process_start(owner_pid)
    if not owner_start:
        raise EngineError(f"process {owner_pid}, to which the engine would belong, is gone")
    server = servers.named(spec.server)
    address = server.address(folder)
    write_whole(folder / ADDRESS_FILE, address)
    log = folder / runtime.LOG_FILE
    log.write_bytes(b"")
    with log.open("ab") as output:
        subprocess.run(
            [
                *(sys.executable, "-P", "-m", "recast.inference.server.watch"),
                *(str(folder), str(owner_pid), str(owner_start), str(log)),
                *command(spec, server, address),
            ],
            env=_environment(spec, server, folder, visible),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            close_fds=True,
            start_new_session=True,
            check=False,
        )


def command(spec: EngineSpec, server: Server, address: str) -> list[str]:
    """Return the server's command line, the user's own arguments at its end."""
    model = str(Path(spec.model).resolve()) if Path(spec.model).is_dir() else spec.model
    # -P, as for the watcher, keeps files of the working directory from shadowing the server's imports.
    program = spec.command or (sys.executable, "-P", "-m", server.module)
    arguments = server.arguments(spec, model, address, context_tokens(spec), devices.has_gpu())
    return [*program, *arguments, *spec.args]


def await_ready(spec: EngineSpec, folder: Path, visible: str, started_at: float) -> Engine:
    """Wait until the server answers, and write down that it does; raise EngineError where it ends or takes too long.

    `started_at` is in seconds since the epoch.
    """
    server = servers.named(spec.server)
    entered_at = time.time()  # the watcher is at work from here on; what came before may have fetched a model
    while True:
        facts = read(folder / SERVER_FILE)
        address = (folder / ADDRESS_FILE).read_text("utf-8") if (folder / ADDRESS_FILE).exists() else ""
        unix = os.path.isabs(address)
        if facts and probe(address, "/health")[0] == 200 and (unix or _serves(spec, address)):
            break
        if (facts and not alive(facts)) or (facts is None and time.time() - entered_at > PROBE_TIMEOUT_S):
            _give_up(folder, server, "the engine ended while it started")
        if time.time() - started_at > spec.start_timeout_s:
            _give_up(folder, server, f"the engine was not ready after {spec.start_timeout_s:.0f} s")
        time.sleep(POLL_S)
    engine = Engine(
        base_url=f"http://{'localhost' if unix else address}/v1",
        socket=address if unix else None,
        name=server.name,
        version=endpoint.version_in(probe(address, server.version)[1]),
        device=devices.device_name(visible),
        start_seconds=round(time.time() - started_at, 3),
        folder=str(folder),
        instance=instance(facts),
    )
    write_whole(folder / READY_FILE, json.dumps(asdict(engine)))
    (folder / SERVED_FILE).touch()
    (folder / FAILED_FILE).unlink(missing_ok=True)  # a try before this one failed: those who waited have an engine now
    return engine


def _give_up(folder: Path, server: Server, what: str) -> None:
    """End what is left of a failed start; raise EngineError with its cause, and leave it for others who wait."""
    clear(folder)
    message = diagnosis.failure(folder, server, what)
    write_whole(folder / FAILED_FILE, json.dumps({"at": time.time(), "message": message}))
    raise EngineError(message)


def _environment(spec: EngineSpec, server: Server, folder: Path, visible: str) -> dict[str, str]:
    """Return the server's environment: this process's, cleaned."""
    dropped = (*DROPPED_VARIABLES, *server.dropped)
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    package_root = str(Path(__file__).absolute().parents[3])  # a folder, or a zip that Spark sent
    # An empty entry would be the working directory.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package_root, *given)))
    environment["DO_NOT_TRACK"] = "1"
    if Path(spec.model).is_dir():
        environment["HF_HUB_OFFLINE"] = "1"
    if visible:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    if not os.access(os.path.expanduser("~"), os.W_OK):
        environment["HOME"] = str(folder)  # caches of compiled kernels go there
    return environment | server.environment(folder, devices.has_gpu())


def _serves(spec: EngineSpec, address: str) -> bool:
    """Tell whether it is a server of our model that answers on a port, which another program may have taken meanwhile."""
    return spec.served_name in (endpoint.listed_models(probe(address, "/v1/models")[1]) or ())


def _health(engine: Engine) -> int:
    """Return the status of an own server's health check, 0 where it does not answer or where that tells nothing."""
    status, _ = probe(engine.address, "/health")
    return status if status == 200 or servers.named(engine.name).health_tells_death else 0


def _wait_healthy(engine: Engine) -> bool:
    """Probe an own server until it is healthy; give up when it has ended, says it is not, or is silent for too long."""
    deadline = time.monotonic() + HEALTH_PATIENCE_S
    while time.monotonic() < deadline:
        status = _health(engine)
        if status or gone(engine):
            return status == 200
        time.sleep(POLL_S)
    return False


def _back_off(folder: Path) -> None:
    """Wait before a restart, the longer the more starts there were of late, and write this start down."""
    known = read(folder / STARTS_FILE) or {"starts": [], "count": 0}
    recent = [start for start in known["starts"] if time.time() - start < BACKOFF_WINDOW_S]
    if recent:
        time.sleep(min(2.0 ** (len(recent) - 1), BACKOFF_MAX_S))
    write_whole(folder / STARTS_FILE, json.dumps({"starts": [*recent, time.time()], "count": known["count"] + 1}))
