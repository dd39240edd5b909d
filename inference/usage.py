"""What a model stage counts, limits and shows beyond rows: requests, tokens, the error budget, the engines' figures."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recast import journal
from recast.inference import telemetry
from recast.inference.answers import ANSWERED, FAILED_STATUSES, ErrorBudgetError, budget_words, over_budget

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def counts(run_started_at: datetime) -> dict[str, Column]:
    """Return requests and tokens as sums over staged rows, by the columns of `runs`."""
    from pyspark.sql import functions as F

    paid = F.col("action") == "measure"
    of_these = {
        "prompt_tokens": ("prompt_tokens", paid),
        "output_tokens": ("output_tokens", paid),
        "cached_tokens": ("cached_tokens", paid),
        "kept_output_tokens": ("output_tokens", paid & F.col("kept")),
        "recalled_output_tokens": ("output_tokens", paid & (F.col("answered_at") < F.lit(run_started_at))),
    }
    # An endpoint may count as it likes: a decimal holds every sum of bigints.
    sums = {
        name: F.coalesce(F.sum(F.when(condition, F.col(column)).cast("decimal(38)")), F.lit(0))
        for name, (column, condition) in of_these.items()
    }
    return {
        "model_requests": F.count_if(paid & (F.col("answer_status") == ANSWERED)),
        "requests_failed": F.count_if(paid & F.col("answer_status").isin(*FAILED_STATUSES)),
        **sums,
    }


def require_budget(staged: DataFrame, counted: dict[str, Any], budget: float) -> None:
    """Raise ErrorBudgetError where too many of a chunk's requests failed. A task in trouble says so long before."""
    from pyspark.sql import functions as F

    failed = counted["requests_failed"]
    if not over_budget(failed, counted["model_requests"] + failed, budget):
        return
    finished = staged.where(f"action IN ('measure', 'copy') AND answer_status = '{ANSWERED}'").count() + failed
    if over_budget(failed, finished, budget):
        failures = staged.where(F.col("answer_status").isin(*FAILED_STATUSES))
        commonest = failures.groupBy("error").count().orderBy(F.desc("count")).first()
        raise ErrorBudgetError(budget_words(failed, finished, budget, commonest["error"] if commonest else None))


def reports(known: Iterable[telemetry.Report], journal_uri: str) -> list[telemetry.Report]:
    """Return the newest report of every engine: of those known, and of those that a chunk's journal holds."""
    return list(telemetry.engines([*known, *telemetry.reports(journal_uri)]).values())


def figures(used: Iterable[telemetry.Report], run: dict[str, Any], model: str, gpus: int) -> dict[str, Any]:
    """Return the columns of `runs` that tell what a run had of its engines; `gpus` is how many one engine spans."""
    output = run["output_tokens"] - run["recalled_output_tokens"]
    computed = output + run["prompt_tokens"] - run["cached_tokens"]
    return telemetry.ledger_figures(used, output, computed, model, gpus)


def progress(journals: str, run_started_at: float) -> tuple[int, int, int, int, bool | None]:
    """Return answers, their tokens, requests running and waiting, and whether every feeder of the run has ended.

    The last is None where no feeder has reported since `run_started_at`, in seconds since the epoch.
    """
    said = telemetry.reports(journals)
    answered = journal.progress(journals)
    running, waiting = telemetry.running_now(said, time.time())
    ours = [each for each in said if each.at >= run_started_at]
    return answered.rows, answered.output_tokens, running, waiting, all(each.ended for each in ours) if ours else None
