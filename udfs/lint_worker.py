"""The helper interpreter that lints: a supervisor, which reads no strange file, and one child at a time, which does.

udfs/lint.py starts this file as `environment/bin/python lint_worker.py FOLDER OPTIONS`, an ordinary start in a virtual
environment of the helper's own, since pylint describes the interpreter that it runs in. FOLDER holds `environment` (pylint
and what it needs), `source` (the file being linted) and `empty` (the working directory). Requests come on standard input,
answers leave on standard output, both as frames of a four-byte length and that many bytes; a request is UTF-8, an answer is
JSON. The first frame out names the versions at work. When standard input ends, the helper removes FOLDER and ends.

The supervisor keeps a warm pylint and forks a child from it. The child lints files until it has done enough of them or its
memory has grown, and then makes room for a fresh one. A file that takes too long stops the child by a timer on its
processor time; if that does not help, the supervisor kills it. Either way the next file gets a new child, so no file can
harm another.
"""

# The start of the command `pylint`, import by import: astroid lists sys.modules as it finds them, and reads the first 100.
import sys

FOLDER = sys.argv[1]
COMMAND = f"{sys.prefix}/bin/pylint"
sys.path[0] = f"{sys.prefix}/bin"  # the folder of the command, in place of this file's

import re  # noqa: E402, F401

# isort: split
from pylint import run_pylint  # noqa: E402, F401

# isort: split
import pylint.lint  # noqa: E402

# isort: split
import astroid  # noqa: E402

# isort: split
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import select  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import time  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import IO, TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from udfs.warm_pylint import Warm

Answer = dict[str, Any]  # what udfs/lint.py reads, and what passes between child and supervisor

SOURCE = f"{FOLDER}/source/tmprecast.py"
MAX_CHILD_FILES = 400
MAX_CHILD_GROWTH_BYTES = 300 * 2**20
POLL_MS = 250
AGAIN_S = 0.25  # between one OutOfTime and the next, should something swallow the first
MAX_DESCRIPTORS = 1024
COLLECT_AFTER = 100_000
"""New objects after which Python looks for garbage within a file: its own 700 made it a third of the whole time."""
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class OutOfTime(BaseException):
    """The timer on a file's processor time went off. Not an Exception, so that pylint lets it pass."""


def main() -> None:
    """Answer requests until standard input ends."""
    limits = json.loads(sys.argv[2])
    flags = limits.pop("flags")
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.chdir(f"{FOLDER}/empty")
    gc.set_threshold(COLLECT_AFTER)
    name_the_command(flags)
    try:
        supervisor = Supervisor(_load_warm_pylint().Warm(SOURCE, flags), limits, requests.fileno())
        try:
            _write_frame(answers, {"pylint": pylint.__version__, "astroid": astroid.__version__})
            os.dup2(nothing, 2)
            while (request := _read_frame(requests)) is not None:
                _write_frame(answers, supervisor.ask(request))
        except (EOFError, BrokenPipeError):
            pass  # who asked is gone
        supervisor.end_child()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    os._exit(0)  # to take a warm pylint apart would cost a tenth of a second and more


def name_the_command(flags: list[str]) -> None:
    """Say in `sys` what the command `pylint` would have been called with, for files that take `sys.argv` apart."""
    sys.argv[:] = [COMMAND, *flags, SOURCE]
    sys.orig_argv[:] = [sys.executable, *sys.argv]


def _load_warm_pylint() -> ModuleType:
    """Import udfs.warm_pylint, and leave no trace of `udfs` where astroid could find it for a file that imports it."""
    udfs = ModuleType("udfs")
    udfs.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules["udfs"] = udfs
    warm_pylint = importlib.import_module("udfs.warm_pylint")
    for name in [name for name in sys.modules if name.partition(".")[0] == "udfs"]:
        del sys.modules[name]
    return warm_pylint


