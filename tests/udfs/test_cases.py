"""Answers and programs with their right verdicts: each stands for a kind of fault; `control` marks what was right before."""

import json
from pathlib import Path
from typing import Any

import pytest

from udfs.reading import read_code_answer, read_math_answer
from udfs.selfcontained import dependence

CASES = Path(__file__).parents[1] / "cases"
PAGES = json.loads((CASES / "page_answers.json").read_text())
CODE = json.loads((CASES / "code_answers.json").read_text())
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
