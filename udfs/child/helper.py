"""Starts a helper interpreter (udfs/child/supervisor.py), sends it requests, and ends it with the process that started it."""

import atexit
import os
import pickle
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import IO, Any, cast

WALL_S = 120.0
"""Time after which the supervisor kills a child that waits for something."""
ANSWER_S = WALL_S + 60.0
"""Time after which the helper interpreter itself is given up."""
START_S = 60.0
"""Time that the helper interpreter gets to start: it takes about one."""
END_S = 5.0
"""Time that the helper interpreter gets to end by itself."""
GRACE_CPU_S = 1.0
"""Processor time beyond the soft limit after which the supervisor kills the child."""


def limits(soft_cpu_s: float, memory_bytes: int) -> dict[str, float]:
    """Return the limits of a child as recast.udfs.child.supervisor.serve takes them."""
    hard_cpu_s = soft_cpu_s + GRACE_CPU_S
    return {"soft_cpu_s": soft_cpu_s, "hard_cpu_s": hard_cpu_s, "wall_s": WALL_S, "memory_bytes": memory_bytes}


class Helper:
    """A helper interpreter with the folder it works in."""

    def __init__(
        self, name: str, command: Callable[[Path], list[str]], ready: Any, environment: dict[str, str] | None = None
    ) -> None:
        """Start it. RuntimeError if it does not start, or its first words are not `ready`.

        Args:
            name: what needs it, as an error says.
            command: returns the command line, given the folder, whose `empty` is the working directory and the home.
            ready: what it says when it is.
            environment: further environment variables.
        """
        self.pid = os.getpid()
        self.asking = threading.Lock()
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="recast-helper-"))
        empty = Path(self.folder, "empty")
        empty.mkdir()
        with tempfile.TemporaryFile() as words:
            try:
                self.process = subprocess.Popen(
                    command(Path(self.folder)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    cwd=empty,
                    env={"HOME": str(empty), "PATH": os.defpath, "LANG": "C.UTF-8", **(environment or {})},
                    start_new_session=True,
                )
            except BaseException:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            found = self._read(START_S)
            if found == ready:
                return
            self.close()
            status = self.process.returncode
            told = f"found {found}" if found else f"ended with status {status}"
            if status == -signal.SIGKILL:
                told = f"did not start within {START_S:g} s"
            raise RuntimeError(f"{name} needs {ready}; its helper {told}{_last_line(words)}")

    def ask(self, request: bytes) -> dict[str, Any] | None:
        """Return the helper's answer to a request, None if the helper is lost. Threads wait for each other."""
        stdin = cast(IO[bytes], self.process.stdin)
        answer = None
        with self.asking:
            try:
                stdin.write(struct.pack(">I", len(request)) + request)
                stdin.flush()
                answer = self._read(ANSWER_S)
            except (OSError, ValueError):  # of a pipe that another thread has closed
                pass  # it is gone, which no answer says
            finally:
                if answer is None:
                    self.close()  # also where Ctrl-C comes in between: the answer on its way would be the next one's
        return answer

    def _read(self, timeout_s: float) -> Any:
        stdout = cast(IO[bytes], self.process.stdout)
        ready = select.poll()  # select() fails where more than 1,024 files are open
        ready.register(stdout, select.POLLIN)
        if not ready.poll(1000 * timeout_s):
            return None
        header = stdout.read(4)
        size = struct.unpack(">I", header)[0] if len(header) == 4 else 0
        body = stdout.read(size)
        return pickle.loads(body) if size and len(body) == size else None

    def alive(self) -> bool:
        """Say whether it can be asked by this process."""
        return self.pid == os.getpid() and self.process.poll() is None

    def close(self) -> None:
        """End it and remove its folder; for one that was inherited through a fork, let go of its pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                try:
                    pipe.close()  # the end of its standard input ends it
                except OSError:
                    pass  # what was not flushed is of no use any more
        if self.pid != os.getpid():
            self.process.returncode = 0  # not ours to wait for
            return
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


_helpers: dict[str, tuple[Any, Helper]] = {}


def of_process(name: str, kind: Any, start: Callable[[], Helper]) -> Helper:
    """Return the process's helper `name`, started on first use and again if it is lost, of another kind, or inherited."""
    held = _helpers.get(name)
    if held and not (held[1].alive() and held[0] == kind):
        close(name)
    if name not in _helpers:
        _helpers[name] = kind, start()
    return _helpers[name][1]


@atexit.register
def close(name: str = "") -> None:
    """End the process's helper `name`, or all of them."""
    for each in [name] if name else list(_helpers):
        if each in _helpers:
            _helpers.pop(each)[1].close()


def _last_line(words: IO[bytes]) -> str:
    """Return the last line of what a process said, with a colon before it: of a trace, the exception."""
    words.seek(0)
    lines = words.read().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def write_program(folder: Path, modules: tuple[str, ...]) -> str:
    """Write modules, by their dotted names, to `folder` as files side by side, and return the path of the first.

    Where Recast runs from a zip, as Spark ships Python code, there is no file to start.
    """
    folder.mkdir()
    for module in modules:
        package, _, name = module.rpartition(".")
        (folder / f"{name}.py").write_bytes(resources.files(package).joinpath(f"{name}.py").read_bytes())
    return str(folder / f"{modules[0].rpartition('.')[2]}.py")
