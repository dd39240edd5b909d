"""SQL over the tables, and what the ledger says, without a JVM: delta-rs finds the files and DuckDB reads them."""

import contextlib
import itertools
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.settings import Settings, UserError, is_default_lake, is_local
from schemas import TABLES

# For a table without statistics, which Recast's own all have.
ROWS_PER_FILE = 10_000
# What a lone statement of these kinds makes is gone with the connection: the tables are views of files.
CHANGING = ("INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "CREATE_FUNC", "DROP", "ALTER")


def table_uri(settings: Settings, name: str) -> str:
    """Return the table's place as delta-rs names it: Hadoop's ``s3a://`` is ``s3://`` everywhere else."""
    return f"{settings.lake}/{name}".replace("s3a://", "s3://", 1)


def open_table(settings: Settings, name: str) -> DeltaTable | None:
    """Return the table, or None where it is not built yet.

    Raises:
        UserError: something that is not a Delta table lies in its place, or it cannot be read.
    """
    uri = table_uri(settings, name)
    if is_local(uri):
        if Path(settings.lake).is_file():
            raise UserError(f"{settings.lake} is a file; a lake is a folder. Is --lake right?")
        if not Path(uri).exists():
            return None
        if not Path(uri).is_dir():
            raise UserError(f"{uri} is a file; a table is a folder. Is --lake right?")
    try:
        return DeltaTable(uri)
    except TableNotFoundError:
        # A log without a commit is a table that somebody is making at this moment, or was killed over.
        if is_local(uri) and any(each.name != "_delta_log" for each in Path(uri).iterdir()):
            raise UserError(f"{uri} holds files but no Delta table. Is --lake right?") from None
        return None
    except (DeltaError, OSError) as problem:
        raise UserError(f"{uri} cannot be read: {first_line(problem)}") from None


def version(settings: Settings, name: str) -> int | None:
    """Return the table's Delta version; None where it is not built yet."""
    table = open_table(settings, name)
    return None if table is None else int(table.version())


def row_count(settings: Settings, name: str) -> int:
    """Return how many rows the table has by the statistics in its log, about, where it keeps none; 0 where it is not built."""
    table = open_table(settings, name)
    return 0 if table is None else table.count() or ROWS_PER_FILE * len(table.file_uris())


def state(settings: Settings, name: str) -> str | None:
    """Return what names the table's present rows, ``3@<table id>``; None where it is not built yet.

    A table that was deleted and built again counts its versions from 0, and is another one all the same.
    """
    table = open_table(settings, name)
    return None if table is None else f"{table.version()}@{table.metadata().id}"


def connect(settings: Settings, *names: str) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """Return a DuckDB connection with the built tables among `names` and the view of their rejects, and what is built.

    Without names: every table.
    """
    connection = duckdb.connect()
    # It is off, and refuses to be set, in a notebook that lacks the widgets to draw it.
    with contextlib.suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    built = []
    for name in names or TABLES:
        table = open_table(settings, name)
        if table is not None:
            show(connection, name, table, table_uri(settings, name))
            built.append(name)
    documents = [name for name in built if TABLES[name].reasons]
    if documents:
        selects = (
            f"SELECT '{name}' AS table_name, doc_id, reason, run_id, written_at FROM {name} WHERE NOT kept"
            for name in documents
        )
        connection.execute(f"CREATE VIEW rejects AS {' UNION ALL '.join(selects)}")
        built.append("rejects")
    return connection, built


def show(connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable, folder: str) -> None:
    """Make the present rows of the table in `folder` known to DuckDB as `name`.

    Recast's tables have no deletion vectors, partitions or renamed columns, so a local table is just its files, which
    DuckDB reads by itself. Elsewhere, and for a table without rows, Arrow stands between; it takes seconds to import.
    """
    names = [uri.rpartition("/")[2] for uri in table.file_uris()]  # their folder stands there percent-encoded
    if names and is_local(folder):
        listed = ", ".join("'{}'".format(f"{folder}/{each}".replace("'", "''")) for each in names)
        # A folder above the lake may well be called `date=2026-01-01`, which is no column of ours.
        how = "union_by_name = true, hive_partitioning = false"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}], {how})")
    else:
        connection.register(name, table.to_pyarrow_dataset())


def run_sql(settings: Settings, statement: str, *names: str) -> duckdb.DuckDBPyConnection:
    """Run one SQL statement over the tables, all or those named; `column_names` and `fetchmany` of what it returns give
    its rows.

    Raises:
        UserError: no table is built, the statement is wrong or changes a table, or it names an unknown table.
    """
    connection, built = connect(settings, *names)
    if not built:
        raise nothing_built(settings)
    return execute(connection, statement, f" Tables: {', '.join(built)}")


def execute(connection: duckdb.DuckDBPyConnection, statement: str, tables: str = "") -> duckdb.DuckDBPyConnection:
    """Run one SQL statement on what `connect` returned; `tables` is said where the statement names an unknown one.

    Raises:
        UserError: the statement is wrong or empty, or changes a table.
    """
    try:
        statements = duckdb.extract_statements(statement)
        if not statements:
            raise UserError("there is no statement in the query")
        if len(statements) == 1 and statements[0].type.name in CHANGING:
            raise UserError("tables are only read here; `recast refresh` writes them")
        return connection.execute(statement)
    except duckdb.Error as problem:
        unknown = isinstance(problem, duckdb.CatalogException)
        raise UserError(first_line(problem) + (tables if unknown else "")) from None


def nothing_built(settings: Settings) -> UserError:
    """Return what to say of a lake without tables."""
    if is_default_lake(settings):
        return UserError(
            f"no recast.toml in this folder, so the lake is the default {settings.lake}, which has no table. "
            "Are you in the checkout? Or name the lake with --lake"
        )
    return UserError(f"there is no table in {settings.lake} yet; build them with: recast refresh")


def first_line(problem: Exception) -> str:
    """Return the first line of an error's words."""
    return str(problem).strip().splitlines()[0]


def column_names(result: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of a result's columns; one that is taken gets a number (``text_1``), as DuckDB's own `df` does."""
    names: list[str] = []
    for name, *_ in result.description:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        names.append(next(each for each in itertools.chain([name], numbered) if each not in names))
    return names


def dictionaries(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return a result's rows as dictionaries."""
    columns = column_names(result)
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def rows(settings: Settings, statement: str, *names: str) -> list[dict[str, Any]]:
    """Return a statement's rows as dictionaries; `names` are the tables that it reads, all by default."""
    return dictionaries(run_sql(settings, statement, *names))


def last_run(settings: Settings, name: str) -> dict[str, Any] | None:
    """Return the row of the stage's last run, or None if it never ran."""
    if open_table(settings, "runs") is None:
        return None
    found = rows(settings, f"SELECT * FROM runs WHERE table_name = '{name}' ORDER BY started_at DESC LIMIT 1", "runs")
    return found[0] if found else None
