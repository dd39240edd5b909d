"""SQL over the tables, and what the ledger says, without a JVM: delta-rs finds the files and DuckDB reads them."""

import contextlib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from recast import s3
from recast.lakehouse import time_travel, views
from recast.lakehouse.calls import call
from recast.lakehouse.confinement import REFUSED, confine, only_reads, quoted
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import Settings, is_default_lake, is_local
from recast.lakehouse.time_travel import PRESENT, State
from recast.schemas import TABLES
from recast.settings import UserError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

# For a table without statistics, which Recast's own all have.
ROWS_PER_FILE = 10_000
FORMAT = "recast.format"
FORMAT_NUMBER = 1
"""What a table's property FORMAT says: it grows when an older Recast would misread tables. Further columns do not."""
PUBLISHED = ("published_code", "published_math")
TOMBSTONES = "tombstones"
COMMIT = re.compile(r"/_delta_log/\d+\.json$")


class DamagedError(UserError):
    """A table's log or one of its files is missing or cannot be read."""


class Lake(NamedTuple):
    """A connection that knows the built tables, their names, and one line about each table that cannot be read."""

    connection: duckdb.DuckDBPyConnection
    built: list[str]
    damaged: dict[str, str]


def table_uri(settings: Settings, name: str) -> str:
    """Return the table's place as delta-rs names it: Hadoop's ``s3a://`` is ``s3://`` everywhere else."""
    return f"{settings.lake}/{name}".replace("s3a://", "s3://", 1)


def open_table(settings: Settings, name: str) -> DeltaTable | None:
    """Return the table, or None where it is not built yet.

    Raises:
        DamagedError: its log cannot be read.
        UserError: something that is not a Delta table lies in its place, or an object store does not give it.
    """
    uri = table_uri(settings, name)
    if is_local(uri):
        if Path(settings.lake).is_file():
            raise UserError(f"{settings.lake} is a file; a lake is a folder. Is --lake right?")
        if not Path(uri).exists():
            return None
        if not Path(uri).is_dir():
            raise UserError(f"{uri} is a file; a table is a folder. Is --lake right?")
    elif s3.is_s3(uri):
        s3.require(settings.lake)
    try:
        return readable(DeltaTable(uri), uri)
    except TableNotFoundError:
        # A log without a commit is a table that somebody is making at this moment, or was killed over.
        if is_local(uri) and any(each.name != "_delta_log" for each in Path(uri).iterdir()):
            raise UserError(f"{uri} holds files but no Delta table. Is --lake right?") from None
        return None
    except (DeltaError, OSError) as problem:
        if not is_local(uri):  # a key or a network may lack as well
            raise UserError(f"{uri} cannot be read: {first_line(problem)}") from None
        raise DamagedError(damage(uri, f"{torn_commit(uri)} cannot be read: {first_line(problem)}")) from None


def readable(table: DeltaTable, uri: str) -> DeltaTable:
    """Return the table, unless a newer Recast made it in a way that this one does not know.

    Raises:
        UserError: it did.
    """
    number = table.metadata().configuration.get(FORMAT, "0")
    if number.isdecimal() and int(number) <= FORMAT_NUMBER:
        return table
    raise UserError(
        f"{uri} was made by a newer Recast (format {number}, and this one knows {FORMAT_NUMBER}): upgrade Recast"
    )


def damage(folder: str, what: str) -> str:
    """Return one line about the table in `folder`, of which `what` is said."""
    return f"{what}; restore it, or move {folder} away: recast refresh makes a new one"


def torn_commit(folder: str) -> str:
    """Return the first commit of a local table's log that is no JSON, or the log, where each is."""
    log = f"{folder}/_delta_log"
    for commit in sorted(Path(log).glob("*.json")):
        try:
            lines = commit.read_bytes().splitlines()
            if not lines or not all(isinstance(json.loads(line), dict) for line in lines):
                return str(commit)
        except (OSError, ValueError):
            return str(commit)
    return log


