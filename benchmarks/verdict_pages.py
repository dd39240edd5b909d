"""Generates pages of mathematics with a known verdict.

A form is a way in which pages give answers. For each form a rule draws a known answer (fixed seed), writes it as a source
would, rewrites it in ways that keep its value, and changes its value, sign, unit, base, order or relation. The label
follows from which of the two was done; nothing of the code under test takes part in it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from samples.math import page_names, read_page

DRAWS = 4
"""Answers drawn for each form."""

KEPT, CHANGED = None, "answer_changed"


class Page(NamedTuple):
    """A source and its rewrite, and the verdict that is right.

    `source_tail` and `answer_tail` are the sentences that give the answer, `before` and `before_anew` what stands before
    them. `share`: of the source's answers kept, where the label is that.
    """

    form: str
    source_tail: str
    answer_tail: str
    reason: str | None
    before: str = ""
    before_anew: str = ""
    share: float | None = None

    @property
    def source(self) -> str:
        """The page as it came."""
        return f"{self.before}\n\n{self.source_tail}\n"

    @property
    def answer(self) -> str:
        """The page as a model wrote it."""
        return f"{self.before_anew or self.before + AGAIN}\n\n{self.answer_tail}\n"


class Drawn(NamedTuple):
    """An answer as written, the same otherwise, and others. What begins with `T:` is a whole sentence, with `P:` plain
    text, and all else is LaTeX for a formula or a box."""

    source: str
    right: list[str]
    wrong: list[str]


Rng = random.Random
FORMS: dict[str, Callable[[Rng], Drawn]] = {}


def form(rule: Callable[[Rng], Drawn]) -> Callable[[Rng], Drawn]:
    FORMS[rule.__name__] = rule
    return rule


BEFORE = (
    "A class looks at a problem about numbers, lengths and prices. The teacher explains every step on the board, and "
    "the pupils copy it with care.",
    "This exercise was set in the spring. Read the question twice, draw a picture if that helps, and check what you "
    "found before you hand it in.",
    "We follow the usual method here: name the unknown quantity, write down what is known about it, and solve for it.",
)
AGAIN = " Step by step it goes like this."
FORMULA_FRAMES = ("The answer is ${}$.", "Answer: ${}$", "Hence $\\boxed{{{}}}$.", "So the result follows:\n\\[ \\boxed{{{}}} \\]",
                  "Therefore the final answer is ${}$, as we wanted to show.", "The answer is \\( {} \\).")  # fmt: skip
PLAIN_FRAMES = ("The answer is {}.", "Answer: {}", "**Answer:** {}", "So the final answer is {}.", "Ans. {}")


def pages() -> list[Page]:
    """Return all labelled pages."""
    return [*drawn(), *partly_kept(), *on_samples(), *golden(), *of_cases()]


def drawn() -> Iterator[Page]:
    for name, rule in FORMS.items():
        rng = random.Random(f"verdicts {name}")
        seen = set()
        for _ in range(DRAWS):
            answer = rule(rng)
            for reason, texts in ((KEPT, answer.right), (CHANGED, answer.wrong)):
                for text in texts:
                    page = Page(name, framed(answer.source, rng), framed(text, rng), reason, rng.choice(BEFORE))
                    if page[1:4] not in seen:
                        seen.add(page[1:4])
                        yield page


def framed(text: str, rng: Rng) -> str:
    """Put an answer into a sentence as pages have them."""
    if text.startswith("T:"):
        return text[2:]
    if text.startswith("P:"):
        return rng.choice(PLAIN_FRAMES).format(text[2:])
    return rng.choice(FORMULA_FRAMES).replace("{{", "{").replace("}}", "}").replace("{}", text, 1)


def _other(rng: Rng, value: int, low: int = 2, high: int = 99) -> int:
    return next(found for found in iter(lambda: rng.randint(low, high), None) if found != value)


@form
def whole_number(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    return Drawn(
        f"{n}", [f"P:{n}", f"{n}.0", f"x = {n}", f"P:{n}."], [f"{n + 1}", f"-{n}", f"P:{_other(rng, n, 11)}", f"{n}0"]
    )


@form
def thousands(rng: Rng) -> Drawn:
    n, m = rng.randint(1, 99), rng.randint(100, 999)
    value = f"{n}{m}"
    return Drawn(
        f"{n},{m}",
        [value, f"{n}{{,}}{m}", f"{n}\\,{m}", f"P:{n},{m}", f"P:{n} {m}"],
        [f"{n},{m + 1 if m < 999 else 100}", f"{n}.{m}", f"{value}0"],
    )


@form
def fraction(rng: Rng) -> Drawn:
    b = rng.choice([7, 9, 11, 13, 16])
    a = rng.randint(1, b - 1)
    value = Fraction(a, b)
    a, b = value.numerator, value.denominator
    k = rng.randint(2, 5)
    return Drawn(
        f"\\frac{{{a}}}{{{b}}}",
        [
            f"\\dfrac{{{a}}}{{{b}}}",
            f"P:{a}/{b}",
            f"\\tfrac{{{k * a}}}{{{k * b}}}",
            f"\\cfrac{{{a}}}{{{b}}}",
            f"x = \\frac {{{a}}} {{{b}}}",
            f"{a} / {b}",
        ],
        [
            f"\\frac{{{a}}}{{{b + 1}}}",
            f"\\frac{{{b}}}{{{a}}}" if a != b else f"{a + 1}",
            f"-\\frac{{{a}}}{{{b}}}",
            f"P:{a + 1}/{b}",
        ],
    )


@form
def mixed_number(rng: Rng) -> Drawn:
    n, b = rng.randint(1, 9), rng.choice([3, 4, 5, 8])
    return Drawn(
        f"{n}\\frac{{1}}{{{b}}}",
        [f"P:{n} 1/{b}", f"\\frac{{{n * b + 1}}}{{{b}}}", f"{n} \\dfrac{{1}}{{{b}}}", f"P:{n * b + 1}/{b}"],
        [f"{n + 1}\\frac{{1}}{{{b}}}", f"\\frac{{{n}}}{{{b}}}", f"P:{n}1/{b}", f"{n}\\frac{{1}}{{{b + 1}}}"],
    )


@form
def decimal(rng: Rng) -> Drawn:
    n = rng.randint(101, 999)
    while n % 10 == 0:
        n += 1
    value = f"{n / 100:.2f}"
    return Drawn(
        value,
        [f"P:{value}", f"{value}0", f"\\frac{{{n}}}{{100}}", f"x \\approx {value}"],
        [f"{(n + 3) / 100:.2f}", f"{n / 10:.1f}", f"-{value}", f"{n / 1000:.3f}"],
    )


@form
def rounded(rng: Rng) -> Drawn:
    b = rng.choice([3, 7, 9, 11, 13])
    a = rng.choice([n for n in range(10, 60) if n % b])
    value = a / b
    return Drawn(
        f"\\frac{{{a}}}{{{b}}}",
        [f"{value:.2f}", f"P:about {value:.3f}", f"\\approx {value:.4f}"],
        [f"{value + 0.02:.2f}", f"{value + 0.002:.3f}", f"{value / 10:.3f}"],
    )


@form
def repeating_decimal(rng: Rng) -> Drawn:
    d = rng.choice([1, 2, 4, 5, 7, 8])
    return Drawn(
        f"0.\\overline{{{d}}}",
        [f"\\frac{{{d}}}{{9}}", f"P:{d}/9", f"0.\\bar{{{d}}}"],
        [f"0.\\overline{{{d + 1}}}", f"0.{d}", f"\\frac{{{d}}}{{10}}"],
    )


@form
def percent(rng: Rng) -> Drawn:
    n = rng.choice([5, 12, 15, 24, 35, 45, 64, 85])
    return Drawn(
        f"{n}\\%",
        [f"P:{n}%", f"P:{n} percent", f"0.{n:02d}", f"\\frac{{{n}}}{{100}}", f"{n}"],
        [f"{n + 1}\\%", f"P:{n * 10}%", f"0.0{n:02d}", f"P:0.{n:02d}%"],
    )


@form
def scientific(rng: Rng) -> Drawn:
    m, e = rng.randint(11, 99), rng.choice([-34, -19, -7, -3, 5, 8, 23])
    while m % 10 == 0:
        m += 1
    value = f"{m / 10:.1f}"
    return Drawn(
        f"{value} \\times 10^{{{e}}}",
        [
            f"{value} \\cdot 10^{{{e}}}",
            f"P:{value} x 10^{e}",
            f"P:{value}e{e}",
            f"P:{value} × 10^{e}",
            f"{m} \\times 10^{{{e - 1}}}",
        ],
        [
            f"{value} \\times 10^{{{e + 1}}}",
            f"{value} \\times 10^{{{-e}}}",
            f"{(m + 1) / 10:.1f} \\times 10^{{{e}}}",
            f"P:{value} x 10^{e - 3}",
        ],
    )


@form
def tiny_number(rng: Rng) -> Drawn:
    a, n = rng.choice([6, 13, 52]), rng.randint(11, 16)
    return Drawn(
        f"\\frac{{1}}{{{a}^{{{n}}}}}",
        [f"{a}^{{-{n}}}", f"\\dfrac{{1}}{{{a}^{{{n}}}}}", f"\\left(\\frac{{1}}{{{a}}}\\right)^{{{n}}}", f"P:1/{a}^{n}"],
        [f"\\frac{{1}}{{{a}^{{{n + 1}}}}}", f"\\frac{{2}}{{{a}^{{{n}}}}}", f"{a + 1}^{{-{n}}}", "0"],
    )


@form
def power(rng: Rng) -> Drawn:
    a, n = rng.choice([2, 3, 5]), rng.randint(5, 9)
    return Drawn(
        f"{a}^{{{n}}}",
        [f"{a**n}", f"{a} \\cdot {a}^{{{n - 1}}}", f"P:{a}^{n}"],
        [f"{a}^{{{n + 1}}}", f"{n}^{{{a}}}", f"{a**n + 1}", f"{a}{n}"],
    )


@form
def huge_number(rng: Rng) -> Drawn:
    a, n = rng.choice([2, 3, 7]), rng.randint(60, 90)
    return Drawn(
        f"{a}^{{{n}}}-1",
        [f"-1+{a}^{{{n}}}", f"{a}\\cdot {a}^{{{n - 1}}} - 1"],
        [f"{a}^{{{n}}}+1", f"{a}^{{{n - 1}}}-1", f"{a}^{{{n}}}"],
    )


@form
def root(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 6), rng.choice([2, 3, 5, 7])
    return Drawn(
        f"{a}\\sqrt{{{b}}}",
        [
            f"\\sqrt{{{a * a * b}}}",
            f"\\sqrt{b} \\cdot {a}",
            f"P:{a}*sqrt({b})",
            f"P:{a}√{b}",
            f"\\frac{{{a * b}}}{{\\sqrt{{{b}}}}}",
        ],
        [
            f"{a + 1}\\sqrt{{{b}}}",
            f"\\sqrt{{{a * b}}}",
            f"{a}\\sqrt{{{b + 1}}}",
            f"-{a}\\sqrt{{{b}}}",
            f"{b}\\sqrt{{{a}}}" if a * a * b != b * b * a else "1",
        ],
    )


@form
def multiple_of_pi(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 20), rng.choice([3, 7, 9])
    while a % b == 0:
        a += 1
    return Drawn(
        f"\\frac{{{a}\\pi}}{{{b}}}",
        [f"\\frac{{{a}}}{{{b}}}\\pi", f"P:{a}π/{b}", f"P:({a}/{b})*pi", f"\\pi \\cdot \\frac{{{a}}}{{{b}}}"],
        [
            f"\\frac{{{a}}}{{{b}}}",
            f"\\frac{{{a}\\pi}}{{{b + 1}}}",
            f"-\\frac{{{a}\\pi}}{{{b}}}",
            f"\\frac{{{b}\\pi}}{{{a}}}",
        ],
    )


@form
def spaced_minus(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(11, 19)
    v = rng.choice("xvnk")
    return Drawn(
        f"P:{b} - {a}{v}",
        [f"{b}-{a}{v}", f"-{a}{v}+{b}", f"P:{b} - {a}{v}", f"P:{b} – {a}{v}"],
        [f"P:{b} - {a + 1}{v}", f"P:{b}", f"{b}+{a}{v}", f"P:{b + 1} - {a}{v}", f"P:{a}{v} - {b}"],
    )


@form
def end_of_answer(rng: Rng) -> Drawn:
    n, m = rng.randint(11, 49), rng.randint(51, 99)
    words = rng.choice(
        ["each box holds three of them", "a nice round number", "nobody expected that", "the others are left over"]
    )
    joint = rng.choice([" - ", " – ", " — ", "; ", ", ", " | ", ". "])
    return Drawn(
        f"T:The answer is {n}{joint}{words}.",
        [f"{n}", f"P:{n}", f"T:The answer is {n} because {words}."],
        [f"{m}", f"T:The answer is {m}{joint}{words}."],
    )


@form
def bar_or_semicolon(rng: Rng) -> Drawn:
    a, b, c = rng.randint(11, 19), rng.randint(2, 9), rng.randint(21, 29)
    return rng.choice(
        [
            Drawn(
                f"P({a} | {b}) = \\frac{{1}}{{{c}}}",
                [f"\\frac{{1}}{{{c}}}", f"P({a} \\mid {b}) = 1/{c}"],
                [f"P({a} | {b}) = \\frac{{1}}{{{c + 1}}}"],
            ),
            Drawn(
                f"x = {a}; y = {b}",
                [f"x = {a}, y = {b}", f"y = {b}; x = {a}"],
                [f"x = {b}; y = {c}", f"x = {c}; y = {a}", f"x = {a}; y = {c}"],
            ),
            Drawn(
                f"| x - {a} | < {b}",
                [f"|x-{a}|<{b}", f"\\left| x-{a} \\right| < {b}"],
                [f"| x - {a} | < {b + 1}", f"| x - {a + 1} | < {b}"],
            ),
            Drawn(f"({a}; {c})", [f"({a}, {c})", f"\\left({a}, {c}\\right)"], [f"({a}; {c + 1})", f"({c}; {a})"]),
        ]
    )


@form
def polynomial(rng: Rng) -> Drawn:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return Drawn(
        f"x^2 + {a + b}x + {a * b}",
        [f"(x+{a})(x+{b})", f"{a * b} + {a + b}x + x^{{2}}", f"P:x^2+{a + b}x+{a * b}", f"P:(x + {b}) * (x + {a})"],
        [f"x^2 + {a + b}x - {a * b}", f"(x+{a})(x-{b})", f"x^2 + {a + b + 1}x + {a * b}", f"x^3 + {a + b}x + {a * b}"],
    )


@form
def rational_function(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return Drawn(
        f"\\frac{{{a}}}{{x+{b}}}",
        [f"\\frac{{{2 * a}}}{{2x+{2 * b}}}", f"P:{a}/(x+{b})", f"{a}(x+{b})^{{-1}}"],
        [f"\\frac{{{a}}}{{x-{b}}}", f"\\frac{{{a + 1}}}{{x+{b}}}", f"\\frac{{{a}}}{{x}}+{b}", f"P:{a}/x+{b}"],
    )


@form
def trigonometric(rng: Rng) -> Drawn:
    a = rng.randint(2, 9)
    return Drawn(
        f"{a}\\sin(2x)",
        [f"{2 * a}\\sin x\\cos x", f"{a} \\sin 2x", f"P:{a}*sin(2x)"],
        [f"{a}\\cos(2x)", f"{a}\\sin(x)", f"{a + 1}\\sin(2x)", f"-{a}\\sin 2x"],
    )


@form
def exponential(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return Drawn(
        f"{a}e^{{{b}x}}",
        [f"{a} \\cdot e^{{{b}x}}", f"{a}\\exp({b}x)", f"{a}(e^x)^{{{b}}}"],
        [f"{a}e^{{{b + 1}x}}", f"{a}e^{{-{b}x}}", f"{a + 1}e^{{{b}x}}"],
    )


@form
def antiderivative(rng: Rng) -> Drawn:
    a, n = rng.choice([1, 2, 5]), rng.randint(3, 6)
    return Drawn(
        f"\\frac{{{a}x^{{{n}}}}}{{{n}}} + C",
        [f"\\frac{{{a}}}{{{n}}}x^{{{n}}} + C", f"C + \\frac{{{a}x^{n}}}{{{n}}}", f"P:{a}x^{n}/{n} + C"],
        [f"\\frac{{{a}x^{{{n}}}}}{{{n + 1}}} + C", f"{a}x^{{{n}}} + C", f"\\frac{{{a}x^{{{n - 1}}}}}{{{n}}} + C"],
    )


@form
def complex_number(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return Drawn(
        f"{a} + {b}i",
        [f"{b}i + {a}", f"P:{a}+{b}i", f"\\frac{{{2 * a} + {2 * b}i}}{{2}}"],
        [f"{a} - {b}i", f"{a} + {b + 1}i", f"-{a} + {b}i", f"{a + b}"],
    )


@form
def line_equation(rng: Rng) -> Drawn:
    m, c = rng.randint(2, 9), rng.randint(1, 9)
    return Drawn(
        f"y = {m}x + {c}",
        [
            f"{m}x - y + {c} = 0",
            f"y - {m}x = {c}",
            f"{m}x + {c} = y",
            f"2y = {2 * m}x + {2 * c}",
            f"P:y={m}x+{c}",
            f"-{m}x + y - {c} = 0",
        ],
        [f"y = {m}x - {c}", f"{m}x - y + {c + 1} = 0", f"y = {m + 1}x + {c}", f"y = -{m}x + {c}", f"x = {m}y + {c}"],
    )


@form
def curve_equation(rng: Rng) -> Drawn:
    a, b, r = rng.randint(1, 5), rng.randint(1, 5), rng.randint(2, 9)
    return Drawn(
        f"(x-{a})^2 + (y+{b})^2 = {r * r}",
        [
            f"x^2 + y^2 - {2 * a}x + {2 * b}y + {a * a + b * b - r * r} = 0".replace("+ -", "- "),
            f"(y+{b})^2 + (x-{a})^2 = {r}^2",
            f"{r * r} = (x-{a})^{{2}} + (y+{b})^{{2}}",
        ],
        [
            f"(x+{a})^2 + (y+{b})^2 = {r * r}",
            f"(x-{a})^2 + (y+{b})^2 = {r}",
            f"(x-{a})^2 + (y-{b})^2 = {r * r}",
            f"(x-{a})^2 - (y+{b})^2 = {r * r}",
        ],
    )


@form
def hyperbola(rng: Rng) -> Drawn:
    a = rng.randint(2, 20)
    return Drawn(
        f"y = \\frac{{{a}}}{{x}}",
        [f"xy = {a}", f"x = \\frac{{{a}}}{{y}}", f"P:y = {a}/x"],
        [f"xy = {a + 1}", f"y = {a}x", f"y = -\\frac{{{a}}}{{x}}"],
    )


@form
def logarithm(rng: Rng) -> Drawn:
    a, b = rng.choice([2, 3, 5]), rng.choice([7, 11, 13])
    return Drawn(
        f"\\log_{{{a}}} {b}",
        [f"\\frac{{\\ln {b}}}{{\\ln {a}}}", f"\\log_{a}({b})", f"\\frac{{\\log {b}}}{{\\log {a}}}"],
        [f"\\log_{{{b}}} {a}", f"\\log_{{{a}}} {b + 1}", f"\\frac{{{b}}}{{{a}}}", f"\\ln {b}"],
    )


@form
def text_macro(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    macro = rng.choice(["mbox", "textrm", "text", "mathrm", "textbf", "operatorname", "hbox", "textit"])
    unit, other = rng.choice([("feet", "inches"), ("cm", "km"), ("hours", "days"), ("kg", "grams")])
    return Drawn(
        f"{n} \\{macro}{{ {unit}}}",
        [
            f"{n}",
            f"P:{n} {unit}",
            f"{n}\\text{{ {unit}}}",
            f"{n}\\,\\mathrm{{{unit}}}",
            f"T:So $\\boxed{{{n}}}$ {unit}.",
            f"{n}\\ \\rm {unit}",
            f"{n} \\hspace{{1mm}} \\mbox{{{unit}}}",
        ],
        [
            f"{n + 1}",
            f"P:{n + 1} {unit}",
            f"{n} \\{macro}{{ {other}}}",
            f"P:{n} {other}",
            f"T:So $\\boxed{{{n}}}$ {other}.",
        ],
    )


@form
def sized_brackets(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(11, 19)
    return Drawn(
        f"\\left( \\dfrac{{1}}{{{a}}}, {b} \\right)",
        [
            f"(\\frac{{1}}{{{a}}}, {b})",
            f"P:(1/{a}, {b})",
            f"\\bigl(\\tfrac{{1}}{{{a}}},\\, {b}\\bigr)",
            f"\\big( \\frac1{a},\\; {b} \\big)",
        ],
        [
            f"\\left( \\dfrac{{1}}{{{a + 1}}}, {b} \\right)",
            f"({b}, \\frac{{1}}{{{a}}})",
            f"P:(1/{a}, {b + 1})",
            f"(-\\frac{{1}}{{{a}}}, {b})",
        ],
    )


@form
def length_unit(rng: Rng) -> Drawn:
    n = rng.randint(2, 99)
    return Drawn(
        f"P:{n} cm",
        [f"{n}", f"{n}\\text{{ cm}}", f"P:{n} centimetres", f"P:{n * 10} mm", f"P:{n / 100:g} m"],
        [f"P:{n} km", f"P:{n} mm", f"P:{n + 1} cm", f"P:{n} m", f"{n}\\text{{ in}}"],
    )


@form
def area_unit(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    return Drawn(
        f"{n}\\text{{ cm}}^2",
        [f"P:{n} cm^2", f"P:{n} square centimeters", f"P:{n} cm²", f"{n}", f"P:{n} square units"],
        [f"{n}\\text{{ cm}}^3", f"P:{n} square metres", f"P:{n} cm", f"P:{n + 1} cm^2"],
    )


@form
def speed_unit(rng: Rng) -> Drawn:
    n = rng.choice([5, 10, 15, 20, 25])
    return Drawn(
        f"P:{n} m/s",
        [f"{n}\\ \\mathrm{{m/s}}", f"P:{n * 18 // 5} km/h", f"P:{n} metres per second", f"{n}\\text{{ m/s}}", f"{n}"],
        [f"P:{n} km/h", f"P:{n} m", f"P:{n + 1} m/s", f"P:{n} m/s^2", f"P:{n} mph"],
    )


@form
def time_unit(rng: Rng) -> Drawn:
    h, m = rng.randint(1, 9), rng.choice([6, 12, 24, 36, 48])
    return Drawn(
        f"P:{h} hours {m} minutes",
        [f"P:{h} h {m} min", f"P:{h * 60 + m} minutes", f"P:{h} hours and {m} minutes", f"P:{h + m / 60:g} hours"],
        [f"P:{h} hours", f"P:{h} hours {m + 1} minutes", f"P:{h * 60 + m} hours", f"P:{m} minutes"],
    )


@form
def physical_unit(rng: Rng) -> Drawn:
    m, e = rng.randint(101, 999), rng.choice([-34, -19, 3, 8])
    value = f"{m / 100:.2f} \\times 10^{{{e}}}"
    unit, other = rng.choice([("J s", "kg"), ("N", "J"), ("Pa", "N"), ("kg m/s", "kg m")])
    return Drawn(
        f"T:The answer is ${value}$ {unit}.",
        [value, f"T:Answer: ${value}$ {unit}", f"T:Hence $\\boxed{{{value}}}$ {unit}."],
        [
            f"T:The answer is ${m / 100:.2f} \\times 10^{{{e + 3}}}$ {unit}.",
            f"T:The answer is ${value}$ {other}.",
            f"{(m + 100) / 100:.2f} \\times 10^{{{e}}}",
        ],
    )


@form
def counted_things(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    thing = rng.choice(["apples", "ways", "students", "handshakes", "marbles"])
    return Drawn(
        f"P:{n} {thing}",
        [f"{n}", f"{n}\\text{{ {thing}}}", f"T:There are $\\boxed{{{n}}}$ {thing}."],
        [f"P:{n + 1} {thing}", f"{n - 1}", f"T:There are $\\boxed{{{n + 2}}}$ {thing}."],
    )


@form
def word_number(rng: Rng) -> Drawn:
    words = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    k = rng.randrange(9)
    return Drawn(f"P:{words[k]}", [f"{k + 10}", f"P:{words[k]}"], [f"P:{words[k + 1]}", f"{k + 11}"])


@form
def money(rng: Rng) -> Drawn:
    n, c = rng.randint(2, 99), rng.randint(10, 99)
    return Drawn(
        f"\\${n}.{c}",
        [f"P:{n}.{c} dollars", f"{n}.{c}", f"P:\\${n}.{c}", f"\\$ {n}.{c}", f"P:{n}{c} cents"],
        [f"\\${n + 1}.{c}", f"P:{n}.{c} cents", f"P:€{n}.{c}", f"P:£{n}.{c}", f"P:{n}{c} dollars"],
    )


@form
def degrees(rng: Rng) -> Drawn:
    n = rng.choice([30, 36, 45, 60, 72, 120, 135])
    pi = Fraction(n, 180)
    return Drawn(
        f"{n}^\\circ",
        [
            f"P:{n}°",
            f"P:{n} degrees",
            f"{n}^{{\\circ}}",
            f"{n}",
            f"\\angle ABC = {n}^\\circ",
            f"\\frac{{{pi.numerator}\\pi}}{{{pi.denominator}}}",
        ],
        [f"{n + 1}^\\circ", f"P:{180 - n} degrees" if n != 90 else "1", f"P:{n} radians", f"\\frac{{\\pi}}{{{n}}}"],
    )


@form
def number_base(rng: Rng) -> Drawn:
    digits = rng.choice(["1101", "10110", "111", "100101"])
    base, other = rng.choice([(2, 7), (2, 3), (3, 5)])
    return Drawn(
        f"{digits}_{base}",
        [
            f"{digits}_{{{base}}}",
            f"P:{digits} base {base}",
            f"({digits})_{{{base}}}",
            f"{digits}_{{({base})}}",
            digits,
            f"P:{digits} in base {base}",
        ],
        [f"{digits}_{other}", f"{digits}1_{base}", f"P:{digits} base {other}", f"({digits})_{{{other}}}"],
    )


@form
def two_answers(rng: Rng) -> Drawn:
    a, b = rng.sample(range(11, 60), 2)
    c, d = rng.sample(range(61, 99), 2)
    return Drawn(
        f"T:The answers are {a} and {b}.",
        [
            f"T:The answers are {b} and {a}.",
            f"P:{b}, {a}",
            f"\\{{{a}, {b}\\}}",
            f"{b} \\text{{ and }} {a}",
            f"T:So the numbers are $\\boxed{{{a}}}$ and $\\boxed{{{b}}}$.",
        ],
        [f"T:The answers are {c} and {d}.", f"\\{{{c}, {d}\\}}", f"P:{d}, {c}", f"{c}"],
    )


@form
def solutions(rng: Rng) -> Drawn:
    a, b = rng.sample(range(2, 30), 2)
    c, d = rng.sample(range(31, 60), 2)
    return Drawn(
        f"x = {a} \\text{{ or }} x = -{b}",
        [
            f"x = -{b} \\text{{ or }} x = {a}",
            f"P:x = {a}, x = -{b}",
            f"x \\in \\{{-{b}, {a}\\}}",
            f"T:The answers are $x=-{b}$ and $x={a}$.",
            f"{a}, -{b}",
            f"P:-{b} or {a}",
        ],
        [f"x = {c} \\text{{ or }} x = -{d}", f"x = -{a} \\text{{ or }} x = {b}", f"P:x = {d}, x = {c}", f"{c}, -{d}"],
    )


@form
def plus_minus(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.choice([2, 3, 5, 7])
    return Drawn(
        f"x = {a} \\pm \\sqrt{{{b}}}",
        [
            f"{a} \\pm \\sqrt{b}",
            f"{a}+\\sqrt{{{b}}}, {a}-\\sqrt{{{b}}}",
            f"x = {a}-\\sqrt{{{b}}} \\text{{ or }} x = {a}+\\sqrt{{{b}}}",
            f"P:{a} ± √{b}",
        ],
        [f"{a} \\pm \\sqrt{{{b + 1}}}", f"{a + 1} \\pm \\sqrt{{{b}}}", f"-{a} \\pm \\sqrt{{{b}}}", f"{a} \\pm {b}"],
    )


@form
def system(rng: Rng) -> Drawn:
    a, b = rng.sample(range(2, 30), 2)
    return Drawn(
        f"x = {a}, y = {b}",
        [
            f"({a}, {b})",
            f"y = {b}, x = {a}",
            f"x = {a} \\text{{ and }} y = {b}",
            f"(x, y) = ({a}, {b})",
            f"T:The answer is $x = {a}$ and $y = {b}$.",
        ],
        [
            f"x = {b}, y = {a}",
            f"x = {a}, y = {b + 1}",
            f"x = {a + 1}; y = {b}",
            f"({b}, {a})",
            f"x = {a + 31}, y = {b + 31}",
            f"({a}, {b + 1})",
        ],
    )


@form
def points(rng: Rng) -> Drawn:
    a, b, c, d = rng.sample(range(2, 40), 4)
    return Drawn(
        f"({a}, {b}), ({c}, {d})",
        [
            f"({c}, {d}), ({a}, {b})",
            f"T:The answers are $({a},{b})$ and $({c},{d})$.",
            f"({a},{b}) \\text{{ and }} ({c},{d})",
            f"P:({a}, {b}) and ({c}, {d})",
        ],
        [f"({b}, {a}), ({d}, {c})", f"({a}, {d}), ({c}, {b})", f"({a + 41}, {b}), ({c + 41}, {d})"],
    )


@form
def tuple_of_three(rng: Rng) -> Drawn:
    a, b, c = rng.sample(range(2, 40), 3)
    return Drawn(
        f"({a}, {b}, {c})",
        [
            f"P:({a},{b},{c})",
            f"\\left({a}, {b}, {c}\\right)",
            f"\\langle {a}, {b}, {c} \\rangle",
            f"\\begin{{pmatrix}} {a} \\\\ {b} \\\\ {c} \\end{{pmatrix}}",
        ],
        [f"({b}, {a}, {c})", f"({a}, {b}, {c + 1})", f"({a}, {b})", f"({a}, {b}, -{c})"],
    )


@form
def set_of_numbers(rng: Rng) -> Drawn:
    a, b, c = rng.sample(range(2, 40), 3)
    return Drawn(
        f"\\{{{a}, {b}, {c}\\}}",
        [f"\\{{{c}, {a}, {b}\\}}", f"\\left\\{{ {b}, {c}, {a} \\right\\}}", f"{a}, {b}, {c}"],
        [f"\\{{{a + 41}, {b + 41}, {c}\\}}", f"\\{{{a}, {b + 41}, {c + 41}\\}}", f"\\{{{a}\\}}"],
    )


@form
def matrix(rng: Rng) -> Drawn:
    a, b, c, d = rng.sample(range(1, 20), 4)
    body = "{} & {} \\\\ {} & {}"
    return Drawn(
        f"\\begin{{pmatrix}} {body.format(a, b, c, d)} \\end{{pmatrix}}",
        [
            f"\\begin{{bmatrix}} {body.format(a, b, c, d)} \\end{{bmatrix}}",
            f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&{d}\\end{{pmatrix}}",
            f"\\left(\\begin{{array}}{{cc}} {body.format(a, b, c, d)} \\end{{array}}\\right)",
        ],
        [
            f"\\begin{{pmatrix}} {body.format(a, c, b, d)} \\end{{pmatrix}}",
            f"\\begin{{pmatrix}} {body.format(a, b, c, d + 1)} \\end{{pmatrix}}",
            f"\\begin{{pmatrix}} {body.format(-a, b, c, d)} \\end{{pmatrix}}",
        ],
    )


@form
def interval(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 19), rng.randint(20, 60)
    return Drawn(
        f"[{a}, {b})",
        [
            f"{a} \\le x < {b}",
            f"\\left[{a}, {b}\\right)",
            f"x \\in [{a},{b})",
            f"{a} \\leq x \\lt {b}",
            f"P:[{a}, {b})",
        ],
        [f"({a}, {b})", f"[{a}, {b}]", f"[{a}, {b + 1})", f"{a} < x < {b}", f"x < {b}"],
    )


@form
def half_line(rng: Rng) -> Drawn:
    a = rng.randint(2, 60)
    return Drawn(
        f"x > {a}",
        [
            "(a, \\infty)".replace("a", str(a)),
            f"{a} < x",
            f"P:x > {a}",
            f"x \\gt {a}",
            f"2x > {2 * a}",
            f"x \\in ({a}, \\infty)",
        ],
        [f"x < {a}", f"x \\ge {a}", f"[{a}, \\infty)", f"x > {a + 1}", f"(-\\infty, {a})"],
    )


@form
def union(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 19), rng.randint(20, 60)
    return Drawn(
        f"(-\\infty, {a}) \\cup ({b}, \\infty)",
        [f"x < {a} \\text{{ or }} x > {b}", f"({b}, \\infty) \\cup (-\\infty, {a})", f"x > {b} \\text{{ or }} x < {a}"],
        [
            f"(-\\infty, {a}] \\cup [{b}, \\infty)",
            f"({a}, {b})",
            f"(-\\infty, {a + 1}) \\cup ({b}, \\infty)",
            f"x > {a} \\text{{ or }} x < {b}",
        ],
    )


@form
def inequality_of_two(rng: Rng) -> Drawn:
    a, b = rng.randint(2, 9), rng.randint(2, 30)
    return Drawn(
        f"x + {a}y \\le {b}",
        [f"{a}y + x \\leq {b}", f"{b} \\geq x + {a}y", f"2x + {2 * a}y \\le {2 * b}"],
        [f"x + {a}y \\ge {b}", f"x + {a}y < {b}", f"x - {a}y \\le {b}", f"x + {a}y \\le {b + 1}"],
    )


@form
def everything_or_nothing(rng: Rng) -> Drawn:
    if rng.random() < 0.5:
        return Drawn(
            "P:no solution",
            ["\\emptyset", "\\text{no solution}", "P:No solutions", "\\varnothing"],
            ["0", "P:x = 3", "\\mathbb{R}"],
        )
    return Drawn(
        "P:all real numbers",
        ["\\mathbb{R}", "(-\\infty, \\infty)", "\\text{all real numbers}"],
        ["\\emptyset", "(0, \\infty)", "P:no solution"],
    )


@form
def ratio(rng: Rng) -> Drawn:
    a, b = rng.sample(range(2, 20), 2)
    return Drawn(
        f"{a} : {b}", [f"{a}:{b}", f"P:{a}:{b}", f"P:{a} to {b}"], [f"{b}:{a}", f"{a}:{b + 1}", f"P:{b} to {a}"]
    )


@form
def congruence(rng: Rng) -> Drawn:
    m = rng.randint(5, 19)
    r = rng.randint(1, m - 2)
    return Drawn(
        f"x \\equiv {r} \\pmod{{{m}}}",
        [f"x \\equiv {r + m} \\pmod{{{m}}}", f"x \\equiv {r} \\mod {m}", f"x \\equiv {r} \\ (\\bmod\\ {m})"],
        [f"x \\equiv {r + 1} \\pmod{{{m}}}", f"x \\equiv {r} \\pmod{{{m + 1}}}"],
    )


@form
def choice(rng: Rng) -> Drawn:
    k, n = rng.randrange(4), rng.randint(11, 99)
    letter, other = "ABCDE"[k], "ABCDE"[k + 1]
    return Drawn(
        f"P:({letter}) {n}",
        [
            f"P:({letter})",
            f"\\textbf{{({letter})}}\\ {n}",
            f"{n}",
            f"\\text{{{letter}}}",
            f"P:{letter}",
            f"P:option {letter}",
        ],
        [f"P:({other}) {n + 1}", f"P:{other}", f"\\textbf{{({other})}}", f"{n + 1}"],
    )


@form
def yes_or_no(rng: Rng) -> Drawn:
    one, other = rng.choice(
        [("yes", "no"), ("no", "yes"), ("true", "false"), ("even", "odd"), ("increasing", "decreasing")]
    )
    return Drawn(
        f"P:{one}",
        [f"P:{one.title()}", f"\\text{{{one}}}", f"\\textbf{{{one.title()}}}", f"\\mbox{{{one}}}"],
        [f"P:{other}", f"\\text{{{other}}}"],
    )


@form
def named_value(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    return Drawn(f"f(3) = {n}", [f"{n}", f"P:{n}", f"f(3)={n}"], [f"f(3) = {n + 1}", f"{n + 1}", f"f(3) = -{n}"])


@form
def name_matters(rng: Rng) -> Drawn:
    n = rng.randint(11, 99)
    return Drawn(
        f"x = {n}",
        [f"{n}", f"P:x={n}", f"T:Hence $x = \\boxed{{{n}}}$."],
        [f"y = {n}", f"x = {n + 1}", f"T:Hence $x = \\boxed{{{n + 1}}}$."],
    )


@form
def binomial(rng: Rng) -> Drawn:
    n = rng.randint(8, 12)
    k = rng.randint(2, 3)
    value = 1
    for i in range(k):
        value = value * (n - i) // (i + 1)
    return Drawn(
        f"\\binom{{{n}}}{{{k}}}",
        [f"{value}", f"\\dbinom{{{n}}}{{{k}}}", f"\\frac{{{n}!}}{{{k}!\\,{n - k}!}}", f"\\binom{{{n}}}{{{n - k}}}"],
        [f"\\binom{{{n + 1}}}{{{k}}}", f"{value + 1}", f"\\frac{{{n}!}}{{{k}!}}"],
    )


@form
def factorial(rng: Rng) -> Drawn:
    n = rng.randint(5, 8)
    value = 1
    for i in range(2, n + 1):
        value *= i
    return Drawn(f"{n}!", [f"{value}", f"{n} \\cdot {n - 1}!"], [f"{n + 1}!", f"{value // n}", f"{n}"])


@form
def probability_in_words(rng: Rng) -> Drawn:
    a, b = rng.randint(1, 6), rng.randint(7, 12)
    return Drawn(
        f"P:{a} out of {b}", [f"P:{a} out of {b}"], [f"P:{a + 1} out of {b}", f"P:{a} out of {b + 1}", f"P:{a}"]
    )


def partly_kept() -> Iterator[Page]:
    """Lists of answers of which some are changed: the share kept is what is known; 0.4 and more is kept."""
    rng = random.Random("verdicts partly kept")
    for count in (2, 3, 4, 5, 2, 3, 4, 5):
        known = rng.sample(range(11, 60), count)
        for changed in range(count + 1):
            others = rng.sample(range(61, 99), changed)
            anew = known[changed:] + others
            rng.shuffle(anew)
            share = (count - changed) / count
            yield Page(
                "partly_kept",
                _listed(known),
                _listed(anew),
                KEPT if share >= 0.4 else CHANGED,
                rng.choice(BEFORE),
                share=share,
            )


def _listed(numbers: list[int]) -> str:
    return f"The answers are {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}."


def on_samples() -> Iterator[Page]:
    """Sample pages that state no answer themselves, with one put at the end, and the same without what surrounds them."""
    rng = random.Random("verdicts on samples")
    rules = list(FORMS.values())
    for name in page_names():
        text = read_page(name).text or ""
        if re.search(r"answer|solution|\\boxed|\broots?\b|\bresult", text, re.IGNORECASE):
            continue
        paragraphs = text.split("\n\n")
        anew = "\n\n".join(paragraphs[1:-1])
        for rule in rng.sample(rules, 2):
            answer = rule(rng)
            yield Page(
                "on_sample_pages", framed(answer.source, rng), framed(rng.choice(answer.right), rng), KEPT, text, anew
            )
            yield Page(
                "on_sample_pages",
                framed(answer.source, rng),
                framed(rng.choice(answer.wrong), rng),
                CHANGED,
                text,
                anew,
            )


def golden() -> Iterator[Page]:
    """Careful rewrites of sample pages by hand, which are right."""
    folder = Path(__file__).parents[1] / "tests" / "udfs" / "golden" / "pages"
    for path in sorted(folder.glob("*.md")):
        yield Page("by_hand", "", "", KEPT, str(read_page(path.stem).text), path.read_text(encoding="utf-8"))


def of_cases() -> Iterator[Page]:
    """The cases that reports of faults gave."""
    path = Path(__file__).parents[1] / "tests" / "cases" / "math_pages.json"
    for case in json.loads(path.read_text(encoding="utf-8")):
        yield Page(
            "cases",
            case["source_tail"],
            case["answer_tail"],
            case["right_reason"],
            BEFORE[0],
            share=case.get("right_answers_kept"),
        )
