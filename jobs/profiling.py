"""Profiles of the sources: what each holds, and what the settings would take and drop of it, before anything is fetched."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from recast.jobs import ingest_code, ingest_math, selection, taking
from recast.jobs.running import application
from recast.jobs.settings import Settings
from recast.lakehouse.datasets import form_of, version_of
from recast.lakehouse.problems import first_line
from recast.lakehouse.progress import Meter
from recast.lakehouse.settings import NOTHING
from recast.lakehouse.source_sql import Dialect, NotUnicodeError, Opened, by_duckdb, by_spark
from recast.schemas import raw_math
from recast.settings import UserError
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from recast.udfs.contents.settings import table_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LANES = {"code": "code_source", "math": "math_source"}
"""Each lane, and the setting that names its source."""
ROWS_UNKNOWN = 10_000_000
# A character that is no white space of Unicode, as Java's and RE2's regular expressions both say it.
SOMETHING = r"[^\s\x0B\x85\p{Z}]"


@dataclass
class Fetch:
    """What there is to fetch: objects, and their bytes as the source has them, before compression."""

    requests: int = 0
    bytes: int = 0


@dataclass
class Profile:
    """What is known of one source.

    Attributes:
        lane, where, form, version: which source it is, where, in what form, and what names its present state.
        fault: what is wrong with it, in one line; empty where its schema fits.
        layout: what a row is.
        files, bytes: of the source itself, as far as known; for a table those of its present version.
        rows: rows of the source.
        counts: rows by what they are: `language`, `license_type`, `detected_license`; of these at most the frequent.
        repositories: how many different ones there are.
        takes: documents that the settings would take.
        drops: rows that they would not, by reason; with `takes` these are all rows, or all files that they list.
        fetch: what taking them has to fetch.
        inline: whether the source holds the texts themselves.
    """

    lane: str
    where: str
    form: str = ""
    version: str = ""
    fault: str = ""
    layout: str = ""
    files: int | None = None
    bytes: int | None = None
    rows: int = 0
    repositories: int | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    takes: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    fetch: Fetch = field(default_factory=Fetch)
    inline: bool = False


def profiles(settings: Settings, lanes: Sequence[str] = (), conf: Mapping[str, str] = NOTHING) -> list[Profile]:
    """Return the profiles of the lanes' sources, those that are set by default. `conf` are settings of Spark.

    Raises:
        UserError: a lane that is named has no source, or no source is set at all.
    """
    for lane in lanes:
        settings.require(LANES[lane])
    wanted = lanes or [lane for lane, name in LANES.items() if getattr(settings, name)]
    if not wanted:
        settings.require(LANES["code"])
    return [profile(settings, lane, conf) for lane in wanted]


def profile(settings: Settings, lane: str, conf: Mapping[str, str]) -> Profile:
    """Return the profile of one source; a mistake that the user can mend is its `fault`."""
    where = settings.require(LANES[lane])
    found = Profile(lane, where)
    try:
        form = form_of(where)
        found.form, found.version = form.name, version_of(where, settings.source_version)
        found.files, found.bytes = form.files(where) or (None, None)
        if form.scan:
            schema = form.schema(where, None)
            needed = columns(found, schema.names if schema else ())
            form.schema(where, needed)
            try:
                with by_duckdb(form, where, needed) as source:
                    COUNT[lane](found, source, settings)
                return found
            except NotUnicodeError:
                found.counts, found.drops, found.fetch = {}, {}, Fetch()
        with by_spark(session(conf), form, where, partial(columns, found)) as source:
            COUNT[lane](found, source, settings)
    except UserError as problem:
        found.fault = str(problem)
    except (OSError, pa.ArrowException, DeltaError, duckdb.Error) as problem:
        found.fault = f"{where} cannot be read: {first_line(problem)}"
    return found


def columns(found: Profile, names: Iterable[str]) -> dict[str, str]:
    """Return the columns that are needed of those of these `names`, and note what a row of the source is.

    Raises:
        UserError: they are those of no form of the data set.
    """
    if found.lane == "math":
        found.layout = "a row per page"
        return ingest_math.SOURCE_COLUMNS
    names = list(names)
    found.inline = ingest_code.CONTENT in names
    needed = ingest_code.source_columns(names, found.where)
    found.layout = "a row per file" if needed is ingest_code.PER_FILE else "a row per repository"
    return needed


@contextmanager
def session(conf: Mapping[str, str]) -> "Iterator[SparkSession]":
    """Give a session of Spark until the block ends; nothing is written into the lake."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "spark.log")
        with application(log, conf, ROWS_UNKNOWN, Meter()) as (spark, _):
            yield spark


