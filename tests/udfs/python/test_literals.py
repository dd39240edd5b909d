import io
import re
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.python import literals
from tests.conftest import CHECKOUT


def test_triple_quoted_strings_are_found_from_an_offset_on():
    text = "a = \"\"\"x\"\"\"\nb = '''y'''\n"
    assert [text[start:end] for start, end in literals.long_strings(text)] == ['"""x"""', "'''y'''"]
    assert [text[start:end] for start, end in literals.long_strings(text, 11)] == ["'''y'''"]


def test_a_quote_in_a_comment_or_a_short_string_opens_nothing():
    assert list(literals.long_strings("# '''\nx = \"'''\"\ny = '\\'\"\"\"'\n")) == []


def test_a_string_that_never_ends_is_left_out():
    assert list(literals.long_strings('x = """ never')) == []


def test_strings_and_comments_leave_a_space():
    assert literals.without_literals("a = 'b'  # c\nd") == "a =     \nd"


@given(st.text(alphabet="'\"\\#\n a"))
def test_any_run_of_quotes_is_read_to_its_end(text):
    assert "#" not in literals.without_literals(text)
    assert all(end <= len(text) for _, end in literals.long_strings(text))


@pytest.mark.parametrize("module", [io, tokenize, pytest])
def test_real_source_has_the_long_strings_that_the_tokenizer_finds(module):
    with open(module.__file__, encoding="utf-8") as file:
        text = file.read()
    found = {text[start:end] for start, end in literals.long_strings(text)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    strings = {token.string.lstrip("rRbBuUfF") for token in tokens if token.type == tokenize.STRING}
    assert found == {string for string in strings if string.startswith(('"""', "'''"))}


def test_no_pattern_has_a_possessive_group_which_older_pythons_match_wrongly() -> None:
    possessive = re.compile(r"\)(?:[*+?]|\{[^{}]*\}|\{\{[^{}]*\}\})\+")
    rooms = (CHECKOUT / name for name in ("cli", "inference", "jobs", "lakehouse", "recast", "schemas", "udfs"))
    files = (file for room in rooms for file in room.rglob("*.py"))
    assert [file.name for file in files if possessive.search(file.read_text("utf-8"))] == []
