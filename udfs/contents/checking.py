"""Sees that a store fails altogether, before a run and in each task, so that this is one line and no reason of millions of rows."""

import asyncio
import time
from functools import cache

from recast.settings import UserError
from recast.udfs.contents.manners import backoff_s
from recast.udfs.contents.stores import Missed, Store, base_url, opened

EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""What git calls the empty file. A store need not have it: what matters is how it answers."""
TRIES = 4
FRUITLESS = 1000  # objects in a row without a content
FRUITLESS_LATER = 100  # where they took FRUITLESS_S, or are all that a task asked for
FRUITLESS_S = 600.0


class StoreError(RuntimeError):
    """The store fails altogether, so that asking for more objects makes no sense."""


class Outcomes:
    """What came of the objects that a task asked a store for. Whatever it says of each, it has to have some."""

    def __init__(self, store: Store, may_all_fail: bool) -> None:
        """Begin without objects."""
        self._store, self._may_all_fail = store, may_all_fail
        self._fruitless, self._since, self._any = 0, 0.0, False
        self._last = ""

    def note(self, blob_id: str, is_content: bool, why: str) -> None:
        """Count an object, which is a content or is none, and `why`. Raises StoreError after too many of the latter in a row."""
        if is_content:
            self._fruitless, self._any = 0, True
            return
        self._since = self._since if self._fruitless else time.monotonic()
        self._fruitless += 1
        self._last = f"{base_url(self._store)}{blob_id}, because {why}"
        self._require(FRUITLESS if time.monotonic() - self._since < FRUITLESS_S else FRUITLESS_LATER)

    def ended(self) -> None:
        """Say that the task asks for no more. Raises StoreError where no object of many was a content."""
        if not self._any:
            self._require(FRUITLESS_LATER)

    def _require(self, fewer_than: int) -> None:
        if self._fruitless >= fewer_than and not self._may_all_fail:
            counted = f"{self._fruitless:,} objects in a row brought no content"
            raise StoreError(f"{self._store.words}: {counted}, the last, {self._last}")


@cache
def require_answering(store: Store, timeout_s: float) -> None:
    """Ask a store of contents for an object, once in a process where that succeeds.

    That one object is missing, or forbidden, says nothing: a bucket without list permission forbids what it has not.

    Raises:
        UserError: it cannot be reached, has no such bucket, refuses the credentials, or fails again and again.
    """
    try:
        asyncio.run(_ask(store, timeout_s))
    except (Missed, OSError) as problem:
        raise UserError(f"the contents {store.words} cannot be fetched: {problem}") from None


async def _ask(store: Store, timeout_s: float) -> None:
    async with opened(store, 1, timeout_s) as get:
        for tried in range(1, TRIES + 1):
            try:
                await get(EMPTY_BLOB)
            except Missed as missed:
                if missed.status in ("content_missing", "forbidden", "too_large"):
                    return
                if not missed.passing or tried == TRIES:
                    raise
                await asyncio.sleep(max(backoff_s(tried), min(missed.after_s, timeout_s)))
            else:
                return
