"""Decides whether a rewritten page of mathematics still states the answers of its source.

This module finds what a page states as its answers and what its formulas come to; `recast.udfs.math.forms` says whether two
answers are the same. No text is ever evaluated as Python, and reading takes time linear in the page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from recast.udfs.math import expressions, forms, units
from recast.udfs.math.forms import Item

MAX_ANSWERS = 8  # of one page that are looked at, the last ones
MAX_CONCLUSIONS = 400  # of a rewrite that an answer is looked for in, the last ones
MAX_LAST_CHARS, LAST_SENTENCES = 600, 2  # of a rewrite in which answers in words are looked for
MAX_CLAUSE_CHARS = 2 * forms.MAX_CHARS  # in which the end of a stated answer is looked for

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
_CONCLUDES = re.compile(r"\b(?:so|therefore|thus|hence|then)\b|\\therefore|\u2234|\u21d2|\\Rightarrow", re.IGNORECASE)
_EQUALS_NEXT = re.compile(r"[ \t$&\\]*+\n?[ \t$&\\]*+=(?!=)")
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
# What follows an article where no answer is named ("the same", "a bit tricky", "the following").
_NAMES_NOTHING = frozenset(
    "same following one above below bit little lot last next previous other question answer answers number value sum product "
    "key simple simplest easy obvious good best sort kind matter result solution correct right wrong usual way reason "
    "expression yes no formula equation method book page figure picture table quite very well not".split()
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

    `final`: whether it is called the answer, and no solution, root or result on the way. `thing`: whether it may be an
    answer, being words for a thing ("the red ball"), and may be a remark ("a long story").
    """

    shown: str
    text: str
    final: bool = True
    thing: bool = False


def shared(source: str, rewritten: str) -> MathOverlap:
    """Return what the page `rewritten` keeps of the numbers and answers of the page `source`. Raises nothing.

    An answer that the source states is kept if the rewrite states it. Where the rewrite states fewer answers than the
    source, as many as it lacks may stand in its formulas instead, and so may all where one of the two states none, and
    whatever is called a solution, root or result and not the answer. Words may stand in the last sentences of a rewrite
    that states nothing; words for a thing ("the red ball") are compared with words alone. Where each states one final
    answer, the longer of the two lists is what the share is of. Where the source states none but concludes a number
    that the rewrite lacks, and the rewrite states one that the source lacks, nothing is kept. The numbers of an answer
    that is kept in another form count as kept.
    """
    stated_anew = statements(rewritten)
    in_words = any(isinstance(item, forms.Words) for each in stated_anew for item in forms.read(each.text))
    stated = [each for each in statements(source) if in_words or not each.thing]
    of_source = stated or [Statement(end, end, False) for end in _ends_of_equations(source)]
    of_rewrite = stated_anew or [Statement(end, end, False) for end in _ends_of_equations(rewritten)]
    numbers = _numbers(rewritten)
    finals, finals_anew = _finals(of_source), _finals(of_rewrite)
    missing = max(0, len(finals) - len(finals_anew)) if finals_anew else len(finals)
    page = _Found(rewritten, numbers - _SMALL, states_nothing=not stated_anew)
    kept = _kept(of_source, of_rewrite, page, missing)
    counts = [_count(forms.read(each.text)) for each in of_source]
    total = sum(counts)
    if not stated and finals_anew and _concludes_another(source, finals_anew, page):
        kept = [0] * len(kept)
    for each, found, count in zip(of_source, kept, counts, strict=True):
        if found == count:
            numbers |= _numbers(each.shown)
    one, other = _distinct(finals), _distinct(finals_anew)
    if len(one) == len(other) == len(of_source) == 1 and not forms.same_items(one[0], other[0]):
        (anew,) = other
        total = max(total, _count([item for i, item in enumerate(anew) if not forms.matched([item], anew[:i])]))
    return MathOverlap(
        of_source[-1].shown if of_source else None,
        of_rewrite[-1].shown if of_rewrite else None,
        sum(kept) / total if total else None,
        _share(_numbers_of_formulas(source), numbers),
    )


def _finals(found: Sequence[Statement]) -> list[Statement]:
    return [each for each in found if each.final]


def _distinct(found: Sequence[Statement]) -> list[tuple[Item, ...]]:
    """Return what the statements say, the same thing once."""
    said: list[tuple[Item, ...]] = []
    for each in found:
        items = forms.read(each.text)
        if not any(forms.same_items(items, other) for other in said):
            said.append(items)
    return said