def count_code(found: Profile, source: Opened, settings: Settings) -> None:
    """Count the files that a source of code lists."""
    listed, sql = listed_files(found.layout, source.sql), source.sql
    (whole,) = source.run("SELECT count(*) AS n, count(DISTINCT repo_name) AS repositories FROM source")
    found.rows, found.repositories = whole["n"], whole["repositories"]
    languages = selection.words(settings.code_languages)
    is_ours = f"language IN ({taking.listed(languages)})" if languages else "true"
    kinds = source.run(
        f"SELECT language, license_type, coalesce({is_ours}, false) AS is_ours, count(*) AS n FROM ({listed}) AS listed "
        "GROUP BY language, license_type"
    )
    ours = [row for row in kinds if row["is_ours"]]
    found.counts = {
        "language": counted(kinds, "language"),
        "license_type": counted(ours, "license_type"),
        "detected_license": counted(source.run(detected(listed, is_ours, sql)), "license"),
    }
    others = sum(row["n"] for row in kinds) - sum(row["n"] for row in ours)
    drops = Counter({"other_language": others, "repeated": 0})
    for row in source.run(blobs(listed, is_ours, sql, settings)):
        drops["repeated"] += row["files"] - row["blobs"]
        if row["reason"] in (None, "too_large"):  # which shows when the object was fetched
            found.fetch.requests += row["blobs"]
            found.fetch.bytes += row["bytes"] or 0
        if row["reason"]:
            drops[row["reason"]] += row["blobs"]
        else:
            found.takes = row["blobs"]
    found.drops = dict(drops)
    if settings.sample and found.takes > settings.sample:
        share = settings.sample / found.takes  # of what is drawn, about as much is refused as of all
        found.fetch = Fetch(round(found.fetch.requests * share), round(found.fetch.bytes * share))
        found.takes = settings.sample
    if (found.inline and not settings.code_contents) or table_of(settings.code_contents):
        found.fetch = Fetch()


def listed_files(layout: str, sql: Dialect) -> str:
    """Return the query for a row per file that a source of code lists."""
    if layout == "a row per file":
        return "SELECT * FROM source"
    fields = ", ".join(f"file.{name} AS {name}" for name in ingest_code.FILE_COLUMNS)
    return f"SELECT {fields} FROM (SELECT {sql.each}(files) AS file FROM source) AS exploded"


def detected(listed: str, is_ours: str, sql: Dialect) -> str:
    """Return the query for how many files of our languages a licence was detected in."""
    exploded = f"SELECT {sql.each}(detected_licenses) AS license FROM ({listed}) AS listed WHERE {is_ours}"
    return f"SELECT license, count(*) AS n FROM ({exploded}) AS detected GROUP BY license ORDER BY n DESC, license LIMIT 100"


def blobs(listed: str, is_ours: str, sql: Dialect, settings: Settings) -> str:
    """Return the query for blobs of our languages by what the settings and the source itself say against them."""
    against = taking.against_files(settings, sql, taking.LISTED) | {
        "bad_blob_id": f"NOT coalesce(length(blob_id) = 40 AND {sql.matches}(blob_id, '^[0-9a-f]+$'), false)",
        "too_large": f"max(length_bytes) > {MAX_TEXT_BYTES}",
    }
    each = (
        f"SELECT blob_id, count(*) AS files, max(length_bytes) AS length_bytes, {taking.first_of(against)} AS reason "
        f"FROM ({listed}) AS listed WHERE {is_ours} GROUP BY blob_id"
    )
    sums = "CAST(sum(files) AS BIGINT) AS files, count(*) AS blobs, CAST(sum(length_bytes) AS BIGINT) AS bytes"
    return f"SELECT reason, {sums} FROM ({each}) AS each_blob GROUP BY reason"


def count_math(found: Profile, source: Opened, settings: Settings) -> None:
    """Count the pages of a source of mathematics. What is not UTF-8 shows only when the text is read."""
    sql = source.sql
    something = SOMETHING.replace("\\", sql.backslash)
    against = taking.against_page(settings, sql) | {
        "too_large": f"{sql.bytes}(text) > {raw_math.MAX_TEXT_BYTES}",
        "no_text": f"NOT coalesce({sql.matches}(text, '{something}'), false)",
        "null_bytes": "contains(text, chr(0))",
    }
    pages = f"SELECT url, warc_filename, warc_record_offset, language, {taking.first_of(against)} AS reason FROM source"
    kinds = source.run(f"SELECT language, reason, count(*) AS n FROM ({pages}) AS pages GROUP BY language, reason")
    same = f"SELECT DISTINCT url, warc_filename, warc_record_offset FROM ({pages}) AS pages WHERE reason IS NULL"
    (kept,) = source.run(f"SELECT count(*) AS n FROM ({same}) AS kept")
    reasons = counted(kinds, "reason")
    found.rows, found.takes = sum(reasons.values()), kept["n"]
    found.counts = {"language": counted(kinds, "language"), "license_type": {ingest_math.LICENSE: found.rows}}
    found.drops = {"repeated": reasons.pop("", 0) - found.takes, **reasons}


def counted(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    """Return how many there are of each value of a column, the most frequent first; nothing is the empty string."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row[name] or ""] += row["n"]
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


COUNT: dict[str, Callable[[Profile, Opened, Settings], None]] = {"code": count_code, "math": count_math}
