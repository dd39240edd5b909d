"""What a run's row of `runs` counts: what each chunk brings, and seconds, hosts and figures of a paid service."""

from datetime import datetime
from typing import Any, cast

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.lakehouse import executors
from recast.lakehouse.ledger import Run
from recast.lakehouse.progress import Meter
from recast.lakehouse.stage import Usage
from recast.lakehouse.work import Work

LARGEST = 2**63 - 1  # number that a column of the ledger holds


def counts(staged: DataFrame, run_started_at: datetime, usage: Usage | None = None) -> dict[str, Any]:
    """Return what the ledger says of staged rows, in one pass."""
    paid = F.col("action") == "measure"
    sums = {"rows_in": F.count("*"), "rows_measured": F.count_if(paid)}
    sums |= usage.counts(run_started_at) if usage else {}
    by_reason = staged.groupBy("reason").agg(*(column.alias(name) for name, column in sums.items())).collect()
    totals = {name: sum(int(row[name]) for row in by_reason) for name in sums}
    reasons = {row["reason"]: row["rows_in"] for row in by_reason if row["reason"]}
    rejected = sum(reasons.values())
    return totals | {"rows_kept": totals["rows_in"] - rejected, "rows_rejected": rejected, "reasons": reasons}


def add_counts(run: Run, counted: dict[str, Any]) -> None:
    """Add what a chunk's commit brings to the run's row, which the commit carries."""
    for reason, rows in counted["reasons"].items():
        run["reasons"][reason] = run["reasons"].get(reason, 0) + rows
    numbers = cast(dict[str, int], run)
    for name in counted.keys() - {"reasons"}:
        numbers[name] = min(numbers[name] + counted[name], LARGEST)
    run["chunks"] += 1


def record_metrics(work: Work, meter: Meter) -> None:
    """Write seconds, hosts and the service's figures into the run's row as they stand."""
    run = work.run
    meter.record_seconds(run)
    did = executors.since(executors.done(work.spark), work.done_before)
    run["tasks_by_host"], run["executor_seconds"] = did.tasks, did.seconds
    if did.executors > run["executors"]:
        run["executors"], run["executor_cores"] = did.executors, did.cores
    if work.stage.usage:
        figures = work.stage.usage.figures(work.reports, cast(dict[str, Any], run), work.settings)
        run.update(cast(Run, figures))
