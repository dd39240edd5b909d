"""Lint any file with pylint, as the reference does with one process per file, in a helper interpreter that stays warm.

`lint` is the whole interface: texts in, one result per text out, in order. docs/lint.md tells how it works and why its
scores can be trusted. Nothing here or in the helper executes what it reads.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from udfs import comments, limits

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

SOFT_CPU_S = 20.0
"""Processor time of one file after which its child stops by itself. 652 real files took 3 s at most."""
GRACE_CPU_S = 1.0
"""Processor time beyond the soft limit after which the supervisor kills the child."""
WALL_S = 120.0
"""Time after which the supervisor kills a child that waits for something."""
ANSWER_S = WALL_S + 60.0
"""Time after which the helper interpreter itself is given up."""
START_S = 60.0
"""Time that the helper interpreter gets to start: it takes about one."""
END_S = 5.0
"""Time that the helper interpreter gets to end by itself."""
MAX_MEMORY_BYTES = 3 * 2**30
"""Address space of a child, the warm linter's own 0.5 GB included."""

FLAGS = ("--persistent=n", "--disable=E0401,C0114,C0301,C0103,C0116,C0411,R0903,W0511,C0412")
"""The recipe's flags, as in the reference's code."""

VERSIONS = {"pylint": "4.1.4", "astroid": "4.3.4"}
"""The linter of record. Others rate some files otherwise: pylint 3.3 one in nine, so they are refused."""

PACKAGES = ("pylint", "astroid", "dill", "isort", "mccabe", "mypy-extensions", "platformdirs", "tomlkit")
"""What `pip install pylint` brings: all that analysed imports can find besides the standard library."""

PROGRAM = ("lint_worker.py", "warm_pylint.py", "pylint_shortcuts.py")
"""What the helper interpreter runs."""

LINT_STATUSES = {
    "scored": "pylint rated the file",
    "no_score": "pylint gave no rating: no statements, skip-file, disable=all, or a file it cannot parse",
    "skipped": "there is no text",
    **limits.REASONS,
    "timeout": f"more than {SOFT_CPU_S:g} s of processor time",
    "memory": "more memory than a child may use",
    "crashed": "the child died or pylint raised, twice",
}
"""Closed list: status -> meaning."""


@dataclass(frozen=True)
class Message:
    """One message of pylint. `line` counts from 1, `column` from 0, both as pylint prints them."""

    symbol: str
    msg_id: str
    line: int
    column: int


@dataclass(frozen=True)
class Lint:
    """The result for one text.

    `score` is the "rated at" number, two decimals, None where pylint rates nothing. `pragmas` are the inline pylint
    pragmas in the order of the file. `seconds` is the processor time of the linter. `detail` says more of a failure.
    """

    status: str
    score: float | None = None
    statements: int | None = None
    fatal: int = 0
    error: int = 0
    warning: int = 0
    refactor: int = 0
    convention: int = 0
    messages: tuple[Message, ...] = ()
    pragmas: tuple[str, ...] = ()
    comment_ratio: float = 0.0
    seconds: float = 0.0
    detail: str = ""


def lint(texts: Iterable[str | None], soft_cpu_s: float = SOFT_CPU_S) -> Iterator[Lint]:
    """Yield one Lint per text, in order, as the texts come. `soft_cpu_s` is the processor time that a file may take.

    Whatever a text holds, it gets a result. What is raised is the machine's fault, and would be no result of a file:
    OSError if nothing can be written to the temporary folder or no process be started, RuntimeError if the helper interpreter
    does not start or finds another pylint than VERSIONS.
    """
    for text in texts:
        if text is None:
            yield Lint("skipped")
            continue
        beyond = limits.check(text)
        if beyond:
            yield Lint(beyond[0], detail=beyond[1])
            continue
        yield _lint(text, soft_cpu_s)


