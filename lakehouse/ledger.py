"""The tables runs and expectation_results, and the check whether a stage has anything to do.

Both tables are written by delta-rs: a few rows take it 50 ms, and Spark two seconds.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypedDict, cast

import pyarrow as pa
import tenacity
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from recast import __version__
from recast.lakehouse import locks, query
from recast.lakehouse.problems import first_line, warn
from recast.lakehouse.settings import Settings
from recast.schemas.operations import EXPECTATION_RESULTS, RUNS, TOMBSTONES
from recast.schemas.table import Table
from recast.settings import BusyError, UserError

SOURCE_CHANGED = "source changed"
CHANGES_ROWS = ("RESTORE", "DELETE", "UPDATE", "MERGE", "WRITE", "TRUNCATE")
"""Operations of Delta after which a table may have other rows. Recast's own commits of documents carry facts besides."""
OWN_FACTS = {"run_id", "takedowns"}
"""Facts of which each of Recast's own commits of documents carries one; others may well write JSON of theirs there."""
TABLE_ID = re.compile(
    r"@[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(@[0-9a-f]{8})?"
)  # what follows a version of a Delta table
COMMIT_ATTEMPTS = 20
COMMIT_WAIT_S = 0.5
FILES_BEFORE_COMPACTION = 100
ARROW_TYPES = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "map<string, bigint>": pa.map_(pa.string(), pa.int64()),
    "map<string, double>": pa.map_(pa.string(), pa.float64()),
    "array<string>": pa.list_(pa.string()),
    "array<bigint>": pa.list_(pa.int64()),
}
COUNTS = ("chunks", "rows_in", "rows_kept", "rows_rejected", "rows_measured", "rows_removed", "rows_conflicting")
TOKENS = (
    "model_requests",
    "prompt_tokens",
    "output_tokens",
    "cached_tokens",
    "kept_output_tokens",
    "recalled_output_tokens",
    "requests_failed",
)


class Run(TypedDict, total=False):
    """One row of the table runs: a stage's run, what it did and what it cost (schemas/operations.py describes each)."""

    run_id: str
    table_name: str
    number: int
    status: str
    problem: str | None
    source_version: str
    takedowns: int | None
    target_version: int | None
    target_id: str | None
    target_files: str | None
    chunks: int
    rows_in: int
    rows_kept: int
    rows_rejected: int
    rows_measured: int
    rows_removed: int
    rows_conflicting: int
    reasons: dict[str, int]
    model_requests: int
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    kept_output_tokens: int
    recalled_output_tokens: int
    requests_failed: int
    engines: int
    engine_start_seconds: float | None
    engine_seconds: float | None
    tokens_per_s: float | None
    mfu: float | None
    cost: float
    seconds: float
    seconds_by_step: dict[str, float]
    started_at: datetime
    master: str
    application_id: str
    executors: int
    executor_cores: int
    tasks_by_host: dict[str, int]
    executor_seconds: float
    measured_by: str
    decided_by: str
    measured_by_facts: str
    decided_by_facts: str
    recast_version: str


def fingerprint(facts: dict[str, Any]) -> str:
    """Return a short name for `facts`: 16 hexadecimal digits of the sha256 of their canonical JSON."""
    return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]


def canonical(facts: dict[str, Any]) -> str:
    """Return `facts` as JSON that does not depend on the order in which they were given."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def begin(
    run_id: str,
    table_name: str,
    source_version: str,
    measured_by: dict[str, Any],
    decided_by: dict[str, Any],
    takedowns: int | None = None,
) -> Run:
    """Return the row of a run that starts now, with nothing counted."""
    run: Run = {
        "run_id": run_id,
        "table_name": table_name,
        "status": "running",
        "source_version": source_version,
        "takedowns": takedowns,
        "started_at": datetime.now(UTC),
        "measured_by": fingerprint(measured_by),
        "decided_by": fingerprint(decided_by),
        "measured_by_facts": canonical(measured_by),
        "decided_by_facts": canonical(decided_by),
        "recast_version": __version__,
        "reasons": {},
        "seconds_by_step": {},
        "seconds": 0.0,
        "cost": 0.0,
    }
    run.update(cast(Run, dict.fromkeys(COUNTS + TOKENS, 0)))
    return run


@contextmanager
def surviving_damage() -> Iterator[None]:
    """Say in one line, once, that the ledger is damaged, where the block meets that. No rewrite depends on the ledger."""
    try:
        yield
    except CommitFailedError:
        raise
    except (UserError, DeltaError) as problem:
        warn(f"the ledger is damaged, and the run goes on without it: {first_line(problem)}")


def record(settings: Settings, run: Run) -> None:
    """Write the run's row as it stands; a later call replaces it. The first gives the run its `number`."""
    with surviving_damage():
        run.setdefault("number", 1 + (query.version(settings, RUNS.name) or 0))
        write(settings, RUNS, [run], replaced=is_run(run["run_id"], run["table_name"]))