def misfit(table: DeltaTable, folder: str) -> str | None:
    """Return what a listing says against a table's files: one is missing, or has another size than the log says.

    A store that pyarrow cannot list says nothing against them.
    """
    from pyarrow.fs import FileSelector  # takes longer to import than most queries take

    from recast.storage import place

    try:
        filesystem, path = place(folder)
        sizes = {each.path: each.size for each in filesystem.get_file_info(FileSelector(path, recursive=True))}
    except (OSError, ValueError):
        return None
    wanted = table.get_add_actions()
    for name, size in zip(wanted["path"].to_pylist(), wanted["size_bytes"].to_pylist(), strict=True):
        found = sizes.get(f"{path}/{name}")
        if found != size:
            return f"{folder}/{name} " + ("is missing" if found is None else f"has {found:,} bytes of {size:,}")
    empty = (each for each, size in sizes.items() if size == 0 and COMMIT.search(each))
    return next((f"{each} is empty" for each in empty), None)


def require_whole(settings: Settings, name: str) -> None:
    """Stop where a file that the table's log names is missing or has another size, by a listing; none is opened.

    Raises:
        DamagedError: the table's log or such a file, and what to do.
    """
    table, folder = open_table(settings, name), table_uri(settings, name)
    if table is not None and (words := misfit(table, folder)):
        raise DamagedError(damage(folder, words))


def require_columns(settings: Settings, name: str, before: int | None, now: int | None) -> None:
    """Stop where a table lacks a column that it had at the version `before`: it would be read as null everywhere.

    A table that an older Recast made lacks columns, too, and gains them. Where the log no longer tells of that version,
    nothing is said.

    Raises:
        DamagedError: the columns, and what to do.
    """
    table = open_table(settings, name)
    if table is None or before is None or now is None or before >= now:
        return
    present, id_ = {field.name for field in table.schema().fields}, table.metadata().id
    try:
        was = time_travel.at(table, State(name, before))
    except UserError:
        return
    known = TABLES[name].column_names if name in TABLES else ()
    lost = [field.name for field in was.schema().fields if field.name in known and field.name not in present]
    if lost and was.metadata().id == id_:
        folder = table_uri(settings, name)
        raise DamagedError(damage(folder, f"{folder} lost its columns {', '.join(lost)} after version {before}"))


def new_columns(settings: Settings, name: str) -> list[str]:
    """Return the columns of a table that it has not got yet, since an older Recast made it; none where it is not built."""
    table = open_table(settings, name)
    if table is None or name not in TABLES:
        return []
    present = {field.name for field in table.schema().fields}
    return [column for column in TABLES[name].column_names if column not in present]


def version(settings: Settings, name: str) -> int | None:
    """Return the table's Delta version; None where it is not built yet."""
    return identity(settings, name)[0]


def identity(settings: Settings, name: str) -> tuple[int | None, str | None]:
    """Return the table's Delta version and Delta's id of the table; None for both where it is not built yet."""
    table = open_table(settings, name)
    return (None, None) if table is None else (int(table.version()), str(table.metadata().id))


def target(settings: Settings, name: str) -> dict[str, Any]:
    """Return what a run's row says of the table that it left, by columns of `runs`; null where it is not built."""
    table = open_table(settings, name)
    if table is None:
        return dict.fromkeys(("target_version", "target_id", "target_files"))
    version, id_, files = state_of(table).split("@")
    return {"target_version": int(version), "target_id": id_, "target_files": files}


def commits(settings: Settings, name: str, after: int | None, until: int | None) -> list[dict[str, Any]]:
    """Return the commits of the table after one version, until another, as its log tells of them."""
    table = open_table(settings, name)
    newer = 0 if table is None or after is None or until is None else until - after
    return table.history(newer) if table is not None and newer > 0 else []