def _lint(text: str, soft_cpu_s: float) -> Lint:
    source = text.encode()
    # A helper can be lost through no fault of the file, for instance to a machine that is short of memory.
    answer = _helper(soft_cpu_s).ask(source) or _helper(soft_cpu_s).ask(source)
    ratio = comments.measure(text).comment_ratio
    if not answer:
        return Lint("crashed", comment_ratio=ratio, detail="the helper interpreter ended")
    if answer["status"] == "unable":
        close()  # its folder may be gone for good; whoever tries again gets another
        raise OSError(f"cannot lint on this machine: {answer['detail']}")
    if answer["status"] not in ("scored", "no_score"):
        return Lint(answer["status"], comment_ratio=ratio, seconds=answer["seconds"], detail=answer["detail"])
    fatal, error, warning, refactor, convention = answer["counts"]
    return Lint(
        answer["status"],
        score=answer["score"],
        statements=answer["statements"],
        fatal=fatal,
        error=error,
        warning=warning,
        refactor=refactor,
        convention=convention,
        messages=tuple(Message(*message) for message in answer["messages"]),
        pragmas=tuple(answer["pragmas"]),
        comment_ratio=ratio,
        seconds=answer["seconds"],
    )


class Helper:
    """A helper interpreter (udfs/lint_worker.py) with the folder it works in."""

    def __init__(self, soft_cpu_s: float) -> None:
        """Start it. RuntimeError if it does not start, or if the installed pylint is not the pinned one."""
        check_installed()
        self.pid = os.getpid()
        self.soft_cpu_s = soft_cpu_s
        self.folder = tempfile.mkdtemp(prefix="recast-lint-")
        with tempfile.TemporaryFile() as words:
            try:
                self.process = self._start(words)
            except BaseException:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            found = self._read(START_S)
            if found == VERSIONS:
                return
            self.close()
            status = self.process.returncode
            told = f"found {found}" if found else f"ended with status {status}"
            if status == -signal.SIGKILL:
                told = f"did not start within {START_S:g} s"
            raise RuntimeError(f"the linter needs {VERSIONS}; its helper {told}{_last_line(words)}")

    def _start(self, words: IO[bytes]) -> subprocess.Popen[bytes]:
        for name in ("packages", "source", "empty"):
            Path(self.folder, name).mkdir()
        link_packages(Path(self.folder, "packages"))
        options = {
            "flags": FLAGS,
            "soft_cpu_s": self.soft_cpu_s,
            "hard_cpu_s": self.soft_cpu_s + GRACE_CPU_S,
            "wall_s": WALL_S,
            "memory_bytes": MAX_MEMORY_BYTES,
        }
        worker = write_program(Path(self.folder, "program"))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", worker, self.folder, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            cwd=f"{self.folder}/empty",
            env={"HOME": f"{self.folder}/empty", "PATH": os.defpath, "LANG": "C.UTF-8"},
            start_new_session=True,
        )

    def ask(self, source: bytes) -> dict[str, Any] | None:
        """Return the helper's answer for one file, None if the helper is lost."""
        stdin = cast(IO[bytes], self.process.stdin)
        answer = None
        try:
            stdin.write(struct.pack(">I", len(source)) + source)
            stdin.flush()
            answer = self._read(ANSWER_S)
        except OSError:
            pass  # it is gone, which no answer says
        finally:
            if answer is None:
                self.close()  # also where Ctrl-C comes in between: the answer on its way would be taken for the next file's
        return answer

    def _read(self, timeout_s: float) -> dict[str, Any] | None:
        stdout = cast(IO[bytes], self.process.stdout)
        ready = select.poll()  # select() fails where more than 1,024 files are open
        ready.register(stdout, select.POLLIN)
        if not ready.poll(1000 * timeout_s):
            return None
        header = stdout.read(4)
        size = struct.unpack(">I", header)[0] if len(header) == 4 else 0
        body = stdout.read(size)
        return cast(dict[str, Any], json.loads(body)) if size and len(body) == size else None

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


_helpers: list[Helper] = []


