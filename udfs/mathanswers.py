"""Whether a rewritten page of mathematics still comes to the answers of its source.

Answers are compared as exact fractions where both are numbers, which most are, and otherwise by Math-Verify, which
reads LaTeX with a grammar and asks SymPy whether two expressions are equal. No text is ever evaluated as Python.
Expressions that could make it run long (towers of powers, sums, integrals, factorials, deep nesting) are compared as
text alone, so that no verdict hangs on how busy the machine is.
"""

import re
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

MAX_ANSWERS = 8  # of one page that are looked at, the last ones
MAX_ANSWER_CHARS = 120  # longer ones are sentences
MAX_CONCLUSIONS = 400  # of a rewrite that an answer is looked for in, the last ones
MAX_SYMBOLIC_CANDIDATES = 3  # stated answers of a rewrite that Math-Verify is asked about, the last ones
MAX_NESTING = 4  # of brackets; Math-Verify takes two seconds for eight
TIMEOUT_S = 2  # of one question to Math-Verify, which takes about 0.1 s within these bounds

_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")
_STATED = re.compile(
    r"\b(?:answers?|ans)\b[ \t*]*+(?:(?:is|are|was)\b|[:=]|(?<=ans)\.)[ \t*:=]*+(?P<stated>[^\n]++)"
    r"|^####[ \t]*+(?P<hashed>[^\n]++)",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(
    r"[.!?][*_)\]]*(?=\s|$)|;|\s[-\u2013\u2014|]\s|,\s+(?=[a-z]{2})|\s(?=(?:since|because|so|for|when|if|and)\s)"
)
_FORMULA_PART = re.compile(r"[=≈][ \t]*(?:\\?\$)?([^=≈$\n]{1,120})")
_INLINE_FORMULA = re.compile(r"\$([^$\n]{1,120})\$")
_CHOICE = re.compile(r"\(?(?P<letter>[A-E])\)[ .:]*(?P<rest>.*)", re.DOTALL | re.IGNORECASE)

_SYMBOLS = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": "*", "\N{MIDDLE DOT}": "*", "\xa0": " "}
)
_NOISE = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z])|\\[,;!:()\[\]$ ]|\$|\*\*|[€£°`]"
    r"|\^\s*\{?\\circ\}?|(?<=\d)\{,\}"
)
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{\s*(-?\d{1,30})\s*\}|(\d))\s*(?:\{\s*(\d{1,30})\s*\}|(\d))")
_ASSIGNED = re.compile(r"^[A-Za-z]\w*(?:\([A-Za-z]\))?\s*[=≈]\s*(?=[^=≈]*$)")

_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,30})(?:\.\d{1,30})?|\.\d{1,30}"
_UNIT = r"(?:mm|cm|dm|km|m|mg|kg|g|ml|l|ms|s|h|min)(?![A-Za-z])|(?<=\s)[A-Za-zµ]{2,20}"
_VALUE = re.compile(
    rf"(?P<sign>[-+]?)\s*(?:(?P<whole>\d{{1,12}})\s+(?=\d+\s*/))?(?P<number>{_DECIMAL})"
    rf"(?:\s*/\s*(?P<divisor>{_DECIMAL}))?"
    r"(?:\s*\*\s*10\s*\^\s*\{?(?P<exponent>[-+]?\d{1,2})\}?)?"
    rf"\s*(?P<percent>%|\\%|percent\b)?\s*(?:(?:{_UNIT})(?:\s*\^?\{{?[23²³]\}}?)?[\s/.]*){{0,3}}"
)
_NUMBER = re.compile(rf"(?<![\w.]){_DECIMAL}")
_NOT_A_QUANTITY = re.compile(
    r"https?://\S+|\bwww\.\S+|\b\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\.?\s+\d{1,2}(?:,?\s+\d{4})?\b",
    re.IGNORECASE,
)
_FORMULA_LINE = re.compile(r"[=≈\\$^]")
_SMALL = frozenset(map(Fraction, range(10)))  # numbers that any page holds

# What SymPy may take long over: large results, and powers that are large or stand in powers.
_COSTLY = re.compile(
    r"!|\\(?:sum|int|prod|lim|binom|iint|oint|begin)(?![a-zA-Z])|(?:\^|\*\*)[^a-zA-Z+\-*/=]*?(?:\d{3}|[\^(]|\*\*)|\d{16}"
)
_PROSE = re.compile(r"(?<![\\A-Za-z])(?!(?:sqrt|sinh|cosh|tanh|arc(?:sin|cos|tan))(?![A-Za-z]))[A-Za-z]{4,}")


@dataclass(frozen=True)
class MathOverlap:
    """What a rewritten page keeps of its source's numbers and answers.

    `answer_source` and `answer_rewritten`: the last answer of either, as written, or None (see `answers`).
    `answers_kept`: share, from 0 to 1, of the source's answers that the rewrite comes to in a statement, a box or a
    formula, or that stand in it and are no whole numbers below ten; None where the source has none.
    `numbers_kept`: share, from 0 to 1, of the distinct numbers in the source's formulas that stand in the rewrite,
    whole numbers below ten left out; None where there are none.
    """

    answer_source: str | None
    answer_rewritten: str | None
    answers_kept: float | None
    numbers_kept: float | None


@dataclass(frozen=True)
class _Value:
    exact: Fraction
    decimals: int  # written after the point; from two on the number may be a rounded one
    is_percent: bool


def shared(source: str, rewritten: str) -> MathOverlap:
    """Return what the page `rewritten` keeps of the numbers and answers of the page `source`. Raises nothing."""
    answers_source, answers_rewritten = answers(source), answers(rewritten)
    texts = {text for conclusion in conclusions(rewritten) + answers_rewritten for text in _forms(conclusion)}
    values = [value for value in map(_value, texts) if value is not None]
    numbers = _numbers(rewritten)
    kept = [
        any(text in texts or _is_among(_value(text), values, numbers - _SMALL) for text in _forms(answer))
        or any(_symbolically_same(answer, other) for other in answers_rewritten[-MAX_SYMBOLIC_CANDIDATES:])
        for answer in answers_source
    ]
    lines = _NOT_A_QUANTITY.sub(" ", source).splitlines()
    given = _numbers("\n".join(line for line in lines if _FORMULA_LINE.search(line))) - _SMALL
    return MathOverlap(
        answers_source[-1] if answers_source else None,
        answers_rewritten[-1] if answers_rewritten else None,
        sum(kept) / len(kept) if kept else None,
        len(given & numbers) / len(given) if given else None,
    )


def answers(text: str) -> list[str]:
    """Return the last MAX_ANSWERS answers of the page, each once, in the order of the page.

    These are the answers it states ("The answer is ...", `\\boxed{...}`, `#### ...`). Few pages of the web do; from the
    others it takes the numbers that end a chain of equations.
    """
    found: list[tuple[int, str]] = []
    for box in list(_BOXED.finditer(text))[-2 * MAX_ANSWERS :]:
        found.append((box.start(), _braced(text, box.end())))
    for statement in list(_STATED.finditer(text))[-2 * MAX_ANSWERS :]:
        words = statement["stated"] or statement["hashed"] or ""
        if not _BOXED.search(words):
            found.append((statement.start(), _first_clause(words)))
    stated = [answer for _, answer in sorted(found) if len(answer) <= MAX_ANSWER_CHARS and _forms(answer)]
    return list(dict.fromkeys(stated or _ends_of_equations(text)))[-MAX_ANSWERS:]


def conclusions(text: str) -> list[str]:
    """Return what the page comes to on its way: its inline formulas, and what its equals signs lead to."""
    text = text.replace("\\approx", "≈")
    parts = [formula.strip() for formula in _INLINE_FORMULA.findall(text)]
    for part in _FORMULA_PART.findall(text):
        parts += [part, _first_clause(part)]
    unique = dict.fromkeys(part.strip(" \t.,") for part in parts)
    return [part for part in unique if part][-MAX_CONCLUSIONS:]


def _ends_of_equations(text: str) -> list[str]:
    text = text.replace("\\approx", "≈")
    ends = []
    for part in _FORMULA_PART.finditer(text):
        end = _first_clause(part[1])
        goes_on = text[part.end() : part.end() + 1] in ("=", "≈") and end == part[1].strip(" \t*_")
        if not goes_on and _value(_plain(end)) is not None:
            ends.append(end.strip(" ,"))
    return ends


def same(one: str, other: str) -> bool:
    """Tell whether two answers are equal as text, as numbers or as expressions. Raises nothing on any text.

    A number with two or more decimals equals those that round to it, and 50% equals both 0.5 and 50.
    """
    return any(
        form == other_form or _close(_value(form), _value(other_form))
        for form in _forms(one)
        for other_form in _forms(other)
    ) or _symbolically_same(one, other)


@lru_cache(maxsize=4096)
def _forms(answer: str) -> tuple[str, ...]:
    """Return the ways to say the answer: as it is, and the letter and the text of a multiple choice."""
    plain = _plain(answer)
    choice = _CHOICE.fullmatch(plain)
    forms = (choice["letter"], _plain(choice["rest"])) if choice else (plain,)
    # Spaces tell nothing but where a mixed number's fraction begins.
    return tuple(form.casefold() if _value(form) else form.casefold().replace(" ", "") for form in forms if form)


def _plain(text: str) -> str:
    """Return the text without markup, without the variable it is assigned to, and with its spaces made one."""
    text = _TEXT.sub(r" \1 ", text[: 2 * MAX_ANSWER_CHARS].translate(_SYMBOLS))
    text = text.replace("\\times", "*").replace("\\cdot", "*").replace("\\approx", "≈")
    text = _FRACTION.sub(lambda part: f" {part[1] or part[2]}/{part[3] or part[4]} ", _NOISE.sub("", text))
    text = " ".join(text.split()).strip(" .,:*_")
    return _ASSIGNED.sub("", text)


@lru_cache(maxsize=4096)
def _value(plain: str) -> _Value | None:
    """Return the number that the text is, be it a fraction, a mixed or a decimal number, with a unit or without."""
    match = _VALUE.fullmatch(plain)
    if match is None:
        return None
    number, divisor = (Fraction((part or "1").replace(",", "")) for part in (match["number"], match["divisor"]))
    if divisor == 0:
        return None
    exact = int(match["whole"] or 0) + number / divisor
    exact *= Fraction(10) ** int(match["exponent"] or 0) * (-1 if match["sign"] == "-" else 1)
    decimals = len(match["number"].partition(".")[2]) if match["divisor"] is None and not match["exponent"] else 0
    return _Value(exact / 100 if match["percent"] else exact, decimals, match["percent"] is not None)


def _is_among(answer: _Value | None, values: list[_Value], numbers: set[Fraction]) -> bool:
    return answer is not None and (answer.exact in numbers or any(_close(answer, value) for value in values))


def _close(one: _Value | None, other: _Value | None) -> bool:
    if one is None or other is None:
        return False
    scale, other_scale = (
        100 if value.is_percent != (one.is_percent and other.is_percent) else 1 for value in (one, other)
    )
    decimals = min((value.decimals for value in (one, other) if value.decimals >= 2), default=None)
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(0)
    return abs(one.exact - other.exact) <= slack or abs(one.exact * scale - other.exact * other_scale) <= slack


def _symbolically_same(one: str, other: str) -> bool:
    """Ask Math-Verify, if both look like formulas that it answers about in bounded time."""
    one, other = (_ASSIGNED.sub("", text.translate(_SYMBOLS).strip(" $.,")) for text in (one, other))
    if not (_is_simple_formula(one) and _is_simple_formula(other)) or (_value(_plain(one)) and _value(_plain(other))):
        return False
    from math_verify import verify

    parsed, other_parsed = _parsed(one), _parsed(other)
    if not parsed or not other_parsed:
        return False
    # Which of the two is taken as the truth matters for a few forms, such as a solution against its equation.
    return bool(verify(list(parsed), list(other_parsed), timeout_seconds=_timeout_s()))


@lru_cache(maxsize=1024)
def _parsed(formula: str) -> tuple[Any, ...]:
    from math_verify import LatexExtractionConfig, parse

    return tuple(parse(f"${formula}$", [LatexExtractionConfig()], parsing_timeout=_timeout_s()))


def _timeout_s() -> int | None:
    # Math-Verify's timeout is an alarm signal, which only the main thread can take; Spark runs tasks there.
    return TIMEOUT_S if threading.current_thread() is threading.main_thread() else None


def _is_simple_formula(text: str) -> bool:
    depth = deepest = 0
    for character in text[: MAX_ANSWER_CHARS + 1]:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if not 0 < len(text) <= MAX_ANSWER_CHARS or deepest > MAX_NESTING or not text.isprintable():
        return False
    return not _COSTLY.search(text) and not _PROSE.search(_TEXT.sub("", text))


def _numbers(text: str) -> set[Fraction]:
    text = _FRACTION.sub(lambda part: f" {part[1] or part[2]}/{part[3] or part[4]} ", text.translate(_SYMBOLS))
    return {Fraction(number.replace(",", "")) for number in _NUMBER.findall(_NOISE.sub("", text))}


def _braced(text: str, start: int) -> str:
    """Return the text from `start` up to the brace that closes the one before it, or "" if that is far off."""
    depth = 1
    for end in range(start, min(len(text), start + MAX_ANSWER_CHARS + 1)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return text[start:end].strip()
    return ""


def _first_clause(words: str) -> str:
    end = _SENTENCE_END.search(words)
    return (words[: end.start()] if end else words).strip(" \t*_.")
