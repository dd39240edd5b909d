"""What styled_code and optimized_code share: they ask, read the answer, verify the program and compare it with its source."""

from functools import partial
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recast.columns import add_columns, column_of
from recast.jobs import asking
from recast.jobs.settings import Settings
from recast.lakehouse import ledger
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage, keep
from recast.schemas.linted_code import Lint
from recast.schemas.rewrites import CodeReading
from recast.schemas.table import Table
from recast.udfs.python import reading, scoring
from recast.udfs.python.linter import lint
from recast.udfs.text.reading import INPUTS

LINTED = ("lint_status", "lint_score", "comment_ratio", "pragmas")
"""What a row keeps of the linter's result."""
TO_LINT = "to be linted"
"""What a plan says of a program that nobody has linted yet: whether it is kept, only the linter can tell."""


def stage(target: Table, source: Table, prompt: str, self_contained: bool) -> Stage:
    """Return the stage that rewrites every kept file of `source`.

    `prompt` is the setting that names the prompt; `self_contained` says whether a program must define or import all
    that it uses.
    """

    def measure(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
        return asking.ask(rows, settings, getattr(settings, prompt), journal)

    return Stage(
        target=target,
        source=kept_rows_of(source, "repo_name", "path", "lint_score AS source_lint_score", text="source_text"),
        measure=measure,
        decide=partial(decide, self_contained=self_contained),
        preview=partial(decide, self_contained=self_contained, linting=False),
        measured_by=lambda settings: asking.facts(settings, getattr(settings, prompt)),
        decided_by=partial(decided_by, self_contained=self_contained),
        retryable=asking.FAILED,
        usage=asking.USAGE,
        needs=("recast.inference.rewrite", "recast.udfs.python.reading", "recast.udfs.python.linter.lint"),
        phases=("ask", "read and lint answers"),
    )


def decide(rows: DataFrame, settings: Settings, self_contained: bool, linting: bool = True) -> DataFrame:
    """Add the program that the answer holds, and the first reason against it.

    Only programs without another reason are linted, and none that the same linter has linted before. Without `linting` their
    reason is TO_LINT.
    """
    rows = add_columns(rows, partial(map, reading.read_code_answer), CodeReading, *INPUTS)
    rows = rows.withColumn("reason", F.expr(reading.code_reason_sql(settings.names_floor, self_contained)))
    rows = add_lint(rows) if linting else keep(rows, is_linted(), otherwise=TO_LINT)
    # As for source files: a pragma that disables whole categories of messages is a reason.
    rows = keep(rows, ~F.coalesce(scoring.blanket_column(), F.lit(False)), otherwise="blanket_pragma")
    no_worse = F.col("lint_score") >= F.coalesce("source_lint_score", F.lit(0.0))
    return keep(rows, F.col("reason").isNotNull() | no_worse, otherwise="lint_regressed")


def add_lint(rows: DataFrame) -> DataFrame:
    """Add the linter's rating of `text` where there is no reason yet, unless the row holds it already."""
    stands = is_linted()
    rows = rows.withColumn("to_lint", F.when(F.col("reason").isNull() & ~stands, F.col("text")))
    rows = rows.withColumn("lint", column_of(lint.lint, Lint, "to_lint"))
    fresh = F.col("to_lint").isNotNull()

    def linted(new: Any, stored: str) -> Any:
        return F.when(fresh, new).when(stands, F.col(stored))

    return rows.withColumns(
        {
            **{name: linted(F.col(f"lint.{name}"), name) for name in LINTED},
            "lint_of": linted(F.sha2("text", 256), "lint_of"),
            "linted_by": linted(F.lit(ledger.fingerprint(lint.facts())), "linted_by"),
        }
    ).drop("lint", "to_lint")


def is_linted() -> Column:
    """Whether a row holds this linter's rating of its `text`. Rows of older versions hold no pragmas."""
    same = (F.col("lint_of") == F.sha2("text", 256)) & (F.col("linted_by") == ledger.fingerprint(lint.facts()))
    return F.coalesce(same & F.col("pragmas").isNotNull(), F.lit(False))


def decided_by(settings: Settings, self_contained: bool) -> dict[str, Any]:
    """Return what changes the verdict on a stored answer."""
    return {
        **reading.VERSION,
        "pragmas": scoring.VERSION["rule"],
        "names_floor": settings.names_floor,
        "self_contained": self_contained,
        "linter": ledger.fingerprint(lint.facts()),
    }
