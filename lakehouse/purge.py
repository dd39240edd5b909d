"""Deletes what the present tables no longer hold, and proves that no text is left that was taken down. Needs no JVM.

Each step may be cut off at any moment, and a second purge does the rest: what is deleted is never needed to read the
present version of a table, which a checkpoint names before the log behind it goes.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable

from recast import __version__
from recast.lakehouse import confinement, ledger, proof, query, takedown
from recast.lakehouse.claims import Claim, hosts_of
from recast.lakehouse.proof import Searched, Wanted
from recast.lakehouse.settings import WORK, Settings
from recast.lakehouse.store import DROPPED, EXPIRES, STATISTICS, with_statistics
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES
from recast.settings import UserError
from recast.storage import Place, listed, place

CHANGES = "_change_data"
LOG = "_delta_log"
COMMIT = re.compile(r"/(\d{20})\.json$")
LOG_ENTRY = re.compile(r"/\.?(\d{20})\.[^/]*$")
UNFINISHED = re.compile(r"(\.tmp|#\d+)$")
"""Files of a writer that was killed: Spark's and, with a number behind their name to be, those of delta-rs on a local disk."""
LOGGED_HOURS = 168
"""How long checkpoints tell of removed files (the default of delta.deletedFileRetentionDuration); a vacuum takes older ones for
files of no version."""
WRITING_S = 3600  # no writer takes so long for one file of a table that others may write meanwhile
REPORTS = "_purges"
KEPT = re.compile(rf"^{TOMBSTONES.name}/|^{REPORTS}/")
"""Files that name what was taken down on purpose: tombstones and reports."""
PASSING = re.compile(rf"^(data_docs/|{WORK}/[^/]*\.log)")
"""Logs and pages, which a later run makes anew."""


class Deleted(NamedTuple):
    """How many files went, and their size in bytes."""

    files: int = 0
    size: int = 0

    def plus(self, sizes: Sequence[int]) -> "Deleted":
        """Return this with further files of these sizes."""
        return Deleted(self.files + len(sizes), self.size + sum(sizes))


