"""Foreign words for terminals, logs and labels."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.printable import printable

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;owned\x07\x1b[2J", r"a\x1b]0;owned\x07\x1b[2J"),
        ("two\nlines\r\n\tand a tab", r"two\nlines\r\n\tand a tab"),
        ("\x00\x7f\x85\x9b31m", r"\x00\x7f\x85\x9b31m"),
        ("\u202egnp.exe\u2066\u2069\u200f\u061c", r"\u202egnp.exe\u2066\u2069\u200f\u061c"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("half a \ud83d pair", r"half a \ud83d pair"),
        ("hidden\U000e0041", r"hidden\U000e0041"),
        (
            "na\u00efve \U0001f600 \u6c49\u5b57 \\frac{1}{2} \u00a0",
            "na\u00efve \U0001f600 \u6c49\u5b57 \\frac{1}{2} \u00a0",
        ),
        ("", ""),
    ],
)
def test_what_commands_a_terminal_is_shown_as_its_escape_and_all_else_as_it_is(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_newlines_and_tabs_stay_where_they_are_wanted_and_nothing_else_does() -> None:
    assert printable("a\n\tb\r\x1b", keep="\n\t") == "a\n\tb\\r\\x1b"


def test_a_label_has_no_more_characters_than_it_may_have_escapes_included() -> None:
    assert printable("\x1b" * 1000, 100) == "\\x1b" * 25
    assert printable("a" * 1000, 100) == "a" * 100


@given(ANYTHING, st.none() | st.integers(0, 50))
def test_whatever_comes_is_one_line_that_can_be_encoded_and_stays_the_same(text: str, most: int | None) -> None:
    shown = printable(text, most)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    shown.encode()
    assert printable(shown, most) == shown
    assert most is None or len(shown) <= most


def test_a_hundred_megabytes_for_a_label_cost_no_more_than_a_label() -> None:
    text = "\x1b" * 100_000_000
    started_at = time.monotonic()
    printable(text, 100)
    assert time.monotonic() - started_at < 0.1
