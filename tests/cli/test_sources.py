"""`recast sources`: what it prints, and that a source that does not fit is one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recast.cli.main import main
from recast.cli.sources import cost, hours, lines, most, size
from recast.jobs.profiling import Fetch, Profile
from recast.jobs.settings import Settings
from tests.jobs.lanes import write_pages
from tests.sources import write_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both sources and a configuration that names them."""
    write_code(tmp_path / "code", {"a/a": {"a.py": "x = 1\n", "b.py": "y = 2\n"}, "b/b": {"c.py": "x = 1\n"}})
    write_pages(tmp_path / "math", [("u", "1 + 1 = 2"), ("v", None)])
    (tmp_path / "recast.toml").write_text('code_source = "code/data"\nmath_source = "math"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def said(*options: str) -> Result:
    return CliRunner().invoke(main, ["sources", *options])


def test_each_source_is_a_block_of_lines(folder: Path) -> None:
    result = said("--fetch-requests-per-s", "0.001")
    assert result.exit_code == 0, result.output
    code, math, _ = result.output.split("\n\n")
    assert code.splitlines()[0] == f"code: {folder}/code/data"
    lines = dict(line.split(None, 1) for line in code.splitlines()[1:])
    assert lines["form"].strip() == "Parquet files, a row per repository"
    assert lines["schema"].strip() == "fits"
    assert lines["languages"].strip() == "Python 3"
    assert lines["takes"].strip() == "2 documents"
    assert lines["drops"].strip() == "repeated 1"
    assert lines["fetches"].strip() == "2 requests, 12 bytes before compression, 0.6 hours at 0.001 requests/s"
    assert "1 documents" in math and "no_text 1" in math


def test_json_is_an_object_per_source(folder: Path) -> None:
    result = said("--json")
    code, found = map(json.loads, result.output.splitlines())
    assert (code["lane"], code["takes"], code["drops"]["repeated"]) == ("code", 2, 1)
    assert (found["lane"], found["rows"], found["takes"], found["drops"]) == (
        "math",
        2,
        1,
        {"repeated": 0, "no_text": 1},
    )
    assert (found["fetch"], found["hours"], found["cost"]) == ({"requests": 0, "bytes": 0}, 0, 0)


def test_a_source_that_does_not_fit_is_one_line_beside_the_other(folder: Path) -> None:
    (folder / "math" / "b.parquet").write_text("version https://git-lfs.github.com/spec/v1\n")
    result = said()
    assert result.exit_code == 2
    assert result.stderr == (
        f"recast: {folder}/math/b.parquet is a Git LFS pointer; fetch the file itself with: git lfs pull\n"
    )
    assert "Python 3" in result.stdout and "fault  " in result.stdout


def test_hours_and_cost_follow_from_the_slower_rate_and_both_prices() -> None:
    profile = Profile("code", "/nowhere", fetch=Fetch(7200, 5 * 10**9))
    rates = Settings(fetch_requests_per_s=2.0, fetch_bytes_per_s=10.0**6)
    assert (hours(profile, rates), cost(profile, rates)) == (5 * 10**9 / 10**6 / 3600, 0)
    assert hours(profile, replace(rates, fetch_bytes_per_s=0.0)) == 1
    assert hours(profile, replace(rates, fetch_bytes_per_s=0.0, fetch_requests_per_s=0.0)) == 0
    prices = replace(rates, price_requests=500.0, price_gb=0.1)
    assert cost(profile, prices) == pytest.approx(7.2 * 0.5 + 5 * 0.1)
    assert lines(profile, prices)["fetches"].endswith(
        "1.4 hours at 2 requests/s and 1,000,000 bytes/s, costs at most 4.10"
    )


def test_sizes_and_counts_are_short() -> None:
    assert [size(number) for number in (0, 999, 1500, 67 * 10**12)] == ["0 bytes", "999 bytes", "1.5 kB", "67.0 TB"]
    assert (
        most({"": 9000} | {f"l{number}": 1 for number in range(8)})
        == "none 9,000, l0 1, l1 1, l2 1, l3 1, l4 1, 3 more"
    )
