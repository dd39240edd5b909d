"""styled_code: reads linted_code and rewrites every kept file for style (SGCR: style-guided code rewriting).

Promises: after a crash no stored answer is asked for again. A rewrite is kept only if its answer ended by itself and its
program parses, resembles its source and gets no lower score from the linter.
"""

from recast.cli.submit import submit
from recast.jobs import rewriting_code
from recast.schemas import linted_code, styled_code

STAGE = rewriting_code.stage(styled_code.TABLE, linted_code.TABLE, "style_prompt", self_contained=False)

if __name__ == "__main__":
    submit(STAGE)
