"""The notebooks: they run from top to bottom in a finished lake, and are committed without outputs."""

import warnings
from pathlib import Path

import nbformat
import pytest

from tests.conftest import CHECKOUT, FinishedLake

NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
CELL_TIMEOUT_S = 120
MAX_OUTPUT_CHARS = 100_000


def by_name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_committed_without_outputs_and_imports_instead_of_defining(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert not any(line.startswith(("def ", "class ")) for cell in cells for line in cell.source.splitlines())


@pytest.mark.spark
@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_runs_in_a_finished_lake(
    path: Path, finished_lake: FinishedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in finished_lake.env.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client has deprecations of its own
        from nbclient import NotebookClient

        client = NotebookClient(notebook, timeout=CELL_TIMEOUT_S, resources={"metadata": {"path": str(path.parent)}})
        client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells[1:]), "every cell after the imports shows something"
    assert sum(len(str(cell.outputs)) for cell in cells) < MAX_OUTPUT_CHARS
