"""Makes the tables and views known to programs that know nothing of Recast: a DuckDB file, or statements for Spark."""

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from recast import __version__
from recast.lakehouse import query, views
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import Settings, is_local
from recast.schemas import TABLES
from recast.schemas.table import escaped
from recast.schemas.views import VIEWS
from recast.settings import UserError

MADE = "attached"
"""Table of the file that says what it shows: it is how a file that may be replaced is known, too."""
COLUMNS = "table_name VARCHAR, version BIGINT, table_id VARCHAR, lake VARCHAR, attached_at TIMESTAMPTZ, recast_version VARCHAR"
HEAD = "-- Written by recast attach: tables and views of a lake, for spark-sql -f and catalogues of Spark.\n"


def attach(settings: Settings, file: str) -> list[str]:
    """Write views over the present files of every built table, and the views over these; return their names.

    The views name files, since DuckDB's Delta extension would have to be downloaded. So they show the tables as they are
    now, and work until a vacuum removes files that a later run has replaced.

    Raises:
        UserError: the lake is not on a local disk, no table is built, one is damaged, or `file` is another's.
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
        UserError: no table is built, one is damaged, or `file` is another's.
    """
    path = Path(file)
    built = {}
    for name in TABLES:
        table = query.open_table(settings, name)
        if table is not None:
            built[name] = {field.name for field in table.schema().fields}
    if not built:
        raise query.nothing_built(settings)
    tables = (
        f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION '{escaped(f'{settings.lake}/{name}')}'"
        for name in built
    )
    made = (
        f"CREATE OR REPLACE VIEW {name} AS\n{text}" for name, text in views.texts(VIEWS, built, views.SPARK).items()
    )
    try:
        if path.exists() and not path.read_text("utf-8", "replace").startswith(HEAD):
            raise UserError(f"{file} is there and was not made by recast attach; give another name")
        path.write_text("".join([HEAD, *(f"{statement};\n" for statement in (*tables, *made))]), "utf-8")
    except OSError as problem:
        raise UserError(f"{file} cannot be written: {first_line(problem)}") from None
    return [*built, *VIEWS]


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
    built = []
    connection.execute(f"CREATE TABLE {MADE} ({COLUMNS})")
    for name in TABLES:
        table = query.open_table(settings, name)
        if table is None:
            continue
        if table.file_uris():
            query.show(connection, query.stored(name), table, query.table_uri(settings, name))
        else:
            connection.execute(f"CREATE VIEW {query.stored(name)} AS FROM {views.relation(name, None, views.DUCKDB)}")
        row = [name, table.version(), str(table.metadata().id), settings.lake, datetime.now(UTC), __version__]
        connection.execute(f"INSERT INTO {MADE} VALUES (?, ?, ?, ?, ?, ?)", row)
        built.append(name)
    if not built:
        raise query.nothing_built(settings)
    query.hide_taken_down(query.Lake(connection, built, {}), {name: name for name in query.PUBLISHED if name in built})
    views.create(connection, VIEWS, built)
    return [*built, *VIEWS]
