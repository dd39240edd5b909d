"""What the command line prints: rows, the state of the lake, a rewrite beside its source."""

import csv
import datetime
import decimal
import itertools
import json
import math
import os
import sys
from collections.abc import Iterable
from typing import Any

import duckdb
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

from recast.jobs.settings import Settings
from recast.lakehouse import confinement, query, views
from recast.lakehouse.calls import call
from recast.lakehouse.problems import first_line
from recast.printable import printable
from recast.schemas import TABLES
from recast.settings import UserError

FETCH_ROWS = 1024
CELL_CHARS = 120
SHRUNK_CHARS = 20  # a wide column of a grid is cut to no less
SHOWN_REASONS = 3
REASONS_CHARS = 30  # the least that the reasons in `recast status` get
GAP_CHARS = 2  # between columns
GIVEN_UP = ("last run", "requests", "seconds", "tokens")  # columns that make room for them, in this order
PIPE_COLUMNS = 140
COMPARED_CHARS = 3000  # of each text: comparing takes their product, a hundred million steps for a hundred such pairs
LOOKED_AT = 50  # kept rewrites among which `recast compare` shows the one that changed most
REWRITES = ("optimized_code", "styled_code", "rewritten_math")
"""Tables of rewrites, in the order in which `recast compare` looks into them."""


def terminal() -> Console:
    """Return the console that standard output is: as wide as the terminal, or as COLUMNS says, where it is none."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPE_COLUMNS
    return Console(width=width, highlight=False)


def print_rows(result: duckdb.DuckDBPyConnection, form: str) -> None:
    """Print a query's rows to standard output as a table, as CSV, or as one JSON object per line.

    What a terminal would obey is shown as an escape; CSV for a file or another program is as the lake has it.

    Raises:
        UserError: the query fails on the rows it meets.
    """
    columns = query.column_names(result)
    if form == "csv":
        writer = csv.writer(RowByRow(), lineterminator="\r\n")
        for row in itertools.chain([columns], fetched(result)):
            writer.writerow([json_line(value) if isinstance(value, list | dict) else plain(value) for value in row])
    elif form == "json":
        for row in fetched(result):
            print(json_line(dict(zip(columns, row, strict=True))))
    else:
        print_table(columns, [[cell(value) for value in row] for row in fetched(result)])


class RowByRow:
    """Writes rows of CSV to standard output, one a line.

    Python's writer quotes what stands in its line terminator. Given both characters of a line's end it quotes both, as
    every reader needs, and the row still ends with one.
    """

    def write(self, row: str) -> None:
        """Write a row that ends with carriage return and newline."""
        row = row.removesuffix("\r\n")
        print(printable(row) if sys.stdout.isatty() else row)


def print_table(columns: list[str], rows: list[list[Text]]) -> None:
    """Print cells as a grid or, where that would cut too much of them, a line per cell."""
    console = terminal()
    columns = [printable(name) for name in columns]
    headings = [Text(name) for name in columns]
    widths = [max(text.cell_len for text in column) for column in zip(headings, *rows, strict=True)]
    least = max(SHRUNK_CHARS, *(heading.cell_len for heading in headings))
    if sum(min(width, least) + 3 for width in widths) < console.width:
        grid = Grid(*map(Column, headings))
        for row in rows:
            grid.add_row(*row)
        console.print(grid)
    else:
        for number, row in enumerate(rows, 1):
            console.print(f"row {number:,}", style="dim")
            for name, text in zip(columns, row, strict=True):
                line = Text.assemble("  ", (f"{name:{least}}", "bold"), "  ", text)
                console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", style="dim")


def fetched(result: duckdb.DuckDBPyConnection) -> Iterable[tuple[Any, ...]]:
    """Yield a query's rows without holding them all.

    Raises:
        UserError: the query fails on the rows it meets.
    """
    try:
        while batch := call(result, lambda: result.fetchmany(FETCH_ROWS)):
            yield from batch
    except duckdb.Error as problem:
        raise UserError(first_line(problem)) from None


def json_line(value: Any) -> str:
    """Return a value as one line of JSON: in ASCII where it holds anything that a terminal would obey."""
    line = json.dumps(plain(value), ensure_ascii=False)
    return line if printable(line) == line else json.dumps(plain(value))


def plain(value: Any) -> Any:
    """Return a value as JSON and CSV can hold it: times in ISO 8601, exact numbers as numbers, NaN as null."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def cell(value: Any) -> Text:
    """Return a value as one short line of a table."""
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, datetime.datetime):
        return Text(value.strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, float):
        return Text(f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}")
    words = printable(str(value)[: CELL_CHARS + 1].replace("\n", "⏎ "))
    return Text(words if len(words) <= CELL_CHARS else words[: CELL_CHARS - 1] + "…")


