"""The notebooks: they run from top to bottom in a finished lake, and are committed without outputs."""

import ast
import re
import warnings
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from recast.lakehouse import query
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


STRANGE = {
    "a script": "<script>alert(1)</script>",
    "a script in a heading": "# a\n\n</pre><script>alert(1)</script>",
    "a remote image": '![a](http://example.org/a.png) <img src="http://example.org/a.png" onerror="alert(1)">',
    "a link that runs": "[a](javascript:alert(1)) <a href='javascript:alert(1)'>",
    "a formula that links": r"$\href{javascript:alert(1)}{x}$ <b>",
    "commands of a terminal": "\x1b]0;owned\x07\x9b2J <i>\r\n\x1b[2J",
    "an override of direction": "\u202e<u>gnp.exe\u2066",
    "an end of the cell": "</td></tr></table></div><iframe src='http://example.org'>",
}


class Rows:
    """Rows with every column that a notebook asks for; each text is a stranger's."""

    def __init__(self, text: str) -> None:
        names = (
            "table_name",
            "reason",
            "path",
            "doc_id",
            "detail",
            "source_text",
            "text",
            "answer",
            "url",
            "begins",
            "step",
        )
        self.columns = {name: [text] for name in names} | {"seconds": [1.0], "kept": [True]}

    def df(self) -> pd.DataFrame:
        """Return them as DuckDB would."""
        return pd.DataFrame(self.columns)


@pytest.mark.parametrize("case", STRANGE)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_strangers_text_is_shown_as_plain_text(path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_CONFIG", str(CHECKOUT / "recast.toml"))
    monkeypatch.setattr(query, "run_sql", lambda *_: Rows(STRANGE[case]))
    names: dict[str, object] = {}
    cells = [ast.parse(cell.source) for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    shown = 0
    for cell in cells:
        last = cell.body.pop()
        assert isinstance(last, ast.Expr)
        exec(f"{ast.unparse(cell)}\nresult = {ast.unparse(last)}", names)
        result = names["result"]
        page = getattr(result, "_repr_html_", str)().replace('<a href="#difflib_', "<ours")
        shown += "lt;" in page
        assert "_repr_markdown_" not in dir(result)
        assert not re.search(r"<(script|img|a|iframe|b|i|u)\b", page)
        assert re.search(r"tex2jax_ignore", page) or "$" not in page
        assert all(each.isprintable() or each in "\n\t" for each in page + repr(result) if each != "\xa0")
    assert shown > 1


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
