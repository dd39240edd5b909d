"""Answers and programs with their right verdicts: each stands for a kind of fault; `control` marks what was right before."""

import json
from pathlib import Path
from typing import Any

import pytest

from recast.udfs.math.reading import read_math_answer
from recast.udfs.python.reading import read_code_answer
from recast.udfs.python.selfcontained import dependence

CASES = Path(__file__).parents[1] / "cases"
PAGES = json.loads((CASES / "page_answers.json").read_text())
CODE = json.loads((CASES / "code_answers.json").read_text())
WORDS = json.loads((CASES / "page_remarks.json").read_text())
PROGRAMS = json.loads((CASES / "programs.json").read_text())


def by_id(case: dict[str, Any]) -> str:
    return str(case["id"])


@pytest.mark.parametrize("case", PAGES["answers"], ids=by_id)
def test_an_answer_about_a_page_gives_the_page_alone_or_its_reason(case: dict[str, Any]) -> None:
    found = read_math_answer(PAGES["source"], case["answer"], "answered", "stop")
    assert found.reason == case.get("right_reason")
    if found.reason is None:
        assert found.text == case.get("right_page", PAGES["page"])


@pytest.mark.parametrize("case", CODE["answers"], ids=by_id)
def test_an_answer_about_a_program_gives_the_program_alone_or_its_reason(case: dict[str, Any]) -> None:
    found = read_code_answer(CODE["source"], case["answer"], "answered", "stop")
    assert found.reason == case["right_reason"]
    if found.reason is None:
        assert found.text == case.get("right_program", CODE["program"])


@pytest.mark.parametrize("case", PROGRAMS, ids=by_id)
def test_a_program_needs_what_it_does_not_bring_along(case: dict[str, Any]) -> None:
    found = dependence(case["text"])
    assert list(found.undefined_names or ()) == case["right_undefined"]
    assert list(found.unknown_modules or ()) == case["right_unknown"]


@pytest.mark.parametrize("words", [*WORDS["behind"], *WORDS["sibling_behind"]])
def test_words_about_a_page_behind_it_are_not_published(words: str) -> None:
    found = read_math_answer(PAGES["source"], f"{PAGES['page']}\n{words}\n", "answered", "stop")
    assert found.reason == "remarks" or found.text == PAGES["page"]


@pytest.mark.parametrize("words", [*WORDS["before"], *WORDS["sibling_before"]])
def test_words_about_a_page_before_it_are_not_published(words: str) -> None:
    found = read_math_answer(PAGES["source"], f"{words}\n\n{PAGES['page']}", "answered", "stop")
    assert found.reason == "remarks" or found.text == PAGES["page"]


@pytest.mark.parametrize("words", [*WORDS["ordinary_first"], *WORDS["sibling_ordinary_first"]])
def test_a_page_may_begin_with_words_that_only_resemble_a_remark(words: str) -> None:
    answer = f"{words}\n\n{PAGES['page']}"
    assert read_math_answer(PAGES["source"], answer, "answered", "stop").text == answer


@pytest.mark.parametrize("words", [*WORDS["ordinary_last"], *WORDS["sibling_ordinary_last"]])
def test_a_page_may_end_with_words_that_only_resemble_a_remark(words: str) -> None:
    answer = f"{PAGES['page']}\n{words}\n"
    assert read_math_answer(PAGES["source"], answer, "answered", "stop").text == answer


@pytest.mark.parametrize(
    "words", ["Human: 3 cm", "Assistant: Maria Lopez", "The menu links were omitted.", "Thanks! Let me know."]
)
def test_words_of_the_source_are_the_pages_own(words: str) -> None:
    answer = f"{PAGES['page']}\n{words}\n"
    assert read_math_answer(f"{PAGES['source']}\n{words}\n", answer, "answered", "stop").text == answer


@pytest.mark.parametrize(
    "answer",
    [f"{PAGES['page']}\n\n{PAGES['page']}", f'{{"page": "x"}}\n{PAGES["page"]}', json.dumps({"page": PAGES["page"]})],
)
def test_a_page_that_comes_twice_or_in_an_object_is_doubtful(answer: str) -> None:
    assert read_math_answer(PAGES["source"], answer, "answered", "stop").reason == "remarks"


def test_quotes_around_a_page_are_no_part_of_it() -> None:
    answer = f'"""\n{PAGES["page"]}"""\n'
    assert read_math_answer(PAGES["source"], answer, "answered", "stop").text == PAGES["page"]


FENCED = f"```python\n{CODE['program']}```\n"


@pytest.mark.parametrize(
    "answer",
    [
        f"python\n{CODE['program']}",
        f"```\nPython3\n\n{CODE['program']}```\n",
        f"\ufeff{FENCED}",
        f"\u200b```\n{CODE['program']}```\n",
        "".join(f"> {line}\n" for line in FENCED.splitlines()),
        f"- {FENCED}",
        f"Code: {FENCED}",
        f"**Improved code:** {FENCED}",
        f"{FENCED}\n```python\nimport unittest\n\nclass TestOrders(unittest.TestCase):\n    def test_total(self):\n"
        "        self.assertEqual(order_total([], 0), 0)\n```\n",
        f"{FENCED}\n```python\ndef test_label():\n    assert order_label(order)\n```\n",
    ],
)
def test_a_program_is_found_behind_labels_marks_and_before_its_tests(answer: str) -> None:
    found = read_code_answer(CODE["source"], answer, "answered", "stop")
    assert (found.text, found.reason) == (CODE["program"], None)


@pytest.mark.parametrize(
    "end",
    [
        "    ret",
        "# ... rest of the code unchanged ...\n```",
        "# ... existing code ...\n```",
        "    # (same as before)\n```",
        "# TODO: rest of the code\n```",
        "# The remaining methods stay unchanged\n```",
    ],
)
def test_a_program_of_which_a_part_was_not_written_is_truncated(end: str) -> None:
    answer = f"```python\n{CODE['program']}{end}"
    assert read_code_answer(CODE["source"], answer, "answered", "stop").reason == "truncated"


@pytest.mark.parametrize(
    "end", ["# rest of the items are free", 'TEXT = """\n# ... existing code ...\n"""', "order_label"]
)
def test_a_program_that_only_resembles_a_part_is_whole(end: str) -> None:
    answer = f"```python\n{CODE['program']}{end}\n```"
    assert read_code_answer(CODE["source"], answer, "answered", "stop").reason is None


def test_a_placeholder_of_the_source_is_its_own() -> None:
    line = "# ... existing code ...\n"
    answer = f"```python\n{CODE['program']}{line}```"
    assert read_code_answer(CODE["source"] + line, answer, "answered", "stop").reason is None
