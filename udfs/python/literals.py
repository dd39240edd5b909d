"""Finds strings and comments in Python source without parsing it.

A parser says nothing about source that is cut short or wrong, which is where this is needed most. The scan takes time
linear in the text, whatever it holds.
"""

import re
from collections.abc import Iterator

# Comments; then triple-quoted strings, which may lack their end; then strings of one line. A quote that no string on
# its line ends is skipped. Each ends with what need not be there, so the scan never goes back over what it has read.
# Groups are not possessive: until Python 3.11.5 such a group forgets what it matched
# (https://github.com/python/cpython/issues/106052).
_LITERAL = re.compile(
    r"#[^\n]*+"
    r'|"""[^"\\]*+(?:(?:\\.?|"(?!""))[^"\\]*+)*(?P<end_double>""")?'
    r"|'''[^'\\]*+(?:(?:\\.?|'(?!''))[^'\\]*+)*(?P<end_single>''')?"
    r'|"[^"\\\n]*+(?:\\.?[^"\\\n]*+)*"?'
    r"|'[^'\\\n]*+(?:\\.?[^'\\\n]*+)*'?",
    re.DOTALL,
)


def long_strings(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, end) offsets of the triple-quoted strings from offset `start` on, without one that never ends."""
    for literal in _LITERAL.finditer(text, start):
        if literal["end_double"] or literal["end_single"]:
            yield literal.span()


def without_literals(text: str) -> str:
    """Return the source with every comment and every string replaced by one space."""
    return _LITERAL.sub(" ", text)
