"""What cannot work is refused before anything is started."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recast.inference.server import engine
from recast.inference.server.model import check, context_tokens
from recast.inference.server.spec import EngineError, EngineSpec

Make = Callable[..., EngineSpec]


def test_the_context_is_the_models_own_unless_the_spec_says_otherwise(fake_engine: Make) -> None:
    assert context_tokens(fake_engine()) == 200
    assert context_tokens(replace(fake_engine(), max_model_len=100)) == 100


def test_a_model_folder_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"^model folder /no/such/model does not exist$"):
        engine.connect(EngineSpec(model="/no/such/model"))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"holds no config.json"):
        check(EngineSpec(model=str(tmp_path)))


def test_a_model_without_chat_template_is_refused_unless_one_is_given(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(EngineError, match="has no chat template"):
        check(EngineSpec(model=str(tmp_path)))
    for args in (("--chat-template", "mine.jinja"), ("--seed", "1", "--chat-template=mine.jinja")):
        spec = EngineSpec(model=str(tmp_path), args=args)
        check(spec)
        assert spec.given_template == "mine.jinja"


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(EngineError, match="no http or https URL"):
        check(EngineSpec(model="m", endpoint="localhost:8000"))
