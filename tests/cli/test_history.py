"""What `recast diff`, `release` and `releases` print, and how they refuse."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recast.cli.main import main
from tests.lakehouse.whole_lake import CODE, row_of, write, write_whole_lake


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    write_whole_lake(tmp_path / "a lake")
    return tmp_path / "a lake"


def recast(lake: Path, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "RECAST_LAKE": str(lake)}).invoke(main, arguments)


def printed(lake: Path, *arguments: str) -> str:
    done = recast(lake, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(lake: Path, *arguments: str) -> str:
    done = recast(lake, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_diff_shows_counts_moved_reasons_and_changed_lines(lake: Path) -> None:
    shown = printed(lake, "diff", "linted_code", "0", "1")
    assert "linted_code: version 0 -> version 1" in shown
    assert "0 added, 1 removed, 0 with another text, 1 with the same text and another verdict; 7 rows now" in shown
    assert ["low_score", "kept", "1"] in [line.replace("│", " ").split() for line in shown.splitlines()]
    shown = printed(lake, "diff", "published_math", "0", "1")
    assert "+Step by step: A triangle has 180 degrees. A square has 360." in shown
    assert "https://example.org/angles" in shown


def test_a_diff_as_json_is_an_object_per_table(lake: Path) -> None:
    found = json.loads(printed(lake, "diff", "published_math", "0", "1", "--json"))
    assert (found["table"], found["changed"], found["moved"]) == ("published_math", 1, [])
    assert found["examples"][0]["lines"][0].startswith("@@")


def test_versions_may_be_times(lake: Path) -> None:
    assert "7 rows now" in printed(lake, "diff", "linted_code", "0", "2099-01-01")
    assert "its log begins later" in refused(lake, "diff", "linted_code", "2001-01-01T12:30:00+02:00", "1")


def test_a_stranger_s_text_cannot_command_the_terminal(lake: Path) -> None:
    row = row_of(CODE, "published_code", 1, "ada/numbers/primes.py")
    write(lake, "published_code", [row | {"text": "\x1b[2J\n", "content_hash": "x", "path": "\x1b[2J"}])
    shown = printed(lake, "diff", "published_code", "1", "2")
    assert "\x1b[2J" not in shown
    assert "+\\x1b[2J" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("linted_code", "0"), "name a table and two versions"),
        (("a",), "name a table and two versions"),
        (("a", "b", "c", "d"), "name a table and two versions"),
        (("nothing", "0", "1"), "there is no table 'nothing'"),
        (("linted_code", "0", "9"), "its present version is 1"),
        (("linted_code", "-1", "1"), "'-1' is no version and no time"),
        (("linted_code", "one", "1"), "'one' is no version and no time"),
        (("2026-10", "2026-11"), "there is no release 2026-10"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(lake: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(lake, "diff", *arguments)


def test_releases_are_made_listed_compared_and_rolled_back(lake: Path) -> None:
    assert "make one with: recast release NAME" in refused(lake, "releases")
    assert "2026-10: published_code version 1, 3 rows" in printed(lake, "release", "2026-10")
    assert "already" in refused(lake, "release", "2026-10")
    printed(lake, "release", "2026-11")
    assert "published_math: version 1 -> version 1" in printed(lake, "diff", "2026-10", "current")
    assert printed(lake, "release", "--rollback", "2026-10").startswith("2026-10: published_code version 1")
    rows = [json.loads(line) for line in printed(lake, "releases", "--format", "json").splitlines()]
    assert [(row["release"], row["action"], row["current"]) for row in rows[::2]] == [
        ("2026-10", "rolled back", True),
        ("2026-11", "released", False),
        ("2026-10", "released", False),
    ]
    assert all(row["readable"] for row in rows)
    shutil.rmtree(lake / "published_code")
    rows = [json.loads(line) for line in printed(lake, "releases", "--format", "json").splitlines()]
    assert {(row["table_name"], row["readable"]) for row in rows} == {
        ("published_code", False),
        ("published_math", True),
    }


def test_a_table_that_one_release_alone_has_is_named(lake: Path) -> None:
    apart = lake.with_name("published_code")
    (lake / "published_code").rename(apart)
    printed(lake, "release", "math")
    apart.rename(lake / "published_code")
    printed(lake, "release", "both")
    done = recast(lake, "diff", "math", "both")
    assert "published_math: version 1 -> version 1" in done.stdout
    assert "published_code is not compared: release math has none" in done.stderr


def test_a_file_of_views_is_written_and_named(lake: Path, tmp_path: Path) -> None:
    done = recast(lake, "attach", str(tmp_path / "lake.duckdb"))
    assert done.exit_code == 0
    assert "lineage" in done.stderr
    assert (tmp_path / "lake.duckdb").exists()
