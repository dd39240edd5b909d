"""Responses: whatever an endpoint says becomes an answer or a reason, and text that Arrow can hold."""

import json
import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recast.inference import answers

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "error", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


COUNT = st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=1)
REPLY = st.fixed_dictionaries(
    {
        "choices": st.fixed_dictionaries(
            {"message": st.fixed_dictionaries({"content": JSON}), "finish_reason": JSON}
        ).map(lambda choice: [choice]),
        "usage": COUNT | st.fixed_dictionaries({"prompt_tokens": COUNT, "prompt_tokens_details": COUNT}),
    }
)


@given(st.binary() | (JSON | REPLY).map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
def test_no_response_breaks_the_reader(content: bytes) -> None:
    answer = answers.read_answer(content, "engine", 1.0)
    if answer is not None:
        answers.answer_columns([answer])
    assert isinstance(answers.error_words(content), str)


@given(
    st.binary()
    | st.text(st.sampled_from('<>/a \\"{}[]:,\x1b\u202e\ud800')).map(lambda text: text.encode("utf-8", "replace"))
)
@example(b'{"error": {"message": ' + b"[" * 400 + b"]" * 400 + b"}}")
@example(b'{"error": ' + b"9" * 5000 + b"}")
@example('{"error": "wide"}'.encode("utf-16"))
def test_error_words_are_one_printable_line_whatever_the_bytes(content: bytes) -> None:
    words = answers.error_words(content)
    assert len(words) <= answers.MAX_ERROR_CHARS
    assert len(words.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 or character == "\u202e" for character in words)
    words.encode()


FLOODS = {
    "<": b"<" * 4_000_000,
    "<a": b"<a" * 2_000_000,
    "<>": b"<>" * 2_000_000,
    "<<<a>": b"<<<a>" * 800_000,
    "blanks": b" " * 4_000_000,
    "escapes": b"\x1b" * 4_000_000,
    "brackets": b"[" * 4_000_000,
    "braces": b'{"error":' * 400_000,
    "backslashes": b'{"error": "' + b"\\" * 4_000_000 + b'"}',
    "digits": b'{"error": ' + b"9" * 4_000_000 + b"}",
    "bad bytes": b"\xff" * 4_000_000,
    "NULs": b"\0" * 4_000_000,
}


@pytest.mark.parametrize("content", FLOODS.values(), ids=FLOODS)
def test_four_megabytes_of_anything_are_read_in_no_time(content: bytes) -> None:
    began = time.monotonic()
    answers.error_words(content)
    assert time.monotonic() - began < 0.5
    began = time.monotonic()
    answers.read_answer(content, "engine", 1.0)
    answers.read_answer(b'{"choices": [{"message": {"content": ["' + content + b'"]}}]}', "engine", 1.0)
    assert time.monotonic() - began < 3


@given(JSON | st.text(st.characters(codec=None, exclude_categories=())), st.none() | st.integers(1, 100))
def test_labels_of_the_server_are_short_and_printable(said: object, max_tokens: int | None) -> None:
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": said}]}
    answer = answers.read_answer(json.dumps(body).encode(), "engine", 1.0, max_tokens)
    for label in (answer.finish_reason, answer.server_finish_reason) if answer else ():
        assert label is None or (len(label) <= answers.MAX_LABEL_CHARS and "\n" not in label and "\x1b" not in label)


@pytest.mark.parametrize("bounds", [(), (100, 10), (None, 10), (100, None)])
@pytest.mark.parametrize(
    "count", ["-1", "2.5", "NaN", "Infinity", "1e400", "9223372036854775807", "9" * 5000, '"3"', "true", "[3]", "{}"]
)
def test_a_count_that_cannot_be_is_null_and_costs_no_answer(count: str, bounds: tuple[int | None, ...]) -> None:
    details = f'"prompt_tokens_details": {{"cached_tokens": {count}}}'
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": {count}, {details}}}'
    body = f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {usage}}}'
    answer = answers.read_answer(body.encode(), "engine", 1.0, *bounds)
    assert answer is not None
    assert answer.answer == "x"
    assert (answer.prompt_tokens, answer.output_tokens, answer.cached_tokens) == (None, None, None)
    answers.answer_columns([answer])


@given(*[st.integers(0, 1 << 70) for _ in range(3)])
def test_counts_stay_within_the_requests_own_bounds(prompt: int, output: int, cached: int) -> None:
    usage = {"prompt_tokens": prompt, "completion_tokens": output, "prompt_tokens_details": {"cached_tokens": cached}}
    for bounds in ((), (64, 1000)):
        answer = answers.read_answer(reply("x", usage), "engine", 1.0, *bounds)
        assert answer is not None
        assert (answer.prompt_tokens or 0) <= (8096 if bounds else answers.MAX_COUNT)
        assert (answer.output_tokens or 0) <= (64 if bounds else answers.MAX_COUNT)
        assert (answer.cached_tokens or 0) <= (answer.prompt_tokens or answers.MAX_COUNT)


@given(st.text(st.characters()))
def test_cleaning_changes_nothing_but_lone_surrogates(text: str) -> None:
    cleaned = answers.clean(text)
    cleaned.encode()
    assert len(cleaned) == len(text)
    assert all(new == old or "\ud800" <= old <= "\udfff" for new, old in zip(cleaned, text, strict=True))


def reply(content: object, usage: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}], "usage": usage}).encode()


def test_odd_counts_cost_no_answer_that_was_paid_for() -> None:
    odd = {"prompt_tokens": "3", "completion_tokens": 10**30, "prompt_tokens_details": [1]}
    answer = answers.read_answer(reply("text", odd), "engine", 1.0)
    assert answer is not None
    assert answer[:2] == ("text", "answered")
    assert (answer.prompt_tokens, answer.output_tokens, answer.cached_tokens) == (None, None, None)


