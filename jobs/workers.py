"""Checks, before the first stage, that the workers' Python has what tasks need, and sends Recast to the workers."""

import atexit
import re
import secrets
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark.sql import SparkSession

from recast.inference.server.servers import SERVERS
from recast.jobs.settings import Settings
from recast.lakehouse.executors import Executor, master_of
from recast.lakehouse.problems import first_line
from recast.lakehouse.session import is_this_machine
from recast.lakehouse.settings import is_local, work_path
from recast.lakehouse.stage import Stage
from recast.settings import UserError

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "recast"
LINTER = "recast.udfs.python.linter.lint"
PLACES = " in the workers' Python (spark.pyspark.python), or send an environment with --archives: docs/cluster.md"


class Found(NamedTuple):
    """What a worker's Python has.

    Attributes:
        place: the interpreter and its host.
        lake: whether it sees the lake's folder that the driver sees.
        recast: whether its Recast is the driver's, file by file.
        problems: what is wrong with a module that tasks need, by the module's name.
    """

    place: str
    lake: bool
    recast: bool
    problems: dict[str, str]


FOUND_DDL = "place string, lake boolean, recast boolean, problems map<string, string>"
"""`Found` as Spark knows it."""


def check(spark: SparkSession, settings: Settings, stages: Sequence[Stage], executors: Sequence[Executor]) -> None:
    """Make sure that the tasks of `stages` find what they import, with one small task for each of `executors`.

    Where tasks run in the driver's own Python nothing is started: it is enough to look what is installed. Elsewhere
    the check imports modules and starts the linter, as the first tasks would.

    Raises:
        UserError: workers cannot run Python, run another one than the driver, or lack a library.
    """
    needs = needed_by(spark, settings, stages)
    drivers_own = is_this_machine(master_of(spark)) and spark.sparkContext.pythonExec == sys.executable
    if drivers_own:
        found = [look(needs)]
    else:
        with marked(settings) as mark:
            found = ask(spark, needs, len(executors), mark)
            if not all(each.recast for each in found):
                send(spark)
                found = ask(spark, needs, len(executors), mark)
    for each in found:
        if not each.lake:
            raise UserError(
                f"{each.place} does not see the lake {settings.lake}: give --lake a place that every machine reads and writes"
            )
        if not each.recast:
            raise UserError(f"{each.place} has another Recast than the driver, and before that which the driver sends")
        if each.problems:
            raise UserError(words(each, needs, "" if drivers_own else PLACES))


def needed_by(spark: SparkSession, settings: Settings, stages: Sequence[Stage]) -> dict[str, list[str]]:
    """Return the modules that tasks import, each with the tables whose tasks do."""
    # Where model stages have executors of their own (docs/engine.md), these executors start only when a model stage begins.
    own_executors = spark.conf.get("spark.recast.gpu.amount", None)
    needs: dict[str, list[str]] = {}
    for stage in stages:
        served_here = stage.usage and not settings.endpoint and not own_executors
        for module in (*stage.needs, *((settings.server,) if served_here else ())):
            needs.setdefault(module, []).append(stage.name)
    return needs


def words(found: Found, needs: dict[str, list[str]], places: str) -> str:
    """Return what is missing where, for which tables, and what to do, in one line."""
    problems: dict[str, list[str]] = {}
    for module, problem in found.problems.items():
        problems.setdefault(problem, []).extend(needs[module])
    told = "; ".join(
        f"{problem} (needed for {', '.join(dict.fromkeys(tables))})" for problem, tables in problems.items()
    )
    extra = "'recast-lakehouse[gpu]'" if "vllm" in found.problems else "recast-lakehouse"
    extra += " sglang" if "sglang" in found.problems else ""
    return f"{found.place}: {told}. Do `pip install {extra}`{places}"


def look(needs: Iterable[str]) -> Found:
    """Return what is installed in this process's Python, without importing it."""
    from importlib.util import find_spec

    from recast.udfs.python.linter import lint

    problems = {}
    for module in needs:
        if find_spec(module.partition(".")[0]) is None:
            problems[module] = f"No module named '{module}'"
        if module == LINTER:
            try:
                lint.check_installed()
            except RuntimeError as problem:
                problems[module] = str(problem)
    return Found(sys.executable, True, True, problems)


@contextmanager
def marked(settings: Settings) -> Iterator[str]:
    """Leave a file in a lake that is a folder while the block runs; return its path, "" for any other lake."""
    if not is_local(settings.lake):
        yield ""
        return
    mark = Path(work_path(settings, f"seen-{secrets.token_hex(8)}"))
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)


