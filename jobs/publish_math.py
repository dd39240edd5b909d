"""published_math: reads rewritten_math and publishes what training reads: rewritten math pages with token counts.

Promises: one join on doc_id leads from a published row to its source in raw_math; `made_by` names every stage between.
"""

from recast.cli.submit import submit
from recast.jobs import publishing
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import published, rewritten_math

CARRIED = ("url", "model", "model_revision", "prompt")

STAGE = Stage(
    target=published.MATH,
    source=kept_rows_of(rewritten_math.TABLE, *CARRIED),
    measure=publishing.measure,
    decide=publishing.decide,
    measured_by=publishing.measured_by,
    decided_by=lambda settings: {"rule": 1},
    needs=("recast.inference.token_counts",),
    phases=("count tokens",),
)

if __name__ == "__main__":
    submit(STAGE)
