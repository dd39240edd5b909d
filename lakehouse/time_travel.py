"""Earlier states of tables: ``FROM linted_code AT (VERSION => 3)``, and opening a table as it was."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from recast.lakehouse.problems import first_line
from recast.schemas import TABLES
from recast.settings import UserError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = {"VERSION": "BIGINT", "TIMESTAMP": "TIMESTAMPTZ"}
"""What the value of each kind of AT clause is."""


GONE = ("files in log segment", "No table metadata or protocol found")
"""Parts of what delta-rs says of a version of which the log, or a part of it, was deleted."""


class GoneError(UserError):
    """A table has no such state, or its log no longer tells of it."""


class State(NamedTuple):
    """A table at one of its versions, or as it was at a time."""

    name: str
    when: int | datetime

    def __str__(self) -> str:
        return f"{self.name} at {words_of(self.when)}"


PRESENT: Mapping[str, State] = MappingProxyType({})
"""No table as it was: all as they are."""


def words_of(when: int | datetime) -> str:
    """Return how a message names a state."""
    return f"version {when}" if isinstance(when, int) else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def at(table: DeltaTable, state: State) -> DeltaTable:
    """Load a table, which is open at its present version, as it was.

    Raises:
        GoneError: it has no such version, or did not exist then; or what tells of that version is gone from its log.
        UserError: it cannot be read for another reason.
    """
    try:
        number = state.when if isinstance(state.when, int) else version_at(table, state.when)
        if not 0 <= number <= table.version():
            known = (
                f"its present version is {table.version()}" if isinstance(state.when, int) else "its log begins later"
            )
            raise GoneError(f"there is no {state}; {known}")
        table.load_as_version(number)
    except (DeltaError, OSError, ValueError) as problem:
        if any(words in str(problem) for words in GONE):
            raise GoneError(f"{state} can no longer be read: its log no longer tells of it, as after a purge") from None
        raise UserError(f"{state} can no longer be read: {first_line(problem)}") from None
    return table


def version_at(table: DeltaTable, when: datetime) -> int:
    """Return the version that was the present one at a time, by the times that commits state; -1 for none.

    delta-rs has this too, by the times of files, which change when a table is copied.
    """
    milliseconds = (when - EPOCH) / timedelta(milliseconds=1)
    commits = table.history()
    return max((int(each["version"]) for each in commits if (each.get("timestamp") or 0) <= milliseconds), default=-1)


def rewrite(statement: str) -> tuple[str, dict[str, State]]:
    """Return a statement in which names stand for tables with an AT clause, and the state that each name stands for.

    DuckDB parses these clauses and refuses them for anything but databases that it has attached. So its own syntax tree
    is rewritten and becomes SQL again. A statement without such a clause stays as it is, and so does one that is wrong.

    Raises:
        UserError: what is in front of the clause has no versions, or the clause names no version or time.
    """
    if not re.search(r"\bat\b", statement, re.IGNORECASE):
        return statement, {}
    states: dict[str, State] = {}
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tree = syntax_tree(connection, statement)
        for node in tables_with_clause(tree):
            state = State(versioned(node), value_of(connection, node.pop("at_clause")))
            name = f"{state.name}__at_{re.sub(r'[^0-9]', '_', str(state.when))}"
            node["alias"] = node["alias"] or state.name
            node |= {"table_name": name}
            node.pop("qualified_name", None)  # DuckDB 2 says the name here, too
            states[name] = state
        return (from_tree(connection, tree) if states else statement), states


def syntax_tree(connection: duckdb.DuckDBPyConnection, statement: str) -> dict[str, Any]:
    """Return DuckDB's syntax tree of a query; one without nodes for what is no query, or is wrong."""
    found = connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchone()
    tree: dict[str, Any] = json.loads(found[0]) if found else {}
    return {} if tree.get("error") else tree


def from_tree(connection: duckdb.DuckDBPyConnection, tree: dict[str, Any]) -> str:
    """Return the SQL of a syntax tree."""
    found = connection.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()
    return str(found[0]) if found else ""


def tables_with_clause(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a syntax tree that are tables with an AT clause."""
    if isinstance(node, dict):
        if node.get("at_clause"):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from tables_with_clause(each)


def versioned(node: Mapping[str, Any]) -> str:
    """Return the name of the table that a node of the syntax tree is.

    Raises:
        UserError: it is no table of the lakehouse.
    """
    name = str(node.get("table_name", "")).lower()
    if name not in TABLES or node.get("schema_name") or node.get("catalog_name"):
        raise UserError(
            f"{name or 'a subquery'} has no versions; AT (VERSION => 3) stands behind one of {', '.join(TABLES)}"
        )
    return name


def value_of(connection: duckdb.DuckDBPyConnection, clause: Mapping[str, Any]) -> int | datetime:
    """Return the version or time that an AT clause names.

    Raises:
        UserError: it names none.
    """
    unit = str(clause["unit"]).upper()
    try:
        tree = syntax_tree(connection, f"SELECT CAST(CAST(1 AS {TYPES[unit]}) AS VARCHAR)")
        tree["statements"][0]["node"]["select_list"][0]["child"]["child"] = clause["expr"]
        row = connection.execute(from_tree(connection, tree)).fetchone()
        if row is None or row[0] is None:
            raise UserError(f"AT ({unit} => ...) is given no {unit.lower()}")
        return int(row[0]) if unit == "VERSION" else datetime.fromisoformat(row[0])
    except (duckdb.Error, ValueError) as problem:
        raise UserError(f"AT ({unit} => ...) is given no {unit.lower()}: {first_line(problem)}") from None
