"""The `recast` command line. Commands that need no Spark do not import it: slow imports stand inside the commands."""

import json

import click

from recast import __version__, exits
from recast.cli.options import (
    OTHER_SETTINGS,
    OneLineGroup,
    one_line_errors,
    settings_options,
    spark_options,
)
from recast.jobs.names import check_names
from recast.jobs.selection import Settings as Selection
from recast.jobs.settings import Settings
from recast.lakehouse.claims import KINDS
from recast.settings import UserError, types_of

SELECTION = tuple(types_of(Selection))
FETCHING = ("fetch_requests_per_s", "fetch_bytes_per_s", "price_requests", "price_gb")

MOST_HOURS = 24 * 365 * 10
retention_option = click.option(
    "--retention-hours",
    type=click.FloatRange(0, MOST_HOURS),
    default=168.0,
    show_default=True,
    help="What is younger stays, for readers of old versions and change feeds.",
)


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="recast")
def main() -> None:
    """Turn public code and math pages into rewritten pre-training data, table by table.

    A setting is an option of a command, an environment variable (RECAST_LINT_THRESHOLD=6.5) or a line of recast.toml.
    """


@main.command(short_help="Bring tables up to date: all, a lane, or those named.")
@click.argument("names", nargs=-1, metavar="[code|math|TABLE]...")
@click.option("--with-sources", is_flag=True, help="Bring the tables that these are made from up to date as well.")
@click.option("--retry", is_flag=True, help="Try again what failed for a reason that may have passed.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end: how it ended, a row per table."
)
@click.option("--notify", default="", metavar="URL", help="Post that object there, too.")
@click.option("--detailed-exit-code", is_flag=True, help="Exit with 10 where there was nothing to do.")
@spark_options
@settings_options()
@one_line_errors
def refresh(
    settings: Settings,
    names: tuple[str, ...],
    with_sources: bool,
    retry: bool,
    as_json: bool,
    notify: str,
    detailed_exit_code: bool,
    conf: dict[str, str],
) -> None:
    """Bring tables up to date: all of them, a lane, or those named. Nothing new means nothing done.

    Exit status: 0 done, 1 failed, 2 your mistake, 3 an expectation failed, 4 stopped at a limit, 5 failed after some tables
    were done, 6 another run is at work, 10 nothing to do (--detailed-exit-code), 130 interrupted, 143 terminated.
    """
    from recast.cli.outcome import told

    with told(settings, as_json, notify) as outcome:
        check_names(names)
        from recast.jobs.catalogue import chosen
        from recast.jobs.running import refresh_stages

        outcome.runs += refresh_stages(
            settings, chosen(names, with_sources), retry=retry, conf=conf, begun=outcome.begin
        )
        if not outcome.runs:
            click.echo("everything is up to date", err=True)
            if detailed_exit_code:
                raise SystemExit(exits.NOTHING_TO_DO)


@main.command(short_help="Show what refresh would do, and do none of it.")
@click.argument("names", nargs=-1, metavar="[code|math|TABLE]...")
@click.option("--with-sources", is_flag=True, help="Show the tables that these are made from as well.")
@click.option("--retry", is_flag=True, help="As if what failed for a reason that may have passed were tried again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per table.")
@click.option("--why", is_flag=True, help="Say only what changed since the last run, in a second and without Spark.")
@click.option("--detailed-exit-code", is_flag=True, help="Exit with 10 where there is nothing to do.")
@spark_options
@settings_options()
@one_line_errors
def plan(
    settings: Settings,
    names: tuple[str, ...],
    with_sources: bool,
    retry: bool,
    as_json: bool,
    why: bool,
    detailed_exit_code: bool,
    conf: dict[str, str],
) -> None:
    """Show what refresh would do with each table and why, from keys and stored facts. Nothing is written or paid for.

    Exit status: that of refresh, 2 or 6, where it would refuse to begin; the plan says why.
    """
    check_names(names)
    from recast.cli import plans
    from recast.jobs.catalogue import chosen
    from recast.jobs.running import plan_stages, reasons

    stages = chosen(names, with_sources)
    if why:
        found = reasons(settings, stages)
        plans.show_reasons(found, as_json)
    else:
        planned = plan_stages(settings, stages, retry=retry, conf=conf)
        plans.show(planned, as_json)
        found = {plan.table_name: plan.why for plan in planned}
        if status := plans.status_of(planned):
            raise SystemExit(status)
    if detailed_exit_code and not any(found.values()):
        raise SystemExit(exits.NOTHING_TO_DO)


@main.command(short_help="Print the graph of tables, for a scheduler.")
@one_line_errors
def graph() -> None:
    """Print one JSON object per table, each after those it reads: its lane, and the tables that it reads."""
    from recast.jobs.catalogue import drawn

    for table in drawn():
        click.echo(json.dumps(table))


