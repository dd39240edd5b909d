import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.math import expressions


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("2+3*4", Fraction(14)),
        (r"\frac12", Fraction(1, 2)),
        (r"1\frac{1}{2}", Fraction(3, 2)),
        ("1 1/2", Fraction(3, 2)),
        ("2^{10}", Fraction(1024)),
        ("2^10", Fraction(1024)),
        ("-2^2", Fraction(-4)),
        (r"\sqrt{\frac{9}{4}}", Fraction(3, 2)),
        (r"\sqrt[3]{-27}", Fraction(-3)),
        (r"\binom{5}{2}", Fraction(10)),
        ("5!", Fraction(120)),
        ("50%", Fraction(1, 2)),
        ("|3-5|", Fraction(2)),
        (r"\lfloor 3.7 \rfloor", Fraction(3)),
        (r"\pi", math.pi),
        (r"\sin 30°", 0.5),
        (r"\log_2 8", 3.0),
        (r"\tan^{-1} 1", math.pi / 4),
        ("e^{0}", 1.0),
    ],
)
def test_a_number_is_computed_exactly_where_it_can_be(formula, value):
    (found,) = expressions.read(formula).values
    assert expressions.close(found, value if isinstance(value, Fraction) else complex(value))
    assert isinstance(found, Fraction) == isinstance(value, Fraction)


@pytest.mark.parametrize(
    "formula", ["", "2 3", "2 +", "(2", "2)", r"\frac{1}{", r"\unknown{2}", "1/0", "x^", "|x", "a = b", "{}"]
)
def test_what_is_no_formula_or_has_no_value_is_not_read(formula):
    assert expressions.read(formula) is None


@pytest.mark.parametrize("formula", ["9^{9^{9}}", "2^{99999999999}", "(10^9)!", "10^{5000}" * 9, "x^{10^{10}}"])
def test_what_is_too_large_is_not_computed(formula):
    assert expressions.read(formula) is None


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_a_product_equals_its_expansion_and_no_other(a, b, c):
    product = expressions.read(f"(x+({a}))*(x+({b}))")
    assert expressions.equal(product, expressions.read(f"x^2+({a + b})x+({a * b})"))
    assert expressions.equal(product, expressions.read(f"x^2+({a + b})x+({c})")) == (c == a * b)


def test_one_expression_is_a_constant_times_the_other_or_not():
    one, other = expressions.read("2x+4y"), expressions.read("x+2y")
    assert expressions.ratio(one, other) == 2
    assert expressions.ratio(one, expressions.read("x+y")) is None


def test_equations_have_the_same_solutions_if_each_ones_solve_the_other():
    one = expressions.difference(expressions.read("y"), expressions.read(r"\frac{1}{x}"))
    assert expressions.same_solutions(one, expressions.read("xy-1"))
    assert not expressions.same_solutions(one, expressions.read("xy-2"))


@given(st.text(max_size=100) | st.text("0123456789+-*/^(){}|xy!%.\\ ", max_size=100))
def test_any_text_is_read_without_an_error(text):
    found = expressions.read(text)
    assert found is None or any(value is not None for value in found.values)


@pytest.mark.parametrize(
    "formula",
    [r"e^{-1000}", r"\exp(-1000)", r"\pi^{-700}", r"\sqrt2*10^{-400}", r"xe^{-1000}", r"\frac{e^{-500}}{e^{500}}"],
)
def test_what_is_too_small_for_floating_point_has_no_value_and_is_not_zero(formula):
    assert expressions.read(formula) is None


@pytest.mark.parametrize(
    "formula", [r"\sin\pi", r"\cos\frac{\pi}{2}", r"\tan 100\pi", r"\sin 180°", r"\cot\frac{3\pi}{2}"]
)
def test_a_trigonometric_function_is_zero_at_its_zeros(formula):
    assert expressions.read(formula).values == (0,)


@given(st.integers(1, 10**40), st.integers(2, 9))
def test_a_root_of_a_power_is_exact_whatever_its_size(number, degree):
    assert expressions.read(rf"\sqrt[{degree}]{{{number}^{degree}}}").values == (number,)


def test_an_absolute_value_is_not_linear():
    assert expressions.line(expressions.read("|x|"), "x") is None
