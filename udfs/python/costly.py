"""Finds text that costs Python's parser far more than its length suggests, before anything parses it.

CPython 3.11 takes time in the square of the dots of an imported name, of the keyword arguments of a call and of the
fields of an f-string: 100 kB take 6, 0.8 and 1 s. Its compiler takes 0.15 ms for each function, class and comprehension.
The bounds are far above what an answer of 8,192 tokens can hold for a reason.
"""

import re

MAX_DOTS = 100
MAX_KEYWORD_ARGUMENTS = 4_000
MAX_BRACES = 5_000
MAX_SCOPES = 3_000

# The possessive quantifiers keep each search linear but for MAX_DOTS.
_DOTTED = re.compile(rf"(?:\.[\s\\]*+\w++[\s\\]*+){{{MAX_DOTS + 1}}}")
_KEYWORD_ARGUMENT = re.compile(r"[(,]\s*+\w++\s*+=(?!=)")
_SCOPE = re.compile(r"\b(?:def|class|lambda|for)\b")


def found_in(text: str) -> str | None:
    """Return which bound of this module `text` passes, in words, None if it keeps to them all."""
    if _DOTTED.search(text):
        return f"a dotted name of more than {MAX_DOTS} dots"
    if text.count("=") > MAX_KEYWORD_ARGUMENTS and len(_KEYWORD_ARGUMENT.findall(text)) > MAX_KEYWORD_ARGUMENTS:
        return f"more than {MAX_KEYWORD_ARGUMENTS:,} keyword arguments"
    if text.count("{") > MAX_BRACES:
        return f"more than {MAX_BRACES:,} braces"
    if len(_SCOPE.findall(text)) > MAX_SCOPES:
        return f"more than {MAX_SCOPES:,} functions, classes and comprehensions"
    return None
