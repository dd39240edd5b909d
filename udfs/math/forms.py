"""Parses a mathematical answer (number with unit, expression, set, equation, ...) and decides whether two are equal.

An answer is read into a few kinds: a number or expression with its unit, percent sign or base; a point, list, set or
matrix of such; an interval or union of intervals; an equation or inequality; a choice's letter; words. Whatever is set
another way (text macros, spacing, fraction styles, brackets' sizes, currency signs, separators of thousands) is made one
before. `expressions.py` says what a formula comes to, `units.py` what a unit is. Time is linear in the text but for
lists, which are compared item with item.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from recast.udfs.math import expressions, units
from recast.udfs.math.expressions import Expression, Number

MAX_CHARS = 200  # of an answer that is read; longer ones are sentences
MAX_ITEMS = 24  # of one list
MAX_NESTING = 6  # of lists in lists

_SYMBOLS = str.maketrans(
    {
        "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": "*", "\N{MIDDLE DOT}": "*", "\u22c5": "*",
        "\N{DIVISION SIGN}": "/", "\N{FRACTION SLASH}": "/", "\N{DIVISION SLASH}": "/", "\xa0": " ", "\u2009": " ",
        "\u202f": " ", "\N{SQUARE ROOT}": "\\sqrt ", "\u03c0": "\\pi ", "\u03b8": "\\theta ", "\u03b1": "\\alpha ",
        "\u03b2": "\\beta ", "\u03bb": "\\lambda ", "\N{INFINITY}": "\\infty ", "\u00bd": "\\frac{1}{2}",
        "\u00bc": "\\frac{1}{4}", "\u00be": "\\frac{3}{4}", "\u2153": "\\frac{1}{3}", "\u2154": "\\frac{2}{3}", "\u2026": "\u2026",
        "\u2264": "≤", "\u2265": "≥", "\u2208": "∈", "\u00ba": "°", "\N{GREEK SMALL LETTER MU}": "µ", "\u211d": "\\mathbb{R}",
        "\u2205": "\\emptyset ", "‹": "<", "›": ">",
    }
)  # fmt: skip
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_ON_THE_LINE = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺₀₁₂₃₄₅₆₇₈₉", "0123456789-+0123456789")
_REMARKS = ("‹respectively›", "‹etc›", "‹both›")
_MATH = re.compile(
    r"\$\$([^$]+)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\$(?=\S)((?:[^$\\\n]|\\.)+)(?<=\S)\$(?!\d)|\$\s([^$\n]+)\s\$",
    re.DOTALL,
)
_MONEY = {
    "\x01": "dollar",
    "$": "dollar",
    "€": "euro",
    "£": "gbp",
    "¥": "yen",
    "₹": "rupee",
    "¢": "cent",
    "Rs": "rupee",
    "Rs.": "rupee",
}
_AMOUNT = re.compile(r"(?P<sign>[\x01$€£¥₹]|\bRs\.?)\s*(?P<amount>\d[\d,]*(?:\.\d+)?|\.\d+)")
_TEXT_MACRO = re.compile(
    r"\\(?P<macro>text(?:rm|bf|it|sf|tt|up|sl|sc|normal|md)?|mbox|hbox|fbox|emph|operatorname\*?|math(?:rm|bf|it|sf|tt|normal)"
    r"|boldsymbol|bm|rm|bf|it|unit|si|underline)\s*\{(?P<words>(?:[^{}]|\^\{[-+]?\d\})*)\}"
)
_SWITCH = re.compile(r"\{\s*\\(?:rm|bf|it|sf|tt|bfseries|itshape|normalfont)(?![a-zA-Z])\s*([^{}]*)\}")
_SWITCH_ALONE = re.compile(r"\\(?:rm|bf|it|sf|tt)(?![a-zA-Z])\s*([A-Za-z .]*)")
_FUNCTIONS = "|".join(sorted(expressions.FUNCTION_NAMES, key=len, reverse=True))
_ARTICLE = re.compile(
    rf"^\s*an?\s+(?!(?:{_FUNCTIONS}|mod|and)\b)(?=[a-z]{{3,}}(?:[ -][a-z]{{3,}}){{0,2}}[ .!]*$)", re.IGNORECASE
)
_FEET_AND_INCHES = re.compile(
    r"(?<![\w.'])(?<!°)(?<!° )(\d{1,3})\s?['\u2019\u2032]\s?(\d{1,2}(?:\.\d)?)\s?(?:[\"\u201d\u2033]|''|\u2032\u2032)"
)
_UNIT_VECTOR = re.compile(
    r"\\(?:vec|hat|overrightarrow|mathbf|boldsymbol|bm|widehat)(?![a-zA-Z])\s*(?:\{\s*\\?([ijk])(?:math)?\s*\}|\\?([ijk])(?:math)?(?![a-z]))"
)
_OHM = re.compile(r"(?<=\d)\s*‹?([kMGm]?)›?\s*(?:[\u03a9\u2126]|\\Omega(?=\s*(?:[.,;:)$}‹]|and\b|or\b|$)))")
_SIZED = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|mathopen|mathclose|mathstrut"
    r"|strut|hfill|noindent|middle|mathop|mathrel|mathbin|mathord|Huge|huge|LARGE|Large|large|normalsize|small|footnotesize|tiny)(?![a-zA-Z])\.?|\\(?:[hv]space\*?|[hv]?phantom|label|tag|color)\s*\{[^{}]*\}"
)
_SPACING = re.compile(r"\\(?:quad|qquad|enspace|enskip|thinspace|space|[hv]skip)(?![a-zA-Z])|(?<!\\)\\[,;:!> ]|~")
_SAME_MACROS = {
    r"\\[dtcs]frac(?![a-zA-Z])|\\nicefrac(?![a-zA-Z])": r"\\frac",
    r"\\[dt]binom(?![a-zA-Z])": r"\\binom",
    r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-zA-Z])|\\textdegree(?![a-zA-Z])|\{\}\s*°": "°",
    r"\\%": "%",
    r"\\(?:times|cdot|ast|cdotp)(?![a-zA-Z])": " * ",
    r"\\div(?![a-zA-Z])": "/",
    r"\\(?:le|leq|leqslant|leqq)(?![a-zA-Z])|<=|=<": "≤",
    r"\\(?:ge|geq|geqslant|geqq)(?![a-zA-Z])|>=": "≥",
    r"\\lt(?![a-zA-Z])|&lt;": "<",
    r"\\gt(?![a-zA-Z])|&gt;": ">",
    r"\\(?:ne|neq)(?![a-zA-Z])|\\not\s*=|!=": "≠",
    r"\\(?:approx|simeq|cong|doteq|thickapprox)(?![a-zA-Z])": "≈",
    r"\\equiv(?![a-zA-Z])": "≡",
    r"\\triangle(?![a-zA-Z])": " ‹triangle› ",
    r"\\(?:implies|Rightarrow|Longrightarrow|therefore|iff|Leftrightarrow)(?![a-zA-Z])|=>|⟹": "⇒",
    r"\\in(?![a-zA-Z])": "∈",
    r"\\(?:cup|bigcup)(?![a-zA-Z])": "∪",
    r"\\(?:emptyset|varnothing)(?![a-zA-Z])": "‹no solution›",
    r"\\pm(?![a-zA-Z])|\+/-|\+-": "±",
    r"\\mp(?![a-zA-Z])": "∓",
    r"\\(?:ldots|dots|cdots|dotsc)(?![a-zA-Z])|\.\.\.+": "…",
    r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])": "|",
    r"\\(?:langle)(?![a-zA-Z])": "⟨",
    r"\\(?:rangle)(?![a-zA-Z])": "⟩",
    r"\\(?:lbrace)(?![a-zA-Z])|\\\{": "⦃",
    r"\\(?:rbrace)(?![a-zA-Z])|\\\}": "⦄",
    r"\\(?:lbrack)(?![a-zA-Z])": "[",
    r"\\(?:rbrack)(?![a-zA-Z])": "]",
    r"\\(?:lor|vee)(?![a-zA-Z])": " or ",
    r"\\(?:land|wedge|&)(?![a-zA-Z])": " and ",
    r"\\mathbb\s*\{?\s*R\s*\}?": "(-\\\\infty,\\\\infty)",
    r"\{\s*([^{}]+?)\s*\\over(?![a-zA-Z])\s*([^{}]+?)\s*\}": r"\\frac{\1}{\2}",
    r"\{\s*([^{}]+?)\s*\\choose(?![a-zA-Z])\s*([^{}]+?)\s*\}": r"\\binom{\1}{\2}",
    r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([^{}]*)\}": r"\1 ‹\2›",
}
_SAME = [(re.compile(pattern), by) for pattern, by in _SAME_MACROS.items()]
_JOINED = frozenset(("and", "or"))
_SHORT_WORDS = frozenset("sq cu fl of is in at by to no on it if as an so be do we am pm".split())
_LETTERS = re.compile(r"(?<![A-Za-z\\‹])[A-Za-z]++(?:['\u2019][a-z]+)?")
_MARKED = re.compile(r"‹([^‹›]*)›")
_MARKS = str.maketrans("", "", "‹›")

# A pair in brackets, "(12,102)", is a point or an interval and no number.
_GROUPS = re.compile(
    r"(?<![\d.,(\[⦃])\d{1,3}(?:,\d{3}){1,9}(?!,?\d)|(?<=[(\[⦃])\d{1,3}(?:,\d{3}){1,9}(?![,\d]|\s*[)\]⦄])"
)
_SPACED_GROUPS = re.compile(r"(?<![\d.,/^_{])(?<!\d )\d{1,3}(?: \d{3}){1,5}(?! ?[\d/])")
_POWER_OF_TEN = re.compile(r"(?<=\d)\s*[x*]\s*10\s*\^\s*(?:\{\s*([-+]?\d{1,4})\s*\}|\(?([-+]?\d{1,4})\)?)")
_EXPONENT = re.compile(r"(?<=\d)[eE]([-+]?\d{1,4})(?![\d.A-Za-z])")
_TIMES = re.compile(r"(?<=\d)\s*x\s*(?=\d)")
_REPEATING = re.compile(r"(\d{0,20})\.(\d{0,20})\\(?:overline|bar|dot|overset\{\.\})\s*\{?(\d{1,20})\}?")
_NUMBER = re.compile(
    r"[-+]?\s*(?:\d{1,60}(?:\.(?P<decimals>\d{1,60}))?|\.(?P<only>\d{1,60}))(?:\*10\^\{(?P<power>[-+]?\d{1,4})\})?"
)
_UNIT_BEHIND = re.compile(
    r"(?P<number>[-+]?\s*\d{1,60}(?:\.\d{1,60})?(?:\*10\^\{[-+]?\d{1,4}\})?)(?P<space>\s*)"
    r"(?P<unit>[A-Za-zµ][A-Za-zµ0-9^{}/* .-]{0,30})"
)
_SHORT_UNITS = re.compile(r"[mgshlL](?![A-Za-z])|[A-Za-zµ]{2}")
_PART = r"(\d{1,12}(?:\.\d{1,12})?)\s*([A-Za-z]{1,12}\.?)"
_COMPOUND_PART = re.compile(_PART)
_COMPOUND = re.compile(rf"{_PART}(?:\s*(?:,|and)?\s*{_PART}){{1,3}}")
_REMAINDER = re.compile(
    r"(\d{1,30})(?:\s*R\s*|\s*,?\s+(?:(?:and|with)\s+)?(?:a\s+)?(?:r|rem\.?|remainder)\s+(?:(?:of|is)\s+|=\s*)?)(\d{1,30})"
)
_BASED = re.compile(
    r"\(?(?P<digits>[0-9A-Fa-f]{1,60})\)?\s*(?:_\s*\{?\s*\(?\s*(?:base\s*)?(?P<base>\d{1,2}|[a-z]{3,8})\s*\)?\s*\}?"
    r"|\(?(?:in )?base[ -](?P<said>\d{1,2}|[a-z]{3,8})\)?|\(?(?:in )?(?P<named>binary|octal|hexadecimal|hex)\)?)"
)
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
          "sixteen": 16, "binary": 2, "octal": 8, "hexadecimal": 16, "hex": 16}  # fmt: skip
_WORD_NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_MULTIPLES = {
    "dozen": Fraction(12), "hundred": Fraction(100), "thousand": Fraction(1000), "million": Fraction(10**6),
    "billion": Fraction(10**9), "trillion": Fraction(10**12), "half": Fraction(1, 2), "halves": Fraction(1, 2),
} | {
    word + plural: Fraction(1, number)
    for number, word in enumerate("third quarter fifth sixth seventh eighth ninth tenth".split(), 3)
    for plural in ("", "s")
} | {
    "fourth": Fraction(1, 4), "fourths": Fraction(1, 4), "hundredths": Fraction(1, 100), "thousandths": Fraction(1, 1000),
}  # fmt: skip
_CONSTANT_ADDED = re.compile(r"\+ *c$")
_HAS_FUNCTION = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_CHOICE = re.compile(
    r"(?:(?i:option|choice|letter)\s+)?(?:\((?P<a>[A-Ea-e])\)|(?P<b>[A-E])\)|(?P<c>[A-E])(?=\.?$|[.:]\s))[.:]?\s*(?P<rest>.*)",
    re.DOTALL,
)
_PART_LABEL = re.compile(r"(?:^|(?<=[\s,;]))\(?‹?([a-h])›?\)\s+")  # of the parts of an exercise
_BETWEEN = re.compile(r"‹(?:[Ii]s )?[Bb]etween› *(.+)", re.DOTALL)
_JOINING_END = re.compile(r"[\s,;]*\b(?:and|or)\s*$")
_RELATIONS = "=≈<>≤≥≠≡"
_DISTANCE = re.compile(r"\|(?P<inner>[^|<>≤≥]+)\|\s*(?P<sign>[<>≤≥])(?P<bound>[^|<>≤≥=]+)")
_DISTANCE_BEHIND = re.compile(r"^([^|<>≤≥=]+)([<>≤≥])\s*(\|[^|<>≤≥]+\|)$")
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
_NAME = re.compile(
    r"(?:[A-Za-z]|\\(?:vec|hat|bar|overline|tilde|mathbf)\s*\{?\w\}?|\\[A-Za-z]+)(?:_(?:\{[^{}]{1,12}\}|\w)|')*"
)
_OPENING, _CLOSING = "([{⦃⟨‹", ")]}⦄⟩›"
_MATRIX = re.compile(
    r"\\begin\s*\{(?P<kind>[pbvBV]?matrix|smallmatrix|array)\}(?:\{[clr| ]*\})?(?P<cells>.*?)\\end\s*\{(?P=kind)\}",
    re.DOTALL,
)
_DESCRIBED = re.compile(r"\b(?:of|in|from|for|on|with|at|by|to|per|if|when|which|that|since|because|as)\b")
_INTRODUCTION = re.compile(
    r"^‹[^‹›]*\b(?:is|are|was|be|equals|gives|get|need|have|has|obtain|find)›\s*(?=[^ ‹])", re.IGNORECASE
)
_FILLER = re.compile(
    r"^(?:\s*‹(?:about|both|either|between|approximately|approx|roughly|exactly|only|just|around|nearly|simply"
    r"|equal to|equals|is|are|the|a|an|or"
    r"|therefore|thus|hence|so|all|real numbers?|values?|of|be|should be)\.?›\s*)+(?=.)"
)
_SYNONYMS = {
    "no solutions": "no solution", "no real solution": "no solution", "no real solutions": "no solution",
    "the empty set": "no solution", "empty set": "no solution", "none": "no solution", "does not exist": "undefined",
    "dne": "undefined",
    "not defined": "undefined", "infinitely many solutions": "infinitely many", "infinite solutions": "infinitely many",
    "diverges": "divergent", "converges": "convergent", "it diverges": "divergent", "it converges": "convergent",
}  # fmt: skip
_EVERYTHING = frozenset(
    ("all real numbers", "all reals", "all real x", "every real number", "all real values", "the real numbers")
)


class Leaf(NamedTuple):
    """A number or expression, or something set as a formula that is not understood (`value` None).

    `text`: without markup. `slack`: by how much the number may be off for being a rounded one. `percent`: if its value
    is given in hundredths. `unit`: None where none is known. `digits`: as written, if in a base of its own.
    `integral`: where it ends in `+ c`, its value with `+ C`.
    """

    text: str
    value: Expression | None
    slack: Fraction = Fraction(0)
    percent: bool = False
    unit: units.Unit | None = None
    digits: str | None = None
    integral: Expression | None = None


class Group(NamedTuple):
    """`kind`: `tuple`, `set`, `matrix`, `determinant`, `ratio` or `remainder` (of a quotient). `brackets`: as written.

    Rows of a matrix are tuples. "Between 2 and 3" is a set with the brackets `between`, one answer of two numbers.
    """

    kind: str
    brackets: str
    items: tuple["Item", ...]


class Interval(NamedTuple):
    """A range of numbers; `low` and `high` are Leaf, None where it has no end on that side."""

    low: Leaf | None
    low_open: bool
    high: Leaf | None
    high_open: bool


class Ranges(NamedTuple):
    """A union of intervals, the lowest first, and the name of the variable that lies in them, if one is said."""

    intervals: tuple[Interval, ...]
    name: str | None = None


class Relation(NamedTuple):
    """An equation or inequality. `name` and `value` are set where it only says what something is.

    `parts` are its sides as differences, left minus right, with `<`, `≤`, `=` or `≠` to zero; None where a side is not
    understood.
    """

    text: str
    name: str | None
    value: "Item | None"
    parts: tuple[tuple[str, Expression], ...] | None


class Residue(NamedTuple):
    """`name` is congruent to `residue` modulo `modulus`."""

    name: str
    residue: Fraction
    modulus: Fraction


class Choice(NamedTuple):
    """The letter of a multiple choice and what stands behind it, if anything."""

    letter: str
    rest: tuple["Item", ...]


class Words(NamedTuple):
    """Words; `text` without case, spaces made one."""

    text: str


Item = Leaf | Group | Ranges | Relation | Residue | Choice | Words


def same(one: str, other: str) -> bool:
    """Tell whether two answers say the same. Raises nothing on any text."""
    return same_items(read(one), read(other))


def same_items(ours: Sequence[Item], theirs: Sequence[Item]) -> bool:
    """Tell whether two lists of answers are the same, in any order; a set is the list of what it holds."""
    if not ours or not theirs:
        return False
    for a, b in ((ours, theirs), (theirs, ours)):
        point = a[0].value if isinstance(a[0], Relation) and a[0].value else a[0]
        if len(a) == 1 and isinstance(point, Group) and point.kind == "tuple" and len(b) > 1 and _is_point_of(point, b):
            return True
    if len(ours) == len(theirs) == 1 and same_item(ours[0], theirs[0]):
        return True
    ours, theirs = flat(ours), flat(theirs)
    return len(ours) == len(theirs) and matched(ours, theirs) == len(ours)


def matched(ours: Sequence[Item], theirs: Sequence[Item]) -> int:
    """Return how many of our items have one among theirs that is the same; each of theirs counts once."""
    left = list(theirs)
    count = 0
    for item in ours:
        for i, other in enumerate(left):
            if same_item(item, other):
                del left[i]
                count += 1
                break
    return count


@lru_cache(maxsize=4096)
def read(answer: str) -> tuple[Item, ...]:
    """Return the items that an answer lists, one where it is no list, none where it says nothing."""
    if len(answer) > MAX_CHARS:
        return ()
    text = normalised(answer)
    return _items(text, 0) if text else ()


def normalised(text: str) -> str:
    """Return the answer with one spelling for what is set in many. Words stand in `‹` and `›`."""
    text = _RAISED.sub(lambda run: f"^{{{run[0].translate(_ON_THE_LINE)}}}", text[: 2 * MAX_CHARS])
    text = _LOWERED.sub(lambda run: f"_{{{run[0].translate(_ON_THE_LINE)}}}", text)
    text = _ARTICLE.sub("", text)  # else "a" is a variable
    text = _FEET_AND_INCHES.sub(r"\1 feet \2 inches", text.translate(_SYMBOLS).replace("\\$", "\x01"))
    text = re.sub(r"\b([ap])\.\s?m\.?(?![a-z])", r"\1m", re.sub(r"\b0b([01]{1,60})\b", r"\1_2", text))
    text = re.sub(r"(?<=\d)(?:\{,\}|\\[,!]|,\\!)\s*(?=\d{3}(?!\d))", "", text)
    parts: list[str] = []
    position = 0
    for span in _MATH.finditer(text):
        parts += [
            _marked(_unstyled(text[position : span.start()]), False),
            " ",
            _marked(_unstyled(next(filter(None, span.groups()))), True),
            " ",
        ]
        position = span.end()
    rest = _unstyled(text[position:])
    parts.append(_marked(rest, position == 0))
    text = "".join(parts)
    text = re.sub(r"[$\x01]", " ", text)
    text = _GROUPS.sub(lambda number: number[0].replace(",", ""), text)
    text = _SPACED_GROUPS.sub(lambda number: number[0].replace(" ", ""), text)
    text = _REPEATING.sub(_repeating, text)
    text = _EXPONENT.sub(r"*10^{\1}", text)
    text = _POWER_OF_TEN.sub(lambda power: f"*10^{{{power[1] or power[2]}}}", text)
    text = _TIMES.sub("*", text)
    text = re.sub(r"\\sqrt (\d{2,})", r"\\sqrt{\1}", text)
    text = re.sub(r"‹\s*(?:percent|per cent|percentage|pct)\s*›", "%", text).replace("‹infinity›", "\\infty ")
    return _trimmed(" ".join(text.split()))


def _unstyled(text: str) -> str:
    """Return the text with one macro for what several do, and words in marks."""
    text = _AMOUNT.sub(lambda money: f"{money['amount']} ‹{_MONEY[money['sign']]}›", text)
    text = re.sub(r"(?<=\d)\s*([\x01€£¥₹¢])", lambda sign: f" ‹{_MONEY[sign[1]]}› ", text)
    text = re.sub(r"\\(?:f?box(?:ed)?|ensuremath)(?=\s*\{)", "", text)
    text = re.sub(r"(?<=\d)(?:\s*\^\s*\{?\s*(?:\\\w+\s*\{)?\s*)?(?:st|nd|rd|th)(?![A-Za-z])\}?\}?", " ", text)
    text = re.sub(r"(?<=[\w)])\*\*(?=[\w(])", "^", text).replace("**", " ").replace("`", " ").replace("__", " ")
    text = re.sub(r"\\(?:textcolor)\s*\{[^{}]*\}", "", text)
    text = _UNIT_VECTOR.sub(lambda name: f" {name[1] or name[2]} ", _SIZED.sub("", text))
    text = _SWITCH.sub(r"\\text{\1}", text)
    for _ in range(3):  # one in the other
        text, count = _TEXT_MACRO.subn(_words_of_macro, text)
        if not count:
            break
    text = _SWITCH_ALONE.sub(lambda words: f" ‹{words[1].strip()}› " if words[1].strip() else " ", text)
    text = _SPACING.sub(" ", text)
    text = _OHM.sub(r" ‹\1ohm› ", text)
    for pattern, by in _SAME:
        text = pattern.sub(by, text)
    return re.sub(r"\\[()\[\]]", " ", text)


def _words_of_macro(macro: re.Match[str]) -> str:
    words, kind = macro["words"], macro["macro"]
    said = words.translate(_MARKS).strip()
    if said in expressions.FUNCTION_NAMES:
        return f"\\{said} "
    before = macro.string[: macro.start()].rstrip(" \\,;~")[-1:]
    if kind.startswith(("math", "bold", "bm")) and len(said) == 1 and not (before.isdigit() and units.read(said)[0]):
        return f" {said} "
    if said.lower() in _JOINED:
        return f" {said.lower()} "
    return " " + _LETTERS.sub(lambda run: run[0].lower() if run[0].lower() in _JOINED else f"‹{run[0]}›", words) + " "


def _marked(text: str, is_math: bool) -> str:
    """Return the text with its words in marks: runs of letters outside formulas, and those in them that are no product."""

    def mark(run: re.Match[str]) -> str:
        word = run[0]
        if word.lower() in _JOINED:
            return f" {word.lower()} "
        before, behind = text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]
        if _inside_marks(text, run.start()) or (before == "{" and text[: run.start()].endswith(("begin{", "end{"))):
            return word
        if not is_math:
            return f"‹{word}›"
        if word in expressions.FUNCTION_NAMES or (
            before in ("_", "{") and before and text[: run.start()].rstrip("{").endswith("_")
        ):
            return word
        known = units.read(word)[0] is not None
        if (
            len(word) == 2
            and known
            and (before.isdigit() or before in " }°")
            and behind in ("", " ", "^", "/", ".", ")", ",", "}")
        ):
            return f"‹{word}›" if before else word
        if text[: run.start()].rstrip()[-1:] in tuple("+-*/=^") and len(word) == 2 and not known:
            return word
        if len(word) == 2 and word.lower() in _SHORT_WORDS and before in ("", " ") and behind in ("", " "):
            return f"‹{word}›"
        if before == "{" and behind == "}" and len(word) <= 4 and not known:
            return word  # as in \frac{abc}{d}
        glued = (before.isdigit() and not known) or (before in (")", "}", "^") and not known)
        return f"‹{word}›" if len(word) >= 3 and not glued and not re.match(rf"(?:{_FUNCTIONS})", word) else word

    return re.sub(r"›(\s*)‹", r"\1 ", _LETTERS.sub(mark, text))


def _inside_marks(text: str, position: int) -> bool:
    return text.rfind("‹", 0, position) > text.rfind("›", 0, position)


def _repeating(number: re.Match[str]) -> str:
    whole, fixed, period = number[1], number[2], number[3]
    scale = 10 ** len(fixed)
    value = Fraction(int((whole or "0") + fixed), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def _trimmed(text: str) -> str:
    text = re.sub(r"^(?:[ ,:;*_]|\.(?!\d))+", "", text).rstrip(" .,:;*_")
    while (
        text.startswith("{")
        and text.endswith("}")
        and _closing(text, 0) == len(text) - 1
        and not _split(text[1:-1], ",")[1:]
    ):
        text = text[1:-1].strip(" .,:;")
    return text


def _closing(text: str, start: int) -> int:
    """Return where the bracket at `start` is closed, -1 if nowhere."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] in _OPENING:
            depth += 1
        elif text[i] in _CLOSING:
            depth -= 1
            if depth == 0:
                return i
    return -1


