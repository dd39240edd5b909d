"""Share of comment tokens in a file.

The recipe multiplies the linter's score by one minus the share of COMMENT tokens among all tokens of
`tokenize.generate_tokens`; a file that does not tokenize counts as zero. From Python 3.12 on `tokenize` splits f-strings, so
that a file with many of them has a smaller share there.
"""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass

from recast.udfs.child.guard import guarded

VERSION = {"comments": 1}
"""What changes the numbers by intent; part of the stage's fingerprint, as the interpreter's version is."""


@dataclass(frozen=True)
class Comments:
    """Tokens of one file. `comment_ratio` is comment_tokens / tokens, 0.0 where the file does not tokenize."""

    comment_ratio: float
    comment_tokens: int
    tokens: int


UNKNOWN = Comments(0.0, 0, 0)


@guarded(lambda failure: UNKNOWN)
def measure(text: str) -> Comments:
    """Count the tokens of `text`. Raises nothing, whatever the text; one that takes too long counts as zero."""
    tokens = comments = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            tokens += 1
            comments += token.type == tokenize.COMMENT
    except (tokenize.TokenError, SyntaxError):
        return UNKNOWN
    return Comments(comments / tokens, comments, tokens)
