"""A sample of documents that depends on nothing but their identities: those whose hashes are the smallest."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def sampled(rows: DataFrame, documents: int) -> DataFrame:
    """Return the rows of as many documents, each whole, with the smallest hashes of `doc_id`; all rows for 0.

    A larger sample holds a smaller one. Only hashes are compared: each task keeps as many as there are documents, and no
    row is sorted or moved for it.
    """
    if not documents:
        return rows
    drawn = F.xxhash64("doc_id")
    smallest = rows.select(drawn.alias("drawn")).distinct().sort("drawn").limit(documents)
    (last,) = smallest.agg(F.max("drawn")).collect()[0]
    return rows.where(drawn <= last) if last is not None else rows
