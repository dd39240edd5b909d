"""What the settings ask of a model, and what is refused before anything starts."""

import json
from pathlib import Path

import pytest

from jobs import asking
from lakehouse.settings import Settings, UserError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder without tokenizer and chat template."""
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 100}))
    return tmp_path


def test_a_model_without_chat_template_is_refused_in_one_line_before_anything_starts(model: Path) -> None:
    with pytest.raises(UserError, match=r"^the model in .* has no chat template, .* take an instruct model, or .*$"):
        asking.engine_spec(Settings(model=str(model)))


def test_a_given_template_does_but_a_tokenizer_must_be_there(model: Path) -> None:
    given = f"--chat-template '{model}/mine.jinja'"
    with pytest.raises(UserError, match=r"^no tokenizer for .*: .* holds no tokenizer.json$"):
        asking.engine_spec(Settings(model=str(model), engine_args=given))


def test_an_endpoints_tokenizer_is_looked_for_before_anything_starts() -> None:
    settings = Settings(endpoint="https://host/v1", model="m", tokenizer="/no/such/folder/at/all")
    with pytest.raises(UserError, match=r"^no tokenizer for /no/such/folder/at/all: "):
        asking.engine_spec(settings)
    assert asking.engine_spec(Settings(endpoint="https://host/v1", model="m")).served_name == "m"