def record_results(settings: Settings, results: list[dict[str, Any]]) -> None:
    """Add rows to expectation_results, and make one file of the many that chunks have added."""
    with surviving_damage():
        table = write(settings, EXPECTATION_RESULTS, results)
        if len(table.file_uris()) > FILES_BEFORE_COMPACTION:
            table.optimize.compact()


# Two lanes may run at once and write these tables at the same moment; delta-rs then refuses one of them.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(CommitFailedError),
    stop=tenacity.stop_after_attempt(COMMIT_ATTEMPTS),
    wait=tenacity.wait_random(0, COMMIT_WAIT_S),
    reraise=True,
)
def write(
    settings: Settings, table: Table, rows: Sequence[Mapping[str, Any]], replaced: str | None = None
) -> DeltaTable:
    """Add `rows` in one commit, in the place of those that meet the SQL condition `replaced`; return the table.

    The table is made where it is missing, and gains the columns that a newer version of Recast adds. A column that a
    row lacks is null.
    """
    opened = open_or_create(settings, table)
    add_rows(opened, table, rows, replaced)
    return opened


def open_or_create(settings: Settings, table: Table) -> DeltaTable:
    """Return the table as delta-rs opens it, made where it is missing, with the columns that a newer Recast adds."""
    schema = pa.schema(
        pa.field(name, ARROW_TYPES[type_], metadata={"comment": comment}) for name, type_, comment in table.columns
    )
    opened = query.open_table(settings, table.name)
    if opened is None:
        uri = query.table_uri(settings, table.name)
        properties = {query.FORMAT: str(query.FORMAT_NUMBER)}
        opened = DeltaTable.create(
            uri,
            schema,
            mode="ignore",
            description=table.about,
            configuration=properties,
            raise_if_key_not_exists=False,
        )
    present = {field.name for field in opened.schema().fields}
    added = [field for field in Schema.from_arrow(schema).fields if field.name not in present]
    if added:
        opened.alter.add_columns(added)
    return opened


def add_rows(
    opened: DeltaTable,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    replaced: str | None = None,
    properties: CommitProperties | None = None,
) -> None:
    """Add `rows` in one commit, in the place of those that meet the SQL condition `replaced`. A missing column is null."""
    # Without column comments: delta-rs refuses them where an older version of Recast commented the columns otherwise.
    values = pa.Table.from_pylist(rows, pa.schema([(name, ARROW_TYPES[type_]) for name, type_, _ in table.columns]))
    mode = "overwrite" if replaced else "append"
    write_deltalake(opened, values, mode=mode, predicate=replaced, commit_properties=properties)


def is_run(run_id: str, table_name: str) -> str:
    """Return the SQL condition that selects the row of one table's run from `runs`."""
    return f"run_id = '{run_id}' AND table_name = '{table_name}'"


def rows_are_in(settings: Settings, name: str, before: str, after: str) -> None:
    """Note that a table's state `after` (query.state_of) holds the rows of `before`, so that no run takes it for a change."""
    if query.open_table(settings, RUNS.name) is None or before == after or query.state(settings, name) != after:
        return
    runs = open_or_create(settings, RUNS)
    (old, id_, files), (new, _, new_files) = before.split("@"), after.split("@")
    runs.update(
        {"target_version": new, "target_files": f"'{new_files}'"},
        predicate=f"table_name = '{name}' AND target_version = {old} AND target_id = '{id_}' "
        f"AND (target_files IS NULL OR target_files = '{files}')",
    )
    if name == TOMBSTONES.name:
        # Runs below raw tables have the number of claims there, which stays.
        runs.update({"takedowns": new}, predicate=f"takedowns = {old} AND table_name LIKE 'raw%'")
    # A join names the versions of both of its sources, as JSON.
    runs.update(
        {"source_version": f"replace(source_version, '{before}', '{after}')"},
        predicate=f"source_version LIKE '%{before}%'",
    )


def status_of(settings: Settings, run_id: str, table_name: str) -> str | None:
    """Return the status of a run as the ledger knows it, None where it does not."""
    with surviving_damage():
        if query.version(settings, RUNS.name) is not None:
            found = query.rows(settings, f"SELECT status FROM runs WHERE {is_run(run_id, table_name)}", RUNS.name)
            return found[0]["status"] if found else None
    return None


def last_run(settings: Settings, name: str) -> dict[str, Any] | None:
    """Return the row of a stage's last run, None where there is none or the ledger cannot be read."""
    found = None
    with surviving_damage():
        found = query.last_run(settings, name)
    return found


def changes(settings: Settings, run: Run) -> tuple[str, ...]:
    """Return what differs between a stage's last run and one that would begin now, in a few words each; () for nothing.

    Where the ledger cannot be read, something does: then only the table itself says what is to be done.

    Raises:
        UserError: the table has lost a column since.
    """
    return changes_since(settings, last_run(settings, run["table_name"]), run)


