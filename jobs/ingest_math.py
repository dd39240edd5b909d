"""raw_math: reads FineMath, one row per page.

Promises: a page is known by its address and its place in the crawl, so a new crawl
touches only new pages.
"""

from collections.abc import Collection
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.cli.submit import submit
from recast.jobs import selection, taking
from recast.jobs.settings import Settings
from recast.lakehouse import incoming, query, sampling, withheld
from recast.lakehouse.confinement import quoted
from recast.lakehouse.datasets import added_files, read, value_count, version_of
from recast.lakehouse.source import Source, nothing_above
from recast.lakehouse.source_sql import SPARK
from recast.lakehouse.stage import Stage, keep
from recast.schemas import raw_math

SOURCE_COLUMNS = {
    "url": "string",
    "text": "string",
    "warc_filename": "string",
    "warc_record_offset": "int64",
    "crawl": "string",
    "language": "string",
    "language_score": "double",
    "score": "double",
    "int_score": "int64",
    "token_count": "int64",
}
NAMES = ("url", "warc_filename", "crawl", "language")
SOMETHING = r"(?U)\S"  # a character that is no white space of Unicode
NAMED_OTHERWISE = "SELECT doc_id FROM raw_math WHERE source_dataset IS DISTINCT FROM {} LIMIT 1"
LICENSE = "ODC-By-1.0"  # of FineMath as a database; its pages keep their authors' rights


def pages(
    spark: SparkSession, settings: Settings, version: str, takedowns: int | None, only: Collection[str] | None = None
) -> DataFrame:
    """Return the source's pages, or those of its files `only`, with their identity, without what was taken down."""
    rows = read(spark, settings.require("math_source"), SOURCE_COLUMNS, version, only)
    status = incoming.read_status(F.col("text"), raw_math.MAX_TEXT_BYTES)
    identity = incoming.identity(("url", "warc_filename"), "warc_record_offset").alias("doc_id")
    rows = sampling.sampled(rows.select(identity, *rows.columns), settings.sample)
    rows = rows.select(
        "doc_id",
        *(incoming.name(F.col(name)).alias(name) for name in NAMES),
        *(F.expr(f"try_cast({name} AS int) AS {name}") for name in ("warc_record_offset", "int_score", "token_count")),
        *("language_score", "score"),
        F.when(status == incoming.READ, F.col("text")).alias("text"),
        status.alias("read_status"),
    )
    rows = withheld.without(spark, settings, takedowns, rows, "url", "url")
    rows = withheld.without_domains(spark, settings, takedowns, rows, "url")
    rows = rows.select(F.sha2(F.coalesce("text", F.lit("")), 256).alias("input_hash"), *rows.columns)
    rows = withheld.without(spark, settings, takedowns, rows, "content", "input_hash")
    return rows.select(
        *rows.columns,
        F.lit("no_license").alias("license_type"),
        F.array(F.lit(LICENSE)).alias("detected_licenses"),
        F.lit(settings.math_dataset).alias("source_dataset"),
        F.lit(version).alias("source_version"),
        nothing_above().alias("made_by"),
    )


def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Reading the page is all there is to pay for."""
    return rows


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Keep pages that the settings take and that say something."""
    rows = rows.withColumn("host", F.expr(taking.HOST))
    against = taking.first_of(taking.against_page(settings, SPARK))
    rows = rows.withColumn("reason", F.coalesce("reason", F.expr(against)))
    for status in raw_math.NOT_READ:
        rows = keep(rows, F.col("read_status") != status, otherwise=status)
    rows = keep(rows, F.col("text").rlike(SOMETHING), otherwise="no_text")
    return keep(rows, ~F.contains("text", F.lit("\0")), otherwise="null_bytes")


def added(settings: Settings, before: str) -> Source | None:
    """Return the source of the files alone that came since it had the version `before`; None where more has changed.

    A sample is drawn of all pages, and another name of the dataset is brought to all rows.
    """
    if settings.sample or query.rows(
        settings, NAMED_OTHERWISE.format(quoted(settings.math_dataset)), raw_math.TABLE.name
    ):
        return None
    files = added_files(settings.require("math_source"), before)
    return None if files is None else SOURCE._replace(rows=partial(pages, only=files))


SOURCE = Source(
    version=lambda settings: version_of(settings.require("math_source"), settings.source_version),
    rows=pages,
    size=lambda settings: value_count(settings.math_source),
    added=added,
)
STAGE = Stage(
    target=raw_math.TABLE,
    source=SOURCE,
    measure=measure,
    decide=decide,
    measured_by=lambda settings: {"rule": 2, "max_text_bytes": raw_math.MAX_TEXT_BYTES},
    decided_by=lambda settings: {"rule": 2, **selection.facts(settings, "math")},
    phases=("read",),
)

if __name__ == "__main__":
    submit(STAGE)
