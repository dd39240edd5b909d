"""Sources outside the lakehouse, whatever their form: files, a Delta or Iceberg table, a table of a catalogue."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import pyarrow.fs as pafs

from recast.lakehouse.forms import delta, json_lines, parquet
from recast.lakehouse.forms.files import (
    JSON_LINES,
    PARQUET,
    data_files,
    require_folder,
    require_no_table_above,
)
from recast.lakehouse.forms.form import Form
from recast.settings import UserError, is_table_name
from recast.storage import place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLAIN_JSON = tuple(ending for ending in JSON_LINES if ending.startswith(".json") and not ending.startswith(".jsonl"))


def form_of(location: str) -> Form:
    """Return the form of a source, by what lies there.

    Raises:
        UserError: there is nothing that can be read, or more than one form.
    """
    if is_table_name(location):
        from recast.lakehouse.forms import catalog

        return catalog.FORM
    require_folder(location)
    filesystem, path = place(location)
    log, metadata = filesystem.get_file_info([f"{path}/_delta_log", f"{path}/metadata"])
    if log.type == pafs.FileType.Directory:
        return delta.FORM
    if metadata.type == pafs.FileType.Directory:
        inside = filesystem.get_file_info(pafs.FileSelector(metadata.path))
        if any(each.path.endswith(".metadata.json") for each in inside):
            from recast.lakehouse.forms import catalog

            return catalog.ICEBERG
    require_no_table_above(location)
    names = [each.path for each in data_files(location)]
    lines = [name for name in names if name.endswith(JSON_LINES)]
    if any(name.endswith(PARQUET) for name in names):
        # The hub lays `dataset_infos.json` and the like beside its Parquet files.
        if data := [name for name in lines if not name.endswith(PLAIN_JSON)]:
            raise UserError(f"{location} holds Parquet files and {data[0]}; give a folder of one form")
        return parquet.FORM
    if lines:
        return json_lines.FORM
    raise UserError(f"source folder {location} holds no .parquet or .jsonl file, and is no table")


def version_of(location: str, given: str) -> str:
    """Return the source's version: the one given, else what names its present rows; equal names mean equal rows.

    Raises:
        UserError: as `form_of` says, or the form has no version that can be read without a JVM.
    """
    return given or form_of(location).version(location)


def added_files(location: str, before: str) -> list[str] | None:
    """Return the files that came since `version_of` returned `before`; None where more has changed, or nobody knows.

    Raises:
        UserError: as `form_of` says.
    """
    return form_of(location).added(location, before)


def value_count(location: str) -> int:
    """Return about how many values the column with the most values holds: about the rows, once lists are exploded.

    Raises:
        UserError: as `form_of` says, or a file is broken.
    """
    return form_of(location).size(location)


def column_names(spark: "SparkSession", location: str) -> list[str]:
    """Return the names of the source's columns, those of its first file where it has several.

    Raises:
        UserError: as `form_of` says, or the source cannot be read.
    """
    return form_of(location).names(spark, location)


def read(
    spark: "SparkSession",
    location: str,
    columns: dict[str, str],
    version: str = "",
    only: Collection[str] | None = None,
) -> "DataFrame":
    """Return the source's rows at a version that `version_of` named, with the given columns in their order.

    Args:
        spark: session to read with.
        location: folder or URI, or the name of a table in the session's catalogue.
        columns: Arrow type, as pyarrow calls it, of each column that is needed; ``list<string>`` is one, too, and
            ``files.path`` names a field of the structs that the column `files` lists. A source may hold it as any type
            of the same meaning (lakehouse/forms/columns.py); a number that does not fit is null.
        version: what `version_of` returned; empty: the present one.
        only: the files to read, of those that `added_files` returns; None for all that the source has.

    Raises:
        UserError: as `form_of` says; or a file or table is broken, lacks a column or has one of another type.
    """
    form = form_of(location)
    if only is not None and form.read_files:
        return form.read_files(spark, location, columns, only)
    return form.read(spark, location, columns, version)
