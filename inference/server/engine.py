"""One model server per GPU (or CPU host), started on first use, shared by all that its application runs there.

`connect(spec)` returns a running engine: any OpenAI-compatible endpoint when the spec names one, else a vLLM server on
a Unix socket that the first caller starts under a file lock and later tasks, Python workers and stages find again.

A server belongs to one owner (the executor's JVM, or this process outside Spark), one set of devices and one spec: all
three name its runtime folder, so that two applications, two executors on a host or two models never share one. It is
watched by `recast.inference.server.watch` and ends with its owner. docs/engine.md tells the whole life.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from recast.inference import exchange
from recast.inference.exchange import Response, ResponseError
from recast.inference.locks import Wait, take
from recast.inference.redaction import redacted
from recast.inference.server.watch import ENDINGS_FILE, SERVER_FILE, end_group, instance, process_start, write_whole
from recast.inference.tokenizer import chat_template, model_folder, read_config
from recast.printable import printable
from recast.urls import endpoint_fault

logger = logging.getLogger(__name__)

# sockaddr_un.sun_path is 108 bytes, one of them the closing NUL (unix(7)).
MAX_SOCKET_PATH_BYTES = 107
POLL_S = 0.2
PROBE_TIMEOUT_S = 10.0
# A server that lives but answers no health check for so long is taken for hung and replaced. CPU hosts answer slowly.
HEALTH_PATIENCE_S = 120.0
ENDPOINT_TRIES = 3
ENDPOINT_TIMEOUT_S = 30.0
# What is read of a list of models, a version or figures: 16 kB for each of 500 models.
MAX_GET_BYTES = 8 << 20
MAX_LABEL_CHARS = 100
# A context beyond this is nobody's, and no number of tokens.
MAX_CONTEXT = 1 << 31
# A restart waits 1, 2, 4, ... s for each start within the last ten minutes, the first one excepted.
BACKOFF_MAX_S = 60.0
RESTART_TRIES = 3
BACKOFF_WINDOW_S = 600.0
LOG_LINES = 40
# A process that ends closes its sockets a moment before it is gone.
DYING_S = 1.0
# A watcher looks twice a second.
ENDING_PATIENCE_S = 5.0
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
# vLLM's own choice for the CPU's KV cache depends on the machine's whole memory, which Spark and pylint share.
CPU_KV_CACHE_GIB = 4

# Spark sets OMP_NUM_THREADS to a task's cpus, which would cripple a CPU engine; VLLM_PORT is a URI where a Kubernetes
# service is called vllm; the others would change what the server is or let it outlive its engine.
_DROPPED_VARIABLES = (
    "OMP_NUM_THREADS",
    "PYTHON_WORKER_FACTORY_PORT",
    "PYTHON_WORKER_FACTORY_SECRET",
    "PROMETHEUS_MULTIPROC_DIR",
    "VLLM_PORT",
    "VLLM_HOST_IP",
    "VLLM_API_KEY",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
)
OWNER_FILE = "owner.json"
READY_FILE = "ready.json"
SERVED_FILE = "served"
FAILED_FILE = "failed.json"
STARTS_FILE = "starts.json"
LOG_FILE = "log"
SOCKET_FILE = "s"
ALIVE, DEAD, SILENT = "alive", "dead", "silent"


class EngineError(RuntimeError):
    """The engine cannot be reached or started. The first line says why; a server's last log lines may follow."""


@dataclass(frozen=True)
class EngineSpec:
    """What answers requests.

    `model` is a model folder or hub name (with its `revision`), or the model's name at `endpoint`. `endpoint` is the
    base URL of an OpenAI-compatible server (`https://host/v1`); it is used as it is and nothing is started.
    `api_key_variable` names the environment variable that holds its key; `tokenizer` is a folder or hub name with its
    tokenizer, if at hand. `max_model_len` is the context in tokens, 0 the model's own. `args` are further arguments of
    the server and `command` replaces `python -m vllm.entrypoints.openai.api_server`.
    """

    model: str
    revision: str = ""
    endpoint: str = ""
    api_key_variable: str = ""
    tokenizer: str = ""
    max_model_len: int = 0
    tensor_parallel: int = 1
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    start_timeout_s: float = 1800.0

    @property
    def served_name(self) -> str:
        """The model's name in requests."""
        return self.model if self.endpoint else (os.path.basename(self.model.rstrip("/")) or self.model)

    @property
    def given_template(self) -> str:
        """The server's argument --chat-template, "" where the model's own serves."""
        return self._argument("--chat-template")

    @property
    def given_context(self) -> str:
        """The server's argument --max-model-len, "" where there is none."""
        return self._argument("--max-model-len")

    def _argument(self, name: str) -> str:
        """Return an argument's value as vLLM's parser takes it: the last one counts, and `_` is as good as `-`."""
        given = ""
        for place, arg in enumerate(self.args):
            option, separator, value = arg.partition("=")
            if option.replace("_", "-") == name:
                given = value if separator else "".join(self.args[place + 1 : place + 2])
        return given


