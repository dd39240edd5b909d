"""Sources that are folders of JSON, one object a line, compressed or not (`.jsonl`, `.jsonl.gz`, `.json.zst`, ...)."""

import io
import itertools
import json
from collections.abc import Collection, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from recast.lakehouse.forms.columns import check_columns, duckdb_type, meaning, read_as, spark_columns, wanted
from recast.lakehouse.forms.files import (
    JSON_LINES,
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

LINES_LOOKED_AT = 100
MAX_LINE_BYTES = 100_000_000  # the longest string that Spark's parser of JSON takes
PACKED = (".gz", ".zst")
TAIL_BYTES = 65_536
TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list: pa.list_(pa.null()),
    dict: pa.struct([]),
}
PACKS = 4  # times smaller: about what compression does to text
BROKEN = "_broken_line"
NO_OBJECT = " has a line that is no JSON object of the source's schema: "
MAX_SHOWN_CHARS = 200
SCHEMA_HAS = "; the source's schema has string"


class Beginning(NamedTuple):
    """What the first lines of a file say: the types of their values, and how many values of a list they have a byte."""

    path: str
    schema: pa.Schema
    values_per_byte: float


def beginnings(location: str) -> tuple[Beginning, ...]:
    """Return what the first lines of each file say; each file is opened once in a process.

    Raises:
        UserError: as `files_of` says, or a file does not begin with JSON objects, one a line.
    """
    files = files_of(location, JSON_LINES)
    return _beginnings(location, tuple((each.path, each.size, each.mtime_ns) for each in files))


@lru_cache(maxsize=4)
def _beginnings(location: str, _files: tuple[tuple[str, int, int], ...]) -> tuple[Beginning, ...]:
    return of_each(files_of(location, JSON_LINES), partial(beginning, place(location).filesystem))