def _split(text: str, separators: str, words: Iterable[str] = ()) -> list[str]:
    """Return the parts between separators, signs or whole words, that stand in no brackets."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(text):
        character = text[i]
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and character in separators:
            parts.append(text[start:i])
            start = i + 1
        elif depth == 0 and character == " ":
            for word in words:
                if text.startswith(f" {word} ", i):
                    parts.append(text[start:i])
                    start = i + len(word) + 1
                    i = start - 1
                    break
        i += 1
    parts.append(text[start:])
    return [part.strip() for part in parts]


def _items(text: str, depth: int) -> tuple[Item, ...]:
    text = _split(text, "⇒")[-1]
    plain = " ".join(text.translate(_MARKS).split())
    labels = list(_PART_LABEL.finditer(text)) if depth == 0 else []
    if len(labels) > 1 and labels[0].start() == 0 and "abcdefgh".startswith("".join(label[1] for label in labels)):
        ends = [*(label.start() for label in labels[1:]), len(text)]
        parts = [text[label.end() : end] for label, end in zip(labels, ends, strict=True)]
        return tuple(item for part in parts for item in _items(_trimmed(_JOINING_END.sub("", part)), 1))
    between = _BETWEEN.fullmatch(text)
    bounds = _split(between[1], "", ("and",)) if between else []
    if len(bounds) == 2:
        return (Group("set", "between", tuple(item for bound in bounds for item in _expanded(bound, depth + 1))),)
    choice = _CHOICE.fullmatch(plain)
    if choice and depth == 0 and not re.match(r"(?:and|or)\b|[,&]", choice["rest"]):
        rest = _after_choice(text, choice)
        return (Choice((choice["a"] or choice["b"] or choice["c"]).upper(), _items(rest, 1) if rest else ()),)
    compound = _compound(plain) or _with_remainder(plain)
    if compound is not None:
        return (compound,)
    if _based(plain) is not None:
        return (_item(text, depth),)
    if _MATRIX.search(text) is None:
        text = text.replace(" & ", " and ")
    parts = [part for part in _split(text, ",;", ("and", "or")) if part and part not in _REMARKS]
    if len(parts) > MAX_ITEMS:
        return (Words(plain.casefold()),)
    if len(parts) > 1:
        joint = "and" if len(_split(text, "", ("and",))) == len(parts) else "or" if " or " in text else ","
        ranges = _together(parts, joint)
        if ranges is not None:
            return (ranges,)
        if _MATRIX.search(text) is None:
            return tuple(item for part in parts for item in _expanded(part, depth))
    return tuple(_expanded(text, depth))


def _after_choice(text: str, choice: re.Match[str]) -> str:
    """Return what stands behind the letter of a choice, with its marks."""
    rest = "".join(choice["rest"].split())
    if not rest:
        return ""
    kept, i = len(rest), len(text)
    while kept and i:
        i -= 1
        if text[i] not in "‹› ":
            kept -= 1
    return _trimmed(("‹" if text[i - 1 : i] == "‹" else "") + text[i:])


def _expanded(text: str, depth: int) -> list[Item]:
    """Return the item, or both that a plus-minus sign stands for."""
    text = _trimmed(text)
    if re.search("[±∓]", re.sub("⦃[^⦄]*⦄", "", text)):
        signs = str.maketrans("±∓", "+-"), str.maketrans("±∓", "-+")
        return [_item(text.translate(sign), depth) for sign in signs]
    item = _item(text, depth)
    return [] if isinstance(item, Words) and not item.text else [item]


def _item(text: str, depth: int) -> Item:
    text = _trimmed(text)
    words = _said(text)
    if depth > MAX_NESTING:
        return Words(words)
    if words in _EVERYTHING:
        return Ranges((Interval(None, True, None, True),))
    for read_as in (_group, _ranges, _matrix, _residue, _relation, _ratio):
        found: Item | None = read_as(text, depth)
        if found is not None:
            return found
    return _leaf(text)


def _said(text: str) -> str:
    words = " ".join(text.translate(_MARKS).casefold().split())
    return _SYNONYMS.get(words) or re.sub(r"^(?:the|an?) (?=[a-z]{2})", "", words)


def _group(text: str, depth: int) -> Item | None:
    if not text or text[0] not in "([{⦃⟨" or _closing(text, 0) != len(text) - 1:
        return None
    inner, brackets = text[1:-1], text[0] + text[-1]
    if brackets in ("⦃⦄", "{}"):
        builder = re.fullmatch(r"\s*([A-Za-z])\s*(?:∈\s*\([^)]*\)\s*)?[|:](.*)", inner, re.DOTALL)
        if builder:
            return _item(builder[2], depth + 1)
    parts = [part for part in _split(inner, ",;") if part]
    if brackets in ("⦃⦄", "{}"):
        if brackets == "{}" and len(parts) < 2:
            return None
        items = tuple(item for part in parts for item in _expanded(part, depth + 1))
        return Group("set", brackets, items) if items else Words("no solution")
    if len(parts) < 2 or len(parts) > MAX_ITEMS or "=" in inner:
        return None
    if "\\infty" in inner and len(parts) == 2:
        return _ranges(text)
    return Group("tuple", brackets, tuple(_item(part, depth + 1) for part in parts))


def _matrix(text: str, depth: int) -> Item | None:
    if text[:1] in ("(", "[") and text[1:].lstrip().startswith("\\begin"):
        text = text[1:-1].strip()
    found = _MATRIX.fullmatch(text)
    if found is None:
        return None
    rows = [row for row in found["cells"].split("\\\\") if row.strip()]
    items = tuple(
        Group("tuple", "()", tuple(_item(cell, depth + 1) for cell in row.split("&"))) for row in rows[:MAX_ITEMS]
    )
    return Group("determinant" if found["kind"].startswith(("v", "V")) else "matrix", "()", items)


def _ratio(text: str, depth: int) -> Item | None:
    parts = re.sub(r"(?<=\d)\s*‹(?:to)›\s*(?=\d)|(?<=\d) *\\colon *(?=\d)", ":", text)
    cells = _split(parts, ":")
    if len(cells) < 2 or any(not _NUMBER.fullmatch(cell) for cell in cells):
        return None
    return Group("ratio", "::", tuple(_leaf(cell) for cell in cells))


def _residue(text: str, depth: int) -> Item | None:
    del depth
    found = re.fullmatch(
        r"(.{1,40}?)≡\s*(-?\d{1,30})\s*,?\s*\(?\s*(?:\\p?mod|\\bmod|\\pmod|‹mod›|‹modulo›)\s*\{?\s*(\d{1,30})\s*\}?\s*\)?",
        text,
    )
    if found is None or int(found[3]) == 0:
        return None
    modulus = Fraction(found[3])
    return Residue(_said(found[1]).strip(), Fraction(found[2]) % modulus, modulus)


def _relation(text: str, depth: int) -> Item | None:
    membership = _split(text, "∈")
    if len(membership) == 2 and _NAME.fullmatch(membership[0].translate(_MARKS)):
        return Relation(text, membership[0].translate(_MARKS), _item(membership[1], depth + 1), None)
    signs = [character for character in _at_top(text) if character in _RELATIONS]
    sides = _split(text, _RELATIONS)
    if not signs or len(sides) != len(signs) + 1 or not all(sides[1:]):
        return None
    read_sides = [_expression(side) for side in sides]
    name = value = None
    if all(sign in "=≈" for sign in signs):
        if not sides[0] and len(sides) == 2:
            return _item(sides[1], depth + 1)
        if _names_something(sides[0], read_sides[0], read_sides[-1]):
            name = " ".join(sides[0].translate(_MARKS).split())
            value = _item(sides[-1], depth + 1)
            if _numeric(read_sides[0]):
                return value
        elif _NAME.fullmatch(sides[-1]) and read_sides[0] is not None and len(sides) == 2:
            name, value = sides[-1], _item(sides[0], depth + 1)
    parts: list[tuple[str, Expression]] = []
    for left, sign, right in zip(read_sides, signs, read_sides[1:], strict=False):
        if left is None or right is None or sign == "≡":
            return Relation(_key(text), name, value, None)
        less, more = (right, left) if sign in ">≥" else (left, right)
        parts.append(({"≈": "=", ">": "<", "≥": "≤"}.get(sign, sign), expressions.difference(less, more)))
    return Relation(_key(text), name, value, tuple(parts))


def _at_top(text: str) -> str:
    """Return the characters that stand in no brackets."""
    kept, depth = [], 0
    for character in text:
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(character)
    return "".join(kept)


def _numeric(value: Expression | None) -> bool:
    return value is not None and not value.names


def _names_something(side: str, value: Expression | None, right: Expression | None) -> bool:
    """Tell whether the left side is a name or a question (`x`, `f(3)`, `the area`, `P(A)`, `2 + 3`), no equation's side."""
    if _NAME.fullmatch(side) or value is None or "‹" in side:
        return True
    if not value.names:
        return right is None or not right.names
    # f(x), P(A), AB: letters and brackets alone, but no product that is solved for, such as ab = 40
    return bool(
        re.fullmatch(
            r"(?:[A-Za-z]|\\[A-Za-z]+)(?:\^\{-1\}|['\u2019])*\s*\([^()+*/^-]{1,12}\)|[A-Z]{2,3}|\\frac\s*\{d\w*\}\s*\{d\w+\}",
            side,
        )
    )


