"""The documentation agrees with the code: its tables, links, list of files and settings; and its commands run."""

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import duckdb
import pytest
from click.testing import CliRunner

from docs import files, shown
from recast.cli.main import main
from recast.jobs.settings import Settings, resolve
from recast.lakehouse import views
from recast.schemas import TABLES
from recast.schemas.__main__ import page
from recast.schemas.views import VIEWS
from recast.settings import environment_name
from tests.conftest import CHECKOUT, FinishedLake
from tests.jobs.lanes import write_pages
from tests.sources import write_code

FOLDERS = ("docs", "docs/decisions", "samples", ".")
PAGES = sorted(path for folder in FOLDERS for path in (CHECKOUT / folder).glob("*.md"))
CODE_FOLDERS = (
    "recast",
    "cli",
    "inference",
    "jobs",
    "lakehouse",
    "udfs",
    "prompts",
    "schemas",
    "samples",
    "benchmarks",
    "notebooks",
    "docs",
)
COMMAND_TIMEOUT_S = 600


class Block(NamedTuple):
    """A fenced block of a page: its language, the heading it stands under, its lines."""

    page: str
    heading: str
    language: str
    text: str

    @property
    def script(self) -> str:
        """The commands of a console block; a line that starts with `> ` goes on with the one above."""
        return "\n".join(line[2:] for line in self.text.splitlines() if line.startswith(("$ ", "> ")))

    @property
    def is_runnable(self) -> bool:
        """Whether the tests run it. A Python block that begins with a file's name belongs to another program."""
        return self.language == "console" or (self.language == "python" and not self.text.startswith("# "))


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def blocks(path: Path) -> list[Block]:
    """Return the page's fenced blocks in order."""
    found, heading = [], ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        heading = match[1] or heading
        if match[1] is None:
            found.append(Block(name(path), heading, match[2], match[3]))
    return found


COMMANDED = [CHECKOUT / "README.md", CHECKOUT / "docs" / "cookbook.md"]
BLOCKS = [block for path in COMMANDED for block in blocks(path)]
RUNNABLE = [block for block in BLOCKS if block.is_runnable]


def queries(text: str) -> list[str]:
    """Return the SQL that a page shows: what `recast sql` is given, and statements in running text."""
    typed = re.findall(r'recast sql (?:--\w+ \S+ )?"([^"]+)"', text)
    return [*typed, *re.findall(r"`(SELECT [^`]+ FROM [^`]+)`", text)]


