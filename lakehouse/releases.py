"""Releases: a name for one version of each published table, given in one commit to the table `releases`."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import tenacity
from deltalake import CommitProperties, QueryBuilder
from deltalake.exceptions import CommitFailedError

from recast import __version__
from recast.lakehouse import ledger, query, time_travel
from recast.lakehouse.settings import Settings
from recast.lakehouse.time_travel import State
from recast.schemas.operations import RELEASES
from recast.settings import UserError

CURRENT = "current"
"""What commands call the release that was made, or returned to, last."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RELEASED, ROLLED_BACK = "released", "rolled back"


def release(settings: Settings, name: str, tables: Iterable[str]) -> None:
    """Give the present versions of `tables` a name; those that are not built are no part of it.

    Raises:
        UserError: the name is taken or is no name, no table is built, or the last run of one did not succeed.
    """
    if not NAME.fullmatch(name) or name == CURRENT:
        raise UserError(f"{name!r} is no name of a release; take letters, digits, dots and dashes, and not {CURRENT!r}")
    require_new(recorded(settings), name)  # before the tables are read
    facts = [facts_of(settings, table) for table in tables if query.open_table(settings, table) is not None]
    if not facts:
        raise query.nothing_built(settings)
    add(settings, name, RELEASED, facts)


def rollback(settings: Settings, name: str) -> None:
    """Make an earlier release the current one: a new row with its versions. No table changes.

    Raises:
        UserError: there is no such release, it is the current one, or one of its versions can no longer be read.
    """
    past = recorded(settings)
    facts = rows_named(past, name)
    if facts[0]["release"] == rows_named(past, CURRENT)[0]["release"]:
        raise UserError(f"{name} is the current release already")
    for state in states(settings, name).values():
        require_readable(settings, state)
    add(settings, name, ROLLED_BACK, facts)


def states(settings: Settings, name: str) -> dict[str, State]:
    """Return the tables of a release, each at its version.

    Raises:
        UserError: there is no such release, or a table of it was deleted and built again.
    """
    found = {}
    for row in rows_named(recorded(settings), name):
        table = row["table_name"]
        if query.identity(settings, table)[1] != row["table_id"]:
            raise UserError(f"{table} was deleted since release {row['release']}, so its version is gone")
        found[table] = State(table, row["table_version"])
    return found


def versions_of(settings: Settings, table: str) -> list[int]:
    """Return the versions of a table that releases name and that its log still tells of."""
    id_ = query.identity(settings, table)[1]
    named = {row["table_version"] for row in recorded(settings) if (row["table_name"], row["table_id"]) == (table, id_)}
    return sorted(version for version in named if is_known(settings, table, version))


def is_known(settings: Settings, table: str, version: int) -> bool:
    """Say whether a table's log still tells of a version: a purge deletes what tells of old ones.

    Raises:
        UserError: the table cannot be read at this moment.
    """
    try:
        return query.state(settings, table, version) is not None
    except time_travel.GoneError:
        return False


def is_readable(settings: Settings, row: Mapping[str, Any]) -> bool:
    """Say whether the version that a row of `releases` names can still be read."""
    try:
        require_readable(settings, State(row["table_name"], row["table_version"]))
    except UserError:
        return False
    return bool(query.identity(settings, row["table_name"])[1] == row["table_id"])


def require_readable(settings: Settings, state: State) -> None:
    """Refuse a state of a table whose files are not all there any more.

    Raises:
        UserError: they are not.
    """
    folder = query.table_uri(settings, state.name)
    table = query.open_table(settings, state.name)
    words = query.misfit(time_travel.at(table, state), folder) if table is not None else "the table is gone"
    if words:
        raise UserError(f"{state} can no longer be read: {words}, as after a vacuum")


def facts_of(settings: Settings, table: str) -> dict[str, Any]:
    """Return what `releases` says of a table's present version.

    Raises:
        UserError: its last run did not succeed: old and new text of one document may both be there.
    """
    version, id_ = query.identity(settings, table)
    ledger.require_finished(settings, table)
    # The version may be from the middle of a run that has ended since.
    if query.identity(settings, table) != (version, id_):
        raise UserError(f"{table} is being written; release it when the refresh has ended")
    counted = f"SELECT count(*) AS rows, coalesce(sum(token_count), 0)::BIGINT AS tokens FROM {table} WHERE kept"
    lake = query.connect(settings, table, states={table: State(table, version or 0)})
    (facts,) = query.dictionaries(query.execute(lake, settings, counted))
    return {"table_name": table, "table_version": version, "table_id": id_, **facts}


def recorded(settings: Settings) -> list[dict[str, Any]]:
    """Return all rows of `releases`, in the order in which they were made."""
    if query.version(settings, RELEASES.name) is None:
        return []
    return query.rows(settings, "SELECT * FROM releases ORDER BY number, table_name", RELEASES.name)


def rows_named(past: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the rows of the last release of that name, or of the current one.

    Raises:
        UserError: there is none.
    """
    numbers = [row["number"] for row in past if name in (CURRENT, row["release"])]
    if not numbers:
        known = ", ".join(dict.fromkeys(row["release"] for row in past))
        there = f"there are {known}" if known else "there is none yet; make one with: recast release NAME"
        raise UserError(f"there is no release {name}; {there}")
    return [row for row in past if row["number"] == max(numbers)]


def require_new(past: list[dict[str, Any]], name: str) -> None:
    """Refuse a name that is taken.

    Raises:
        UserError: it is.
    """
    if any(row["release"] == name for row in past):
        raise UserError(f"there is a release {name} already, and a name is given once; recast releases lists them")


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(CommitFailedError),
    stop=tenacity.stop_after_attempt(ledger.COMMIT_ATTEMPTS),
    wait=tenacity.wait_random(0, ledger.COMMIT_WAIT_S),
    reraise=True,
)
def add(settings: Settings, name: str, action: str, facts: Iterable[Mapping[str, Any]]) -> None:
    """Add the rows of a release in one commit, which takes the version after the one that was read, or fails.

    So of two at the same moment the second sees the first one's rows, and the current release is what came last.

    Raises:
        UserError: the name is taken, where it is to be a new one.
    """
    table = ledger.open_or_create(settings, RELEASES)
    # Not by to_pyarrow_table, whose threads now and then abort the interpreter as it ends (delta-rs issue 2184).
    past = pa.table(QueryBuilder().register("past", table).execute("SELECT number, release FROM past")).to_pylist()
    if action == RELEASED:
        require_new(past, name)
    number = max((row["number"] for row in past), default=0) + 1
    new = {"number": number, "release": name, "action": action, "released_at": datetime.now(UTC)}
    rows = [{**row, **new, "recast_version": __version__} for row in facts]
    ledger.add_rows(table, RELEASES, rows, properties=CommitProperties(max_commit_retries=0))