def _ranges(text: str, depth: int = 0) -> Ranges | None:
    """Return the ranges that an interval, a union of such or an inequality in one variable describes."""
    del depth
    member = re.fullmatch(r"\s*([A-Za-z])\s*∈(.*)", text, re.DOTALL)
    name = member[1] if member else None
    text = (member[2] if member else text).strip()
    parts = _split(text, "∪")
    if len(parts) > 1:
        found = [_interval(part) for part in parts]
        return _union([each for each in found if each], name) if all(found) else None
    if "\\infty" in text or member or (text[:1] + text[-1:]) in ("[)", "(]"):
        interval = _interval(text)
        if interval is not None:
            return Ranges((interval,), name)
    return _distance(text) or _solved(text)


def _distance(text: str) -> Ranges | None:
    """Return the ranges that `|x - 2| < 3` and the like describe, None where the right side is no positive number."""
    text = _DISTANCE_BEHIND.sub(lambda sides: f"{sides[3]}{_FLIPPED[sides[2]]}{sides[1]}", text.strip())
    found = _DISTANCE.fullmatch(text)
    bound = _expression(found["bound"]) if found else None
    if not found or bound is None or bound.names or not (expressions.floating(bound.values[0] or 0j).real > 0):
        return None
    inner, sign, limit = found["inner"], found["sign"], found["bound"]
    if sign in "<≤":
        return _solved(f"-({limit}){sign}{inner}{sign}{limit}")
    outside = [_solved(f"{inner}{_FLIPPED[sign]}-({limit})"), _solved(f"{inner}{sign}{limit}")]
    return _union([each.intervals[0] for each in outside if each], None) if all(outside) else None