def status(settings: Settings) -> None:
    """Print a line per table: rows, reasons, and what its runs cost, all of them together. A table that is gone says so.

    Raises:
        UserError: no table is built; or, behind the lines of the others, one cannot be read.
    """
    lake = query.connect(settings)
    documents = [name for name in TABLES if name in lake.built and TABLES[name].reasons]
    damaged = query.DamagedError("; ".join(lake.damaged.values())) if lake.damaged else None
    spent, gone = {}, []
    if "runs" in lake.built:
        columns = views.columns_of(lake.connection, "runs")
        costs = query.dictionaries(query.execute(lake, settings, SPENT.format(order=query.newest_first(columns))))
        spent = {row["table_name"]: row for row in costs}
        gone = gone_tables(lake, settings) if "target_version" in columns else []
    if not (documents or gone):
        raise damaged or query.nothing_built(settings)
    lines = []
    for name in documents:
        statement = f"SELECT reason, count(*) AS n FROM {name} GROUP BY ALL ORDER BY n DESC, reason"
        reasons = query.dictionaries(query.execute(lake, settings, statement))
        rejected = {row["reason"]: row["n"] for row in reasons if row["reason"]}
        total, lost = sum(row["n"] for row in reasons), sum(rejected.values())
        lines.append(
            {"table": name, "rows": f"{total:,}", "kept": f"{total - lost:,}", "rejected": rejected_words(rejected)}
            | cost_words(spent.get(name))
        )
    for name in gone:
        said = {
            "table": name,
            "rows": "gone",
            "kept": "",
            "rejected": "its folder is gone: recast refresh makes a new one",
        }
        lines.append(said | cost_words(spent.get(name)))
    print_status(settings.lake, lines)
    if damaged:
        raise damaged


def gone_tables(lake: query.Lake, settings: Settings) -> list[str]:
    """Return the tables that a run has written and that are not there."""
    written = query.execute(lake, settings, "SELECT DISTINCT table_name FROM runs WHERE target_version IS NOT NULL")
    ever = {row["table_name"] for row in query.dictionaries(written)}
    return [name for name in TABLES if name in ever - {*lake.built, *lake.damaged}]


