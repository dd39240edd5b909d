"""Control tokens and control characters: what ends a turn or a document, and what only looks like it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast import controls

TOKENS = [
    *("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|begin_of_text|>"),
    *(
        "<|channel|>",
        "<|end|>",
        "<|return|>",
        "<|fim_prefix|>",
        "<|START_OF_TURN_TOKEN|>",
        "<|reserved_special_token_12|>",
    ),
    *(
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<\uff5cUser\uff5c>",
        "<|channel>",
        "<channel|>",
        "<|turn>",
        "<turn|>",
    ),
    *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<unused94>", "<extra_id_0>"),
    *("<fim_prefix>", "<fim-middle>", "<file_sep>", "<reponame>", "<jupyter_code>", "<commit_before>", "<gh_stars>"),
    *(
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "[AVAILABLE_TOOLS]",
        "[THINK]",
        "[gMASK]",
        "<tool_call>",
        "</tool_call>",
    ),
    *("</s>", "<s>", "\u25c1think\u25b7", "<ifm|think>"),
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_control_token_of_a_known_family_is_found_wherever_it_stands(token: str) -> None:
    assert controls.token_in(f"one {token} two") == token
    assert controls.token_in(f'END = "{token}"') == token
    assert controls.token_in(token) == token


@pytest.mark.parametrize(
    "text",
    [
        "$-1 <|x|> 1$ and $|x|<|y|$ and $0<|z_1|>1$",
        "x <| f |> g",
        "a <s>wrong</s> right sum, then <s>3</s> 4",
        r"re.compile(r'(?P<s>\d)\g<s>(?<s>x)')",
        "List<String> <sub>1</sub> <strong>s</strong> <filename> <name>",
        "x[INST_1] + mask[MASK] + m[CLS]",
        "<p|q>",
    ],
)
def test_what_mathematics_code_and_html_write_is_no_control_token(text: str) -> None:
    assert controls.token_in(text) is None


@pytest.mark.parametrize(
    "text", ["<s>A page.</s>", "<s> one\n\ntwo </s>", "a</s>", "</s>a<s>", "<s>a", "<s><s>a</s></s>"]
)
def test_a_strike_through_that_strikes_nothing_through_is_a_mark_of_the_text_s_end(text: str) -> None:
    assert controls.token_in(text) in ("<s>", "</s>")


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("a\tb\nc \u00e9 \u200b \ufeff", None),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", None),
        ("a\0", "U+0000"),
        ("\x1b[2J", "U+001B"),
        ("a\fb", "U+000C"),
        ("a\rb", "U+000D"),
        ("\x85", "U+0085"),
        ("x\u202e", "U+202E"),
        ("x\u2066", "U+2066"),
        ("x\U000e0041", "U+E0041"),
    ],
)
def test_control_characters_are_found_and_tab_newline_and_flags_are_none(text: str, character: str | None) -> None:
    assert controls.character_in(text) == character


@pytest.mark.parametrize("end", ["<|im_end|>", "<|eot_id|>\n", "</s>", "<|end|><|endoftext|>", " <end_of_turn>\n\n"])
def test_end_tokens_that_a_server_leaves_are_taken_off(end: str) -> None:
    assert controls.without_end(f"a page{end}").strip() == "a page"
    assert controls.without_end("a <s>b</s>") == "a <s>b</s>"


PIECES = ("<", "|", "s", ">", "/", "im_end", "[", "INST]", "\n", "\u2581", "\uff5c", " ", "</s>", "<|im_end|>")


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_searched_without_an_error_and_a_token_found_stands_in_it(text: str) -> None:
    token = controls.token_in(text)
    assert token is None or token in text
    assert controls.without_end(text) == text or controls.token_in(text)


def test_a_hostile_text_takes_time_linear_in_its_length() -> None:
    started_s = time.process_time()
    for piece in ("<", "<|", "<|aaa", "<s>", "<s>a</s>", "<\uff5c", "<|im_end|>", "\u25c1", "[", "<ifm|", " ", "a"):
        text = piece * (200_000 // len(piece))
        controls.token_in(text), controls.character_in(text), controls.without_end(text)
    assert time.process_time() - started_s < 5  # it takes 0.5 s