def _interval(text: str) -> Interval | None:
    text = text.strip()
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]"):
        return None
    ends = _split(text[1:-1], ",;")
    if len(ends) != 2 or not all(ends):
        return None
    leaves = [None if "\\infty" in end else _leaf(end) for end in ends]
    if any(isinstance(leaf, Words) or (leaf is not None and leaf.value is None) for leaf in leaves):
        return None
    low, high = (leaf if isinstance(leaf, Leaf) else None for leaf in leaves)
    return Interval(low, text[0] == "(" or low is None, high, text[-1] == ")" or high is None)


def _solved(text: str) -> Ranges | None:
    """Return the range that a chain of inequalities, linear in its one variable, describes."""
    signs = [character for character in _at_top(text) if character in _RELATIONS]
    if not signs or len(signs) > 3 or any(sign not in _FLIPPED for sign in signs):
        return None
    sides = [_expression(side) for side in _split(text, "<>≤≥")]
    if len(sides) != len(signs) + 1:
        return None
    found: list[Ranges] = []
    names = frozenset(name for side in sides if side for name in side.names)
    if len(names) != 1:
        return None
    (name,) = names
    for left, sign, right in zip(sides, signs, sides[1:], strict=False):
        if left is None or right is None:
            return None
        terms = expressions.line(expressions.difference(left, right), name)
        if terms is None or not terms[0] or expressions.floating(terms[0]).imag or expressions.floating(terms[1]).imag:
            return None
        slope, constant = terms
        end = _end(expressions.quotient(-constant, slope))
        below = (sign in "<≤") == (expressions.floating(slope).real > 0)
        is_open = sign in "<>"
        found.append(
            Ranges((Interval(None, True, end, is_open) if below else Interval(end, is_open, None, True),), name)
        )
    return _intersection(found)


