"""optimized_code: reads styled_code and makes every file self-contained, efficient and instructive (SCOR).

Promises: those of styled_code; and a kept program defines or imports all that it uses, as far as static analysis can tell.
"""

from recast.cli.submit import submit
from recast.jobs import rewriting_code
from recast.schemas import optimized_code, styled_code

STAGE = rewriting_code.stage(optimized_code.TABLE, styled_code.TABLE, "optimize_prompt", self_contained=True)

if __name__ == "__main__":
    submit(STAGE)
