"""Which rows are measured now though nothing changed: failures that may have passed, and what the settings had refused."""

from datetime import datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from recast.lakehouse import query
from recast.lakehouse.ledger import Run
from recast.lakehouse.settings import Settings
from recast.lakehouse.stage import Stage
from recast.schemas.table import TAKEN_DOWN

NOT_TAKEN_DOWN = f"(reason IS NULL OR reason <> '{TAKEN_DOWN}')"


def retried_before(settings: Settings, run: Run) -> datetime | None:
    """Return the time before which a failure was written that a run tries again by itself; None where it tries none."""
    hours = settings.retry_after_hours
    return run["started_at"] - timedelta(hours=hours) if hours else None


def failures(settings: Settings, stage: Stage, run: Run) -> tuple[str, ...]:
    """Return how many failures a run tries again by itself, in a few words; () for none. No JVM is needed.

    Raises:
        UserError: the table cannot be read.
    """
    before = retried_before(settings, run)
    if before is None or query.version(settings, stage.name) is None:
        return ()
    statement = (
        f"SELECT count(*) AS rows FROM {stage.name} "
        f"WHERE ({stage.retryable}) AND {NOT_TAKEN_DOWN} AND written_at < TIMESTAMPTZ '{before.isoformat()}'"
    )
    (found,) = query.rows(settings, statement, stage.name)
    return (f"{found['rows']:,} failures are tried again",) if found["rows"] else ()


def is_due(settings: Settings, stage: Stage, run: Run, retry: bool) -> Column:
    """Return the condition on the target's rows that are measured now; `retry` says whether all failures are."""
    before = retried_before(settings, run)
    again = F.lit(retry)
    if before is not None:
        again |= F.expr(NOT_TAKEN_DOWN) & (F.col("written_at") < F.lit(before))
    return F.coalesce((F.expr(stage.retryable) & again) | F.expr(stage.due(settings)), F.lit(False))
