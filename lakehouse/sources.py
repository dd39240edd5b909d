"""Sources outside the lakehouse: folders of Parquet files in a published dataset's schema."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from lakehouse.settings import UserError
from udfs.journal import place

FOOTERS_AT_ONCE = 16


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


def value_count(location: str) -> int:
    """Return how many values the column with the most values holds: about the rows, once lists are exploded.

    Read from the files' footers; a file that cannot be read counts as empty here and is refused by `read_parquet`.
    """
    filesystem, _ = place(location)

    def values(file: pafs.FileInfo) -> int:
        try:
            with filesystem.open_input_file(file.path) as opened:
                footer = pq.read_metadata(opened)
        except (pa.ArrowInvalid, OSError):
            return 0
        groups = [footer.row_group(place) for place in range(footer.num_row_groups)]
        return sum(max((g.column(i).num_values for i in range(g.num_columns)), default=g.num_rows) for g in groups)

    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        return sum(pool.map(values, files_of(location)))


def read_parquet(spark: SparkSession, location: str, columns: dict[str, str]) -> DataFrame:
    """Return the source's rows, with the given columns in their order.

    Args:
        spark: session to read with.
        location: folder or URI.
        columns: Arrow type, as pyarrow writes it, of each column that is needed; ``*`` stands for any type, and
            ``files.path`` names a field of the structs that the column `files` lists.

    Raises:
        UserError: the folder is missing or empty, a file is not Parquet, or a column is missing or of another type.
    """
    filesystem, _ = place(location)
    paths = [each.path for each in files_of(location)]
    try:
        schema = pads.dataset(paths[:1], format="parquet", filesystem=filesystem).schema
    except (pa.ArrowInvalid, OSError) as problem:
        raise UserError(f"{paths[0]} is not a Parquet file: {str(problem).splitlines()[0]}") from None
    for name, type_ in columns.items():
        found = type_of(schema, name)
        if found is None:
            raise UserError(f"source folder {location} has no column {name!r}; it has {', '.join(schema.names)}")
        if type_ not in ("*", found):
            raise UserError(f"column {name!r} of {location} is {found}; the dataset's schema has {type_}")
    top_level = dict.fromkeys(name.partition(".")[0] for name in columns)
    reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet")
    rows = reader.parquet(location).select(*top_level)
    if rows.isEmpty():
        raise UserError(f"source folder {location} holds no row")
    return rows


def type_of(schema: pa.Schema, name: str) -> str | None:
    """Return a column's Arrow type as pyarrow writes it, or that of a field in a column of lists; None without it."""
    column, _, inner = name.partition(".")
    if column not in schema.names:
        return None
    type_ = schema.field(column).type
    if inner:
        struct = type_.value_type if pa.types.is_list(type_) else pa.null()
        if not pa.types.is_struct(struct) or struct.get_field_index(inner) < 0:
            return None
        type_ = struct.field(inner).type
    return {"large_string": "string", "string_view": "string"}.get(str(type_), str(type_))
