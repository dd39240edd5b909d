"""Takes documents down: writes tombstones, which readers and the next refresh obey, and lifts them again. Needs no JVM.

A tombstone is a row for each claim and one for each document that a claim reached, in each table that held it. Ingesting
obeys the claims (lakehouse/withheld.py), so no later version of a source brings their documents back; the views of
published tables obey the documents at once. Rows are only added, so that two takedowns at once cannot harm each other.
"""

import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from deltalake import QueryBuilder

from recast import __version__
from recast.lakehouse import ledger, query
from recast.lakehouse.claims import Claim, Listed, host_sql, hosts_of, read_list
from recast.lakehouse.probes import probes_of
from recast.lakehouse.problems import warn
from recast.lakehouse.settings import Settings
from recast.lakehouse.views import DUCKDB, Dialect
from recast.schemas import TABLES
from recast.schemas.operations import TOMBSTONES
from recast.settings import UserError

TAKE_DOWN, LIFT = "take_down", "lift"
TEXTS = ("text", "source_text", "answer", "reasoning", "detail", "error", "syntax_detail")
"""Columns that hold a document's text, or words that may quote it."""
ROWS_AT_ONCE = 1_000
RAW = ("raw_code", "raw_math")

# The claims that count: those whose last action was not to lift them. Of two at once the takedown wins. `since`: the number of
# the last lift, 0 where there was none; what a claim reached from then on counts, however often it was made again.
IN_FORCE = """
    SELECT kind, value, max(number) AS number, coalesce(max(number) FILTER (WHERE action = 'lift'), 0) AS since
    FROM tombstones WHERE doc_id IS NULL
    GROUP BY kind, value HAVING max_by(action, (number, action)) = 'take_down'
"""
# All that was written of them since they were lifted last: a row for each time, and one for each document that they reached.
MADE = (
    f"SELECT t.* FROM tombstones AS t JOIN ({IN_FORCE}) AS c ON t.kind = c.kind AND t.value = c.value AND t.number >= c.since "
    f"WHERE t.action = '{TAKE_DOWN}'"
)
# The documents that they reached, but for claims of texts. `elsewhere`: the document stays, since a repository holds it that no
# claim takes down; which do is what the last takedown found, or a later run that read the source (`note_holders`).
DOCUMENTS = f"""
    WITH counting AS ({IN_FORCE}),
    documents AS (
        SELECT t.* FROM tombstones AS t JOIN counting AS c ON t.kind = c.kind AND t.value = c.value AND t.number >= c.since
        WHERE t.doc_id IS NOT NULL AND t.kind <> 'content'),
    holding AS (
        SELECT doc_id, max_by(held_by, (number, held_by)) AS held_by FROM documents
        WHERE held_by IS NOT NULL GROUP BY doc_id),
    held AS (SELECT doc_id, unnest(held_by) AS name FROM holding),
    staying AS (SELECT DISTINCT doc_id FROM held ANTI JOIN (SELECT value AS name FROM counting WHERE kind = 'repo') USING (name))
    SELECT d.*, d.kind = 'repo' AND s.doc_id IS NOT NULL AS elsewhere
    FROM documents AS d LEFT JOIN staying AS s USING (doc_id)
"""
# Claims of texts take down rows by `raw_hash`, since a document may get another text. Rows of an older Recast have none: they go by
# the documents that these claims reached.
CLAIMED_TEXTS = f"SELECT value FROM ({IN_FORCE}) WHERE kind = 'content'"
REACHED_BY_TEXT = f"""
    SELECT DISTINCT t.doc_id, t.table_name, t.content_hash
    FROM tombstones AS t JOIN ({IN_FORCE}) AS c ON t.kind = c.kind AND t.value = c.value AND t.number >= c.since
    WHERE t.kind = 'content' AND t.doc_id IS NOT NULL
"""
# The repositories that hold a row of raw_code, as claims name them.
HOLDERS = "list_distinct(list_transform(occurrences, lambda each: lower(each.repo_name)))"
# The documents that claims of repositories hide and that raw_code has under others, each with all that hold it now.
HELD_AGAIN = f"""
    WITH hidden AS (SELECT DISTINCT kind, value, doc_id FROM ({DOCUMENTS}) WHERE kind = 'repo' AND NOT elsewhere),
    there AS (
        SELECT doc_id, {HOLDERS} AS held_by, content_hash, input_hash FROM raw_code SEMI JOIN hidden USING (doc_id)),
    staying AS (
        SELECT DISTINCT doc_id FROM (SELECT doc_id, unnest(held_by) AS value FROM there)
        ANTI JOIN (SELECT value FROM ({IN_FORCE}) WHERE kind = 'repo') USING (value))
    SELECT *, 'raw_code' AS table_name FROM hidden JOIN there USING (doc_id) SEMI JOIN staying USING (doc_id)
"""
# What a claim names by a column. A document that stays elsewhere may still stand under the repository's name.
NAMED = {"doc_id": "blob", "content_hash": "content", "repo_name": "repo", "url": "url"}
HOST = host_sql("url")
OF_DOMAIN = "({host} = value OR right({host}, length(value) + 1) = '.' || value)"


