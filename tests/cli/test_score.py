"""`recast score`: a verdict per file, whatever the file; the very code of parsed_code and linted_code."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recast.cli.main import main
from recast.schemas import reasons
from recast.schemas.linted_code import Lint
from recast.udfs.python import scoring, syntax
from recast.udfs.python.linter import lint

KEYS = ["path", "parses", "lint_score", "comment_ratio", "adjusted_score", "kept", "reason"]
GOOD = '"""Sums."""\n\n\ndef total(values):\n    """Return the sum of `values`."""\n    return sum(values)\n'
MIDDLING = '"""One warning in three statements: 10 - 10 / 3."""\nimport os\n\nX = 1\nprint(X)\n'
FILES: dict[str, str | bytes] = {
    "good.py": GOOD,
    "middling.py": MIDDLING,
    "commented.py": "# why\n# this\n# is so\n" + GOOD,
    "python2.py": 'print "hello"\n',
    "empty.py": "",
    "only_comments.py": "# nothing here\n",
    "latin1.py": "# -*- coding: latin-1 -*-\nNAME = 'Müller'\n".encode("latin-1"),
    "binary.py": bytes(range(256)),
    "null.py": "x = 1\0\n",
    "blanket.py": "# pylint: disable=C,R,W\nimport os\n",
    "with space, and ünïcode.py": GOOD,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def score(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


def verdicts(*arguments: str | Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in score(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def by_name(folder: Path) -> dict[str, dict[str, object]]:
    """The verdict on every file, by its name; all in one call."""
    found = verdicts(*(folder / name for name in FILES))
    assert [Path(str(row["path"])).name for row in found] == list(FILES), "in the order in which they were given"
    return {Path(str(row["path"])).name: row for row in found}


def test_every_object_has_exactly_the_promised_keys_in_their_order(by_name: dict[str, dict[str, object]]) -> None:
    assert all(list(row) == KEYS for row in by_name.values())


def test_a_good_file_is_kept(folder: Path, by_name: dict[str, dict[str, object]]) -> None:
    assert by_name["good.py"] == {
        "path": str(folder / "good.py"),
        "parses": True,
        "lint_score": 10.0,
        "comment_ratio": 0.0,
        "adjusted_score": 10.0,
        "kept": True,
        "reason": None,
    }
    assert by_name["with space, and ünïcode.py"]["kept"] is True


EXPECTED = {
    "middling.py": (True, False, "low_score"),
    "python2.py": (False, False, "python2"),
    "empty.py": (False, False, "empty"),
    "only_comments.py": (True, False, "no_score"),
    "latin1.py": (None, False, "undecodable"),
    "binary.py": (None, False, "undecodable"),
    "null.py": (False, False, "null_bytes"),
    "blanket.py": (True, False, "blanket_pragma"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_that_is_not_kept_says_why(by_name: dict[str, dict[str, object]], name: str) -> None:
    row = by_name[name]
    assert (row["parses"], row["kept"], row["reason"]) == EXPECTED[name]


def test_comments_lower_the_score(by_name: dict[str, dict[str, object]]) -> None:
    row = by_name["commented.py"]
    assert row["lint_score"] == 10.0
    assert isinstance(row["comment_ratio"], float)
    assert 0 < row["comment_ratio"] < 1
    assert row["adjusted_score"] == pytest.approx(10.0 * (1 - row["comment_ratio"]))


def test_reasons_are_those_of_the_tables(by_name: dict[str, dict[str, object]]) -> None:
    known = {None, "undecodable", "unreadable", *syntax.REASONS, *reasons.LINT}
    assert {row["reason"] for row in by_name.values()} <= known


def test_the_threshold_is_a_setting(folder: Path) -> None:
    (row,) = verdicts(folder / "middling.py", "--lint-threshold", "6.5")
    assert (row["adjusted_score"], row["kept"], row["reason"]) == (6.67, True, None)


def test_a_file_that_cannot_be_read_is_a_row_and_an_exit_status(folder: Path) -> None:
    missing = folder / "missing.py"
    result = score(folder / "good.py", missing, folder, folder / "python2.py", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["reason"] for row in rows] == [None, "unreadable", "unreadable", "python2"]
    assert [row["parses"] for row in rows] == [True, None, None, False]
    assert result.exit_code == 2
    assert result.stderr == f"recast: could not read {missing}; {folder} is a folder: name files\n"


def test_a_name_that_is_not_utf8_is_printed_all_the_same(folder: Path) -> None:
    odd = os.fsdecode(os.fsencode(folder) + b"/caf\xe9.py")
    Path(odd).write_text("X = 1\n")
    (row,) = verdicts(odd)
    assert row["path"] == f"{folder}/caf�.py"
    Path(odd).unlink()


def test_messages_are_printed_on_demand(folder: Path) -> None:
    (row,) = verdicts(folder / "middling.py", "--messages")
    assert list(row) == [*KEYS, "messages"]
    assert row["messages"] == [{"symbol": "unused-import", "msg_id": "W0611", "line": 2, "column": 0}]
    (row,) = verdicts(folder / "python2.py", "--messages")
    assert row["line"] == 1
    assert "print" in str(row["detail"])


def test_without_json_a_file_is_a_line(folder: Path) -> None:
    result = score(folder / "good.py", folder / "blanket.py", folder / "binary.py")
    assert result.exit_code == 0
    good, blanket, binary = result.stdout.splitlines()
    assert good.split() == ["10.00", "kept", str(folder / "good.py")]
    assert blanket.split()[1:] == ["blanket_pragma", str(folder / "blanket.py")]
    assert binary.split() == ["-", "undecodable", str(folder / "binary.py")]
    assert len({line.index(str(folder)) for line in (good, blanket, binary)}) == 1, "paths stand in one column"


def test_with_messages_a_score_is_followed_by_its_parts(folder: Path) -> None:
    middling, parts, message = score(folder / "middling.py", "--messages").stdout.splitlines()
    assert middling.split() == ["6.67", "low_score", str(folder / "middling.py")]
    assert parts.split() == ["lint", "6.67,", "comments", "-0.00"]
    assert message.split() == ["2:0", "W0611", "unused-import"]
    commented, parts = score(folder / "commented.py", "--messages").stdout.splitlines()
    assert float(commented.split()[0]) == pytest.approx(10 + float(parts.split()[-1]))


def test_with_messages_a_file_that_does_not_parse_says_where_and_why(folder: Path) -> None:
    python2, parser = score(folder / "python2.py", "--messages").stdout.splitlines()
    assert python2.split()[1] == "python2"
    assert parser.strip().startswith("line 1: Missing parentheses")


def test_with_messages_a_file_that_the_linter_gave_up_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "lint", lambda _: [Lint("crashed", detail="SIGSEGV")])
    crashed, detail = score(folder / "good.py", "--messages").stdout.splitlines()
    assert crashed.split()[:2] == ["-", "lint_crashed"]
    assert detail.strip() == "SIGSEGV"


def test_the_scorer_of_record_is_kept_by_itself() -> None:
    assert verdicts(scoring.__file__)[0]["kept"] is True


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e.py"


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--messages",), ("--messages", "--json")])
def test_a_name_and_a_parsers_words_command_no_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / HOSTILE).write_text("x = '\x1b[2J\u202e\n")
    (tmp_path / f"2{HOSTILE}").write_text("\u202ex = 1\n")
    result = score(tmp_path / HOSTILE, tmp_path / f"2{HOSTILE}", tmp_path / f"3{HOSTILE}", *arguments)
    assert result.exit_code == 2, "the third is not there"
    assert not any(each in result.output for each in "\x1b\x07\x9b\u202e")
    assert len(result.stderr.splitlines()) == 1
