"""Reads the program that a stored answer holds, measures it against its source, and gives the reason against it.

`read_code_answer` gives a row's facts and the reasons that need no threshold; `code_reason_sql` puts the thresholds to the
facts, in SQL that Spark and DuckDB both take.
"""

import ast
import builtins
import re
import sys

from recast.schemas.rewrites import CodeReading
from recast.udfs.child.guard import guarded
from recast.udfs.python import costly, fences, literals, overlap, selfcontained, syntax
from recast.udfs.text import reading as stored
from recast.udfs.text import repetition

VERSION = {"rule": 6, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
"""What changes readings by intent; part of the fingerprint of `decide`."""

DEFINITIONS_FLOOR = 0.6
"""A program with a smaller share of its source's definitions, under whatever names, is a part of one."""

_CODE_PARTS = (
    r"(?:code|functions?|methods?|class(?:es)?|implementations?|logic|file|module|script|program|imports?|body"
    r"|definitions?)"
)
# A comment in place of code: `... existing code ...`, `rest of the code unchanged`, `(same as before)`.
_PLACEHOLDER = re.compile(
    r"^[ \t]*#[ \t]*[(\[<{]?[ \t]*(?:"
    rf"(?:\.\.\.|\u2026)[^\n]{{0,80}}\b(?:{_CODE_PARTS}|unchanged|same|rest|existing|remaining|omitted|before)\b"
    rf"|(?:the )?(?:rest|remainder) of (?:the |your |this )?(?:\w+ )?{_CODE_PARTS}\b"
    rf"|(?:the )?(?:remaining|other|existing|previous|original) (?:\w+ )?{_CODE_PARTS}\b[^\n]{{0,20}}"
    r"(?:\.\.\.|\u2026|\b(?:unchanged|here|omitted|same|as before|as above)\b)"
    r"|(?:(?:the )?same|unchanged)(?: code)? (?:as|from) (?:before|above|(?:in )?the original)\b[ \t]*[.)\]>}]*[ \t]*$"
    r"|(?:todo|fixme)\b[ \t:]*(?:(?:add|implement|write|insert) )?(?:the )?(?:rest|remaining|remainder)\b"
    r")[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)
# `N/10` says it plainly; else the first number that is not the scale's ("1-10", "from 1 (poor) to 10").
_RATING_OF_TEN = re.compile(
    r"\b(?:rating|score)\b[^\n]{0,80}?(?<![\d.])(?P<rating>10|[1-9])(?:\.\d+)?[ \t*]*/[ \t*]*10(?!\d)", re.IGNORECASE
)
_SCALE = r"\b1(?:[ \t]*\([^)\d\n]{0,20}\))?[ \t]*(?:[-\u2013\u2014]|to)[ \t]*10\b"
# What lies between is taken whole, by a group in a lookahead: possessive groups are wrong until Python 3.11.5
# (https://github.com/python/cpython/issues/106052).
_RATING = re.compile(
    rf"\b(?:rating|score)\b(?=(?P<between>(?:[^\d\n]|{_SCALE}){{0,60}}))(?P=between)(?P<rating>10|[1-9])(?![\d%])",
    re.IGNORECASE,
)


@guarded(lambda failure: CodeReading(reason=failure.reason, detail=failure.detail))
def read_code_answer(
    source_text: str | None, answer: str | None, answer_status: str | None, finish_reason: str | None
) -> CodeReading:
    """Return what a stored answer says about the Python text `source_text` that it rewrites.

    `answer_status` and `finish_reason` are as they are stored (schemas/answers.py). Raises nothing on any values.
    """
    plain = None if answer is None else fences.plain(answer) if len(answer) <= stored.MAX_THOUGHTS_CHARS else answer
    read, unread, detail = stored.readable(plain, answer_status, finish_reason, costly.found_in, fences.outside)
    if unread is not None:
        return CodeReading(reason=unread, detail=detail)
    source = source_text or ""
    found = fences.extract(read, source=source)
    rating = _RATING_OF_TEN.search(found.prose) or _RATING.search(found.prose)
    stated = int(rating["rating"]) if rating else None
    if found.text is None:
        refused = found.reason == "no_code" and stored.REFUSAL.match(read)
        return CodeReading(reason="refused" if refused else found.reason, rating=stated)
    if missing := _missing(found.text, found.closed, source):
        return CodeReading(reason="truncated", detail=missing, rating=stated, closed=found.closed)
    parsed = syntax.check(found.text)
    reason, detail = ("unchanged", None) if found.text.split() == source.split() else stored.unfit(found.text)
    if parsed.syntax_reason is not None:
        reason = "unparsable"
        detail = f"{parsed.syntax_reason}: {parsed.syntax_detail} (line {parsed.syntax_line or '?'})"
    kept = overlap.shared(source, found.text)
    unparsable = selfcontained.Dependence(None, None)
    needs = selfcontained.dependence(found.text) if parsed.syntax_reason is None else unparsable
    return CodeReading(
        text=found.text,
        reason=reason,
        detail=detail,
        rating=stated,
        closed=found.closed,
        repeated_run_chars=repetition.longest_repeated_run(found.text),
        definitions_kept=kept.definitions,
        identifiers_kept=kept.identifiers,
        undefined_names=needs.undefined_names,
        unknown_modules=needs.unknown_modules,
        dependences=needs.count,
        definitions_left=kept.definitions_left,
    )


def code_reason_sql(names_floor: float, self_contained: bool = False) -> str:
    """Return SQL for the reason to reject a row with the columns of CodeReading, null where there is none.

    A program is related to its source if the mean of `definitions_kept` and `identifiers_kept` is `names_floor`
    or more (a source that defines nothing counts by its identifiers): a rewrite may rename all definitions if it keeps
    much else, and an example of use, which keeps some identifiers, is not enough. Of 600 pairs of unrelated standard
    library files 5 reach 0.3. A rewrite may merge some definitions, and the recipe's are longer than their sources.
    `lint_regressed` needs lint scores and is not decided here.
    """
    names = "(coalesce(definitions_kept, identifiers_kept) + identifiers_kept) / 2"
    return stored.first_reason_sql(
        {
            "unrelated": f"{names} < {names_floor}",
            "definitions_lost": f"coalesce(definitions_left, 1) < {DEFINITIONS_FLOOR}",
            **({"not_self_contained": "coalesce(dependences, 1) > 0"} if self_contained else {}),
        }
    )


def _missing(program: str, closed: bool, source: str) -> str | None:
    """Return what shows that a part of a program was not written, whatever the finish reason says; None if nothing does."""
    bare, known = literals.without_literals(program), set(map(str.strip, source.splitlines()))
    comments = list(_PLACEHOLDER.finditer(program))
    strings = list(literals.long_strings(program)) if comments else []
    for comment in comments:
        if comment[0].strip() not in known and not any(start < comment.start() < end for start, end in strings):
            return f"a comment stands in place of code: {comment[0].strip()[:100]!r}"
    tree = None if closed else syntax.tree_of(program)
    last: ast.AST | None = tree.body[-1] if tree and tree.body else None
    while isinstance(inner := getattr(last, "body", None), list) and inner:
        last = (getattr(last, "finalbody", None) or getattr(last, "orelse", None) or inner)[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Name):
        name = last.value.id
        if not hasattr(builtins, name) and len(re.findall(rf"\b{re.escape(name)}\b", bare)) == 1:
            return f"the program ends within a statement: {name[:100]!r}"
    return None
