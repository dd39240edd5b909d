"""Every question of docs/queries.md is asked, and every command and program of it run, over a small lake without a JVM."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast.lakehouse import query, releases
from recast.lakehouse.settings import Settings
from recast.schemas.views import VIEWS
from tests.conftest import CHECKOUT
from tests.lakehouse.whole_lake import write_whole_lake
from tests.test_docs import Block, blocks

BLOCKS = blocks(CHECKOUT / "docs" / "queries.md")
QUERIES = [block for block in BLOCKS if block.language == "sql"]
PROGRAMS = [block for block in BLOCKS if block.is_runnable]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = write_whole_lake(tmp_path_factory.mktemp("queries") / "lake")
    releases.release(settings, "first", ("published_code", "published_math"))
    return settings


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Iterator[query.Lake]:
    """The lake, connected once for all questions."""
    lake = query.connect(settings, shown=VIEWS)
    yield lake
    lake.connection.close()


def number(block: Block) -> str:
    return f"{block.heading} {BLOCKS.index(block)}"


def test_there_are_at_least_twenty_questions() -> None:
    assert len(QUERIES) >= 20


@pytest.mark.parametrize("block", QUERIES, ids=number)
def test_a_question_is_answered(block: Block, settings: Settings, lake: query.Lake) -> None:
    if " AT (" in block.text:
        found = query.rows(settings, block.text)
    else:
        found = query.dictionaries(query.execute(lake, settings, block.text))
    asks_for_doubles = "HAVING times > 1" in block.text
    assert bool(found) is not asks_for_doubles


@pytest.mark.slow
def test_commands_and_programs_run_in_the_order_of_the_page(tmp_path: Path) -> None:
    settings = write_whole_lake(tmp_path / "lake")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"RECAST_LAKE": settings.lake, "PATH": path, "COLUMNS": "120"}
    for block in PROGRAMS:
        if "import polars" in block.text and not importlib.util.find_spec("polars"):
            continue
        console = ["bash", "-e", "-u", "-o", "pipefail", "-c", block.script]
        command = console if block.language == "console" else [sys.executable, "-c", block.text]
        done = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, check=False)
        assert done.returncode == 0, block.script + done.stdout + done.stderr
        assert done.stdout or "attach" in block.script
    assert (tmp_path / "published_math.parquet").exists()
