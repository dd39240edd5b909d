"""Asks a store once before a run, so that one that fails altogether is one line and no reason of millions of rows."""

import asyncio
from functools import cache

from recast.settings import UserError
from recast.udfs.contents.manners import backoff_s
from recast.udfs.contents.stores import Missed, Store, opened

EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""What git calls the empty file. A store need not have it: what matters is how it answers."""
TRIES = 4


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
