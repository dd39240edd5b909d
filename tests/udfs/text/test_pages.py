"""The page in an answer: alone and byte for byte, or a reason."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.text import pages

PAGE = (
    "**Question.** A rectangle has perimeter 26 cm and area 40 square cm. How long is its longer side?\n\n"
    "Half the perimeter is $a + b = 13$, and $ab = 40$.\n\nThe longer side is $\\boxed{8}$ cm."
)
GOLDEN = sorted((Path(__file__).parent / "golden_pages").glob("*.md"))
ANNOUNCEMENTS = [
    "Here is the rewritten page:",
    "Sure! Here's the cleaned-up version:",
    "Certainly. Below is the revised text of the page:",
    "New text:",
    "**Rewritten page:**",
    "Here\u2019s a polished version of the page you sent:",
]
OFFERS = [
    "Let me know if you would like other changes!",
    "I hope this helps! Let me know if you have questions.",
    "Would you like me to rewrite another page?",
    "Feel free to ask for changes.",
    "If you have any questions, please let me know.",
]
REMARKS = [
    "I changed the layout.",
    "I removed the login links and kept every formula.",
    "*Note: the original page had advertisements.*",
    "**Changes made:**\n- no menu\n- one layout",
    "This version removes the menu.",
    "The login links are gone.",
    "All boilerplate has been removed.",
    "(Rewritten for clarity.)",
    "Word count: 60",
]
INTRODUCTIONS = [
    "Okay, the user wants the page without its links.",
    "We need to rewrite the page.",
    "As requested, here is the page.",
    "I have rewritten the page for you.",
    "Thinking process:",
    "## Rewritten page",
    "Let me read the page first.",
]


@pytest.mark.parametrize("words", ANNOUNCEMENTS)
def test_a_line_that_announces_the_page_is_no_part_of_it(words: str) -> None:
    assert pages.page_of(f"{words}\n\n{PAGE}\n").text == PAGE
    assert pages.page_of(f"{words}\n\n---\n\n{PAGE}\n\n---\n").text == PAGE
    assert pages.page_of(f"{words}\n```markdown\n{PAGE}\n```").text == PAGE


@pytest.mark.parametrize("words", OFFERS)
def test_an_offer_of_help_is_no_part_of_the_page(words: str) -> None:
    assert pages.page_of(f"{PAGE}\n\n{words}\n").text == PAGE
    assert pages.page_of(f"```markdown\n{PAGE}\n```\n{words}\n").text == PAGE


@pytest.mark.parametrize("words", REMARKS)
def test_words_behind_the_page_that_are_about_it_are_a_reason_or_left_out_behind_its_fence(words: str) -> None:
    assert pages.page_of(f"{PAGE}\n\n{words}\n").reason == "remarks"
    assert pages.page_of(f"```markdown\n{PAGE}\n```\n\n{words}\n") == pages.Page(PAGE)
    assert pages.page_of(f"```markdown\n{PAGE}\n```\n\n{words}\n$a$").reason == "remarks", (
        "for a formula may be the page's"
    )


@pytest.mark.parametrize("words", INTRODUCTIONS)
def test_words_before_the_page_that_are_about_it_are_a_reason(words: str) -> None:
    assert pages.page_of(f"{words}\n\n{PAGE}\n").reason == "remarks"


@pytest.mark.parametrize(
    "fence",
    [
        ("```", "```"),
        ("```markdown", "```"),
        ("````md", "````"),
        ("~~~", "~~~"),
        ("```latex", "```"),
        ("```text", "```"),
    ],
)
def test_a_page_in_a_fence_comes_without_it(fence: tuple[str, str]) -> None:
    assert pages.page_of(f"{fence[0]}\n{PAGE}\n{fence[1]}\n").text == PAGE
    assert pages.page_of(f"{fence[0]}\n{PAGE}\n").text == PAGE, "nor does it miss a fence that is never closed"


@pytest.mark.parametrize(
    "answer",
    [
        f"```markdown\n{PAGE}\n```\n\nThe shorter side is 5.",
        f"```markdown\n{PAGE}\n```\n\n```markdown\n{PAGE}\n```",
        f"{PAGE}\n```",
        f"The page:\n\n```python\nx = 1\n```\n\n```markdown\n{PAGE}\n```",
        f"{PAGE}\n\nassistant\nMore?",
        f"{PAGE}\n\nHuman: and the shorter side?",
        f"<answer>{PAGE}",
    ],
)
def test_where_page_and_other_words_cannot_be_told_apart_there_is_a_reason(answer: str) -> None:
    found = pages.page_of(answer)
    assert (found.text, found.reason) == (None, "remarks")
    assert found.detail


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        PAGE.replace("Half", "In Python:\n\n```python\nprint(8 * 5)\n```\n\nHalf"),
        f"Home | Login\n\n{PAGE}",
        f"Here are the steps:\n\n1. Halve 26.\n\n{PAGE}",
        f"{PAGE}\n\n**Note.** Dividing by $a$ is allowed, since $a$ is not 0.",
        f"{PAGE}\n\nI halved the perimeter and used $ab = 40$.",
        f"{PAGE}\n\nThe final answer is 8.",
        "This is a proof by induction.\n\nWe rewrite the sum as $n(n+1)/2$.",
        "The user number 3 pays $4.\n\nAnything else would be too much: thanks to symmetry, all pay the same.",
        "Certainly $x > 0$.\n\nIf you want to check, put $x = 2$.",
    ],
)
def test_a_page_in_its_own_words_stays_byte_for_byte(page: str) -> None:
    assert pages.page_of(f"{page}\n") == pages.Page(page)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_careful_rewrite_is_its_own_page(path: Path) -> None:
    assert pages.page_of(path.read_text()) == pages.Page(path.read_text().strip())


@given(
    st.lists(st.sampled_from(["```", "```md", "~~~", "A sum.", "", "Sure!", "Let me know if so.", "---", "x:"])).map(
        "\n".join
    )
    | st.text()
)
def test_any_text_gives_a_page_or_a_reason_and_a_page_is_a_piece_of_it(answer: str) -> None:
    found = pages.page_of(answer)
    assert (found.text is None) == (found.reason == "remarks")
    assert found.text is None or found.text in answer.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.slow
def test_a_hostile_answer_takes_time_linear_in_its_length() -> None:
    started_s = time.process_time()
    for piece in (
        "```\n",
        "```md\n",
        "Sure, ",
        "Here is the ",
        "a\n\n",
        "Let me know if\n\n",
        "the ",
        " also",
        "* ",
        ". ",
        " ",
    ):
        pages.page_of("I" + piece * (200_000 // len(piece)))
        pages.page_of(piece * (200_000 // len(piece)))
    assert time.process_time() - started_s < 5  # it takes 0.5 s