@dataclass(frozen=True)
class Engine:
    """A running engine.

    `socket` is its Unix socket, None for an endpoint; `folder` its runtime folder and `instance` this very server among
    those that have lived in it, "" likewise.
    """

    base_url: str
    socket: str | None
    name: str
    version: str
    device: str
    start_seconds: float
    folder: str = ""
    instance: str = ""

    @property
    def label(self) -> str:
        """The engine as rows record it: `vllm 0.32.0 on cpu`."""
        parts = (self.name, self.version, f"on {self.device}" if self.device else "")
        return printable(" ".join(part for part in parts if part), MAX_LABEL_CHARS)


def check(spec: EngineSpec) -> None:
    """Refuse a spec that cannot work, before anything is started.

    Raises EngineError for a model folder that is not there or holds no model or chat template, for an endpoint that is no
    URL or holds a password, and for a --max-model-len that is no number. Hub names are checked when they are fetched.
    """
    if spec.endpoint:
        if fault := endpoint_fault(spec.endpoint):
            raise EngineError(fault)
        return
    if spec.given_context:
        _tokens(spec.given_context)
    folder = Path(spec.model)
    if not folder.is_dir():
        if is_folder_name(spec.model):
            raise EngineError(f"model folder {spec.model} does not exist")
        return
    if not (folder / "config.json").is_file():
        raise EngineError(f"model folder {spec.model} holds no config.json, so it is no Hugging Face model")
    try:
        read_config(folder / "config.json")
        template = spec.given_template or chat_template(folder)
    except (OSError, ValueError) as error:
        raise EngineError(str(error)) from error
    if not template:
        raise EngineError(
            f"the model in {spec.model} has no chat template, so it cannot answer chat requests: take an instruct "
            "model, or give one with --chat-template FILE among the engine's arguments"
        )


def is_folder_name(model: str) -> bool:
    """Tell whether a model's name can only be a folder: hub names are `name` or `owner/name`."""
    return model.startswith(("/", ".", "~")) or model.count("/") > 1 or not model


def context_tokens(spec: EngineSpec) -> int:
    """Return the context in tokens: the spec's, else the model's own or what the endpoint says; 0 where unknown.

    An own server's argument --max-model-len counts before `max_model_len`, for the server takes the last it is given.
    Raises EngineError where an endpoint must be asked and cannot be reached, or a number cannot be read.
    """
    if spec.given_context and not spec.endpoint:
        return _tokens(spec.given_context)
    if spec.max_model_len:
        return spec.max_model_len
    if spec.endpoint:
        listed = _get(f"{spec.endpoint.rstrip('/')}/models", spec, headers(spec))
        return (_models(listed.text) or {}).get(spec.model, 0) if listed.status == 200 else 0
    try:
        config = read_config(model_folder(spec.model, spec.revision) / "config.json")
    except ValueError as error:
        raise EngineError(str(error)) from error
    text_config = config.get("text_config") or {}
    return int(config.get("max_position_embeddings") or text_config.get("max_position_embeddings") or 0)


def _tokens(given: str) -> int:
    """Return a --max-model-len as vLLM reads it: `8192`, `8k` (thousands), `8K` (times 1,024)."""
    units = {"": 1, "k": 1000, "K": 1 << 10, "m": 10**6, "M": 1 << 20}
    number = re.fullmatch(r"(\d+|\d+\.\d+(?=[km]))([kKmM]?)", given.strip())
    tokens = int(float(number[1]) * units[number[2]]) if number else 0
    if not tokens:
        # `auto` leaves to the server what must be known here, to tell which prompts fit.
        raise EngineError(f"--max-model-len is {given!r} among the engine's arguments: give a number of tokens")
    return tokens


