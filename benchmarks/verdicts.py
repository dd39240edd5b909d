"""Verdicts on answers whose right verdict is known: `python -m benchmarks.verdicts [--no-reference] [--list]`.

Pages of mathematics and programs are made by rule (`verdict_pages`, `verdict_code`), their labels follow from how they
were made. Each goes through what the stages do: the reading of a stored answer, and the SQL for its reason. Math-Verify
judges the sentences that hold the answers, as its own users have it: `verify(parse(source), parse(rewrite))`, all
defaults. Prints one JSON line:

    cases, right, false_keeps, false_rejects, wrong_reasons
                       answers judged; judged right; kept though they are bad; rejected though they are good; rejected
                       for a reason that is not theirs
    false_reject_share of the good ones
    math, code         the same for either half
    math_verify        the same for Math-Verify on the pages that state an answer, and `ours` on exactly these
    math_forms         form -> [pages, ours right, Math-Verify right]
    worse_than_math_verify
                       forms in which ours is right less often than Math-Verify
    wrong_kinds        kind -> wrong verdicts, for either half
    longest_seconds_per_100kb
                       processor time of the slower reader on the worst hostile text, with its name; `raised` counts
                       texts on which a reader raised
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks import hostile_answers, verdict_code, verdict_pages
from recast.jobs.settings import Settings
from recast.schemas.rewrites import CodeReading
from recast.schemas.rewritten_math import MathReading
from recast.udfs.math import expressions
from recast.udfs.math import forms as mathforms
from recast.udfs.math.reading import math_reason_sql, read_math_answer
from recast.udfs.python.reading import code_reason_sql, read_code_answer

THRESHOLDS = Settings()


def decided(found: Sequence[CodeReading | MathReading], sql: str) -> list[str | None]:
    """Return the reasons that the SQL gives for readings, as the tables decide them."""
    rows = [{"place": place, **each._asdict()} for place, each in enumerate(found)]
    stored = pa.Table.from_pylist(rows)  # noqa: F841 - DuckDB finds it by its name
    return [reason for (reason,) in duckdb.sql(f"SELECT {sql} FROM stored ORDER BY place").fetchall()]


def judged_pages(pages: Sequence[verdict_pages.Page]) -> list[bool | None]:
    """Return for each page what is wrong with its verdict: None if nothing, True if kept wrongly, False if rejected so."""
    found = [read_math_answer(page.source, page.answer, "answered", "stop") for page in pages]
    reasons = decided(found, math_reason_sql(THRESHOLDS.words_floor, THRESHOLDS.numbers_floor))
    wrong: list[bool | None] = []
    for page, each, reason in zip(pages, found, reasons, strict=True):
        shares = page.share is None or (each.answers_kept is not None and abs(each.answers_kept - page.share) < 1e-9)
        wrong.append(None if reason == page.reason and shares else reason is None)
    return wrong


def judged_code(cases: Sequence[verdict_code.Case]) -> list[str | None]:
    """Return for each answer what is wrong with its verdict: None if nothing, else a word."""
    found = [read_code_answer(case.source, case.answer, "answered", case.finish_reason) for case in cases]
    plain, alone = (decided(found, code_reason_sql(THRESHOLDS.names_floor, asked)) for asked in (False, True))
    wrong: list[str | None] = []
    for case, for_plain, for_alone in zip(cases, plain, alone, strict=True):
        reason = for_alone if case.self_contained else for_plain
        if case.reasons:
            wrong.append(None if reason in case.reasons else "false_keep" if reason is None else "wrong_reason")
        else:
            wrong.append(None if reason is None else "false_reject")
    return wrong


def by_math_verify(pages: Sequence[verdict_pages.Page]) -> list[bool]:
    """Return whether Math-Verify takes the answers of each page's source and rewrite for the same."""
    from math_verify import parse, verify

    return [bool(verify(parse(page.source_tail), parse(page.answer_tail))) for page in pages]


