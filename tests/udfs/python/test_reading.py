"""Programs in answers: what is read, and the reason against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.schemas.rewrites import CodeReading
from recast.udfs.python.reading import code_reason_sql, read_code_answer
from tests.udfs.readings import ANSWER, CODE, CODE_SQL, SOURCE, THRESHOLDS, reason_of_code, verdict


def test_the_recipes_answer_gives_its_program_and_all_facts():
    found = read_code_answer(SOURCE, ANSWER, "answered", "stop")
    assert found == CodeReading(
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


@pytest.mark.parametrize(
    ("answer", "options", "reason"),
    [
        (ANSWER, {}, None),
        ("nothing", {}, "no_code"),
        ("```python\ndef greet(name):\n    print(name)\n```", {}, "unrelated"),
        ("```python\ndef greet(name):\n    print(name)\n```", {"names_floor": 0.0}, None),
        ("```python\ndef mean(l):\n    avg = sum(l) / len(l)\n    return avg\n```", {}, None),
        (
            "```python\ndef mean(l):\n    avg = sum(l) / len(l)\n    return avg\n```",
            {"names_floor": 0.6},
            "unrelated",
        ),
        ("```python\ndef avg(l):\n    return sum(l) / zero\n```", {}, None),
        ("```python\ndef avg(l):\n    return sum(l) / zero\n```", {"self_contained": True}, "not_self_contained"),
        (f"```python\n{CODE}{'values = [1, 2, 3]; ' * 200}\n```", {}, "repetitive"),
    ],
)
def test_thresholds_are_put_to_the_stored_facts_of_code(answer, options, reason):
    sql = code_reason_sql(**{"names_floor": THRESHOLDS.names_floor, **options})
    assert verdict(read_code_answer(SOURCE, answer, "answered", "stop"), sql) == reason


def test_a_script_that_names_nothing_cannot_be_told_to_be_unrelated():
    found = read_code_answer("print(1)\n", "```python\nprint(1 + 1)\n```", "answered", "stop")
    assert verdict(found, CODE_SQL) is None


@given(st.lists(st.sampled_from(["```python", "```", "x = 1", '"""', "def f():", " pass", "I'm sorry", "## Final"])))
def test_any_shape_of_answer_is_read_without_an_error(lines):
    found = read_code_answer(SOURCE, "\n".join(lines), "answered", "stop")
    assert (found.text is None) <= (found.reason is not None)
