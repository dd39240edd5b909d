from dataclasses import asdict, fields
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recast.inference import answers
from recast.udfs import reading
from recast.udfs.reading import read_code_answer, read_math_answer

GOLDEN_PAGES = sorted((Path(__file__).parent / "text" / "golden_pages").glob("*.md"))
SAMPLE_PAGES = Path(__file__).parents[2] / "samples" / "math_pages"
SOURCE = "def avg(l):\n    return sum(l)/len(l)\n"
CODE = "def avg(values: list[float]) -> float:\n    return sum(values) / len(values)\n"
ANSWER = f"Rating: 4/10\n\n## Suggestions\n- Name the argument.\n\n## Improved code\n```python\n{CODE}```\n"
PAGE = "Posted by x on 3 May\nperimeter 26 area 40 longer side of the rectangle?\na + b = 13, ab = 40, a = 8\n"
NEW_PAGE = (
    "A rectangle has perimeter $2(a+b) = 26$ and area $ab = 40$.\n"
    "Since $a + b = 13$, the longer side is $a = \\boxed{8}$.\n"
)
STATUSES = st.sampled_from([*answers.STATUSES, None, "new"])
FINISHES = st.sampled_from(["stop", "length", "content_filter", "abort", None])


def reason_of_code(answer, status="answered", finish="stop", source=SOURCE):
    return read_code_answer(source, answer, status, finish).reason


def reason_of_page(answer, status="answered", finish="stop", source=PAGE):
    return read_math_answer(source, answer, status, finish).reason


def verdict(found, sql):
    """Decide one reading as a table would, with DuckDB."""
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(found).items()}
    stored = pa.Table.from_pylist([{"reading": row}])  # noqa: F841 - DuckDB finds it by its name
    [(reason,)] = duckdb.sql(f"SELECT {sql} FROM stored").fetchall()
    return reason


def test_the_recipes_answer_gives_its_program_and_all_facts():
    found = read_code_answer(SOURCE, ANSWER, "answered", "stop")
    assert found == reading.CodeReading(
        text=CODE,
        rating=4,
        closed=True,
        repeated_run_chars=0,
        definitions_kept=1.0,
        identifiers_kept=1.0,
        undefined_names=(),
        unknown_modules=(),
        dependences=0,
    )


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
        ("x" * (reading.MAX_ANSWER_CHARS + 1), "answered", "stop", "oversized"),
    ],
)
def test_what_went_wrong_before_reading_is_the_reason(read, answer, status, finish, reason):
    assert read(answer, status, finish) == reason


@pytest.mark.parametrize("said", ["eos", "eos_token", "end_turn", "STOP", "COMPLETE"])
def test_an_older_row_that_holds_the_servers_own_word_for_an_end_is_read(said):
    assert reason_of_code(ANSWER, "answered", said) == reason_of_code(ANSWER, "answered", "stop") != "truncated"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The code is fine.", "no_code"),
        ("```python\ndef a(): pass\n```\n```python\ndef b(): pass\n```\n", "several_codes"),
        ("```python\ndef avg(:\n```\n", "unparsable"),
        (f"```python\n\n{SOURCE}\n\n```", "unchanged"),
        (ANSWER, None),
    ],
)
def test_a_program_that_cannot_be_used_has_a_reason(answer, reason):
    assert reason_of_code(answer) == reason


def test_the_detail_says_why_a_program_does_not_parse():
    found = read_code_answer(SOURCE, "```python\nprint 'x'\n```", "answered", "stop")
    assert found.text == "print 'x'\n"
    assert found.detail.startswith("python2: ")
    assert found.detail.endswith("(line 1)")


@pytest.mark.parametrize(
    ("prose", "rating"),
    [
        ("Rating: 7/10\n", 7),
        ("**Overall rating:** 10 / 10\n", 10),
        ("I would give it a score of 3.\n", 3),
        ("It is good.\n", None),
        ("Rating: 85%\n", None),
        ("Rating: 100\n", None),
        ("Rating (1-10): 7\n", 7),
        ("Overall rating from 1 (poor) to 10 (excellent): **6**\n", 6),
        ("The rating goes from 1 (poor) to 10 (excellent): 7/10\n", 7),
        ("Rating of the ten criteria, of which 3 are met: 4/10\n", 4),
        ("Score: 7.5/10\n", 7),
        ("Score: 1, for all 10 criteria fail.\n", 1),
    ],
)
def test_the_models_rating_is_read_where_it_gives_one(prose, rating):
    assert read_code_answer(SOURCE, f"{prose}```python\n{CODE}```", "answered", "stop").rating == rating


