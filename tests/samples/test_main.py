"""Building both lanes: the same bytes every time, nothing to do when they are there, one line for a user's error."""

import filecmp
import json
import re
import shutil
from pathlib import Path

import pytest

from samples import __main__ as samples
from samples import math, sources
from tests.samples.conftest import manifest


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_two_builds_of_the_small_set_are_equal_byte_for_byte(small: Path, tmp_path: Path) -> None:
    again, built = samples.build(tmp_path, "small")
    assert built
    assert bytes_below(again) == bytes_below(small)


@pytest.mark.slow
def test_two_builds_of_the_full_set_are_equal_byte_for_byte(full: Path, tmp_path: Path) -> None:
    again, built = samples.build(tmp_path, "full")
    assert built
    assert bytes_below(again) == bytes_below(full)


def test_a_second_build_touches_nothing(small: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    folder, built = samples.build(small.parent, "small")
    assert (folder, built) == (small, False)
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


@pytest.mark.slow
def test_a_build_that_comes_out_the_same_leaves_the_files_in_place(small: Path, tmp_path: Path) -> None:
    """Their times are part of the source's version: a new comment in samples/ must not cause another ingest."""
    shutil.copytree(small, tmp_path / "small")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "small" / "code").rglob("*")}
    facts = manifest(small) | {"made_from": {"samples": "older"}}
    (tmp_path / "small" / samples.MANIFEST).write_text(json.dumps(facts))
    assert samples.build(tmp_path, "small")[1]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "small" / "code").rglob("*")} == before
    assert manifest(tmp_path / "small") == manifest(small)


@pytest.mark.slow
def test_a_damaged_build_is_made_again(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "small")
    content = tmp_path / "small" / "code" / "content"
    damaged, removed, added = (*sorted(content.iterdir())[:2], content / "stray")
    damaged.write_bytes(b"damaged")
    removed.unlink()
    added.write_bytes(b"stray")
    assert samples.build(tmp_path, "small") == (tmp_path / "small", True)
    assert bytes_below(tmp_path / "small") == bytes_below(small)


def test_a_build_that_was_cut_off_is_not_taken_for_intact(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "small")
    assert samples.intact(tmp_path / "small", samples.made_from())
    (tmp_path / "small" / samples.MANIFEST).write_text('{"made_from":')
    assert not samples.intact(tmp_path / "small", samples.made_from())


@pytest.mark.slow
def test_the_small_set_lies_beside_the_full_one_and_neither_disturbs_the_other(
    small: Path, full: Path, tmp_path: Path
) -> None:
    shutil.copytree(full, tmp_path / "both")
    shutil.copytree(small, tmp_path / "both" / "small")
    assert samples.build(tmp_path / "both", "full")[1] is False
    assert samples.build(tmp_path / "both", "small")[1] is False


def test_the_command_says_what_there_is(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert samples.main(["--output", str(small.parent), "--subset", "small"]) == 0
    assert capsys.readouterr().out.endswith(f"already in {small}\n")


def test_the_command_names_a_missing_package_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = sources.Package("no-such-package-anywhere", "a/b", ("MIT",))
    monkeypatch.setattr(samples, "PACKAGES", (package,))
    assert samples.main(["--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "no-such-package-anywhere" in error
    assert error.count("\n") == 1


def test_an_output_that_is_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert samples.main(["--output", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_others_wrote_is_not_among_our_files() -> None:
    """Only text that we wrote is committed; files of packages are read where they are installed."""
    here = Path(samples.__file__).parent
    written = {file.source for _, _, files in sources.OWN for file in files} - set(sources.built()) - {""}
    assert {path.name.removesuffix(".txt") for path in (here / "code_files").iterdir()} == written
    assert not filecmp.dircmp(here, here / "math_pages").common_files


@pytest.mark.slow
def test_the_readme_explains_every_defect_and_counts_right(small: Path, full: Path) -> None:
    readme = (Path(samples.__file__).parent / "README.md").read_text(encoding="utf-8")
    for name in (*sources.DEFECTS, *math.DEFECTS):
        assert f"`{name}`" in readme
    facts = [manifest(folder) for folder in (small, full)]
    rows = {
        "repositories": [each["code"]["repositories"] for each in facts],
        "Python files (listed)": [each["code"]["python_files"] for each in facts],
        "math pages, defective rows included": [each["math"]["pages"] for each in facts],
    }
    for name, counts in rows.items():
        assert re.search(rf"\| {re.escape(name)} *\| *{counts[0]} \| *{counts[1]} \|", readme), (name, counts)
