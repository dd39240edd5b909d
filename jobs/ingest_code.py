"""raw_code: reads The Stack v2 (ids and contents), one row per Python blob, with every place it occurs.

Promises: each blob's object is fetched once; a blob that cannot be read is a row with a reason.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.submit import submit
from lakehouse.settings import Settings, UserError
from lakehouse.sources import listing_version, read_parquet, require_folder, value_count
from lakehouse.stage import Source, Stage, keep, nothing_above
from schemas import raw_code
from udfs import contents

LANGUAGE = "Python"
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
    files = repositories.select("repo_name", "revision_id", "snapshot_id", F.explode("files").alias("file"))
    occurrence = F.struct(
        "repo_name",
        "file.path",
        "revision_id",
        "snapshot_id",
        "file.license_type",
        F.sort_array("file.detected_licenses").alias("detected_licenses"),
    )
    python = files.where(F.col("file.language") == LANGUAGE)
    if python.isEmpty():
        raise UserError(f"no file of {settings.code_source} has the language {LANGUAGE}")
    by_blob = python.groupBy(F.coalesce("file.blob_id", F.lit("")).alias("doc_id")).agg(
        F.sort_array(F.collect_set(occurrence)).alias("occurrences"),
        F.min("file.src_encoding").alias("src_encoding"),
        F.max("file.length_bytes").alias("length_bytes"),
        F.max("file.is_vendor").alias("is_vendor"),
        F.max("file.is_generated").alias("is_generated"),
    )
    licenses = F.flatten(F.filter("occurrences.detected_licenses", lambda found: found.isNotNull()))
    said = F.transform("occurrences.license_type", lambda license_type: F.coalesce(license_type, F.lit("no_license")))
    return by_blob.select(
        "doc_id",
        # The object never changes under its blob_id, so it is read again only if it is to be decoded otherwise.
        F.sha2(F.concat_ws(" ", "doc_id", "src_encoding"), 256).alias("input_hash"),
        "src_encoding",
        "length_bytes",
        "is_vendor",
        "is_generated",
        "occurrences",
        F.col("occurrences")[0]["repo_name"].alias("repo_name"),
        F.col("occurrences")[0]["path"].alias("path"),
        # A blob is permissive only if every repository that holds it says so.
        F.array_min(said).alias("license_type"),
        F.sort_array(F.array_distinct(licenses)).alias("detected_licenses"),
        F.lit(settings.code_dataset).alias("source_dataset"),
        F.lit(version).alias("source_version"),
        nothing_above().alias("made_by"),
    )


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
    measured_by=lambda settings: {"rule": 1, "read_from": "content/<blob_id>"},
    decided_by=lambda settings: {"rule": 1},
    passing_failure="fetch_status = 'content_missing'",
    needs=("udfs.contents",),
    phases=("fetch",),
)

if __name__ == "__main__":
    submit(STAGE)