@pytest.fixture(scope="module")
def empty_lake() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every table of the lakehouse, without a row, and the views."""
    connection = duckdb.connect()
    for table in TABLES.values():
        columns = ", ".join(f'"{column.name}" {views.duckdb_type(column.type)}' for column in table.columns)
        connection.execute(f"CREATE TABLE {table.name} ({columns})")
    views.create(connection, VIEWS, TABLES)
    yield connection
    connection.close()


def label(block: Block) -> str:
    return f"{block.page}: {block.heading}"


def test_the_page_of_tables_is_what_the_schemas_say() -> None:
    assert (CHECKOUT / "docs" / "tables.md").read_text("utf-8") == page(), (
        "run: python -m recast.schemas > docs/tables.md"
    )


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_query_of_a_page_names_tables_and_columns_that_exist(
    path: Path, empty_lake: duckdb.DuckDBPyConnection
) -> None:
    for query in queries(path.read_text("utf-8")):
        empty_lake.execute(query)


def test_a_query_for_a_column_that_does_not_exist_is_noticed(empty_lake: duckdb.DuckDBPyConnection) -> None:
    (query,) = queries('    recast sql "SELECT count(*) FROM optimized_code WHERE reading.identifiers_kept < 0.3"')
    with pytest.raises(duckdb.BinderException, match="reading"):
        empty_lake.execute(query)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [unquote(target.partition("#")[0]) for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [target for target in targets if target and "://" not in target and not (path.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_test_and_module_that_a_page_names_exists(path: Path) -> None:
    named = re.findall(
        rf"`((?:{'|'.join(CODE_FOLDERS)}|tests)/[\w./]+\.(?:py|md|ipynb|json))`", path.read_text("utf-8")
    )
    invented = {"prompts/style_code_v2.md"}  # the cookbook's reader writes it
    assert [each for each in named if not (CHECKOUT / each).exists() and each not in invented] == []


def test_the_page_of_changes_names_files_that_exist_and_what_stands_in_them() -> None:
    text = (CHECKOUT / "docs" / "changing.md").read_text("utf-8")
    paths = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|md|toml))`", text)
    assert [each for each in paths if not (CHECKOUT / each).exists()] == []
    for names, path in re.findall(r"((?:`\w+`(?:, | and )?)+) in `([\w./]+\.py)`", text):
        said = (CHECKOUT / path).read_text("utf-8")
        assert [each for each in re.findall(r"\w+", names) if each not in {"and", *re.findall(r"\w+", said)}] == [], (
            path
        )


def test_the_page_of_files_is_what_the_files_say() -> None:
    said = (CHECKOUT / "docs" / "files.md").read_text("utf-8")
    assert said == files.page(), "run: python -m docs.files > docs/files.md"


def test_what_the_page_of_files_adds_by_hand_exists() -> None:
    built = {"data/lake/"}
    assert [each for each in {*files.FOLDERS, *files.OTHERS} - built if not (CHECKOUT / each).exists()] == []


def test_a_file_that_does_not_say_what_it_is_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("SILENT = True\n")
    with pytest.raises(ValueError, match=r"silent.py: its first line must say what it is"):
        files.first_line(tmp_path / "silent.py")


def test_the_page_of_sources_counts_sources_and_sets_what_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_code(tmp_path / "data" / "hub" / "stack", {"a/a": {"a.py": "x = 1\n", "b.py": "y = 2\n"}})
    write_pages(tmp_path / "data" / "hub" / "finemath" / "finemath-3plus", [("u", "1 + 1 = 2")])
    monkeypatch.chdir(tmp_path)
    blocks_of_page = blocks(CHECKOUT / "docs" / "sources.md")
    typed = [line for block in blocks_of_page for line in block.text.splitlines() if line.startswith("recast sources")]
    for line in typed:
        result = CliRunner().invoke(main, line.split()[1:])
        assert result.exit_code == 0 and "takes" in result.output, result.output
    assert len(typed) == 2
    (toml,) = [block.text for block in blocks_of_page if block.language == "toml"]
    (tmp_path / "recast.toml").write_text(toml)
    assert resolve().math_min_score == 4


def test_every_decision_is_listed() -> None:
    folder = CHECKOUT / "docs" / "decisions"
    listed = re.findall(r"^\| \[[\w-]+\]\(([\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")


def test_a_decision_says_what_was_chosen_against_what_and_at_what_cost() -> None:
    for path in (CHECKOUT / "docs" / "decisions").glob("[!R]*.md"):
        text = path.read_text("utf-8")
        parts = [text.find(f"**{part}.**") for part in ("Context", "Choice", "Against", "Consequences")]
        assert -1 not in parts and parts == sorted(parts), path.name


def test_the_log_is_newest_first_and_keeps_long_sentences_out_of_tables() -> None:
    text = (CHECKOUT / "docs" / "log.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    dates = [re.match(r"(\d{4}-\d\d-\d\d), [\w ]+: \S", heading) for heading in headings]
    assert [heading for heading, date in zip(headings, dates, strict=True) if date is None] == []
    found = [date[1] for date in dates if date]
    assert found and found == sorted(found, reverse=True)
    cells = [cell for line in text.splitlines() if line.startswith("|") for cell in line.split("|")]
    assert [cell for cell in cells if len(cell) > 100] == []


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_every_setting_is_explained_by_the_help() -> None:
    said = CliRunner().invoke(main, ["refresh", "--help"]).output
    for each in fields(Settings):
        assert f"--{each.name.replace('_', '-')} " in said
        assert environment_name(each.name) in said


def test_every_command_has_its_help() -> None:
    for command in main.commands:
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_the_drawing_is_whole_and_fit_for_dark_pages() -> None:
    text = (CHECKOUT / "docs" / "architecture.svg").read_text("utf-8")
    root = ET.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text


def test_the_picture_of_a_terminal_is_what_the_commands_print() -> None:
    drawn = (CHECKOUT / "docs" / "shown.svg").read_text("utf-8")
    assert drawn == shown.picture(), "run: python -m docs.shown > docs/shown.svg"
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=label)
def test_a_console_block_holds_commands_that_bash_can_read(block: Block) -> None:
    assert block.script
    read = subprocess.run(["bash", "-n"], input=block.script, text=True, capture_output=True, check=False)
    assert read.stderr == ""


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=label)
def test_a_python_block_parses(block: Block) -> None:
    ast.parse(block.text)


def test_nothing_reads_a_table_by_what_may_abort_the_interpreter() -> None:
    """delta-rs's files in Python, read by Arrow's threads, abort 1 process in 30 as it ends (docs/log.md)."""
    shown = [(label(block), block.text) for block in BLOCKS if block.language == "python"]
    modules = [path for folder in CODE_FOLDERS for path in (CHECKOUT / folder).rglob("*.py")]
    ours = [(name(path), path.read_text("utf-8")) for path in modules]
    aborting = re.compile(
        r"to_pyarrow_table\(|to_pyarrow_dataset\(\)|DeltaTable\(.*\)\.to_pandas\(|\btable\.to_pandas\("
    )
    assert [where for where, text in shown + ours if aborting.search(text)] == []


@pytest.fixture(scope="module")
def workplace(finished_lake: FinishedLake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder that looks like the checkout, with a copy of the finished lake, where commands may do what they like."""
    folder = tmp_path_factory.mktemp("workplace")
    for entry in CHECKOUT.iterdir():
        if not entry.name.startswith(".") and entry.name != "data":
            (folder / entry.name).symlink_to(entry)
    lake = folder / "data" / "lake"
    shutil.copytree(finished_lake.folder, lake, ignore=shutil.ignore_patterns("_work"))
    return folder, finished_lake.env | {"RECAST_LAKE": str(lake)}


@pytest.mark.spark
@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNABLE, ids=label)
def test_what_a_page_tells_to_do_works(block: Block, workplace: tuple[Path, dict[str, str]]) -> None:
    folder, env = workplace
    console = ["bash", "-e", "-u", "-o", "pipefail", "-c", block.script]
    command = console if block.language == "console" else [sys.executable, "-c", block.text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
