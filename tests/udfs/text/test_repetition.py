import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recast.udfs.text import repetition

SQUARE = "0123456789" * 10


def reference(text):
    """The recipe's own definition, quadratic."""
    return len(text) >= 1000 and re.search(r"(.{100,})(\1)+", text, re.DOTALL) is not None


def repeats(text):
    """Tell whether the recipe's rule calls the text repetitive, by what tables hold of it."""
    return len(text) >= repetition.LEAST_TEXT_CHARS and repetition.longest_repeated_run(text) > 0


def longest_by_definition(text, least_chars):
    lengths = range(least_chars, len(text) // 2 + 1)
    return max(
        (n for n in lengths for i in range(len(text) - 2 * n + 1) if text[i : i + n] == text[i + n : i + 2 * n]),
        default=0,
    )


def distinct(count):
    """A text of `count` characters that are all different."""
    return "".join(map(chr, range(0x4E00, 0x4E00 + count)))


@given(st.text(alphabet="ab", max_size=60) | st.text(alphabet="abc", max_size=60), st.integers(2, 12))
@example("ab" * 30, 3)
@example("", 2)
def test_the_longest_run_is_the_one_the_definition_names(text, least_chars):
    assert repetition.longest_repeated_run(text, least_chars) == longest_by_definition(text, least_chars)


@pytest.mark.slow
@settings(max_examples=30)  # the reference takes 20 ms a text
@given(st.text(alphabet="ab", min_size=1, max_size=40), st.integers(90, 130), st.integers(0, 50), st.booleans())
def test_the_verdict_is_the_recipes_on_texts_near_its_bounds(unit, run_chars, lead_chars, broken):
    run = (unit * run_chars)[:run_chars]
    text = distinct(lead_chars) + run + ("|" if broken else "") + run + distinct(900 - lead_chars)
    assert repeats(text) == reference(text)


@pytest.mark.parametrize(("length", "verdict"), [(999, False), (1000, True)])
def test_a_text_under_a_thousand_characters_never_counts(length, verdict):
    text = distinct(length - 200) + distinct(100) * 2
    assert len(text) == length
    assert repeats(text) is verdict


@pytest.mark.parametrize(("run_chars", "verdict"), [(99, False), (100, True), (101, True), (127, True), (128, True)])
def test_a_run_under_a_hundred_characters_never_counts(run_chars, verdict):
    assert repeats(distinct(1000) + "".join(map(chr, range(0x100, 0x100 + run_chars))) * 2) is verdict


@given(st.text(min_size=100, max_size=200), st.text(max_size=300), st.text(max_size=300))
def test_a_planted_run_is_found_wherever_it_stands(run, before, after):
    assert repetition.longest_repeated_run(before + run + run + after) >= len(run)


@given(st.text(alphabet=st.characters(), max_size=300))
@example("\ud800" * 400)
@example("\x00" * 400)
def test_any_text_is_measured(text):
    repetition.longest_repeated_run(text)


def square_free(length):
    """A ternary word in which nothing repeats back to back, though every part of it occurs again and again."""
    word = "a"
    while len(word) < length:
        word = "".join({"a": "abc", "b": "ac", "c": "b"}[letter] for letter in word)
    return word[:length]


@pytest.mark.parametrize(
    ("text", "run_chars"),
    [
        (square_free(100_000), 0),
        ("".join("-" * 199 + chr(0x4E00 + i) for i in range(500)), 0),
        ("".join(f"{'-' * 60}{i:060d}" for i in range(800)), 0),
        ("a" * 100_000, 50_000),
    ],
    ids=["square_free", "rules_of_199", "rows_of_a_table", "one_letter"],
)
def test_a_hostile_text_of_a_hundred_thousand_characters_is_measured_in_time(text, run_chars):
    started_s = time.process_time()
    found = repetition.longest_repeated_run(text)
    assert time.process_time() - started_s < 5  # it takes under 0.5 s; the quadratic search takes minutes
    assert found == run_chars
