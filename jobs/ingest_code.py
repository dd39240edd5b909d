"""raw_code: reads The Stack v2 (ids and contents), one row per Python blob, with every place it occurs.

Promises: each blob's object is fetched once; a blob that cannot be read is a row with a reason.
"""

from collections.abc import Iterator

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.jobs.settings import Settings
from recast.lakehouse import incoming
from recast.lakehouse.datasets import listing_version, read_parquet, require_folder, value_count
from recast.lakehouse.source import Source, nothing_above
from recast.lakehouse.stage import Stage, keep
from recast.schemas import raw_code
from recast.settings import UserError
from recast.udfs import contents
from recast.udfs.encodings import NAMES, SEPARATORS, UTF_8

LANGUAGE = "Python"
UNKNOWN = ""  # stands for every encoding that is not in the closed list, so that these are counted together
SOURCE_COLUMNS = {
    "repo_name": "string",
    "revision_id": "string",
    "snapshot_id": "string",
    "files.blob_id": "string",
    "files.path": "string",
    "files.language": "string",
    "files.src_encoding": "string",
    "files.length_bytes": "int64",
    "files.license_type": "string",
    "files.detected_licenses": "list<string>",
    "files.is_vendor": "bool",
    "files.is_generated": "bool",
}


def source_version(settings: Settings) -> str:
    """Return the version of the source's listing."""
    settings.require("code_contents")
    return listing_version(settings.require("code_source"), settings.source_version)


def blobs(spark: SparkSession, settings: Settings, version: str) -> DataFrame:
    """Return one row per Python blob with its occurrences, licences united, ordered by repository and path."""
    repositories = read_parquet(spark, settings.require("code_source"), SOURCE_COLUMNS)
    files = repositories.select(*named("repo_name", "revision_id", "snapshot_id"), F.explode("files").alias("file"))
    python = files.where(F.col("file.language") == LANGUAGE)
    if python.isEmpty():
        raise UserError(f"no file of {settings.code_source} has the language {LANGUAGE}")
    python = python.select(
        *(name for name in python.columns if name != "file"),
        *named("file.blob_id", "file.path", "file.src_encoding", "file.license_type"),
        incoming.names(F.col("file.detected_licenses")).alias("detected_licenses"),
        *(f"file.{name}" for name in ("length_bytes", "is_vendor", "is_generated")),
    )
    occurrence = F.struct("repo_name", "path", "revision_id", "snapshot_id", "license_type", "detected_licenses")
    by_blob = python.groupBy(F.coalesce("blob_id", F.lit("")).alias("doc_id")).agg(
        F.sort_array(F.collect_set(occurrence)).alias("occurrences"),
        F.collect_set(F.struct("repo_name", encoding_of("src_encoding").alias("encoding"))).alias("said"),
        F.min(F.when(encoding_of("src_encoding") == UNKNOWN, F.col("src_encoding"))).alias("unknown_encoding"),
        F.min(license_rank("license_type")).alias("license"),
        F.max("length_bytes").alias("length_bytes"),
        F.max("is_vendor").alias("is_vendor"),
        F.max("is_generated").alias("is_generated"),
    )
    by_blob = by_blob.withColumn("encodings", most_said_first("said", "unknown_encoding"))
    licenses = F.flatten(F.filter("occurrences.detected_licenses", lambda found: found.isNotNull()))
    return by_blob.select(
        "doc_id",
        # The object never changes under its blob_id, so it is read again only if it is to be decoded otherwise.
        incoming.identity((), "doc_id", "encodings").alias("input_hash"),
        "encodings",
        F.col("encodings")[0].alias("src_encoding"),
        "length_bytes",
        "is_vendor",
        "is_generated",
        "occurrences",
        F.col("occurrences")[0]["repo_name"].alias("repo_name"),
        F.col("occurrences")[0]["path"].alias("path"),
        F.col("license.license_type"),
        F.sort_array(F.array_distinct(licenses)).alias("detected_licenses"),
        F.lit(settings.code_dataset).alias("source_dataset"),
        F.lit(version).alias("source_version"),
        nothing_above().alias("made_by"),
    )


def named(*columns: str) -> Iterator[Column]:
    """Yield the columns as names, fields of structs under their own."""
    for column in columns:
        yield incoming.name(F.col(column)).alias(column.rpartition(".")[2])


def encoding_of(column: str) -> Column:
    """Return the encoding that a repository names, under its one name; UNKNOWN where it is none of the closed list."""
    said = F.trim(F.regexp_replace(F.lower(column), SEPARATORS, "_"), F.lit("_"))
    known = F.create_map(*(F.lit(word) for pair in NAMES.items() for word in pair))
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


def fetch(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Add `text` and `fetch_status`."""
    store = settings.require("code_contents")
    require_folder(store)  # else every blob would be missing
    return contents.add_text(rows, store)


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Keep what could be read."""
    for status in raw_code.REASONS:
        rows = keep(rows, F.col("fetch_status") != status, otherwise=status)
    return rows


STAGE = Stage(
    target=raw_code.TABLE,
    source=Source(source_version, blobs, size=lambda settings: value_count(settings.code_source), gathered=True),
    measure=fetch,
    decide=decide,
    measured_by=lambda settings: {"rule": 2, "read_from": "content/<blob_id>"},
    decided_by=lambda settings: {"rule": 2},
    retryable="fetch_status = 'content_missing'",
    needs=("recast.udfs.contents",),
    phases=("fetch",),
)

if __name__ == "__main__":
    submit(STAGE)
