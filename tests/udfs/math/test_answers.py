import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.math import answers as mathanswers
from recast.udfs.math.answers import answers, conclusions, same, shared
from recast.udfs.math.reading import read_math_answer
from tests.udfs.readings import MATH_SQL, verdict

PAGE = """Home > Forum | 12:45 pm, 03/11/2012, Jan 14, 2013
rectangle has perimeter 26 and its area is 40
so a + b = 13 and ab = 40, roots of t^2 - 13t + 40 = 0, hence 8 and 5
Answer: 8
Copyright 2012-2019 | https://example.org/t/5120?page=77
"""
REWRITE = r"""A rectangle has a perimeter of 26 and an area of 40.
From $a + b = 13$ and $ab = 40$ the sides solve $t^2 - 13t + 40 = 0$, so $a = 8$ and $b = 5$.
The longer side is $\boxed{8}$."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "42.0"),
        ("$1,234$", "1234"),
        ("1{,}234", "1234."),
        ("3/4", r"\frac{3}{4}"),
        ("0.75", r"\dfrac34"),
        ("1 1/2", r"$1\frac{1}{2}$"),
        ("x = 3", "$3$"),
        ("f(x) = 3", "3"),
        ("50%", "0.5"),
        ("50%", r"50\%"),
        ("50%", "50"),
        ("45 dollars", r"\$45"),
        ("12 cm^2", r"12 \text{ cm}^2"),
        ("30 degrees", r"$30^\circ$"),
        ("1.2 \N{MULTIPLICATION SIGN} 10^3", "1200"),
        ("\N{MINUS SIGN}5", "-5"),
        ("0.193", "95/491"),
        ("(D) 12", "12"),
        ("D", "(d) 12"),
        ("Yes", "yes."),
        ("(1, 2)", "$(1,2)$"),
    ],
)
def test_answers_written_differently_are_the_same(one, other):
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5", "6"),
        ("3", "-3"),
        ("0.19", "0.25"),
        ("7", "7.4"),
        ("even", "odd"),
        ("2 hours 24 minutes", "2 hours"),
        ("", ""),
        ("0.5%", "5"),
    ],
)
def test_other_answers_are_not_the_same(one, other):
    assert not same(one, other)
    assert not same(other, one)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (r"\sqrt{8}", r"$2\sqrt{2}$", True),
        ("sqrt(8)", "2*sqrt(2)", True),
        ("(x+1)^2", "$x^2+2x+1$", True),
        ("y = 2x + 1", "2x + 1", True),
        ("1/2 + (5/2)i", r"\frac12 + \frac52 i", True),
        (r"x=2 \text{ or } x=3", r"x=3 \text{ or } x=2", True),
        ("x^2", "x^3", False),
        ("3x", "3", False),
        ("1/0", "0", False),
        (r"\sqrt{57}", "7", False),
    ],
)
def test_expressions_are_compared_by_what_they_mean(one, other, verdict):
    assert same(one, other) is verdict


@pytest.mark.parametrize(
    "answer",
    [
        "9^{9^{9}}",
        "9**9**9",
        "2^{100000000}",
        "(10^9)!",
        r"\sum_{i=1}^{10^9} i^i",
        r"\int_0^1 e^{\sin(x^5)} dx",
        "(" * 60 + "x" + ")" * 60,
        "__import__('os').abort()",
        "1" * 100_000,
        "\ud800\x00",
    ],
)
def test_what_could_take_long_or_do_harm_is_compared_as_text_alone(answer):
    started_s = time.process_time()
    assert not same(answer, "1 + x")
    assert time.process_time() - started_s < 1


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (r"so \boxed{\frac{1}{2}} and then \boxed{3}", [r"\frac{1}{2}", "3"]),
        ("The answer is 42. Thanks!", ["42"]),
        ("**Answer:** $x = 5$", ["$x = 5$"]),
        ("Ans. 7 cm", ["7 cm"]),
        ("reasoning\n#### 18\n", ["18"]),
        (r"The answer is $\boxed{4}$.", ["4"]),
        ("Nobody answers. The end", []),
        ("2 + 2 = 4, and 3 * 4 = 6 + 6 = 12. So what", ["4", "12"]),
        ("= 1/2 + (5/2)i", []),
        (r"\boxed{never closed", []),
    ],
)
def test_the_answers_of_a_page_are_those_it_states_or_else_the_ends_of_its_equations(page, found):
    assert answers(page) == found


def test_few_answers_are_looked_at():
    page = "\n".join(f"Answer: {n}" for n in range(100))
    assert answers(page) == [str(n) for n in range(92, 100)]


def test_a_page_comes_to_its_formulas_and_to_what_follows_its_equals_signs():
    assert {"a = 8", "8", "b = 5", "40"} <= set(conclusions(REWRITE))


def test_a_faithful_rewrite_keeps_answer_and_numbers_though_it_drops_dates_and_links():
    assert shared(PAGE, REWRITE) == mathanswers.MathOverlap("8", "8", answers_kept=1.0, numbers_kept=1.0)


def test_a_rewrite_with_another_answer_does_not_keep_the_answer():
    wrong = REWRITE.replace("8", "9")
    assert shared(PAGE, wrong).answers_kept == 0.0


def test_a_rewrite_about_something_else_keeps_no_numbers():
    assert shared(PAGE, r"The integral of $x$ is $\frac{x^2}{2} + C$.").numbers_kept == 0.0


def test_a_page_without_formulas_has_no_shares():
    assert shared("Only words here.", REWRITE) == mathanswers.MathOverlap(None, "8", None, None)


@given(st.text(), st.text())
def test_any_two_texts_are_compared_without_an_error(source, rewritten):
    found = shared(source, rewritten)
    for share in (found.answers_kept, found.numbers_kept):
        assert share is None or 0 <= share <= 1


@given(
    st.lists(st.sampled_from(["=", "$", "\\frac{", "}", "12", ",", ".", "%", "answer: ", "\\boxed{", "/", " ", "\n"]))
)
def test_any_run_of_the_signs_of_mathematics_is_compared_without_an_error(signs):
    page = "".join(signs)
    kept = shared(page, page)
    assert kept.numbers_kept in (None, 1.0)
    assert kept.answers_kept in (None, 1.0)


@given(st.fractions(-(10**12), 10**12, max_denominator=999))
def test_a_fraction_is_the_same_in_plain_text_and_in_latex(value):
    sign = "-" if value < 0 else ""
    latex = rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    assert same(f"{value.numerator}/{value.denominator}", latex)


@pytest.mark.slow
def test_a_hostile_page_takes_time_linear_in_its_length():
    pages = [
        "x" * 200_000,
        "= 1 " * 50_000,
        "$1$" * 60_000,
        "answer: " * 25_000,
        "\\boxed{" * 28_000,
        "\\frac" * 40_000,
    ]
    started_s = time.process_time()
    for page in pages:
        shared(page, page)
    assert time.process_time() - started_s < 4  # it takes 0.6 s; a quadratic scan takes minutes


CASES = json.loads((Path(__file__).parents[2] / "cases" / "math_pages.json").read_text(encoding="utf-8"))
BEFORE = "A class looks at a problem about numbers and lengths. The teacher explains every step with care.\n\n"
PAGES = [
    (r"The answer is $\boxed{5}$ cm.", r"So it is $\boxed{5}$ km.", False),
    (r"The answer is $\boxed{5}$ cm.", r"So it is $\boxed{5}\text{ km}$.", False),
    (r"$\boxed{1101}_2$", r"$\boxed{1101}_7$", False),
    (r"$\boxed{1101_2}$", r"$\boxed{1101}_2$", True),
    (r"$x = \boxed{5}$", r"$x=\boxed{5}$", True),
    (r"The area is $\boxed{50}\%$", r"$\boxed{0.5}$", True),
    ("a = 8, b = 5. Answer: 8", r"$a=8$ and $b=5$, so $\boxed{5}$.", False),
    ("Answer: 8. Bye", r"We get $4+4=8$ and $\boxed{9}$", False),
    ("The answer is:\n\n$$3x - 4$$\n", "The answer is\n\\[\n3x - 5\n\\]", False),
    ("The answer is:\n\n$$3x - 4$$\n", "The answer is\n\\[\n3x - 4\n\\]", True),
    ("The solutions are $x = 2$ and $x = 5$.", r"So $x=5$ or $x = 2$. $\boxed{2, 5}$", True),
    ("The final answer is 42.", r"**Final Answer:** $\boxed{42}$", True),
    ("The answer to this question is 42.", r"\boxed{43}", False),
    ("So the answer should be 12 apples", r"\boxed{12}", True),
    ("#### 18", "The answer is 18.", True),
    ("#### 18", "The answer is 19.", False),
    ("The answers are in the back of the book. $x = 3$", r"\boxed{3}", True),
    ("The answer is simple. $2+3=5$.", r"\boxed{5}", True),
    ("The answer is yes, since 5 is prime.", r"\boxed{\text{yes}}", True),
    ("The answer is yes, since 5 is prime.", r"\boxed{\text{no}}", False),
    ("Answer: no", "The answer is no.", True),
    ("The answer is Monday.", "The answer is Tuesday.", False),
    ("Answer: (B)", "The answer is (C).", False),
    ("Answer: (B) 12", "The answer is B.", True),
    ("The correct answer is B.", r"$\boxed{\text{(B)}}$", True),
    ("The correct answer is option D.", r"$\boxed{D}$", True),
    ("The answer is 12 (see figure 3).", r"\boxed{12}", True),
    ("The answer is 3 out of 4.", r"\boxed{\frac34}", True),
    ("The answer is 5 - but only just.", r"\boxed{5}", True),
    ("Answer: 5 m/s | Home | Next", r"\boxed{5}\ \text{m/s}", True),
    ("Answer: 2 hours and 24 minutes", r"$\boxed{144}$ minutes", True),
    ("The answer is 1/2 (one half).", r"\boxed{0.5}", True),
    ("Answer: $12.50", r"\boxed{\$12.50}", True),
    ("Answer: $12.50 each", r"\boxed{12.5}", True),
    (r"The answer is \(x=3\).", r"\(\boxed{x=4}\)", False),
    ("The answer is -3", r"\boxed{3}", False),
    ("The answer is −3", r"\boxed{-3}", True),
    ("The answer is 6.63e-34 J s", "The answer is 6.63e-31 J s", False),
    ("Answer = 5", "Answer = 6", False),
    ("ANSWER: 5", "answer: 5", True),
    ("The answers: 3, 7", "The answers: 7, 3", True),
    ("The answer is $5$. The answer is $6$. The answer is $7$.", r"\boxed{7}, and $a=5$, $b = 6$", True),
    ("The roots are 3 and -2.", r"x=3 or x=-2: \boxed{3, -2}", True),
    ("The roots are 3 and -2.", r"\boxed{4, -1}", False),
    ("The answer is **42**.", r"\boxed{42}", True),
    ("The answer is `42`", r"\boxed{42}", True),
    ("The answer is approximately 3.14.", r"\boxed{3.14}", True),
    ("The answer is about 1,200 people", r"\boxed{1200}", True),
    ("The answer is 12.5%.", r"\boxed{\frac18}", True),
    ("The answer is three.", r"\boxed{3}", True),
    ("The answer is three.", r"\boxed{4}", False),
    ("The answer is undefined", r"\boxed{\text{undefined}}", True),
    ("The answer is infinity", r"\boxed{\infty}", True),
    ("The answer is no solution.", r"\boxed{\emptyset}", True),
    ("The answer is $y = 2x + 1$, a line.", r"$\boxed{2x - y + 1 = 0}$", True),
    ("Answer: y = 2x + 1", r"$\boxed{y = 2x - 1}$", False),
    ("The answer is f(x) = 3x - 2 for all x", r"\boxed{f(x)=3x-2}", True),
    ("The answer is n - 1 where n counts the sides", r"\boxed{n}", False),
    ("Answer: a - b", "Answer: a + b", False),
    ("Answer: 10 - x dollars", "Answer: 10 - y dollars", False),
    ("Answer: 2 - sqrt(3)", "Answer: 2 - sqrt(2)", False),
    ("Answer: 2 - √3", r"\boxed{2-\sqrt{3}}", True),
    ("Answer: 5 - 3 = 2", r"\boxed{2}", True),
    ("Answer: x - 3 = 0; y = 2", "Answer: x = 3; y = 2", True),
    ("The answer is 7 – the others cancel.", r"\boxed{7}", True),
    ("Answer: 4 - 5 days", "Answer: 4 - 6 days", False),
    ("The answer is 3 - 2i.", "The answer is 3 - 4i.", False),
    ("The answer is 12 - not 13!", r"\boxed{12}", True),
    ("The answer is (x - 3)(x + 2)", r"\boxed{x^2 - x - 6}", True),
    ("Final Answer: The final answer is $5$. I hope it is correct.", "$\\boxed{5}$", True),
    ("Final Answer: The final answer is $5$. I hope it is correct.", "$\\boxed{6}$", False),
    ("The answer is therefore $3x - 4$.", "The answer is thus $3x - 5$.", False),
    ("The answer is therefore $3x - 4$.", "\\boxed{3x-4}", True),
    ("The answer is given by $x = 4$.", "\\boxed{4}", True),
    ("Answer: The area is 64 cm", "\\boxed{64}\\text{ cm}", True),
    ("Answer: There are 12 ways.", "\\boxed{12}", True),
    ("Answer: There are 12 ways.", "\\boxed{13}", False),
    ("Answer: at least 5", "Answer: at most 5", False),
    ("The answer is $x = 3; y = 4$.", "The answer is $x = 3; y = 5$.", False),
    ("The answer is $x = 3; y = 4$.", "So $x = \\boxed{3}$ and $y = \\boxed{4}$", True),
    ("The answer is $x = 3$ and $y = 4$.", "So $x = \\boxed{4}$ and $y = \\boxed{3}$", False),
    ("Answer: |x - 3| - 2", "Answer: |x - 3| - 4", False),
    ("The answer is $P(A | B) = 0.3$.", "The answer is $P(A | B) = 0.4$.", False),
    ("The answer is $\\{x | x > 2\\}$.", "The answer is $\\{x | x > 3\\}$.", False),
    ("The answer is $[2; 5]$", "The answer is $[2; 6]$", False),
    ("Answer: 13 - 2v | Login", "Answer: 13 - 3v", False),
    ("Answer: 2x - 7; see page 4", "\\boxed{2x-7}", True),
    ("Answer: 2x - 7; see page 4", "\\boxed{2x-8}", False),
    ("The answer is 4 \\mid 12", "The answer is 4 \\mid 16", False),
    ("The answer is a - b | c", "The answer is a + b | c", False),
    ("the answer is 3x – 4", "the answer is 3x – 5", False),
    ("the answer is 3x — 4", "the answer is 3x — 4", True),
    ("The answer is $f(x; a) = a - x$.", "The answer is $f(x; a) = a + x$.", False),
    ("The answer is $3x$ - $4$.", "The answer is $3x$ - $5$.", False),
    ("The answer is $\\|v\\| - 3$", "The answer is $\\|v\\| - 4$", False),
    ("The answer is 5x - 3 dollars.", "The answer is 5x - 4 dollars.", False),
    ("The answer is $x > 2; x < 5$", "The answer is $x > 2; x < 6$", False),
    ("The answer is (2 | 3).", "The answer is (2 | 4).", False),
    ("The answer is $5 - \\sqrt{2}$ - a little more than 3.", "$\\boxed{5-\\sqrt2}$", True),
    ("Answer: n(n - 1) - 2", "Answer: n(n - 1) - 3", False),
    ("Answer: 3 - x - y", "Answer: 3 - x - z", False),
    ("Answer: $40 - $4x", "Answer: $40 - $5x", False),
    ("Answer: 100 - 5t m", "Answer: 100 - 6t m", False),
    ("Answer: sin x - cos x", "Answer: sin x - 2 cos x", False),
    ("Answer: x^2 - 1 - this factors nicely", "Answer: x^2 - 1", True),
    ("Answer: e^x - 1", "Answer: e^x - 2", False),
    ("Answer: 2 - 5/x", "Answer: 2 - 6/x", False),
    ("Answer: 2^n - 1", "Answer: 2^n - 2", False),
    ("Answer: y = 5 - 2x", "Answer: y = 5 - 3x", False),
    ("Answer: -b - 4ac", "Answer: -b - 5ac", False),
    ("Answer: pi - 3", "Answer: pi - 2", False),
    ("Answer: 12 - n apples", "Answer: 12 - m apples", False),
]
CLAUSES = [
    ("3x - 4 apples", "3x - 4 apples"),
    ("12 - 3 boxes of 4", "12"),
    ("5 cm - that is all", "5 cm"),
    ("x = 2 and y = 3, so we are done", "x = 2 and y = 3"),
    ("3 and 7 because they add up", "3 and 7"),
    ("12 and we are done", "12"),
    ("(1; 2) as shown", "(1; 2)"),
    ("$x > 3$ | Login | Share", "$x > 3$"),
    ("42 | Share", "42"),
    ("7; the rest is easy", "7"),
    ("x = 2; x = 5", "x = 2; x = 5"),
    ("5, which is prime", "5"),
    ("3, 5, and 7", "3, 5, and 7"),
    ("3, 5 and 7 are primes", "3, 5"),
    ("yes, because it is even", "yes"),
    ("a + b - c", "a + b - c"),
    ("5 - 2i", "5 - 2i"),
    ("-3", "-3"),
    ("4 – not 5", "4"),
    ("x - 1 or x + 1", "x - 1 or x + 1"),
    ("2.5 cm. Good", "2.5 cm"),
    ("$3x - 4$ - an odd one", "$3x - 4$"),
    ("$a | b$", "$a | b$"),
    ("sqrt(5) - 1", "sqrt(5) - 1"),
    ("12 - see the picture", "12"),
    ("3 apples and 7 oranges", "3 apples and 7 oranges"),
    ("2 hours and 24 minutes", "2 hours and 24 minutes"),
    ("9 - 4 = 5", "9 - 4 = 5"),
    ("8 - I checked it", "8"),
    ("8 - a prime? no", "8"),
    ("n - 1 where n is odd", "n - 1"),
    ("3/4 - 1/2 x", "3/4 - 1/2 x"),
    ("17 -- exactly", "17"),
    ("50% - half of them", "50%"),
    ("$5 - each costs that", "$5"),
    (r"\(x - 1\); see above", r"\(x - 1\)"),
    ("10 m - 3 m", "10 m - 3 m"),
    ("x^2 - 4x + 4 - which is a square", "x^2 - 4x + 4"),
    ("12 - 4x apples", "12 - 4x apples"),
    ("12 - 5 of them are red", "12"),
    ("p | q", "p"),
    ("|x - 2| - 1", "|x - 2| - 1"),
    ("5 or 6", "5 or 6"),
    ("B - Newton", "B"),
    ("4 and it is even", "4"),
    ("x=3 or x=-3, but only x=3 works", "x=3 or x=-3"),
    ("$x=1$; $y=2$", "$x=1$; $y=2$"),
]


def verdict_on(source, answer):
    found = read_math_answer(BEFORE + source, "Step by step. " + BEFORE + answer, "answered", "stop")
    return found, verdict(found, MATH_SQL)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_reported_page_gets_its_right_verdict(case):
    found, reason = verdict_on(case["source_tail"], case["answer_tail"])
    assert reason == case["right_reason"]
    if "right_answers_kept" in case:
        assert found.answers_kept == case["right_answers_kept"]


def test_what_a_page_states_as_its_answer_is_compared_with_what_its_rewrite_states():
    shares = [(source, answer, shared(source, answer).answers_kept, kept) for source, answer, kept in PAGES]
    assert [case for case in shares if (case[2] >= 0.4) is not case[3]] == []


def test_an_answer_ends_where_prose_begins_and_not_inside_a_formula():
    found = [(words, mathanswers.first_clause(words)) for words, _ in CLAUSES]
    assert found == CLAUSES


@pytest.mark.parametrize("kind", ["minus", "list", "unit"])
def test_a_stated_answer_outweighs_what_stands_in_the_formulas(kind):
    source = {
        "minus": "a = 8, b = 5. Answer: 8",
        "list": "p = 11, q = 12. Answer: 11",
        "unit": "$4 \\cdot 16 = 64$. Answer: 64 cm",
    }[kind]
    wrong = {
        "minus": "$a = 8$ and $b = 5$: $\\boxed{5}$",
        "list": "$p = 11$, $q = 12$: $\\boxed{12}$",
        "unit": "$4 \\cdot 16 = \\boxed{64}$ km",
    }[kind]
    assert shared(source, wrong).answers_kept == 0.0


def test_values_of_several_variables_are_one_answer_and_values_of_one_are_several():
    assert shared("The answer is $x = 2, y = 3$.", "The answer is $x = 2, y = 4$.").answers_kept == 0.0
    assert shared("The answers are $x = 2, x = 3$.", "The answers are $x = 2, x = 4$.").answers_kept == 0.5


def test_numbers_of_an_answer_kept_in_another_form_are_kept():
    found = shared("The answer is $9.53$.", "The answer is $\\frac{953}{100}$.")
    assert (found.answers_kept, found.numbers_kept) == (1.0, 1.0)


@pytest.mark.parametrize("digits", ["1" + ",000" * 1500, "7" * 20_000, "0." + "3" * 20_000, "1e" + "9" * 5_000])
def test_a_number_of_any_length_is_read_without_an_error(digits):
    page = f"The total is $x = {digits}$.\nThe answer is {digits}.\nAnswer: 5\n"
    assert shared(page, page).answers_kept is not None


SHARES = [
    (r"Answer: 5 ohms", r"\boxed{5}\ \mathrm{A}", 0.0),
    (r"Answer: $5\ \mathrm{\Omega}$", r"\boxed{5}\ \Omega", 1.0),
    ("Answer: 6'2\"", "Answer: 74 inches", 1.0),
    ("Answer: 25 with remainder 3", r"Answer: $25 \text{ R } 3$", 1.0),
    ("The answer is 3.", "The answers are 3 and 4.", 0.5),
    ("The answer is $4x$.", "The answer is $4x$ or $5x$.", 0.5),
    (r"\boxed{2, 3}", r"\boxed{2, 3, 9}", 2 / 3),
    ("The answers are 3 and 7.", "The answers are 3 and 8.", 0.5),
    ("The answer is 3.", r"The answer is 3. \boxed{3}", 1.0),
    (r"The answer is $\{1,2\}$", r"The answer is $\{1,3\}$", 0.5),
    (r"The answer is $\{1,2\}$", r"\boxed{1, 2}", 1.0),
    ("The answer is 3.", r"\boxed{\pm 3}", 0.5),
    (r"The answer is $x=1$", r"\boxed{x=1,y=2}", 1.0),
    ("So the area is 5 × 8 = 40 square cm.", r"So $A = 5 \times 8 = \boxed{45}$ cm$^2$.", 0.0),
    ("So the area is 5 × 8 = 40 square cm.", r"So $A = 5 \times 8 = \boxed{40}$ cm$^2$.", 1.0),
    ("$3x = 36$, so $x = 12$", r"$3x = 36$, so $x = \boxed{13}$", 0.0),
    ("$3x = 36$, so $x = 12$", r"$3x = 36$ gives \boxed{13}", 0.0),
    ("$3x = 36$, so $x = 12$", r"$3x = 36$, so $x = \boxed{12}$", 1.0),
    ("$3x = 36$. Find x.", r"$3x = 36$, so $x = \boxed{12}$", 1.0),
    ("The answer is between 2 and 3.", "The answer is between 3 and 4.", 0.0),
    ("The answer is between 2 and 3.", "The answer is between 2 and 3.", 1.0),
    ("The answer is the red ball.", "The answer is the blue ball.", 0.0),
    ("The answer is the red ball.", "The answer is the red ball.", 1.0),
    ("The answer is the red ball.", r"\boxed{\text{red ball}}", 1.0),
    ("The answer is triangle ABC.", "The answer is triangle ABD.", 0.0),
    ("The answer is triangle ABC.", r"The answer is $\triangle ABC$.", 1.0),
    ("The answer is in the back of the book.", r"\boxed{3}", None),
    ("The answer is the same.", r"\boxed{3}", None),
    ("Answer: a circle", "The answer is an ellipse.", 0.0),
    ("Answer: a circle", "So the curve is a circle.", None),
    ("Answer: Yes", "Therefore, yes, the function is continuous.", 1.0),
    ("Answer: no", "So no, they do not meet.", 1.0),
    ("Answer: true", "So the statement is true.", 1.0),
    ("Answer: true", "So the statement is not true.", 0.0),
    ("Answer: true", "So the statement is false.", 0.0),
    ("Answer: no", "So yes, they meet.", 0.0),
    ("Answer: yes", "There is no doubt. So yes.", 1.0),
    ("Answer: no", "There is no doubt. So yes.", 0.0),
    ("Answer: no solution", "Hence there is no solution.", 1.0),
    ("Answer: even", "So the function is odd.", 0.0),
    ("Answer: a) 3 b) 4", "Answer: a) 3 and b) 4", 1.0),
    ("Answer: a) 3 b) 4", "Answer: a) 3 and b) 5", 0.5),
    ("The answer is 5'6\".", "The answer is 5 feet 6 inches.", 1.0),
    ("The answer is 3 R 2.", "The answer is 3 remainder 2.", 1.0),
    ("Answer: 2.5 Ω", "Answer: 2.5 ohms", 1.0),
    ("Answer: 3 kWh", "Answer: 3 J", 0.0),
    ("Answer: 12 units$^2$", "Answer: 12 units$^3$", 0.0),
    (r"Answer: \ln|x|+C", r"Answer: \ln|x|+c", 1.0),
    ("Answer: $|x|<3$", "Answer: $-3<x<3$", 1.0),
    ("Answer: 3 m/s^2", r"Answer: $3\,\mathrm{m\,s^{-2}}$", 1.0),
    (r"Answer: $\mathbf i+2\mathbf j$", r"Answer: $\vec i+2\vec j$", 1.0),
    ("The answer is the pair of red socks.", r"\boxed{7}", None),
    ("The answer is a long story.", r"\boxed{7}", None),
    ("The answer is a resounding yes.", r"\boxed{\text{yes}}", None),
    ("The answer is player A.", "The answer is player B.", 0.0),
    ("Answer: an isosceles trapezoid", "**Answer:** a kite", 0.0),
    ("The answer is 12 cm.", "The answer is 12 cm or 0.12 m.", 1.0),
    ("The answer is 5.", "The answer is 5, 6 and 7.", 1 / 3),
    ("The volume is $V = 3 \\cdot 4 = 12$.", "\\begin{align}\nV &= 3 \\cdot 4 \\\\\n&= \\boxed{14}\n\\end{align}", 0.0),
    ("Then $2y = 50$, hence $y = 25$.", "$2y = 50$ and thus $y = \\boxed{26}$.", 0.0),
    ("Then $2y = 50$, hence $y = 25$.", "$2y = 50$ and thus $y = \\boxed{25}$.", 1.0),
    ("Answer: increasing", "We see that $f$ is increasing.", 1.0),
    ("Answer: increasing", "We see that $f$ is not increasing.", 0.0),
]


def test_the_share_of_answers_kept_counts_what_was_added_chained_or_said_in_words():
    found = [(source, answer, shared(source, answer).answers_kept) for source, answer, _ in SHARES]
    assert found == SHARES
