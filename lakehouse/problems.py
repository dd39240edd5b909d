"""Reduces an error of Spark, Java or py4j to one line, without their stack traces."""

import re
import sys
import traceback
from collections.abc import Iterator
from functools import cache

from recast import exits
from recast.printable import printable

# A line of a trace that names an error: Python's, or Java's as py4j and "Caused by" spell it.
_RAISED = re.compile(
    r"^(?:: |Caused by: )?(?:[\w.$]+\.)?(?P<kind>\w+(?:Error|Exception)): (?P<words>.+(?:\n  .+)*)", re.MULTILINE
)
# Spark's own errors about a file name it once, and their causes do not.
_READING = re.compile(r"Encountered error while reading (?:file )?(?P<file>\S.*?)\.(?:\s|$)")
_WRAPPERS = ("Py4JJavaError", "PythonException", "UndeclaredThrowableException", "InvocationTargetException")
LOG = "Spark's log, _work/spark.log of the lake, says more"
SMALLER = "give the driver more with --conf spark.driver.memory=8g, or set RECAST_CHUNK_ROWS lower"
_FULL = re.compile(r"ENOSPC|No space left on device|Disk quota exceeded|File too large")
_DENIED = re.compile(r"Permission denied|Operation not permitted|Read-only file system")
_FULL_SAID = "a disk is full: make room in the lake's place and in Spark's spark.local.dir"
# What machines die of, said by a trace in words of Spark's own: the first that is found is what happened.
_DEATHS = {
    re.compile(pattern): said
    for pattern, said in {
        _FULL.pattern: _FULL_SAID,
        r"Container killed by YARN for exceeding|OOMKilled|Command exited with code 137|exit (?:code|status):? 137": (
            "an executor was killed, mostly for its memory: give it more with --conf spark.executor.memoryOverhead=2g, "
            "or fewer cores"
        ),
        r"direct buffer memory|Direct buffer memory": (
            f"the JVM ran out of direct buffer memory, mostly over very long texts: {SMALLER}"
        ),
        r"OutOfMemoryError: unable to create (?:new )?native thread": (
            "the machine has no room for another thread: raise its limit of processes (ulimit -u)"
        ),
        r"java\.lang\.OutOfMemoryError|SparkOutOfMemoryError|UNABLE_TO_ACQUIRE_MEMORY|GC overhead limit": (
            f"the JVM ran out of memory: {SMALLER}"
        ),
        r"Python worker exited unexpectedly|Fatal Python error": (
            "a Python worker died over a row of this stage: it crashed, or was killed for its memory "
            "(the machine's own log says so; then use fewer cores, or set RECAST_CHUNK_ROWS lower)"
        ),
        r"Python worker failed to connect back|PYTHON_WORKER_FAILED": (
            "a Python worker did not start: is Python there on every host, of the driver's version?"
        ),
        r"ExecutorLostFailure|executor lost|Executor heartbeat timed out|worker lost|MetadataFetchFailed|FetchFailed": (
            "an executor was lost, and too often: its host is gone or it was killed, mostly for its memory"
        ),
        r"does not exist in the JVM|Answer from Java side is empty|Error while (?:sending|receiving|sending or receiving)"
        r"|trying to connect to the Java server|JavaPackage' object is not callable"
        r"|(?:stopped|shut ?down) SparkContext|SparkContext (?:was|has been) (?:stopped|shut ?down)|\[Errno (?:104|111)\]": (
            f"Spark's driver (a JVM) is gone, mostly for its memory: {SMALLER}"
        ),
    }.items()
}
_PYTHON_DEATHS = {
    re.compile(r"^(?:[\w.]+\.)?_?(?:Array)?MemoryError\b", re.MULTILINE): (
        "a Python worker ran out of memory: use fewer cores, or set RECAST_CHUNK_ROWS lower"
    )
}


def explain(problem: BaseException) -> str:
    """Return what went wrong: what ended a machine or a process, else the innermost error that a trace names.

    An error of Spark's may hide the one that came before it: with the JVM gone, whatever is tidied up fails as well.
    """
    if disk_is_full(problem):
        return f"{_FULL_SAID}. What was committed stays, and the same command goes on from there"
    if not of_spark(problem):
        return printable(str(problem).strip() or type(problem).__name__, keep="\n")
    traces = [str(each).strip() for each in chain(problem) if of_spark(each)]
    for trace in reversed(traces):
        # What Python raised says more of itself than words in it may seem to: an engine runs out of memory, too.
        deaths = _PYTHON_DEATHS if "Traceback (most recent" in trace else _DEATHS
        if said := next((said for pattern, said in deaths.items() if pattern.search(trace)), None):
            return f"{said}. {LOG}"
    for trace in traces:
        if raised := innermost(trace):
            said = f"{raised['kind']}: {raised['words']}"
            reading = _READING.search(trace)
            read = reading["file"] if reading and reading["file"] not in said else ""
            return printable(f"{read} cannot be read: {said}" if read else said, keep="\n")
    words = traces[0].partition("\n")[0]
    if not words or words.startswith("An error occurred while calling"):
        return f"Spark failed without saying why. {LOG}"
    return printable(words)


def disk_is_full(problem: BaseException) -> bool:
    """Say whether Python or delta-rs could not write a file, since a disk is full or a quota used up."""
    return of_files(problem) and _FULL.search(str(problem)) is not None


def may_not_write(problem: BaseException) -> bool:
    """Say whether Python or delta-rs could not write a file, since its place is another user's or read-only."""
    return of_files(problem) and _DENIED.search(str(problem)) is not None


def status_of(problem: BaseException) -> int:
    """Return the exit status of a command that ends with an error: the error's own, or that of a right which the user lacks."""
    if not hasattr(problem, "exit_status") and may_not_write(problem):
        return exits.USER_ERROR
    return exits.status_of(problem)


def of_files(problem: BaseException) -> bool:
    """Say whether Python or delta-rs raised an error, over a file as it may be."""
    return isinstance(problem, OSError) or type(problem).__module__.startswith(("deltalake", "_internal"))


def innermost(trace: str) -> re.Match[str] | None:
    """Return the last error that a trace names, with its `kind` and `words`; None where it names none."""
    raised = [found for found in _RAISED.finditer(trace) if found["kind"] not in _WRAPPERS]
    return raised[-1] if raised else None


def raised_in_task(problem: BaseException) -> str:
    """Return the name of the class of the error that ended a task, as Spark's trace names it; "" where it names none."""
    found = (innermost(str(each)) for each in chain(problem) if of_spark(each))
    return next((raised["kind"] for raised in found if raised), "")


def of_spark(problem: BaseException) -> bool:
    """Say whether Spark or the way to its JVM raised an error."""
    if type(problem).__module__.startswith(("pyspark", "py4j")) or "JavaPackage" in str(problem):
        return True
    frames = traceback.walk_tb(problem.__traceback__) if isinstance(problem, ConnectionError) else ()
    return any(frame.f_globals.get("__name__", "").startswith("py4j") for frame, _ in frames)


def chain(problem: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it came of or hid, the latest first."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        yield problem
        seen.add(id(problem))
        problem = problem.__cause__ or problem.__context__


def first_line(problem: BaseException) -> str:
    """Return the first line of `explain`."""
    return explain(problem).partition("\n")[0]


@cache
def warn(words: str) -> None:
    """Print a line to standard error, once in a process however often it is said."""
    print(f"recast: {printable(words)}", file=sys.stderr)
