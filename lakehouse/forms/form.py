"""A form in which a source outside the lakehouse may come, as a value: what each of them can do."""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession


class Form(NamedTuple):
    """What can be done with a source of this form. Functions take its location first, and raise UserError in one line.

    Attributes:
        name: what users call it.
        version: returns what names the source's present rows, without a JVM.
        size: returns about how many values the column with the most values holds, without a JVM.
        names: returns the names of its columns, or of those of its first file.
        schema: returns the columns of the source or of its first file, and, with `columns`, holds every file against
            these; None where only Spark knows them.
        read: returns the rows at a version as Spark has them, with the given columns in their order.
        files: returns how many files it has and their bytes, as far as known without a JVM.
        linked: returns the folders to which links in the source's folder lead.
        scan: makes the columns of a version known to DuckDB as the view `source`; None where only Spark can read them.
        added: returns the files that came since an earlier version; None where more has changed than that, or nobody knows.
        read_files: reads as `read` does, of files that `added` returned alone; None where that returns none.
    """

    name: str
    version: Callable[[str], str]
    size: Callable[[str], int]
    names: "Callable[[SparkSession, str], list[str]]"
    schema: Callable[[str, dict[str, str] | None], pa.Schema | None]
    read: "Callable[[SparkSession, str, dict[str, str], str], DataFrame]"
    files: Callable[[str], tuple[int, int] | None]
    linked: Callable[[str], Iterable[str]] = lambda _: ()
    scan: "Callable[[duckdb.DuckDBPyConnection, str, dict[str, str]], Any] | None" = None
    added: Callable[[str, str], list[str] | None] = lambda *_: None
    read_files: "Callable[[SparkSession, str, dict[str, str], Collection[str]], DataFrame] | None" = None
