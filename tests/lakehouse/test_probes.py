"""Probes: a text is found again in whatever holds a part of it, and is not kept."""

import json

from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.probes import found_in, hashed, probes_of

TEXT = "import os\n\n\ndef area_of_a_room(width: float, length: float) -> float:\n    return width * length\n"
LINE = "def area_of_a_room(width: float, length: float) -> float:"


def test_a_long_line_is_found_wherever_it_stands() -> None:
    wanted = set(probes_of([TEXT]))
    for place in (
        TEXT,
        f"# a quotation\n    {LINE}\n",
        json.dumps({"answer": TEXT}),
        json.dumps({"stats": json.dumps({"minValues": {"text": TEXT[:32]}})}),
        f'{{"a": 1}}\n{json.dumps({"text": f"x{chr(10)}{LINE}"})}\n',
    ):
        assert found_in(place, wanted), place


def test_short_lines_that_many_texts_have_find_nothing() -> None:
    assert not found_in("import os\n", set(probes_of([TEXT])))


def test_a_text_of_short_lines_is_known_by_its_longest_line_and_its_start() -> None:
    assert set(probes_of(["x = 1\nyy = 2\n"])) == {hashed("yy = 2"), hashed("x = 1\nyy = 2\n")}


def test_delta_keeps_the_first_32_characters_of_a_string_and_the_greatest_may_have_one_more() -> None:
    wanted = set(probes_of([TEXT]))
    assert found_in(TEXT[:32], wanted)
    assert found_in(TEXT[:32] + "\U0010ffff", wanted)


@given(st.lists(st.none() | st.text()))
def test_every_text_finds_itself(texts: list[str | None]) -> None:
    wanted = set(probes_of(texts))
    assert all(found_in(text, wanted) for text in texts if text)


@given(st.text())
def test_nothing_is_found_where_nothing_is_wanted(text: str) -> None:
    assert found_in(text, set()) == set()
