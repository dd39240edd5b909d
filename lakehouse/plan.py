"""A plan: what a run of a stage will do, and why. It is a value: `recast plan` shows it, and a run does what it says."""

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.exits import USER_ERROR
from recast.lakehouse import ledger, query, withheld
from recast.lakehouse.actions import WRITING, find_actions
from recast.lakehouse.chunks import PREFIX_DIGITS, Chunk, Todo, chunks_of
from recast.lakehouse.costs import Estimate
from recast.lakehouse.work import WANTED, Work
from recast.schemas.table import WITHDRAWN
from recast.settings import UserError

FEW_ROWS = 10
SWAPPED = 1 / 2


class Plan(NamedTuple):
    """What a run of a stage will do.

    Attributes:
        table_name: the table that it brings up to date.
        why: what changed since the last run, in a few words each; empty where the table is up to date.
        rows: rows by action (lakehouse/actions.py): measure, copy, decide, withdraw, remove.
        by_source: how many of these because their source row is new, another or gone; all others the rules ask for.
        unchanged: rows of the table that the run will not touch.
        conflicting: source rows that share their identity with another that differs.
        chunks: the ranges of hashes in which the rows are written.
        may_come: the most rows that the tables above may add, change or remove before the run, by their own plans.
        likely_come: how many of these will need measuring, by the share of rows that the tables above kept in their
            earlier runs; None where one of them has none.
        estimate: what measuring the table's own rows takes, by its earlier runs; None where there are none.
        likely: the same with what will likely come from above.
        most: the same with all that may come.
        moves: rows that are decided again and come out otherwise, by what they were and will be: ``low_score -> kept``.
            Only a plan that is shown has them, and what follows.
        moved_tokens: tokens of these rows' texts, by the same words.
        tokens_estimated: whether these are estimated by the length of the texts, since the table counts none.
        refused: the line with which a refresh would stop before it does anything of this; empty where it would not.
        exit_status: that of the refresh where it would.
    """

    table_name: str
    why: tuple[str, ...] = ()
    rows: Mapping[str, int] = {}
    by_source: int = 0
    unchanged: int = 0
    conflicting: int = 0
    chunks: tuple[Chunk, ...] = ()
    may_come: int = 0
    likely_come: int | None = 0
    estimate: Estimate | None = None
    likely: Estimate | None = None
    most: Estimate | None = None
    moves: Mapping[str, int] = {}
    moved_tokens: Mapping[str, int] = {}
    tokens_estimated: bool = False
    refused: str = ""
    exit_status: int = USER_ERROR

    @property
    def to_write(self) -> int:
        """How many rows the run will write."""
        return sum(self.rows.get(action, 0) for action in WRITING)

    @property
    def to_remove(self) -> int:
        """How many rows the run will remove."""
        return self.rows.get("remove", 0)


def find(work: Work) -> DataFrame:
    """Return what has to be done as `find_actions` says, from the rows of the source and of the table."""
    withdrawn = F.coalesce(F.col("reason") == WITHDRAWN, F.lit(False)).alias("withdrawn")
    tries = F.expr(work.stage.tries or "CAST(NULL AS int)").alias("tries")
    rules = ("measured_by", "decided_by", withdrawn, work.lends.alias("lends"), tries)
    keys = ("doc_id", "input_hash", "carried_hash", *rules)
    held = work.target_rows()
    if not work.stage.source.tables:
        held = withheld.undecided(work.spark, work.settings, work.run["takedowns"], held)
    have = held.select(*keys, F.lit(True).alias("in_target"))
    for rows in work.lenders():
        have = have.unionByName(rows.select(*keys, F.lit(False).alias("in_target")))
    documents = work.changed()
    wanted = work.source_rows(documents=documents).select("doc_id", "input_hash", "carried_hash")
    rejected = work.rejected_keys()
    if work.only_added:
        wanted = work.written(wanted, WANTED) if work.folder else wanted
        documents = wanted.select("doc_id").distinct()
        # Source rows of the same documents that were there before: the target has them.
        before = work.target_rows().join(documents, "doc_id", "left_semi")
        wanted = wanted.unionByName(before.select(*wanted.columns))
        have = narrowed(have, documents, wanted)
    elif documents is not None:
        if not work.gathered_path:
            # Written, since a join with few rows is quick where Spark knows how few they are.
            wanted = work.written(wanted.join(documents, "doc_id", "left_semi"), WANTED)
        have, rejected = narrowed(have, documents, wanted), rejected.join(documents, "doc_id", "left_semi")
    now = (work.run["measured_by"], work.run["decided_by"])
    return find_actions(wanted, have, rejected, *now, salt=work.run["run_id"])