def connect(spec: EngineSpec, owner_pid: int = 0) -> Engine:
    """Return a running engine for this spec, starting or restarting a server where none answers.

    Blocks while another caller starts it. `owner_pid` is the process whose end ends the server; 0 finds it (`owner`).
    Raises EngineError where no engine can be had; callers that waited for a start that failed get its error.
    """
    check(spec)
    if spec.endpoint:
        return _connect_endpoint(spec)
    pid = owner_pid or owner()
    devices = visible_devices(spec)
    folder = runtime_folder(spec, pid, devices)
    entered_at = time.time()
    with _locked(folder / "lock"):
        failed = _read(folder / FAILED_FILE)
        if failed and failed["at"] > entered_at:
            raise EngineError(failed["message"])
        server = _read(folder / SERVER_FILE)
        if server and _alive(server):
            ready = _read(folder / READY_FILE)
            if ready and _wait_healthy(folder, HEALTH_PATIENCE_S):
                return Engine(**ready)
            if not ready:
                # Whoever started it was killed before it was ready: wait for it in their place.
                return _await_start(spec, folder, devices, server["started_at"])
            logger.warning("the engine in %s lives but does not answer: it is replaced", folder)
        # What served before deserves more than one try: its GPU may still be giving back the dead server's memory.
        tries = RESTART_TRIES if (folder / SERVED_FILE).exists() else 1
        while True:
            _clear(folder)
            _back_off(folder)
            started_at = time.time()
            _start(spec, folder, pid, devices)
            try:
                return _await_start(spec, folder, devices, started_at)
            except EngineError as error:
                tries -= 1
                if not tries:
                    raise
                logger.warning("the engine could not be restarted, trying again: %s", str(error).splitlines()[0])


def prewarm(spec: EngineSpec, owner_pid: int = 0) -> threading.Thread:
    """Start the engine in the background, so that a slow start overlaps with other work; return the thread.

    Meets the same server that tasks find later, so use it where tasks run on this host (`local[*]`). A failure is
    only logged: the first task meets it again, with its reason.
    """
    pid = owner_pid or owner()

    def start() -> None:
        try:
            connect(spec, pid)
        except EngineError as error:
            logger.warning("engine not prewarmed: %s", str(error).splitlines()[0])

    thread = threading.Thread(target=start, name="recast-prewarm", daemon=True)
    thread.start()
    return thread


def state(engine: Engine) -> str:
    """Return how an own server is: ALIVE, DEAD (no process, or it says itself that its engine died), or SILENT.

    One that another server has replaced is dead.
    """
    if gone(engine):
        return DEAD
    status, _ = _probe(engine.socket or "", "/health")
    deadline = time.monotonic() + DYING_S
    while status == 0 and time.monotonic() < deadline:
        if gone(engine):
            return DEAD
        time.sleep(POLL_S / 4)
    return {200: ALIVE, 0: SILENT}.get(status, DEAD)


def gone(engine: Engine) -> bool:
    """Tell whether an own server has no process any more, or another one has taken its place; cheaper than `state`."""
    if not engine.folder:
        return False
    server = _read(Path(engine.folder) / SERVER_FILE)
    return not (server and _alive(server)) or instance(server) != engine.instance


class Ending(NamedTuple):
    """How a server ended: whether somebody else's signal ended it, and in words."""

    from_outside: bool
    words: str


def ending(engine: Engine) -> Ending:
    """Return how a dead server ended, as its watcher saw it; waits up to ENDING_PATIENCE_S for the watcher to see it.

    From outside is a signal by which processes are told to end, unless the kernel's OOM killer was at work at that moment,
    for a request may take the memory that it kills for; and an end that nobody saw, since no request ends a watcher. An
    exit status is the server's own, 0 too: vLLM's API server ends with it when its engine process has died
    (github.com/vllm-project/vllm/issues/48966).
    """
    deadline = time.monotonic() + ENDING_PATIENCE_S
    while True:
        for line in _lines(Path(engine.folder) / ENDINGS_FILE):
            with contextlib.suppress(ValueError):  # cut by a full disk
                ended = json.loads(line)
                if ended["instance"] == engine.instance:
                    return _ending(ended["returncode"], ended["oom_kills"])
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if not gone(engine):
        return Ending(False, "it said itself that its engine was dead")
    return Ending(True, "its watcher ended with it")