class Supervisor:
    """Forks children from a warm linter, passes files to them, and kills those that go too far."""

    def __init__(self, warm: "Warm", limits: dict[str, float], requests: int) -> None:
        """Start without a child. `requests` is the descriptor whose end says that nobody waits for answers any more."""
        self.warm = warm
        self.limits = limits
        self.requests = requests
        self.pid = 0
        self.child: socket.socket | None = None
        self.cpu_s = 0.0  # processor time of the child when it gave its last answer
        self.seen: dict[str, int] = {}  # module -> children that had to parse it

    def ask(self, request: bytes) -> Answer:
        """Lint one file. If pylint or the child dies of it, try once more in a fresh one: the fault may be an earlier file's."""
        fresh = not self.child
        answer = self._ask_child(request)
        if answer["status"] == "crashed" and not fresh:
            self.end_child()
            answer = self._ask_child(request)
        for name in answer.pop("loaded", ()):
            self.seen[name] = self.seen.get(name, 0) + 1
        self.cpu_s = answer.pop("cpu_s", 0.0)
        if answer.pop("last", True):
            self.end_child()
        return answer

    def _ask_child(self, request: bytes) -> Answer:
        try:
            child = self.child or self._fork()
        except OSError as error:  # no more processes or memory: not the file's fault, so it is no result
            return {"status": "unable", "detail": f"no process can be started: {error}", "seconds": 0.0}
        started = time.monotonic()
        try:
            child.sendall(struct.pack(">I", len(request)) + request)
            frame = self._wait(child, started)
        except OSError:
            frame = None
        if isinstance(frame, bytes):
            answer: Answer = json.loads(frame)
            return answer
        seconds = _cpu_s(self.pid) - self.cpu_s
        status = self.end_child()
        if frame == "timeout":
            return {"status": "timeout", "detail": "killed", "seconds": seconds}
        if os.WIFSIGNALED(status):
            detail = signal.Signals(os.WTERMSIG(status)).name
        else:
            detail = f"exit {os.waitstatus_to_exitcode(status)}"
        return {"status": "crashed", "detail": detail, "seconds": seconds}

    def _wait(self, child: socket.socket, started: float) -> bytes | str | None:
        """Return the child's answer, "timeout" if it ran past its limits, None if it is gone."""
        poll = select.poll()
        poll.register(child, select.POLLIN)
        poll.register(self.requests, 0)  # nothing but its end
        while not (ready := poll.poll(POLL_MS)):
            wall_s = time.monotonic() - started
            if wall_s > self.limits["wall_s"] or _cpu_s(self.pid) - self.cpu_s > self.limits["hard_cpu_s"]:
                return "timeout"
        if any(fd == self.requests for fd, _ in ready):
            raise EOFError("nobody waits for the answer")
        with child.dup() as copy, copy.makefile("rb") as stream:
            return _read_frame(stream)

    def _fork(self) -> socket.socket:
        self.warm.load([name for name, count in self.seen.items() if count > 0])
        self.seen = {}
        gc.collect()
        gc.freeze()
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            try:
                # With the supervisor's descriptors open, the process that asks would not see it die.
                os.closerange(3, theirs.fileno())
                os.closerange(theirs.fileno() + 1, MAX_DESCRIPTORS)
                Child(self.warm, theirs, self.limits).run()
            finally:
                os._exit(1)
        theirs.close()
        self.child, self.cpu_s = ours, 0.0
        return ours

    def end_child(self) -> int:
        """Kill the child if there is one, and return its wait status."""
        if not self.child:
            return 0
        self.child.close()
        self.child = None
        os.kill(self.pid, signal.SIGKILL)
        return os.waitpid(self.pid, 0)[1]


class Child:
    """Lints files one after another until it is used up."""

    def __init__(self, warm: "Warm", supervisor: socket.socket, limits: dict[str, float]) -> None:
        """Lint with `warm`, for the other end of `supervisor`."""
        self.warm = warm
        self.supervisor = supervisor
        self.limits = limits

    def run(self) -> None:
        """Answer the supervisor; end when it is gone, or after the answer that says it is the last."""
        self._limit_memory()
        signal.signal(signal.SIGPROF, _out_of_time)
        stream = self.supervisor.makefile("rb")
        loaded = set(self.warm.loaded())
        start_bytes = _resident_bytes()
        done = 0
        while True:
            request = _read_frame(stream)
            if request is None:
                os._exit(0)
            answer = self._lint(request)
            done += 1
            now = set(self.warm.loaded())
            answer["loaded"] = sorted(now - loaded)
            loaded = now
            answer["last"] = (
                answer["status"] not in ("scored", "no_score")
                or done >= MAX_CHILD_FILES
                or self.warm.loaded_deep()
                or _resident_bytes() - start_bytes > MAX_CHILD_GROWTH_BYTES
            )
            answer["cpu_s"] = time.thread_time()
            self.supervisor.sendall(_frame(answer))
            # What is left is the library's trees: looked through once, not again with every file.
            gc.collect()
            gc.freeze()

    def _lint(self, source: bytes) -> Answer:
        try:
            with open(SOURCE, "wb") as file:
                file.write(source)
        except OSError as error:  # not the file's fault, so it is no result
            return {"status": "unable", "detail": str(error), "seconds": 0.0}
        # The thread's clock, there being one: while the timer below runs, the process' clock moves by whole ticks.
        started = time.thread_time()
        try:
            answer = self._check()
        except OutOfTime:
            signal.setitimer(signal.ITIMER_PROF, 0)
            answer = {"status": "timeout", "detail": f"{self.limits['soft_cpu_s']:g} s of processor time"}
        answer["seconds"] = time.thread_time() - started
        return answer

    def _check(self) -> Answer:
        """Lint the file that was written. OutOfTime can come at any point, also while another exception is dealt with."""
        answer: Answer
        try:
            signal.setitimer(signal.ITIMER_PROF, self.limits["soft_cpu_s"], AGAIN_S)
            answer = self.warm.check()
            answer["status"] = "no_score" if answer["score"] is None else "scored"
        except MemoryError:
            answer = {"status": "memory", "detail": "memory limit"}
        except Exception as error:
            answer = {"status": "crashed", "detail": f"{type(error).__name__}: {error}"[:200]}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return answer

    def _limit_memory(self) -> None:
        most = int(self.limits["memory_bytes"])
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("1000")  # if the machine runs short, this process goes first
        except OSError:
            pass  # not Linux, or not allowed


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def _frame(answer: Answer) -> bytes:
    body = json.dumps(answer).encode()
    return struct.pack(">I", len(body)) + body


def _write_frame(stream: IO[bytes], answer: Answer) -> None:
    stream.write(_frame(answer))
    stream.flush()


def _read_frame(stream: IO[bytes]) -> bytes | None:
    header = stream.read(4)
    if len(header) < 4:
        return None
    size: int = struct.unpack(">I", header)[0]
    body = stream.read(size)
    return body if len(body) == size else None


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
