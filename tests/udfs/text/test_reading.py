"""What programs and pages share: answers that are not read, and readings as columns."""

from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recast.columns import add_columns
from recast.inference import answers
from recast.schemas import reasons
from recast.schemas.rewrites import CodeReading
from recast.schemas.rewritten_math import MathReading
from recast.udfs.math.reading import read_math_answer
from recast.udfs.python.reading import read_code_answer
from recast.udfs.text.reading import INPUTS
from tests.udfs.readings import (
    ANSWER,
    CODE_SQL,
    MATH_SQL,
    NEW_PAGE,
    PAGE,
    SOURCE,
    reason_of_code,
    reason_of_page,
    verdict,
)

STATUSES = st.sampled_from([answers.ANSWERED, *reasons.ANSWERS, None, "new"])

FINISHES = st.sampled_from(["stop", "length", "content_filter", "abort", None])


@pytest.mark.parametrize("read", [reason_of_code, reason_of_page])
@pytest.mark.parametrize(
    ("answer", "status", "finish", "reason"),
    [
        (None, "too_long", None, "too_long"),
        (None, "empty_input", None, "empty_input"),
        (None, "request_failed", None, "request_failed"),
        (None, "poison", None, "poison"),
        (None, "a status that came later", None, "request_failed"),
        (None, None, None, "request_failed"),
        (None, "answered", "stop", "empty"),
        (" \n", "answered", "stop", "empty"),
        (ANSWER, "answered", "length", "truncated"),
        (ANSWER, "answered", None, "truncated"),
        ("", "answered", "content_filter", "refused"),
        ("", "answered", "length", "truncated"),
        (ANSWER, "answered", "MAX_TOKENS", "truncated"),
        (ANSWER, "answered", "no known word", "truncated"),
        (ANSWER, "answered", "tool_calls", "truncated"),
        ("", "answered", "SAFETY", "refused"),
        ("I'm sorry, but I can't help with that.", "answered", "stop", "refused"),
        ("x" * (reasons.MAX_ANSWER_CHARS + 1), "answered", "stop", "oversized"),
    ],
)
def test_what_went_wrong_before_reading_is_the_reason(read, answer, status, finish, reason):
    assert read(answer, status, finish) == reason


@pytest.mark.parametrize("said", ["eos", "eos_token", "end_turn", "STOP", "COMPLETE"])
def test_an_older_row_that_holds_the_servers_own_word_for_an_end_is_read(said):
    assert reason_of_code(ANSWER, "answered", said) == reason_of_code(ANSWER, "answered", "stop") != "truncated"


@pytest.mark.parametrize("read", [reason_of_code, reason_of_page])
def test_thoughts_that_never_end_are_a_truncated_answer_and_nothing_behind_them_an_empty_one(read):
    assert read(f"<think>\nOkay.\n{ANSWER}") == "truncated"
    assert read("<think>\nOkay.\n</think>\n\n") == "empty"


def test_every_status_but_answered_is_a_reason():
    refused = {answers.TOO_LONG, answers.EMPTY_INPUT, answers.CONTROL_TOKENS, answers.CRASHED}
    assert refused | {*answers.FAILED_STATUSES} <= set(reasons.ANSWERS)
    assert set(reasons.ANSWERS) <= set(reasons.CODE) & set(reasons.MATH)


@settings(deadline=None)  # the deepest examples take a tenth of a second
@given(st.text() | st.none(), st.text() | st.none(), STATUSES, FINISHES)
@example("\ud800", "```python\n\ud800\x00\n```", "answered", "stop")
@example(SOURCE, "```python\n" + "(" * 500 + "\n```", "answered", "stop")
@example(SOURCE, "```python\nx = " + "-" * 50_000 + "1\n```", "answered", "stop")
def test_any_answer_is_read_without_an_error_into_text_or_a_reason(source, answer, status, finish):
    code = read_code_answer(source, answer, status, finish)
    page = read_math_answer(source, answer, status, finish)
    assert code.reason in (None, *reasons.CODE)
    assert page.reason in (None, *reasons.MATH)
    assert code.text is not None or code.reason is not None
    assert page.text is not None or page.reason is not None


@pytest.mark.spark
def test_spark_reads_answers_and_decides_as_the_functions_do(spark):
    from pyspark.sql import functions

    stored = [
        (SOURCE, ANSWER, "answered", "stop"),
        (SOURCE, "```python\ndef greet(name):\n    print(name)\n```", "answered", "stop"),
        (SOURCE, ANSWER, "answered", "length"),
        (SOURCE, None, "poison", None),
        (PAGE, NEW_PAGE, "answered", "stop"),
    ]
    rows = spark.createDataFrame(stored, ", ".join(f"{name} string" for name in INPUTS))
    for read, record, sql in (
        (read_code_answer, CodeReading, CODE_SQL),
        (read_math_answer, MathReading, MATH_SQL),
    ):
        found = add_columns(rows, partial(map, read), record, *INPUTS).withColumn("verdict", functions.expr(sql))
        for row, values in zip(found.collect(), stored, strict=True):
            expected = read(*values)
            assert tuple(row[len(INPUTS) : -1]) == tuple(
                list(value) if isinstance(value, tuple) else value for value in expected
            )
            assert row["verdict"] == verdict(expected, sql)
