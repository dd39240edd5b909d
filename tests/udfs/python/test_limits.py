"""Sizes beyond which nothing is parsed."""

import pytest

from recast.udfs.python import limits

JUST_BELOW = {
    "too_large": ("x" * 99 + "\n") * (limits.MAX_BYTES // 100),
    "too_many_lines": "\n" * (limits.MAX_LINES - 1),
    "line_too_long": "\n" + "é" * limits.MAX_LINE_CHARS + "\n",
    "not_unicode": "\ud7ff\ue000\U0010ffff",
}


@pytest.mark.parametrize("reason", limits.REASONS)
def test_a_text_just_within_a_limit_may_be_parsed(reason: str) -> None:
    assert limits.check(JUST_BELOW[reason]) is None


@pytest.mark.parametrize(
    ("reason", "more", "detail"),
    [
        ("too_large", "xy", "1,000,002 characters"),
        ("too_many_lines", "\n", "20,001 lines"),
        ("line_too_long", "é" * (limits.MAX_LINE_CHARS + 1), "100,001 characters"),
        ("not_unicode", "a\udc80", "lone surrogate U+DC80 at character 4"),
    ],
)
def test_a_text_just_beyond_a_limit_is_turned_away_with_its_reason(reason: str, more: str, detail: str) -> None:
    assert limits.check(JUST_BELOW[reason] + more) == (reason, detail)


def test_bytes_are_counted_not_characters() -> None:
    text = ("é" * 99 + "\n") * (limits.MAX_BYTES // 199 + 1)
    assert len(text) < limits.MAX_BYTES
    assert limits.check(text) == ("too_large", f"{len(text.encode()):,} bytes")
