"""The benchmark of the linter, over a few files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import lint, scripts

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_a_few_files_have_the_references_scores_and_messages_in_any_order() -> None:
    command = [sys.executable, "-m", "benchmarks.lint", "--limit", "12", "--orders", "--no-spark"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["files"] == told["same_score"] == told["same_messages"] == 12, done.stderr
    assert told["changed_by_order"] == 0
    assert told["warm_speedup"] > told["speedup"] > 1


@pytest.mark.slow
def test_the_default_set_holds_hundreds_of_scripts_beside_files_of_libraries_and_is_the_same_every_time() -> None:
    files = lint.default_files()
    chosen = [file for file in files if isinstance(file, scripts.Script)]
    assert len(chosen) >= 300
    assert len(files) - len(chosen) >= 400
    assert len({file.text for file in chosen}) == len(chosen)
    assert {file.path.partition("/")[0] for file in chosen} == {*scripts.GROUPS, "stdlib", "rare"}
    assert files == lint.default_files()
