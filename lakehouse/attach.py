"""Makes the tables and views known to programs that know nothing of Recast: a DuckDB file, or statements for Spark."""

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from recast import __version__
from recast.lakehouse import confinement, ledger, query, views
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import Settings, is_local
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES
from recast.schemas.table import escaped
from recast.schemas.views import VIEWS
from recast.settings import UserError

MADE = "attached"
"""Table of the file that says what it shows: it is how a file that may be replaced is known, too."""
COLUMNS = "table_name VARCHAR, version BIGINT, table_id VARCHAR, lake VARCHAR, attached_at TIMESTAMPTZ, recast_version VARCHAR"
HEAD = "-- Written by recast attach: tables and views of a lake, for spark-sql -f and catalogues of Spark.\n"
ONCE = "-- An older Recast entered {names} as tables: where Spark says that one is no view, DROP TABLE it first.\n"


def attach(settings: Settings, file: str) -> list[str]:
    """Write views over the present files of every built table, and the views over these; return their names.

    The views name files, since DuckDB's Delta extension would have to be downloaded. So they show the tables as they are
    now, and work until a vacuum removes files that a later run has replaced. Of tombstones, which are only added, they
    show all that come, so that what is taken down later is not shown.

    Raises:
        UserError: the lake is not on a local disk, no table is built, one is damaged, or `file` is another's; or the lake
            has no tombstones yet and cannot be written.
    """
    if not is_local(settings.lake):
        raise UserError(f"{settings.lake} is in an object store; recast attach shows lakes on a local disk")
    require_own(Path(file))
    draft = Path(f"{file}.{os.getpid()}.tmp")
    try:
        with duckdb.connect(str(draft)) as connection:
            names = fill(connection, settings)
        draft.replace(file)
    except (duckdb.Error, OSError) as problem:
        raise UserError(f"{file} cannot be written: {first_line(problem)}") from None
    finally:
        draft.unlink(missing_ok=True)
    return names


def attach_spark(settings: Settings, file: str) -> list[str]:
    """Write Spark's statements that enter every built table and the views over them in a catalogue; return their names.

    A catalogue knows a Delta table by its place, so its readers see every later version as well.

    Raises:
        UserError: no table is built, one is damaged, or `file` is another's; or the lake has no tombstones yet and cannot be
            written.
    """
    path = Path(file)
    tables = built_tables(settings)
    built = {name: {field.name for field in table.schema().fields} for name, table in tables.items()}
    entered = (
        f"CREATE TABLE IF NOT EXISTS {query.stored(name)} USING delta LOCATION '{escaped(f'{settings.lake}/{name}')}'"
        for name in built
    )
    published = [name for name in query.PUBLISHED if name in built]
    texts = {name: query.without_taken_down(name, name, built[name], views.SPARK) for name in published}
    texts |= views.texts(VIEWS, built, views.SPARK)
    made = (f"CREATE OR REPLACE VIEW {name} AS\n{text}" for name, text in texts.items())
    head = HEAD + ONCE.format(names=" and ".join(published)) if published else HEAD
    try:
        if path.exists() and not path.read_text("utf-8", "replace").startswith(HEAD):
            raise UserError(f"{file} is there and was not made by recast attach; give another name")
        path.write_text("".join([head, *(f"{statement};\n" for statement in (*entered, *made))]), "utf-8")
    except OSError as problem:
        raise UserError(f"{file} cannot be written: {first_line(problem)}") from None
    return [*built, *VIEWS]


def built_tables(settings: Settings) -> dict[str, DeltaTable]:
    """Return the built tables by their names, and tombstones, made where nothing was ever taken down.

    Raises:
        UserError: no table is built, one is damaged, or tombstones cannot be made.
    """
    opened = {name: query.open_table(settings, name) for name in TABLES}
    if not any(opened.values()):
        raise query.nothing_built(settings)
    try:
        opened[TOMBSTONES.name] = ledger.open_or_create(settings, TOMBSTONES)
    except (DeltaError, OSError) as problem:
        raise cannot_make(settings, problem) from None
    return {name: table for name, table in opened.items() if table is not None}


def cannot_make(settings: Settings, problem: BaseException) -> UserError:
    """Return the line for a user who may not write the lake, where there are no tombstones yet."""
    return UserError(
        f"{query.table_uri(settings, TOMBSTONES.name)} cannot be made, and what is taken down later is found there: "
        f"{first_line(problem)}. Let somebody who may write the lake run recast attach once"
    )


def require_file(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Put a file without rows, which the table's log does not name, beside tombstones to come: DuckDB reads no empty folder.

    Raises:
        UserError: this user may not write the lake.
    """
    folder = query.table_uri(settings, TOMBSTONES.name)
    if not any(Path(folder).glob("*.parquet")):
        rows = views.relation(TOMBSTONES.name, None, views.DUCKDB)
        try:
            connection.execute(f"COPY {rows} TO {confinement.quoted(f'{folder}/none.parquet')} (FORMAT parquet)")
        except duckdb.Error as problem:
            raise cannot_make(settings, problem) from None


def require_own(file: Path) -> None:
    """Refuse to replace a file that is no earlier one of these.

    Raises:
        UserError: it is another's.
    """
    if not file.exists():
        return
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute(f"SELECT lake FROM {MADE} LIMIT 1")
    except duckdb.Error:
        raise UserError(f"{file} is there and was not made by recast attach; give another name") from None


def fill(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[str]:
    """Make all views in a new database; return their names.

    Raises:
        UserError: no table is built, or one is damaged.
    """
    tables = built_tables(settings)
    connection.execute(f"CREATE TABLE {MADE} ({COLUMNS})")
    for name, table in tables.items():
        folder = query.table_uri(settings, name)
        to_come = name == TOMBSTONES.name
        if to_come:
            require_file(connection, settings)
        query.show(connection, query.stored(name), table, folder, ["*.parquet"] if to_come else None)
        row = [name, table.version(), str(table.metadata().id), settings.lake, datetime.now(UTC), __version__]
        connection.execute(f"INSERT INTO {MADE} VALUES (?, ?, ?, ?, ?, ?)", row)
    built = list(tables)
    query.hide_taken_down(query.Lake(connection, built, {}), {name: name for name in query.PUBLISHED if name in built})
    views.create(connection, VIEWS, built)
    return [*built, *VIEWS]