def _end(value: Number) -> Leaf:
    return Leaf(str(value), expressions.constant(value))


def _size(leaf: Leaf) -> float:
    value = leaf.value.values[0] if leaf.value else None
    return expressions.floating(value).real if value is not None else 0.0


def _intersection(ranges: Sequence[Ranges]) -> Ranges | None:
    low = high = None
    low_open = high_open = True
    for each in ranges:
        if len(each.intervals) != 1:
            return None
        (interval,) = each.intervals
        if interval.low is not None and (low is None or _size(interval.low) > _size(low)):
            low, low_open = interval.low, interval.low_open
        if interval.high is not None and (high is None or _size(interval.high) < _size(high)):
            high, high_open = interval.high, interval.high_open
    return Ranges((Interval(low, low_open, high, high_open),), ranges[0].name)


def _union(intervals: Sequence[Interval], name: str | None) -> Ranges:
    lowest = sorted(intervals, key=lambda each: float("-inf") if each.low is None else _size(each.low))
    return Ranges(tuple(lowest), name)


def _together(parts: Sequence[str], sign: str) -> Ranges | None:
    """Return the ranges that several inequalities in one variable leave; `sign` is "and", "or" or a comma for either."""
    found = [each for part in parts if (each := _ranges(part)) is not None]
    if len(found) < len(parts) or len({each.name for each in found}) > 1:
        return None
    met = _intersection(found) if sign != "or" else None
    if met is not None:
        low, high = met.intervals[0].low, met.intervals[0].high
        if sign == "and" or (low is not None and high is not None and _size(low) < _size(high)):
            return met
    return _union([interval for each in found for interval in each.intervals], found[0].name)