@main.command(short_help="Show what sources hold, and what would be taken of them.", epilog=OTHER_SETTINGS)
@click.argument("lanes", nargs=-1, type=click.Choice(["code", "math"]), metavar="[code|math]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per source.")
@spark_options
@settings_options("code_source", "math_source", "source_version", *SELECTION, *FETCHING)
@one_line_errors
def sources(
    settings: Settings,
    lanes: tuple[str, ...],
    as_json: bool,
    conf: dict[str, str],
) -> None:
    """Show where each source lies, in what form, what it holds, what the settings would take and drop of it, and what
    fetching costs.

    Nothing is fetched or written. Files are counted without a JVM; tables of a catalogue need Spark.
    """
    from recast.cli import sources as printing
    from recast.jobs.profiling import profiles

    printing.show(profiles(settings, lanes, conf), as_json, settings)


@main.command(short_help="Show what tables hold, why rows were rejected, and the cost.", epilog=OTHER_SETTINGS)
@settings_options("lake")
@one_line_errors
def status(settings: Settings) -> None:
    """Show what every table holds, why rows were rejected, and what its runs cost."""
    from recast.cli import output

    output.status(settings)


@main.command(short_help="Show a rewrite beside its source.", epilog=OTHER_SETTINGS)
@click.argument("doc_id", required=False)
@click.option(
    "--table", "table", default="", help="Table of rewrites to look in; the last one with kept rows by default."
)
@settings_options("lake")
@one_line_errors
def compare(settings: Settings, doc_id: str | None, table: str) -> None:
    """Show a rewrite beside its source: the one whose doc_id begins so, or the one that changed most."""
    from recast.cli import output

    output.compare(settings, table, doc_id)


@main.command(
    short_help="Run one SQL query over the tables.",
    epilog=OTHER_SETTINGS,
    context_settings={"ignore_unknown_options": True},  # a query may begin with a comment: --
)
@click.argument("query")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default=None,
    help="json is one object per row. By default table; of a file what its name says.",
)
@click.option("--output", "file", default="", metavar="FILE", help="Write the rows to a file.")
@click.option("--release", default="", metavar="NAME", help="Read the published tables as this release has them.")
@click.option("--unsafe", is_flag=True, help="Run any statement, one that writes files or reads others as well.")
@settings_options("lake")
@one_line_errors
def sql(settings: Settings, query: str, form: str | None, file: str, release: str, unsafe: bool) -> None:
    """Run one SQL query over the tables, in DuckDB's dialect. It reads the lake and nothing else.

    Besides the tables there are views: `rejects`, `lineage`, `funnel` and `cost`. A table as it was: FROM linted_code AT
    (VERSION => 3), or AT (TIMESTAMP => '2026-11-01').
    """
    from recast.cli import sql as asking

    asking.sql(settings, query, form, unsafe, release, file)


@main.command(
    short_help="Show what changed between versions of a table, or between releases.",
    epilog=OTHER_SETTINGS,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("what", nargs=-1, required=True, metavar="[TABLE] BEFORE AFTER")
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True, help="Changed texts to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per table.")
@settings_options("lake")
@one_line_errors
def diff(settings: Settings, what: tuple[str, ...], examples: int, as_json: bool) -> None:
    """Show which rows were added, removed and changed, which reasons moved, and how a few texts changed.

    Of a table between two versions or times: recast diff linted_code 3 5, recast diff linted_code 2026-11-01 2026-11-08.
    Of the published tables between two releases: recast diff 2026-10 2026-11.
    """
    from recast.cli import history

    history.diff(settings, what, examples, as_json)


@main.command(short_help="Give the published tables' present versions a name.", epilog=OTHER_SETTINGS)
@click.argument("name")
@click.option("--rollback", is_flag=True, help="Make this earlier release the current one again.")
@settings_options("lake")
@one_line_errors
def release(settings: Settings, name: str, rollback: bool) -> None:
    """Give the present versions of the published tables a name, in one step; or return to an earlier release.

    No table changes. Readers ask for a release by its name, or for `current`: recast sql --release current "..."
    """
    from recast.cli import history

    history.release(settings, name, rollback)


@main.command(short_help="List releases.", epilog=OTHER_SETTINGS)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@settings_options("lake")
@one_line_errors
def releases(settings: Settings, form: str) -> None:
    """List releases, the last first: when, which versions, how many rows and tokens."""
    from recast.cli import history

    history.releases(settings, form)


@main.command(short_help="Make the tables known to DuckDB, or to Spark and its catalogues.", epilog=OTHER_SETTINGS)
@click.argument("file", metavar="FILE.duckdb|FILE.sql")
@settings_options("lake")
@one_line_errors
def attach(settings: Settings, file: str) -> None:
    """Write a file by which other programs find the tables and views.

    FILE.duckdb is a DuckDB database of views over the tables as they are now; attach again after a refresh. FILE.sql holds
    statements for spark-sql -f, which enter the tables in a catalogue, where they are read as they are then.
    """
    from recast.lakehouse import attach as attaching

    names = attaching.attach_spark(settings, file) if file.endswith(".sql") else attaching.attach(settings, file)
    click.echo(f"{file} has {', '.join(names)}", err=True)


