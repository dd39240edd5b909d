"""What runs inside a helper interpreter: a supervisor, which reads no foreign text, and one child at a time, which does.

A helper prepares itself once and forks a child from what it prepared. Requests come on standard input, answers leave on
standard output, as frames of a four-byte length and so many bytes of pickle. The child works on one request after another
until it has done enough of them or its memory has grown, and then makes room for a fresh one. A request that takes too
long stops the child by a timer on its processor time; if that does not help, the supervisor kills it. Either way the next
request gets a new child, so none can harm another. When standard input ends, the helper ends.

udfs/python/linter/worker.py and udfs/child/guard_worker.py are the helpers; udfs/child/helper.py is the outside.
"""

import gc
import os
import pickle
import resource
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import IO, Any, NamedTuple

Answer = dict[str, Any]

MAX_CHILD_REQUESTS = 400
MAX_CHILD_GROWTH_BYTES = 300 * 2**20
POLL_MS = 250
AGAIN_S = 0.25  # between one OutOfTime and the next, should something swallow the first
MAX_DESCRIPTORS = 1024
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FAILED = ("timeout", "memory", "crashed", "unable")
"""Statuses of answers that ended a request: `unable` is the machine's fault, the others are the request's."""


class OutOfTime(BaseException):
    """The timer on a request's processor time went off. Not an Exception, so that what works on it lets it pass."""


class Work(NamedTuple):
    """What a helper does.

    Attributes:
        answer: works on a request, in the child; what it raises becomes a status of FAILED.
        closing: completes an answer, in the child, outside all limits; returns whether the child is used up.
        before_fork: prepares, in the supervisor, what the next child starts with.
        after: looks at an answer, in the supervisor.
    """

    answer: Callable[[bytes], Answer]
    closing: Callable[[Answer], bool] = lambda answer: False
    before_fork: Callable[[], None] = lambda: None
    after: Callable[[Answer], None] = lambda answer: None


def serve(prepare: Callable[[], tuple[Work, Any]], limits: dict[str, float]) -> None:
    """Answer requests until standard input ends. `prepare` returns the work and what the first frame out says.

    `limits` has `soft_cpu_s`, after which a child stops by itself, `hard_cpu_s` and `wall_s`, after which it is killed, and
    `memory_bytes` of address space.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    work, ready = prepare()
    supervisor = Supervisor(work, limits, requests.fileno())
    try:
        answers.write(_frame(ready))
        answers.flush()
        os.dup2(nothing, 2)
        while (request := read_frame(requests)) is not None:
            answers.write(_frame(supervisor.ask(request)))
            answers.flush()
    except (EOFError, BrokenPipeError):
        pass  # who asked is gone
    supervisor.end_child()


class Supervisor:
    """Forks children from a prepared interpreter, passes requests to them, and kills those that go too far."""

    def __init__(self, work: Work, limits: dict[str, float], requests: int) -> None:
        """Start without a child. `requests` is the descriptor whose end says that nobody waits for answers any more."""
        self.work = work
        self.limits = limits
        self.requests = requests
        self.pid = 0
        self.child: socket.socket | None = None
        self.cpu_s = 0.0  # processor time of the child when it gave its last answer

    def ask(self, request: bytes) -> Answer:
        """Answer one request. If the child dies of it, try once more in a fresh one: the fault may be an earlier request's."""
        fresh = not self.child
        answer = self._ask_child(request)
        if answer["status"] == "crashed" and not fresh:
            self.end_child()
            answer = self._ask_child(request)
        self.work.after(answer)
        self.cpu_s = answer.pop("cpu_s", 0.0)
        if answer.pop("last", True):
            self.end_child()
        return answer

    def _ask_child(self, request: bytes) -> Answer:
        try:
            child = self.child or self._fork()
        except OSError as error:  # no more processes or memory: not the request's fault, so it is no result
            return {"status": "unable", "detail": f"no process can be started: {error}", "seconds": 0.0}
        started = time.monotonic()
        try:
            child.sendall(struct.pack(">I", len(request)) + request)
            frame = self._wait(child, started)
        except OSError:
            frame = None
        if isinstance(frame, bytes):
            answer: Answer = pickle.loads(frame)
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
            return read_frame(stream)

    def _fork(self) -> socket.socket:
        self.work.before_fork()
        gc.collect()
        gc.freeze()
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            try:
                # With the supervisor's descriptors open, the process that asks would not see it die.
                os.closerange(3, theirs.fileno())
                os.closerange(theirs.fileno() + 1, MAX_DESCRIPTORS)
                _be_child(self.work, self.limits, theirs)
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


def _be_child(work: Work, limits: dict[str, float], supervisor: socket.socket) -> None:
    """Answer the supervisor; end when it is gone, or after the answer that says it is the last."""
    _limit_memory(int(limits["memory_bytes"]))
    signal.signal(signal.SIGPROF, _out_of_time)
    stream = supervisor.makefile("rb")
    start_bytes = _resident_bytes()
    done = 0
    while (request := read_frame(stream)) is not None:
        answer = _answer_in_time(work, limits["soft_cpu_s"], request)
        done += 1
        used_up = work.closing(answer) or answer["status"] in FAILED
        grown = _resident_bytes() - start_bytes > MAX_CHILD_GROWTH_BYTES
        answer["last"] = used_up or grown or done >= MAX_CHILD_REQUESTS
        answer["cpu_s"] = time.thread_time()
        supervisor.sendall(_frame(answer))
    os._exit(0)


def _answer_in_time(work: Work, soft_cpu_s: float, request: bytes) -> Answer:
    # The thread's clock, there being one: while the timer runs, the process' clock moves by whole ticks.
    started = time.thread_time()
    try:
        answer = _answer(work, soft_cpu_s, request)
    except OutOfTime:
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer = {"status": "timeout", "detail": f"{soft_cpu_s:g} s of processor time"}
    answer["seconds"] = time.thread_time() - started
    return answer


def _answer(work: Work, soft_cpu_s: float, request: bytes) -> Answer:
    """Work on a request. OutOfTime can come at any point, also while another exception is dealt with."""
    answer: Answer
    try:
        signal.setitimer(signal.ITIMER_PROF, soft_cpu_s, AGAIN_S)
        answer = work.answer(request)
    except MemoryError:
        answer = {"status": "memory", "detail": "memory limit"}
    except Exception as error:
        answer = {"status": "crashed", "detail": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return answer


def _limit_memory(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")  # if the machine runs short, this process goes first
    except OSError:
        pass  # not Linux, or not allowed


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def _frame(message: Any) -> bytes:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return struct.pack(">I", len(body)) + body


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the next frame's body, None at the end of the stream."""
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
