"""Finds what tables made from a text that was claimed, in every version of them of which files are left.

A document may have had the claimed text once and have another one by now. Then it stays, and what was made from the claimed
text is told from the rest by document and text. Needs no JVM.
"""

import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from recast.lakehouse import query
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import Settings
from recast.settings import UserError
from recast.storage import place

MADE_FROM = "made_from"
KEYS = ("doc_id", "input_hash", "content_hash")


def made_from(settings: Settings, claimed: Collection[str], tables: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a row, as tombstones has its columns, for every text that a table holds or held and that was made from a claimed one.

    Args:
        settings: name the lake.
        claimed: sha256 of texts.
        tables: tables of documents, each behind those it is made from.

    Raises:
        UserError: files of a table cannot be read, or went meanwhile.
    """
    made: dict[tuple[str, str], str] = {}  # by document and hash of what was made: the claimed text that it comes from
    for name in tables if claimed else ():
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for doc_id, input_hash, content_hash in stored(settings, name, {*claimed, *(hash_ for _, hash_ in made)}):
            origin = input_hash if input_hash in claimed else made.get((doc_id, input_hash))
            # The claimed text itself is known by its hash, wherever it stands.
            if origin and content_hash and content_hash != origin:
                found[doc_id, content_hash] = origin, input_hash
        for (doc_id, content_hash), (origin, input_hash) in sorted(found.items()):
            made[doc_id, content_hash] = origin
            yield {
                "action": MADE_FROM,
                "kind": "content",
                "value": origin,
                "doc_id": doc_id,
                "table_name": name,
                "content_hash": content_hash,
                "input_hash": input_hash,
            }


def stored(settings: Settings, name: str, hashes: Collection[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the KEYS of every row of a table, of its present and earlier versions, that was made from one of some texts.

    What a killed run left half written is no file of any version.

    Raises:
        UserError: as `made_from` says.
    """
    folder = query.table_uri(settings, name)
    filesystem, path = place(folder)
    schema, wanted = pa.schema([(key, pa.string()) for key in KEYS]), sorted(hashes)
    values = pa.array(wanted, pa.string())
    try:
        # Without `_change_data`.
        files = ds.dataset(path, schema=schema, format="parquet", filesystem=filesystem, exclude_invalid_files=True)
        for file in files.get_fragments():
            # Not by a filter: pyarrow knows no comparison with the string_view that delta-rs' files say they hold.
            groups = [group.id for group in file.row_groups if may_hold(group.statistics.get("input_hash"), wanted)]
            for batch in file.subset(row_group_ids=groups).to_batches(schema=schema) if groups else ():
                found = batch.filter(pc.is_in(batch["input_hash"], values))
                yield from zip(*(found[key].to_pylist() for key in KEYS), strict=True)
    except (OSError, pa.ArrowException) as problem:
        raise UserError(
            f"{folder} cannot be read, or changed meanwhile: {first_line(problem)}. Nothing was taken down: try again"
        ) from None


def may_hold(statistics: Mapping[str, str] | None, wanted: Sequence[str]) -> bool:
    """Say whether rows of these statistics (`min`, `max`), if there are any, may have one of the sorted values `wanted`."""
    if statistics is None:
        return True
    place = bisect.bisect_left(wanted, statistics["min"])
    return place < len(wanted) and wanted[place] <= statistics["max"]