def ask(spark: SparkSession, needs: Iterable[str], executors: int, mark: str = "") -> list[Found]:
    """Return what each executor's Python has, as `import_all` finds it there.

    `mark` is a file that all of them must see.

    Raises:
        UserError: no Python of the driver's version runs there.
    """
    context = spark.sparkContext
    tasks = spark.range(0, max(1, executors), 1, max(1, executors))  # Spark gives each executor one task in turn
    context.setJobDescription("what the workers' Python has")
    try:
        # As stages do, since Spark keeps other Python processes for RDDs: so the linter that this starts is the stages'.
        return [Found(**row.asDict()) for row in tasks.mapInArrow(task(needs, mark), FOUND_DDL).collect()]
    except Exception as problem:
        raise UserError(why_no_task_ran(problem, context.pythonExec)) from problem
    finally:
        context.setJobDescription(None)  # type: ignore[arg-type]  # which takes the description away


def why_no_task_ran(problem: Exception, python: str) -> str:
    """Return in one line why Spark could not run a Python task, from the error that it raised."""
    trace = str(problem)
    versions = re.search(r"different version: (\S+) than that in driver:? (\d+\.\d+)", trace)
    if versions:
        return (
            f"the workers run Python {versions[1]} and the driver {versions[2]}: give both the same with "
            "--conf spark.pyspark.python=PATH, and PYSPARK_DRIVER_PYTHON for the driver"
        )
    if re.search(rf'Cannot run program "{re.escape(python)}"', trace):
        return f"the workers have no {python}: name the Python that they have with --conf spark.pyspark.python=PATH"
    return f"no Python task runs on the workers: {first_line(problem)}"


def _walk() -> tuple[Callable[[Traversable, str], Iterator[tuple[str, bytes]]], Callable[[str], str]]:
    """Return `files_of` and `digest_of`, which are pickled as code and not by name: see `task`, which calls one."""

    def files_of(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every file below a package's folder, in order, but for bytecode."""
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            below = f"{path}/{file.name}"
            if file.is_dir() and file.name != "__pycache__":
                yield from files_of(file, below)
            elif file.is_file():
                yield below, file.read_bytes()

    def digest_of(package: str) -> str:
        """Return the sha256, in hex, of a package's modules."""
        import hashlib

        modules = (content for path, content in files_of(resources.files(package), package) if path.endswith(".py"))
        return hashlib.sha256(b"".join(modules)).hexdigest()

    return files_of, digest_of


files_of, digest_of = _walk()


def task(needs: Iterable[str], mark: str = "") -> "Callable[[Iterable[Any]], Iterator[pa.RecordBatch]]":
    """Return a task that imports every module and yields one batch with one `Found`.

    A function within a function is pickled as code and not by name, so it also runs where Recast is not installed.
    """
    modules, linter, engines = list(needs), LINTER, tuple(SERVERS)
    package, digest = PACKAGE, digest_of(PACKAGE)

    def import_all(batches: "Iterable[Any]") -> "Iterator[pa.RecordBatch]":
        import importlib
        import importlib.util
        import os
        import socket
        import sys
        from collections import deque

        import pyarrow as pa

        def found_here(recast: bool) -> "pa.RecordBatch":
            types = [pa.string(), pa.bool_(), pa.bool_(), pa.map_(pa.string(), pa.string())]
            values = ([place], [lake], [recast], [list(problems.items())])
            arrays = [pa.array(value, type_) for value, type_ in zip(values, types, strict=True)]
            return pa.RecordBatch.from_arrays(arrays, ["place", "lake", "recast", "problems"])

        place = f"{sys.executable} on {socket.gethostname()}"
        deque(batches, 0)  # Spark ends a process that has not read its input to the end
        problems: dict[str, str] = {}
        lake = not mark or os.path.exists(mark)
        try:
            found = digest_of(package)
        except Exception:  # no such package, or another one of that name
            found = ""
        if found != digest:
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]  # otherwise Python would not find the modules that the driver sends
            yield found_here(False)
            return
        for module in modules:
            try:
                if module not in engines:
                    importlib.import_module(module)
                elif importlib.util.find_spec(module) is None:
                    raise ModuleNotFoundError(f"No module named '{module}'")
                if module == linter:
                    importlib.import_module(module).start()
            except Exception as problem:
                problems[module] = " ".join(str(problem).split()) or type(problem).__name__
        yield found_here(True)

    return import_all


def send(spark: SparkSession) -> None:
    """Give every worker this driver's Recast, before any other that is installed there."""
    folder = tempfile.mkdtemp(prefix="recast-sent-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # executors fetch it from there as they come
    archive = Path(folder, "recast-sent.zip")
    pack(archive)
    spark.sparkContext.addPyFile(str(archive))


def pack(archive: Path) -> None:
    """Write this Recast to a zip that Python can import, wherever this one runs from."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in files_of(resources.files(PACKAGE), PACKAGE):
            packed.writestr(path, content)
