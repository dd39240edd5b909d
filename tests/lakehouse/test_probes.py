"""Probes: a text is found again in whatever holds a part of it, and is not kept."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse import probes
from recast.lakehouse.probes import WINDOW, Hashes, found_in, probes_of, spellings, windows

TEXT = "import os\n\n\ndef area_of_a_room(width: float, length: float) -> float:\n    return width * length\n"
MINIFIED = ";".join(f"function f{number}(a,b){{return a*{number}+b%{number + 7}}}" for number in range(200))


def wanted(*texts: str) -> Hashes:
    return np.unique(np.array([probe for text in texts for probe in probes_of(text)], np.int64))


@pytest.mark.parametrize(
    "place",
    [
        TEXT,
        TEXT.replace("    ", "\t").replace("\n", "\r\n"),
        f"26/11/26 WARN bad row: {TEXT[12:68]}",
        "".join(f"# {line}\n" for line in TEXT.splitlines()),
        json.dumps({"answer": TEXT}),
        json.dumps({"stats": json.dumps({"minValues": {"text": TEXT[:32]}})}),
        json.dumps({"t": TEXT}, ensure_ascii=True),
        repr({"text": TEXT}),
        "<tr><td>def area_of_a_room</td><td>(width: float, length: float) -&gt; float:</td></tr>",
    ],
)
def test_a_part_is_found_wherever_it_stands(place: str) -> None:
    assert any(len(found_in([spelling], wanted(TEXT))) for spelling in spellings(place)), place


def test_half_of_a_text_in_one_line_is_found() -> None:
    assert len(found_in([MINIFIED[len(MINIFIED) // 2 :]], wanted(MINIFIED)))


def test_what_is_too_short_to_be_anybodys_own_has_no_probes() -> None:
    assert probes_of("x = 1\nyy = 2\n") == []
    assert probes_of("") == probes_of(None) == []


def test_delta_keeps_the_first_32_characters_of_a_string_and_the_greatest_may_have_one_more() -> None:
    assert len(found_in([TEXT[:32]], wanted(TEXT)))
    assert len(found_in([TEXT[:32] + "\U0010ffff"], wanted(TEXT)))


def test_a_text_longer_than_a_piece_is_hashed_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = windows(MINIFIED)
    monkeypatch.setattr(probes, "PIECE", 100)
    probes.powers.cache_clear()
    assert windows(MINIFIED).tolist() == whole.tolist()
    probes.powers.cache_clear()


@given(st.text(min_size=WINDOW), st.text(), st.text())
def test_every_text_finds_itself_within_any_other(text: str, before: str, after: str) -> None:
    own = probes_of(text)
    assert set(found_in([before + text + after], wanted(text)).tolist()) >= set(own)
    assert len(own) <= probes.MOST + 1


@given(st.text())
def test_nothing_is_found_where_nothing_is_wanted(text: str) -> None:
    assert found_in([text], probes.NONE).tolist() == []


@given(st.text())
def test_a_text_is_among_its_own_spellings(text: str) -> None:
    assert next(spellings(text)) == text
