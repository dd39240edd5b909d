"""Responses: whatever an endpoint says becomes an answer or a reason, and text that Arrow can hold."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from udfs import answers

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


def test_retry_after_is_read_as_seconds_or_date_and_bounded() -> None:
    assert answers.retry_after_s(None) == 0
    assert answers.retry_after_s("1.5") == 1.5
    assert answers.retry_after_s("1e9") == answers.MAX_RETRY_AFTER_S
    assert answers.retry_after_s("soon") == 0
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < answers.retry_after_s(in_a_minute) <= 60
    assert answers.retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0


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
