"""What the command line prints: rows, the state of the lake, a rewrite beside its source."""

import csv
import datetime
import decimal
import json
import math
import sys
from collections.abc import Iterable
from typing import Any

import click
import duckdb
from rich.box import SIMPLE
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

from lakehouse import query
from lakehouse.settings import Settings, UserError
from schemas import TABLES

FETCH_ROWS = 1024
CELL_CHARS = 120
SHOWN_REASONS = 3
PIPE_COLUMNS = 140
LOOKED_AT = 50  # kept rewrites among which `recast compare` shows the one that changed most
REWRITES = ("optimized_code", "styled_code", "rewritten_math")


def print_rows(result: duckdb.DuckDBPyConnection, form: str) -> None:
    """Print a query's rows to standard output as a table, as CSV, or as one JSON object per line."""
    columns = [column[0] for column in result.description]
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for row in fetched(result):
            writer.writerow([json_line(value) if isinstance(value, list | dict) else plain(value) for value in row])
    elif form == "json":
        for row in fetched(result):
            print(json_line(dict(zip(columns, row, strict=True))))
    else:
        grid = Grid(*(Column(Text(column)) for column in columns))
        count = 0
        for row in fetched(result):
            grid.add_row(*(Text(cell(value)) for value in row))
            count += 1
        console = Console(soft_wrap=False)
        console.print(grid)
        console.print(f"{count:,} row{'' if count == 1 else 's'}", style="dim")


def fetched(result: duckdb.DuckDBPyConnection) -> Iterable[tuple[Any, ...]]:
    """Yield a query's rows without holding them all.

    Raises:
        UserError: the query fails on the rows it meets.
    """
    try:
        while batch := result.fetchmany(FETCH_ROWS):
            yield from batch
    except duckdb.Error as problem:
        raise UserError(query.first_line(problem)) from None


def json_line(value: Any) -> str:
    """Return a value of a query as one line of JSON."""
    return json.dumps(plain(value), ensure_ascii=False)


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


def cell(value: Any) -> str:
    """Return a value as one short line of a table."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    words = "" if value is None else str(value)
    words = words.replace("\n", "⏎ ")
    return words if len(words) <= CELL_CHARS else words[: CELL_CHARS - 1] + "…"


def status(settings: Settings) -> None:
    """Print a line per table: rows, reasons, and what its runs cost."""
    _, built = query.connect(settings)
    documents = [name for name in TABLES if name in built and TABLES[name].reasons]
    if not documents:
        raise UserError(f"there is no table in {settings.lake} yet; build them with: recast refresh")
    grid = Grid(title=settings.lake, title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("table", "rows", "kept"):
        grid.add_column(heading, justify="left" if heading == "table" else "right", no_wrap=True)
    grid.add_column("rejected", ratio=1)
    for heading in ("requests", "tokens", "seconds"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("last run", no_wrap=True)
    spent = {row["table_name"]: row for row in query.rows(settings, SPENT)} if "runs" in built else {}
    for name in documents:
        reasons = query.rows(settings, f"SELECT reason, count(*) AS n FROM {name} GROUP BY ALL ORDER BY n DESC, reason")
        rejected = {row["reason"]: row["n"] for row in reasons if row["reason"]}
        total, lost = sum(row["n"] for row in reasons), sum(rejected.values())
        cost = spent.get(name, {})
        numbers = (cost.get("requests"), cost.get("tokens"), cost.get("seconds"))
        shown = (f"{number:,.0f}" if number else "" for number in numbers)
        last = f"{cost['last_status']} {cost['last_started']:%d %b %H:%M}" if cost else ""
        grid.add_row(name, f"{total:,}", f"{total - lost:,}", rejected_words(rejected), *shown, last)
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(grid)


def rejected_words(rejected: dict[str, int]) -> str:
    """Return the number of rejected rows and the commonest reasons."""
    if not rejected:
        return ""
    shown = [f"{reason} {count:,}" for reason, count in list(rejected.items())[:SHOWN_REASONS]]
    more = [f"{len(rejected) - SHOWN_REASONS} more"] if len(rejected) > SHOWN_REASONS else []
    return f"{sum(rejected.values()):,}: {', '.join(shown + more)}"


SPENT = """
SELECT table_name, sum(seconds) AS seconds,
       sum(model_requests)::BIGINT AS requests, sum(output_tokens)::BIGINT AS tokens,
       arg_max(status, started_at) AS last_status, max(started_at) AS last_started
FROM runs GROUP BY table_name
"""


def compare(settings: Settings, table: str, doc_id: str | None) -> None:
    """Print a rewrite beside its source.

    Raises:
        UserError: there is no such document, or no rewrite yet.
    """
    if table and table not in REWRITES:
        raise UserError(f"{table} holds no rewrites; {', '.join(REWRITES)} do")
    _, built = query.connect(settings)
    wanted = (table,) if table else REWRITES
    tables = [name for name in wanted if name in built]
    if not tables:
        raise UserError(f"{' or '.join(wanted)} is not built in {settings.lake}; build it with: recast refresh")
    for name in tables:
        chosen = f"doc_id = '{escaped(doc_id)}'" if doc_id else "kept"
        some = f"SELECT * FROM {name} WHERE {chosen} ORDER BY doc_id LIMIT {LOOKED_AT}"
        most_changed = "levenshtein(source_text, coalesce(text, '')) DESC, doc_id LIMIT 1"
        found = query.rows(settings, f"SELECT * FROM ({some}) ORDER BY {most_changed}")
        if found:
            side_by_side(name, found[0])
            return
    raise UserError(f"no rewrite of {doc_id} found" if doc_id else "no rewrite was kept yet; `recast status` says why")


def escaped(text: str) -> str:
    """Return `text` fit to stand between single quotes in SQL."""
    return text.replace("'", "''")


def side_by_side(name: str, row: dict[str, Any]) -> None:
    """Print one row of rewrites: its source on the left, the rewrite, or the raw answer, on the right."""
    language = "python" if name.endswith("_code") else "markdown"
    verdict = "kept" if row["kept"] else f"rejected: {row['reason']}"
    right = row["text"] if row["text"] is not None else row["answer"]
    grid = Grid(
        Column(Text(f"source: {row.get('path') or row.get('url')}"), ratio=1),
        Column(Text(f"{name}: {verdict}, by {row['model']} with {row['prompt']}"), ratio=1),
        expand=True,
    )
    grid.add_row(
        *(
            Syntax(text or "", language, word_wrap=True, background_color="default")
            for text in (row["source_text"], right)
        )
    )
    console = Console()
    console.print(grid)
    console.print(f"doc_id {row['doc_id']}, {row['prompt_tokens']} tokens in, {row['output_tokens']} out", style="dim")


def print_scores(scored: Iterable[dict[str, Any]], as_json: bool) -> list[str]:
    """Print verdicts as they come, as JSON lines or as text; return the paths that could not be read."""
    unread = []
    for row in scored:
        row["path"] = click.format_filename(row["path"])  # a name need not be UTF-8
        if row["reason"] == "unreadable":
            unread.append(row["path"])
        if as_json:
            print(json.dumps(row, ensure_ascii=False), flush=True)
            continue
        number = "   -" if row["adjusted_score"] is None else f"{row['adjusted_score']:5.2f}"
        print(f"{number}  {'kept' if row['kept'] else row['reason']:12}  {row['path']}", flush=True)
        for message in row.get("messages", ()):
            print(f"       {message['line']}:{message['column']} {message['msg_id']} {message['symbol']}")
    return unread