def _concludes_another(source: str, finals_anew: Sequence[Statement], rewrite: "_Found") -> bool:
    """Tell whether the source ends in "so x = 12" where the rewrite has no 12 and states what the source has not."""
    ends = _ends_of_equations(source, concluded=True)
    if not ends:
        return False
    page = _Found(source, _numbers(source), states_nothing=False)
    stands_before = any(page.holds(item, items) for items in _distinct(finals_anew) for item in items)
    items = forms.read(ends[-1])
    return not stands_before and not any(rewrite.holds(item, items) for item in items)


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
        needs_formula = match["noun"] is not None or match["hash"] is not None
        tells = _tells(clause, needs_formula)
        if tells or (not needs_formula and _is_thing(clause)):
            found.append((match.start(), Statement(clause, clause, match["noun"] is None, thing=not tells)))
    told = [each for _, each in sorted(found) if len(each.shown) <= forms.MAX_CHARS and forms.read(each.text)]
    return list(dict.fromkeys(told))[-MAX_ANSWERS:]


def conclusions(text: str) -> list[str]:
    """Return what the page comes to on its way: its inline formulas, and what its equals signs lead to."""
    text = text.replace("\\approx", "≈")
    # What an equals sign follows is a left side: 5 * 8 in A = 5 * 8 = 45 is no conclusion.
    inline = _INLINE_FORMULA.finditer(text)
    parts = [formula[1].strip() for formula in inline if not _EQUALS_NEXT.match(text, formula.end())]
    for part in list(_FORMULA_PART.finditer(text))[-MAX_CONCLUSIONS:]:
        clause = first_clause(part[1], lists=False)
        if not _EQUALS_NEXT.match(text, part.end()) or clause != part[1].strip(" \t*_.,;"):
            parts += [part[1], clause]
    unique = dict.fromkeys(part.strip(" \t.,") for part in parts)
    return [part for part in unique if part][-MAX_CONCLUSIONS:]


def same(one: str, other: str) -> bool:
    """Tell whether two answers say the same. Raises nothing on any text."""
    return forms.same(one, other)


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
    words = forms.normalised(tail[1:] if tail[:1] == "$" else tail).replace("‹", " ").replace("›", " ").strip()
    unit, rest = units.read(words)
    if unit is None or (words.startswith(("in ", "a ", "m ", "A ", "s ")) and rest.strip()[:1].isalpha()):
        return ""
    return f" \\text{{ {words[: len(words) - len(rest)].strip()} }}"


def _closing_brace(text: str, start: int) -> int | None:
    """Return where the brace that opened before `start` is closed, None if that is far off."""
    depth = 1
    for end in range(start, min(len(text), start + forms.MAX_CHARS + 1)):
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
    is_more = any(not isinstance(item, forms.Words) for item in forms.read(bare))
    return (
        bool(words) and len(words) <= 4 and (known in _ANSWER_WORDS or is_more or bare[0].isupper() or bare != clause)
    )


def _is_thing(clause: str) -> bool:
    """Tell whether words name a thing: an article and one to three others, or a kind and a name ("triangle ABC")."""
    words = re.findall(r"[\w'-]+", clause)
    named = words[1:] if words and words[0].lower() in ("the", "a", "an") else words
    has_name = len(named) > 1 and bool(re.fullmatch(r"[A-Z]{1,4}'*", named[-1]))
    others = {word.lower() for word in (named[:-1] if has_name else named)}
    return 0 < len(named) <= 3 and (has_name or named != words) and not others & (_NAMES_NOTHING | _PROSE_WORDS)


class _Found:
    """Where an answer that a rewrite does not state may stand in it: its formulas, numbers and last sentences."""

    def __init__(self, text: str, numbers: set[Fraction], states_nothing: bool) -> None:
        self.text, self.numbers, self.states_nothing = text, numbers, states_nothing

    @cached_property
    def conclusions(self) -> list[tuple[Item, ...]]:
        return [forms.read(each) for each in conclusions(self.text)]

    def holds(self, item: Item, items: tuple[Item, ...]) -> bool:
        """Tell whether an item of the answer `items` stands on the page."""
        if isinstance(item, forms.Leaf) and item.value is not None and item.value.values[0] in self.numbers:
            return True
        if isinstance(item, forms.Words) and self.states_nothing and self._says(item.text):
            return True
        return any(
            forms.same_items((item,), each) or (len(items) > 1 and forms.same_items(items, each))
            for each in self.conclusions
        )

    def _says(self, words: str) -> bool:
        """Tell whether the last sentences say the words: "yes" and "no" before a comma or at the end, others anywhere."""
        sentences = _SENTENCE_END.split(self.text[-MAX_LAST_CHARS:].rstrip())
        last = " ".join(" ".join(sentences[-1 - LAST_SENTENCES :]).casefold().split())
        follows = r"(?=\s*(?:[,:;*!]|$))" if words in ("yes", "no") else r"(?!\w)"
        return bool(re.search(rf"(?<!\w)(?<!not )(?<!not a )(?<!no ){re.escape(words)}{follows}", last))


