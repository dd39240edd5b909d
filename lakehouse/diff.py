"""What differs between two states of a table of documents: rows, verdicts, and the texts of a few examples."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import duckdb
from deltalake import DeltaTable

from recast.lakehouse import confinement, query, takedown, time_travel, views
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import Settings, is_local
from recast.lakehouse.time_travel import State
from recast.schemas import TABLES
from recast.settings import UserError

ABSENT, KEPT = "absent", "kept"
"""What a row is that a state lacks, or that has no reason against it; another row is its reason."""
COMPARED_LINES = 2_000
"""Lines of a text that are compared: the time grows with the product of both texts' lines."""

OUTCOME = f"CASE WHEN {{0}}.doc_id IS NULL THEN '{ABSENT}' WHEN {{0}}.kept THEN '{KEPT}' ELSE {{0}}.reason END"
COUNTS = """
SELECT count(*) FILTER (old.doc_id IS NULL) AS added,
       count(*) FILTER (new.doc_id IS NULL) AS removed,
       count(*) FILTER (old.doc_id = new.doc_id AND old.content_hash IS DISTINCT FROM new.content_hash) AS changed,
       count(*) FILTER (old.doc_id = new.doc_id AND old.content_hash IS NOT DISTINCT FROM new.content_hash
                        AND old.reason IS DISTINCT FROM new.reason) AS judged_otherwise,
       count(new.doc_id) - count(old.doc_id) AS more
FROM old FULL JOIN new USING (doc_id)
"""
MOVED = f"""
SELECT before, after, count(*) AS rows
FROM (SELECT {OUTCOME.format("old")} AS before, {OUTCOME.format("new")} AS after FROM old FULL JOIN new USING (doc_id))
WHERE before <> after GROUP BY before, after ORDER BY rows DESC, before, after
"""
CHANGED = """
SELECT doc_id FROM old JOIN new USING (doc_id) WHERE old.content_hash <> new.content_hash ORDER BY doc_id LIMIT {most}
"""
TEXTS = "SELECT doc_id, text, {source} AS source FROM {state} WHERE doc_id IN ({keys})"


class Example(NamedTuple):
    """A document whose text changed, and how: lines of a unified diff."""

    doc_id: str
    source: str | None
    lines: list[str]


class Difference(NamedTuple):
    """What differs between two states of a table.

    Attributes:
        table: its name.
        before: the first state, in words.
        after: the second.
        rows: rows of the second.
        added: rows that the second alone has.
        removed: rows that the first alone has.
        changed: rows that have another text.
        judged_otherwise: rows with the same text and another reason, or none.
        moved: numbers of rows by what they were and became: ``absent``, ``kept`` or a reason.
        token_change: tokens of kept rows that the second has more; None for a table that counts none.
        examples: a few of the changed rows.
    """

    table: str
    before: str
    after: str
    rows: int
    added: int
    removed: int
    changed: int
    judged_otherwise: int
    moved: list[tuple[str, str, int]]
    token_change: int | None
    examples: list[Example]


def between(settings: Settings, before: State, after: State, examples: int) -> Difference:
    """Return what differs between two states of one table, without what was taken down.

    A file of a Delta table never changes. Of a local table only the files are read that one of the states has and the
    other has not, so that the cost follows the change and not the table.

    Raises:
        UserError: the table is not built or is none of documents, or a state is not there (any more).
    """
    name = before.name
    if not TABLES[name].reasons:
        raise UserError(f"{name} is no table of documents; recast diff compares {', '.join(documents())}")
    opened = [opened_at(settings, state) for state in (before, after)]
    files = [set(table.file_uris()) for table in opened]
    with duckdb.connect() as connection:
        hidden = ""
        if (tombstones := query.open_table(settings, query.TOMBSTONES)) is not None:
            query.show(connection, query.TOMBSTONES, tombstones, query.table_uri(settings, query.TOMBSTONES))
            # `show_files` gives every documented column.
            hidden = takedown.hidden_from(name, TABLES[name].column_names)
        for own, table, mine, theirs in (("old", opened[0], *files), ("new", opened[1], *files[::-1])):
            show_files(connection, settings, name, own, table, mine - theirs, hidden)
        confinement.confine(connection, settings.lake)
        (counts,) = asked(connection, COUNTS)
        return Difference(
            table=name,
            before=time_travel.words_of(before.when),
            after=time_travel.words_of(after.when),
            rows=rows_in(settings, after, None if hidden else opened[1].count()),
            added=counts["added"],
            removed=counts["removed"],
            changed=counts["changed"],
            judged_otherwise=counts["judged_otherwise"],
            moved=[(row["before"], row["after"], row["rows"]) for row in asked(connection, MOVED)],
            token_change=token_change(connection, name),
            examples=examples_of(connection, name, examples),
        )