def make(work: Work, why: tuple[str, ...] = ()) -> Plan:
    """Return what a run has to do, found once per run by keys alone.

    A run writes the keys of all rows that it will touch into its work folder; where there is no folder, `work.unwritten` has
    them. `why` is what changed since the last run.
    """
    if work.folder:
        find(work).sort("input_hash").write.mode("overwrite").parquet(work.actions_path)
    prefix = F.when(F.col("action").isin(*WRITING), F.substring("input_hash", 1, PREFIX_DIGITS)).alias("prefix")
    sums = {"rows": F.count("*"), "conflicting": F.sum("conflicting"), "by_source": F.count_if("by_source")}
    sums |= {"held": F.count_if("replaces"), "losing": F.count_if("loses"), "copies": F.max("copies")}
    counted = work.actions().groupBy("action", prefix).agg(*(each.alias(name) for name, each in sums.items())).collect()
    by_action: dict[str, int] = {}
    by_prefix: dict[tuple[str, str], Todo] = {}
    for row in counted:
        if row["action"] != "nothing":
            by_action[row["action"]] = by_action.get(row["action"], 0) + row["rows"]
        if row["prefix"] is not None:
            by_prefix[row["prefix"], row["action"]] = Todo(row["rows"], row["held"], row["losing"], row["copies"])
    held = sum(row["held"] for row in counted if row["action"] != "nothing")
    staggered = work.stage.usage is not None  # an engine must not wait while both chunks in work drain
    by_source = sum(row["by_source"] for row in counted)
    return Plan(
        table_name=work.stage.name,
        why=tuple(line.replace(ledger.SOURCE_CHANGED, f"{by_source:,} source rows changed") for line in why),
        rows=by_action,
        by_source=by_source,
        unchanged=(query.row_count(work.settings, work.stage.name) if work.found_version else 0) - held,
        conflicting=sum(row["conflicting"] for row in counted),
        chunks=tuple(chunks_of(by_prefix, work.settings.chunk_rows, staggered)) if by_prefix else (),
    )


def narrowed(have: DataFrame, documents: DataFrame, wanted: DataFrame) -> DataFrame:
    """Return of the rows that `find_actions` calls `have` those that the actions of some documents follow from.

    These are the documents' own, and of all others those that lend a measurement of one of their texts. Of the latter
    nothing else counts: they are marked as not `in_target`.

    Args:
        have: as `find_actions` has it.
        documents: their `doc_id`, each once.
        wanted: their source rows.
    """
    texts = wanted.select("input_hash").distinct()
    marked = have.join(documents.withColumn("asked", F.lit(True)), "doc_id", "left")
    marked = marked.join(texts.withColumn("carried", F.lit(True)), "input_hash", "left")
    own, lending = F.expr("in_target AND asked IS NOT NULL"), F.expr("lends AND carried IS NOT NULL")
    return marked.where(own | lending).withColumn("in_target", own).drop("asked", "carried")


def require_few_removals(work: Work, planned: Plan) -> None:
    """Refuse to let a raw table shrink much: a source that is lost for an hour looks like one that was emptied.

    Documents whose text another document has now do not count: a dataset may name them anew. Nor do those that were taken
    down. Below a raw table rows are removed for what its rows say; `ledger.require_finished` sees to it that it is whole.

    Raises:
        UserError: more rows would go than `is_much` allows with the setting `removal_limit`; nothing is removed.
    """
    limit = work.settings.removal_limit
    if work.stage.source.tables or limit >= 1:
        return
    held = query.row_count(work.settings, work.stage.name)
    come = planned.to_write - (held - planned.unchanged - planned.to_remove)
    if not is_much(planned.to_remove, come, held, limit):
        return
    gone = work.gone()
    taken_down = withheld.documents(work.spark, work.settings, work.run["takedowns"])
    if taken_down is not None:
        gone = gone.join(taken_down, "doc_id", "left_anti")
        # A document that came while its claim was made is in no tombstone.
        rows = work.target_rows().join(gone.select("doc_id"), "doc_id", "left_semi")
        rows = withheld.unclaimed(work.spark, work.settings, work.run["takedowns"], rows)
        gone = gone.join(rows.select("doc_id"), "doc_id", "left_semi")
    lost = gone.join(work.source_rows().select("input_hash"), "input_hash", "left_anti").count()
    renamed = gone.count() - lost  # these count neither as gone nor as come
    if is_much(lost, max(0, come - renamed), held, limit):
        raise UserError(
            f"the source of {work.stage.name} lacks {lost:,} of the {held:,} rows that were made from it, more than "
            f"removal_limit = {limit:g} allows. Nothing was removed. Is the source whole? If it is: --removal-limit 1"
        )


def is_much(lost: int, come: int, held: int, limit: float) -> bool:
    """Say whether `lost` of `held` rows, with `come` new ones, are more than the changes of a night.

    That is where the table shrinks by more than the share `limit`, and by more than FEW_ROWS; or where it loses the share
    SWAPPED, however many come: so does the folder of another dataset look. A single row is no lost source.
    """
    shrinks = lost > FEW_ROWS and lost - come > limit * held
    return shrinks or (lost > 1 and lost >= max(limit, SWAPPED) * held)
