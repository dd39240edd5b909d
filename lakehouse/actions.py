"""What has to be done with every document, found by set operations on keys.

No text is read or moved, and no list of ids is on the driver.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

ACTIONS_DDL = (
    "doc_id string, input_hash string, carried_hash bigint, action string, from_doc_id string, copies bigint, "
    "conflicting bigint, replaces boolean, loses boolean, tries int, by_source boolean"
)
"""What `find_actions` returns, so that reading written actions looks into no file."""
WRITING = ("measure", "copy", "decide", "withdraw")
"""The actions that write a row; the others are `remove` and `nothing`."""


def find_actions(
    wanted: DataFrame, have: DataFrame, rejected: DataFrame, measured_by: str, decided_by: str, salt: str
) -> DataFrame:
    """Return what has to be done, a row per document.

    Its columns: `doc_id, input_hash, carried_hash, action, from_doc_id, copies, conflicting, replaces, loses, tries, by_source`.

    The actions: `measure` pays for a text; `copy` takes the measurement of an equal text from the row `from_doc_id`;
    `decide` judges a row again from its own columns; `withdraw` rejects a row and keeps what was measured, because its
    source row is rejected now; `remove` deletes a row whose source row is gone; `nothing` is there for `conflicting`
    alone. `replaces` says whether the target holds a row of that document, `loses` whether a measurement that counts
    leaves the target with it, since the source has another text now or none, `tries` how often its text was measured
    before, where that is counted, and `by_source` whether its source row is new, another, rejected or gone, or was rejected:
    all else is done for the rules alone.

    Source rows of one document that differ are `conflicting`, so many of them. The one that the target holds stays, or
    else one of the text that it holds; otherwise the smallest by a hash with `salt` is taken. So nobody can write a row
    that takes a stored document's place, or one that is sure to win.

    Args:
        wanted: `doc_id, input_hash, carried_hash` of every source row; a document listed twice counts once, and
            `copies` says how often it was.
        have: `doc_id, input_hash, carried_hash, measured_by, decided_by, withdrawn, lends, tries, in_target` of every row;
            `lends` says whether it holds a measurement that counts; where `in_target` is false a killed run left the row
            staged, and nothing else counts.
        rejected: `doc_id` of the source rows that are there and not kept; empty where rejected rows are removed, too.
        measured_by: fingerprint that a stored measurement must carry to be used.
        decided_by: fingerprint that a stored decision must carry to stand.
        salt: what nobody knows when a source is written.
    """
    held = (
        have.where("in_target")
        .select(
            "doc_id",
            F.struct("input_hash", "carried_hash").alias("row"),
            F.struct("measured_by", "decided_by", "withdrawn", "lends", "tries").alias("rules"),
        )
        .join(rejected.select("doc_id", F.lit(True).alias("rejected")), "doc_id", "left")
    )
    listed = wanted.select("doc_id", F.struct("input_hash", "carried_hash").alias("source"))
    source, row = F.col("source"), F.col("row")
    unlike_held = (source != row, source["input_hash"] != row["input_hash"])
    rank = F.struct(
        *(F.coalesce(unlike, F.lit(True)).alias(f"unlike_{place}") for place, unlike in enumerate(unlike_held)),
        F.xxhash64(F.lit(salt), "doc_id", source).alias("drawn"),
        source.alias("source"),
    )
    documents = (
        listed.join(held, "doc_id", "full_outer")
        .groupBy("doc_id")
        .agg(
            F.min(F.when(source.isNotNull(), rank))["source"].alias("source"),
            F.count("source").alias("copies"),
            (F.min("source") != F.max("source")).alias("differ"),
            *(F.first(name).alias(name) for name in ("row", "rules", "rejected")),
        )
    )
    same_row = F.coalesce((F.col("source") == F.col("row")) & (F.col("rules.measured_by") == measured_by), F.lit(False))
    action = (
        F.when(F.col("source").isNull() & F.col("rejected") & F.col("rules.withdrawn"), "nothing")
        .when(F.col("source").isNull() & F.col("rejected"), "withdraw")
        .when(F.col("source").isNull(), "remove")
        .when(same_row & (F.col("rules.decided_by") == decided_by) & ~F.col("rules.withdrawn"), "nothing")
        .when(same_row, "decide")
        .otherwise("measure")
    )
    other_text = F.coalesce(F.col("source.input_hash") != F.col("row.input_hash"), action == "remove")
    as_it_was = F.coalesce(F.col("source") == F.col("row"), F.lit(False)) & ~F.col("rules.withdrawn")
    pending = documents.select(
        "doc_id",
        F.coalesce("source.input_hash", "row.input_hash").alias("input_hash"),
        F.coalesce("source.carried_hash", "row.carried_hash").alias("carried_hash"),
        action.alias("action"),
        "copies",
        F.when(F.col("differ"), F.col("copies")).otherwise(0).alias("conflicting"),
        F.col("row").isNotNull().alias("replaces"),
        F.coalesce(F.col("rules.lends") & other_text, F.lit(False)).alias("loses"),
        F.when(F.col("source.input_hash") == F.col("row.input_hash"), F.col("rules.tries")).alias("tries"),
        ((action != "nothing") & ~as_it_was).alias("by_source"),
    ).where("action != 'nothing' OR conflicting > 0")
    # A text is paid for once: by no row where its measurement is stored, else by the first of the rows that carry it.
    stored = have.where("lends").groupBy("input_hash").agg(F.min("doc_id").alias("stored_in"))
    to_measure = F.when(F.col("action") == "measure", F.col("doc_id"))
    first = F.min(to_measure).over(Window.partitionBy("input_hash"))
    copied_from = F.when(to_measure.isNotNull(), F.coalesce("stored_in", F.nullif("first", "doc_id")))
    return (
        pending.join(stored, "input_hash", "left")
        .withColumn("first", first)
        .withColumn("from_doc_id", copied_from)
        .withColumn("action", F.when(F.col("from_doc_id").isNotNull(), "copy").otherwise(F.col("action")))
        .select(*(field.split()[0] for field in ACTIONS_DDL.split(", ")))
    )