@main.command(short_help="Take documents down, for good.", epilog=OTHER_SETTINGS)
@click.option("--blob", multiple=True, metavar="ID", help="A blob of The Stack v2.")
@click.option("--repo", multiple=True, metavar="NAME", help="A repository: owner/name.")
@click.option("--url", multiple=True, metavar="URL", help="A page, by its address as the source has it.")
@click.option("--domain", multiple=True, metavar="NAME", help="All pages of a domain and of those below it.")
@click.option("--file", default="", metavar="LIST", help="A list: per line a value, or its kind and a value.")
@click.option("--table", default="", help="A Delta table that lists them: one of the lake, or a folder.")
@click.option("--column", default="", help="The column of --table.")
@click.option("--kind", type=click.Choice(["", *KINDS]), default="", help="What the values of a list name.")
@click.option("--why", default="", metavar="TEXT", help="The reason, for the record.")
@click.option("--reference", default="", metavar="TEXT", help="A ticket or a letter, for the record.")
@click.option("--content", "with_content", is_flag=True, help="Also equal texts in other repositories and pages.")
@click.option("--lift", is_flag=True, help="Undo; with --content also what was taken down together.")
@settings_options("lake")
@one_line_errors
def takedown(
    settings: Settings,
    file: str,
    table: str,
    column: str,
    kind: str,
    why: str,
    reference: str,
    with_content: bool,
    lift: bool,
    **named: tuple[str, ...],
) -> None:
    """Take documents down: readers of the published tables see them no more, the next refresh removes them from every
    table, no later source brings them back, and `recast purge` deletes what is left and proves it.

    Without anything to take down: list what is.
    """
    from recast.cli import takedowns as printing
    from recast.lakehouse import takedown as taking
    from recast.lakehouse.purge import require_built

    listed = printing.gathered(settings, named, file, table, column, kind)
    if listed.malformed and not listed.claims:
        raise UserError(f"no line is well-formed: {listed.malformed[0]}")
    if (file or table) and not listed.claims:
        raise UserError(f"{file or table} lists nothing to take down")
    if listed.claims and not why:
        raise UserError("say why, for the record: --why TEXT")
    if listed.claims or taking.version(settings) is None:
        require_built(settings)
    if not listed.claims:
        printing.show_in_force(settings)
    elif lift:
        left = 0 if with_content else len(taking.taken_along(settings, listed.claims))
        printing.show_lifted(taking.lift(settings, listed.claims, why, reference, with_content), left)
    else:
        printing.show_taken(taking.take_down(settings, listed.claims, why, reference, with_content), listed)


@main.command(
    short_help="Delete old versions and leftovers, and prove that nothing taken down is left.", epilog=OTHER_SETTINGS
)
@retention_option
@click.option("--report", "report_file", default="", metavar="FILE", help="Write the report here as well.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@settings_options("lake")
@one_line_errors
def purge(settings: Settings, retention_hours: float, report_file: str, as_json: bool) -> None:
    """Delete old versions, change feeds, logs and leftovers of killed runs; then read every file of the lake, and say
    whether text is left that was taken down. Exit status 1 where it is. No refresh may run meanwhile.
    """
    from recast.cli.takedowns import run_purge
    from recast.jobs.catalogue import STAGES
    from recast.jobs.running import holding
    from recast.lakehouse.purge import require_built

    require_built(settings)
    with holding(settings, list(STAGES.values())) as require:
        proven = run_purge(settings, retention_hours, report_file, as_json, require)
    if not proven:
        raise SystemExit(exits.FAILED)


@main.command(short_help="Put small files together and delete what is old.", epilog=OTHER_SETTINGS)
@retention_option
@settings_options("lake", "keep_dropped_days")
@one_line_errors
def maintain(settings: Settings, retention_hours: float) -> None:
    """Put small files of tables together; delete old versions, leftovers of killed runs, old pages, and rows that left a
    table because of its source more than KEEP_DROPPED_DAYS ago. No row of a table changes, and the next refresh finds
    nothing to do. No refresh may run meanwhile.
    """
    from recast.cli.takedowns import show_kept
    from recast.jobs.catalogue import STAGES
    from recast.jobs.running import holding
    from recast.lakehouse import maintain as maintaining
    from recast.lakehouse.purge import require_built

    require_built(settings)
    with holding(settings, list(STAGES.values())) as require:
        show_kept(maintaining.maintain(settings, retention_hours, require))


@main.command(short_help="Score Python files as the tables would.", epilog=OTHER_SETTINGS)
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
@click.option("--messages", is_flag=True, help="Print what is behind each score: its parts, pylint, the parser.")
@settings_options("lint_threshold")
@one_line_errors
def score(settings: Settings, files: tuple[str, ...], as_json: bool, messages: bool) -> None:
    """Score Python files just as parsed_code and linted_code would."""
    from recast.cli import score as scoring_files

    scored = scoring_files.score(files, settings.lint_threshold, with_messages=messages)
    unread = scoring_files.print_scores(scored, as_json)
    if unread:
        raise UserError(scoring_files.why_unread(unread))


if __name__ == "__main__":
    main()