def _ending(returncode: int | None, oom_kills: int) -> Ending:
    if returncode is None:
        return Ending(False, "it did not answer and was replaced")
    # A shell between watcher and server makes 128 and more of a signal's number.
    number = -returncode if returncode < 0 else returncode - 128
    if number in ENDING_SIGNALS and not oom_kills:
        return Ending(True, f"somebody ended it with signal {number}")
    if number in ENDING_SIGNALS:
        return Ending(False, f"signal {number}, as the kernel ran out of memory")
    return Ending(False, f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


class Load(NamedTuple):
    """A server's own figures: requests now, and tokens and prefix cache (in tokens) since it started."""

    running: int
    waiting: int
    prompt_tokens: int
    output_tokens: int
    cache_queries: int
    cache_hits: int


# What to do about the failures that are met most, by a pattern in the server's own words.
ADVICE = (
    (
        r"Free memory on device|out of memory|No available memory for the cache blocks",
        "Another process may hold the GPU's memory: end what nvidia-smi shows, or give the engine less with "
        "--gpu-memory-utilization among its arguments, or a smaller max_model_len",
    ),
    (
        r"larger than the available KV cache memory",
        "Set max_model_len, or give each engine more GPUs (tensor_parallel)",
    ),
    (r"No module named .vllm", "Install vLLM in the environment that the executors run"),
)
_METRICS = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
)


def load(engine: Engine) -> Load | None:
    """Return an own server's figures from `/metrics` (Prometheus text format), None where it does not say."""
    status, body = _probe(engine.socket or "", "/metrics")
    if status != 200:
        return None
    sums = dict.fromkeys(_METRICS, 0.0)
    try:
        for line in body.splitlines():
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            if name in sums:
                sums[name] += float(line.rsplit(" ", 1)[1])
        return Load(*(int(value) for value in sums.values()))
    except (ValueError, IndexError, OverflowError):
        return None


def stop(engine: Engine) -> None:
    """End an own server now; an endpoint is left alone. For tests and benchmarks: a server ends with its owner."""
    if engine.folder:
        with _locked(Path(engine.folder) / "lock"):
            _clear(Path(engine.folder))


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


def visible_devices(spec: EngineSpec) -> str:
    """Return the devices of this task as CUDA_VISIBLE_DEVICES has them, "" where Spark hands out none.

    Raises EngineError where the task holds fewer devices than `tensor_parallel` needs.
    """
    addresses: list[str] = []
    if "pyspark" in sys.modules:
        from pyspark import TaskContext

        context = TaskContext.get()
        if context is not None and "gpu" in context.resources():
            addresses = context.resources()["gpu"].addresses
    if addresses and len(addresses) < spec.tensor_parallel:
        raise EngineError(f"tensor_parallel is {spec.tensor_parallel}, but the task holds {len(addresses)} GPU")
    return ",".join(addresses)