def purge(
    settings: Settings,
    retention_hours: float,
    done: Callable[[Searched], None] = lambda one: None,
    require: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Delete old versions, change feeds, logs and leftovers, then read every file of the lake; return the report.

    Nobody may write into the lake meanwhile: hold the tables' locks.

    Args:
        settings: name the lake.
        retention_hours: what is younger stays, for readers of old versions and change feeds.
        done: is told of each file that was read.
        require: asked with a table's name before anything of it is deleted; raises UserError where this run holds it no more.

    Raises:
        UserError: there is no lake, or it holds documents that were taken down; a refresh removes them first. Or `require`
            raised it; what was deleted until then is gone, and a second purge does the rest.
    """
    require_built(settings)
    version = takedown.version(settings)
    require_applied(settings)
    lake = place(query.table_uri(settings, "").rstrip("/"))
    before = datetime.now(UTC) - timedelta(hours=retention_hours)
    ask(require, tables_of(lake))
    deleted = remove_dropped(lake, remove_leftovers(lake, before))
    for name in tables_of(lake):
        ask(require, [name])
        deleted = remove_history(settings, lake, name, retention_hours, before, deleted)
    asked, searched_for = asked_for(settings), wanted(settings)
    if takedown.version(settings) != version:  # from here on a claim that is made is no part of the report
        raise UserError("something was taken down or lifted while the purge began: first, recast refresh")
    found = list(proof.search(lake, searched_for, done))
    present = present_files(settings, lake)
    # A part of a text that other documents have as well proves nothing.
    shared = frozenset().union(*(one.probes for one in found if one.path in present))
    passing = {
        one.path
        for one in found
        if one.probes - shared and PASSING.match(one.path) and one.changed_at and one.changed_at <= before
    }
    ask(require, tables_of(lake))
    for path in passing:
        lake.filesystem.delete_file(lake.joined(path).path)
    deleted = deleted.plus([one.size for one in found if one.path in passing])
    found = [one for one in found if one.path not in passing]
    report = asked | told(settings, retention_hours, deleted, found, searched_for, shared, present)
    keep(lake, report)
    return report


def require_built(settings: Settings) -> None:
    """Raise UserError where the lake has no table: a mistyped name must not be proven clean."""
    if all(query.version(settings, name) is None for name in TABLES):
        raise query.nothing_built(settings)


def require_applied(settings: Settings) -> None:
    """Raise UserError where a takedown was not brought into the tables yet."""
    version = takedown.version(settings)
    if version is None:
        return
    for name in takedown.RAW:
        last = ledger.last_run(settings, name)
        if last is not None and last.get("takedowns") != version:
            raise UserError(f"{name} was not refreshed since the last takedown: first, recast refresh")
    lake = query.connect(settings)
    if lake.damaged:
        raise UserError(next(iter(lake.damaged.values())))
    claims = [Claim(each["kind"], each["value"]) for each in takedown.in_force(settings)]
    reached = [each for each in takedown.reached(settings, claims) if each["held_by"] is None]
    going = f"SELECT doc_id FROM ({takedown.DOCUMENTS}) WHERE NOT elsewhere"
    for name in takedown.document_tables(lake):
        raw_hash = takedown.raw_hash_of(name, [column for column, *_ in takedown.head(lake.connection, name)])
        claimed = f"{raw_hash} IN ({takedown.CLAIMED_TEXTS})"
        if name not in takedown.RAW:  # where a null is a row without a text
            claimed += f" OR ({raw_hash} IS NULL AND doc_id IN (SELECT doc_id FROM ({takedown.REACHED_BY_TEXT})))"
        rows = lake.connection.execute(
            f"SELECT doc_id FROM {query.stored(name)} WHERE doc_id IN ({going}) OR {claimed}"
        )
        held = {doc_id for (doc_id,) in rows.fetchall()}
        if name in takedown.RAW:
            held |= {each["doc_id"] for each in reached if each["table_name"] == name}
        if held:
            raise UserError(f"{name} still holds {len(held):,} documents that were taken down: first, recast refresh")


def tables_of(lake: Place) -> list[str]:
    """Return the names of Recast's tables in the lake, sorted. Others that somebody keeps there are not touched."""
    return sorted(name for name in TABLES if exists(lake.joined(name, LOG)))


def ask(require: Callable[[str], None], names: Sequence[str]) -> None:
    """Call `require` for those of some tables that a run holds; those of operations may be written by several at once."""
    for name in names:
        if TABLES[name].reasons:
            require(name)


def exists(folder: Place) -> bool:
    """Say whether there is a folder."""
    return bool(folder.filesystem.get_file_info(folder.path).type == pafs.FileType.Directory)


def files_below(folder: Place) -> list[pafs.FileInfo]:
    """Return every file below a folder; none where it is not there."""
    return [info for info in listed(folder, recursive=True) if info.is_file]


def remove_leftovers(lake: Place, before: datetime) -> Deleted:
    """Delete staged rows and journals of runs that were killed, but for locks and logs, and what queries had no memory for."""
    infos = [
        info
        for info in files_below(lake.joined(WORK))
        if info.mtime <= before and info.path.count("/") > lake.path.count("/") + 2
    ]
    return remove_spilled(lake, before, delete(lake.filesystem, infos, Deleted()))


def remove_spilled(lake: Place, before: datetime, deleted: Deleted) -> Deleted:
    """Delete the folders of DuckDB's whose process has ended, or may have and has written nothing since `before`."""
    for folder in (info for info in listed(lake) if info.base_name.startswith(confinement.SPILLED)):
        infos = files_below(Place(lake.filesystem, folder.path))
        ended = confinement.is_left_behind(folder.base_name)
        if ended or (ended is None and all(info.mtime <= before for info in (folder, *infos))):
            deleted = delete(lake.filesystem, infos, deleted)
            lake.filesystem.delete_dir(folder.path)
    return deleted


def remove_dropped(lake: Place, deleted: Deleted, before: datetime | None = None) -> Deleted:
    """Delete the rows that left tables because of their sources: all, or those that were written `before`.

    A purge deletes all of them: no tombstone lists documents that had left before they were claimed.
    """
    infos = [info for info in files_below(lake.joined(DROPPED)) if before is None or info.mtime <= before]
    return delete(lake.filesystem, infos, deleted)


def remove_history(
    settings: Settings,
    lake: Place,
    name: str,
    retention_hours: float,
    before: datetime,
    deleted: Deleted,
    kept: Sequence[int] = (),
) -> Deleted:
    """Delete the files of old versions of a table, its change feed and the log behind the version current at `before`.

    The versions `kept` can be read afterwards, whatever their age.
    """
    table = query.open_table(settings, name)
    if table is None:
        return deleted
    folder = lake.joined(name)
    documents = bool(TABLES[name].reasons)
    properties = {STATISTICS: with_statistics(TABLES[name]), EXPIRES: "false"}
    if (
        documents and not properties.keys() <= table.metadata().configuration.keys()
    ):  # older versions of Recast set fewer
        found = query.state_of(table)
        table.alter.set_table_properties(properties)
        table = DeltaTable(table.table_uri)
        ledger.rows_are_in(settings, name, found, query.state_of(table))
    # A table that others may write at this moment keeps files which no commit names yet.
    hours = math.ceil(retention_hours)
    old = set(
        table.vacuum(
            hours, dry_run=True, enforce_retention_duration=False, full=documents, keep_versions=list(kept) or None
        )
    )
    if retention_hours > LOGGED_HOURS:
        old -= removed_since(folder, before)
    changes = f"{folder.path}/{CHANGES}/"
    dead = before if documents else min(before, datetime.now(UTC) - timedelta(seconds=WRITING_S))
    infos = [
        info
        for info in files_below(folder)
        if info.path.removeprefix(f"{folder.path}/") in old
        or (info.path.startswith(changes) and info.mtime <= before)
        or (UNFINISHED.search(info.path) and info.mtime <= dead)
    ]
    deleted = delete(folder.filesystem, infos, deleted)
    return remove_log(table, folder, before, deleted, kept)


def removed_since(folder: Place, moment: datetime) -> set[str]:
    """Return the data files of a table that commits since a moment removed from it, by their names below `folder`."""
    found = set()
    for info in files_below(folder.joined(LOG)):
        if COMMIT.search(info.path) and info.mtime > moment:
            with folder.filesystem.open_input_file(info.path) as file:
                actions = [json.loads(line) for line in file.read().splitlines() if line]
            found |= {unquote(action["remove"]["path"]) for action in actions if "remove" in action}
    return found


def remove_log(
    table: DeltaTable, folder: Place, before: datetime, deleted: Deleted, kept: Sequence[int] = ()
) -> Deleted:
    """Delete the log behind the version that was current at `before`, or the first of `kept`; a checkpoint takes its place."""
    log = files_below(folder.joined(LOG))
    commits = [(int(entry[1]), info.mtime) for info in log if (entry := COMMIT.search(info.path))]
    current = min([max((number for number, at in commits if at <= before), default=-1), *kept])
    behind = [info for info in log if (entry := LOG_ENTRY.search(info.path)) and int(entry[1]) < current]
    if any(COMMIT.search(info.path) for info in behind):
        DeltaTable(table.table_uri, version=current).create_checkpoint()
    elif current < 0:
        return deleted
    return delete(folder.filesystem, behind, deleted)


def delete(filesystem: pafs.FileSystem, infos: Sequence[pafs.FileInfo], deleted: Deleted) -> Deleted:
    """Delete files, and add them to what was deleted."""
    for info in infos:
        filesystem.delete_file(info.path)
    return deleted.plus([max(info.size or 0, 0) for info in infos])


def wanted(settings: Settings) -> Wanted:
    """Return what no file may hold: documents that went, what claims name, and parts of the documents' texts."""
    if takedown.version(settings) is None:
        return Wanted()
    keys: dict[str, set[str]] = {"doc_id": set(), "url": set(), "content_hash": set(), "repo_name": set()}
    domains: set[str] = set()
    for claim in takedown.in_force(settings):
        domains |= hosts_of(claim["value"]) if claim["kind"] == "domain" else set()
        column = {"blob": "doc_id", "url": "url", "content": "content_hash", "repo": "repo_name"}.get(claim["kind"])
        if column:
            keys[column].add(claim["value"])
    lake = query.connect(settings)
    # One that stayed under another repository, and went when that one left the source, went all the same; so did what the
    # claim reached before it was lifted and made again. Of a text that is claimed everything went, whatever its document has now.
    there = " UNION ALL ".join(f"SELECT doc_id FROM {name}" for name in takedown.RAW if name in lake.built)
    reached = f"SELECT * FROM tombstones SEMI JOIN ({takedown.IN_FORCE}) USING (kind, value) WHERE doc_id IS NOT NULL"
    stays = f"doc_id IN ({there})" if there else "false"
    rows = lake.connection.execute(
        f"SELECT doc_id, list_distinct(flatten(list(probes))), list(input_hash), {stays} "
        f"FROM ({reached}) WHERE kind = 'content' OR NOT ({stays}) GROUP BY doc_id"
    )
    documents: list[str] = []
    probes, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    journals: set[str] = set()
    for doc_id, own, hashes, stays_there in rows.fetchall():
        probes.append(np.array(own or (), np.int64))
        owners.append(np.full(len(own or ()), len(documents), np.int64))
        documents.append(doc_id)
        journals |= {each for each in hashes if each}
        if not stays_there:
            keys["doc_id"].add(doc_id)
    every, owner = np.concatenate(probes), np.concatenate(owners)
    order = np.argsort(every, kind="stable")
    # Journals know an answer by the text that was asked about; equal texts of documents that stay have the same.
    lake.connection.register("asked", pa.table({"input_hash": sorted(journals)}))
    for name in takedown.document_tables(lake):
        if "input_hash" in {column for column, *_ in takedown.head(lake.connection, name)}:
            held = f"SELECT DISTINCT input_hash FROM {query.stored(name)} SEMI JOIN asked USING (input_hash)"
            journals -= {each for (each,) in lake.connection.execute(held).fetchall()}
    keys["input_hash"] = journals | keys["content_hash"]  # all documents of a text that is claimed go
    keys["raw_hash"] = keys["content_hash"]
    return Wanted(keys, frozenset(domains), every[order], owner[order], tuple(documents))


def present_files(settings: Settings, lake: Place) -> set[str]:
    """Return the files of the present versions of all document tables, below the lake."""
    found: set[str] = set()
    for name in tables_of(lake):
        table = query.open_table(settings, name) if name in TABLES and TABLES[name].reasons else None
        found |= {f"{name}/{uri.rpartition('/')[2]}" for uri in table.file_uris()} if table else set()
    return found


def asked_for(settings: Settings) -> dict[str, Any]:
    """Return what of the report tells what was asked for: the claims that count, and the rows that they reached."""
    removed: list[dict[str, Any]] = []
    if takedown.version(settings) is not None:
        removed = query.rows(
            settings,
            f"SELECT doc_id, table_name, content_hash FROM ({takedown.DOCUMENTS}) WHERE NOT elsewhere "
            f"UNION ({takedown.REACHED_BY_TEXT}) ORDER BY ALL",
            TOMBSTONES.name,
        )
    claims = [each | {"requested_at": str(each["requested_at"])} for each in takedown.in_force(settings)]
    return {"claims": claims, "removed": removed}


def told(
    settings: Settings,
    retention_hours: float,
    deleted: Deleted,
    found: Sequence[Searched],
    searched_for: Wanted,
    shared: frozenset[int],
    present: set[str],
) -> dict[str, Any]:
    """Return the rest of the report: what was deleted, read and found. `proven` says that nothing is left of it."""
    left = [one for one in found if not KEPT.match(one.path) and (one.named or one.probes - shared)]
    faults = [one for one in found if one.fault]
    return {
        "proven": not left and not faults,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recast_version": __version__,
        "lake": settings.lake,
        "retention_hours": retention_hours,
        "documents": len(searched_for.documents),
        "deleted_files": deleted.files,
        "deleted_bytes": deleted.size,
        "scanned_files": len(found),
        "scanned_bytes": sum(one.size for one in found),
        "scanned_rows": sum(one.rows for one in found),
        "list_of_files_sha256": proof.digest_of(found),
        "found": [{"file": one.path, "rows": one.named, "parts_of_texts": len(one.probes - shared)} for one in left],
        "unreadable": [{"file": one.path, "why": one.fault} for one in faults],
        "texts_in_other_documents": sorted({each for one in found if one.path in present for each in one.quotes}),
        "parts_in_other_documents": len(shared),
    }


def keep(lake: Place, report: dict[str, Any]) -> None:
    """Write the report into the lake with its sha256 in a file beside it, and note both in it."""
    body = json.dumps(report, indent=2, default=str).encode()
    digest = hashlib.sha256(body).hexdigest()
    folder = lake.joined(REPORTS)
    folder.filesystem.create_dir(folder.path, recursive=True)
    name = f"{report['finished_at'].replace(':', '')}-{digest[:8]}.json"
    for path, content in ((name, body), (f"{name}.sha256", f"{digest}  {name}\n".encode())):
        with folder.filesystem.open_output_stream(folder.joined(path).path) as file:
            file.write(content)
    report["sha256"], report["report"] = digest, f"{REPORTS}/{name}"
