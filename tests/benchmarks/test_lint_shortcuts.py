"""The benchmark of the lint shortcuts, over a few files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--without", "nodes_of_class", "--only", "nodes_of_class"]])
def test_no_shortcut_changes_a_result(options: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.lint_shortcuts", "--files", "6", "--rounds", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert {"nothing", "all", "nodes_of_class"} <= told["worth"].keys()
    assert told["different_results"] == []