def _based(plain: str) -> tuple[str, int] | None:
    """Return the digits and the base of a number such as `1101_2`, None if it is none."""
    found = _BASED.fullmatch(re.sub(r"\\overline\s*\{(\w{1,60})\}", r"\1", plain.strip()))
    if found is None:
        return None
    base = found["base"] or found["said"] or found["named"]
    radix = int(base) if base.isdigit() else _BASES.get(base, 0)
    digits = found["digits"].upper()
    if (
        not 2 <= radix <= 16
        or any(int(digit, 16) >= radix for digit in digits)
        or (not digits[0].isdigit() and radix <= 10)
    ):
        return None
    return digits, radix


def _leaf(text: str) -> Leaf | Words:
    """Return the number, expression or words that the text is."""
    text = _FILLER.sub("", _INTRODUCTION.sub("", _trimmed(text))).strip()
    plain = " ".join(text.translate(_MARKS).split())
    based = _based(plain)
    if based is not None:
        return Leaf(_key(text), expressions.constant(Fraction(int(*based))), digits=based[0])
    said = _said(text)
    word, _, rest = said.partition(" ")
    number = _word_number(word)
    if word in ("a", "one", "half", "‹half›") and said in ("half", "a half", "one half"):
        number, rest = 1, "half"
    if number is not None and "‹" in text:
        return _measured(str(number), rest, text)
    if text.startswith("‹") and _closing(text, 0) == len(text) - 1:
        return Words(said)
    behind = _UNIT_BEHIND.fullmatch(text)
    if behind and (behind["space"] or _SHORT_UNITS.match(behind["unit"])):
        unit, left = units.read(behind["unit"])
        if unit is not None and not left.strip(" ."):
            return _measured(behind["number"], behind["unit"], text)
    text = re.sub(r"\(\s*(‹[^‹›]*›)[ .]*\)$", r"\1", text)
    text = re.sub(
        r"(?<=\d) *\\frac *\{ *‹?([A-Za-z]+)›? *\} *\{ *‹?([A-Za-z]+)›? *(\^ *\{?\d\}?)? *\}$",
        lambda unit: (
            f" ‹{unit[1]}/{unit[2]}›{unit[3] or ''}" if all(units.read(unit[i])[0] for i in (1, 2)) else unit[0]
        ),
        text,
    )
    chance = re.fullmatch(r"(\d{1,30}) ‹(?:out of|in)› (\d{1,30})", text)
    if chance:
        text = f"{chance[1]}/{chance[2]}"
    start = text.find("‹")
    if start > 0:
        core, tail = text[:start].strip(), " ".join(text[start:].translate(_MARKS).split())
        behind = _UNIT_BEHIND.fullmatch(core)
        if behind and behind["space"] and units.read(behind["unit"])[0] is not None:
            core, tail = behind["number"], f"{behind['unit']} {tail}"
        if re.search(r"\d", re.sub(r"\^\s*\{?\s*-?\d\s*\}?|(?<=[a-z])[23]\b", "", tail)):
            unit, left = units.read(tail)
            described = _DESCRIBED.match(left.strip()) or (unit is None and _DESCRIBED.search(left))
            following = (
                left.strip()[described.end() :].strip()
                if described and unit
                else left[described.end() :].strip()
                if described
                else ""
            )
            if not following or following[0].isdigit():
                return Words(said)
            tail = left[: described.start()] if described and unit is None else tail
            if unit is None and re.search(r"\d", tail):
                return Words(said)
        return _measured(core, tail, text)
    if start == 0:
        return Words(said)
    return _measured(text, "", text)