class Taken(NamedTuple):
    """What a takedown did.

    Attributes:
        claims: how many claims were written.
        unknown: claims that reached no document; sources will bring none back either.
        rows: rows reached, by table.
        documents: documents that go.
        elsewhere: documents that stay, since repositories that were not taken down hold them as well.
        equal: documents with the text of one that goes, under another blob_id or address, which stay.
    """

    claims: int
    unknown: list[Claim]
    rows: dict[str, int]
    documents: int
    elsewhere: int
    equal: int


def version(settings: Settings) -> int | None:
    """Return the version of tombstones, None where nothing was ever taken down: `recast attach` makes it without rows."""
    table = query.open_table(settings, TOMBSTONES.name)
    return int(table.version()) if table is not None and table.file_uris() else None


def text_claims(settings: Settings) -> int | None:
    """Return how often a text was claimed or a claim of one lifted, None where none ever was: it grows with each."""
    if version(settings) is None:
        return None
    statement = "SELECT count(*) AS n FROM tombstones WHERE kind = 'content' AND doc_id IS NULL"
    (row,) = query.rows(settings, statement, TOMBSTONES.name)
    return row["n"] or None


def in_force(settings: Settings) -> list[dict[str, Any]]:
    """Return the claims that count, with why and reference of the last takedown, in the order in which they were made."""
    if version(settings) is None:
        return []
    return query.rows(
        settings,
        f"SELECT takedown_id, kind, value, why, reference, requested_at FROM tombstones SEMI JOIN ({IN_FORCE}) AS c "
        "USING (kind, value, number) WHERE doc_id IS NULL AND action = 'take_down' ORDER BY number, kind, value",
        TOMBSTONES.name,
    )


def take_down(
    settings: Settings, claims: Sequence[Claim], why: str, reference: str = "", with_content: bool = False
) -> Taken:
    """Write tombstones for `claims` and for what they reach in the lake.

    A claim that counts already is looked for again: a document may have come since. What it reached before stays reached.
    A text that no source document has, but what was made from one, takes the text of that document down as well.

    Args:
        settings: name the lake.
        claims: what to take down.
        why: the reason that reports show.
        reference: a ticket or letter.
        with_content: also take down equal texts: blobs under other repositories, other blobs and pages of the same text.
    """
    require_encodable(why, reference)
    looked_at = [query.version(settings, name) for name in RAW]
    new = list(dict.fromkeys(claims))
    found = reached(settings, new)
    made_from = sources_of(settings, {claim.value for claim in new if claim.kind == "content"} - hashes_of(found))
    further = set().union(*made_from.values())
    if with_content:
        further |= hashes_of(found) | hashes_before(settings, new)
    if further:
        new = list(dict.fromkeys([*new, *(Claim("content", hash_) for hash_ in sorted(further))]))
        found = reached(settings, new)
    equal = equal_texts(settings, found)
    record(settings, TAKE_DOWN, new, why, reference, found)
    if looked_at != [query.version(settings, name) for name in RAW]:
        # A refresh brought documents meanwhile. One that ends later than this sees the claims, and reads its source again.
        before, found = found, reached(settings, new)
        record(settings, TAKE_DOWN, new, why, reference, found)
        found += [each for each in before if each not in found]
    going = goes(settings, found)
    seen = {Claim(each["kind"], each["value"]) for each in found}
    rows = {(each["table_name"], each["doc_id"]) for each in found}  # two claims may reach one
    return Taken(
        claims=len(new),
        unknown=[claim for claim in new if claim not in seen and claim.value not in made_from],
        rows=dict(sorted(Counter(table for table, _ in rows).items())),
        documents=len(going),
        elsewhere=len({each["doc_id"] for each in found if each["kind"] == "repo"} - going),
        equal=len(equal),
    )


