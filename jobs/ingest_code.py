"""raw_code: reads The Stack v2 (ids and contents), one row per blob of our languages, with every place it occurs.

Promises: each blob's object is fetched once, and not before the settings take it; a blob that is not taken or cannot be read
is a row with a reason.
"""

from collections.abc import Collection, Iterable
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.jobs import selection, taking
from recast.jobs.settings import Settings
from recast.lakehouse import executors, incoming, ledger, sampling, withheld
from recast.lakehouse.datasets import column_names, form_of, read, value_count, version_of
from recast.lakehouse.forms.files import require_folder
from recast.lakehouse.source import Listing, Source, nothing_above
from recast.lakehouse.source_sql import SPARK
from recast.lakehouse.stage import Stage, keep
from recast.lakehouse.staging import TASKS_PER_CORE
from recast.schemas import raw_code
from recast.settings import UserError
from recast.udfs.contents import fetching
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from recast.udfs.contents.checking import require_answering
from recast.udfs.contents.fetching import Spec
from recast.udfs.contents.settings import table_of
from recast.udfs.contents.stores import store_at
from recast.udfs.encodings import NAMES, SEPARATORS, UTF_8

LINE_END = r"\r\n|\r|\n"
NO_ALPHANUM = r"[^\p{L}\p{N}]+"
CHUNKS_AT_ONCE = 2  # recast.lakehouse.refresh
UNSUMMED_BITS = 16  # of a file's hash, so that a sum of millions does not overflow
UNKNOWN = ""  # stands for every encoding that is not in the closed list, so that these are counted together
REPOSITORY_COLUMNS = {"repo_name": "string", "revision_id": "string", "snapshot_id": "string"}
FILE_COLUMNS = {
    "blob_id": "string",
    "path": "string",
    "language": "string",
    "src_encoding": "string",
    "length_bytes": "int64",
    "license_type": "string",
    "detected_licenses": "list<string>",
    "is_vendor": "bool",
    "is_generated": "bool",
}
PER_REPOSITORY = REPOSITORY_COLUMNS | {f"files.{name}": type_ for name, type_ in FILE_COLUMNS.items()}
"""What is read of the-stack-v2-train-smol-ids: a row per repository, which lists its files."""
PER_FILE = REPOSITORY_COLUMNS | FILE_COLUMNS
"""What is read of the-stack-v2-dedup and the-stack-v2: a row per file."""
CONTENT = "content"
"""Column with the text of a file, of a source with a row per file that holds its texts itself."""


def source_columns(names: Collection[str], where: str) -> dict[str, str]:
    """Return the columns to read of a source that has columns of these `names`.

    Raises:
        UserError: they are those of no form of The Stack v2.
    """
    if "files" in names:
        return PER_REPOSITORY
    if "blob_id" in names:
        return PER_FILE
    raise UserError(
        f"{where} has neither a column 'files' (The Stack v2, a row per repository) nor 'blob_id' (a row per file); "
        f"it has {', '.join(names)}"
    )


def source_version(settings: Settings) -> str:
    """Return the version of the source's listing."""
    where = settings.require("code_source")
    if not (settings.code_contents or may_hold_contents(where)):
        settings.require("code_contents")
    return version_of(where, settings.source_version)


def may_hold_contents(where: str) -> bool:
    """Say whether a source has a column `content`, as far as that can be seen without a JVM."""
    try:
        form = form_of(where)
        schema = form.schema(where, None) if form.scan else None
    except UserError:
        return False
    return schema is None or CONTENT in schema.names


def listed_files(spark: SparkSession, settings: Settings, version: str) -> DataFrame:
    """Return a row per file of our languages that the source lists: the columns of PER_FILE.

    Raises:
        UserError: the source has no such columns; or none with contents, and the settings name no other place of them.
    """
    where = settings.require("code_source")
    columns = source_columns(column_names(spark, where), where)
    if columns is PER_FILE:
        inline = () if settings.code_contents else (CONTENT,)
        files = read(spark, where, PER_FILE | dict.fromkeys(inline, "string"), version).select(*PER_FILE)
    else:
        settings.require("code_contents")
        rows = read(spark, where, columns, version)
        # A repository may list hundreds of thousands of files: none is carried on in one row.
        files = rows.select(*REPOSITORY_COLUMNS, F.explode("files").alias("file"))
        files = files.select(*REPOSITORY_COLUMNS, *(f"file.{name}" for name in FILE_COLUMNS))
    languages = selection.words(settings.code_languages)
    return files.where(F.col("language").isin(languages)) if languages else files


def cleaned(names: Iterable[str]) -> list[Column]:
    """Return the columns of these names as names (lakehouse/incoming.py)."""
    return [incoming.name(F.col(name)).alias(name) for name in names]


