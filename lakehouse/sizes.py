"""How many partitions Spark uses, by the number of rows that a stage looks at and of the cores there are.

Spark's own defaults (200 shuffle partitions, 50 for a table's log, compiled queries) suit a large table on a large
cluster. They cost a small table a minute of planning, and fixed small numbers would be too small for a large table.
"""

from pyspark.sql import SparkSession

# A row of a plan takes about 300 bytes, so a partition of the larger number takes about 60 MB. A partition of the smaller
# number of whole files, 10 kB each, takes as much. With fewer rows than that another task costs more than it saves.
MOST_ROWS_PER_PARTITION = 200_000
LEAST_ROWS_PER_PARTITION = 5_000
# A table's log holds a line per file, and a file holds thousands of rows.
ROWS_PER_LOG_PARTITION = 20_000_000
MAX_LOG_PARTITIONS = 50  # Delta's own number
# Work on fewer rows is over before the JVM's optimising compiler has paid for itself. Spark's compiling of queries needs more
# rows: with 200,000 it cost more than it saved (python -m benchmarks.night, docs/log.md). Nothing between was measured.
OPTIMISED_FROM_ROWS = 50_000
COMPILED_FROM_ROWS = 1_000_000
# Adaptive execution runs a job for each shuffle, to size the next by the rows that came: too many jobs for fewer rows.
ADAPTIVE_FROM_ROWS = 1_000_000
SIZED = "spark.recast.sized"  # this setting lists what `fit` has set; only sessions that Recast starts have it


def pays_to_optimise(rows: int) -> bool:
    """Say whether work on so many rows lasts long enough for the JVM's optimising compiler to save time."""
    return rows >= OPTIMISED_FROM_ROWS


def sizes(rows: int, cores: int) -> dict[str, str]:
    """Return Spark's settings for a stage that looks at the keys of `rows` rows on `cores` cores."""
    compiled = rows >= COMPILED_FROM_ROWS
    for_every_core = min(cores, -(-rows // LEAST_ROWS_PER_PARTITION))
    return {
        "spark.sql.shuffle.partitions": str(max(1, for_every_core, -(-rows // MOST_ROWS_PER_PARTITION))),
        "spark.sql.adaptive.enabled": str(rows >= ADAPTIVE_FROM_ROWS).lower(),
        "spark.databricks.delta.snapshotPartitions": str(
            max(1, min(MAX_LOG_PARTITIONS, -(-rows // ROWS_PER_LOG_PARTITION)))
        ),
        "spark.sql.codegen.wholeStage": str(compiled).lower(),
        "spark.sql.codegen.factoryMode": "FALLBACK" if compiled else "NO_CODEGEN",
    }


def fit(spark: SparkSession, rows: int, cores: int) -> None:
    """Give a session that Recast started the sizes that `rows` rows need on `cores` cores, where nobody else gave it any.

    A session that a platform handed over is left as it is.
    """
    listed = spark.conf.get(SIZED, None)
    if listed is None:
        return
    ours = set(listed.split(","))
    for name, value in sizes(rows, cores).items():
        if name in ours or spark.conf.get(name, None) is None:
            spark.conf.set(name, value)
            ours.add(name)
    spark.conf.set(SIZED, ",".join(sorted(ours - {""})))