def goes(settings: Settings, found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the documents among `found`, which is written, that go: by their text, or since they stay under no repository."""
    if not found:
        return set()
    lake = query.connect(settings, TOMBSTONES.name)
    lake.connection.register("found", pa.table({"doc_id": sorted({each["doc_id"] for each in found})}))
    rows = lake.connection.execute(
        f"SELECT DISTINCT doc_id FROM ({DOCUMENTS}) SEMI JOIN found USING (doc_id) WHERE NOT elsewhere"
    )
    by_text = {each["doc_id"] for each in found if each["kind"] == "content" and each["table_name"] in RAW}
    return by_text | {doc_id for (doc_id,) in rows.fetchall()}


def lift(settings: Settings, claims: Sequence[Claim], why: str, reference: str = "", with_content: bool = False) -> int:
    """Make claims count no longer; the next refresh reads their documents anew. Return how many counted until now.

    `with_content` also lifts what `taken_along` finds: claims that were made together with them, and by no other command.
    """
    require_encodable(why, reference)
    if version(settings) is None:
        return 0
    counting = {Claim(each["kind"], each["value"]) for each in in_force(settings)}
    lifted = {claim for claim in claims if claim in counting}
    if with_content:
        lifted |= taken_along(settings, lifted)
    record(settings, LIFT, sorted(lifted), why, reference, [])
    return len(lifted)


def taken_along(settings: Settings, claims: Collection[Claim]) -> set[Claim]:
    """Return the further claims that count of which every takedown, since they were lifted last, named one of `claims` as well."""
    if version(settings) is None:
        return set()
    rows = query.rows(
        settings,
        f"SELECT t.kind, t.value, takedown_id, coalesce(t.number >= c.since, false) AS counts FROM tombstones AS t "
        f"LEFT JOIN ({IN_FORCE}) AS c ON t.kind = c.kind AND t.value = c.value "
        f"WHERE doc_id IS NULL AND action = '{TAKE_DOWN}'",
        TOMBSTONES.name,
    )
    named, together = set(claims), set()
    made: dict[Claim, set[str]] = {}
    for each in rows:
        claim = Claim(each["kind"], each["value"])
        if claim in named:
            together.add(each["takedown_id"])
        elif each["counts"]:
            made.setdefault(claim, set()).add(each["takedown_id"])
    return {claim for claim, ids in made.items() if ids <= together}


def note_holders(settings: Settings, run: ledger.Run) -> None:
    """Show the documents again that a claim of a repository hides and that others brought since, at the end of a run of raw_code.

    The claims that count when somebody reads decide anew whether a document stays, so a run that did a part of its work may
    note what it found. `run` obeys the new version of tombstones too, unless a claim was made meanwhile.
    """
    if run["takedowns"] is None or run["table_name"] != "raw_code":
        return
    found = query.rows(settings, HELD_AGAIN, "raw_code", TOMBSTONES.name)
    record(settings, TAKE_DOWN, [], f"run {run['run_id']} found it in other repositories", "", found)
    if found and version(settings) == run["takedowns"] + 1:
        run["takedowns"] += 1


def record(
    settings: Settings,
    action: str,
    claims: Sequence[Claim],
    why: str,
    reference: str,
    found: Sequence[Mapping[str, Any]],
) -> None:
    """Add rows to tombstones in one commit; none where there is nothing to say."""
    if not (claims or found):
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


def reached(settings: Settings, claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Return a row of tombstones, without the facts of its command, for every claim, document and table that holds it."""
    built = [name for name in RAW if query.version(settings, name) is not None]
    if not claims or not built:
        return []
    lake = query.connect(settings)
    for name, problem in lake.damaged.items():
        if name in built:
            raise UserError(f"nothing was taken down: {problem}")
        if TABLES[name].reasons:
            warn(f"{problem}. What is taken down is not looked for in {name}: claim it again then")
    connection = lake.connection
    connection.register("claims", as_table(claims))
    queries = [f"SELECT * FROM ({select})" for name in built for select in FINDING[name]]
    connection.execute(f"CREATE TABLE reached AS SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)})")
    found: list[dict[str, Any]] = []
    for name in document_tables(lake):
        present = {column: str(type_) for column, type_, *_ in head(connection, name)}
        texts = [f"t.{column}" for column in TEXTS if present.get(column) == "VARCHAR"]
        made_from = "t.input_hash" if "input_hash" in present else "NULL"
        raw_hash = raw_hash_of(name, present)
        facts = f"t.content_hash, {made_from}, [{', '.join(texts)}]"
        rows = connection.execute(
            f"SELECT r.*, {facts} FROM {query.stored(name)} AS t JOIN reached AS r "
            f"ON t.doc_id = r.doc_id AND (r.kind <> 'content' OR {raw_hash} IS NULL) "
            f"UNION ALL SELECT c.kind, c.value, t.doc_id, NULL, {facts} FROM {query.stored(name)} AS t "
            f"JOIN claims AS c ON c.kind = 'content' AND c.value = {raw_hash}"
        )
        while batch := rows.fetchmany(ROWS_AT_ONCE):
            for kind, value, doc_id, held_by, content_hash, input_hash, words in batch:
                found.append(
                    {
                        "kind": kind,
                        "value": value,
                        "doc_id": doc_id,
                        "table_name": name,
                        "held_by": held_by,
                        "content_hash": content_hash,
                        "input_hash": input_hash,
                        "probes": sorted({probe for text in words for probe in probes_of(text)}),
                    }
                )
    return found


def document_tables(lake: query.Lake) -> list[str]:
    """Return the tables of documents that a lake has, without its views and the tables of operations."""
    return [name for name in lake.built if name in TABLES and TABLES[name].reasons]


def head(connection: duckdb.DuckDBPyConnection, name: str) -> Sequence[Sequence[Any]]:
    """Return the names and types of a table's columns; one that an older Recast made may lack some."""
    columns: Sequence[Sequence[Any]] = connection.execute(f"SELECT * FROM {query.stored(name)} LIMIT 0").description
    return columns


def raw_hash_of(name: str, present: Collection[str]) -> str:
    """Return, as SQL, the hash of the source document's text that a row of a table comes from, given the columns it has."""
    if name in RAW:
        return "content_hash"
    return "raw_hash" if "raw_hash" in present else "CAST(NULL AS string)"


def as_table(claims: Iterable[Claim]) -> pa.Table:
    """Return claims as an Arrow table; a domain in each of the spellings that addresses have."""
    rows = [
        {"kind": claim.kind, "value": claim.value, "spelled": spelled}
        for claim in claims
        for spelled in (hosts_of(claim.value) if claim.kind == "domain" else {claim.value})
    ]
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("kind", "value", "spelled")]))


