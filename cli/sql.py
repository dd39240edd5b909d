"""`recast sql`: runs one query, and prints its rows or writes them to a file."""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

import duckdb

from recast.cli import output
from recast.jobs.settings import Settings
from recast.lakehouse import query, releases
from recast.lakehouse.calls import call
from recast.lakehouse.problems import first_line, warn
from recast.schemas import TABLES
from recast.settings import UserError

FORMS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json"}
"""The form of a file by the end of its name, where no form is given."""
BATCH_ROWS = 10_000


def sql(
    settings: Settings, statement: str, form: str | None, unsafe: bool = False, release: str = "", file: str = ""
) -> None:
    """Run one SQL statement over the tables and print its rows; a table that cannot be read is named beside them.

    Args:
        settings: where the lake is.
        statement: what to run.
        form: ``table``, ``json``, ``csv`` or ``parquet``, the last for a file alone; None: as usual.
        unsafe: whether the statement may do more than read the lake.
        release: a release whose published tables are read, as they were.
        file: a file to write the rows to.

    Raises:
        UserError: as `query.run_sql` says, the query fails on the rows it meets, or `file` cannot be written.
    """
    states = releases.states(settings, release) if release else {}
    lacking = [
        name for name in query.PUBLISHED if release and name not in states and query.version(settings, name) is not None
    ]
    names = [name for name in TABLES if name not in lacking]
    lake, rewritten = query.connect_for(settings, statement, *names, unsafe=unsafe, states=states)
    lake.damaged.update({name: f"release {release} has no {name}" for name in lacking})
    try:
        result = query.execute(lake, settings, rewritten, unsafe)
        for words in lake.damaged.values():
            warn(words)
        if file:
            write(result, form, file)
        elif form == "parquet":
            raise UserError("Parquet goes into a file: --output FILE")
        else:
            output.print_rows(result, form or "table")
    finally:
        lake.connection.interrupt()  # else DuckDB looks for the next rows before it closes, however long that takes


def form_of(file: str, given: str | None) -> str:
    """Return the form that a file gets: the one given, else by the end of its name.

    Raises:
        UserError: neither says one.
    """
    form = given or FORMS.get(Path(file).suffix.lower(), "")
    if form in ("", "table"):
        raise UserError(f"in what form? Give --format parquet, csv or json, or name the file ...{', ...'.join(FORMS)}")
    return form


def write(result: duckdb.DuckDBPyConnection, form: str | None, file: str) -> None:
    """Write a query's rows to a file, which is there whole or not at all. Rows pass through in batches.

    DuckDB itself may write no file while it is confined; this is done by Recast, to the one place that the user names.

    Raises:
        UserError: it cannot be written, or the query fails on the rows it meets.
    """
    form = form_of(file, form)
    draft = Path(f"{file}.{os.getpid()}.tmp")
    try:
        if form == "parquet":
            write_parquet(result, draft)
        else:
            with draft.open("w", encoding="utf-8", newline="") as lines, contextlib.redirect_stdout(lines):
                output.print_rows(result, form)
        draft.replace(file)
    except OSError as problem:
        raise UserError(f"{file} cannot be written: {first_line(problem)}") from None
    finally:
        draft.unlink(missing_ok=True)


def write_parquet(result: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Write a query's rows as Parquet.

    Raises:
        UserError: the query fails on the rows it meets.
    """
    import pyarrow.parquet  # takes longer to import than most queries take

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # DuckDB 2 would rather have the statement run again by another call
            batches = call(result, lambda: batches_of(result))
        with pyarrow.parquet.ParquetWriter(file, batches.schema, compression="zstd") as writer:
            while (batch := call(result, lambda: next(batches, None))) is not None:
                writer.write_batch(batch)
    except (duckdb.Error, pyarrow.ArrowException) as problem:
        raise UserError(first_line(problem)) from None


def batches_of(result: duckdb.DuckDBPyConnection) -> Any:
    """Return a query's rows as a reader of Arrow batches, by the name that the installed DuckDB has for it."""
    reader = getattr(result, "to_arrow_reader", None) or result.fetch_record_batch
    return reader(BATCH_ROWS)
