"""The linter's word on a rewrite: what silences the linter gains nothing, and nothing is linted twice."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.jobs import rewriting_code
from recast.jobs.settings import Settings
from recast.schemas.linted_code import Lint
from recast.schemas.rewrites import REWRITE_LINT

SOURCE = '"""Totals."""\n\n\ndef total(items):\n    """Return the sum of the items."""\n    return sum(items)\n'
BAD = "class Total:\n  def total(self,items): return sum( items )+missing\n  def add(s,items,l): return total(items)\n"
ANSWERS = {
    "better": SOURCE.replace("items", "numbers").replace("Totals", "Sums"),
    "worse": BAD,
    "silent": f"# pylint: disable=C,R,W,E,F\n{BAD}",
    "hidden": f"# pylint: disable=line-too-long,all\n{BAD}",
    "by checker": f"# pylint: disable=typecheck,variables,basic\n{BAD}",
    "one message": SOURCE.replace("(items):", "(items):  # pylint: disable=unused-argument"),
}


def rows(spark: SparkSession) -> DataFrame:
    fields = ", ".join(f"{column.name} {column.type}" for column in REWRITE_LINT)
    stored = [
        (name, SOURCE, f"```python\n{text}```", "answered", "stop", 1.0, *([None] * len(REWRITE_LINT)))
        for name, text in ANSWERS.items()
    ]
    names = "doc_id string, source_text string, answer string, answer_status string, finish_reason string"
    return spark.createDataFrame(stored, f"{names}, source_lint_score double, {fields}").withColumn(
        "reason", F.lit(None).cast("string")
    )


@pytest.mark.spark
def test_a_pragma_lifts_no_rewrite_over_the_linter(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = rewriting_code.decide(rows(spark), Settings(names_floor=0.0), self_contained=False).localCheckpoint()
    found = {row["doc_id"]: row for row in decided.collect()}
    assert {name: row["reason"] for name, row in found.items()} == {
        "better": None,
        "worse": "lint_regressed",
        "silent": "blanket_pragma",
        "hidden": "blanket_pragma",
        "by checker": "blanket_pragma",
        "one message": None,
    }
    assert found["silent"]["pragmas"] == ["disable=C,R,W,E,F"]
    assert found["better"]["pragmas"] == []

    # Decided again: what is stored is taken, and only a row of an older version, without pragmas, is linted.
    again = decided.drop("text", "reason").withColumn("reason", F.lit(None).cast("string"))
    older = again.withColumn("pragmas", F.when(F.col("doc_id") != "silent", F.col("pragmas")))

    def linted_again(texts: list[str | None]) -> list[Lint]:
        return [Lint("skipped" if text is None else "scored", -1.0, pragmas=("disable=all",)) for text in texts]

    monkeypatch.setattr(rewriting_code.lint, "lint", linted_again)
    decided_again = rewriting_code.decide(older, Settings(names_floor=0.0), self_contained=False)
    rows_again = decided_again.select("doc_id", "reason", "lint_score").collect()
    assert {row["doc_id"]: row["reason"] for row in rows_again} == {name: row["reason"] for name, row in found.items()}
    assert [row["doc_id"] for row in rows_again if row["lint_score"] == -1.0] == ["silent"]

    told = rewriting_code.decide(older, Settings(names_floor=0.0), self_contained=False, linting=False)
    reasons = {row["doc_id"]: row["reason"] for row in told.select("doc_id", "reason").collect()}
    assert reasons == {name: row["reason"] for name, row in found.items()} | {"silent": "to be linted"}
