"""Deletes what the present tables no longer hold, and proves that no text is left that was taken down. Needs no JVM.

Each step may be cut off at any moment, and a second purge does the rest: what is deleted is never needed to read the
present version of a table, which a checkpoint names before the log behind it goes.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow.fs as pafs
from deltalake import DeltaTable

from recast import __version__
from recast.lakehouse import proof, query, takedown
from recast.lakehouse.proof import Searched
from recast.lakehouse.settings import Settings
from recast.lakehouse.store import STATISTICS, WORK, with_statistics
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES
from recast.settings import UserError
from recast.storage import Place, place

CHANGES = "_change_data"
LOG = "_delta_log"
LOG_ENTRY = re.compile(r"(\d{20})\.(json|crc|checkpoint\..*parquet|checkpoint\.parquet)$")
REPORTS = "_purges"
KEPT = re.compile(rf"^{WORK}/[^/]+\.lock$|^{REPORTS}/|^{TOMBSTONES.name}/")
"""Files that no purge deletes: locks, reports, and the tombstones themselves, which hold hashes only."""
PASSING = re.compile(r"^(data_docs|_work)/")
"""Logs and pages, which a later run makes anew."""


class Deleted(NamedTuple):
    """How many files went, and their size in bytes."""

    files: int = 0
    size: int = 0

    def with_(self, infos: Sequence[pafs.FileInfo]) -> "Deleted":
        """Return this with further files."""
        return Deleted(self.files + len(infos), self.size + sum(max(info.size or 0, 0) for info in infos))


def purge(
    settings: Settings, retention_hours: float, done: Callable[[Searched], None] = lambda one: None
) -> dict[str, Any]:
    """Delete old versions, change feeds, logs and leftovers, then read every file of the lake; return the report.

    Nobody may write into the lake meanwhile: hold the tables' locks.

    Args:
        settings: name the lake.
        retention_hours: what is younger stays, for readers of old versions and change feeds.
        done: is told of each file that was read.

    Raises:
        UserError: the lake holds documents that were taken down; a refresh removes them first.
    """
    require_applied(settings)
    lake = place(query.table_uri(settings, "").rstrip("/"))
    before = datetime.now(UTC) - timedelta(hours=retention_hours)
    deleted = remove_leftovers(lake, before)
    for name in tables_of(lake):
        deleted = remove_history(settings, lake, name, retention_hours, before, deleted)
    ids, probes = wanted(settings)
    found = list(proof.search(lake, ids, probes, done))
    # A line that other documents have as well proves nothing.
    shared = frozenset().union(*(one.probes for one in found if one.path in present_files(settings, lake)))
    passing = [one for one in found if one.probes - shared and PASSING.match(one.path)]
    for one in passing:
        lake.filesystem.delete_file(lake.joined(one.path).path)
    deleted = Deleted(deleted.files + len(passing), deleted.size + sum(one.size for one in passing))
    found = [one for one in found if one not in passing]
    report = told(settings, retention_hours, deleted, found, ids, shared)
    keep(lake, report)
    return report


def require_applied(settings: Settings) -> None:
    """Raise UserError where a document that was taken down still has a row in a table."""
    if takedown.version(settings) is None:
        return
    lake = query.connect(settings)
    for name in lake.built:
        if name in TABLES and TABLES[name].reasons:
            (count,) = lake.connection.execute(
                f"SELECT count(*) FROM {query.stored(name)} SEMI JOIN "
                f"(SELECT doc_id FROM ({takedown.DOCUMENTS}) WHERE NOT elsewhere) USING (doc_id)"
            ).fetchone() or (0,)
            if count:
                raise UserError(f"{name} still holds {count:,} documents that were taken down: first, recast refresh")


def tables_of(lake: Place) -> list[str]:
    """Return the names of the Delta tables directly below the lake, sorted."""
    folders = lake.filesystem.get_file_info(pafs.FileSelector(lake.path, allow_not_found=True))
    names = [info.base_name for info in folders if info.type == pafs.FileType.Directory]
    return sorted(name for name in names if exists(lake.joined(name, LOG)))


def exists(folder: Place) -> bool:
    """Say whether there is a folder."""
    return bool(folder.filesystem.get_file_info(folder.path).type == pafs.FileType.Directory)


def files_below(folder: Place) -> list[pafs.FileInfo]:
    """Return every file below a folder; none where it is not there."""
    selector = pafs.FileSelector(folder.path, allow_not_found=True, recursive=True)
    return [info for info in folder.filesystem.get_file_info(selector) if info.is_file]


def remove_leftovers(lake: Place, before: datetime) -> Deleted:
    """Delete staged rows and journals of runs that were killed, but for locks and logs."""
    infos = [
        info
        for info in files_below(lake.joined(WORK))
        if info.mtime <= before and info.path.count("/") > lake.path.count("/") + 2
    ]
    return delete(lake.filesystem, infos, Deleted())


def remove_history(
    settings: Settings, lake: Place, name: str, retention_hours: float, before: datetime, deleted: Deleted
) -> Deleted:
    """Delete the files of old versions of a table, its change feed and the log behind its present version."""
    table = query.open_table(settings, name)
    if table is None:
        return deleted
    folder = lake.joined(name)
    if name in TABLES and TABLES[name].reasons and STATISTICS not in table.metadata().configuration:
        table.alter.set_table_properties(
            {STATISTICS: with_statistics(TABLES[name])}
        )  # older versions of Recast set none
        table = DeltaTable(table.table_uri)
    old = set(table.vacuum(int(retention_hours), dry_run=True, enforce_retention_duration=False, full=True))
    changes = f"{folder.path}/{CHANGES}/"
    infos = [
        info
        for info in files_below(folder)
        if info.path.removeprefix(f"{folder.path}/") in old or (info.path.startswith(changes) and info.mtime <= before)
    ]
    deleted = delete(folder.filesystem, infos, deleted)
    entries = [info for info in files_below(folder.joined(LOG)) if info.mtime <= before]
    behind = [info for info in entries if (entry := LOG_ENTRY.search(info.path)) and int(entry[1]) < table.version()]
    if behind:
        table.create_checkpoint()
    return delete(folder.filesystem, behind, deleted)


def delete(filesystem: pafs.FileSystem, infos: Sequence[pafs.FileInfo], deleted: Deleted) -> Deleted:
    """Delete files, and add them to what was deleted."""
    for info in infos:
        filesystem.delete_file(info.path)
    return deleted.with_(infos)


def wanted(settings: Settings) -> tuple[set[str], set[str]]:
    """Return the documents that no file may hold, and the probes of their texts."""
    if takedown.version(settings) is None:
        return set(), set()
    gone = f"SELECT kind, value, doc_id FROM ({takedown.DOCUMENTS}) WHERE NOT elsewhere"
    rows = query.rows(
        settings,
        f"SELECT doc_id, probes FROM tombstones SEMI JOIN ({gone}) AS gone USING (kind, value, doc_id)",
        TOMBSTONES.name,
    )
    return {row["doc_id"] for row in rows}, {probe for row in rows for probe in row["probes"] or ()}


def present_files(settings: Settings, lake: Place) -> set[str]:
    """Return the files of the present versions of all document tables, below the lake."""
    found: set[str] = set()
    for name in tables_of(lake):
        table = query.open_table(settings, name) if name in TABLES and TABLES[name].reasons else None
        found |= {f"{name}/{uri.rpartition('/')[2]}" for uri in table.file_uris()} if table else set()
    return found


def told(
    settings: Settings,
    retention_hours: float,
    deleted: Deleted,
    found: Sequence[Searched],
    ids: set[str],
    shared: frozenset[str],
) -> dict[str, Any]:
    """Return the report: what was asked for, deleted, read and found. `proven` says that nothing is left."""
    left = [one for one in found if not KEPT.match(one.path) and (one.ids or one.probes - shared)]
    faults = [one for one in found if one.fault]
    hashes: list[dict[str, Any]] = []
    if ids:
        hashes = query.rows(
            settings,
            f"SELECT doc_id, table_name, content_hash FROM ({takedown.DOCUMENTS}) WHERE NOT elsewhere ORDER BY ALL",
            TOMBSTONES.name,
        )
    return {
        "proven": not left and not faults,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recast_version": __version__,
        "lake": settings.lake,
        "retention_hours": retention_hours,
        "claims": [each | {"requested_at": str(each["requested_at"])} for each in takedown.in_force(settings)],
        "documents": len(ids),
        "removed": hashes,
        "deleted_files": deleted.files,
        "deleted_bytes": deleted.size,
        "scanned_files": len(found),
        "scanned_bytes": sum(one.size for one in found),
        "scanned_rows": sum(one.rows for one in found),
        "scanned_digest": proof.digest_of(found),
        "found": [{"file": one.path, "documents": sorted(one.ids), "lines": len(one.probes - shared)} for one in left],
        "unreadable": [{"file": one.path, "why": one.fault} for one in faults],
        "lines_in_other_documents": len(shared),
    }


def keep(lake: Place, report: dict[str, Any]) -> None:
    """Write the report into the lake, under the time and its own sha256, and note both in it."""
    body = json.dumps(report, sort_keys=True, default=str)
    report["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    folder = lake.joined(REPORTS)
    folder.filesystem.create_dir(folder.path, recursive=True)
    name = f"{report['finished_at'].replace(':', '')}-{report['sha256'][:8]}.json"
    report["report"] = f"{REPORTS}/{name}"
    with folder.filesystem.open_output_stream(folder.joined(name).path) as file:
        file.write(json.dumps(report, indent=2, default=str).encode())
