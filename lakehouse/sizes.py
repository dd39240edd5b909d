"""How many pieces Spark cuts its work into: by the rows that a stage has to look at and the cores that are there.

Spark's own defaults (200 shuffle partitions, 50 for a table's log, compiled queries) suit a large table on a large
cluster and cost a small one a minute of planning; fixed small numbers would break the large one.
"""

from pyspark.sql import SparkSession

# A row of a plan takes about 300 bytes, so such a partition takes about 60 MB; adaptive execution merges small ones.
ROWS_PER_PARTITION = 200_000
# A table's log holds a line per file, and a file holds thousands of rows.
ROWS_PER_LOG_PARTITION = 20_000_000
MAX_LOG_PARTITIONS = 50  # Delta's own number
# Below so many rows a query is over before the time to compile it has paid for itself.
COMPILED_FROM_ROWS = 1_000_000
SIZED = "spark.recast.sized"  # setting of the session that lists what `fit` has set there


def sizes(rows: int, cores: int) -> dict[str, str]:
    """Return Spark's settings for a stage that looks at the keys of `rows` rows on `cores` cores."""
    compiled = rows >= COMPILED_FROM_ROWS
    return {
        "spark.sql.shuffle.partitions": str(max(min(cores, rows), 1, -(-rows // ROWS_PER_PARTITION))),
        "spark.databricks.delta.snapshotPartitions": str(
            max(1, min(MAX_LOG_PARTITIONS, -(-rows // ROWS_PER_LOG_PARTITION)))
        ),
        "spark.sql.codegen.wholeStage": str(compiled).lower(),
        "spark.sql.codegen.factoryMode": "FALLBACK" if compiled else "NO_CODEGEN",
    }


def fit(spark: SparkSession, rows: int) -> None:
    """Give the session the sizes that `rows` rows need, where nobody else gave it any."""
    ours = set((spark.conf.get(SIZED, "") or "").split(","))
    for name, value in sizes(rows, cores(spark)).items():
        if name in ours or spark.conf.get(name, None) is None:
            spark.conf.set(name, value)
            ours.add(name)
    spark.conf.set(SIZED, ",".join(sorted(ours - {""})))


def cores(spark: SparkSession) -> int:
    """Return how many tasks can run at once."""
    return max(1, int(spark.sparkContext.defaultParallelism))
