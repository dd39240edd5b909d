"""SQL over a source as it lies there, before anything of it is taken: by DuckDB, or by Spark for what DuckDB cannot open."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from recast.lakehouse import confinement, query
from recast.lakehouse.forms.form import Form
from recast.lakehouse.problems import first_line
from recast.settings import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class NotUnicodeError(UserError):
    """A text of the source is not UTF-8, which DuckDB does not read; for Spark it is that row's own trouble."""


class Dialect(NamedTuple):
    """What DuckDB and Spark call by different names.

    Attributes:
        bytes, matches: functions: the size of a text in bytes, a search by a regular expression.
        each: the function that makes a row per value of a list.
        backslash: a backslash in a string.
        some: says whether a value of a list, which is called `name`, meets a condition; false where there is no list.
    """

    bytes: str
    matches: str
    each: str
    backslash: str
    some: Callable[[str, str], str]


NOT_UNICODE = re.compile(r"not valid UTF-?8|non UTF-?8|[Ii]nvalid unicode|surrogate|byte order mark")
DUCKDB = Dialect(
    *("strlen", "regexp_matches", "unnest", "\\"),
    lambda names, condition: f"coalesce(len(list_filter({names}, lambda name: {condition})) > 0, false)",
)
SPARK = Dialect(
    *("octet_length", "regexp_like", "explode", r"\\"),
    lambda names, condition: f"coalesce(exists({names}, name -> {condition}), false)",
)


class Opened(NamedTuple):
    """A source whose columns are known as `source`: what runs a statement and returns its rows, and its dialect."""

    run: Callable[[str], list[dict[str, Any]]]
    sql: Dialect


@contextmanager
def by_duckdb(form: Form, location: str, columns: dict[str, str]) -> Iterator[Opened]:
    """Open a source for DuckDB, which reads the source's folder and nothing else.

    Raises:
        NotUnicodeError: a text is not UTF-8.
        UserError: a file cannot be read.
    """
    if form.scan is None:
        raise ValueError(f"DuckDB does not read {form.name}")
    scan = form.scan
    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as scratch:
        confinement.confine(connection, location, scratch, form.linked(location))

        def run(statement: str) -> list[dict[str, Any]]:
            try:
                scan(connection, location, columns)
                return query.dictionaries(connection.execute(statement))
            except duckdb.Error as problem:
                kind = NotUnicodeError if NOT_UNICODE.search(str(problem)) else UserError
                raise kind(f"{location} cannot be counted: {first_line(problem)}") from None

        yield Opened(run, DUCKDB)


@contextmanager
def by_spark(
    session: "AbstractContextManager[SparkSession]",
    form: Form,
    location: str,
    columns: Callable[[list[str]], dict[str, str]],
) -> Iterator[Opened]:
    """Open a source for Spark, in the application that `session` starts; `columns` says which are needed of those found.

    Raises:
        UserError: the source cannot be read.
    """
    with session as spark:
        rows = form.read(spark, location, columns(form.names(spark, location)), "")
        rows.createOrReplaceTempView("source")
        yield Opened(lambda statement: [row.asDict(recursive=True) for row in spark.sql(statement).collect()], SPARK)
