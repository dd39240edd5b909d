"""What a stage is: a value with a target table, a source, a measure and a decide function; and helpers to write one.

lakehouse/refresh.py is the one loop that runs every stage; docs/architecture.md draws it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recast.lakehouse.settings import AllSettings as Settings
from recast.lakehouse.source import Source
from recast.schemas.table import Table

# The third argument is the folder of the journal: a model stage stores answers there as they come, so that a run that is
# killed before its commit does not lose them.
Measure = Callable[[DataFrame, Settings, str], DataFrame]
Decide = Callable[[DataFrame, Settings], DataFrame]
Facts = Callable[[Settings], dict[str, Any]]


class Progress(NamedTuple):
    """How far a paid service is: results so far and the size of them, requests running and waiting.

    `ended` says whether all who ask have their results, None where nobody has reported yet.
    """

    rows: int
    output_tokens: int
    running: int
    waiting: int
    ended: bool | None


class Usage(NamedTuple):
    """What a stage that pays for a service counts, limits and shows beyond rows. The loop knows nothing else of it.

    Attributes:
        counts: returns columns of `runs` as sums over staged rows, which have `action` beside their columns, given when
            the run began.
        require: raises where too much of a chunk failed, given its staged rows and what was counted.
        reports: returns what is known of the service, given what was known before and a chunk's journal.
        figures: returns columns of `runs` from these reports, given the run's row.
        progress: returns how far the service is, given the folder of all journals and when the run began, in seconds.
    """

    counts: Callable[[datetime], dict[str, Column]]
    require: Callable[[DataFrame, dict[str, Any], Settings], None]
    reports: Callable[[list[Any], str], list[Any]]
    figures: Callable[[list[Any], dict[str, Any], Settings], dict[str, Any]]
    progress: Callable[[str, float], Progress]


@dataclass(frozen=True)
class Stage:
    """How one table is made.

    Attributes:
        target: the table it writes.
        source: what it reads.
        measure: adds the columns that cost a linter's or a model's time. `measure` gets each distinct text once.
        decide: marks rejected rows with `keep` and adds the columns that follow from stored columns alone.
        preview: decides for a plan that is shown, where `decide` may pay for something: it pays for nothing, and `reason` says of a
            row what it would pay for. None where `decide` itself pays for nothing.
        measured_by: facts that change a measurement by intent; while they are equal, stored measurements stay valid.
        decided_by: facts that change a decision.
        retryable: SQL condition, for Spark and DuckDB, on the target's rows whose measurement is tried again: by ``--retry``,
            and by every run once they are as old as the setting `retry_after_hours`.
        tries: column of the target that counts how often a text was measured; `measure` gets it as it was, null at first.
            With each time it takes twice as long until a run tries a failure again by itself (lakehouse/due.py).
        tried_at: column of the target that says when a text was last measured, which `measure` gives; the wait counts from then,
            and without it from when the row was written, be it for another reason.
        unmeasured: SQL condition on the target's rows that hold no measurement, since the settings refused to pay for it.
            They lend none to other rows, nor to themselves where their source row changes.
        due: returns the SQL condition on such rows which the settings want measured now.
        usage: what it counts, limits and shows beyond rows, where measuring pays for a service; None for all others.
        needs: modules that its tasks import, checked on workers before a run (jobs/workers.py).
        phases: words that progress shows while the run measures; a model stage's second phase follows the last answer.
    """

    target: Table
    source: Source
    measure: Measure
    decide: Decide
    measured_by: Facts
    decided_by: Facts
    preview: Decide | None = None
    retryable: str = "false"
    tries: str = ""
    tried_at: str = ""
    unmeasured: str = "false"
    due: Callable[[Settings], str] = lambda settings: "false"
    usage: Usage | None = None
    needs: tuple[str, ...] = ()
    phases: tuple[str, ...] = ("measure",)

    @property
    def name(self) -> str:
        """The name of the table it writes."""
        return self.target.name


def keep(rows: DataFrame, condition: Column, otherwise: str) -> DataFrame:
    """Mark rows that fail `condition` with the reason `otherwise`. The first reason wins; null counts as failure."""
    failed = ~F.coalesce(condition, F.lit(False))
    return rows.withColumn("reason", F.coalesce("reason", F.when(failed, F.lit(otherwise))))
