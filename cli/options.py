"""Turns settings into command-line options and errors into one line, for every command of Recast."""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

import click

from recast.exits import USER_ERROR
from recast.jobs.settings import Settings, resolve
from recast.printable import printable
from recast.settings import UserError, ways_to_give
from recast.signals import one_line

Command = TypeVar("Command", bound=Callable[..., Any])

OTHER_SETTINGS = "All other settings, which are options here too: recast refresh --help"
LINES = "\n"  # an engine's last words are several
EXTRAS = {"pyspark": "spark", "delta": "spark", "great_expectations": "quality"}


def settings_options(*shown: str) -> Callable[[Command], Command]:
    """Return a decorator: the command gets an option for each setting, and their `Settings` as its argument `settings`.

    Its help lists the settings `shown`, all by default; the others are options all the same.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_settings(**options: Any) -> Any:
            given = {field.name: options.pop(field.name) for field in fields(Settings)}
            try:
                settings = resolve(**given)
            except UserError as problem:
                stop(problem, USER_ERROR)
            return command(settings=settings, **options)

        for field in reversed(fields(Settings)):
            default = field.default if field.default != "" else "empty"
            name, variable = ways_to_give(field.name)
            option = click.option(
                name,
                field.name,
                type=type(field.default),
                default=None,
                help=f"{field.metadata['help']}  [{variable}, default {default}]",
                hidden=bool(shown) and field.name not in shown,
            )
            with_settings = option(with_settings)
        return with_settings  # type: ignore[return-value]

    return decorate


def spark_options(command: Command) -> Command:
    """Give a command the options `--master` and `--conf`, and the settings of Spark that they name as its argument `conf`."""

    @functools.wraps(command)
    def with_conf(master: str, confs: tuple[str, ...], **options: Any) -> Any:
        try:
            conf = spark_settings(master, confs)
        except UserError as problem:
            stop(problem, USER_ERROR)
        return command(conf=conf, **options)

    given = click.option(
        "--conf", "confs", multiple=True, metavar="NAME=VALUE", help="A setting of Spark, as spark-submit's --conf."
    )(with_conf)
    master = click.option(
        "--master", default="", metavar="URL", help="Spark master to run on, as spark-submit's --master."
    )
    return master(given)  # type: ignore[return-value]


def spark_settings(master: str, confs: Iterable[str]) -> dict[str, str]:
    """Return Spark's settings that the options `--master` and `--conf` give.

    Raises:
        UserError: one of `confs` is no ``spark.NAME=VALUE``, or spark-submit has started Spark already.
    """
    settings = {"spark.master": master} if master else {}
    for conf in confs:
        name, equals, value = conf.partition("=")
        if not equals or not name.startswith("spark."):
            raise UserError(f"--conf {conf} is no setting of Spark; give spark.NAME=VALUE")
        settings[name] = value
    if settings and "PYSPARK_GATEWAY_PORT" in os.environ:
        raise UserError("give --master and --conf to spark-submit, before the program: Spark has started already")
    return settings


def one_line_errors(command: Command) -> Command:
    """Make a command end with one line, and no trace, on errors that its user can understand."""

    @functools.wraps(command)
    def with_errors(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except UserError as problem:
            stop(problem, problem.exit_status)
        except ModuleNotFoundError as problem:
            name = (problem.name or "").partition(".")[0]
            extra = EXTRAS.get(name)
            if extra is None and name in ("", "recast"):
                raise
            wanted = f"'recast-lakehouse[{extra}]'" if extra else "recast-lakehouse"
            stop(f"{problem.name} is not installed: pip install {wanted}", USER_ERROR)
        except Exception as problem:
            from recast.lakehouse.problems import disk_is_full, explain, first_line, may_not_write, status_of

            if hasattr(problem, "exit_status"):
                stop(problem, status_of(problem))
            if may_not_write(problem):
                remedy = "give it, or run the command as the user who owns the lake"
                stop(f"this user lacks the right: {first_line(problem)}; {remedy}", status_of(problem))
            if disk_is_full(problem):
                stop(explain(problem), status_of(problem))
            raise

    return with_errors  # type: ignore[return-value]


@contextmanager
def one_line_ends() -> Iterator[None]:
    """End the program with one line on a signal, and on an option or argument that click cannot read."""
    try:
        with one_line():
            yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as problem:
        stop(problem.format_message(), USER_ERROR)


class OneLineCommand(click.Command):
    """A command whose misuse, and whose end by a signal, is answered in one line."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command's arguments."""
        with one_line_ends():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with one_line_ends():
            return super().invoke(ctx)


class OneLineGroup(click.Group):
    """Such commands under one name."""

    command_class = OneLineCommand

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options that stand before the command's name."""
        with one_line_ends():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Find the command and run it."""
        with one_line_ends():
            return super().invoke(ctx)


def stop(problem: Exception | str, status: int) -> NoReturn:
    """Print the problem, in one line where it is the user's mistake, and leave."""
    click.echo(f"recast: {printable(str(problem), keep='' if isinstance(problem, UserError) else LINES)}", err=True)
    sys.exit(status)
