"""Takes documents down: writes tombstones, which readers and the next refresh obey, and lifts them again. Needs no JVM.

A tombstone is a row for each claim and one for each document that a claim reached, in each table that held it. Ingesting
obeys the claims (lakehouse/withheld.py), so no later version of a source brings their documents back; the views of
published tables obey the documents at once. Rows are only added, so that two takedowns at once cannot harm each other.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from recast import __version__
from recast.lakehouse import ledger, query
from recast.lakehouse.claims import Claim, Listed, read_list
from recast.lakehouse.probes import probes_of
from recast.lakehouse.settings import Settings
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES
from recast.settings import UserError

TAKE_DOWN, LIFT = "take_down", "lift"
TEXTS = ("text", "source_text", "answer", "reasoning", "detail", "error", "syntax_detail")
"""Columns that hold a document's text, or words that may quote it."""
ROWS_AT_ONCE = 1_000
RAW = ("raw_code", "raw_math")

# The claims that count: those whose last action was not to lift them. Of two at once the takedown wins.
IN_FORCE = """
    SELECT kind, value, max(number) AS number FROM tombstones WHERE doc_id IS NULL
    GROUP BY kind, value HAVING max_by(action, (number, action)) = 'take_down'
"""
# What they reached: `elsewhere` says that the document stays, under other repositories.
DOCUMENTS = f"""
    SELECT DISTINCT t.kind, t.value, t.doc_id, t.table_name, t.elsewhere, t.content_hash
    FROM tombstones AS t JOIN ({IN_FORCE}) AS c USING (kind, value) WHERE t.doc_id IS NOT NULL
"""


class Taken(NamedTuple):
    """What a takedown did.

    Attributes:
        claims: how many claims were written.
        known: claims that counted already, and were not written again.
        unknown: claims that reached no document; sources will bring none back either.
        rows: rows reached, by table.
        documents: documents that go.
        elsewhere: documents that stay, since repositories that were not taken down hold them as well.
        equal: documents with the text of one that goes, under another blob_id or address, which stay.
    """

    claims: int
    known: int
    unknown: list[Claim]
    rows: dict[str, int]
    documents: int
    elsewhere: int
    equal: int


def version(settings: Settings) -> int | None:
    """Return the version of tombstones, None where nothing was ever taken down."""
    return query.version(settings, TOMBSTONES.name)


def in_force(settings: Settings) -> list[dict[str, Any]]:
    """Return the claims that count, with why and reference of the last takedown, in the order in which they were made."""
    if version(settings) is None:
        return []
    return query.rows(
        settings,
        f"SELECT kind, value, why, reference, requested_at FROM tombstones SEMI JOIN ({IN_FORCE}) AS c "
        "USING (kind, value, number) WHERE doc_id IS NULL AND action = 'take_down' ORDER BY number, kind, value",
        TOMBSTONES.name,
    )


def take_down(
    settings: Settings, claims: Sequence[Claim], why: str, reference: str = "", with_content: bool = False
) -> Taken:
    """Write tombstones for `claims` and for what they reach in the lake.

    Args:
        settings: name the lake.
        claims: what to take down.
        why: the reason that reports show.
        reference: a ticket or letter.
        with_content: also take down equal texts: blobs under other repositories, other blobs and pages of the same text.
    """
    counting = {Claim(each["kind"], each["value"]) for each in in_force(settings)}
    new = [claim for claim in claims if claim not in counting]
    found = reached(settings, new, counting)
    equal = equal_texts(settings, found)
    if with_content:
        stay = {each["doc_id"] for each in found if each["elsewhere"] and each["table_name"] == "raw_code"}
        further = [Claim("blob", doc_id) for doc_id in sorted(stay)]
        further += [Claim("content", hash_) for hash_ in sorted(set(equal.values()) | hashes_of(found))]
        new += [claim for claim in further if claim not in {*new, *counting}]
        found, equal = reached(settings, new, counting), {}
    record(settings, TAKE_DOWN, new, why, reference, found)
    rows: dict[str, int] = {}
    for each in found:
        rows[each["table_name"]] = rows.get(each["table_name"], 0) + 1
    went = {each["doc_id"] for each in found if not each["elsewhere"]}
    return Taken(
        claims=len(new),
        known=len(claims) - len([claim for claim in claims if claim not in counting]),
        unknown=[claim for claim in new if claim not in {Claim(each["kind"], each["value"]) for each in found}],
        rows=rows,
        documents=len(went),
        elsewhere=len({each["doc_id"] for each in found} - went),
        equal=len(equal),
    )


def lift(settings: Settings, claims: Sequence[Claim], why: str, reference: str = "") -> int:
    """Make claims count no longer; the next refresh reads their documents anew. Return how many counted until now."""
    counting = {Claim(each["kind"], each["value"]) for each in in_force(settings)}
    lifted = [claim for claim in claims if claim in counting]
    record(settings, LIFT, lifted, why, reference, [])
    return len(lifted)


def record(
    settings: Settings,
    action: str,
    claims: Sequence[Claim],
    why: str,
    reference: str,
    found: Sequence[Mapping[str, Any]],
) -> None:
    """Add rows to tombstones in one commit; none where there are no claims."""
    if not claims:
        return
    before = version(settings)
    facts = {
        "takedown_id": time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3),
        "number": 0 if before is None else before + 1,
        "action": action,
        "why": why,
        "reference": reference,
        "requested_at": datetime.now(UTC),
        "recast_version": __version__,
    }
    ledger.write(
        settings, TOMBSTONES, [*(facts | claim._asdict() for claim in claims), *({**facts, **row} for row in found)]
    )


