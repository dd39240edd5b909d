"""styled_code: reads linted_code and rewrites every kept file for style (SGCR: style-guided code rewriting).

Promises: a text is asked about once, whatever dies; a rewrite is kept only if its answer ended by itself, its program
parses, is still about its source and is scored no worse by the linter.
"""

from jobs import rewriting_code
from jobs.submit import submit
from schemas import linted_code, styled_code

STAGE = rewriting_code.stage(styled_code.TABLE, linted_code.TABLE, "style_prompt", self_contained=False)

if __name__ == "__main__":
    submit(STAGE)
