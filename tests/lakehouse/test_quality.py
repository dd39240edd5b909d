"""Expectations: what stops a run, and what is said of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recast.lakehouse import quality
from recast.lakehouse.quality import QualityError, Result, bytecode_folder, library, require
from recast.schemas import TABLES
from recast.schemas.table import Expectation, document_expectations, unexpected_rows
from recast.storage import Place


def result(expectation: str, severity: str = "critical", success: bool = False, observed: str = "3 rows") -> Result:
    return {
        "run_id": "run",
        "table_name": "linted_code",
        "chunk": 0,
        "expectation": expectation,
        "severity": severity,
        "success": success,
        "observed": observed,
    }


def test_a_broken_warning_stops_nothing() -> None:
    require([result("scores are high", "warning"), result("rows are unique", success=True)])


def test_every_broken_critical_expectation_is_named_in_one_line() -> None:
    with pytest.raises(QualityError) as stopped:
        require(
            [result("rows are unique"), result("scores are high", "warning"), result("no row is lost", observed="1")]
        )
    assert str(stopped.value) == "linted_code: rows are unique (3 rows); no row is lost (1)"


def conservation(expectations: tuple[Expectation, ...]) -> str:
    """Return the condition of the rows that break conservation."""
    (found,) = [each.broken for each in expectations if "kept + rejected" in str(each.arguments)]
    return found


def test_a_reason_that_is_not_listed_breaks_conservation() -> None:
    assert "reason NOT IN ('a', 'b')" in conservation(document_expectations({"a": "", "b": ""}))
    assert "reason IS NOT NULL" in conservation(document_expectations({}))


def test_what_no_row_may_do_is_said_in_words_and_in_sql() -> None:
    found = unexpected_rows("no score is above 10", "score > 10", "warning")
    assert (found.severity, found.broken) == ("warning", "score > 10")
    assert found.arguments["description"] == "no score is above 10"
    assert (found.arguments["min_value"], found.arguments["max_value"]) == (0, 0)


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.expectations])
def test_the_expectations_of_a_table_differ_from_one_another(name: str) -> None:
    found = [(each.type, str(each.arguments)) for each in TABLES[name].expectations]
    assert len(set(found)) == len(found)
    columns = [quality.broken_column(each) for each in TABLES[name].expectations if each.broken]
    assert len({*columns, *TABLES[name].key}) == len(columns) + len(TABLES[name].key)


def test_compiled_templates_lie_where_nobody_else_can_put_any() -> None:
    """Python runs what lies in a cache of bytecode."""
    folder = Path(bytecode_folder().name)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.getuid()
    code = "from recast.lakehouse.quality import bytecode_folder; print(bytecode_folder().name)"
    others = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
        for _ in range(2)
    }
    assert len(others) == 2, "a name that can be foretold can be taken first"
    assert not any(Path(other.strip()).exists() for other in others), "it goes with its process"


@pytest.mark.slow
def test_data_docs_compile_their_templates_there() -> None:
    library()
    from great_expectations.render.view import view
    from jinja2 import DictLoader

    assert view.Environment(loader=DictLoader({"a": "{{ b }}"})).get_template("a").render(b=1) == "1"
    assert list(Path(bytecode_folder().name).iterdir())


def test_data_docs_of_a_lake_elsewhere_are_copied_there_and_again_only_where_they_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(quality, "place", lambda uri: Place(None, uri.removeprefix("s3a://")))
    monkeypatch.setattr(quality, "upload", lambda file, to: sent.append(f"{to.path} {file.read_text()}"))
    docs = "s3a://lake/l/data_docs"
    drawn = Path(quality.drawn_in(docs))
    (drawn / "static").mkdir()
    (drawn / "static" / "style.css").write_text("same")
    for page in ("first", "second"):
        (drawn / "index.html").write_text(page)
        (drawn / "static" / "style.css").write_text("same")
        quality.publish(docs)
    assert sent == [
        "lake/l/data_docs/index.html first",
        "lake/l/data_docs/static/style.css same",
        "lake/l/data_docs/index.html second",
    ]


def test_data_docs_of_a_local_lake_are_drawn_where_they_lie(tmp_path: Path) -> None:
    assert quality.drawn_in(str(tmp_path)) == str(tmp_path)
    quality.publish(str(tmp_path))
