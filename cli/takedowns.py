"""Prints what a takedown reached and what a purge deleted, read and found."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TextColumn

from recast.cli.output import cell, print_table
from recast.cli.sources import size
from recast.jobs.settings import Settings
from recast.lakehouse import takedown
from recast.lakehouse.claims import KINDS, Listed, claim, read_list
from recast.lakehouse.maintain import DROPPED_ROWS, Kept
from recast.lakehouse.purge import purge
from recast.lakehouse.takedown import Taken
from recast.printable import counted, printable
from recast.settings import UserError

SHOWN = 5


def gathered(
    settings: Settings, named: Mapping[str, Sequence[str]], file: str, table: str, column: str, kind: str
) -> Listed:
    """Return all claims that a command names, each once.

    Args:
        settings: name the lake, where `table` is one of its.
        named: values by the kind of claim.
        file: a list of claims, a line each.
        table: a table whose `column` lists them.
        column: that column.
        kind: what bare values of a list name.

    Raises:
        UserError: a value that was named by itself is malformed, or a list cannot be read.
    """
    if bool(table) != bool(column):
        raise UserError("--table and --column belong together")
    found = [claim(kind, value) for kind in KINDS for value in named.get(kind, ())]
    listed = [Listed(found, 0, [])]
    if file:
        try:
            listed.append(read_list(Path(file).read_text(encoding="utf-8-sig", errors="replace").splitlines(), kind))
        except OSError as problem:
            raise UserError(f"cannot read {file}: {problem.strerror}") from None
    if table:
        listed.append(takedown.column_of(settings, table, column, kind))
    every = [each for one in listed for each in one.claims]
    once = list(dict.fromkeys(every))
    duplicates = sum(one.duplicates for one in listed) + len(every) - len(once)
    return Listed(once, duplicates, [words for one in listed for words in one.malformed])


def show_in_force(settings: Settings) -> None:
    """Print the claims that count."""
    claims = takedown.in_force(settings)
    if not claims:
        click.echo("nothing is taken down")
        return
    print_table(list(claims[0]), [[cell(value) for value in each.values()] for each in claims])


def show_taken(taken: Taken, listed: Listed) -> None:
    """Print what a takedown reached, a line for each thing to know."""
    rows = ", ".join(f"{table} {count:,}" for table, count in taken.rows.items())
    lines = [
        f"{counted(taken.claims, 'claim')} taken down: {counted(taken.documents, 'document')}"
        + (f" ({rows})" if rows else ""),
        many(listed.duplicates, "claim", "named twice"),
        many(len(listed.malformed), "line", "malformed and passed over: ") + first(listed.malformed),
        many(len(taken.unknown), "claim", "of nothing in this lake, kept for later sources: ")
        + first([" ".join(each) for each in taken.unknown]),
        many(taken.elsewhere, "document", "left under other repositories; --content takes down these places too"),
        many(taken.equal, "document", "of equal text left; --content takes down equal texts too"),
    ]
    for line in filter(None, lines):
        click.echo(printable(line))
    if taken.rows:
        click.echo("readers of the published tables see them no more. Next: recast refresh, then recast purge")


def show_lifted(claims: int, left: int) -> None:
    """Print how many claims were lifted, and how many are `left` that the same takedowns made."""
    if left:
        click.echo(f"{counted(left, 'claim')} made together with them left; --content lifts these too")
    click.echo(f"{counted(claims, 'claim')} lifted." + (" Next: recast refresh" if claims else ""))


def many(count: int, what: str, words: str) -> str:
    """Return a count with its noun and words, nothing for none."""
    return f"{counted(count, what)} {words}" if count else ""


def first(words: Sequence[str]) -> str:
    """Return the first of many words."""
    left = len(words) - SHOWN
    return "; ".join(words[:SHOWN]) + (f"; {left:,} more" if left > 0 else "")


def run_purge(
    settings: Settings, retention_hours: float, report_file: str, as_json: bool, require: Callable[[str], None]
) -> bool:
    """Purge the lake and print its report; return whether nothing is left of what was taken down.

    `require` is asked before anything of a table is deleted, with its name.
    """
    with Progress(
        TextColumn("reading {task.completed:,} files, {task.fields[read]}"),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", read="", total=None)
        read = 0

        def done(one: Any) -> None:
            nonlocal read
            read += one.size
            progress.update(task, advance=1, read=size(read))

        report = purge(settings, retention_hours, done, require)
    if report_file:
        try:
            Path(report_file).write_text(json.dumps(report, indent=2, default=str), encoding="utf-8")
        except OSError as problem:
            raise UserError(f"cannot write {report_file}: {problem.strerror}") from None
    if as_json:
        print(json.dumps(report, default=str))
    else:
        show_report(report)
    return bool(report["proven"])


def show_kept(kept: Sequence[Kept]) -> None:
    """Print what maintaining did, a line for each table of which anything changed."""
    for each in kept:
        if each.files_before != each.files_after:
            click.echo(f"{each.table_name}: {each.files_before:,} files are {each.files_after:,}")
        elif each.table_name == DROPPED_ROWS and each.deleted.files:
            click.echo(f"{each.table_name}: deleted {each.deleted.files:,} files, {size(each.deleted.size)}")
    files, bytes_ = sum(each.deleted.files for each in kept), sum(each.deleted.size for each in kept)
    click.echo(f"deleted {files:,} files, {size(bytes_)}")


def show_report(report: Mapping[str, Any]) -> None:
    """Print a purge's report in a few lines."""
    click.echo(f"deleted {report['deleted_files']:,} files, {size(report['deleted_bytes'])}")
    click.echo(
        f"read {report['scanned_files']:,} files, {size(report['scanned_bytes'])}, {report['scanned_rows']:,} rows, "
        f"for {report['documents']:,} documents that were taken down"
    )
    for each in report["found"]:
        what = f"{each['rows']:,} rows, {each['parts_of_texts']:,} parts of texts"
        click.echo(printable(f"left in {each['file']}: {what}"))
    for each in report["unreadable"]:
        click.echo(printable(f"cannot read {each['file']}: {each['why']}"))
    if report["parts_in_other_documents"]:
        click.echo(f"{report['parts_in_other_documents']:,} parts of their texts stand in other documents as well")
    if others := report["texts_in_other_documents"]:
        click.echo(f"a text of theirs stands in {len(others):,} documents that were not taken down: {first(others)}")
    if report["proven"]:
        click.echo("nothing is left of them")
    elif report["retention_hours"]:
        click.echo(
            f"files younger than {report['retention_hours']:g} hours were kept; --retention-hours 0 deletes them too"
        )
    click.echo(f"report: {report['report']}, sha256 {report['sha256']}")