def counts(wrong: Sequence[str | None], good: int) -> dict[str, Any]:
    """Return the numbers for verdicts of which each is None or says what is wrong with it."""
    kinds = Counter(wrong)
    return {
        "cases": len(wrong),
        "right": kinds[None],
        "false_keeps": kinds["false_keep"],
        "false_rejects": kinds["false_reject"],
        "wrong_reasons": kinds["wrong_reason"],
        "false_reject_share": round(kinds["false_reject"] / good, 4) if good else None,
    }


def hostile() -> dict[str, Any]:
    """Return how long the readers take at most, per 100,000 characters of hostile text."""
    longest, worst, raised = 0.0, "", 0
    for name, text in hostile_answers.texts().items():
        for half, read in (("math", read_math_answer), ("code", read_code_answer)):
            for cache in (mathforms.read, expressions.read):
                cache.cache_clear()
            started_s = time.process_time()
            try:
                read(text, text, "answered", "stop")
            except Exception as error:
                raised += 1
                print(f"{half} raised on {name}: {error!r:.200}", file=sys.stderr)
            seconds = (time.process_time() - started_s) * 100_000 / len(text)
            if seconds > longest:
                longest, worst = seconds, f"{half}: {name}"
    return {"longest_seconds_per_100kb": round(longest, 2), "longest_on": worst, "raised": raised}


def run(with_reference: bool, listed: bool) -> dict[str, Any]:
    """Judge everything and return the numbers."""
    pages, code = verdict_pages.pages(), verdict_code.cases()
    words = {None: None, True: "false_keep", False: "false_reject"}
    math_wrong, code_wrong = [words[each] for each in judged_pages(pages)], judged_code(code)
    if listed:
        for page, wrong in zip(pages, math_wrong, strict=True):
            if wrong:
                print(f"{wrong}: {page.form}: {page.source_tail!r} -> {page.answer_tail!r}", file=sys.stderr)
        for case, wrong in zip(code, code_wrong, strict=True):
            if wrong:
                print(f"{wrong}: {case.kind}: {case.source[:60]!r}", file=sys.stderr)
    good_pages = sum(page.reason is None for page in pages)
    good_code = sum(not case.reasons for case in code)
    result = {
        **counts([*math_wrong, *code_wrong], good_pages + good_code),
        "math": counts(math_wrong, good_pages),
        "code": counts(code_wrong, good_code),
        "wrong_kinds": {
            "math": dict(Counter(page.form for page, wrong in zip(pages, math_wrong, strict=True) if wrong)),
            "code": dict(
                Counter(f"{case.kind}: {wrong}" for case, wrong in zip(code, code_wrong, strict=True) if wrong)
            ),
        },
    }
    if with_reference:
        asked = [i for i, page in enumerate(pages) if page.source_tail and page.share is None]
        theirs = by_math_verify([pages[i] for i in asked])
        forms: dict[str, list[int]] = {}
        their_wrong: list[str | None] = []
        for i, same in zip(asked, theirs, strict=True):
            is_right = same == (pages[i].reason is None)
            their_wrong.append(None if is_right else "false_keep" if same else "false_reject")
            form = forms.setdefault(pages[i].form, [0, 0, 0])
            form[0] += 1
            form[1] += math_wrong[i] is None
            form[2] += is_right
        good = sum(pages[i].reason is None for i in asked)
        result |= {
            "math_verify": counts(their_wrong, good) | {"ours": counts([math_wrong[i] for i in asked], good)},
            "math_forms": forms,
            "worse_than_math_verify": sorted(name for name, (_, ours, other) in forms.items() if ours < other),
        }
    return result | hostile()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-reference", action="store_true", help="do not ask Math-Verify, which takes minutes")
    parser.add_argument("--list", action="store_true", help="say on standard error which verdicts are wrong")
    options = parser.parse_args()
    print(json.dumps(run(not options.no_reference, options.list)))


if __name__ == "__main__":
    main()
