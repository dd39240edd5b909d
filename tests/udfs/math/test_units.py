from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.math import units


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
        ("kilowatt-hours", Fraction(3_600_000), {"length": 2, "mass": 1, "time": -2}),
        ("fl. oz. of milk", Fraction("0.003785411784") / 128, {"length": 3}),
        ("light-years away", Fraction(9_460_730_472_580_800), {"length": 1}),
        ("square units", Fraction(1), {"unit": 2}),
        ("mF", Fraction(1, 1000), {"mass": -1, "length": -2, "time": 4, "current": 2}),
        ("cents", Fraction(1, 100), {"dollar": 1}),
    ],
)
def test_a_unit_is_read_with_its_prefix_powers_and_quotients(words, factor, dimension):
    unit, _ = units.read(words)
    assert (unit.factor, dict(unit.dimension)) == (factor, dimension)


@pytest.mark.parametrize("words", ["apples", "in total", "", "per day", "ways", "^2", "of the class"])
def test_what_is_counted_is_no_unit(words):
    assert units.read(words) == (None, words)


def test_what_follows_a_unit_is_returned():
    assert units.read("km away from home")[1] == " away from home"


@given(st.text())
def test_any_words_are_read_without_an_error(words):
    _, rest = units.read(words)
    assert words.endswith(rest)


def test_a_word_for_several_units_is_compared_as_each_of_them():
    pounds, grams, sterling, tons = (units.read(word)[0] for word in ("pounds", "grams", "gbp", "tons"))
    assert units.factors(pounds, grams) == [(Fraction("0.45359237"), Fraction(1, 1000))]
    assert units.factors(pounds, sterling) == [(1, 1)]
    assert units.factors(grams, sterling) == []
    assert units.factors(tons, grams) == [(1000, Fraction(1, 1000)), (Fraction("907.18474"), Fraction(1, 1000))]


def test_nothing_says_how_long_a_unit_is():
    area = units.read("square units")[0]
    assert units.factors(area, units.read("cm^2")[0]) == [(1, 1)]
    assert units.factors(area, units.read("cm")[0]) == []
