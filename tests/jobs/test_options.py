"""The command line's manners: a user's mistake is one line on standard error and exit status 2."""

import sys

import pytest
from click.testing import CliRunner, Result

from jobs.__main__ import main
from lakehouse.settings import Settings


def recast(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


MISTAKES = {
    "an unknown command": (["refresj"], "No such command 'refresj'"),
    "an unknown option": (["refresh", "--lint-treshold", "6"], "--lint-treshold"),
    "an unknown option of recast itself": (["--lake", "x", "status"], "--lake"),
    "an option without its value": (["sql", "SELECT 1", "--format"], "--format"),
    "an unknown format": (["sql", "SELECT 1", "--format", "xml"], "'table', 'json', 'csv'"),
    "an argument too many": (["sql", "SELECT 1", "SELECT 2"], "SELECT 2"),
    "an argument too few": (["sql"], "QUERY"),
    "no file to score": (["score"], "FILES"),
    "a text for a number": (["refresh", "--chunk-rows", "many"], "--chunk-rows"),
    "a number that no run can use": (["refresh", "--chunk-rows", "0"], "chunk_rows is 0; give 1 or more"),
    "a threshold above the best score": (
        ["refresh", "--lint-threshold", "70"],
        "lint_threshold is 70.0; give 10 or less",
    ),
    "an unknown table": (["refresh", "linted"], "there is no lane or table 'linted'; there are code, math, raw_code"),
    "an unknown kind of rewrite": (["compare", "--table", "raw_code"], "raw_code holds no rewrites"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_answered_in_one_line(case: str) -> None:
    arguments, named = MISTAKES[case]
    result = recast(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("recast: ")
    assert named in line


def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "jobs.catalogue", None)
    monkeypatch.setattr("jobs.options.EXTRAS", {"jobs": "spark"})
    result = recast("refresh")
    assert (result.exit_code, result.stderr) == (
        2,
        "recast: jobs.catalogue is not installed: pip install 'recast[spark]'\n",
    )


def test_without_a_command_help_is_shown() -> None:
    assert "Commands:" in recast().output
    assert recast("--help").exit_code == 0


@pytest.mark.parametrize("command", ["refresh", "status", "sql", "compare", "score"])
def test_every_command_lists_every_setting(command: str) -> None:
    shown = recast(command, "--help")
    assert shown.exit_code == 0
    options = [f"--{name.replace('_', '-')} " for name in Settings.__dataclass_fields__]
    assert all(option in shown.stdout for option in options)
