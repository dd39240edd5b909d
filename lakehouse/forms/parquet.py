"""Sources that are folders of Parquet files, as the hub lays them out; each file may hold a column in its own way."""

from collections.abc import Collection
from functools import lru_cache, partial, reduce
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recast.lakehouse.forms.columns import (
    check_columns,
    duckdb_columns,
    is_list,
    meaning,
    needed,
    read_as,
    spark_value,
    wanted,
)
from recast.lakehouse.forms.files import (
    LFS_POINTER,
    added_files,
    duckdb_name,
    files_of,
    linked_folders,
    listing_version,
    of_each,
    refuse,
    spark_names,
)
from recast.lakehouse.forms.form import Form
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import is_local
from recast.settings import UserError
from recast.storage import place

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

UNREAD_CODECS = ("BROTLI", "LZO")  # Spark's own Parquet reader has no library for them
UNREAD_ENCODINGS = ("BYTE_STREAM_SPLIT",)


class Footer(NamedTuple):
    """What the end of a Parquet file says: its schema, its rows, the values of its column with the most, and why Spark
    cannot read a column, or a field of structs in one (`files.path`)."""

    path: str
    schema: pa.Schema
    rows: int
    values: int
    unread: dict[str, str] = {}  # noqa: RUF012 never changed


def footers(location: str) -> tuple[Footer, ...]:
    """Return the footers of the Parquet files below `location`; each file is opened once in a process.

    Raises:
        UserError: as `files_of` says, or a file is no Parquet file.
    """
    return _footers(location, tuple((each.path, each.size, each.mtime_ns) for each in files_of(location)))


@lru_cache(maxsize=4)
def _footers(location: str, _files: tuple[tuple[str, int, int], ...]) -> tuple[Footer, ...]:
    return of_each(files_of(location), partial(footer, place(location).filesystem))


def footer(filesystem: pafs.FileSystem, path: str) -> Footer:
    """Return a file's footer.

    Raises:
        UserError: the file is empty, cut off, a Git LFS pointer, or something else that is no Parquet file.
    """
    with filesystem.open_input_file(path) as opened:
        try:
            file = pq.ParquetFile(opened)
            schema, said = file.schema_arrow.remove_metadata(), file.metadata
        except (pa.ArrowException, OSError, ValueError) as problem:
            refuse(path, opened.read_at(len(LFS_POINTER), 0), "a Parquet file", first_line(problem))
    values, unread, names = 0, {}, leaves(schema)
    for group in (said.row_group(number) for number in range(said.num_row_groups)):
        chunks = [group.column(number) for number in range(group.num_columns)]
        values += max((chunk.num_values for chunk in chunks), default=group.num_rows)
        for number, chunk in enumerate(chunks):
            words = [word for word in UNREAD_ENCODINGS if word in chunk.encodings]
            if chunk.compression in UNREAD_CODECS or words:
                unread[names[number]] = words[0] if words else chunk.compression
    return Footer(path, schema, said.num_rows, values, unread)


def leaves(schema: pa.Schema) -> list[str]:
    """Return the name of each column that a file of this schema stores: `files.path` is a field of structs in a list."""

    def below(name: str, type_: pa.DataType) -> list[str]:
        if is_list(type_):
            return below(name, type_.value_type)
        if pa.types.is_map(type_):
            return [*below(f"{name}.key", type_.key_type), *below(f"{name}.value", type_.item_type)]
        if pa.types.is_struct(type_):
            return [leaf for field in type_ for leaf in below(f"{name}.{field.name}", field.type)]
        return [name]

    return [leaf for field in schema for leaf in below(field.name, field.type)]


def value_count(location: str) -> int:
    """Return how many values the column with the most values holds: about the rows, once lists are exploded.

    Raises:
        UserError: as `footers` says.
    """
    return sum(each.values for each in footers(location))


