"""Sources outside the lakehouse: folders of Parquet files in a published dataset's schema."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, reduce
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_type

from recast.lakehouse.problems import first_line
from recast.settings import UserError
from recast.storage import place

FOOTERS_AT_ONCE = 16
LFS_POINTER = b"version https://git-lfs"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md


def files_of(location: str) -> list[pafs.FileInfo]:
    """Return the Parquet files below `location`, sorted by path.

    Raises:
        UserError: there is no such folder, or it holds no Parquet file.
    """
    require_folder(location)
    filesystem, path = place(location)
    listed = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    files = [each for each in listed if each.type == pafs.FileType.File and is_data(each.path.removeprefix(path))]
    if not files:
        raise UserError(f"source folder {location} holds no .parquet file")
    return sorted(files, key=lambda each: each.path)


def is_data(path: str) -> bool:
    """Say whether Spark would read a file: it passes over names that start with a dot or an underscore."""
    return path.endswith(".parquet") and not re.search(r"(^|/)[._]", path)


def require_folder(location: str) -> None:
    """Stop where there is no folder.

    Raises:
        UserError: there is nothing, or a file.
    """
    filesystem, path = place(location)
    found = filesystem.get_file_info(path).type
    if found == pafs.FileType.NotFound:
        raise UserError(f"source folder {location} does not exist")
    if found == pafs.FileType.File:
        raise UserError(f"{location} is a file; give the folder that holds the source's files")


def listing_version(location: str, given: str) -> str:
    """Return the source's version: the one given, else a fingerprint of its files' names, sizes and times."""
    if given:
        return given
    _, root = place(location)
    digest = hashlib.sha256()
    for each in files_of(location):
        digest.update(f"{each.path.removeprefix(root)}\0{each.size}\0{each.mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


class Footer(NamedTuple):
    """What the end of a Parquet file says: its schema, its rows, and the values of its column with the most."""

    path: str
    schema: pa.Schema
    rows: int
    values: int


def footers(location: str) -> tuple[Footer, ...]:
    """Return the footers of the Parquet files below `location`; each file is opened once in a process.

    Raises:
        UserError: as `files_of` says, or a file is no Parquet file.
    """
    return _footers(location, tuple((each.path, each.size, each.mtime_ns) for each in files_of(location)))


@lru_cache(maxsize=4)
def _footers(location: str, files: tuple[tuple[str, int, int], ...]) -> tuple[Footer, ...]:
    filesystem = place(location).filesystem
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        return tuple(pool.map(lambda file: footer(filesystem, file[0]), files))


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
            begins = opened.read_at(len(LFS_POINTER), 0)
            if begins == LFS_POINTER:
                raise UserError(f"{path} is a Git LFS pointer; fetch the file itself with: git lfs pull") from None
            why = "it is empty" if not begins else first_line(problem)
            raise UserError(f"{path} is not a Parquet file, or not all of one: {why}") from None
    groups = [said.row_group(place) for place in range(said.num_row_groups)]
    values = sum(max((g.column(i).num_values for i in range(g.num_columns)), default=g.num_rows) for g in groups)
    return Footer(path, schema, said.num_rows, values)


def value_count(location: str) -> int:
    """Return how many values the column with the most values holds: about the rows, once lists are exploded.

    Raises:
        UserError: as `footers` says.
    """
    return sum(each.values for each in footers(location))


def read_parquet(spark: SparkSession, location: str, columns: dict[str, str]) -> DataFrame:
    """Return the source's rows, with the given columns in their order.

    Args:
        spark: session to read with.
        location: folder or URI.
        columns: Arrow type, as pyarrow calls it, of each column that is needed; ``list<string>`` is one, too, and
            ``files.path`` names a field of the structs that the column `files` lists. Files may hold it as any type of
            the same meaning (`meaning`), each in its own way; a number that does not fit is null.

    Raises:
        UserError: the folder is missing or empty, a file is not Parquet, or lacks a column or has one of another type.
    """
    found, want = footers(location), wanted(columns)
    ways: dict[tuple[pa.DataType, ...], list[str]] = {}
    for each in found:
        check_columns(each, columns)
        types = (needed(meaning(each.schema.field(name).type), type_) for name, type_ in want.items())
        ways.setdefault(tuple(types), []).append(each.path)
    if not any(each.rows for each in found):
        raise UserError(f"source folder {location} holds no row")
    root = place(location).path
    reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet")

    def read(types: tuple[pa.DataType, ...], paths: list[str]) -> DataFrame:
        ddl = ", ".join(f"`{name}` {read_as(type_)}" for name, type_ in zip(want, types, strict=True))
        below = (path.removeprefix(root).lstrip("/") for path in paths)
        names = [location] if len(ways) == 1 else [f"{location.rstrip('/')}/{name}" for name in below]
        rows = reader.schema(ddl).parquet(*(re.sub(r"([][{}*?\\])", r"\\\1", name) for name in names))
        return rows.selectExpr(
            *(f"{value(f'`{name}`', type_, want[name])} AS `{name}`" for name, type_ in zip(want, types, strict=True))
        )

    return reduce(DataFrame.unionAll, (read(types, paths) for types, paths in ways.items()))


def check_columns(file: Footer, columns: dict[str, str]) -> None:
    """Hold a file's schema against the columns that are needed.

    Raises:
        UserError: a column is missing, is there twice, or has a type of another meaning.
    """
    for name, want in columns.items():
        # Spark does not tell upper from lower case.
        column = name.partition(".")[0].lower()
        if sum(each.lower() == column for each in file.schema.names) > 1:
            raise UserError(f"{file.path} has several columns {column!r}; it has {', '.join(file.schema.names)}")
        found = type_of(file.schema, name)
        if found is None:
            raise UserError(f"{file.path} has no column {name!r}; it has {', '.join(file.schema.names)}")
        if not fits(meaning(found), meaning(arrow_type(want))):
            raise UserError(f"column {name!r} of {file.path} is {found}; the dataset's schema has {want}")


def type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Return a column's type, or that of a field in a column of lists; None where there is none."""
    column, _, inner = name.partition(".")
    if column not in schema.names:
        return None
    type_ = schema.field(column).type
    if inner and not pa.types.is_null(type_):
        struct = type_.value_type if is_list(type_) else None
        if struct is None or pa.types.is_null(struct):
            return struct
        return struct.field(inner).type if pa.types.is_struct(struct) and inner in struct.names else None
    return type_


