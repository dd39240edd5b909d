"""Golden rows: what each stage makes of the rows in tests/jobs/golden/TABLE/input.jsonl.

A row of expected.jsonl names only the columns that matter for its case. The rows of a model stage hold an answer, as if
it had been asked; everything else is measured here.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recast.cli.score import score
from recast.jobs.catalogue import STAGES
from recast.jobs.settings import Settings
from recast.lakehouse import ledger
from recast.lakehouse.staging import finish
from recast.lakehouse.work import Work

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GOLDEN = Path(__file__).with_name("golden")
SETTINGS = Settings(model="model-a", endpoint="http://localhost:1/v1")


def read(table: str, name: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / table / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def made_of(spark: "SparkSession", table: str) -> dict[str, dict[str, Any]]:
    """Return what the stage makes of its golden input, by doc_id."""
    stage, given = STAGES[table], read(table, "input")
    types = {column.name: column.type for column in stage.target.columns}
    ddl = ", ".join(f"{name} {types[name]}" for name in given[0])
    rows = spark.createDataFrame([tuple(row.values()) for row in given], ddl).coalesce(1)
    run = ledger.begin("golden", table, "0", {}, {})
    work = Work(spark, SETTINGS, stage, run)
    measured = rows if stage.usage else stage.measure(rows, SETTINGS, "")
    return {row["doc_id"]: row.asDict(recursive=True) for row in finish(work, measured, "measure").collect()}


@pytest.mark.spark
@pytest.mark.parametrize("table", sorted(folder.name for folder in GOLDEN.iterdir()))
def test_a_stage_makes_of_every_row_what_is_expected(spark: "SparkSession", table: str) -> None:
    made, expected = made_of(spark, table), read(table, "expected")
    found = [{name: made[row["doc_id"]][name] for name in row} for row in expected]
    assert found == expected
    assert len(made) == len(expected)


def test_every_expected_row_has_its_input_and_every_listed_reason_its_table() -> None:
    for table in (folder.name for folder in GOLDEN.iterdir()):
        expected = read(table, "expected")
        assert [row["doc_id"] for row in expected] == [row["doc_id"] for row in read(table, "input")]
        assert {row["reason"] for row in expected} <= {None, *STAGES[table].target.reasons}


@pytest.mark.slow
def test_recast_score_says_of_golden_files_what_the_tables_say(tmp_path: Path) -> None:
    texts = {row["doc_id"]: row["text"] for table in ("parsed_code", "linted_code") for row in read(table, "input")}
    texts = {name: text for name, text in texts.items() if text is not None}
    paths = []
    for name, text in texts.items():
        path = tmp_path / f"{name}.py"
        path.write_bytes(text.encode())
        paths.append(str(path))
    scored = dict(zip(texts, score(paths, SETTINGS.lint_threshold, with_messages=True), strict=True))
    for row in read("parsed_code", "expected"):
        if row["doc_id"] in texts:
            found = scored[row["doc_id"]]
            assert found["parses"] == row["kept"]
            assert found["reason"] == row["reason"] or row["kept"]
    for row in read("linted_code", "expected"):
        if row["doc_id"] in texts:
            names = ("kept", "reason", "lint_score", "adjusted_score", "comment_ratio", "messages")
            found = scored[row["doc_id"]]
            assert {name: found[name] for name in names if name in row} == {
                name: row[name] for name in names if name in row
            }