DRAFT = "```python\ndef draft(l): return l\n```\n"
TAG_IN_CODE = 'def avg(l):\n    """Like this:\n\n    </think>\n    """\n    return sum(l)\n'


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        (f"<think>\nThe user wants this:\n{DRAFT}Or not.\n</think>\n\n```python\n{CODE}```", CODE),
        (f"The user wants this:\n{DRAFT}Or not.\n</think>\n\n```python\n{CODE}```", CODE),
        (f"<think></think>```python\n{TAG_IN_CODE}```", TAG_IN_CODE),
        (f"```python\n{TAG_IN_CODE}```", TAG_IN_CODE),
        ("```python\nEND = '</think>'\nf(END)\n```", "END = '</think>'\nf(END)\n"),
    ],
)
def test_a_reasoning_models_thoughts_are_no_part_of_its_program(answer, program):
    assert read_code_answer(SOURCE, answer, "answered", "stop").text == program


@pytest.mark.parametrize("opening", ["<think>\n", ""])
def test_a_reasoning_models_thoughts_are_no_part_of_its_page(opening):
    answer = f"{opening}Okay, the user wants a page.</think>\n\n{NEW_PAGE}"
    assert read_math_answer(PAGE, answer, "answered", "stop").text == NEW_PAGE


@pytest.mark.parametrize("read", [reason_of_code, reason_of_page])
def test_thoughts_that_never_end_are_a_truncated_answer_and_nothing_behind_them_an_empty_one(read):
    assert read(f"<think>\nOkay.\n{ANSWER}") == "truncated"
    assert read("<think>\nOkay.\n</think>\n\n") == "empty"


def test_a_page_that_begins_in_its_readers_words_is_no_refusal():
    page = "I can't factor $x^2+5x+6=0$.\n\nIt is $(x+2)(x+3)=0$, so the larger root is $\\boxed{-2}$.\n"
    assert reason_of_page(page) is None
    assert reason_of_page("I can't see why the sides of the rectangle, $ab = 40$, sum to $13$.\n") is None
    assert reason_of_page("I'm sorry, but this page holds nothing that I could rewrite.") == "refused"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (NEW_PAGE, NEW_PAGE),
        (f"Here is the rewritten text:\n\n{NEW_PAGE}", NEW_PAGE),
        (f"New text:\n{NEW_PAGE}", NEW_PAGE),
        (f"```markdown\n{NEW_PAGE}```", NEW_PAGE),
        (f"```\n{NEW_PAGE}```\nand\n```\nx\n```", f"```\n{NEW_PAGE}```\nand\n```\nx\n```\n"),
        ("\r\nA page.\r\n", "A page.\n"),
    ],
)
def test_a_page_comes_without_what_announces_or_wraps_it(answer, text):
    assert read_math_answer(PAGE, answer, "answered", "stop").text == text


def test_a_page_in_an_empty_wrapper_is_empty():
    assert reason_of_page("```\n\n```") == "empty"


def test_a_faithful_page_is_kept_with_its_facts():
    found = read_math_answer(PAGE, NEW_PAGE, "answered", "stop")
    assert (found.reason, found.answer_source, found.answer_rewritten) == (None, "8", "8")
    assert (found.answers_kept, found.numbers_kept) == (1.0, 1.0)
    assert verdict(found, reading.math_reason_sql()) is None


@pytest.mark.parametrize(
    ("answer", "options", "reason"),
    [
        (ANSWER, {}, None),
        ("nothing", {}, "no_code"),
        ("```python\ndef greet(name):\n    print(name)\n```", {}, "unrelated"),
        ("```python\ndef greet(name):\n    print(name)\n```", {"least_names_kept": 0.0}, None),
        ("```python\ndef mean(l):\n    avg = sum(l) / len(l)\n    return avg\n```", {}, None),
        (
            "```python\ndef mean(l):\n    avg = sum(l) / len(l)\n    return avg\n```",
            {"least_names_kept": 0.6},
            "unrelated",
        ),
        ("```python\ndef avg(l):\n    return sum(l) / zero\n```", {}, None),
        ("```python\ndef avg(l):\n    return sum(l) / zero\n```", {"self_contained": True}, "not_self_contained"),
        (f"```python\n{CODE}{'values = [1, 2, 3]; ' * 200}\n```", {}, "repetitive"),
        (f"```python\n{CODE}{'values = [1, 2, 3]; ' * 200}\n```", {"repetitive_run_chars": 4000}, None),
    ],
)
def test_thresholds_are_put_to_the_stored_facts_of_code(answer, options, reason):
    assert verdict(read_code_answer(SOURCE, answer, "answered", "stop"), reading.code_reason_sql(**options)) == reason


