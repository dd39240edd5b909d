"""Which rows are measured now though nothing changed: failures that may have passed, and what the settings had refused."""

from datetime import datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from recast.lakehouse import query, takedown
from recast.lakehouse.ledger import Run
from recast.lakehouse.settings import Settings
from recast.lakehouse.stage import Stage
from recast.schemas.operations import TOMBSTONES
from recast.schemas.table import TAKEN_DOWN

NOT_TAKEN_DOWN = f"(reason IS NULL OR reason <> '{TAKEN_DOWN}')"


MOST_HOURS = 30 * 24.0
"""What failed again and again is tried again after so long, unless `retry_after_hours` is longer."""


def waits(hours: float) -> list[float]:
    """Return how many hours a failure is left alone after the first try, the second and so on; then as long as the last."""
    found = [hours]
    while found[-1] < MOST_HOURS:
        found.append(min(2 * found[-1], MOST_HOURS))
    return found


def old_enough(settings: Settings, run: Run, tries: str, tried_at: str, timestamp: str) -> str:
    """Return the SQL condition on a failure that a run tries again by itself; "false" where it tries none.

    A time after the run's own start was told by a clock that was ahead: how long that row has waited nobody knows, so it is due.

    Args:
        settings: say after how long.
        run: the run, by the time of its start.
        tries: column that counts how often the row was tried; empty where nothing counts that: each wait is the first.
        tried_at: column that says when it was last tried; where it is null, or nothing says that, when the row was written.
        timestamp: the engine's word for a time with a zone.
    """
    if not settings.retry_after_hours:
        return "false"
    hours = waits(settings.retry_after_hours)
    start, first, *later = (
        f"{timestamp} '{(run['started_at'] - timedelta(hours=each)).isoformat()}'" for each in (0, *hours)
    )
    last = f"coalesce({tried_at}, written_at)" if tried_at else "written_at"
    before = first
    if tries and later:
        cases = (f"WHEN {tries} = {number} THEN {each}" for number, each in enumerate(later, 2))
        before = f"CASE {' '.join(cases)} WHEN {tries} > {len(hours)} THEN {later[-1]} ELSE {first} END"
    return f"({last} < {before} OR {last} > {start})"


def failures(settings: Settings, stage: Stage, run: Run) -> tuple[str, ...]:
    """Return how many failures a run tries again by itself, in a few words; () for none. No JVM is needed.

    Raises:
        UserError: the table cannot be read.
    """
    table = query.open_table(settings, stage.name) if settings.retry_after_hours else None
    if table is None:
        return ()
    there = {field.name for field in table.schema().fields}  # an older Recast wrote neither
    tries, tried_at = (name if name in there else "" for name in (stage.tries, stage.tried_at))
    condition = old_enough(settings, run, tries, tried_at, "TIMESTAMPTZ")
    statement = (
        f"SELECT count(*) AS rows FROM {stage.name} WHERE ({stage.retryable}) AND {NOT_TAKEN_DOWN} AND {condition}"
    )
    (found,) = query.rows(settings, statement, stage.name)
    return (f"{found['rows']:,} failures are tried again",) if found["rows"] else ()


def lifted_at(settings: Settings, stage: Stage) -> datetime | None:
    """Return when a claim of a text was lifted last, for a stage whose rows may lack such a text; None where none was.

    No row says which text it lacks, so all that lack one since before then are read again. No JVM is needed.
    """
    if TAKEN_DOWN not in stage.target.reasons or takedown.version(settings) is None:
        return None
    statement = (
        "SELECT max(requested_at) AS at FROM tombstones "
        f"WHERE kind = 'content' AND doc_id IS NULL AND action = '{takedown.LIFT}'"
    )
    found: datetime | None = query.rows(settings, statement, TOMBSTONES.name)[0]["at"]
    return found


def is_due(settings: Settings, stage: Stage, run: Run, retry: bool, lifted: datetime | None = None) -> Column:
    """Return the condition on the target's rows that are measured now.

    `retry` says whether all failures are, `lifted` when a claim of a text was lifted last: rows that lack one since before
    then are, too.
    """
    waited = old_enough(settings, run, stage.tries, stage.tried_at, "TIMESTAMP")
    by_itself = f"{NOT_TAKEN_DOWN} AND {waited}"
    if lifted:
        by_itself += f" OR (reason = '{TAKEN_DOWN}' AND written_at < TIMESTAMP '{lifted.isoformat()}')"
    condition = "true" if retry else f"({by_itself})"
    return F.coalesce(F.expr(f"(({stage.retryable}) AND {condition}) OR ({stage.due(settings)})"), F.lit(False))