def asked(connection: duckdb.DuckDBPyConnection, statement: str) -> list[dict[str, Any]]:
    """Return a statement's rows.

    Raises:
        UserError: a file cannot be read.
    """
    try:
        return query.dictionaries(connection.execute(statement))
    except duckdb.Error as problem:
        raise UserError(first_line(problem)) from None


def documents() -> list[str]:
    """Return the tables that can be compared."""
    return [name for name, table in TABLES.items() if table.reasons]


def opened_at(settings: Settings, state: State) -> DeltaTable:
    """Return the table as it was.

    Raises:
        UserError: it is not built, or had no such state.
    """
    table = query.open_table(settings, state.name)
    if table is None:
        raise UserError(f"{state.name} is not built in {settings.lake}")
    return time_travel.at(table, state)


def rows_in(settings: Settings, state: State, known: int | None) -> int:
    """Return how many rows the table had: as `known` by its log, or counted."""
    if known is not None:
        return int(known)
    lake = query.connect(settings, state.name, states={state.name: state})
    return int(query.dictionaries(query.execute(lake, settings, f"SELECT count(*) AS n FROM {state.name}"))[0]["n"])


def show_files(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    name: str,
    own: str,
    table: DeltaTable,
    files: Iterable[str],
    hidden: str,
) -> None:
    """Make the rows of `files`, which are a part of the table's, known to DuckDB as `own`, with every documented column.

    `hidden` is the SQL that leaves rows out.

    Raises:
        UserError: one of them is gone.
    """
    folder = query.table_uri(settings, name)
    wanted = [uri.rpartition("/")[2] for uri in files]
    present: set[str] | None = None
    if wanted or not is_local(folder):
        try:
            query.show(connection, f"{own}_files", table, folder, wanted)
        except query.DamagedError:
            raise UserError(
                f"{name} at version {table.version()} can no longer be read: files of it are gone"
            ) from None
        present = views.columns_of(connection, f"{own}_files")
    connection.execute(f"CREATE VIEW {own}_all AS FROM {views.relation(name, present, views.DUCKDB, f'{own}_files')}")
    connection.execute(f"CREATE VIEW {own} AS SELECT {own}_all.* FROM {own}_all{hidden}")


def token_change(connection: duckdb.DuckDBPyConnection, name: str) -> int | None:
    """Return how many tokens of kept rows the second state has more; None for a table that counts none."""
    if "token_count" not in TABLES[name].column_names:
        return None
    tokens = "(SELECT coalesce(sum(token_count), 0) FROM {} WHERE kept)"
    statement = f"SELECT ({tokens.format('new')} - {tokens.format('old')})::BIGINT AS tokens"
    return int(asked(connection, statement)[0]["tokens"])


def examples_of(connection: duckdb.DuckDBPyConnection, name: str, most: int) -> list[Example]:
    """Return some of the documents whose text changed. Texts are read of these alone."""
    keys = [row["doc_id"] for row in asked(connection, CHANGED.format(most=most))]
    if not keys:
        return []
    old, new = (texts(connection, name, state, keys) for state in ("old", "new"))
    return [
        Example(key, new[key]["source"], lines_changed(old[key]["text"] or "", new[key]["text"] or "")) for key in keys
    ]


def texts(
    connection: duckdb.DuckDBPyConnection, name: str, state: str, keys: list[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Return text and source of a few rows by their keys."""
    listed = ", ".join(map(confinement.quoted, keys))
    statement = TEXTS.format(source=views.source_of(name), state=state, keys=listed)
    return {row["doc_id"]: row for row in asked(connection, statement)}


def lines_changed(old: str, new: str) -> list[str]:
    """Return the lines of a unified diff between two texts, of their first COMPARED_LINES lines."""
    before, after = (text.split("\n")[:COMPARED_LINES] for text in (old, new))
    return list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]  # the first two name files