def changes_since(settings: Settings, last: Mapping[str, Any] | None, run: Run) -> tuple[str, ...]:
    """Do what `changes` does, given the last run as `last_run` returns it."""
    if last is None:
        return ("no run is recorded",)
    found = [f"the last run is {last['status']}"] if last["status"] != "succeeded" else []
    if last["source_version"] != run["source_version"]:
        found.append(changed_source(str(last["source_version"]), run["source_version"]))
    if last.get("takedowns") != run["takedowns"]:
        found.append("takedowns were added or lifted")
    for rules in ("measured_by", "decided_by"):
        if last[rules] != run[rules]:
            facts = changed_facts(last[f"{rules}_facts"], run[f"{rules}_facts"])  # type: ignore[literal-required]
            found += facts or [f"{rules} {last[rules]} -> {run[rules]}"]
    now_there = query.target(settings, run["table_name"])
    version = now_there["target_version"]
    if last["target_version"] != version:
        query.require_columns(settings, run["table_name"], last["target_version"], version)
        now = "not built" if version is None else f"at version {version}"
        left = "none" if last["target_version"] is None else f"version {last['target_version']}"
        found.append(f"the table is {now}; the last run left {left}")
    elif is_another(last, now_there, "target_id"):
        found.append("the table was deleted and built again")
    elif is_another(last, now_there, "target_files"):
        found.append("the table's files are others than the last run left")
    elif new := query.new_columns(settings, run["table_name"]):
        found.append(f"this Recast has new columns: {', '.join(new)}")
    return tuple(found)


def is_another(last: Mapping[str, Any], now: Mapping[str, Any], column: str) -> bool:
    """Say whether a table is another than its last run left, by a column of `runs`, which older versions of Recast left out."""
    return last.get(column) not in (None, now[column])


def changed_source(before: str, now: str) -> str:
    """Return in words that a source has another version, by number alone where it is a table's. A join has one of each table."""
    was, is_ = (re.sub(r'[\[\]"\\]', "", TABLE_ID.sub("", version)) for version in (before, now))
    return f"{SOURCE_CHANGED} (version {was} -> {is_ if is_ != was else f'another {is_}'})"


def planned_before(settings: Settings, last: Mapping[str, Any] | None, run: Run) -> str:
    """Return the source version of a stage's `last` run, where since then nothing has changed but the source.

    Empty where more has, or this Recast is another version: it may take other columns over from the source.
    """
    if last is None or last.get("recast_version") != run["recast_version"]:
        return ""
    as_it_was = run | {"source_version": last["source_version"]}
    return "" if changes_since(settings, last, cast(Run, as_it_was)) else str(last["source_version"])


def changed_facts(before: str | None, now: str) -> list[str]:
    """Return the facts of a fingerprint that differ, as ``threshold 7.0 -> 6.5``, given as JSON."""
    old, new = json.loads(before or "{}"), json.loads(now)
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, is_ = (json.dumps(facts[name], sort_keys=True) if name in facts else "nothing" for facts in (old, new))
        if was != is_:
            found.append(f"{name} {was} -> {is_}")
    return found


def undone(last: Mapping[str, Any], version: int | None, commits: Iterable[Mapping[str, Any]]) -> str:
    """Return in words what became of a table since its `last` run, which succeeded; "" for nothing.

    Args:
        last: that run's row.
        version: the table's present version.
        commits: what was committed since, as Delta's history has it.
    """
    left = last["target_version"]
    if version is not None and left is not None and version < left:
        return f"left version {left}, and the table is at version {version}"
    for commit in commits:
        facts = query.facts_of(commit.get("userMetadata"))
        if facts.get("run_id", last["run_id"]) != last["run_id"]:
            return "was killed"
        if OWN_FACTS.isdisjoint(facts) and commit.get("operation") in CHANGES_ROWS:
            return f"was followed by a {commit['operation']} that Recast did not make"
    return ""


def require_finished(settings: Settings, name: str, held: Collection[str] = ()) -> None:
    """Refuse to read a table whose last run did not succeed: it may lack rows, which would be removed below it.

    `held` are the tables that this run holds itself.

    Raises:
        BusyError: another run is writing it.
        UserError: the ledger says so, or the table's own commits do: of a run that was killed they know more, and of what
            others did with the table; or it has lost a column since.
    """
    last = last_run(settings, name)
    if last is None:
        return
    problem = f"is {last['status']}" if last["status"] != "succeeded" else ""
    now = query.target(settings, name)
    version = now["target_version"]
    if not problem and is_another(last, now, "target_id"):
        problem = "made another table, which was deleted since"
    elif not problem and last["target_version"] == version and is_another(last, now, "target_files"):
        problem = "left other files than the table has, which may be an older copy"
    elif not problem:
        problem = undone(last, version, query.commits(settings, name, last["target_version"], version))
    if last["status"] == "succeeded":
        query.require_columns(settings, name, last["target_version"], version)
    if problem:
        if name not in held and (busy := locks.holder(settings, name)):
            raise BusyError(busy)
        raise UserError(f"the last run of {name} {problem}, so rows may be missing: recast refresh {name}")
