"""Settings as command-line options, and errors as one line: what every command of Recast shares."""

import functools
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from lakehouse.settings import Settings, UserError, environment_name, resolve

Command = TypeVar("Command", bound=Callable[..., Any])

FAILED = 1
USER_ERROR = 2  # as click itself exits for an unknown option


def settings_options(command: Command) -> Command:
    """Give a command an option per setting, and the `Settings` they add up to as its argument `settings`."""

    @functools.wraps(command)
    def with_settings(**options: Any) -> Any:
        given = {field.name: options.pop(field.name) for field in fields(Settings)}
        try:
            settings = resolve(**given)
        except UserError as problem:
            stop(problem, USER_ERROR)
        return command(settings=settings, **options)

    for field in reversed(fields(Settings)):
        shown = field.default if field.default != "" else "empty"
        text = f"{field.metadata['help']}  [{environment_name(field.name)}, default {shown}]"
        option = click.option(
            f"--{field.name.replace('_', '-')}", field.name, type=type(field.default), default=None, help=text
        )
        with_settings = option(with_settings)
    return with_settings  # type: ignore[return-value]


def one_line_errors(command: Command) -> Command:
    """Make a command end with one line, and no trace, on whatever its user can understand."""

    @functools.wraps(command)
    def with_errors(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except UserError as problem:
            stop(problem, USER_ERROR)
        except Exception as problem:
            # Named by class, because importing them here would make `recast sql` wait for Spark.
            if type(problem).__name__ in ("RunError", "QualityError"):
                stop(problem, FAILED)
            raise

    return with_errors  # type: ignore[return-value]


def stop(problem: Exception, status: int) -> None:
    """Print the problem and leave."""
    click.echo(f"recast: {problem}", err=True)
    sys.exit(status)
