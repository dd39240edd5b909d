"""Reads the page that a stored answer holds, measures it against its source, and gives the reason against it.

`read_math_answer` gives a row's facts and the reasons that need no threshold; `math_reason_sql` puts the thresholds to the
facts, in SQL that Spark and DuckDB both take.
"""

import sys

from recast.schemas.rewritten_math import MathReading
from recast.udfs.child.guard import guarded
from recast.udfs.math import answers
from recast.udfs.python import overlap
from recast.udfs.text import markup, pages, repetition
from recast.udfs.text import reading as stored

VERSION = {"rule": 6, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
"""What changes readings by intent; part of the fingerprint of `decide`."""

ANSWERS_FLOOR = 0.4
"""Smallest share of its source's answers that a page keeps."""


@guarded(lambda failure: MathReading(reason=failure.reason, detail=failure.detail))
def read_math_answer(
    source_text: str | None, answer: str | None, answer_status: str | None, finish_reason: str | None
) -> MathReading:
    """Return what a stored answer says about the page of mathematics `source_text` that it rewrites.

    `answer_status` and `finish_reason` are as they are stored (schemas/answers.py). Raises nothing on any values.
    """
    read, unread, detail = stored.readable(answer, answer_status, finish_reason)
    if unread is not None:
        return MathReading(reason=unread, detail=detail)
    source = source_text or ""
    unchanged = read.split() == source.split()
    found = pages.Page(read.strip()) if unchanged else pages.page_of(read, source)
    if found.text is None:
        refused = len(read) <= stored.MAX_REFUSAL_CHARS and stored.REFUSAL.match(read)
        return MathReading(reason="refused" if refused else found.reason, detail=found.detail)
    if not found.text.strip():
        return MathReading(reason="empty")
    page = found.text + "\n"
    kept = answers.shared(source, page)
    # A question in a person's own words may well begin with "I can't"; a refusal solves nothing.
    if stored.REFUSAL.match(read) and not kept.answer_rewritten and not kept.numbers_kept:
        return MathReading(reason="refused")
    reason, detail = ("unchanged", None) if page.split() == source.split() else stored.unfit(page)
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


def math_reason_sql(words_floor: float, numbers_floor: float) -> str:
    """Return SQL for the reason to reject a row with the columns of MathReading, null where there is none.

    Of 56 pairs of unrelated sample pages 5 share 0.3 of their words, 6 keep 0.4 of the answers and 5 keep 0.3 of the
    numbers; none does all three. Six careful rewrites by hand keep 0.41, 0.75 and 0.66 at least.
    """
    return stored.first_reason_sql(
        {
            "unrelated": f"coalesce(words_shared, 0) < {words_floor}",
            "answer_changed": f"coalesce(answers_kept, 1) < {ANSWERS_FLOOR}",
            "numbers_lost": f"coalesce(numbers_kept, 1) < {numbers_floor}",
        }
    )
