"""Counting tokens: as the engine does where the tokenizer is at hand, on the high side where it is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError

from recast.inference import tokenizer as tokens

TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a byte-level tokenizer, as chat models have."""
    from tokenizers import ByteLevelBPETokenizer

    where = tmp_path_factory.mktemp("byte level")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["def function(x): return x\n" * 20, " " * 40], vocab_size=320, min_frequency=1)
    trained.save(str(where / "tokenizer.json"))
    config = {"chat_template": TEMPLATE, "bos_token": {"content": "<s>"}}
    (where / "tokenizer_config.json").write_text(json.dumps(config))
    return where


def test_a_prompt_is_rendered_with_the_models_template_and_special_tokens(folder: Path) -> None:
    assert tokens.load(str(folder)).render("Be kind.", "Hi") == "<s>[system] Be kind.\n[user] Hi\n"


def test_an_empty_instruction_is_no_message(folder: Path) -> None:
    assert tokens.messages("", "Hi") == [{"role": "user", "content": "Hi"}]
    assert tokens.load(str(folder)).render("", "Hi") == "<s>[user] Hi\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(st.characters(codec="utf-8"), max_size=300), limit=st.integers(0, 40))
def test_a_text_called_too_long_unread_is_too_long(folder: Path, text: str, limit: int) -> None:
    tokenizer = tokens.load(str(folder))
    if len(text) > limit * tokenizer.longest_token_chars:
        assert tokenizer.count("", text) > limit


def test_a_given_template_stands_for_the_models_own(folder: Path, tmp_path: Path) -> None:
    given = tmp_path / "mine.jinja"
    given.write_text("{{ messages[0]['content'] }}!")
    assert tokens.load(str(folder), template=str(given)).render("", "Hi") == "Hi!"
    assert tokens.load(str(folder), template="{{ messages[0]['content'] }}?").render("", "Hi") == "Hi?"


def test_a_separate_template_file_wins(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "old"}))
    (tmp_path / "chat_template.jinja").write_text("new")
    assert tokens.chat_template(tmp_path) == "new"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("one", "one"),
        ([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}], "plain"),
        ([{"name": "tool_use", "template": "tools"}], None),
        (None, None),
    ],
)
def test_templates_are_found_in_every_form(tmp_path: Path, template: Any, expected: str | None) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert tokens.chat_template(tmp_path) == expected


def test_a_model_without_template_or_tokenizer_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no tokenizer\.json"):
        tokens.load(str(tmp_path))
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(tokens.NoChatTemplateError, match="has no chat template"):
        tokens.load(str(tmp_path))


def test_templates_may_stop_loops_and_dump_json_and_may_touch_nothing_else(folder: Path, tmp_path: Path) -> None:
    looping = "{% for m in messages %}{{ m | tojson }}{% break %}{% endfor %}"
    assert with_template(folder, tmp_path, looping).render("ä", "b") == '{"role": "system", "content": "ä"}'
    with pytest.raises(SecurityError):
        with_template(folder, tmp_path, "{{ messages.__class__.__mro__ }}").render("a", "b")


def test_what_a_template_marks_for_training_is_rendered_as_it_stands(folder: Path, tmp_path: Path) -> None:
    marked = (
        "{% for m in messages %}{% generation %}{% set x = 1 %}{{ m.content }};{% endgeneration %}{{ x }}{% endfor %}"
    )
    assert with_template(folder, tmp_path, marked).render("a", "b") == "a;b;"


def with_template(folder: Path, target: Path, template: str) -> tokens.ChatTokenizer:
    (target / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (target / "chat_template.jinja").write_text(template)
    return tokens.load(str(target))


def test_estimates_are_above_the_count_for_code(folder: Path) -> None:
    code = Path(tokens.__file__).read_text("utf-8")
    assert tokens.estimate("", code) > len(code) / 4
