"""Prints releases, and what differs between two versions of a table or two releases."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from recast.cli import output
from recast.jobs.names import LANES
from recast.jobs.settings import Settings
from recast.lakehouse import diff as comparing
from recast.lakehouse import query
from recast.lakehouse import releases as naming
from recast.lakehouse.confinement import quoted
from recast.lakehouse.diff import Difference
from recast.lakehouse.problems import warn
from recast.lakehouse.time_travel import State
from recast.printable import printable
from recast.schemas import TABLES
from recast.schemas.operations import RELEASES
from recast.settings import UserError

SHOWN_LINES = 20
"""Lines of an example's diff that are printed."""
STYLES = {"+": "green", "-": "red", "@": "dim"}
LISTED = """
SELECT release, action, released_at, number = max(number) OVER () AS current, table_name, table_version AS version, rows,
       tokens, NOT list_contains([{unreadable}]::VARCHAR[], number || table_name) AS readable
FROM releases ORDER BY number DESC, table_name
"""


def release(settings: Settings, name: str, rollback: bool) -> None:
    """Make a release of the published tables, or an earlier one current again, and list its tables.

    Raises:
        UserError: as `releases.release` and `releases.rollback` say.
    """
    if rollback:
        naming.rollback(settings, name)
    else:
        naming.release(settings, name, LANES.values())
    for row in naming.rows_named(naming.recorded(settings), naming.CURRENT):
        facts = f"version {row['table_version']}, {row['rows']:,} rows, {row['tokens']:,} tokens"
        click.echo(f"{row['release']}: {row['table_name']} {facts}")


def releases(settings: Settings, form: str) -> None:
    """Print all releases, a line per table, the last first.

    Raises:
        UserError: there is none.
    """
    if query.version(settings, RELEASES.name) is None:
        raise UserError("there is no release yet; make one with: recast release NAME")
    gone = [row for row in naming.recorded(settings) if not naming.is_readable(settings, row)]
    unreadable = ", ".join(quoted(f"{row['number']}{row['table_name']}") for row in gone)
    output.print_rows(query.run_sql(settings, LISTED.format(unreadable=unreadable), RELEASES.name), form)


def diff(settings: Settings, what: Sequence[str], examples: int, as_json: bool) -> None:
    """Print what differs between two states of a table, or of all tables of two releases.

    Args:
        settings: where the lake is.
        what: a table and two versions or times; or two releases.
        examples: how many changed texts of a table to show.
        as_json: print an object per table.

    Raises:
        UserError: `what` names no such things, or they are gone.
    """
    for before, after in pairs(settings, what):
        difference = comparing.between(settings, before, after, examples)
        if as_json:
            print(output.json_line(as_object(difference)))
        else:
            show(difference)


def pairs(settings: Settings, what: Sequence[str]) -> list[tuple[State, State]]:
    """Return the states that are to be compared, the earlier first.

    Raises:
        UserError: `what` names none.
    """
    if len(what) == 3:
        table, before, after = what
        if table not in comparing.documents():
            raise UserError(f"there is no table {table!r} of documents; there are {', '.join(comparing.documents())}")
        return [(State(table, moment(before)), State(table, moment(after)))]
    if len(what) != 2 or what[0] in TABLES:
        raise UserError("name a table and two versions (recast diff linted_code 3 5), or two releases")
    old, new = (naming.states(settings, name) for name in what)
    if not (shared := [name for name in old if name in new]):
        raise UserError(f"{what[0]} and {what[1]} have no table in common")
    for name in old.keys() ^ new.keys():
        warn(f"{name} is not compared: release {what[0] if name in new else what[1]} has none")
    return [(old[name], new[name]) for name in shared]


def moment(words: str) -> int | datetime:
    """Return the version or the time that a user names: a number, or a date and time in ISO 8601, UTC by default.

    Raises:
        UserError: it is neither.
    """
    if words.isascii() and words.isdigit():
        return int(words)
    try:
        when = datetime.fromisoformat(words)
    except ValueError:
        raise UserError(f"{words!r} is no version and no time; give 3, 2026-11-01 or 2026-11-01T12:30") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def as_object(difference: Difference) -> dict[str, Any]:
    """Return a difference as what JSON can hold."""
    moved = [{"before": before, "after": after, "rows": rows} for before, after, rows in difference.moved]
    return difference._asdict() | {"moved": moved, "examples": [each._asdict() for each in difference.examples]}


def show(difference: Difference) -> None:
    """Print what differs between two states of a table."""
    console = output.terminal()
    console.print(Text(f"{difference.table}: {difference.before} -> {difference.after}", style="bold"))
    counts = f"{difference.added:,} added, {difference.removed:,} removed, {difference.changed:,} with another text, "
    counts += f"{difference.judged_otherwise:,} with the same text and another verdict; {difference.rows:,} rows now"
    if difference.token_change is not None:
        counts += f", {difference.token_change:+,} tokens"
    console.print(Text(counts))
    if difference.moved:
        cells = [[output.cell(before), output.cell(after), Text(f"{n:,}")] for before, after, n in difference.moved]
        output.print_table(["before", "after", "rows"], cells)
    for example in difference.examples:
        console.print(Text(printable(f"{example.source or ''}  doc_id {example.doc_id}"), style="bold"))
        for line in example.lines[:SHOWN_LINES]:
            console.print(Text(printable(line, keep="\t"), style=STYLES.get(line[:1], "")), soft_wrap=True)
        if len(example.lines) > SHOWN_LINES:
            console.print(Text(f"... {len(example.lines) - SHOWN_LINES:,} more lines", style="dim"))
    console.print()
