"""Keeps a lake small and quick to read: fewer and larger files, no old versions, checkpoints, no old pages. Needs no JVM.

No row changes, so no run may find anything to do afterwards: where a table gets another version, the ledger is told.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deltalake import DeltaTable

from recast.lakehouse import ledger, query, releases
from recast.lakehouse.purge import (
    Deleted,
    ask,
    delete,
    files_below,
    remove_dropped,
    remove_history,
    remove_leftovers,
    tables_of,
)
from recast.lakehouse.quality import DATA_DOCS
from recast.lakehouse.settings import Settings
from recast.storage import place

# A merge writes whole files anew: files that hold far more than store.ROWS_PER_FILE rows would cost each night.
SMALL_FILE_BYTES = 4 * 1024 * 1024
TARGET_FILE_BYTES = 16 * 1024 * 1024
SMALL_FILES = 16
"""Files below SMALL_FILE_BYTES from which on they are put together. Fewer cost readers nothing that anybody would notice."""
DROPPED_ROWS = "dropped rows"


class Kept(NamedTuple):
    """What maintaining one table did: files before and after, and what was deleted. The last ones are of no table."""

    table_name: str
    files_before: int
    files_after: int
    deleted: Deleted


def maintain(
    settings: Settings, retention_hours: float, require: Callable[[str], None] = lambda name: None
) -> list[Kept]:
    """Put small files together, then delete what is older than the retention and not of a table's present version.

    Nobody may write into the lake meanwhile: hold the tables' locks. Whoever reads goes on: old files stay for the
    retention, and those of released versions for good. Rows that left tables because of their sources (lakehouse/dropped.py)
    stay for the setting `keep_dropped_days`.

    Args:
        settings: name the lake.
        retention_hours: how long old versions, change feeds, leftovers and pages of Data Docs are kept.
        require: asked with a table's name before its files are put together and before any is deleted; raises UserError
            where this run holds it no more.

    Raises:
        UserError: `require` raised it.
    """
    lake = place(query.table_uri(settings, "").rstrip("/"))
    now = datetime.now(UTC)
    before = now - timedelta(hours=retention_hours)
    done = []
    for name in tables_of(lake):
        ask(require, [name])
        counts = compact(settings, name)
        released = releases.versions_of(settings, name)
        ask(require, [name])
        deleted = remove_history(settings, lake, name, retention_hours, before, Deleted(), released)
        done.append(Kept(name, *counts, deleted))
    ask(require, tables_of(lake))
    leftovers = remove_leftovers(lake, before)
    dropped = remove_dropped(lake, Deleted(), now - timedelta(days=settings.keep_dropped_days))
    pages = [info for info in files_below(lake.joined(DATA_DOCS)) if info.mtime <= before]
    work = Kept("work and pages", 0, 0, delete(lake.filesystem, pages, leftovers))
    return [*done, work, Kept(DROPPED_ROWS, 0, 0, dropped)]


def compact(settings: Settings, name: str) -> tuple[int, int]:
    """Put a table's small files together where there are many; return how many files it had and has."""
    table = query.open_table(settings, name)
    if table is None:
        return 0, 0
    sizes = table.get_add_actions()["size_bytes"].to_pylist()
    if sum(size < SMALL_FILE_BYTES for size in sizes) < SMALL_FILES:
        return len(sizes), len(sizes)
    version, found = table.version(), query.state_of(table)
    table.optimize.compact(target_size=TARGET_FILE_BYTES)
    after = DeltaTable(table.table_uri)
    if after.version() == version + 1:  # else somebody has written as well: a takedown waits for no lock
        ledger.rows_are_in(settings, name, found, query.state_of(after))
    return len(sizes), len(after.file_uris())
