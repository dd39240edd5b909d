from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs import units


@pytest.mark.parametrize(
    ("words", "factor", "dimension"),
    [
        ("cm", Fraction(1, 100), {"length": 1}),
        ("square feet", Fraction("0.3048") ** 2, {"length": 2}),
        ("cm^{2}", Fraction(1, 10_000), {"length": 2}),
        ("cm squared", Fraction(1, 10_000), {"length": 2}),
        ("km/h", Fraction(5, 18), {"length": 1, "time": -1}),
        ("miles per hour", Fraction("0.44704"), {"length": 1, "time": -1}),
        ("m s^{-1}", Fraction(1), {"length": 1, "time": -1}),
        ("J s", Fraction(1), {"length": 2, "mass": 1, "time": -1}),
        ("litres of water", Fraction(1, 1000), {"length": 3}),
        ("feet tall", Fraction("0.3048"), {"length": 1}),
        ("degrees Celsius", Fraction(1), {"celsius": 1}),
        ("° C", Fraction(1), {"celsius": 1}),
        ("cents", Fraction(1, 100), {"dollar": 1}),
    ],
)
def test_a_unit_is_read_with_its_prefix_powers_and_quotients(words, factor, dimension):
    unit, _ = units.read(words)
    assert (unit.factor, dict(unit.dimension)) == (factor, dimension)


@pytest.mark.parametrize("words", ["apples", "in total", "square units", "", "per day", "ways", "^2", "of the class"])
def test_what_is_counted_is_no_unit(words):
    assert units.read(words) == (None, words)


def test_what_follows_a_unit_is_returned():
    assert units.read("km away from home")[1] == " away from home"


@given(st.text())
def test_any_words_are_read_without_an_error(words):
    _, rest = units.read(words)
    assert words.endswith(rest)