def beginning(filesystem: pafs.FileSystem, path: str) -> Beginning:
    """Return what the first lines of a file say.

    Raises:
        UserError: the file is empty, cut off, a Git LFS pointer, or its lines are no JSON objects.
    """
    kind, line = "a file of JSON objects, one a line", b""
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with filesystem.open_input_stream(path) as stream, io.BufferedReader(stream) as opened:
            for line in itertools.islice(iter(lambda: opened.readline(MAX_LINE_BYTES), b""), LINES_LOOKED_AT):
                size += len(line)
                if line.strip():
                    rows.append(json.loads(line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")))
                    if not isinstance(rows[-1], dict):
                        refuse(path, line, kind, f"a line is a {type(rows[-1]).__name__}")
        if not path.endswith(PACKED):
            line = last_line(filesystem, path)
            json.loads(line.decode("utf-8", "replace"))
    except (OSError, ValueError, EOFError, RecursionError, pa.ArrowException) as problem:
        refuse(path, line, kind, first_line(problem))
    if not rows:
        refuse(path, b"", kind, "")
    values = sum(max([1, *(len(value) for value in row.values() if isinstance(value, list))]) for row in rows)
    return Beginning(path, pa.schema(list(type_of_all(rows))), values / size)


def type_of_all(values: Iterable[Any]) -> pa.DataType:
    """Return the type that fits all values of a column of JSON; a union where there is none."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {dict}:
        names = dict.fromkeys(itertools.chain.from_iterable(there))
        return pa.struct([(name, type_of_all(value.get(name) for value in there)) for name in names])
    if kinds == {list}:
        return pa.list_(type_of_all(itertools.chain.from_iterable(there)))
    if kinds == {int, float}:
        return pa.float64()
    types = [TYPES[kind] for kind in sorted(kinds, key=str)] or [pa.null()]
    return types[0] if len(types) == 1 else pa.dense_union([pa.field(str(type_), type_) for type_ in types])


def last_line(filesystem: pafs.FileSystem, path: str) -> bytes:
    """Return the last line of a file that is not compressed, or, of one that ends as it should or is long, an empty list."""
    with filesystem.open_input_file(path) as opened:
        tail: bytes = opened.read_at(min(TAIL_BYTES, opened.size()), max(0, opened.size() - TAIL_BYTES))
    line = tail.rpartition(b"\n")[2].strip()
    return line if line and (b"\n" in tail or len(tail) < TAIL_BYTES) else b"[]"


def value_count(location: str) -> int:
    """Return about how many values the column with the most values holds, by the first lines and the size of each file.

    Raises:
        UserError: as `beginnings` says.
    """
    sizes = {
        each.path: each.size * (PACKS if each.path.endswith(PACKED) else 1) for each in files_of(location, JSON_LINES)
    }
    return int(sum(each.values_per_byte * sizes[each.path] for each in beginnings(location))) + 1


def schema(location: str, columns: dict[str, str] | None = None) -> pa.Schema:
    """Return the columns of the first file's first lines and, with `columns`, hold those of every file against these.

    Raises:
        UserError: as `beginnings` says; or a file lacks a column, or has one of another type.
    """
    found = beginnings(location)
    if columns is not None:
        for each in found:
            # JSON has one kind of number.
            doubles = [name for name in each.schema.names if columns.get(name) == "double"]
            whole = [pa.field(name, pa.float64()) for name in doubles if each.schema.field(name).type == pa.int64()]
            as_wanted = {field.name: field for field in (*each.schema, *whole)}
            where = f"{each.path} (its first {LINES_LOOKED_AT} lines)"
            check_columns(where, pa.schema(list(as_wanted.values())), columns)
    return found[0].schema


def names(_spark: "SparkSession", location: str) -> list[str]:
    """Return the names that the first file's first lines have."""
    return list(schema(location).names)


def read_json(spark: "SparkSession", location: str, columns: dict[str, str], _version: str = "") -> "DataFrame":
    """Return the rows of all files, as `read_files` says."""
    return read_files(spark, location, columns)


def read_files(
    spark: "SparkSession", location: str, columns: dict[str, str], only: Collection[str] | None = None
) -> "DataFrame":
    """Return the source's rows, with the given columns in their order, of the files `only` alone where these are given.

    A line that is no single JSON object in UTF-8, or holds a value of another type, ends the run with an error that shows
    it. Spark takes any value for a string, so strings are read as variants, which say what they are. And it takes the first
    object of a line for the whole and an array for its values, so each line is read as the values of a list in an object: a
    line of one value gives a list of one, and one that holds more breaks the list or leaves the object without an end.

    Raises:
        UserError: as `schema` says.
    """
    from pyspark.sql import functions as F

    schema(location, columns)
    types = {name: meaning(type_) for name, type_ in wanted(columns).items()}
    ddl = ", ".join(f"`{name}`: {as_variants(type_)}" for name, type_ in types.items())
    reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", f"*{{{','.join(JSON_LINES)}}}")
    read = F.from_json(
        F.concat(F.lit('{"line": ['), "value", F.lit('], "is_whole": true}')),
        f"line array<struct<{ddl}>>, is_whole boolean, {BROKEN} string",
        {"columnNameOfCorruptRecord": BROKEN, "allowSingleQuotes": "false"},
    )
    # Filters are not moved below `explode`; they would read every line twice.
    lines = reader.text(spark_names(location, only)).select(
        *("value", F.col("_metadata.file_path").alias("path"), F.explode(F.array(read)).alias("read"))
    )
    lines = lines.select(
        "value", "path", "read.*", F.get("read.line", F.lit(0)).alias("row"), F.size("read.line").alias("n")
    )
    is_sound = F.col("is_whole") & F.col(BROKEN).isNull() & F.is_valid_utf8("value")
    is_sound &= (F.col("n") == 0) | ((F.col("n") == 1) & F.col("row").isNotNull())  # nothing stands on an empty line
    strange = F.expr(
        f"coalesce({', '.join(no_string(f'row.`{name}`', type_, name) for name, type_ in types.items())}, NULL)"
    )
    words = F.when(
        ~F.coalesce(is_sound, F.lit(False)),
        F.concat("path", F.lit(NO_OBJECT), F.substring("value", 1, MAX_SHOWN_CHARS)),
    ).otherwise(F.concat(F.lit("column "), strange, F.lit(" in a line of "), "path", F.lit(SCHEMA_HAS)))
    rows = lines.where(F.when(words.isNull(), F.col("n") == 1).otherwise(F.raise_error(words).cast("boolean")))
    return rows.selectExpr(
        *(f"{of_variants(f'row.`{name}`', type_)} AS `{name}`" for name, type_ in types.items())
    ).selectExpr(*spark_columns(types, columns))


def as_variants(type_: pa.DataType) -> str:
    """Return the type by which Spark reads JSON of a meaning: its own, with variants in place of strings."""
    if pa.types.is_list(type_):
        return f"array<{as_variants(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return f"struct<{', '.join(f'`{field.name}`: {as_variants(field.type)}' for field in type_)}>"
    return "variant" if pa.types.is_string(type_) else read_as(type_)


def no_string(sql: str, type_: pa.DataType, name: str) -> str:
    """Return, in Spark's SQL, the first value that is read as a variant and is no string: its column and type; null for none."""
    if pa.types.is_list(type_):
        return f"get(filter(transform({sql}, each -> {no_string('each', type_.value_type, name)}), found -> found IS NOT NULL), 0)"
    if pa.types.is_struct(type_):
        fields = (no_string(f"{sql}.`{field.name}`", field.type, f"{name}.{field.name}") for field in type_)
        return f"coalesce({', '.join(fields)}, NULL)"
    if not pa.types.is_string(type_):
        return "CAST(NULL AS string)"
    found = f"nullif(nullif(schema_of_variant({sql}), 'STRING'), 'VOID')"
    return f"concat('''{name}'' is ', lower({found}))"


def of_variants(sql: str, type_: pa.DataType) -> str:
    """Return, in Spark's SQL, what was read as `as_variants` says as the type itself."""
    if pa.types.is_list(type_):
        return f"transform({sql}, each -> {of_variants('each', type_.value_type)})"
    if pa.types.is_struct(type_):
        fields = (f"'{field.name}', {of_variants(f'{sql}.`{field.name}`', field.type)}" for field in type_)
        return f"IF({sql} IS NULL, NULL, named_struct({', '.join(fields)}))"
    return f"try_variant_get({sql}, '$', 'string')" if pa.types.is_string(type_) else sql


def scan(connection: "duckdb.DuckDBPyConnection", location: str, columns: dict[str, str]) -> None:
    """Make the source's columns known to DuckDB as the view `source`; a statement over it fails at a line that Spark refuses.

    Raises:
        UserError: the files are not on this machine.
    """
    if not is_local(location):
        raise UserError(f"{location} is JSON in an object store, which is not counted before it is read")
    listed = ", ".join(duckdb_name(each.path, place(location).path) for each in files_of(location, JSON_LINES))
    types = {name: meaning(type_) for name, type_ in wanted(columns).items()}
    # DuckDB makes numbers of texts and texts of numbers, so values are read as JSON, which says what they are.
    line = ", ".join(f"{name} {as_json(type_)}" for name, type_ in types.items())
    options = f"format = 'newline_delimited', hive_partitioning = false, maximum_object_size = {MAX_LINE_BYTES}"
    relation = (
        f"read_json([{listed}], columns = {{line: 'STRUCT({line})'}}, records = false, filename = true, {options})"
    )
    is_strange = " OR ".join(("line IS NULL", *(no_value(f"line.{name}", type_) for name, type_ in types.items())))
    no_object = NO_OBJECT.replace("'", "''")
    shown = f"left(coalesce(CAST(to_json(line) AS VARCHAR), 'null'), {MAX_SHOWN_CHARS})"
    values = ", ".join(f"{of_json(f'line.{name}', type_)} AS {name}" for name, type_ in wanted(columns).items())
    connection.execute(
        f"CREATE OR REPLACE VIEW source AS SELECT {values} FROM {relation} "
        f"WHERE CASE WHEN {is_strange} THEN error(filename || '{no_object}' || {shown}) ELSE true END"
    )


def as_json(type_: pa.DataType) -> str:
    """Return the type by which DuckDB reads JSON of a type: its own, with JSON in place of single values."""
    if pa.types.is_list(type_):
        return f"{as_json(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        fields = (f"{field.name} {as_json(field.type)}" for field in type_)
        return f"STRUCT({', '.join(fields)})"
    return "JSON"


def no_value(sql: str, type_: pa.DataType) -> str:
    """Return, in DuckDB's SQL, whether what is read as JSON holds a value that Spark does not take for this type."""
    if pa.types.is_list(type_):
        return f"coalesce(len(list_filter({sql}, lambda each: {no_value('each', type_.value_type)})) > 0, false)"
    if pa.types.is_struct(type_):
        return f"({' OR '.join(no_value(f'{sql}.{field.name}', field.type) for field in type_)})"
    number = "'BIGINT', 'UBIGINT', 'DOUBLE'"
    kinds = {pa.string(): "'VARCHAR'", pa.bool_(): "'BOOLEAN'", pa.int64(): "'BIGINT', 'UBIGINT'"}
    is_other = f"json_type({sql}) NOT IN ({kinds.get(type_, number)})"
    if type_ == pa.int64():
        is_other = f"({is_other} OR TRY_CAST({sql} AS BIGINT) IS NULL)"
    return f"({sql} IS NOT NULL AND {is_other})"


def of_json(sql: str, type_: pa.DataType) -> str:
    """Return, in DuckDB's SQL, what was read as `as_json` says as the type itself; a number that does not fit is null."""
    if pa.types.is_list(type_):
        return f"list_transform({sql}, lambda each: {of_json('each', type_.value_type)})"
    if pa.types.is_struct(type_):
        fields = (f"{field.name} := {of_json(f'{sql}.{field.name}', field.type)}" for field in type_)
        return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
    return f"({sql} ->> '$')" if pa.types.is_string(type_) else f"TRY_CAST({sql} AS {duckdb_type(type_)})"


def files(location: str) -> tuple[int, int]:
    """Return how many files there are, and their bytes."""
    found = files_of(location, JSON_LINES)
    return len(found), sum(each.size for each in found)


FORM = Form(
    "JSON lines",
    partial(listing_version, endings=JSON_LINES),
    value_count,
    names,
    schema,
    read_json,
    files,
    linked_folders,
    scan,
    partial(added_files, endings=JSON_LINES),
    read_files,
)