# How claims reach documents: queries of `kind, value, doc_id, held_by` over a raw table.
FINDING = {
    "raw_code": (
        "SELECT kind, value, doc_id, NULL::VARCHAR[] AS held_by FROM raw_code JOIN claims ON kind = 'blob' AND value = doc_id",
        "SELECT kind, value, doc_id, NULL FROM raw_code JOIN claims ON kind = 'content' AND value = content_hash",
        f"""WITH held AS (SELECT doc_id, {HOLDERS} AS held_by FROM raw_code),
           places AS (SELECT doc_id, held_by, unnest(held_by) AS value FROM held)
           SELECT kind, value, doc_id, held_by FROM claims JOIN places USING (value) WHERE kind = 'repo'""",
    ),
    "raw_math": (
        "SELECT kind, value, doc_id, NULL::VARCHAR[] AS held_by FROM raw_math JOIN claims ON kind = 'url' AND value = url",
        "SELECT kind, value, doc_id, NULL FROM raw_math JOIN claims ON kind = 'content' AND value = content_hash",
        f"""SELECT kind, value, doc_id, NULL FROM (SELECT doc_id, {HOST} AS host FROM raw_math)
            JOIN claims ON kind = 'domain' AND {OF_DOMAIN.format(host="host").replace("value", "spelled")}""",
    ),
}