def schema(location: str, columns: dict[str, str] | None = None) -> pa.Schema:
    """Return the first file's schema and, with `columns`, hold that of every file against these.

    Raises:
        UserError: as `footers` says; there is no row; or a file lacks a column, or has it in a way that cannot be read.
    """
    found = footers(location)
    if columns is not None:
        for each in found:
            check_columns(each.path, each.schema, columns)
            for leaf, why in each.unread.items():
                if any(leaf == name or leaf.startswith(f"{name}.") for name in columns):
                    raise UserError(f"column {leaf!r} of {each.path} is stored as {why}; Spark cannot read that")
        if not any(each.rows for each in found):
            raise UserError(f"source folder {location} holds no row")
    return found[0].schema


def names(_spark: "SparkSession", location: str) -> list[str]:
    """Return the names of the columns."""
    return list(schema(location).names)


def read_parquet(spark: "SparkSession", location: str, columns: dict[str, str], _version: str = "") -> "DataFrame":
    """Return the rows of all files, as `read_files` says."""
    return read_files(spark, location, columns)


def read_files(
    spark: "SparkSession", location: str, columns: dict[str, str], only: Collection[str] | None = None
) -> "DataFrame":
    """Return the source's rows, with the given columns in their order.

    Args:
        spark: session to read with.
        location: folder or URI.
        columns: Arrow type, as pyarrow calls it, of each column that is needed; ``list<string>`` is one, too, and
            ``files.path`` names a field of the structs that the column `files` lists. Files may hold it as any type of
            the same meaning (`meaning`), each in its own way; a number that does not fit is null.
        only: paths of the files to read; None for all.

    Raises:
        UserError: the folder is missing or empty, a file is not Parquet, or lacks a column or has one of another type.
    """
    schema(location, columns)
    want = wanted(columns)
    ways: dict[tuple[pa.DataType, ...], list[str]] = {}
    read_now = footers(location) if only is None else [each for each in footers(location) if each.path in only]
    if only is not None and len(read_now) < len(only):
        raise UserError(f"files of {location} went away while it was read: refresh again")
    for each in read_now:
        types = (needed(meaning(each.schema.field(name).type), type_) for name, type_ in want.items())
        ways.setdefault(tuple(types), []).append(each.path)
    reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet")

    def read(types: tuple[pa.DataType, ...], paths: list[str]) -> "DataFrame":
        ddl = ", ".join(f"`{name}` {read_as(type_)}" for name, type_ in zip(want, types, strict=True))
        rows = reader.schema(ddl).parquet(*spark_names(location, None if len(ways) == 1 and only is None else paths))
        return rows.selectExpr(
            *(
                f"{spark_value(f'`{name}`', type_, want[name])} AS `{name}`"
                for name, type_ in zip(want, types, strict=True)
            )
        )

    return reduce(lambda first, more: first.unionAll(more), (read(types, paths) for types, paths in ways.items()))


def scan(connection: "duckdb.DuckDBPyConnection", location: str, columns: dict[str, str]) -> None:
    """Make the source's columns known to DuckDB as the view `source`: its local files, or elsewhere what pyarrow reads."""
    from pyarrow.dataset import dataset

    alike: dict[str, list[Footer]] = {}
    for each in footers(location):
        alike.setdefault(str(each.schema), []).append(each)
    selects = []
    for number, files in enumerate(alike.values()):
        paths = [each.path for each in files]
        if is_local(location):
            listed = ", ".join(duckdb_name(path, place(location).path) for path in paths)
            relation = f"read_parquet([{listed}], hive_partitioning = false)"
        else:
            relation = f"source_{number}"
            connection.register(relation, dataset(paths, files[0].schema, "parquet", place(location).filesystem))
        selects.append(f"SELECT {', '.join(duckdb_columns(files[0].schema, columns))} FROM {relation}")
    connection.execute(f"CREATE OR REPLACE VIEW source AS {' UNION ALL '.join(selects)}")


def files(location: str) -> tuple[int, int]:
    """Return how many files there are, and their bytes."""
    found = files_of(location)
    return len(found), sum(each.size for each in found)


FORM = Form(
    "Parquet files",
    listing_version,
    value_count,
    names,
    schema,
    read_parquet,
    files,
    linked_folders,
    scan,
    added_files,
    read_files,
)
