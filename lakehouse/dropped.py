"""Keeps rows that leave a table because of their source, so that they lend their measurements if the source has them again.

They lie as Parquet below `_dropped/` of the lake, a folder for each commit that they left by, until `recast maintain` finds
them older than `keep_dropped_days`. No table, view or release reads them.
"""

from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.lakehouse import store, takedown, withheld
from recast.lakehouse.actions import WRITING
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.settings import Settings
from recast.lakehouse.stage import Stage
from recast.lakehouse.work import Work
from recast.schemas.table import WITHDRAWN

MOST_FILES = 8  # of a commit's rows: they are few beside the files that hold them


def path(settings: Settings, name: str) -> str:
    """Return the folder of the rows that left the table `name`."""
    return f"{settings.lake}/{store.DROPPED}/{name}"


def found(spark: SparkSession, settings: Settings, stage: Stage) -> DataFrame | None:
    """Return the rows that left a stage's table, without those that were taken down; None where there are none.

    One listing finds the files of all commits. A run that was killed while it wrote leaves whole files, whose rows the table
    still has, or hidden ones, which nobody reads. The rows were paid for once and are only a saving, so a file that is torn
    or was deleted meanwhile holds none.
    """
    folder = path(settings, stage.name)
    if not store.folders(spark, folder):
        return None
    forgiving = spark.read.options(recursiveFileLookup=True, ignoreCorruptFiles=True, ignoreMissingFiles=True)
    return without_taken_down(spark, settings, forgiving.schema(stage.target.ddl).parquet(folder))


def without_taken_down(spark: SparkSession, settings: Settings, rows: DataFrame) -> DataFrame:
    """Return rows without those of documents and of texts that were taken down, whenever that was."""
    version = takedown.version(settings)
    gone = withheld.documents(spark, settings, version)
    rows = rows if gone is None else rows.join(gone, "doc_id", "left_anti")
    return withheld.without_texts(spark, settings, version, rows)


def is_kept(settings: Settings, stage: Stage) -> bool:
    """Say whether rows that leave a stage's table are kept.

    Those of raw tables are, and of tables that keep the measurement of a rejected source row as well: where measuring is
    cheap, as in published tables, rows leave with every threshold that is raised.
    """
    return settings.keep_dropped_days > 0 and (not stage.source.tables or WITHDRAWN in stage.target.reasons)


def keep(work: Work, chunk: Chunk | None, removing: bool) -> None:
    """Write the rows whose measurement leaves the table by the next commit, unless they were taken down.

    Of a row to be removed nothing is written where the run has written another of its text.

    Args:
        work: the run.
        chunk: the rows of which the commit replaces; None where it only removes.
        removing: whether the commit removes rows, too, as the last one does.
    """
    spark, settings, table = work.spark, work.settings, work.stage.target
    if not is_kept(settings, work.stage):
        return
    removed = F.col("action") == "remove"
    replaced = ~removed & (chunk.holds("input_hash") if chunk else F.lit(False))
    losing = work.planned().where(F.col("loses") & (replaced | (removed & F.lit(removing))))
    written = work.planned().where(F.col("action").isin(*WRITING)).select(F.col("input_hash").alias("written"))
    keys = losing.join(written, removed & (F.col("input_hash") == F.col("written")), "left_anti").select("doc_id")

    def leaving(rows: DataFrame) -> DataFrame:
        return without_taken_down(spark, settings, rows.join(keys, "doc_id", "left_semi"))

    # Texts are read of those files alone that hold one of the rows, as in Delta's merge.
    names = [name for name in ("doc_id", "content_hash", "raw_hash") if name in table.column_names]
    held = leaving(store.read(spark, settings, table, work.found_version).select(*names, "_metadata.file_path"))
    files = [unquote(file) for (file,) in held.select("file_path").distinct().collect()]
    if files:
        rows = leaving(spark.read.schema(table.ddl).parquet(*files))
        number = chunk.number if chunk else 0
        rows.coalesce(MOST_FILES).write.mode("overwrite").parquet(
            f"{path(settings, table.name)}/{work.run['run_id']}-{number}"
        )
