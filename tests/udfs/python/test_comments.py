"""The share of comment tokens, as Python's tokenizer counts them."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.child import guard
from recast.udfs.python import comments


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
        pytest.param("x = f'{y}'\n", 5, 0, marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="it is split")),
        ("x = [  # c\n    1,  # d\n]\n", 12, 2),
    ],
)
def test_tokens_and_comments_are_counted(text: str, tokens: int, found: int) -> None:
    assert comments.ratio(text) == found / tokens


@pytest.mark.parametrize("text", ["x = (1,\n", "'''abc", "if x:\n    y\n  z\n", "x \\\n"])
def test_a_file_that_does_not_tokenize_has_a_ratio_of_zero(text: str) -> None:
    assert comments.ratio(text) == 0.0


@pytest.mark.slow
def test_a_text_that_takes_the_tokenizer_long_counts_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    guard.helper.close("guard")
    monkeypatch.setattr(guard, "SOFT_CPU_S", 0.5)
    assert comments.ratio("'\\" * 20_000) == 0.0
    guard.helper.close("guard")
    assert comments.ratio("x  # c\n") == 0.25


@given(st.text())
def test_any_text_is_measured_without_an_exception(text: str) -> None:
    assert 0.0 <= comments.ratio(text) <= 1.0
