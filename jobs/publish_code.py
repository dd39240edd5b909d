"""published_code: reads optimized_code and publishes what training reads: rewritten code with token counts.

Promises: one join on doc_id leads from a published row to its source in raw_code; `made_by` names every stage between.
"""

from recast.cli.submit import submit
from recast.jobs import publishing
from recast.lakehouse.source import kept_rows_of
from recast.lakehouse.stage import Stage
from recast.schemas import optimized_code, published

CARRIED = ("repo_name", "path", "model", "model_revision", "prompt")

STAGE = Stage(
    target=published.CODE,
    source=kept_rows_of(optimized_code.TABLE, *CARRIED),
    measure=publishing.measure,
    decide=publishing.decide,
    measured_by=publishing.measured_by,
    decided_by=lambda settings: {"rule": 1},
    needs=("recast.inference.token_counts",),
    phases=("count tokens",),
)

if __name__ == "__main__":
    submit(STAGE)