def print_status(lake: str, lines: list[dict[str, str]]) -> None:
    """Print the lines of `status`; a narrow terminal loses what runs cost before it loses a reason."""
    console = terminal()
    widths = {heading: max(len(heading), *(len(line[heading]) for line in lines)) + GAP_CHARS for heading in lines[0]}
    widths["rejected"] = min(widths["rejected"], REASONS_CHARS + GAP_CHARS)
    dropped = []
    for heading in GIVEN_UP:
        if sum(widths.values()) > console.width:
            dropped.append(heading)
            del widths[heading]
    grid = Grid(title=Text(printable(lake)), title_justify="left", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in widths:
        text = heading in ("table", "rejected", "last run")
        grid.add_column(heading, justify="left" if text else "right", no_wrap=heading != "rejected")
    for line in lines:
        grid.add_row(*(Text(printable(line[heading])) for heading in widths))
    console.print(grid)
    if dropped:
        console.print(f"a wider terminal shows {', '.join(reversed(dropped))}", style="dim")


def cost_words(cost: dict[str, Any] | None) -> dict[str, str]:
    """Return what a table's runs cost, and the last one's start; how it ended where it did not succeed."""
    if cost is None:
        return dict.fromkeys(("requests", "tokens", "seconds", "last run"), "")
    ended = "" if cost["last_status"] == "succeeded" else f"{cost['last_status']} "
    numbers = {heading: cost[heading] for heading in ("requests", "tokens", "seconds")}
    return {heading: f"{number:,.0f}" if number else "" for heading, number in numbers.items()} | {
        "last run": f"{ended}{cost['last_started']:%d %b %H:%M}"
    }


def rejected_words(rejected: dict[str, int]) -> str:
    """Return the number of rejected rows and the commonest reasons."""
    if not rejected:
        return ""
    shown = [f"{reason} {count:,}" for reason, count in list(rejected.items())[:SHOWN_REASONS]]
    rest = len(rejected) - SHOWN_REASONS
    more = [f"{rest} more reason{'' if rest == 1 else 's'}"] if rest > 0 else []
    return f"{sum(rejected.values()):,}: {', '.join(shown + more)}"


SPENT = """
SELECT table_name, sum(seconds) AS seconds,
       sum(model_requests) AS requests, sum(output_tokens) AS tokens,
       first(status ORDER BY {order}) AS last_status, first(started_at ORDER BY {order}) AS last_started
FROM runs GROUP BY table_name
"""


def compare(settings: Settings, table: str, doc_id: str | None) -> None:
    """Print a rewrite beside its source: the one whose `doc_id` begins so, or the one that changed most.

    Raises:
        UserError: there is no such document, or more than one; or no rewrite yet.
    """
    if table and table not in REWRITES:
        raise UserError(f"{table} holds no rewrites; {', '.join(REWRITES)} do")
    wanted = (table,) if table else REWRITES
    lake = query.connect(settings, *wanted)
    for words in lake.damaged.values():
        raise query.DamagedError(words)
    if not lake.built:
        if not query.connect(settings).built:
            raise query.nothing_built(settings)
        raise UserError(f"{' or '.join(wanted)} is not built in {settings.lake}; build it with: recast refresh")
    for name in wanted:
        if name not in lake.built:
            continue
        chosen = f"starts_with(doc_id, {confinement.quoted(doc_id)})" if doc_id else "kept"
        some = f"SELECT * FROM {name} WHERE {chosen} ORDER BY doc_id LIMIT {LOOKED_AT}"
        beginnings = f"source_text[:{COMPARED_CHARS}], coalesce(text, '')[:{COMPARED_CHARS}]"
        most_changed = f"levenshtein({beginnings}) DESC, doc_id LIMIT 1"
        order = "doc_id LIMIT 2" if doc_id else most_changed
        found = query.dictionaries(query.execute(lake, settings, f"SELECT * FROM ({some}) ORDER BY {order}"))
        if len(found) > 1 and found[0]["doc_id"] != doc_id:
            raise UserError(f"more than one doc_id of {name} begins with {doc_id}; give more of it")
        if found:
            side_by_side(name, found[0])
            return
    raise UserError(f"no rewrite of {doc_id} found" if doc_id else "no rewrite was kept yet; `recast status` says why")


def lines_of(text: str) -> str:
    """Return a stranger's text of several lines as a terminal, or a page of a notebook, may show it."""
    return printable(text.replace("\r\n", "\n"), keep="\n\t")


def frame(settings: Settings, statement: str) -> Any:
    """Return a query's rows as a pandas DataFrame, with strangers' texts as a notebook may show them.

    Raises:
        UserError: as `query.run_sql` says.
    """
    found = query.run_sql(settings, statement).df()
    return found.map(lambda value: lines_of(value) if isinstance(value, str) else value)


def side_by_side(name: str, row: dict[str, Any]) -> None:
    """Print one row of rewrites: its source on the left, the rewrite, or the raw answer, on the right."""
    from rich.syntax import Syntax  # brings pygments, which nothing else here needs

    language = "python" if name.endswith("_code") else "markdown"
    verdict = "kept" if row["kept"] else f"rejected: {row['reason']}"
    right = row["text"] if row["text"] is not None else row["answer"]
    source = row["made_by"][-1]["table_name"]
    grid = Grid(
        Column(Text(printable(f"{source}: {row.get('path') or row.get('url')}")), ratio=1),
        Column(Text(printable(f"{name}: {verdict}, by {row['model']} with {row['prompt']}")), ratio=1),
        expand=True,
    )
    grid.add_row(
        *(
            Syntax(lines_of(text or ""), language, word_wrap=True, background_color="default")
            for text in (row["source_text"], right)
        )
    )
    console = terminal()
    console.print(grid)
    words = f"doc_id {row['doc_id']}, {row['prompt_tokens']} tokens in, {row['output_tokens']} out"
    console.print(Text(printable(words)), style="dim")
