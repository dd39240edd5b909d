"""Reduces an error of Spark, Java or py4j to one line, without their stack traces."""

import re

# A line of a trace that names an error: Python's, or Java's as py4j and "Caused by" spell it.
_RAISED = re.compile(
    r"^(?:: |Caused by: )?(?:[\w.$]+\.)?(?P<kind>\w+(?:Error|Exception)): (?P<words>.+(?:\n  .+)*)", re.MULTILINE
)
_WRAPPERS = ("Py4JJavaError", "PythonException", "UndeclaredThrowableException", "InvocationTargetException")


def explain(problem: BaseException) -> str:
    """Return what went wrong: the innermost error that a trace names."""
    words = str(problem).strip()
    if not type(problem).__module__.startswith(("pyspark", "py4j")):
        return words or type(problem).__name__
    raised = [found for found in _RAISED.finditer(words) if found["kind"] not in _WRAPPERS]
    return f"{raised[-1]['kind']}: {raised[-1]['words']}" if raised else words.partition("\n")[0]


def first_line(problem: BaseException) -> str:
    """Return the first line of `explain`."""
    return explain(problem).partition("\n")[0]
