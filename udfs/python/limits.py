"""Sizes beyond which a source file is rejected before anything parses it.

A parser or a linter can be made to take minutes or gigabytes by a file that is merely large, so the cheap checks come
first. The bounds are far above what a rewrite can use: a file of MAX_BYTES is about three times the 100,000 token
context of the recipe's models. Hostile files measured against pylint showed which sizes hurt: tables of 200,000
entries, 20,000 assignments, lines of a megabyte (docs/lint.md).
"""

from __future__ import annotations

from recast.schemas import reasons

MAX_BYTES = reasons.MAX_BYTES
MAX_LINES = reasons.MAX_LINES
MAX_LINE_CHARS = reasons.MAX_LINE_CHARS
REASONS = reasons.LIMITS


def check(text: str) -> tuple[str, str] | None:
    """Return (reason, detail) from REASONS if `text` is beyond a limit, None if it may be parsed."""
    if len(text) > MAX_BYTES:
        return "too_large", f"{len(text):,} characters"
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        return "not_unicode", f"lone surrogate U+{ord(text[error.start]):04X} at character {error.start}"
    if size > MAX_BYTES:
        return "too_large", f"{size:,} bytes"
    lines = text.count("\n") + 1
    if lines > MAX_LINES:
        return "too_many_lines", f"{lines:,} lines"
    if size > MAX_LINE_CHARS:
        longest = max(map(len, text.split("\n")))
        if longest > MAX_LINE_CHARS:
            return "line_too_long", f"{longest:,} characters"
    return None