@pytest.mark.parametrize(
    ("answer", "options", "reason"),
    [
        (NEW_PAGE, {}, None),
        ("Sorry.", {}, "refused"),
        ("Elephants live in herds of 40 and eat 13 kilos, or 26: 8.", {}, "unrelated"),
        (NEW_PAGE.replace("8", "9").replace("13", "14").replace("40", "42"), {}, "answer_changed"),
        ("The longer side of the rectangle is $a = 8$, by its perimeter.", {"least_answers_kept": 0}, "numbers_lost"),
        (NEW_PAGE * 12, {}, "repetitive"),
    ],
)
def test_thresholds_are_put_to_the_stored_facts_of_pages(answer, options, reason):
    assert verdict(read_math_answer(PAGE, answer, "answered", "stop"), reading.math_reason_sql(**options)) == reason


@pytest.mark.parametrize("path", GOLDEN_PAGES, ids=lambda path: path.stem)
def test_a_careful_rewrite_of_a_sample_page_is_kept_and_one_of_another_page_is_not(path):
    source = (SAMPLE_PAGES / path.name).read_text()
    other = GOLDEN_PAGES[GOLDEN_PAGES.index(path) - 1].read_text()
    kept = read_math_answer(source, path.read_text(), "answered", "stop")
    assert verdict(kept, reading.math_reason_sql()) is None
    lost = read_math_answer(source, other, "answered", "stop")
    assert verdict(lost, reading.math_reason_sql()) in ("unrelated", "answer_changed", "numbers_lost")


def test_a_script_that_names_nothing_cannot_be_told_to_be_unrelated():
    found = read_code_answer("print(1)\n", "```python\nprint(1 + 1)\n```", "answered", "stop")
    assert verdict(found, reading.code_reason_sql()) is None


def test_every_status_but_answered_is_a_reason():
    failed = set(answers.STATUSES) - {answers.ANSWERED}
    assert failed <= set(reading.CODE_REASONS)
    assert failed <= set(reading.MATH_REASONS)


@pytest.mark.parametrize(
    ("kind", "ddl"),
    [(reading.CodeReading, reading.CODE_READING_DDL), (reading.MathReading, reading.MATH_READING_DDL)],
)
def test_the_type_of_the_column_names_the_fields_in_their_order(kind, ddl):
    columns = ddl.removeprefix("struct<").removesuffix(">").split(", ")
    assert [column.partition(":")[0] for column in columns] == [field.name for field in fields(kind)]


def test_a_batch_of_rows_becomes_a_column_of_readings():
    columns = [[SOURCE, None], [ANSWER, None], ["answered", "too_long"], ["stop", None]]
    (column,) = reading._read_code_batches(iter([tuple(pa.array(values, pa.string()) for values in columns)]))
    assert [(row["text"], row["reason"], row["dependences"]) for row in column.to_pylist()] == [
        (CODE, None, 0),
        (None, "too_long", None),
    ]


@settings(deadline=None)  # the deepest examples take a tenth of a second
@given(st.text() | st.none(), st.text() | st.none(), STATUSES, FINISHES)
@example("\ud800", "```python\n\ud800\x00\n```", "answered", "stop")
@example(SOURCE, "```python\n" + "(" * 500 + "\n```", "answered", "stop")
@example(SOURCE, "```python\nx = " + "-" * 50_000 + "1\n```", "answered", "stop")
def test_any_answer_is_read_without_an_error_into_text_or_a_reason(source, answer, status, finish):
    code = read_code_answer(source, answer, status, finish)
    page = read_math_answer(source, answer, status, finish)
    assert code.reason in (None, *reading.CODE_REASONS)
    assert page.reason in (None, *reading.MATH_REASONS)
    assert code.text is not None or code.reason is not None
    assert page.text is not None or page.reason is not None


@given(st.lists(st.sampled_from(["```python", "```", "x = 1", '"""', "def f():", " pass", "I'm sorry", "## Final"])))
def test_any_shape_of_answer_is_read_without_an_error(lines):
    found = read_code_answer(SOURCE, "\n".join(lines), "answered", "stop")
    assert (found.text is None) <= (found.reason is not None)


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
    rows = spark.createDataFrame(
        stored, "source_text string, answer string, answer_status string, finish_reason string"
    )
    read = reading.add_code_reading(rows).withColumn("verdict", functions.expr(reading.code_reason_sql()))
    assert read.schema["reading"].dataType.simpleString() == reading.CODE_READING_DDL.replace(": ", ":").replace(
        ", ", ","
    )
    for row, values in zip(read.collect(), stored, strict=True):
        expected = read_code_answer(*values)
        assert row["verdict"] == verdict(expected, reading.code_reason_sql())
        assert (row["reading"]["text"], row["reading"]["rating"]) == (expected.text, expected.rating)
    pages = reading.add_math_reading(rows).withColumn("verdict", functions.expr(reading.math_reason_sql()))
    page = pages.collect()[-1]
    assert (page["reading"]["answers_kept"], page["verdict"]) == (1.0, None)