def test_thoughts_nested_deeper_than_python_goes_are_kept_as_they_came() -> None:
    nested = b'{"choices": [{"message": {"content": ' + b"[" * 900 + b'"hm"' + b"]" * 900 + b"}}]}"
    answer = answers.read_answer(nested, "engine", 1.0)
    assert answer is not None
    assert "hm" in f"{answer.answer}{answer.reasoning}"


@given(st.integers(1, 10_000), st.integers(0, 20_000), st.sampled_from(["stop", "length", "eos", None]))
def test_an_answer_that_used_all_of_its_limit_did_not_end_by_itself(limit: int, counted: int, said: str | None) -> None:
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": said}], "usage": {"completion_tokens": counted}}
    answer = answers.read_answer(json.dumps(body).encode(), "engine", 1.0, max_tokens=limit)
    assert answer is not None
    assert answer.output_tokens == (counted if counted <= limit else None)
    if limit <= counted <= 2 * limit:
        assert answer.finish_reason != "stop"
    else:
        assert answer.finish_reason == {"eos": "stop"}.get(said or "", said)


def test_an_aborted_request_is_no_answer() -> None:
    reply = {"choices": [{"message": {"content": "half"}, "finish_reason": "abort"}]}
    assert answers.read_answer(json.dumps(reply).encode(), "engine", 1.0) is None


def test_error_words_are_one_short_line_without_markup() -> None:
    assert answers.error_words(b"<html><h1>Bad\n gateway</h1></html>") == "Bad gateway"
    assert answers.error_words(b'{"error": {"message": "too\\nmuch"}}') == "too much"
    assert answers.error_words(b'{"error": "plain"}') == "plain"
    assert len(answers.error_words(b"x" * 10_000)) == answers.MAX_ERROR_CHARS


def read(value: object) -> answers.Answer:
    answer = answers.read_answer(json.dumps(value).encode(), "engine", 1.0)
    assert answer is not None, "it was paid for"
    return answer


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"content": "x", "finish_reason": "stop"}]},
        {"choices": [{"messages": [{"role": "user", "content": "q"}, {"content": "x"}], "finish_reason": "stop"}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}], "status": "completed"},
        {"message": {"content": "x"}, "done": True, "done_reason": "stop"},
        {"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn"},
        {"choices": [{"message": {"parts": [{"text": "x"}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": ""}, "text": "x", "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": None, "text": "x"}]}, "finish_reason": "stop"}]},
    ],
)
def test_words_are_found_in_every_form_that_is_known(reply: object) -> None:
    answer = read(reply)
    assert (answer.answer, answer.finish_reason, answer.reasoning) == ("x", "stop", None)


@pytest.mark.parametrize("reply", [{"choices": []}, {"detail": "warming up"}, {"status": "ok"}, {}])
def test_what_no_model_worked_for_is_no_answer(reply: object) -> None:
    assert answers.read_answer(json.dumps(reply).encode(), "engine", 1.0) is None


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"said": "x"}]},
        {"said": "x", "usage": {"completion_tokens": 3}},
        {"choices": [{"message": {"said": "x"}}]},
    ],
)
def test_a_form_that_is_not_known_is_kept_as_it_came(reply: object) -> None:
    answer = read(reply)
    assert answer.answer == ""
    assert '"said": "x"' in (answer.reasoning or "")


def test_one_odd_byte_costs_no_answer() -> None:
    answer = answers.read_answer(b'{"choices": [{"message": {"content": "a\xffb"}}]}', "engine", 1.0)
    assert answer is not None
    assert answer.answer == "a\ufffdb"


@pytest.mark.parametrize("reply", [{"error": {"message": "no"}}, {"object": "error", "message": "no"}, [], "x", None])
def test_an_error_is_no_answer(reply: object) -> None:
    assert answers.read_answer(json.dumps(reply).encode(), "engine", 1.0) is None


def test_thoughts_under_two_names_are_kept_once_or_both() -> None:
    both = {"content": "x", "reasoning": "a", "reasoning_content": "b"}
    assert read({"choices": [{"message": both}]}).reasoning == "a\nb"
    assert read({"choices": [{"message": {**both, "reasoning_content": "a"}}]}).reasoning == "a"


def test_the_budget_needs_enough_requests_to_judge() -> None:
    assert not answers.over_budget(5, 10, 0.05)
    assert not answers.over_budget(5, 100, 0.05)
    assert answers.over_budget(6, 100, 0.05)


def test_a_task_stops_when_chance_does_not_explain_its_failures() -> None:
    assert not answers.clearly_over_budget(10, 10, 0.05), "too few to judge"
    assert not answers.clearly_over_budget(4, 20, 0.05)
    assert answers.clearly_over_budget(5, 20, 0.05)
    assert not answers.clearly_over_budget(70, 1000, 0.05)
    assert answers.clearly_over_budget(72, 1000, 0.05)
    assert answers.clearly_over_budget(1, 20, 0.0)


def test_answers_past_what_one_arrow_array_holds_are_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 GiB are too much for a test: an array that pyarrow cuts in two stands for them."""

    whole = pa.array

    def cut(values: Any, kind: Any) -> Any:
        array = whole(values, kind)
        return pa.chunked_array([array[:1], array[1:]]) if kind == pa.string() else array

    monkeypatch.setattr(answers.pa, "array", cut)
    given = [answers.Answer("a" * 10, "answered"), answers.Answer("b" * 10, "answered")]
    assert answers.answer_columns(given).column("answer").to_pylist() == ["a" * 10, "b" * 10]
