"""Pages in answers: what is read, and the reason against it."""

from pathlib import Path

import pytest

from recast.udfs.math.reading import read_math_answer
from tests.udfs.readings import MATH_SQL, NEW_PAGE, PAGE, reason_of_page, verdict

GOLDEN_PAGES = sorted((Path(__file__).parents[1] / "text" / "golden_pages").glob("*.md"))

SAMPLE_PAGES = Path(__file__).parents[3] / "samples" / "math_pages"


@pytest.mark.parametrize("opening", ["<think>\n", ""])
def test_a_reasoning_models_thoughts_are_no_part_of_its_page(opening):
    answer = f"{opening}Okay, the user wants a page.</think>\n\n{NEW_PAGE}"
    assert read_math_answer(PAGE, answer, "answered", "stop").text == NEW_PAGE


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
    assert verdict(found, MATH_SQL) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NEW_PAGE, None),
        ("Sorry.", "refused"),
        ("Elephants live in herds of 40 and eat 13 kilos, or 26: 8.", "unrelated"),
        (NEW_PAGE.replace("8", "9").replace("13", "14").replace("40", "42"), "answer_changed"),
        (NEW_PAGE * 12, "repetitive"),
    ],
)
def test_thresholds_are_put_to_the_stored_facts_of_pages(answer, reason):
    assert verdict(read_math_answer(PAGE, answer, "answered", "stop"), MATH_SQL) == reason


def test_a_page_that_keeps_the_answer_and_loses_the_numbers_has_a_reason():
    answer = "The longer side of the rectangle is $a = 8$, by its perimeter."
    found = read_math_answer(PAGE, answer, "answered", "stop")._replace(answers_kept=1.0)
    assert verdict(found, MATH_SQL) == "numbers_lost"


@pytest.mark.parametrize("path", GOLDEN_PAGES, ids=lambda path: path.stem)
def test_a_careful_rewrite_of_a_sample_page_is_kept_and_one_of_another_page_is_not(path):
    source = (SAMPLE_PAGES / path.name).read_text()
    other = GOLDEN_PAGES[GOLDEN_PAGES.index(path) - 1].read_text()
    kept = read_math_answer(source, path.read_text(), "answered", "stop")
    assert verdict(kept, MATH_SQL) is None
    lost = read_math_answer(source, other, "answered", "stop")
    assert verdict(lost, MATH_SQL) in ("unrelated", "answer_changed", "numbers_lost")