def equal_texts(settings: Settings, found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return every document that has the text of one that was reached, and was not reached itself."""
    hashes, reached_ids = hashes_of(found), {each["doc_id"] for each in found}
    if not hashes:
        return set()
    lake = query.connect(settings)
    lake.connection.register("wanted", pa.table({"content_hash": sorted(hashes)}))
    raw = " UNION ALL ".join(f"SELECT doc_id, content_hash FROM {name}" for name in RAW if name in lake.built)
    same = lake.connection.execute(f"SELECT doc_id FROM ({raw}) SEMI JOIN wanted USING (content_hash)")
    return {doc_id for (doc_id,) in same.fetchall()} - reached_ids


def hashes_before(settings: Settings, claims: Collection[Claim]) -> set[str]:
    """Return the content_hash of every source document that claims which count had reached, as `hashes_of` does."""
    if version(settings) is None:
        return set()
    rows = query.rows(
        settings,
        f"SELECT DISTINCT kind, value, content_hash FROM ({MADE}) "
        f"WHERE table_name IN {RAW} AND content_hash IS NOT NULL AND len(probes) > 0",
        TOMBSTONES.name,
    )
    named = set(claims)
    return {each["content_hash"] for each in rows if Claim(each["kind"], each["value"]) in named}


def sources_of(settings: Settings, hashes: Collection[str]) -> dict[str, set[str]]:
    """Return, by the hash of a text that was made from source documents, the content_hash of these; of no text that is too short
    to be anybody's own."""
    if not hashes:
        return {}
    lake = query.connect(settings)
    lake.connection.register("wanted", pa.table({"content_hash": sorted(hashes)}))
    texts = [f"SELECT doc_id, content_hash FROM {name}" for name in RAW if name in lake.built]
    if not texts:
        return {}
    found: dict[str, set[str]] = {}
    for name in document_tables(lake):
        if name in RAW:
            continue
        # Rows of an older Recast do not say from which text they come: that of their document now.
        raw_hash = raw_hash_of(name, [column for column, *_ in head(lake.connection, name)])
        made_so = f"SELECT doc_id, content_hash, text, {raw_hash} AS raw_hash FROM {query.stored(name)}"
        rows = lake.connection.execute(
            "SELECT content_hash, coalesce(raw_hash, source_hash) AS source, any_value(text) "
            f"FROM ({made_so} SEMI JOIN wanted USING (content_hash)) "
            f"LEFT JOIN (SELECT doc_id, content_hash AS source_hash FROM ({' UNION ALL '.join(texts)})) USING (doc_id) "
            "GROUP BY ALL"
        )
        for made, source, text in rows.fetchall():
            if source and probes_of(text):
                found.setdefault(made, set()).add(source)
    return found


def require_encodable(*words: str) -> None:
    """Raise UserError where words hold bytes of the command line that are not in its encoding."""
    for each in words:
        try:
            each.encode()
        except UnicodeEncodeError:
            raise UserError(f"{ascii(each)[:100]} is no text: bytes of it are not in the terminal's encoding") from None


def hashes_of(found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the content_hash of every source document that was reached, but for texts too short to be anybody's own."""
    return {
        each["content_hash"] for each in found if each["table_name"] in RAW and each["content_hash"] and each["probes"]
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
    if table in TABLES:
        kind = kind or NAMED.get(column, "")
        if column == "doc_id" and "url" in TABLES[table].column_names:
            raise UserError(f"pages are claimed by their address: --table {table} --column url")
    name = column.replace('"', '""')
    # As lakehouse/forms/delta.py reads a source: it may have deletion vectors, which pyarrow does not know.
    rows = QueryBuilder().register("listed", opened).execute(f'SELECT "{name}" FROM listed')
    values = pa.RecordBatchReader.from_stream(rows).read_all()[column].to_pylist()
    return read_list(map(str, filter(None, values)), kind)


def hidden_from(table: str, present: Collection[str], dialect: Dialect = DUCKDB) -> str:
    """Return the SQL that leaves out what was taken down, for behind the name of `table` and its rows, which have the columns
    `present`.

    The rows may be of an earlier version, which can hold documents that no tombstone lists, so claims count as well.
    The table `tombstones` is known to the connection.
    """
    columns = TABLES[table].column_names
    documents = DOCUMENTS.replace(DUCKDB.each, dialect.each)
    hidden = f" ANTI JOIN (SELECT doc_id FROM ({documents}) WHERE NOT elsewhere) USING (doc_id)"
    if table not in RAW:  # of which `content_hash` says the same
        raw_hash = raw_hash_of(table, present)
        hidden += f" ANTI JOIN ({CLAIMED_TEXTS}) ON {raw_hash} = value"
        hidden += (
            f" ANTI JOIN (SELECT doc_id AS reached FROM ({REACHED_BY_TEXT})) ON doc_id = reached AND {raw_hash} IS NULL"
        )
    for column, kind in NAMED.items():
        if column in columns:
            own = f"lower({column})" if kind == "repo" else column
            hidden += f" ANTI JOIN (SELECT value FROM ({IN_FORCE}) WHERE kind = '{kind}') ON {own} = value"
    if "url" in columns:
        hidden += f" ANTI JOIN (SELECT value FROM ({IN_FORCE}) WHERE kind = 'domain') ON {OF_DOMAIN.format(host=HOST)}"
    return hidden
