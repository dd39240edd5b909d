"""Reads a stored answer into columns and reasons: the half of a model stage that asks no model.

A model's raw answer is paid for once and stored (`recast.inference.answers`). This module reads the program or the page out of it
and measures what the verdict needs, so that a better reader or another threshold decides a table again without one
model call. `read_code_answer` and `read_math_answer` give a row's facts and the reasons that need no threshold;
`code_reason_sql` and `math_reason_sql` put the thresholds to the facts, in SQL that Spark and DuckDB both take.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from recast import controls
from recast.schemas import finish_reasons, reasons
from recast.udfs.child.guard import guarded
from recast.udfs.math import answers as mathanswers
from recast.udfs.python import costly, fences, literals, overlap, selfcontained, syntax
from recast.udfs.text import markup, pages, repetition, thoughts

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

VERSION = {"rule": 6, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
"""What changes readings by intent; part of the fingerprint of `decide`."""

MAX_ANSWER_CHARS = reasons.MAX_ANSWER_CHARS

MAX_THOUGHTS_CHARS = 1_000_000
"""Nor one that is longer with the thoughts before it."""

CODE_REASONS = reasons.CODE
MATH_REASONS = reasons.MATH

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
MAX_REFUSAL_CHARS = 1_000  # a longer answer declines something of the page's
_REFUSAL = re.compile(
    r"\W{0,9}(?:sorry\b|as an AI\b|I(?:['\u2019]m| am) (?:sorry|unable|not able)\b"
    r"|I (?:cannot|can not|can['\u2019]t|won['\u2019]t)\b)",
    re.IGNORECASE,
)
# `N/10` says it plainly; else the first number that is not the scale's ("1-10", "from 1 (poor) to 10").
_RATING_OF_TEN = re.compile(
    r"\b(?:rating|score)\b[^\n]{0,80}?(?<![\d.])(?P<rating>10|[1-9])(?:\.\d+)?[ \t*]*/[ \t*]*10(?!\d)", re.IGNORECASE
)
_SCALE = r"\b1(?:[ \t]*\([^)\d\n]{0,20}\))?[ \t]*(?:[-\u2013\u2014]|to)[ \t]*10\b"
_RATING = re.compile(rf"\b(?:rating|score)\b(?:[^\d\n]|{_SCALE}){{0,60}}+(?P<rating>10|[1-9])(?![\d%])", re.IGNORECASE)


@dataclass(frozen=True)
class CodeReading:
    """What the answer of a code stage says. Shares run from 0 to 1; what was not measured is None.

    `text`: the program, ending in one newline, or None. `reason`: the first of CODE_REASONS that needs no threshold and
    no linter, or None. `detail`: what a person needs to understand the reason. `rating`: the model's own rating of the
    source, 1 to 10, where it gives one. `closed`: False if the program's block lacked its end fence.
    `repeated_run_chars`: length of the longest run of 100 and more characters that repeats back to back, else 0.
    `definitions_kept`, `identifiers_kept`, `definitions_left`: see udfs/python/overlap.py. `undefined_names`, `unknown_modules`:
    see udfs/python/selfcontained.py; `dependences` counts both.
    """

    text: str | None = None
    reason: str | None = None
    detail: str | None = None
    rating: int | None = None
    closed: bool | None = None
    repeated_run_chars: int | None = None
    definitions_kept: float | None = None
    identifiers_kept: float | None = None
    undefined_names: tuple[str, ...] | None = None
    unknown_modules: tuple[str, ...] | None = None
    dependences: int | None = None
    definitions_left: float | None = None


CODE_READING_DDL = (
    "struct<text: string, reason: string, detail: string, rating: int, closed: boolean, repeated_run_chars: int, "
    "definitions_kept: double, identifiers_kept: double, undefined_names: array<string>, "
    "unknown_modules: array<string>, dependences: int, definitions_left: double>"
)
"""Type of the column that add_code_reading adds: the fields of CodeReading."""


@dataclass(frozen=True)
class MathReading:
    """What the answer of the mathematics stage says. Shares run from 0 to 1; what was not measured is None.

    `text`: the page, ending in one newline, or None. `reason`: the first of MATH_REASONS that needs no threshold, or
    None. `detail`, `repeated_run_chars`: as in CodeReading. `words_shared`: see recast.udfs.python.overlap. `answer_source`,
    `answer_rewritten`, `answers_kept`, `numbers_kept`: see recast.udfs.math.answers.
    """

    text: str | None = None
    reason: str | None = None
    detail: str | None = None
    repeated_run_chars: int | None = None
    words_shared: float | None = None
    answer_source: str | None = None
    answer_rewritten: str | None = None
    answers_kept: float | None = None
    numbers_kept: float | None = None


MATH_READING_DDL = (
    "struct<text: string, reason: string, detail: string, repeated_run_chars: int, words_shared: double, "
    "answer_source: string, answer_rewritten: string, answers_kept: double, numbers_kept: double>"
)
"""Type of the column that add_math_reading adds: the fields of MathReading."""


@guarded(lambda failure: CodeReading(reason=failure.reason, detail=failure.detail))
def read_code_answer(
    source_text: str | None, answer: str | None, answer_status: str | None, finish_reason: str | None
) -> CodeReading:
    """Return what a stored answer says about the Python text `source_text` that it rewrites.

    `answer_status` and `finish_reason` are as `recast.inference.answers` stores them. Raises nothing on any values.
    """
    plain = None if answer is None else fences.plain(answer) if len(answer) <= MAX_THOUGHTS_CHARS else answer
    read, unread, detail = _readable(plain, answer_status, finish_reason, program=True)
    if unread is not None:
        return CodeReading(reason=unread, detail=detail)
    source = source_text or ""
    found = fences.extract(read, source=source)
    rating = _RATING_OF_TEN.search(found.prose) or _RATING.search(found.prose)
    stated = int(rating["rating"]) if rating else None
    if found.text is None:
        refused = found.reason == "no_code" and _REFUSAL.match(read)
        return CodeReading(reason="refused" if refused else found.reason, rating=stated)
    if missing := _missing(found.text, found.closed, source):
        return CodeReading(reason="truncated", detail=missing, rating=stated, closed=found.closed)
    parsed = syntax.check(found.text)
    reason, detail = ("unchanged", None) if found.text.split() == source.split() else _unfit(found.text)
    if parsed.reason is not None:
        reason, detail = "unparsable", f"{parsed.reason}: {parsed.detail} (line {parsed.line or '?'})"
    kept = overlap.shared(source, found.text)
    unparsable = selfcontained.Dependence(None, None)
    needs = selfcontained.dependence(found.text) if parsed.reason is None else unparsable
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


@guarded(lambda failure: MathReading(reason=failure.reason, detail=failure.detail))
def read_math_answer(
    source_text: str | None, answer: str | None, answer_status: str | None, finish_reason: str | None
) -> MathReading:
    """Return what a stored answer says about the page of mathematics `source_text` that it rewrites.

    `answer_status` and `finish_reason` are as `recast.inference.answers` stores them. Raises nothing on any values.
    """
    read, unread, detail = _readable(answer, answer_status, finish_reason, program=False)
    if unread is not None:
        return MathReading(reason=unread, detail=detail)
    source = source_text or ""
    unchanged = read.split() == source.split()
    found = pages.Page(read.strip()) if unchanged else pages.page_of(read, source)
    if found.text is None:
        refused = len(read) <= MAX_REFUSAL_CHARS and _REFUSAL.match(read)
        return MathReading(reason="refused" if refused else found.reason, detail=found.detail)
    if not found.text.strip():
        return MathReading(reason="empty")
    page = found.text + "\n"
    kept = mathanswers.shared(source, page)
    # A question in a person's own words may well begin with "I can't"; a refusal solves nothing.
    if _REFUSAL.match(read) and not kept.answer_rewritten and not kept.numbers_kept:
        return MathReading(reason="refused")
    reason, detail = ("unchanged", None) if page.split() == source.split() else _unfit(page)
    if reason is None and (active := markup.active_in(page)):
        reason, detail = "active_html", active
    return MathReading(
        text=page,
        reason=reason,
        detail=detail,
        repeated_run_chars=repetition.longest_repeated_run(page),
        words_shared=overlap.shared_words(source, page),
        answer_source=kept.answer_source,
        answer_rewritten=kept.answer_rewritten,
        answers_kept=kept.answers_kept,
        numbers_kept=kept.numbers_kept,
    )


def code_reason_sql(
    column: str = "reading",
    *,
    repetitive_text_chars: int = repetition.LEAST_TEXT_CHARS,
    repetitive_run_chars: int = repetition.LEAST_RUN_CHARS,
    least_names_kept: float = 0.3,
    least_definitions_left: float = 0.6,
    self_contained: bool = False,
) -> str:
    """Return SQL for the reason to reject a row of the column `column` (CODE_READING_DDL), null where there is none.

    A program is related to its source if the mean of `definitions_kept` and `identifiers_kept` is `least_names_kept`
    or more (a source that defines nothing counts by its identifiers): a rewrite may rename all definitions if it keeps
    much else, and an example of use, which keeps some identifiers, is not enough. Of 600 pairs of unrelated standard
    library files 5 reach 0.3. A program with less than `least_definitions_left` of its source's definitions, under
    whatever names, is a part of one: a rewrite may merge some, and the recipe's are longer than their sources.
    `lint_regressed` needs lint scores and is not decided here.
    """
    reading = column
    return _first_reason(
        reading,
        {
            "repetitive": _repetitive_sql(reading, repetitive_text_chars, repetitive_run_chars),
            "unrelated": f"(coalesce({reading}.definitions_kept, {reading}.identifiers_kept)"
            f" + {reading}.identifiers_kept) / 2 < {least_names_kept}",
            "definitions_lost": f"coalesce({reading}.definitions_left, 1) < {least_definitions_left}",
            **({"not_self_contained": f"coalesce({reading}.dependences, 1) > 0"} if self_contained else {}),
        },
    )


def math_reason_sql(
    column: str = "reading",
    *,
    repetitive_text_chars: int = repetition.LEAST_TEXT_CHARS,
    repetitive_run_chars: int = repetition.LEAST_RUN_CHARS,
    least_words_shared: float = 0.3,
    least_answers_kept: float = 0.4,
    least_numbers_kept: float = 0.3,
) -> str:
    """Return SQL for the reason to reject a row of the column `column` (MATH_READING_DDL), null where there is none.

    Of 56 pairs of unrelated sample pages 5 share 0.3 of their words, 6 keep 0.4 of the answers and 5 keep 0.3 of the
    numbers; none does all three. Six careful rewrites by hand keep 0.41, 0.75 and 0.66 at least.
    """
    reading = column
    return _first_reason(
        reading,
        {
            "repetitive": _repetitive_sql(reading, repetitive_text_chars, repetitive_run_chars),
            "unrelated": f"coalesce({reading}.words_shared, 0) < {least_words_shared}",
            "answer_changed": f"coalesce({reading}.answers_kept, 1) < {least_answers_kept}",
            "numbers_lost": f"coalesce({reading}.numbers_kept, 1) < {least_numbers_kept}",
        },
    )


def add_code_reading(
    rows: DataFrame,
    source_text: str = "source_text",
    answer: str = "answer",
    answer_status: str = "answer_status",
    finish_reason: str = "finish_reason",
) -> DataFrame:
    """Add the column `reading` (CODE_READING_DDL) to `rows`, read from the four string columns named."""
    return _add_reading(rows, CODE_READING_DDL, _read_code_batches, (source_text, answer, answer_status, finish_reason))


def add_math_reading(
    rows: DataFrame,
    source_text: str = "source_text",
    answer: str = "answer",
    answer_status: str = "answer_status",
    finish_reason: str = "finish_reason",
) -> DataFrame:
    """Add the column `reading` (MATH_READING_DDL) to `rows`, read from the four string columns named."""
    return _add_reading(rows, MATH_READING_DDL, _read_math_batches, (source_text, answer, answer_status, finish_reason))


def _readable(
    answer: str | None, answer_status: str | None, finish_reason: str | None, program: bool
) -> tuple[str, str | None, str | None]:
    """Return what of an answer is read, the reason why nothing is, None if something is, and a detail of the reason."""
    if answer_status != "answered":
        return "", answer_status if answer_status in reasons.ANSWERS else "request_failed", None
    finish_reason = finish_reasons.standard(finish_reason)  # older rows have the server's own word
    if finish_reason == finish_reasons.FILTERED:
        return "", "refused", None
    if finish_reason == finish_reasons.LENGTH and not (answer or "").strip():
        return "", "truncated", None  # the limit came before the first word, all else being thoughts
    if not answer or answer.isspace():
        return "", "empty", None
    if finish_reason != finish_reasons.STOP:
        return "", "truncated", None
    if len(answer) > MAX_THOUGHTS_CHARS:
        return "", "oversized", f"{len(answer):,} characters"
    if program and (costs := costly.found_in(answer)):
        return "", "oversized", costs
    said, unread = thoughts.spoken(controls.without_end(answer), fences.outside if program else str)
    if unread is None and len(said) > MAX_ANSWER_CHARS:
        return "", "oversized", f"{len(said):,} characters"
    return said, unread or (None if said.strip() else "empty"), None


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


def _unfit(text: str) -> tuple[str | None, str | None]:
    """Return the reason against publishing characters or strings that `text` holds, and which; (None, None) if none."""
    if character := controls.character_in(text):
        return "control_characters", character
    if token := controls.token_in(text):
        return "control_tokens", f"the answer holds {token}"
    return None, None


def _repetitive_sql(reading: str, text_chars: int, run_chars: int) -> str:
    return f"length({reading}.text) >= {text_chars} AND {reading}.repeated_run_chars >= {run_chars}"


def _first_reason(reading: str, failures: dict[str, str]) -> str:
    cases = " ".join(f"WHEN {failure} THEN '{reason}'" for reason, failure in failures.items())
    return f"CASE WHEN {reading}.reason IS NOT NULL THEN {reading}.reason {cases} END"


def _add_reading(
    rows: DataFrame, ddl: str, read: Callable[..., Iterator[pa.Array]], columns: tuple[str, ...]
) -> DataFrame:
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # exported, and missing in its stubs

    # Spark wants to see these types when the function is wrapped, and pyarrow is not imported before.
    read.__annotations__["batches"] = Iterator[tuple[pa.Array, ...]]
    read.__annotations__["return"] = Iterator[pa.Array]
    # Not deterministic in the planner's sense: it must not read twice to save a projection.
    return rows.withColumn("reading", arrow_udf(read, ddl).asNondeterministic()(*columns))


def _read_code_batches(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
    import pyarrow as pa

    text, number, share, names = pa.string(), pa.int32(), pa.float64(), pa.list_(pa.string())
    types = (text, text, text, number, pa.bool_(), number, share, share, names, names, number, share)
    yield from _read_batches(batches, read_code_answer, CodeReading, types)


def _read_math_batches(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
    import pyarrow as pa

    text, number, share = pa.string(), pa.int32(), pa.float64()
    types = (text, text, text, number, share, text, text, share, share)
    yield from _read_batches(batches, read_math_answer, MathReading, types)


def _read_batches(
    batches: Iterator[tuple[pa.Array, ...]],
    read: Callable[..., CodeReading | MathReading],
    kind: type[CodeReading | MathReading],
    types: tuple[pa.DataType, ...],
) -> Iterator[pa.Array]:
    import pyarrow as pa

    struct = pa.struct(list(zip((field.name for field in fields(kind)), types, strict=True)))
    for batch in batches:
        rows = zip(*(column.to_pylist() for column in batch), strict=True)
        yield pa.array([astuple(read(*row)) for row in rows], struct)
