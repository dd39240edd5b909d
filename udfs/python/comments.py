"""Share of comment tokens in a file.

The recipe multiplies the linter's score by one minus the share of COMMENT tokens among all tokens of
`tokenize.generate_tokens`; a file that does not tokenize counts as zero. From Python 3.12 on `tokenize` splits f-strings, so
that a file with many of them has a smaller share there.
"""

import io
import tokenize

from recast.udfs.child.guard import guarded

VERSION = {"comments": 1}
"""What changes the numbers by intent; part of the stage's fingerprint, as the interpreter's version is."""


@guarded(lambda failure: 0.0)
def ratio(text: str) -> float:
    """Return the share of comments among the tokens of `text`.

    Raises nothing, whatever the text; one that does not tokenize, or takes too long, counts as zero.
    """
    tokens = comments = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            tokens += 1
            comments += token.type == tokenize.COMMENT
    except (tokenize.TokenError, SyntaxError):
        return 0.0
    return comments / tokens