def _expression(text: str) -> Expression | None:
    leaf = _leaf(text)
    return leaf.value if isinstance(leaf, Leaf) else None


def _measured(core: str, tail: str, text: str) -> Leaf:
    """Return the leaf for what stands before and after the first word."""
    times = Fraction(1)
    words = tail.split()
    for word in words[:2]:
        factor = _MULTIPLES.get(word.lower().strip(".,"))
        if factor is not None:
            times *= factor
            words.remove(word)
    tail = " ".join(words)
    unit, _ = units.read(tail)
    core = core.strip(" ,*")
    scale = None if _HAS_FUNCTION.search(core) else re.fullmatch(r"(.*?)\s*°\s*([CF])?", core, re.DOTALL)
    if scale:
        core = scale[1]
        by = scale[2] or (
            {"c": "C", "f": "F"}.get(tail[:1].lower())
            if re.match(r"(?:[CF]\b|celsius|fahrenheit)", tail, re.IGNORECASE)
            else None
        )
        unit = {"C": units.CELSIUS, "F": units.FAHRENHEIT}.get(by or "", units.DEGREE)
    percent = core.endswith("%")
    core = core.rstrip("% ")
    more = core.endswith("…")
    core = core.rstrip("… ")
    number = _NUMBER.fullmatch(core)
    value = expressions.read(core)
    if value is not None and times != 1:
        value = expressions.scaled(value, times)
    integral = expressions.read(f"{core[:-1]}C") if value and _CONSTANT_ADDED.search(core) else None
    return Leaf(_key(text), value, _slack(core, number, more) * times, percent, unit, integral=integral)


def _slack(core: str, number: re.Match[str] | None, more: bool) -> Fraction:
    """Return how far a decimal number may be from what it was rounded from: half of its last place.

    Two decimals or three significant digits say that it was rounded; a number below that, such as 7 or 0.5, is exact.
    """
    decimals = (number["decimals"] or number["only"]) if number else None
    if not number or not decimals:
        return Fraction(0)
    significant = len(core.partition("*")[0].replace(".", "").strip("+- ").lstrip("0"))
    if significant < 2 or (len(decimals) < 2 and significant < 3):
        return Fraction(0)
    return Fraction(2 if more else 1, 2 * 10 ** len(decimals)) * Fraction(10) ** int(number["power"] or 0)


def _compound(plain: str) -> Leaf | None:
    """Return the sum of "2 hours and 24 minutes" and the like, each unit smaller than the last, None if it is none."""
    if not _COMPOUND.fullmatch(plain):
        return None
    total, last = Fraction(0), None
    for number, words in _COMPOUND_PART.findall(plain):
        unit, rest = units.read(words)
        unit = unit and units.readings(unit)[0]
        if (
            unit is None
            or rest.strip(" .")
            or (last and (last.dimension != unit.dimension or last.factor <= unit.factor))
        ):
            return None
        total += Fraction(number) * unit.factor
        last = unit
    return last and Leaf(_key(plain), expressions.constant(total), unit=units.Unit(Fraction(1), last.dimension))


def _with_remainder(plain: str) -> Group | None:
    found = _REMAINDER.fullmatch(plain)
    return found and Group("remainder", "R", (_leaf(found[1]), _leaf(found[2])))


def _word_number(word: str) -> int | None:
    tens, dash, ones = word.partition("-")
    if (
        dash
        and tens in _WORD_NUMBERS
        and ones in _WORD_NUMBERS
        and _WORD_NUMBERS[tens] >= 20
        and 0 < _WORD_NUMBERS[ones] < 10
    ):
        return _WORD_NUMBERS[tens] + _WORD_NUMBERS[ones]
    return _WORD_NUMBERS.get(word)


def _key(text: str) -> str:
    """Return the text without spaces that say nothing; those between digits part a mixed number."""
    text = re.sub(r"(?<=\d)\s+(?=\d)", "_", text.translate(_MARKS))
    return re.sub(r"\{(\w)\}", r"\1", "".join(text.split()))


def same_item(one: Item, other: Item) -> bool:
    """Tell whether two items are the same."""
    if one == other:
        return True
    if isinstance(other, Choice) and not isinstance(one, Choice):
        one, other = other, one
    if isinstance(one, Choice):
        if isinstance(other, Choice):
            return one.letter == other.letter and (not one.rest or not other.rest or same_items(one.rest, other.rest))
        named = isinstance(other, Leaf) and other.text.strip("()").upper() == one.letter
        return named or (bool(one.rest) and same_items(one.rest, (other,)))
    if _rank(one) > _rank(other):
        one, other = other, one
    if isinstance(one, Relation):
        return _same_relation(one, other)
    if isinstance(one, Ranges):
        return _same_ranges(one, other)
    if isinstance(one, Group):
        return _same_group(one, other)
    return isinstance(one, Leaf) and isinstance(other, Leaf) and _same_leaf(one, other)


def _rank(item: Item) -> int:
    """Return which of two kinds says how they are compared: the lower."""
    kinds = (Relation, Ranges, Group)
    return next((rank for rank, kind in enumerate(kinds) if isinstance(item, kind)), len(kinds))


def _same_relation(one: Relation, other: Item) -> bool:
    if isinstance(other, Relation):
        if one.text == other.text:
            return True
        if one.name and other.name:
            plain = all(_NAME.fullmatch(name) for name in (one.name, other.name))
            if (one.name == other.name or not plain) and one.value is not None and other.value is not None:
                if same_item(one.value, other.value):
                    return True
                if not one.parts or not other.parts:
                    return False
        return _same_parts(one, other)
    return one.value is not None and same_item(one.value, other)


def _same_parts(one: Relation, other: Relation) -> bool:
    if not one.parts or not other.parts or len(one.parts) != len(other.parts):
        return False
    left = list(other.parts)
    for sign, side in one.parts:
        for i, (other_sign, other_side) in enumerate(left):
            if sign == other_sign and _same_side(sign, side, other_side):
                del left[i]
                break
        else:
            return False
    return True


def _same_side(sign: str, one: Expression, other: Expression) -> bool:
    if sign in "=≠":
        return expressions.same_solutions(one, other)
    times = expressions.ratio(one, other)
    return times is not None and times > 0