def runtime_folder(spec: EngineSpec, owner_pid: int, devices: str) -> Path:
    """Return (and make, for this user alone) the folder of a server: its lock, socket, log and state.

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
                _clear(owner_file.parent)
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


# --- an own server ---------------------------------------------------------------------------------------------------


def _server_command(spec: EngineSpec, folder: Path) -> list[str]:
    """Return the server's command line."""
    model = str(Path(spec.model).resolve()) if Path(spec.model).is_dir() else spec.model
    # -P, as for the watcher, keeps files of the working directory from shadowing the server's imports.
    command = [*(spec.command or (sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server"))]
    command += ["--uds", str(folder / SOCKET_FILE), "--model", model, "--served-model-name", spec.served_name]
    if length := context_tokens(spec):
        command += ["--max-model-len", str(length)]
    command += ["--tensor-parallel-size", str(spec.tensor_parallel)]
    command += ["--enable-prompt-tokens-details", "--uvicorn-log-level", "warning"]
    # What a request does not name is neutral, not what the model's generation_config.json says (its end tokens stay).
    command += ["--generation-config", "vllm"]
    if spec.revision:
        command += ["--revision", spec.revision]
    if not has_gpu() and "--no-enforce-eager" not in spec.args:
        # Compiling costs minutes on a CPU and only pays for itself over long runs.
        command.append("--enforce-eager")
    return [*command, *spec.args]


def _server_environment(spec: EngineSpec, folder: Path, devices: str) -> dict[str, str]:
    """Return the server's environment: this process's, cleaned."""
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED_VARIABLES}
    package_root = str(Path(__file__).absolute().parents[3])  # a folder, or a zip that Spark sent
    # An empty entry would be the working directory.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package_root, *given)))
    environment["VLLM_RPC_BASE_PATH"] = str(folder)  # more Unix sockets, which a long TMPDIR would break
    environment["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    environment["VLLM_NO_USAGE_STATS"] = environment["DO_NOT_TRACK"] = "1"
    if Path(spec.model).is_dir():
        environment["HF_HUB_OFFLINE"] = "1"
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = devices
    if not has_gpu():
        environment.setdefault("VLLM_CPU_KVCACHE_SPACE", str(CPU_KV_CACHE_GIB))
    if not os.access(os.path.expanduser("~"), os.W_OK):
        environment["HOME"] = str(folder)  # caches of compiled kernels go there
    return environment


def has_gpu() -> bool:
    """Tell whether the host shows an NVIDIA or AMD GPU."""
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd")


def _start(spec: EngineSpec, folder: Path, owner_pid: int, devices: str) -> None:
    """Start watcher and server; returns at once."""
    owner_start = process_start(owner_pid)
    if not owner_start:
        raise EngineError(f"process {owner_pid}, to which the engine would belong, is gone")
    log = folder / LOG_FILE
    log.write_bytes(b"")
    with log.open("ab") as output:
        subprocess.run(
            [
                *(sys.executable, "-P", "-m", "recast.inference.server.watch"),
                *(str(folder), str(owner_pid), str(owner_start), str(log)),
                *_server_command(spec, folder),
            ],
            env=_server_environment(spec, folder, devices),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            close_fds=True,
            start_new_session=True,
            check=False,
        )


def _await_start(spec: EngineSpec, folder: Path, devices: str, started_at: float) -> Engine:
    """Wait until the server answers, and write down that it does; raise EngineError where it ends or takes too long."""
    entered_at = time.time()  # the watcher is at work from here on; what came before may have fetched a model
    while True:
        elapsed_s = time.time() - started_at
        server = _read(folder / SERVER_FILE)
        if server and _probe(str(folder / SOCKET_FILE), "/health")[0] == 200:
            break
        if (server and not _alive(server)) or (server is None and time.time() - entered_at > PROBE_TIMEOUT_S):
            _clear(folder)
            raise _failure(folder, "the engine ended while it started")
        if elapsed_s > spec.start_timeout_s:
            _clear(folder)
            raise _failure(folder, f"the engine was not ready after {spec.start_timeout_s:.0f} s")
        time.sleep(POLL_S)
    version = _version(_probe(str(folder / SOCKET_FILE), "/version")[1])
    engine = Engine(
        base_url="http://localhost/v1",
        socket=str(folder / SOCKET_FILE),
        name="vllm",
        version=version,
        device=device_name(devices),
        start_seconds=round(time.time() - started_at, 3),
        folder=str(folder),
        instance=instance(server),
    )
    write_whole(folder / READY_FILE, json.dumps(asdict(engine)))
    (folder / SERVED_FILE).touch()
    (folder / FAILED_FILE).unlink(missing_ok=True)  # a try before this one failed: those who waited have an engine now
    return engine


def _failure(folder: Path, what: str) -> EngineError:
    """Return the error of a failed start, with the cause from the server's log, and leave it for others who wait."""
    lines = [line.rstrip() for line in _log_tail(folder) if line.strip()]
    cause = _cause(lines)
    tail = "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
    advice = next((f". {words}" for pattern, words in ADVICE if re.search(pattern, cause)), "")
    message = f"{what}{f': {cause}' if cause else ''}{advice}\n  last lines of its log:\n{tail}"
    write_whole(folder / FAILED_FILE, json.dumps({"at": time.time(), "message": message}))
    return EngineError(message)


def _log_tail(folder: Path, limit_bytes: int = 1 << 16) -> list[str]:
    try:
        with (folder / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - limit_bytes))
            return log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _cause(lines: list[str]) -> str:
    """Return the first error a server's log ends with, not the one that follows from it; "" where none is seen."""
    errors = [match[0] for line in lines if (match := re.search(r"\b\w*(?:Error|Exception): .+", line))]
    errors += [match[0] for line in lines if (match := re.search(r"\berror: .+", line))]
    first_hand = [error for error in errors if "Engine core initialization failed" not in error]
    return (first_hand or errors or [""])[-1]


def _clear(folder: Path) -> None:
    """End what is left of a server and remove its socket and state."""
    server = _read(folder / SERVER_FILE)
    if server:
        if process_start(server["watcher"]) == server["watcher_start"]:
            os.kill(server["watcher"], 15)
            deadline = time.monotonic() + 25.0
            while process_start(server["watcher"]) == server["watcher_start"] and time.monotonic() < deadline:
                time.sleep(0.05)
        # A server outlives a watcher that was killed only for as long as it takes to end; a part of it may hang.
        if process_start(server["server"]) in (0, server["server_start"]):
            end_group(server["server"])
    for path in folder.iterdir():
        if path.is_socket() or path.name in (SERVER_FILE, READY_FILE):
            path.unlink(missing_ok=True)


def _back_off(folder: Path) -> None:
    """Wait before a restart, the longer the more starts there were of late, and write this start down."""
    state = _read(folder / STARTS_FILE) or {"starts": [], "count": 0}
    recent = [start for start in state["starts"] if time.time() - start < BACKOFF_WINDOW_S]
    if recent:
        time.sleep(min(2.0 ** (len(recent) - 1), BACKOFF_MAX_S))
    write_whole(folder / STARTS_FILE, json.dumps({"starts": [*recent, time.time()], "count": state["count"] + 1}))


def starts(engine: Engine) -> int:
    """Return how many times this server was started, its deaths' restarts included; 0 for an endpoint."""
    state = _read(Path(engine.folder) / STARTS_FILE) if engine.folder else None
    return int(state["count"]) if state else 0


def _alive(server: dict[str, Any]) -> bool:
    return all(process_start(server[who]) == server[f"{who}_start"] != 0 for who in ("watcher", "server"))


def _wait_healthy(folder: Path, patience_s: float) -> bool:
    """Probe an own server until it is healthy; give up when it has ended, says it is not, or is silent for too long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        status, _ = _probe(str(folder / SOCKET_FILE), "/health")
        server = _read(folder / SERVER_FILE)
        if status or not (server and _alive(server)):
            return status == 200
        time.sleep(POLL_S)
    return False


def _probe(socket_path: str, resource: str) -> tuple[int, str]:
    """GET a resource of an own server; return its status and body, status 0 where it does not answer in time."""
    try:
        got = exchange.get(f"http://localhost{resource}", MAX_GET_BYTES, PROBE_TIMEOUT_S, socket=socket_path)
    except (OSError, aiohttp.ClientError, ResponseError):
        return 0, ""
    return got.status, got.text


def device_name(devices: str) -> str:
    """Return what the engine runs on: the GPU's product name, `gpu` where that cannot be asked, else `cpu`."""
    if not has_gpu():
        return "cpu"
    chosen = ["-i", devices.split(",")[0]] if devices else []
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", *chosen]
        names = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
        return names[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "gpu"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; raise EngineError where its holder is stopped (the kernel frees it of a dead one)."""
    with path.open("a") as file:
        wait = Wait()
        while not take(file, fcntl.LOCK_EX):
            if reason := wait.in_vain(file):
                raise EngineError(reason)
            time.sleep(POLL_S)
        yield


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content
    except FileNotFoundError:
        return None


# --- somebody else's endpoint ----------------------------------------------------------------------------------------


def key(spec: EngineSpec) -> str:
    """Return the key of the spec's endpoint, "" where it has none. Raises EngineError for one that cannot be sent."""
    value = os.environ.get(spec.api_key_variable, "").strip() if spec.api_key_variable else ""
    if not (value.isascii() and value.isprintable()):
        # Who sends it would say so, too, and quote it.
        raise EngineError(f"the key in {spec.api_key_variable} holds characters that no request can carry")
    return value


def headers(spec: EngineSpec) -> dict[str, str]:
    """Return the request headers an endpoint wants: the key, if the spec names one. Raises EngineError as `key` does."""
    value = key(spec)
    return {"Authorization": f"Bearer {value}"} if value else {}


def without_key(spec: EngineSpec, text: str, in_answer: bool = False) -> str:
    """Return what an endpoint says without its key: the one place that all of it passes first."""
    return redacted(text, key(spec), in_answer)


def _connect_endpoint(spec: EngineSpec) -> Engine:
    """Return the record of an endpoint that answers and knows the model, else raise EngineError with one line."""
    base_url = spec.endpoint.rstrip("/")
    listed = _get(f"{base_url}/models", spec, headers(spec))
    if listed.status in (401, 403):
        refused = f"the key in {spec.api_key_variable}" if headers(spec) else f"a request without key {_hint(spec)}"
        raise EngineError(f"the endpoint {base_url} refused {refused}")
    # Some gateways do not list their models; one that lists them and lacks ours is a mistake worth an early word.
    if listed.status == 200:
        models = _models(listed.text)
        if models is None:
            raise EngineError(f"{base_url}/models does not answer as an OpenAI-compatible endpoint does")
        if models and spec.model not in models:
            has = ", ".join(printable(name, MAX_LABEL_CHARS) for name in list(models)[:10])
            raise EngineError(f"the endpoint {base_url} has no model {spec.model}; it has {has}")
    try:
        # Outside the base URL, which may be another's: so without the key.
        told = _get(f"{base_url.removesuffix('/v1')}/version", spec, tries=1)
        version = _version(told.text) if told.status == 200 else ""
    except EngineError:
        version = ""  # it is vLLM's own, and a gateway may do anything with it
    return Engine(base_url, None, urlsplit(base_url).netloc, version, device="", start_seconds=0.0)


def _models(body: str) -> dict[str, int] | None:
    """Return what an endpoint lists under /models with each one's context, 0 where it does not say; None for no list.

    `max_model_len` is vLLM's; other servers do not say.
    """
    try:
        listed = json.loads(body)
        entries = listed if isinstance(listed, list) else listed["data"]  # some answer the list itself
        named = [(entry["id"], entry.get("max_model_len")) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return {name: _context(value) for name, value in named if isinstance(name, str)}


def _context(value: Any) -> int:
    """Return a listed context in tokens, 0 for anything odd."""
    try:
        tokens = int(value)
    except (ValueError, TypeError, OverflowError):
        return 0
    return tokens if 0 < tokens < MAX_CONTEXT else 0


def _version(body: str) -> str:
    """Return the version that vLLM's /version tells, as a label; "" for anything else."""
    try:
        told = json.loads(body)["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return printable(told, MAX_LABEL_CHARS) if isinstance(told, str) else ""


def _hint(spec: EngineSpec) -> str:
    return f"({spec.api_key_variable} is not set)" if spec.api_key_variable else "(no variable is named for one)"


def _get(url: str, spec: EngineSpec, sent: dict[str, str] | None = None, tries: int = 0) -> Response:
    """GET a URL of an endpoint, again where it is busy; raise EngineError where nothing answers, or somewhere else."""
    reason = ""
    tries = tries or ENDPOINT_TRIES
    for attempt in range(tries):
        time.sleep(attempt)
        try:
            response = exchange.get(url, MAX_GET_BYTES, ENDPOINT_TIMEOUT_S, partial(without_key, spec), sent)
            if attempt == tries - 1 or not (response.status == 429 or response.status >= 500):
                return response
        except ResponseError as error:
            if not error.target:
                raise EngineError(f"{url} answers {error}") from None
            elsewhere = error.target.removesuffix(urlsplit(url).path.rpartition("/")[2]).rstrip("/")
            words = f"give {elsewhere} as the endpoint, if that is where requests shall go"
            raise EngineError(f"the endpoint {spec.endpoint} answers {error}: {words}") from None
        except (OSError, aiohttp.ClientError) as error:
            reason = without_key(spec, exchange.words(error, ENDPOINT_TIMEOUT_S))
    raise EngineError(f"the endpoint {spec.endpoint} cannot be reached: {reason}")