def _helper(soft_cpu_s: float) -> Helper:
    """The process's helper, started on first use and again if it is lost or was inherited through a fork."""
    if _helpers and not (_helpers[0].alive() and _helpers[0].soft_cpu_s == soft_cpu_s):
        _helpers.pop().close()
    if not _helpers:
        _helpers.append(Helper(soft_cpu_s))
    return _helpers[0]


def start() -> None:
    """Start the process's helper interpreter, so that it is warm for the first file. Raises what `lint` raises."""
    _helper(SOFT_CPU_S)


@atexit.register
def close() -> None:
    """End the helper interpreter, if there is one."""
    while _helpers:
        _helpers.pop().close()


def check_installed() -> None:
    """Raise RuntimeError where this interpreter lacks a package of VERSIONS, or has another version of it."""
    for package, needed in VERSIONS.items():
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise RuntimeError(f"the linter needs {package} {needed}, and there is none") from None
        if found != needed:
            raise RuntimeError(f"the linter needs {package} {needed}, found {found}")


def _last_line(words: IO[bytes]) -> str:
    """Return the last line of what a process said, with a colon before it: of a trace, the exception."""
    words.seek(0)
    lines = words.read().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def write_program(folder: Path) -> str:
    """Write the helper's modules to `folder` and return the path of the one to start.

    Where Recast runs from a zip, as Spark ships Python code, there is no file to start.
    """
    folder.mkdir()
    for name in PROGRAM:
        (folder / name).write_bytes(resources.files("udfs").joinpath(name).read_bytes())
    return str(folder / PROGRAM[0])


def link_packages(folder: Path) -> None:
    """Fill `folder` with links to the packages of PACKAGES: put on a path, it is a fresh `pip install pylint`.

    Modules that are one file share a `__pycache__`, which pip counts among the files of each.
    """
    for package in PACKAGES:
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "/", "__pycache__"}:
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def facts() -> dict[str, Any]:
    """What changes results by intent; part of the measuring half's fingerprint."""
    return {
        "rule": 3,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **VERSIONS,
        "isort": importlib.metadata.version("isort"),
        "flags": list(FLAGS),
        **comments.VERSION,
    }


LINT_DDL = (
    "struct<status: string, score: double, statements: int, fatal: int, error: int, warning: int, refactor: int, "
    "convention: int, messages: array<struct<symbol: string, msg_id: string, line: int, column: int>>, "
    "pragmas: array<string>, comment_ratio: double, seconds: double, detail: string>"
)
"""Type of the column that add_lint adds: the fields of Lint."""


def add_lint(rows: DataFrame, text: str = "text") -> DataFrame:
    """Add the column `lint` (LINT_DDL) to `rows`, measured from the column named by `text`."""
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # exported, and missing in its stubs

    # Spark wants to see these types when the function is wrapped, and pyarrow is not imported before.
    _lint_batches.__annotations__.update(dict.fromkeys(("batches", "return"), Iterator[pa.Array]))
    # Not deterministic in the planner's sense: it must not lint twice to save a projection.
    measure = arrow_udf(_lint_batches, LINT_DDL).asNondeterministic()
    return rows.withColumn("lint", measure(text))


def _lint_batches(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    import pyarrow as pa

    message = pa.struct(
        [("symbol", pa.string()), ("msg_id", pa.string()), ("line", pa.int32()), ("column", pa.int32())]
    )
    int_fields = ("statements", "fatal", "error", "warning", "refactor", "convention")
    kind = pa.struct(
        [
            ("status", pa.string()),
            ("score", pa.float64()),
            *((name, pa.int32()) for name in int_fields),
            ("messages", pa.list_(message)),
            ("pragmas", pa.list_(pa.string())),
            ("comment_ratio", pa.float64()),
            ("seconds", pa.float64()),
            ("detail", pa.string()),
        ]
    )
    for batch in batches:
        yield pa.array(map(_as_dict, lint(batch.to_pylist())), kind)


def _as_dict(result: Lint) -> dict[str, Any]:
    return {**vars(result), "messages": [vars(message) for message in result.messages]}
