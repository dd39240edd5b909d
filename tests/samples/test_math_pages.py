"""The mathematics of our pages, computed again: what a page states is what comes out."""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest

from samples.math import page_names, read_page

DICE = list(itertools.product(range(1, 7), repeat=2))
EIGEN = [[4, 1], [2, 3]]
WEATHER = [[Fraction(4, 5), Fraction(1, 5)], [Fraction(2, 5), Fraction(3, 5)]]
SIX_NUMBERS = [4, 8, 15, 16, 23, 42]


def product(left: list, right: list) -> list:
    """The product of two matrices."""
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)] for row in left
    ]


def dot(a: tuple, b: tuple) -> int:
    return sum(p * q for p, q in zip(a, b, strict=True))


def cross(a: tuple, b: tuple) -> tuple:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def integral(function: Callable[[float], float], start: float, end: float, steps: int = 1_000) -> float:
    """Simpson's rule."""
    width = (end - start) / steps
    weights = [1, *([4, 2] * (steps // 2 - 1)), 4, 1]
    return sum(w * function(start + n * width) for n, w in enumerate(weights)) * width / 3


def slope(function: Callable[[float], float], at: float) -> float:
    return (function(at + 1e-6) - function(at - 1e-6)) / 2e-6


def words(letters: str, **conditions: str) -> int:
    found = set(itertools.permutations(letters))
    if "start" in conditions:
        found = {word for word in found if word[0] == conditions["start"]}
    if "inside" in conditions:
        found = {word for word in found if conditions["inside"] in "".join(word)}
    return len(found)


def switching_wins(host_knows: bool) -> Fraction:
    won = shown = Fraction(0)
    for car in (1, 2, 3):
        doors = [door for door in (2, 3) if not (host_knows and door == car)]
        for opened in doors:
            share = Fraction(1, 3 * len(doors))
            if opened != car:
                shown += share
                won += share * (5 - opened == car)
    return won / shown


A, B = (1, 2, 3), (4, -5, 6)
A_CROSS_B = cross(A, B)
# Page -> statements of the page, each with numbers that are computed here and not copied.
STATEMENTS = {
    "absolute_inequality": [
        "1 <= x <= 4" if all((abs(n / 2 - 5) <= 3) == (1 <= n / 4 <= 4) for n in range(-40, 60)) else "wrong",
        "1 < x < 5" if all((abs(3 - n / 4) < 2) == (1 < n / 4 < 5) for n in range(-40, 60)) else "wrong",
    ],
    "acid_mixture": [
        f"{(Fraction(36, 10) - Fraction(12, 5)) / (Fraction(1, 2) - Fraction(1, 5))} litres of the 50% acid"
    ],
    "adding_fractions": [f"= {Fraction(2, 3) + Fraction(3, 8)} =", f"By how much? {Fraction(2, 3) - Fraction(3, 8)}."],
    "area_parabola_line": [f"= {Fraction(integral(lambda x: x + 2 - x**2, -1, 2)).limit_denominator(100)}."],
    "arrangements_of_letter": [
        f"= {words('LETTER')}.",
        f"= {words('LETTER', start='L')}.",
        f"= {words('LETTER', inside='EE')}.",
        f"= {words('BANANA')})",
    ],
    "binary_forty_five": [f"45 = {45:b} in binary", f"so {(1000).bit_length()} bits"],
    "braking_distance_units": [
        f"= {90 / 3.6:.0f} m/s",
        f"{25 * 1.2:.0f} m before",
        f"{25**2:.0f} / 12.5 = {25**2 / 12.5:.0f} m",
        f"Altogether {12.5 * 1.2 + 12.5**2 / 12.5:.1f} m",
    ],
    "complex_quotient": ["= 1/2 + (5/2)i" if (3 + 2j) / (1 - 1j) == 0.5 + 2.5j else "wrong", f"= sqrt({1 + 25})/2."],
    "compound_interest_two_ways": [
        f"${2500 * 1.04**3:,.2f}",
        f"${2500 * (1 + 0.04 / 12) ** 36:,.2f}",
        f"{1.04**3:.6f}",
        f"{(1 + 0.04 / 12) ** 36:.6f}",
    ],
    "cooling_coffee": [f"\\approx {5 * math.log(3.5) / math.log(1.4):.1f}$", f"\\approx {math.log(7 / 5) / 5:.4f}$"],
    "cosine_rule_sides": [f"\\sqrt{{{7**2 + 8**2 - 7 * 8}}} \\approx {math.sqrt(57):.2f}$", "120"],
    "divisible_by_three_or_five": [
        f"= {sum(n % 3 == 0 or n % 5 == 0 for n in range(1, 1001))}.",
        f"= {sum(n % 3 != 0 and n % 5 != 0 for n in range(1, 1001))}.",
        f"= {sum(n % 2 == 0 or n % 3 == 0 or n % 5 == 0 for n in range(1, 1001))}.",
    ],
    "dot_and_cross": [
        f"= {dot(A, B)}",
        f"= {A_CROSS_B}",
        f"sqrt({dot(A_CROSS_B, A_CROSS_B)}), about {math.sqrt(dot(A_CROSS_B, A_CROSS_B)):.2f}",
        f"about {math.degrees(math.acos(dot(A, B) / math.sqrt(dot(A, A) * dot(B, B)))):.1f} degrees",
    ],
    "eigenvalues_five_two": [
        "trace 7, determinant 10" if (4 + 3, 4 * 3 - 1 * 2) == (7, 10) else "wrong",
        "\\lambda = 5$ or $\\lambda = 2$"
        if {n for n in range(-9, 9) if n * n - 7 * n + 10 == 0} == {2, 5}
        else "wrong",
        f"= {sum(product(EIGEN, product(EIGEN, EIGEN))[n][n] for n in (0, 1))}$",
    ],
    "euclid_bezout": [f"not zero is {math.gcd(1386, 1078)}.", f"{4 * 1078} - {3 * 1386} = {4 * 1078 - 3 * 1386}"],
    "fair_game": ["one third of a coin"]
    if Fraction(6 + 2, 6) - Fraction(3, 2) * Fraction(4, 6) == Fraction(1, 3)
    else ["wrong"],
    "fencing_a_field": [
        f"area {max(n * (240 - 2 * n) for n in range(121))} m^2",
        f"area {max(n * (120 - n) for n in range(121))} m^2, exactly half",
        f"area {max(n * (240 - 3 * n) for n in range(81))} m^2. Notice",
        f"y = 80, area {90 * 80} m^2" if 8 * 90 + 9 * 80 == 1440 else "wrong",
    ],
    "garden_quadratic": [f"w = {next(w for w in range(99) if w * (w + 3) == 70)} (", f"2(7 + 10) = {2 * (7 + 10)} m"],
    "implicit_tangent": [
        "4x + 5y = 14" if (4 * 1 + 5 * 2, -Fraction(2 * 1 + 2, 1 + 2 * 2)) == (14, -Fraction(4, 5)) else "wrong"
    ],
    "interval_for_mean": [f"from {52.3 - 1.96:.2f} g to {52.3 + 1.96:.2f} g", f"as many: {64 * 4}."],
    "inverse_two_by_two": [
        f"= {4 * 6 - 7 * 2}. Swap",
        "(-0.8, 0.6)^T" if product([[4, 7], [2, 6]], [[-4], [3]]) == [[5], [10]] else "wrong",
    ],
    "ladder_related_rates": [f"= {-(6 / 8) * 0.5:.3f}."],
    "largest_open_box": [f"= {max(n * (12 - 2 * n) ** 2 for n in range(7))} cm^3"],
    "last_digit_of_power": [f"Ans: {pow(7, 2023, 10)}", f"Ans: {(pow(3, 100, 10) + pow(4, 100, 10)) % 10}"],
    "limit_one_minus_cosine": ["-> 9/2." if round((1 - math.cos(3e-4)) / 1e-8, 4) == 4.5 else "wrong"],
    "multiples_of_seven": [
        f"= {sum(range(7, 500, 7))}.",
        f"n = {next(n for n in range(300) if sum(range(n, n + 10)) == 2015)}.",
        f"({sum(range(1, 200, 2))} and {sum(range(2, 201, 2))},",
    ],
    "normal_score_640": [f"= {1 - statistics.NormalDist(500, 100).cdf(640):.4f}", "about 970"],
    "paper_cone": [
        f"s = {math.isqrt(5**2 + 12**2)} cm",
        f"= {100 * math.pi:.2f} cm3",
        f"= {90 * math.pi:.2f} cm2",
        f"{360 * 5 / 13:.1f} degrees",
    ],
    "parts_exponential": [f"\\approx {integral(lambda x: x * math.exp(2 * x), 0, 1):.3f}$"],
    "percent_worksheet": [
        f"1. {240 * 15 // 100}\n",
        f"2. {100 * 18 // 72}%",
        f"3. {45 * 100 // 30}\n",
        f"4. {350 * 1.19:.2f}",
        f"5. {100 * 1200 // 8000}% ({9200 - 8000:,} of",
        f"6. {34 * 100 // 85} euros",
        f"7. {100 - 120 * 80 // 100}%",
        f"8. {100 * (25 - 14) // 25}%",
        f"wrote {34 * 1.15:.2f}",
    ],
    "point_to_plane": [f"= |{2 - 2 + 6 - 3}| / 3 = 1", "(1/3, 7/3, 7/3)"],
    "positive_test": [f"= {0.0095 / (0.0095 + 0.0396):.3f}.", f"95 + 396 = {95 + 9900 * 4 // 100} positive"],
    "product_rule_value": [f"about {slope(lambda x: x**2 * math.sin(x), math.pi):.2f}", "g(-1) = -1/e"],
    "regression_by_hand": [
        f"y = {statistics.linear_regression([1, 2, 3, 4], [2, 3, 5, 6]).slope:.1f}x "
        f"+ {statistics.linear_regression([1, 2, 3, 4], [2, 3, 5, 6]).intercept:.1f}",
        f"Sum of squares {0.1**2 + 0.3**2 + 0.3**2 + 0.1**2:.1f}.",
    ],
    "repeating_decimal": [f"= {Fraction(27, 99)}.", f"= {Fraction(1, 10) + Fraction(6, 90)}\n"],
    "root_three_irrational": ["Contradiction"],
    "sale_twice_reduced": [f"You pay ${80 * 0.75 * 0.9:.0f}.", f"= {100 * (80 - 54) / 80}%"],
    "sector_of_circle": [f"{12 * math.pi / 9:.2f} cm (rounded)", f"{4 * math.pi:.2f} cm2", f"{3 * math.pi:.2f} cm2)"],
    "seven_heads": [
        f"So {math.comb(10, 7)}/1024 = {Fraction(math.comb(10, 7), 1024)}",
        f"{sum(math.comb(10, k) for k in (7, 8, 9, 10))}/1024 = {Fraction(176, 1024)}",
        f"= {120 * 0.6**7 * 0.4**3:.3f}.",
    ],
    "shadow_of_tree": [f"= {12.6 * 1.75 / 2.1:.1f} m."],
    "sine_quadratic": [
        "pi/2, 7pi/6, 11pi/6"
        if all(
            abs(2 * math.sin(t) ** 2 - math.sin(t) - 1) < 1e-9 for t in (math.pi / 2, 7 * math.pi / 6, 11 * math.pi / 6)
        )
        else "wrong"
    ],
    "sliding_ladder": [f"comes down {6 - math.sqrt(6.5**2 - 3.9**2):.1f} m", f"= {6.5**2 - 3.9**2:.2f}, root is"],
    "spread_of_six_numbers": [
        f"/ 6 = {statistics.mean(SIX_NUMBERS)}.",
        f"/ 2 = {statistics.median(SIX_NUMBERS)}.",
        f"population: {statistics.pvariance(SIX_NUMBERS):.2f}.",
        f"sample: {statistics.variance(SIX_NUMBERS)}.",
        f"{statistics.pstdev(SIX_NUMBERS):.2f} for the population, {statistics.stdev(SIX_NUMBERS):.2f} for the sample",
    ],
    "stars_and_bars_ten": [
        f"= {sum(1 for a in range(11) for b in range(11 - a))}.",
        f"= {sum(1 for a in range(1, 9) for b in range(1, 10 - a))}.",
        f"= {3**10}.",
    ],
    "sum_of_logs": [f"So x = {next(n for n in range(3, 99) if n * (n - 2) == 8)}. Check"],
    "taylor_logarithm": [f"True value {math.log(1.1):.7f}", f"about {0.1 - 0.005 + 0.001 / 3 - math.log(1.1):.6f}."],
    "three_bells": [f"= {math.lcm(12, 18, 30)} minutes", f"180 / 12 = {180 // 12} times"],
    "three_doors_argument": [
        f"probability {switching_wins(host_knows=True)}.",
        "Then it IS 50:50" if switching_wins(host_knows=False) == Fraction(1, 2) else "wrong",
    ],
    "three_remainders": [
        f"So $x = {next(n for n in range(1, 141) if (n % 4, n % 5, n % 7) == (2, 3, 5))}$.",
        f"= {2 * 35 * 3 + 3 * 28 * 2 + 5 * 20 * 6} = 6",
    ],
    "three_unknowns": ["1+2+3 = 6, 2-2+3 = 3, 1+4-3 = 2"],
    "train_catches_up": [f"80 = {80 * 4.5:.0f} km out" if 80 * 4.5 == 60 * 6 else "wrong", f"90/20 = {90 / 20} hours"],
    "trapezoid_lost_figure": [
        f"= {4 * (14 + 8) // 2}\n",
        f"sqrt({4**2 + 11**2}), about {math.sqrt(137):.2f}",
        f"{4 * 7}/11, about {28 / 11:.2f}",
        f"t = {Fraction(16 + 4**2 - 49, 2 * 4)}:",
        f"R is about {math.sqrt(3425 / 64):.2f}",
    ],
    "two_dice_ten": [
        f"{sum(a + b >= 10 for a, b in DICE)}/36 = {Fraction(6, 36)}",
        f"= {Fraction(sum(a + b <= 9 for a, b in DICE), 36)}.",
    ],
    "two_hearts": [
        f"= {Fraction(13 * 12, 52 * 51)}.",
        f"= {Fraction(39 * 38, 52 * 51)}.",
        f"= {1 - Fraction(39 * 38, 52 * 51)}, about 44.1%",
    ],
    "two_pumps": [
        f"= {Fraction(1, 4) + Fraction(1, 6)}\n",
        "2 hours 24 minutes" if Fraction(12, 5) * 60 == 144 else "wrong",
    ],
    "weather_chain": [
        f"({float(product(WEATHER, WEATHER)[0][0])}, {float(product(WEATHER, WEATHER)[0][1])})",
        "$p = 2/3$",
        f"eigenvalues of $P$ are 1 and {float(WEATHER[0][0] + WEATHER[1][1] - 1)}",
        f"= {0.72 - 2 / 3:.4f}",
        f"= {1 / 0.4}$ days",
    ],
}


def test_every_page_is_checked() -> None:
    assert sorted(STATEMENTS) == page_names()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_page_states_what_comes_out(name: str) -> None:
    text = read_page(name).text or ""
    assert STATEMENTS[name]
    for statement in STATEMENTS[name]:
        assert statement in text


def test_no_two_pages_say_the_same() -> None:
    assert max(Counter(read_page(name).text for name in page_names()).values()) == 1
