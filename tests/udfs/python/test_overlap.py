import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.python import overlap

SOURCE = """
import os

class UserStore:
    def getUserName(self, key):
        return os.environ.get(key)
"""


def test_a_text_keeps_all_of_itself():
    assert overlap.shared(SOURCE, SOURCE) == overlap.Overlap(definitions=1.0, identifiers=1.0, definitions_left=None)


def test_a_name_written_in_another_case_is_the_same_name():
    snake = SOURCE.replace("getUserName", "get_user_name")
    assert overlap.shared(SOURCE, snake) == overlap.Overlap(definitions=1.0, identifiers=1.0, definitions_left=None)


def test_a_rewrite_that_defines_half_of_the_source_has_half_its_definitions():
    rewritten = "import os\n\ndef get_user_name(key: str) -> str:\n    return os.environ[key]\n"
    assert overlap.shared(SOURCE, rewritten).definitions == 0.5


def test_an_invention_shares_nothing():
    invented = "def greet(person):\n    print(f'hello {person}')\n"
    assert overlap.shared(SOURCE, invented) == overlap.Overlap(definitions=0.0, identifiers=0.0, definitions_left=None)


def test_what_names_nothing_has_no_share():
    assert overlap.shared("print(1)\n", SOURCE) == overlap.Overlap(
        definitions=None, identifiers=None, definitions_left=None
    )


def test_names_in_strings_and_comments_do_not_count():
    assert overlap.shared("def alpha(): pass\n", '"""\ndef alpha(): pass\n"""\n# def alpha(): pass').definitions == 0.0


def test_pythons_own_names_do_not_count():
    assert overlap.shared("for item in range(len(self)): print(item)", "item = rb''") == overlap.Overlap(
        None, 1.0, None
    )


def test_a_rewrite_that_only_adds_loses_nothing():
    assert overlap.shared(SOURCE, SOURCE + "\n\ndef extra(thing): return thing\n").identifiers == 1.0


@given(st.text(), st.text())
def test_shares_of_any_texts_lie_between_nought_and_one(source, rewritten):
    found = overlap.shared(source, rewritten)
    for share in (found.definitions, found.identifiers, overlap.shared_words(source, rewritten)):
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("The rectangle has an area", "A Rectangle's area, perimeter and sides", 1.0),
        ("triangle with sides", "circle through points", 0.0),
        ("1 + 1 = 2", "words here", None),
    ],
)
def test_words_of_four_letters_and_more_tell_whether_two_texts_share_a_subject(one, other, share):
    assert overlap.shared_words(one, other) == share


FOUR = "def load(): pass\ndef clean(): pass\nclass Report:\n    def show(self): pass\n    def save(self): pass\ndef main(): pass\n"


@pytest.mark.parametrize(
    ("rewritten", "left"),
    [
        (FOUR, 1.0),
        (FOUR.replace("load", "read_rows").replace("clean", "drop_blanks"), 1.0),  # other names
        (
            "class Program:\n"
            + "".join(f"    def {n}(self): pass\n" for n in ("load", "clean", "show", "save", "main")),
            1.0,
        ),
        ("def load(): pass\ndef clean(): pass\n", 1 / 3),
        (FOUR.replace("def load(): pass\ndef clean(): pass\n", ""), 0.5),  # though four of six are there
        ("def helper(): pass\n" + FOUR.replace("def load(): pass\n", ""), 1.0),
    ],
)
def test_definitions_that_are_gone_without_another_in_their_place_are_missing(rewritten: str, left: float) -> None:
    assert overlap.shared(FOUR, rewritten).definitions_left == pytest.approx(left)
