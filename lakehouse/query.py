"""SQL over the tables, and what the ledger says, without a JVM: delta-rs finds the files and DuckDB reads them."""

from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lakehouse.settings import Settings, UserError, is_local
from schemas import TABLES


def table_uri(settings: Settings, name: str) -> str:
    """Return the table's place as delta-rs names it: Hadoop's ``s3a://`` is ``s3://`` everywhere else."""
    return f"{settings.lake}/{name}".replace("s3a://", "s3://", 1)


def open_table(settings: Settings, name: str) -> DeltaTable | None:
    """Return the table, or None where it is not built yet.

    Raises:
        UserError: something that is not a Delta table lies in its place.
    """
    uri = table_uri(settings, name)
    if is_local(uri):
        if not Path(uri).exists():
            return None
        if not Path(uri).is_dir():
            raise UserError(f"{uri} is a file; a table is a folder. Is --lake right?")
    try:
        return DeltaTable(uri)
    except TableNotFoundError:
        if is_local(uri) and any(Path(uri).iterdir()):
            raise UserError(f"{uri} holds files but no Delta table. Is --lake right?") from None
        return None


def version(settings: Settings, name: str) -> int | None:
    """Return the table's Delta version; None where it is not built yet."""
    table = open_table(settings, name)
    return None if table is None else int(table.version())


def connect(settings: Settings) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """Return a DuckDB connection with every built table and the `rejects` view, and the names of what is built."""
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    built = []
    for name in TABLES:
        table = open_table(settings, name)
        if table is not None:
            connection.register(name, table.to_pyarrow_dataset())
            built.append(name)
    documents = [name for name in built if TABLES[name].reasons]
    if documents:
        selects = (
            f"SELECT '{name}' AS table_name, doc_id, reason, run_id, written_at FROM {name} WHERE NOT kept" for name in documents
        )
        connection.execute(f"CREATE VIEW rejects AS {' UNION ALL '.join(selects)}")
        built.append("rejects")
    return connection, built


def run_sql(settings: Settings, statement: str) -> duckdb.DuckDBPyRelation:
    """Run one SQL statement over the tables.

    Raises:
        UserError: no table is built, the statement is wrong, or it names an unknown table.
    """
    connection, built = connect(settings)
    if not built:
        raise UserError(f"there is no table in {settings.lake} yet; build them with: recast refresh")
    try:
        relation = connection.sql(statement)
    except duckdb.CatalogException as problem:
        raise UserError(f"{first_line(problem)} Tables: {', '.join(built)}") from None
    except duckdb.Error as problem:
        raise UserError(first_line(problem)) from None
    if relation is None:
        raise UserError("that statement returns no rows; `recast sql` reads tables, it does not change them")
    return relation


def first_line(problem: Exception) -> str:
    """Return the first line of an error's words."""
    return str(problem).strip().splitlines()[0]


def rows(settings: Settings, statement: str) -> list[dict[str, Any]]:
    """Return a statement's rows as dictionaries."""
    relation = run_sql(settings, statement)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def last_run(settings: Settings, name: str) -> dict[str, Any] | None:
    """Return the row of the stage's last run, or None if it never ran."""
    if open_table(settings, "runs") is None:
        return None
    found = rows(settings, f"SELECT * FROM runs WHERE table_name = '{name}' ORDER BY started_at DESC LIMIT 1")
    return found[0] if found else None