def unclaimed_files(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
    """Return the listed files, their names cleaned, without what was taken down; `file_hash` is one of all that is listed."""
    ours = listed_files(spark, settings, version).select(
        *cleaned(REPOSITORY_COLUMNS),
        blob_id().alias("doc_id"),
        *cleaned(("path", "language", "src_encoding", "license_type")),
        incoming.names(F.col("detected_licenses")).alias("detected_licenses"),
        *("length_bytes", "is_vendor", "is_generated"),
        F.xxhash64(F.lit(settings.code_dataset), *PER_FILE, *(F.isnull(name) for name in PER_FILE)).alias("file_hash"),
    )
    ours = withheld.without(spark, settings, takedowns, ours, "repo", "repo_name")
    ours = withheld.without(spark, settings, takedowns, ours, "blob", "doc_id")
    return sampling.sampled(ours, settings.sample)


def listing_hash() -> Column:
    """Return the hash of a blob's listed files: the sum of theirs, whatever their order; null where it overflows."""
    return F.try_sum(F.shiftright("file_hash", UNSUMMED_BITS)).alias("listing_hash")


def hashes(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
    """Return `doc_id` and `listing_hash` of every blob of our languages. Nothing else is shuffled."""
    return unclaimed_files(spark, settings, version, takedowns).groupBy("doc_id").agg(listing_hash())


def blobs(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
    """Return what `grouped` does, of every blob of our languages.

    Raises:
        UserError: there is none, or the table of contents lacks a column.
    """
    if table_of(settings.code_contents):
        held_texts(spark, settings, version)  # a table that lacks a column is refused before anything is grouped
    if listed_files(spark, settings, version).isEmpty():
        languages = ", ".join(selection.words(settings.code_languages)) or "any name"
        raise UserError(f"no file of {settings.code_source} has a language of {languages}")
    return grouped(settings, version, unclaimed_files(spark, settings, version, takedowns))


def some_blobs(
    spark: SparkSession, settings: Settings, version: str, takedowns: int | None, keys: DataFrame
) -> DataFrame:
    """Return what `grouped` does, of the blobs `keys` (`doc_id`)."""
    files = unclaimed_files(spark, settings, version, takedowns)
    return grouped(settings, version, files.join(F.broadcast(keys), "doc_id", "left_semi"))


def grouped(settings: Settings, version: str, files: DataFrame) -> DataFrame:
    """Return one row per blob of listed files with its occurrences, licences united, ordered by repository and path.

    A blob of which a repository was taken down stays under the others that hold it.
    """
    occurrence = F.struct("repo_name", "path", "revision_id", "snapshot_id", "license_type", "detected_licenses")
    by_blob = files.groupBy("doc_id").agg(
        F.sort_array(F.collect_set(occurrence)).alias("occurrences"),
        F.collect_set(F.struct("repo_name", encoding_of("src_encoding").alias("encoding"))).alias("said"),
        F.min(F.when(encoding_of("src_encoding") == UNKNOWN, F.col("src_encoding"))).alias("unknown_encoding"),
        F.min(license_rank("license_type")).alias("license"),
        F.max("length_bytes").alias("length_bytes"),
        F.min("language").alias("language"),
        *(F.min(F.coalesce(mark, F.lit(False))).alias(mark) for mark in ("is_vendor", "is_generated")),
        listing_hash(),
    )
    by_blob = by_blob.withColumn("encodings", most_said_first("said", "unknown_encoding"))
    licenses = F.flatten(F.filter("occurrences.detected_licenses", lambda found: found.isNotNull()))
    return by_blob.select(
        "doc_id",
        # The object never changes under its blob_id, so it is read again only if it is to be decoded otherwise.
        incoming.identity((), "doc_id", "encodings").alias("input_hash"),
        "encodings",
        F.col("encodings")[0].alias("src_encoding"),
        *("language", "length_bytes", "is_vendor", "is_generated", "occurrences", "listing_hash"),
        F.col("occurrences")[0]["repo_name"].alias("repo_name"),
        F.col("occurrences")[0]["path"].alias("path"),
        F.col("license.license_type"),
        F.sort_array(F.array_distinct(licenses)).alias("detected_licenses"),
        F.lit(settings.code_dataset).alias("source_dataset"),
        F.lit(version).alias("source_version"),
        nothing_above().alias("made_by"),
    )


def blob_id() -> Column:
    """Return git's name of a listed file's contents as a name; empty where there is none."""
    return F.coalesce(incoming.name(F.col("blob_id")), F.lit(""))


def held_texts(spark: SparkSession, settings: Settings, version: str) -> DataFrame | None:
    """Return `doc_id` and `source_text` (binary) of each row of the table that holds texts; None where they are in a store.

    `version` is that of the source, which holds the texts itself unless the settings name another table.

    Raises:
        UserError: there is no such table, or it lacks a column.
    """
    if table := table_of(settings.code_contents):
        (place, column), version = table, ""
    elif settings.code_contents:
        return None
    else:
        place, column = settings.require("code_source"), CONTENT
    rows = read(spark, place, {"blob_id": "string", column: "string"}, version)
    text = F.substring(F.col(column).cast("binary"), 1, MAX_TEXT_BYTES + 1)
    return rows.select(blob_id().alias("doc_id"), text.alias("source_text"))


def texts(spark: SparkSession, settings: Settings, version: str, keys: DataFrame) -> DataFrame | None:
    """Return `doc_id` and `source_text` (binary) of the blobs `keys` (`doc_id`), each once; None where they are in a store.

    Raises:
        UserError: as `held_texts` says.
    """
    rows = held_texts(spark, settings, version)
    if rows is None:
        return None
    found = rows.join(keys, "doc_id", "left_semi")
    # Of several the one that git gives this name, whatever else somebody has listed under it.
    git_name = F.sha1(F.concat(F.lit("blob ").cast("binary"), size_and_null("source_text"), "source_text"))
    is_named = F.coalesce(git_name == F.col("doc_id"), F.lit(False))
    return found.groupBy("doc_id").agg(F.max_by("source_text", F.struct(is_named, "source_text")).alias("source_text"))


def size_and_null(column: str) -> Column:
    """Return what git puts between a blob's kind and its bytes, as bytes."""
    return F.concat(F.octet_length(column).cast("string").cast("binary"), F.lit(b"\0"))


def encoding_of(column: str) -> Column:
    """Return the encoding that a repository names, under its one name; UNKNOWN where it is none of the closed list."""
    said = F.trim(F.regexp_replace(F.lower(column), SEPARATORS, "_"), F.lit("_"))
    known = F.expr(f"map({taking.listed([word for pair in NAMES.items() for word in pair])})")
    usual = F.coalesce(column, F.lit("")).isin("", "UTF-8")  # nearly all; looking up is slower
    return F.when(usual, UTF_8).otherwise(F.coalesce(known[said], F.lit(UNKNOWN)))


def most_said_first(said: str, unknown: str) -> Column:
    """Return a blob's encodings by how many repositories name them; of equally many UTF-8 first, then by name."""

    def rank(encoding: Column) -> Column:
        repositories = F.size(F.filter(said, lambda each: each["encoding"] == encoding))
        return F.struct(-repositories, encoding != UTF_8, encoding.alias("encoding"))

    ranked = F.array_sort(F.transform(F.array_distinct(F.col(said)["encoding"]), rank))
    return F.transform(ranked["encoding"], lambda each: F.when(each == UNKNOWN, F.col(unknown)).otherwise(each))


def license_rank(column: str) -> Column:
    """Return what a repository says of the licence, comparable: the least permissive word is the smallest."""
    said = F.coalesce(F.nullif(F.col(column), F.lit("")), F.lit("no_license"))
    place = F.array_position(F.array(*map(F.lit, raw_code.LICENSE_TYPES)), said)  # 0: not among them
    return F.struct(place, said.alias("license_type"))


def refusal(settings: Settings) -> str:
    """Return, in SQL over stored columns, the first reason that a listing gives for not taking a blob; null for none."""
    return taking.first_of(taking.against_files(settings, SPARK, taking.STORED))


def fetch(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add `text`, `fetch_status` and `fetch_tried_at`, for what the settings take.

    Raises:
        UserError: as `contents_of` says.
    """
    is_taken = F.expr(f"({refusal(settings)}) IS NULL")
    tried = rows.where(is_taken).withColumn("fetch_tries", F.coalesce("fetch_tries", F.lit(0)) + 1)
    taken = contents_of(tried, settings, journal).withColumn("fetch_tried_at", F.current_timestamp())
    none = {"text": F.lit(None).cast("string"), "fetch_status": F.lit(raw_code.NOT_FETCHED)}
    none["fetch_tried_at"] = F.lit(None).cast("timestamp")
    return taken.unionByName(rows.where(~is_taken).withColumns(none))


def contents_of(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add `text` and `fetch_status`: fetched, or read from the source's own column.

    Raises:
        UserError: the store is not there, or does not answer.
    """
    return fetching.add_inline(rows) if "source_text" in rows.columns else fetched(rows, settings, journal)


def fetched(rows: DataFrame, settings: Settings, journal: str) -> DataFrame:
    """Add `text` and `fetch_status`, fetched. Raises UserError as `contents_of` does."""
    bound = executors.cores_bound(rows.sparkSession)
    spec = fetch_spec(settings, bound or executors.most_cores(rows.sparkSession), journal, may_grow=bound is None)
    if spec.store.remote:
        require_answering(spec.store, settings.fetch_timeout_s)
    else:
        require_folder(spec.store.location)  # else every blob would be missing
    return fetching.add_text(rows.repartition(spec.buckets, "input_hash"), spec)


def fetch_spec(settings: Settings, cores: int, journal: str, may_grow: bool = False) -> Spec:
    """Return how each task fetches: its share of what all of them may ask a store for, by how many can run at once.

    As many as there are cores, or all tasks of two chunks where these are fewer: the next chunk begins while the last tasks
    of one still run. Where the cores may grow beyond any number, these tasks are all that bounds it, and so are as few as
    there are cores now.
    """
    store = store_at(
        settings.require("code_contents"),
        settings.contents_endpoint,
        settings.contents_region,
        settings.contents_anonymous,
    )
    tasks = settings.partitions or (1 if may_grow else TASKS_PER_CORE) * cores
    if may_grow or cores > settings.fetch_at_once:
        tasks = min(tasks, settings.fetch_at_once // CHUNKS_AT_ONCE)
    running = CHUNKS_AT_ONCE * tasks if may_grow else min(cores, CHUNKS_AT_ONCE * tasks)
    limited = store.remote
    return Spec(
        store,
        at_once=settings.fetch_at_once // running,
        requests_per_s=settings.fetch_requests_per_s / running if limited else 0.0,
        bytes_per_s=settings.fetch_bytes_per_s / running if limited else 0.0,
        timeout_s=settings.fetch_timeout_s,
        # A run that tries failures again has an error_budget of 1 (recast.lakehouse.refresh), unless it has new rows as well.
        may_all_fail=settings.error_budget >= 1.0 or settings.retry_after_hours > 0,
        journal=journal,
        fingerprint=ledger.fingerprint(measured_by(settings)),
        buckets=tasks,
    )


def measured_by(_settings: Settings) -> dict[str, Any]:
    """Return what changes a fetched text by intent. Whatever store it comes from, git's name of it is the same."""
    return {"rule": 2, "read_from": "content/<blob_id>"}


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Keep what the settings take and what could be read. A text that was taken down is left out."""
    rows = withheld.blanked(rows.sparkSession, settings, rows, "fetch_status")
    rows = with_shape(rows).withColumn("reason", F.coalesce("reason", F.expr(refusal(settings))))
    for status in (raw_code.NOT_FETCHED, *raw_code.FETCH_FAILURES):
        rows = keep(rows, F.col("fetch_status") != status, otherwise=status)
    return rows.withColumn("reason", F.coalesce("reason", F.expr(taking.first_of(taking.against_text(settings)))))


def with_shape(rows: DataFrame) -> DataFrame:
    """Give the columns that say of what shape a text is, where a row has none yet; a row without a text has none."""
    # A line's end at the end of a text begins no further line.
    lines = F.split(F.regexp_replace("text", rf"({LINE_END})\z", ""), LINE_END)
    characters = F.length("text")
    shape = {
        "max_line_length": F.array_max(F.transform(lines, F.length)),
        "line_count": F.when(characters == 0, 0).otherwise(F.size(lines)),
        "mean_line_length": F.aggregate(lines, F.lit(0), lambda sum_, line: sum_ + F.length(line)) / F.size(lines),
        "alphanum_fraction": F.try_divide(F.length(F.regexp_replace("text", NO_ALPHANUM, "")), characters),
    }
    types = {column.name: column.type for column in raw_code.TABLE.columns}
    has_text = F.col("text").isNotNull()
    return rows.withColumns(
        {name: F.when(has_text, F.coalesce(name, value)).cast(types[name]) for name, value in shape.items()}
    )


STAGE = Stage(
    target=raw_code.TABLE,
    source=Source(
        source_version,
        blobs,
        size=lambda settings: value_count(settings.code_source),
        gathered=True,
        texts=texts,
        listing=Listing(hashes, some_blobs),
    ),
    measure=fetch,
    decide=decide,
    measured_by=measured_by,
    decided_by=lambda settings: {"rule": 3, **selection.facts(settings, "code")},
    retryable=raw_code.AGAIN,
    tries="fetch_tries",
    tried_at="fetch_tried_at",
    unmeasured=raw_code.UNFETCHED,
    due=lambda settings: f"{raw_code.UNFETCHED} AND ({refusal(settings)}) IS NULL",
    needs=("recast.udfs.contents.fetching",),
    phases=("fetch",),
)

if __name__ == "__main__":
    submit(STAGE)
