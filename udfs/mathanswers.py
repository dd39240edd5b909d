"""Whether a rewritten page of mathematics still comes to the answers of its source.

This module finds what a page states as its answers and what its formulas come to; `udfs.mathforms` says whether two
answers are the same. No text is ever evaluated as Python, and reading takes time linear in the page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from udfs import expressions, mathforms, units
from udfs.mathforms import Item

MAX_ANSWERS = 8  # of one page that are looked at, the last ones
MAX_CONCLUSIONS = 400  # of a rewrite that an answer is looked for in, the last ones
MAX_CLAUSE_CHARS = 2 * mathforms.MAX_CHARS  # in which the end of a stated answer is looked for

_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")
_IS = r"(?:(?:is|are|was|were|equals?|(?:would|should|must|will)[ \t]+be|comes?[ \t]+(?:out[ \t]+)?to)\b"
_STATED = re.compile(
    r"\b(?:answers?|ans)\b(?:[ \t]+(?:to|for|of|in)\b[^\n.:=$]{0,60}?)?[ \t*]*"
    rf"(?:{_IS}|[:=])|(?<=ans)\.)[ \t*:=]*+|\b(?P<noun>solutions?|roots?|result|solution[ \t]+set)[ \t]+{_IS})[ \t*:=]*+"
    r"|^(?P<hash>####)[ \t]*+",
    re.IGNORECASE | re.MULTILINE,
)
_LEADS = re.compile(
    r"(?:(?:therefore|thus|hence|then|indeed|clearly|simply|just|that|given by|equal to|found to be|obtained as)\b[ \t,:]*)+",
    re.IGNORECASE,
)
_DISPLAY = re.compile(r"\s{0,20}(?:\$\$[^$]{1,400}\$\$|\\\[[^\]]{1,400}\\\])")
_SPAN = re.compile(
    r"\$\$[^$]{1,400}\$\$|\\\([^\n]{1,400}?\\\)|\\\[.{1,400}?\\\]|\$(?=\S)(?:[^$\\\n]|\\.){1,400}(?<=\S)\$(?!\d)"
    r"|\$\s[^$\n]{1,400}\s\$|\\begin\s*\{(\w{1,20}\*?)\}.{1,400}?\\end\s*\{\1\}",
    re.DOTALL,
)
_SENTENCE_END = re.compile(r"[.!?][*_)\]\"']*(?=\s|$)")
_REASONS = "since|because|so|for|when|if|where|which|but|hence|thus|while|whereas|using|as|that|then|therefore|not|from|by|after"
_REASON = re.compile(rf"\s(?:{_REASONS})\s")
_REMARK = re.compile(r"\s\((?!(?:in )?base\b|mod)(?=[A-Za-z]{2,}[\s,.)])(?P<words>[^()]*)\)")
_DASH = re.compile(r"\s+(?P<sign>[-\u2013\u2014|]|--+)\s")
_LIST = re.compile(r"\s*[;,]\s+(?:(?:and|or)\s+)?(?=\S)|;|\s(?:and|or)\s+")
_CHUNK_END = re.compile(r"[;,|]|[.!?](?=\s|$)|\s(?:and|or|-|\u2013|\u2014|" + _REASONS + r")\s")
_WORDS_OF_CHUNK = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}|(?<![A-Za-z\\])[AaI](?=\s+[A-Za-z]{2})")
_PROSE_WORDS = frozenset(
    "a i of them is are was were we it the each this that these those have has had with for to in on at not you he she they so "
    "our your can will there here be more all one two both its if as by from up then".split()
)
_BEGINS_FORMULA = re.compile(
    rf"[-+\u2212±]?\s*(?:[$\\(\[{{|\d.√\u03c0€£]|[A-Za-z](?![A-Za-z])|(?:{'|'.join(sorted(expressions.FUNCTION_NAMES))})\b)"
)
_HAS_VARIABLE = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\\[A-Za-z]")
_FORMULA_PART = re.compile(r"[=≈][ \t]*(?:\\?\$)?([^=≈$\n]{1,120})")
_INLINE_FORMULA = re.compile(r"\$([^$\n]{1,120})\$")
_NAME_BEFORE_BOX = re.compile(r"(?<![A-Za-z\\])([A-Za-z](?:_\{?\w\}?)?)\s*=\s*$")
_BEHIND_BOX = re.compile(r"\s*(?:\\?%|_\s*\{?\(?\w{1,5}\)?\}?|\^\s*\{?\s*\\circ\s*\}?(?:\s*[CF]\b)?|°(?:\s*[CF]\b)?)")
# What an answer in words may be; of others a page says a lot ("The answer is in the back of the book").
_ANSWER_WORDS = frozenset(
    "yes no true false none never always sometimes both neither zero odd even prime composite positive negative undefined "
    "infinite infinitely increasing decreasing convergent divergent converges diverges rational irrational parallel "
    "perpendicular acute obtuse right isosceles scalene equilateral impossible possible monday tuesday wednesday thursday "
    "friday saturday sunday january february march april may june july august september october november december red blue "
    "green yellow black white north south east west left heads tails linear quadratic exponential independent dependent "
    "mutually similar congruent continuous discontinuous local maximum minimum nonexistent dne".split()
)

_SYMBOLS = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": "*", "\N{MIDDLE DOT}": "*", "\xa0": " "}
)
_NOISE = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z])|\\[,;!:()\[\]$ ]|\$|\*\*|[€£°`]"
    r"|\^\s*\{?\\circ\}?|(?<=\d)\{,\}"
)
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*(-?\d{1,30})\s*\}|(\d))\s*(?:\{\s*(\d{1,30})\s*\}|(\d))")
_DECIMAL = r"(?:\d{1,3}(?:,\d{3}){1,9}(?!\d)|\d{1,30})(?:\.\d{1,30})?|\.\d{1,30}"
_NUMBER = re.compile(rf"(?<![\w.]){_DECIMAL}")
_NOT_A_QUANTITY = re.compile(
    r"https?://\S+|\bwww\.\S+|\b\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\.?\s+\d{1,2}(?:,?\s+\d{4})?\b",
    re.IGNORECASE,
)
_FORMULA_LINE = re.compile(r"[=≈\\$^]")
_SMALL = frozenset(map(Fraction, range(10)))  # numbers that any page holds


@dataclass(frozen=True)
class MathOverlap:
    """What a rewritten page keeps of its source's numbers and answers.

    `answer_source` and `answer_rewritten`: the last answer of either, as written, or None (see `answers`).
    `answers_kept`: share, from 0 to 1, of the source's answers that the rewrite keeps (see `shared`); a list of answers
    counts as many, values of several variables as one. None where the source has none.
    `numbers_kept`: share, from 0 to 1, of the distinct numbers in the source's formulas that stand in the rewrite,
    whole numbers below ten left out; None where there are none.
    """

    answer_source: str | None
    answer_rewritten: str | None
    answers_kept: float | None
    numbers_kept: float | None


class Statement(NamedTuple):
    """An answer that a page states: as written, and with what belongs to it outside a box, to be compared.

    `final`: whether it is called the answer, and no solution, root or result on the way.
    """

    shown: str
    text: str
    final: bool = True


def shared(source: str, rewritten: str) -> MathOverlap:
    """Return what the page `rewritten` keeps of the numbers and answers of the page `source`. Raises nothing.

    An answer that the source states is kept if the rewrite states it. Where the rewrite states fewer answers than the
    source, as many as it lacks may stand in its formulas instead, and so may all where one of the two states none, and
    whatever is called a solution, root or result and not the answer. The numbers of an answer that is kept in another
    form count as kept.
    """
    stated, stated_anew = statements(source), statements(rewritten)
    ours = stated or [Statement(end, end, False) for end in _ends_of_equations(source)]
    theirs = stated_anew or [Statement(end, end, False) for end in _ends_of_equations(rewritten)]
    numbers = _numbers(rewritten)
    finals, finals_anew = (sum(each.final for each in found) for found in (ours, theirs))
    kept = _kept(ours, theirs, rewritten, numbers - _SMALL, max(0, finals - finals_anew) if finals_anew else finals)
    counts = [_count(mathforms.read(each.text)) for each in ours]
    total = sum(counts)
    for each, found, count in zip(ours, kept, counts, strict=True):
        if found == count:
            numbers |= _numbers(each.shown)
    return MathOverlap(
        ours[-1].shown if ours else None,
        theirs[-1].shown if theirs else None,
        sum(kept) / total if total else None,
        _share(_numbers_of_formulas(source), numbers),
    )


def answers(text: str) -> list[str]:
    """Return the last MAX_ANSWERS answers of the page, each once, in the order of the page, as written.

    These are the answers it states ("The answer is ...", `\\boxed{...}`, `#### ...`). Few pages of the web do; from the
    others it takes the numbers that end a chain of equations.
    """
    return list(dict.fromkeys(each.shown for each in statements(text))) or _ends_of_equations(text)


def statements(text: str) -> list[Statement]:
    """Return the last MAX_ANSWERS answers that the page states, each once, in the order of the page."""
    found: list[tuple[int, Statement]] = []
    for box in list(_BOXED.finditer(text))[-2 * MAX_ANSWERS :]:
        statement = _boxed(text, box)
        if statement is not None:
            found.append((box.start(), statement))
    for match in list(_STATED.finditer(text))[-2 * MAX_ANSWERS :]:
        display = _DISPLAY.match(text, match.end())
        words = _LEADS.sub("", text[match.end() : match.end() + MAX_CLAUSE_CHARS].partition("\n")[0])
        clause = display[0].strip() if display else first_clause(words)
        if _BOXED.search(clause) or _STATED.search(clause):
            continue
        if _tells(clause, needs_formula=match["noun"] is not None or match["hash"] is not None):
            found.append((match.start(), Statement(clause, clause, match["noun"] is None)))
    told = [each for _, each in sorted(found) if len(each.shown) <= mathforms.MAX_CHARS and mathforms.read(each.text)]
    return list(dict.fromkeys(told))[-MAX_ANSWERS:]


def conclusions(text: str) -> list[str]:
    """Return what the page comes to on its way: its inline formulas, and what its equals signs lead to."""
    text = text.replace("\\approx", "≈")
    parts = [formula.strip() for formula in _INLINE_FORMULA.findall(text)]
    for part in _FORMULA_PART.findall(text)[-MAX_CONCLUSIONS:]:
        parts += [part, first_clause(part, lists=False)]
    unique = dict.fromkeys(part.strip(" \t.,") for part in parts)
    return [part for part in unique if part][-MAX_CONCLUSIONS:]


def same(one: str, other: str) -> bool:
    """Tell whether two answers say the same. Raises nothing on any text."""
    return mathforms.same(one, other)


def first_clause(words: str, lists: bool = True) -> str:
    """Return the answer that begins a line of prose, without what the line goes on to say.

    A sentence's end, a dash, a bar, a semicolon, a comma or "and" before prose ends it; the same signs in a formula or
    in brackets, and those between two formulas, do not; with `lists` off "and" always ends it.
    """
    words = words[:MAX_CLAUSE_CHARS]
    i = 0
    while i < len(words):
        character = words[i]
        if character in "$\\":
            span = _SPAN.match(words, i)
            i = span.end() if span else i + 1 + (character == "\\")
            continue
        if character in "([{":
            i = max(_closed(words, i), i + 1)
            continue
        if character in ".!?;,-\u2013\u2014| \t" and _ends_at(words, i, lists):
            break
        i += 1
    return words[:i].strip(" \t*_.,;")


def _ends_at(words: str, i: int, lists: bool) -> bool:
    if _SENTENCE_END.match(words, i) or _REASON.match(words, i):
        return True
    remark = _REMARK.match(words, i)
    if remark:
        return units.read(remark["words"])[0] is None
    dash = _DASH.match(words, i)
    if dash:
        if dash["sign"] == "|":
            return words.count("|", 0, i) % 2 == 0
        goes_on = dash["sign"] in "-\u2013" and words[:i].strip() and _is_formula(words[dash.end() :], words[:i])
        return not goes_on
    listed = _LIST.match(words, i)
    if listed is None:
        return False
    rest = words[listed.end() :]
    if lists and _continues_list(rest):
        return False
    # "3, 4": no prose follows, whatever it is; a word does, unless it is an answer as the first was ("red and blue")
    return bool(re.match(r"[a-z]{2}", rest)) or ";" in listed[0] or "and" in listed[0]


def _continues_list(rest: str) -> bool:
    if not _BEGINS_FORMULA.match(rest):
        return False
    chunk = _chunk(rest)
    named = [word.lower() for word in _WORDS_OF_CHUNK.findall(chunk)]
    unknown = [word for word in named if word not in expressions.FUNCTION_NAMES and units.read(word)[0] is None]
    return len(unknown) <= 2 and not any(word in _PROSE_WORDS for word in named)


def _is_formula(rest: str, before: str) -> bool:
    """Tell whether what follows a dash is the rest of a formula that began before it."""
    if not _BEGINS_FORMULA.match(rest):
        return False
    chunk = _chunk(rest)
    named = [word for word in _WORDS_OF_CHUNK.findall(chunk) if word not in expressions.FUNCTION_NAMES]
    unknown = [word for word in named if word in "aAI" or units.read(word)[0] is None]
    return len(unknown) <= (
        1 if _HAS_VARIABLE.search(before) or re.search(r"\d[a-z](?![a-z])|^[b-hj-z](?![a-z])", chunk) else 0
    ) and not any(word.lower() in _PROSE_WORDS for word in unknown)


def _chunk(rest: str) -> str:
    """Return the text up to the next sign that may end a clause, without its formulas."""
    text = _SPAN.sub(" ", rest)
    end = _CHUNK_END.search(text)
    return text[: end.start()] if end else text


def _closed(words: str, start: int) -> int:
    """Return where the bracket at `start` is closed, behind it, 0 if nowhere."""
    depth = 0
    for i in range(start, len(words)):
        depth += (words[i] in "([{") - (words[i] in ")]}")
        if depth == 0:
            return i + 1
    return 0


def _boxed(text: str, box: re.Match[str]) -> Statement | None:
    """Return what a box says, with the name before it and the unit, base or percent sign behind it."""
    end = _closing_brace(text, box.end())
    if end is None:
        return None
    shown = text[box.end() : end].strip()
    before = _NAME_BEFORE_BOX.search(text[max(0, box.start() - 20) : box.start()])
    tail = text[end + 1 : end + 1 + 40].partition("\n")[0]
    sign = _BEHIND_BOX.match(tail)
    behind = sign[0] if sign else _unit_behind(tail)
    name = (
        f"{before[1]} = "
        if before and not re.search(r"[=<>,;≤≥]|\\(?:[lg]eq?|pm|text|mbox)|\b(?:and|or)\b", shown)
        else ""
    )
    return Statement(shown, f"{name}{shown}{behind}")


def _unit_behind(tail: str) -> str:
    words = mathforms.normalised(tail[1:] if tail[:1] == "$" else tail).replace("‹", " ").replace("›", " ").strip()
    unit, rest = units.read(words)
    if unit is None or (words.startswith(("in ", "a ", "m ", "A ", "s ")) and rest.strip()[:1].isalpha()):
        return ""
    return f" \\text{{ {words[: len(words) - len(rest)].strip()} }}"


def _closing_brace(text: str, start: int) -> int | None:
    """Return where the brace that opened before `start` is closed, None if that is far off."""
    depth = 1
    for end in range(start, min(len(text), start + mathforms.MAX_CHARS + 1)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return end
    return None


def _tells(clause: str, needs_formula: bool) -> bool:
    """Tell whether a stated clause is an answer: a formula, or words that answer something."""
    bare = clause.strip(" *_\"'")
    if not bare:
        return False
    if needs_formula and not re.search(r"[\d$\\=]", bare):
        return False
    if _BEGINS_FORMULA.match(bare) and not re.match(r"[aAI]\s+[A-Za-z]", bare):
        return True
    if needs_formula:
        return False
    if re.search(r"[\d$\\]", bare):
        return True
    words = re.findall(r"[\w'-]+", bare)
    known = words[0].lower().partition("-")[0] if words else ""
    is_more = any(not isinstance(item, mathforms.Words) for item in mathforms.read(bare))
    return (
        bool(words) and len(words) <= 4 and (known in _ANSWER_WORDS or is_more or bare[0].isupper() or bare != clause)
    )


def _kept(
    ours: Sequence[Statement], theirs: Sequence[Statement], rewritten: str, numbers: set[Fraction], lacking: int
) -> list[int]:
    """Return how many of each of our answers are among theirs, as `_count` counts them.

    Instead, those that are not final may stand in formulas or among the numbers of the rewrite, and so may `lacking`
    that are.
    """
    answers = [mathforms.read(each.text) for each in theirs]
    pool = [item for items in answers for item in items]
    kept = []
    reached: list[tuple[Item, ...]] | None = None
    for statement in ours:
        items = mathforms.read(statement.text)
        if any(mathforms.same_items(items, other) for other in answers):
            kept.append(_count(items))
            continue
        found = mathforms.matched(items, pool)
        if found < len(items) and (lacking or not statement.final):
            if reached is None:
                reached = [mathforms.read(each) for each in conclusions(rewritten)]
            standing = sum(_stands(item, items, reached, numbers) for item in items)
            lacking -= standing > found and statement.final
            found = max(found, standing)
        kept.append(found if _count(items) == len(items) else int(found == len(items)))
    return kept


def _count(items: Sequence[Item]) -> int:
    """Return how many answers the items are: values of several variables, such as `x = 1, y = 2`, are one together."""
    names = {item.name for item in items if isinstance(item, mathforms.Relation) and item.name}
    return 1 if len(names) == len(items) else len(items)


def _stands(item: Item, items: tuple[Item, ...], reached: Sequence[tuple[Item, ...]], numbers: set[Fraction]) -> bool:
    """Tell whether an item of an answer stands in the formulas or among the numbers of a page."""
    if isinstance(item, mathforms.Leaf) and item.value is not None and item.value.values[0] in numbers:
        return True
    alone = (item,)
    return any(
        mathforms.same_items(alone, other) or (len(items) > 1 and mathforms.same_items(items, other))
        for other in reached
    )


def _ends_of_equations(text: str) -> list[str]:
    """Return the last MAX_ANSWERS numbers that end a chain of equations, each once, in the order of the page."""
    text = text.replace("\\approx", "≈")
    ends: dict[str, None] = {}
    for part in reversed(list(_FORMULA_PART.finditer(text))[-MAX_CONCLUSIONS:]):
        end = first_clause(part[1], lists=False)
        goes_on = text[part.end() : part.end() + 1] in ("=", "≈") and end == part[1].strip(" \t*_")
        if not goes_on and _is_number(end):
            ends.setdefault(end.strip(" ,"))
            if len(ends) == MAX_ANSWERS:
                break
    return list(ends)[::-1]


def _is_number(text: str) -> bool:
    items = mathforms.read(text) if any(character.isdigit() for character in text) else ()
    return len(items) == 1 and isinstance(items[0], mathforms.Leaf) and _exact(items[0])


def _exact(leaf: mathforms.Leaf) -> bool:
    return leaf.value is not None and isinstance(leaf.value.values[0], Fraction) and not leaf.value.names


def _numbers_of_formulas(source: str) -> set[Fraction]:
    lines = _NOT_A_QUANTITY.sub(" ", source).splitlines()
    return _numbers("\n".join(line for line in lines if _FORMULA_LINE.search(line))) - _SMALL


def _share(ours: set[Fraction], theirs: set[Fraction]) -> float | None:
    return len(ours & theirs) / len(ours) if ours else None


def _numbers(text: str) -> set[Fraction]:
    text = _FRACTION.sub(lambda part: f" {part[1] or part[2]}/{part[3] or part[4]} ", text.translate(_SYMBOLS))
    return {Fraction(number.replace(",", "")) for number in _NUMBER.findall(_NOISE.sub("", text))}