def _same_ranges(one: Ranges, other: Item) -> bool:
    if isinstance(other, Group) and other.brackets == "between" and len(one.intervals) == 1:
        ends = (one.intervals[0].low, one.intervals[0].high)
        return len(other.items) == 2 and all(a and same_item(a, b) for a, b in zip(ends, other.items, strict=True))
    if isinstance(other, Group) and other.kind == "tuple" and len(other.items) == 2:
        interval = _interval_of(other)
        other = Ranges((interval,)) if interval else other
    if isinstance(other, Relation) and isinstance(other.value, Ranges | Group):
        return _same_ranges(one, other.value)
    if not isinstance(other, Ranges) or len(one.intervals) != len(other.intervals):
        return False
    if one.name and other.name and one.name != other.name:
        return False
    return all(
        a.low_open == b.low_open
        and a.high_open == b.high_open
        and _same_end(a.low, b.low)
        and _same_end(a.high, b.high)
        for a, b in zip(one.intervals, other.intervals, strict=True)
    )


def _interval_of(group: Group) -> Interval | None:
    low, high = group.items
    if not isinstance(low, Leaf) or not isinstance(high, Leaf) or group.brackets[0] not in "([":
        return None
    return Interval(low, group.brackets[0] == "(", high, group.brackets[1] == ")")


def _same_end(one: Leaf | None, other: Leaf | None) -> bool:
    return one is other or (one is not None and other is not None and _same_leaf(one, other))


def _same_group(one: Group, other: Item) -> bool:
    if one.kind == "set" and len(one.items) == 1 and not isinstance(other, Group):
        return same_item(one.items[0], other)
    if one.kind == "ratio" and isinstance(other, Leaf):
        return _is_fraction(one, other)
    if not isinstance(other, Group):
        return False
    if one.kind == "set" or other.kind == "set":
        return (
            one.kind == other.kind
            and len(one.items) == len(other.items)
            and matched(one.items, other.items) == len(one.items)
        )
    if {one.kind, other.kind} == {"matrix", "tuple"}:
        one, other = _as_vector(one), _as_vector(other)
    if one.kind != other.kind or len(one.items) != len(other.items):
        return False
    if (
        one.kind == "tuple"
        and len(one.items) == 2
        and one.brackets != other.brackets
        and "⟨⟩" not in (one.brackets, other.brackets)
    ):
        return False  # an interval with an end and one without
    return all(same_item(a, b) for a, b in zip(one.items, other.items, strict=True))


def _is_fraction(ratio: Group, leaf: Leaf) -> bool:
    """Tell whether the fraction is the ratio of two numbers; decimals and whole numbers are none."""
    parts = [part.value.values[0] for part in ratio.items if isinstance(part, Leaf) and part.value]
    if len(parts) != 2 or not all(parts) or leaf.value is None or not re.search(r"frac|/", leaf.text):
        return False
    return expressions.equal(expressions.constant(expressions.quotient(parts[0] or 0j, parts[1] or 1j)), leaf.value)


def _as_vector(group: Group) -> Group:
    """Return a matrix of one row or column as a tuple."""
    if group.kind != "matrix":
        return group._replace(brackets="⟨⟩")
    rows = [row.items for row in group.items if isinstance(row, Group)]
    if len(rows) == 1:
        return Group("tuple", "⟨⟩", rows[0])
    if all(len(row) == 1 for row in rows):
        return Group("tuple", "⟨⟩", tuple(row[0] for row in rows))
    return group


def _is_point_of(point: Group, assigned: Sequence[Item]) -> bool:
    """Tell whether `x = 1, y = 2` says the same as the point (1, 2)."""
    if len(point.items) != len(assigned) or not all(isinstance(item, Relation) and item.name for item in assigned):
        return False
    relations = [item for item in assigned if isinstance(item, Relation)]
    if len({relation.name for relation in relations}) != len(relations):
        return False
    ordered = sorted(relations, key=lambda relation: relation.name or "")
    return all(
        relation.value is not None and same_item(value, relation.value)
        for value, relation in zip(point.items, ordered, strict=True)
    )


def flat(items: Sequence[Item]) -> Sequence[Item]:
    """Return what the set holds where the items are one set, else the items."""
    if len(items) == 1:
        (item,) = items
        if isinstance(item, Relation) and isinstance(item.value, Group) and item.value.kind == "set":
            item = item.value
        if isinstance(item, Group) and item.kind == "set":
            return item.items
    return items


def _same_leaf(one: Leaf, other: Leaf) -> bool:
    if one.text == other.text:
        return True
    if (one.digits is None) != (other.digits is None) and _bare_digits(one) == _bare_digits(other):
        return True  # the base is not said on one side
    if one.value is None or other.value is None:
        return False
    names = one.value.names, other.value.names
    if one.integral and "C" in names[1]:
        one = one._replace(value=one.integral)
    elif other.integral and "C" in names[0]:
        other = other._replace(value=other.integral)
    return any(_equal(one, other, ours, theirs) for ours, theirs in _scales(one, other))


def _bare_digits(leaf: Leaf) -> str:
    return leaf.digits or leaf.text


def _scales(one: Leaf, other: Leaf) -> list[tuple[Number, Number]]:
    """Return the pairs of factors with which the two may be meant: by units, percent signs and degrees."""
    ours = theirs = Fraction(1)
    if one.unit is not None and other.unit is not None:
        if {one.unit.dimension, other.unit.dimension} == {units.DEGREE.dimension, units.RADIAN.dimension}:
            return [(_turned(one), _turned(other))]
        pairs = units.factors(one.unit, other.unit)
        if len(pairs) != 1:
            return list(pairs)
        ((ours, theirs),) = pairs
    scales: list[tuple[Number, Number]] = [(ours, theirs)]
    if one.percent != other.percent:
        if (other if one.percent else one).unit is not None:
            return []
        hundredth = Fraction(1, 100)
        scales.append((ours * hundredth, theirs) if one.percent else (ours, theirs * hundredth))
    for a, b in ((one, other), (other, one)):
        if (
            a.unit == units.DEGREE
            and b.unit is None
            and b.value is not None
            and not isinstance(b.value.values[0], Fraction)
        ):
            scales.append((_turned(one), _turned(other)))
    return scales


def _turned(leaf: Leaf) -> Number:
    return complex(3.141592653589793 / 180) if leaf.unit == units.DEGREE else Fraction(1)


def _equal(one: Leaf, other: Leaf, ours: Number, theirs: Number) -> bool:
    assert one.value is not None and other.value is not None
    a, b = (_scaled(value, factor) for value, factor in ((one.value, ours), (other.value, theirs)))
    if expressions.equal(a, b):
        return True
    if not (one.slack or other.slack) or a.names or b.names:
        return False
    x, y = a.values[0], b.values[0]
    if x is None or y is None:
        return False
    slacks = [
        leaf.slack * factor if isinstance(factor, Fraction) else Fraction(0)
        for leaf, factor in ((one, ours), (other, theirs))
    ]
    slack = max(slacks)
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        written, rounded = (y, x) if slacks[0] == slack else (x, y)
        # Halves are rounded up: 0.375 is 0.38 and not 0.37.
        return abs(x - y) < slack or (abs(x - y) == slack and abs(rounded) > abs(written))
    return abs(expressions.floating(x) - expressions.floating(y)) <= expressions.floating(slack).real


def _scaled(value: Expression, factor: Number) -> Expression:
    if factor == 1:
        return value
    return expressions.scaled(value, factor)