def reached(settings: Settings, claims: Sequence[Claim], counting: Iterable[Claim]) -> list[dict[str, Any]]:
    """Return a row of tombstones, without the facts of its command, for every claim, document and table that holds it.

    `counting` are claims made before: a document stays only under repositories that none of all takes down.
    """
    built = [name for name in RAW if query.version(settings, name) is not None]
    if not claims or not built:
        return []
    lake = query.connect(settings)
    connection = lake.connection
    connection.register("claims", as_table(claims))
    connection.register("all_claims", as_table([*claims, *counting]))
    queries = [f"SELECT * FROM ({select})" for name in built for select in FINDING[name]]
    connection.execute(f"CREATE TABLE reached AS SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)})")
    found: list[dict[str, Any]] = []
    for name in lake.built:
        if name not in TABLES or not TABLES[name].reasons:
            continue
        present = connection.execute(f"SELECT * FROM {query.stored(name)} LIMIT 0").description
        texts = [column for column, type_, *_ in present if column in TEXTS and str(type_) == "VARCHAR"]
        rows = connection.execute(
            f"SELECT r.kind, r.value, r.doc_id, r.elsewhere, t.content_hash, [{', '.join(f't.{each}' for each in texts)}] "
            f"FROM {query.stored(name)} AS t JOIN reached AS r USING (doc_id)"
        )
        while batch := rows.fetchmany(ROWS_AT_ONCE):
            for kind, value, doc_id, elsewhere, content_hash, words in batch:
                row = {"kind": kind, "value": value, "doc_id": doc_id, "table_name": name, "elsewhere": elsewhere}
                found.append(row | {"content_hash": content_hash, "probes": probes_of(words)})
    return found


def as_table(claims: Iterable[Claim]) -> pa.Table:
    """Return claims as an Arrow table."""
    rows = [claim._asdict() for claim in claims]
    return pa.Table.from_pylist(rows, pa.schema([("kind", pa.string()), ("value", pa.string())]))


# How claims reach documents: queries of `kind, value, doc_id, elsewhere` over a raw table.
FINDING = {
    "raw_code": (
        "SELECT kind, value, doc_id, false AS elsewhere FROM raw_code JOIN claims ON kind = 'blob' AND value = doc_id",
        "SELECT kind, value, doc_id, false FROM raw_code JOIN claims ON kind = 'content' AND value = content_hash",
        """WITH places AS (SELECT DISTINCT doc_id, unnest(occurrences).repo_name AS value FROM raw_code),
           marked AS (SELECT doc_id, a.kind IS NULL AS stays FROM places
                      LEFT JOIN all_claims AS a ON a.kind = 'repo' AND a.value = places.value),
           documents AS (SELECT doc_id, bool_or(stays) AS elsewhere FROM marked GROUP BY doc_id)
           SELECT kind, value, doc_id, elsewhere FROM claims JOIN places USING (value) JOIN documents USING (doc_id)
           WHERE kind = 'repo'""",
    ),
    "raw_math": (
        "SELECT kind, value, doc_id, false AS elsewhere FROM raw_math JOIN claims ON kind = 'url' AND value = url",
        "SELECT kind, value, doc_id, false FROM raw_math JOIN claims ON kind = 'content' AND value = content_hash",
        """SELECT kind, value, doc_id, false FROM
               (SELECT doc_id, lower(regexp_extract(url, '^[a-zA-Z]+://([^/?#@]*@)?([^/?#:]+)', 2)) AS host FROM raw_math)
           JOIN claims ON kind = 'domain' AND (host = value OR ends_with(host, '.' || value))""",
    ),
}


def equal_texts(settings: Settings, found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the content_hash of every document that has the text of one that goes, and was not reached itself."""
    hashes, reached_ids = hashes_of(found), {each["doc_id"] for each in found}
    if not hashes:
        return {}
    lake = query.connect(settings)
    lake.connection.register("wanted", pa.table({"content_hash": sorted(hashes)}))
    raw = " UNION ALL ".join(f"SELECT doc_id, content_hash FROM {name}" for name in RAW if name in lake.built)
    same = lake.connection.execute(f"SELECT doc_id, content_hash FROM ({raw}) SEMI JOIN wanted USING (content_hash)")
    return {doc_id: hash_ for doc_id, hash_ in same.fetchall() if doc_id not in reached_ids}


def hashes_of(found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the content_hash of every source document that goes."""
    return {
        each["content_hash"]
        for each in found
        if each["table_name"] in RAW and not each["elsewhere"] and each["content_hash"]
    }


def column_of(settings: Settings, table: str, column: str, kind: str = "") -> Listed:
    """Return the claims that a column names: of a table of the lake, or of a Delta table by its place.

    Raises:
        UserError: there is no such table or column.
    """
    place = settings if table in TABLES else Settings(lake=table.rstrip("/").rpartition("/")[0] or ".")
    opened = query.open_table(place, table.rstrip("/").rpartition("/")[2])
    if opened is None:
        raise UserError(f"there is no Delta table {table}; name a table of the lake or the folder of one")
    if column not in (field.name for field in opened.schema().fields):
        raise UserError(f"{table} has no column {column!r}; it has {', '.join(f.name for f in opened.schema().fields)}")
    values = opened.to_pyarrow_dataset().to_table(columns=[column])[column].to_pylist()
    return read_list(map(str, filter(None, values)), kind)