def is_list(type_: pa.DataType) -> bool:
    """Say whether a type is one of those that Parquet knows as a list."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def meaning(type_: pa.DataType) -> pa.DataType:
    """Return the one type that stands for all whose values mean the same: texts, integers, floats that Spark reads, lists."""
    if pa.types.is_dictionary(type_):
        return meaning(type_.value_type)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_integer(type_) and not pa.types.is_uint64(type_):
        return pa.int64()
    if pa.types.is_float32(type_):
        return pa.float64()
    if is_list(type_):
        return pa.list_(meaning(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, meaning(field.type)) for field in type_])
    return type_


def fits(found: pa.DataType, want: pa.DataType) -> bool:
    """Say whether values of one meaning can stand for those of another; a column that holds nothing can for all."""
    if pa.types.is_list(found) and pa.types.is_list(want):
        return fits(found.value_type, want.value_type)
    return bool(pa.types.is_null(found) or found == want or (pa.types.is_uint64(found) and want == pa.int64()))


def arrow_type(name: str) -> pa.DataType:
    """Return the type that `read_parquet` is told of."""
    return pa.list_(pa.string()) if name == "list<string>" else pa.type_for_alias(name)


def wanted(columns: dict[str, str]) -> dict[str, pa.DataType]:
    """Return the top-level columns with their types: a field of structs adds to the one that lists them."""
    tops: dict[str, pa.DataType] = {}
    for name, type_ in columns.items():
        top, _, inner = name.partition(".")
        fields = [*tops[top].value_type, pa.field(inner, arrow_type(type_))] if top in tops else None
        first = pa.list_(pa.struct([(inner, arrow_type(type_))])) if inner else arrow_type(type_)
        tops[top] = pa.list_(pa.struct(fields)) if fields else first
    return tops


def needed(found: pa.DataType, want: pa.DataType) -> pa.DataType:
    """Return a type without the fields that nobody wants, and the others in the order in which they are wanted."""
    if pa.types.is_list(found) and pa.types.is_list(want):
        return pa.list_(needed(found.value_type, want.value_type))
    if pa.types.is_struct(found) and pa.types.is_struct(want):
        return pa.struct([(field.name, needed(found.field(field.name).type, field.type)) for field in want])
    return found


def read_as(found: pa.DataType) -> str:
    """Return the type by which Spark reads a column of a meaning; Parquet calls one without values a column of integers."""
    if pa.types.is_list(found):
        return f"array<{read_as(found.value_type)}>"
    if pa.types.is_struct(found):
        return f"struct<{', '.join(f'`{field.name}`: {read_as(field.type)}' for field in found)}>"
    if pa.types.is_null(found):
        return "int"
    return "decimal(20)" if pa.types.is_uint64(found) else spark_type(found)


def value(sql: str, found: pa.DataType, want: pa.DataType) -> str:
    """Return, in SQL, what was read by a meaning as the type that is wanted."""
    if found == want:
        return sql
    if pa.types.is_list(want) and pa.types.is_struct(want.value_type) and pa.types.is_list(found):
        if pa.types.is_struct(found.value_type):
            inner = ((field.name, found.value_type.field(field.name).type, field.type) for field in want.value_type)
            fields = (f"'{name}', {value(f'each.`{name}`', type_, wants)}" for name, type_, wants in inner)
            return f"transform({sql}, each -> named_struct({', '.join(fields)}))"
        return value(sql, pa.null(), want)  # lists of nothing
    return f"try_cast({'NULL' if pa.types.is_null(found) else sql} AS {spark_type(want)})"


def spark_type(type_: pa.DataType) -> str:
    """Return a type as Spark writes it."""
    return str(from_arrow_type(type_).simpleString())
