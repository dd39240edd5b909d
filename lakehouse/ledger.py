"""The runs table: one row per run of a stage, and the question whether a stage has anything to do."""

import hashlib
import json
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import tenacity
from delta.exceptions import DeltaConcurrentModificationException
from pyspark.sql import SparkSession

from lakehouse import query, store
from lakehouse.settings import Settings
from schemas.operations import RUNS

Run = dict[str, Any]  # one row of the runs table

RECORD_ATTEMPTS = 10
RECORD_WAIT_S = 3.0
COUNTS = ("chunks", "rows_in", "rows_kept", "rows_rejected", "rows_measured", "rows_removed")
TOKENS = (
    "model_requests",
    "prompt_tokens",
    "output_tokens",
    "cached_tokens",
    "kept_output_tokens",
    "recalled_output_tokens",
    "requests_failed",
)


def fingerprint(facts: dict[str, Any]) -> str:
    """Return a short name for `facts`: 16 hexadecimal digits of the sha256 of their canonical JSON."""
    return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]


def canonical(facts: dict[str, Any]) -> str:
    """Return `facts` as JSON that does not depend on the order in which they were given."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def begin(
    run_id: str, table_name: str, source_version: str, measured_by: dict[str, Any], decided_by: dict[str, Any]
) -> Run:
    """Return the row of a run that starts now, with nothing counted."""
    return {
        "run_id": run_id,
        "table_name": table_name,
        "status": "running",
        "source_version": source_version,
        "started_at": datetime.now(UTC),
        "measured_by": fingerprint(measured_by),
        "decided_by": fingerprint(decided_by),
        "measured_by_facts": canonical(measured_by),
        "decided_by_facts": canonical(decided_by),
        "recast_version": version("recast"),
        "reasons": {},
        "seconds_by_step": {},
        "seconds": 0.0,
    } | dict.fromkeys(COUNTS + TOKENS, 0)


def record(spark: SparkSession, settings: Settings, run: Run) -> None:
    """Write the run's row as it stands; a later call replaces it."""
    replaces = status_of(settings, run["run_id"], run["table_name"]) is not None
    commit = store.merge if replaces else store.insert
    transaction = (f"{RUNS.name}:{run['run_id']}:{run['table_name']}:{uuid.uuid4()}", 0)
    # The two lanes may run at once and write this table at the same moment; Delta then refuses one of them.
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(DeltaConcurrentModificationException),
        stop=tenacity.stop_after_attempt(RECORD_ATTEMPTS),
        wait=tenacity.wait_random(0, RECORD_WAIT_S),
        reraise=True,
    )
    again(commit, spark, settings, RUNS, store.frame_of(spark, RUNS, [run]), transaction, {})


def status_of(settings: Settings, run_id: str, table_name: str) -> str | None:
    """Return the status of a run as the ledger knows it, None where it does not."""
    if query.version(settings, RUNS.name) is None:
        return None
    found = query.rows(
        settings, f"SELECT status FROM runs WHERE run_id = '{run_id}' AND table_name = '{table_name}'", RUNS.name
    )
    return found[0]["status"] if found else None


def is_up_to_date(settings: Settings, run: Run) -> bool:
    """Say whether the stage's last run read the same source by the same rules and its table is as that run left it."""
    last = query.last_run(settings, run["table_name"])
    if last is None or last["status"] != "succeeded":
        return False
    same = ("source_version", "measured_by", "decided_by")
    return all(last[name] == run[name] for name in same) and last["target_version"] == query.version(
        settings, run["table_name"]
    )