def _kept(of_source: Sequence[Statement], of_rewrite: Sequence[Statement], rewrite: _Found, missing: int) -> list[int]:
    """Return how many of each of the source's answers the rewrite states, as `_count` counts them.

    Those that are not final may stand elsewhere in the rewrite, and so may `missing` of the final ones, which is how many
    fewer it states.
    """
    answers = [forms.read(each.text) for each in of_rewrite]
    pool = [item for items in answers for item in _parts(items)]
    kept = []
    for statement in of_source:
        items = forms.read(statement.text)
        if any(forms.same_items(items, other) for other in answers):
            kept.append(_count(items))
            continue
        parts = _parts(items)
        found = forms.matched(parts, pool)
        if found < len(parts) and (missing or not statement.final):
            standing = sum(rewrite.holds(item, items) for item in parts)
            missing -= standing > found and statement.final
            found = max(found, standing)
        kept.append(found if _count(items) == len(parts) else int(found == len(parts)))
    return kept


def _parts(items: Sequence[Item]) -> Sequence[Item]:
    """Return the items of a list or set, each an answer; a range "between 2 and 3" is one."""
    (item, *others) = items or (None,)
    is_range = not others and isinstance(item, forms.Group) and item.brackets == "between"
    return items if is_range else forms.flat(items)


def _count(items: Sequence[Item]) -> int:
    """Return how many answers the items are: values of several variables, such as `x = 1, y = 2`, are one together."""
    names = {item.name for item in items if isinstance(item, forms.Relation) and item.name}
    return 1 if len(names) == len(items) > 1 else len(_parts(items))


def _ends_of_equations(text: str, concluded: bool = False) -> list[str]:
    """Return the last MAX_ANSWERS numbers that end a chain of equations, each once, in the order of the page.

    With `concluded`, the last one alone, if its sentence leads to it with "so" or the like, else none.
    """
    text = text.replace("\\approx", "≈")
    ends: dict[str, None] = {}
    for part in reversed(list(_FORMULA_PART.finditer(text))[-MAX_CONCLUSIONS:]):
        end = first_clause(part[1], lists=False)
        sign_follows = text[part.end() : part.end() + 1] == "≈" or _EQUALS_NEXT.match(text, part.end()) is not None
        goes_on = sign_follows and end == part[1].strip(" \t*_.,;")
        if not goes_on and _is_number(end):
            if concluded:
                said = re.split(r"[.!?\n]\s|\n", text[max(0, part.start() - MAX_CLAUSE_CHARS) : part.start()])[-1]
                return [end.strip(" ,")] if _CONCLUDES.search(said) else []
            ends.setdefault(end.strip(" ,"))
            if len(ends) == MAX_ANSWERS:
                break
    return list(ends)[::-1]


def _is_number(text: str) -> bool:
    items = forms.read(text) if any(character.isdigit() for character in text) else ()
    return len(items) == 1 and isinstance(items[0], forms.Leaf) and _exact(items[0])


def _exact(leaf: forms.Leaf) -> bool:
    return leaf.value is not None and isinstance(leaf.value.values[0], Fraction) and not leaf.value.names


def _numbers_of_formulas(source: str) -> set[Fraction]:
    lines = _NOT_A_QUANTITY.sub(" ", source).splitlines()
    return _numbers("\n".join(line for line in lines if _FORMULA_LINE.search(line))) - _SMALL


def _share(ours: set[Fraction], theirs: set[Fraction]) -> float | None:
    return len(ours & theirs) / len(ours) if ours else None


def _numbers(text: str) -> set[Fraction]:
    text = _FRACTION.sub(lambda part: f" {part[1] or part[2]}/{part[3] or part[4]} ", text.translate(_SYMBOLS))
    return {Fraction(number.replace(",", "")) for number in _NUMBER.findall(_NOISE.sub("", text))}
