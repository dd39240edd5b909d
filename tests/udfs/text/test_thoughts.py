"""Every form in which a server hands thoughts over: what is said is told from it, or there is a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.python import fences
from recast.udfs.text import thoughts

SAID = "The longer side is $8$ cm."
THOUGHT = "We need to write the page. Half of 26 is 13."
PAIRS = [
    *(("<think>", "</think>"), ("<THINK>\n", "</THINK>\n\n"), ("<thinking>", "</thinking>"), ("<think >", "</think >")),
    *(("<reasoning>", "</reasoning>"), ("<thought>", "</thought>"), ("<scratchpad>", "</scratchpad>")),
    *(("<seed:think>", "</seed:think>"), ("<mm:think>", "</mm:think>"), ("<ifm|think_fast>", "</ifm|think_fast>")),
    *(("<longcat_think>", "</longcat_think>"), ("<think:opensource>", "</think:opensource>")),
    *(('<think time="3">', "</think>"), ("[THINK]", "[/THINK]"), ("<|thinking|>", "<|/thinking|>")),
    *(("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>")),
    *(("<|inner_prefix|>", "<|inner_suffix|>"), ("\u25c1think\u25b7", "\u25c1/think\u25b7")),
    *(("<|channel>thought\n", "<channel|>"), ("<unused94>thought\n", "<unused95>")),
    *(("<|open|>think<|sep|>", "<|close|>think<|sep|>"), ("&lt;think&gt;", "&lt;/think&gt;")),
    ("Here is my thought process:\n", "Here is my response:\n"),
    ("Thinking...\n", "\n...done thinking.\n"),
]
CHANNELS = [
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|end|><|channel|>final <|constrain|>text<|message|>"),
    ("to=self<|message|>", "<|eom|><|start|>assistant to=user<|message|>"),
]
STRIPPED = [("analysis", "assistantfinal"), ("commentary", "assistantfinal"), ("analysis ", "assistant final\n")]


@pytest.mark.parametrize(("opening", "closing"), [*PAIRS, *CHANNELS, *STRIPPED])
def test_thoughts_before_the_answer_are_left_out(opening: str, closing: str) -> None:
    said, reason = thoughts.spoken(f"{opening}{THOUGHT}{closing}{SAID}")
    assert (said.strip(), reason) == (SAID, None)
    said, reason = thoughts.spoken(f"\n\n{opening}{THOUGHT}\n{closing}\n\n{SAID}")
    assert (said.strip(), reason) == (SAID, None)


@pytest.mark.parametrize(("opening", "closing"), [*PAIRS, *CHANNELS])
def test_thoughts_that_the_template_opens_end_where_the_answer_closes_them(opening: str, closing: str) -> None:
    said, reason = thoughts.spoken(f"{THOUGHT}{closing}{SAID}")
    assert (said.strip(), reason) == (SAID, None)


@pytest.mark.parametrize("opening", [*(opening for opening, _ in [*PAIRS, *CHANNELS]), "analysis"])
def test_thoughts_that_never_end_are_truncated(opening: str) -> None:
    assert thoughts.spoken(f"{opening}{THOUGHT}\n{SAID}") == ("", "truncated")


@pytest.mark.parametrize(
    "answer",
    [
        f"Sure. <think>{THOUGHT}</think>{SAID}",
        f"<think>{THOUGHT}</think>{SAID}<think>{THOUGHT}</think>",
        f"{THOUGHT}</think>No. {THOUGHT}</think>{SAID}",
        f"<think>{THOUGHT}</thinking>{SAID}</think>",
        f"{THOUGHT}assistantfinal{SAID}",
        f"analysis{THOUGHT}assistantfinal{SAID}assistantfinal{SAID}",
        f"thought\n{THOUGHT}\n{SAID}",
        f"final{SAID}",
        f"to=self {THOUGHT} to=user {SAID}",
        f"<|channel|>final<|message|>{SAID}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
    ],
)
def test_thoughts_that_cannot_be_told_apart_are_a_reason(answer: str) -> None:
    assert thoughts.spoken(answer) == ("", "thoughts")


@pytest.mark.parametrize(
    "wrapped",
    [
        f"<answer>\n{SAID}\n</answer>",
        f"<response>{SAID}</response>\n",
        f"<|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
        f"<|begin_of_solution|>\n{SAID}\n<|end_of_solution|>",
    ],
)
def test_an_answer_comes_without_the_tags_around_all_of_it(wrapped: str) -> None:
    assert thoughts.spoken(f"<think>{THOUGHT}</think>\n{wrapped}")[0].strip() == SAID


@pytest.mark.parametrize(
    "answer",
    [
        SAID,
        "analysis of variance compares means.",
        "The analysis, and a final thought: think of $x$ as 3.",
        "model the box by its edges.",
        "A tag `</think>` in a code span, and `<think>`.",
        "Let $f(x) = x < 3$ and $y > 2$ be given.",
    ],
)
def test_an_answer_without_thoughts_stays_as_it_is(answer: str) -> None:
    assert thoughts.spoken(answer) == (answer, None)


@pytest.mark.parametrize(
    "answer",
    [
        "```python\nEND = '</think>'\nprint(END)\n```",
        'def f():\n    """Ends at </think>.\n\n    <think>\n    """\n',
        "Rating: 3/10\n\n```python\nif text.startswith('<|channel|>analysis<|message|>'):\n    print('assistantfinal')\n```\n",
    ],
)
def test_marks_within_a_program_are_its_own_words(answer: str) -> None:
    assert thoughts.spoken(answer, fences.outside) == (answer, None)


@given(
    st.lists(
        st.sampled_from(
            ["<think>", "</think>", "[THINK]", "[/THINK]", "analysis", "assistantfinal", "a ", "\n", "```\n"]
        )
    ).map("".join)
)
def test_what_is_said_holds_no_mark_whatever_the_answer(answer: str) -> None:
    said, reason = thoughts.spoken(answer)
    assert reason in (None, "truncated", "thoughts")
    assert reason is None or said == ""
    assert not any(mark in said for mark in ("<think>", "</think>", "[THINK]", "[/THINK]", "assistantfinal"))
