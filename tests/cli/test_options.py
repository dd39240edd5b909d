"""The command line's manners: a user's mistake is one line on standard error and exit status 2."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recast.cli.main import main
from recast.cli.options import stop
from recast.exits import FAILED
from recast.jobs.settings import Settings


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
    monkeypatch.setitem(sys.modules, "recast.jobs.catalogue", None)
    monkeypatch.setattr("recast.cli.options.EXTRAS", {"recast": "spark"})
    result = recast("refresh")
    assert (result.exit_code, result.stderr) == (
        2,
        "recast: recast.jobs.catalogue is not installed: pip install 'recast-lakehouse[spark]'\n",
    )


def test_without_a_command_help_is_shown() -> None:
    assert "Commands:" in recast().output
    assert recast("--help").exit_code == 0


def listed(command: str) -> set[str]:
    shown = recast(command, "--help")
    assert shown.exit_code == 0
    return {name for name in Settings.__dataclass_fields__ if f"--{name.replace('_', '-')} " in shown.stdout}


SHOWN = {"status": "lake", "sql": "lake", "compare": "lake", "score": "lint_threshold"}


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_lists_the_setting_that_it_reads_and_takes_them_all(command: str, tmp_path: Path) -> None:
    assert listed(command) == {SHOWN[command]}
    assert "recast refresh --help" in recast(command, "--help").stdout
    argument = ["SELECT 1"] if command == "sql" else [str(tmp_path / "none.py")] if command == "score" else []
    assert "No such option" not in recast(command, *argument, "--lake", str(tmp_path), "--max-tokens", "9").stderr


def test_refresh_lists_every_setting() -> None:
    assert listed("refresh") == set(Settings.__dataclass_fields__)


def test_the_summary_of_no_command_is_cut() -> None:
    assert "..." not in recast("--help").stdout.partition("Commands:")[2]


def test_a_name_is_refused_before_the_stages_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "recast.jobs.catalogue", None)
    assert "there is no lane or table 'linted'" in recast("refresh", "linted").stderr


@pytest.mark.parametrize("words", ["a\x1b[2Jb", "a\x9b2Jb", "a\nrecast: b", "a\r\nb", "a\u202eb", "a\u2028b", "a\x07"])
def test_foreign_words_in_a_mistake_are_one_line_that_commands_nothing(words: str) -> None:
    for arguments in (["refresh", words], ["compare", "--table", words], [words], ["score", f"/nowhere/{words}"]):
        result = recast(*arguments)
        (line,) = result.stderr.splitlines()
        assert line.startswith("recast: ")
        assert line.isprintable()


def test_a_failure_may_have_lines_and_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stop("styled_code failed: the engine does not start\n  \x1b[31mits last words\r", FAILED)
    assert capsys.readouterr().err == (
        "recast: styled_code failed: the engine does not start\n  \\x1b[31mits last words\\r\n"
    )


def test_ctrl_c_is_one_line_and_the_status_that_shells_give_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recast.cli.output.status", interrupted)
    result = recast("status", "--lake", str(tmp_path))
    assert result.exit_code == 130
    assert result.stderr == "recast: interrupted; what was committed stays, and the same command goes on from there\n"
