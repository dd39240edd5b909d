"""Every list of reasons, and the sizes that they speak of: what stages may say of a row that they reject."""

MAX_BYTES = 1_000_000
MAX_LINES = 20_000
MAX_LINE_CHARS = 100_000
"""Sizes beyond which a program is not parsed (udfs/python/limits.py)."""

LIMITS = {
    "not_unicode": "holds lone surrogates, so it cannot be written as UTF-8: an upstream decoding error",
    "too_large": f"more than {MAX_BYTES:,} bytes as UTF-8",
    "too_many_lines": f"more than {MAX_LINES:,} lines",
    "line_too_long": f"a line of more than {MAX_LINE_CHARS:,} characters",
}

CHILD_CPU_S = 10.0
"""Processor time of a call after which its child stops by itself. The largest real files take 2 s."""
CHILD_MEMORY_BYTES = 3 * 2**30
"""Address space of a child."""

CHILD = {
    "timeout": f"reading it takes more than {CHILD_CPU_S:g} s of processor time",
    "memory": f"reading it takes more than {CHILD_MEMORY_BYTES >> 30} GB of memory",
    "crashed": "what read it failed, or its process died, twice",
}
"""Closed list: why a call has no result -> meaning."""

SYNTAX = {
    "missing": "there is no text",
    "empty": "nothing but white space",
    **LIMITS,
    **CHILD,
    "byte_order_mark": "starts with U+FEFF, which compile() refuses in text: decode with utf-8-sig",
    "null_bytes": "holds a NUL character: a binary file, or UTF-16 read as something else",
    "too_deep": "nested or chained deeper than the parser can follow",
    "python2": "Python 2 syntax, for instance a print statement",
    "newer_python": "syntax that came after Python 3.10",
    "template": "placeholders of a template language where code should be",
    "merge_conflict": "markers of an unresolved merge",
    "interactive": "a pasted console session or notebook magic",
    "tabs": "tabs and spaces mixed in a way that Python 3 refuses",
    "indentation": "indentation that does not fit",
    "unterminated": "a bracket or string that never ends: often a truncated file",
    "syntax_error": "any other breach of the grammar",
}
"""Closed list: reason -> meaning. A file that parses has none."""

LINT = {
    "low_score": "the adjusted score is below the threshold",
    "no_score": "pylint gives no rating: no statements, a skip-file or disable=all pragma, or a file it cannot parse",
    "blanket_pragma": "an inline pragma switches off a whole category or checker, so the score says nothing",
    "not_linted": "there is no text, or the lint result is missing",
    "lint_limit": "beyond a limit of udfs/python/limits.py, so it was not linted",
    "lint_timeout": "the linter ran out of time",
    "lint_memory": "the linter ran out of memory",
    "lint_crashed": "the linter died on this file",
}
"""Closed list: reason -> meaning."""

MAX_ANSWER_CHARS = 200_000
"""No longer answer is read. The recipe's 8,192 tokens come to about 35,000 characters of code."""

ANSWERS = {
    "too_long": "the prompt leaves no room for an answer in the model's context",
    "empty_input": "there was no text to ask about",
    "control_tokens": "the text to ask about, or the text in the answer, holds a control token of a model",
    "request_failed": "the engine refused or failed the request, again and again",
    "poison": "the engine died whenever it had this request",
    "empty": "the answer holds nothing",
    "truncated": "the answer did not end by itself: it ran into the token limit or was cut off",
    "thoughts": "what the model thought cannot be told from what it said",
    "oversized": f"the answer is longer than {MAX_ANSWER_CHARS:,} characters, or costlier to parse, than is read",
    "refused": "the model declined to answer",
    **CHILD,
}
CODE = {
    **ANSWERS,
    "no_code": "the answer holds no Python program",
    "several_codes": "the answer holds several programs of which none covers the others",
    "unparsable": "the program does not parse",
    "unchanged": "the program is the source, but for white space",
    "control_characters": "the program holds control characters, such as NUL, ESC or an override of writing direction",
    "repetitive": "a long run of the program repeats itself back to back",
    "unrelated": "the program names too little of what its source defines and uses: an invention",
    "definitions_lost": "the program defines far fewer functions and classes than its source: part of it is gone",
    "not_self_contained": "the program uses names that it does not define, or modules that few have",
    "blanket_pragma": "an inline pragma switches off a whole category or checker of the linter, so its score says nothing",
    "lint_regressed": "the program's lint score is worse than its source's",
}
"""Closed list for rewritten code, in the order in which they are decided: reason -> meaning.

Control tokens of an answer are looked for where control characters are.
"""
MATH = {
    **ANSWERS,
    "unchanged": "the page is the source, but for white space",
    "remarks": "the answer holds words that may be about the page, or to whoever asked, and not the page's own",
    "control_characters": "the page holds control characters, such as NUL, ESC or an override of writing direction",
    "active_html": "the page holds HTML or a link that acts where it is rendered: a script, a frame, a form, a handler",
    "repetitive": "a long run of the page repeats itself back to back",
    "unrelated": "the page shares too few words with its source: an invention",
    "answer_changed": "too few of the answers of the source are answers of the page",
    "numbers_lost": "too few of the numbers in the source's formulas stand in the page",
}
"""Closed list for rewritten mathematics, in the order in which they are decided: reason -> meaning."""