def facts_of(words: str | None) -> dict[str, Any]:
    """Return the facts that a commit carries; none where somebody else wrote something of their own there."""
    try:
        facts = json.loads(words or "{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def row_count(settings: Settings, name: str) -> int:
    """Return how many rows the table has by the statistics in its log, about, where it keeps none; 0 where it is not built."""
    table = open_table(settings, name)
    return 0 if table is None else table.count() or ROWS_PER_FILE * len(table.file_uris())


def state(settings: Settings, name: str, version: int | None = None) -> str | None:
    """Return what names the table's rows, at present or at a version, ``3@<table id>@<hash>``; None where it is not built yet.

    A table that was deleted and built again counts its versions from 0, and is another one all the same. One whose folder
    was replaced by an older copy has the same id, and its later versions other files: so their names count.

    Raises:
        UserError: it has no such version, or what tells of it is gone from its log.
    """
    table = open_table(settings, name)
    if table is None:
        return None
    return state_of(table if version is None else time_travel.at(table, State(name, version)))


def state_of(table: DeltaTable) -> str:
    """Return what names the rows that a table has in the version that is loaded."""
    files = sorted(table.get_add_actions()["path"].to_pylist())
    return f"{table.version()}@{table.metadata().id}@{hashlib.sha256(repr(files).encode()).hexdigest()[:8]}"


def connect(
    settings: Settings,
    *names: str,
    unsafe: bool = False,
    shown: Iterable[str] = (),
    states: Mapping[str, State] = PRESENT,
) -> Lake:
    """Return a DuckDB connection with the built tables among `names` and the views over them, and what is built.

    It reads the files of the lake and no others, unless `unsafe`.

    Args:
        settings: where the lake is.
        names: tables, all by default.
        unsafe: whether it may do anything.
        shown: the views to make.
        states: tables as they were, each by the name that it gets; one that is a table's own takes its place.

    Raises:
        UserError: a state of `states` is not there (any more).
    """
    connection = duckdb.connect()
    # It is off, and refuses to be set, in a notebook that lacks the widgets to draw it.
    with contextlib.suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    lake = Lake(connection, [], {})
    hiding = (TOMBSTONES,) if names and (states or set(names) & set(PUBLISHED)) else ()
    for name in dict.fromkeys((*names, *hiding)) if names else TABLES:
        try:
            table = None if name in states else open_table(settings, name)
            if table is not None:
                show(connection, stored(name), table, table_uri(settings, name))
                lake.built.append(name)
        except DamagedError as problem:
            lake.damaged[name] = str(problem)
    for name, state in states.items():
        show_state(connection, settings, stored(name, state.name), state)
        lake.built.append(name)
    as_they_were = {name: state.name for name, state in states.items() if TABLES[state.name].reasons}
    hide_taken_down(lake, {name: name for name in PUBLISHED if name in lake.built} | as_they_were)
    if lake.built:
        views.create(connection, shown, lake.built)
        lake.built.extend(shown)
    if not unsafe:
        folders = [table_uri(settings, name) for name in TABLES]
        confine(connection, settings.lake, linked=filter(os.path.islink, folders))
    return lake


def stored(name: str, table: str = "") -> str:
    """Return the name under which all rows of a table are known, or those of a state of `table` that is called `name`.

    The name itself leaves out what was taken down: of a published table, and of any table of documents as it was.
    """
    return f"stored_{name}" if name in PUBLISHED or (table and TABLES[table].reasons) else name


def hide_taken_down(lake: Lake, tables: Mapping[str, str]) -> None:
    """Make tables known without the documents that were taken down.

    Args:
        lake: what is built; all rows are known by the names that `stored` gives.
        tables: the name to make known, of a published table or of an earlier state, and the table that it is of.

    Raises:
        DamagedError: tombstones cannot be read, so nobody knows what they are.
    """
    if tables and TOMBSTONES in lake.damaged:
        raise DamagedError(lake.damaged[TOMBSTONES])
    for name, table in tables.items():
        present = known_columns(lake.connection, f"stored_{name}") if TOMBSTONES in lake.built else None
        lake.connection.execute(f"CREATE VIEW {name} AS {without_taken_down(name, table, present)}")


def without_taken_down(
    name: str, table: str, present: Collection[str] | None, dialect: views.Dialect = views.DUCKDB
) -> str:
    """Return as SQL the rows of a table, or of a state of it called `name`, without what was taken down; `present` are its
    columns, None where there are no tombstones."""
    from recast.lakehouse.takedown import hidden_from  # which imports this module

    hidden = "" if present is None else hidden_from(table, present, dialect)
    return f"SELECT stored_{name}.* FROM stored_{name}{hidden}"


def show(
    connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable, folder: str, files: list[str] | None = None
) -> None:
    """Make the rows of the table in `folder` known to DuckDB as `name`; of a local table those of `files` alone, if given.

    It has the columns of the table's schema in their order; one that no file holds yet is null.
    Recast's tables have no deletion vectors, partitions or renamed columns, so a local table is just its files, which
    DuckDB reads by itself. Elsewhere Arrow stands between; it takes seconds to import.

    Raises:
        DamagedError: a file is missing or is no Parquet file.
    """
    # Their folder stands there percent-encoded.
    names = files or [uri.rpartition("/")[2] for uri in table.file_uris()]
    if not is_local(folder):
        connection.register(name, table.to_pyarrow_dataset(filesystem=files_of(folder)))
        return
    nulls = views.nulls_of(table.schema())
    if not names:
        connection.execute(f"CREATE VIEW {name} AS SELECT {', '.join(nulls.values())} WHERE false")
        return
    # A folder above the lake may well be called `date=2026-01-01`, which is no column of ours. Files of a table that was
    # changed have columns of Delta's own besides.
    own = f"COLUMNS(lambda name: list_contains([{', '.join(map(quoted, nulls))}], name))"
    scan = f"SELECT {own} FROM read_parquet([{{}}], union_by_name = true, hive_partitioning = false)"
    paths = [f"{folder}/{each}" for each in names]
    rows = scan.format(", ".join(map(quoted, paths)))
    try:
        connection.execute(f"CREATE VIEW {name} AS {rows}")
        found = known_columns(connection, name)
        if found != list(nulls):
            columns = (views.identifier(each) if each in found else null for each, null in nulls.items())
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {', '.join(columns)} FROM ({rows})")
    except duckdb.Error:
        words = misfit(table, folder)
        for path in [] if words else paths:
            try:
                connection.execute(f"DESCRIBE {scan.format(quoted(path))}")
            except duckdb.Error as problem:
                words = f"{path} cannot be read: {first_line(problem)}"
                break
        raise DamagedError(damage(folder, words or f"the files of {folder} do not fit each other")) from None


def files_of(folder: str) -> "FileSystem | None":
    """Return pyarrow's own file system of a table's folder in S3, for delta-rs's dataset; None elsewhere, which means delta-rs's.

    Threads that read through the latter, in Python, now and then abort the interpreter as it ends (delta-rs issue 2184).
    """
    from pyarrow.fs import SubTreeFileSystem

    from recast.storage import place

    if not s3.is_s3(folder):
        return None
    filesystem, path = place(folder)
    return SubTreeFileSystem(path, filesystem)


def known_columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """Return the columns of a view, from DuckDB's catalogue: DESCRIBE opens the files once more."""
    known = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
    return [column for (column,) in connection.execute(known, [name]).fetchall()]


def show_state(connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, state: State) -> None:
    """Make the rows that a table had known to DuckDB as `name`.

    Raises:
        UserError: it is not built, or had no such state; or files of that state are gone.
    """
    table = open_table(settings, state.name)
    if table is None:
        raise UserError(f"{state.name} is not built in {settings.lake}")
    try:
        show(connection, name, time_travel.at(table, state), table_uri(settings, state.name))
    except DamagedError:
        raise UserError(f"{state} can no longer be read: files of it are gone, as after a vacuum") from None


def run_sql(settings: Settings, statement: str, *names: str, unsafe: bool = False) -> duckdb.DuckDBPyConnection:
    """Run one SQL statement over the tables, all or those named; `column_names` and `fetchmany` of what it returns give
    its rows.

    Raises:
        UserError: no table is built, the statement is wrong or does more than read the lake, or it names a table that is
            unknown or damaged.
    """
    lake, rewritten = connect_for(settings, statement, *names, unsafe=unsafe)
    return execute(lake, settings, rewritten, unsafe)


def connect_for(
    settings: Settings, statement: str, *names: str, unsafe: bool = False, states: Mapping[str, State] = PRESENT
) -> tuple[Lake, str]:
    """Return what `connect` does, with the views and earlier states that a statement names, and the statement to run.

    Raises:
        UserError: such a state is not there (any more), or what is said to have one is no table.
    """
    rewritten, asked = time_travel.rewrite(statement)
    shown = views.named_in(rewritten)
    return connect(settings, *names, unsafe=unsafe, shown=shown, states={**states, **asked}), rewritten


def execute(lake: Lake, settings: Settings, statement: str, unsafe: bool = False) -> duckdb.DuckDBPyConnection:
    """Run one SQL statement on what `connect` returned.

    Raises:
        UserError: as `run_sql` says.
    """
    if not lake.built:
        raise DamagedError(next(iter(lake.damaged.values()))) if lake.damaged else nothing_built(settings)
    try:
        statement.encode()  # what a shell hands over need not be UTF-8, which DuckDB would say in many lines
        statements = duckdb.extract_statements(statement)
        if not statements:
            raise UserError("there is no statement in the query")
        if not unsafe and not (len(statements) == 1 and only_reads(statements[0])):
            raise UserError(REFUSED)
        # A slip, not an attack: a name that is put together in query() passes.
        hiding = {f"stored_{name}" for name in lake.built if name in PUBLISHED or "__at_" in name}
        if not unsafe and (full := hiding.intersection(re.findall(r"\w+", statement.lower()))):
            raise UserError(f"{full.pop()} holds what was taken down, too; without stored_ the name shows the rest")
        return call(lake.connection, lambda: lake.connection.execute(statement))
    except duckdb.PermissionException as problem:
        raise UserError(f"{first_line(problem)}; {REFUSED}") from None
    except duckdb.CatalogException as problem:
        damaged = (words for name, words in lake.damaged.items() if f" {name} " in first_line(problem))
        raise UserError(next(damaged, f"{first_line(problem)} Tables: {', '.join(lake.built)}")) from None
    except (duckdb.Error, UnicodeError) as problem:
        if "does not support time travel" in str(problem):
            raise UserError("AT (VERSION => ...) works in a SELECT alone") from None
        raise UserError(first_line(problem)) from None


def nothing_built(settings: Settings) -> UserError:
    """Return what to say of a lake without tables."""
    if is_default_lake(settings):
        return UserError(
            f"no recast.toml in this folder, so the lake is the default {settings.lake}, which has no table. "
            "Are you in the checkout? Or name the lake with --lake"
        )
    return UserError(f"there is no table in {settings.lake} yet; build them with: recast refresh")


def column_names(result: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of a result's columns; one that is taken gets a number (``text_1``), as DuckDB's own `df` does."""
    names: list[str] = []
    for name, *_ in result.description:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        names.append(next(each for each in itertools.chain([name], numbered) if each not in names))
    return names


def dictionaries(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return a result's rows as dictionaries.

    Raises:
        UserError: the query fails on the rows it meets.
    """
    columns = column_names(result)
    try:
        return [dict(zip(columns, row, strict=True)) for row in call(result, result.fetchall)]
    except duckdb.Error as problem:
        raise UserError(first_line(problem)) from None


def rows(settings: Settings, statement: str, *names: str) -> list[dict[str, Any]]:
    """Return a statement's rows as dictionaries; `names` are the tables that it reads, all by default."""
    return dictionaries(run_sql(settings, statement, *names))


def last_run(settings: Settings, name: str) -> dict[str, Any] | None:
    """Return the row of the stage's last run, or None if it never ran."""
    table = open_table(settings, "runs")
    if table is None:
        return None
    order = newest_first(field.name for field in table.schema().fields)
    found = rows(settings, f"SELECT * FROM runs WHERE table_name = '{name}' ORDER BY {order} LIMIT 1", "runs")
    return found[0] if found else None


def newest_first(columns: Iterable[str]) -> str:
    """Return what to order rows of `runs` by, as SQL, so that what began last stands first; `columns` are those it has.

    Clocks may jump back between two runs. Runs of an older Recast have no number.
    """
    return "number DESC NULLS LAST, started_at DESC" if "number" in columns else "started_at DESC"
