"""The comment count, held together with the tokenize module of Python 3.10 and 3.11."""

import io
import random
import sys
import time
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import corpus
from udfs import comments

old_tokenize = pytest.mark.skipif(sys.version_info >= (3, 12), reason="tokenize splits f-strings from 3.12 on")

PIECES = (
    *(
        "x",
        "if x:",
        "    ",
        "\t",
        "\n",
        "\r\n",
        "\\\n",
        " ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "# c",
        "#",
        "'a'",
        '"b"',
        "f'{x}'",
    ),
    *(
        "'''a\nb'''",
        '"""',
        "'",
        "rb'\\''",
        "1.5e3j",
        "0x_f",
        "007",
        "1__0",
        ".5",
        "...",
        "->",
        ":=",
        "!=",
        "!",
        "$",
        "é",
        "²",
    ),
    *("\f", "\r", "\ufeff", "\0", "\\", "=", ";", "a.b", "@"),
)


def expected(text: str) -> tuple[float, int, int] | None:
    """What the recipe computes, None where tokenize fails."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    found = sum(token.type == tokenize.COMMENT for token in tokens)
    return found / len(tokens), found, len(tokens)


def agree(text: str) -> None:
    measured, reference = comments.measure(text), expected(text)
    if reference is None:
        assert measured == comments.UNKNOWN
    else:
        assert (measured.comment_ratio, measured.comment_tokens, measured.tokens) == reference


@old_tokenize
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_tokens_and_comments_are_counted_as_tokenize_counts_them(text: str) -> None:
    agree(text)


@pytest.mark.slow
@old_tokenize
def test_real_files_and_torn_ones_are_counted_as_tokenize_counts_them() -> None:
    draw = random.Random(0)
    for file in corpus.files()[::40]:
        agree(file.text)
        start = draw.randrange(len(file.text))
        agree(file.text[start:])
        agree(file.text[:start])


@pytest.mark.parametrize(
    ("text", "tokens", "found"),
    [
        ("", 1, 0),
        ("x\n", 3, 0),
        ("x", 3, 0),
        ("# c\n", 3, 1),
        ("# c", 3, 1),
        ("x  # c\n", 4, 1),
        ("if x:\n    y\n", 9, 0),
        ("x = '''\n# no comment\n'''\n", 5, 0),
        ("x = f'{y}'\n", 5, 0),
        ("x = [  # c\n    1,  # d\n]\n", 12, 2),
    ],
)
def test_the_counts_are_those_of_python_3_10_on_any_interpreter(text: str, tokens: int, found: int) -> None:
    measured = comments.measure(text)
    assert (measured.tokens, measured.comment_tokens) == (tokens, found)
    assert measured.comment_ratio == found / tokens


@pytest.mark.parametrize("text", ["x = (1,\n", "'''abc", "if x:\n    y\n  z\n", "x \\\n"])
def test_a_file_that_does_not_tokenize_has_a_ratio_of_zero(text: str) -> None:
    assert comments.measure(text) == comments.UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["x = 'a'  # c\r" * 3000, "x = 1  # c\n" + " " * 5000, "x = 1  # c" + " " * 5000],
    ids=("mac", "spaces", "tail"),
)
def test_a_text_that_compiles_is_counted_however_long_its_lines(text: str) -> None:
    compile(text, "text", "exec")
    agree(text)
    assert comments.measure(text).comment_tokens


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize(
    "piece", ["'", '"""\\', "(", "'\\", "#", "1_", '"', "x ", "\\\n", "\r", " ", "f'{", ")", "'\n\"\n", "$ "]
)
def test_a_long_hostile_text_is_measured_in_little_time(piece: str) -> None:
    started = time.process_time()
    for text in (piece * (90_000 // len(piece)), "x" + piece * (9000 // len(piece)) + "$"):
        comments.measure(text)
    assert time.process_time() - started < 5.0, "a search that is quadratic takes minutes"


@given(st.text())
def test_any_text_is_measured_without_an_exception(text: str) -> None:
    measured = comments.measure(text)
    assert 0.0 <= measured.comment_ratio <= 1.0
