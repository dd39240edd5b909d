"""What the settings ask of a model, and what is refused before anything starts."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from recast.inference.request import ANSWER_ALLOWANCE, Counter, Request
from recast.inference.server import process, vllm
from recast.inference.server.model import context_tokens
from recast.jobs import asking
from recast.jobs.settings import Settings, resolve, tell_endpoints_file
from recast.settings import UserError


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


def test_the_file_that_names_the_endpoint_is_named_where_the_endpoint_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_endpoints_file.cache_clear()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recast.toml").write_text('endpoint = "https://host/v1"\n')
    for _ in range(2):
        asking.engine_spec(resolve(model="m"))
    assert capsys.readouterr().err == "recast: the endpoint https://host/v1 is from recast.toml\n"
    tell_endpoints_file.cache_clear()
    asking.engine_spec(resolve(model="m", endpoint="https://mine/v1"))
    assert capsys.readouterr().err == ""


def test_a_models_folder_has_one_name_however_it_is_spelled(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / "models" / "llama").mkdir(parents=True)
    monkeypatch.chdir(model)
    spellings = ["models/llama", "./models/llama", f"{model}/models/llama/", "models/../models/llama"]
    assert {asking.model_name(Settings(model=each)) for each in spellings} == {"llama"}
    assert asking.model_name(Settings(model="other/llama")) == "other/llama", "no folder: a name of the hub"
    assert asking.model_name(Settings(model="models/llama", endpoint="https://host/v1")) == "models/llama"


@pytest.fixture
def chatting(model: Path) -> Path:
    """A model folder that can chat: a tokenizer without words, a chat template, a context of 100 tokens."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(model / "tokenizer.json"))
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0]['content'] }}"}))
    return model


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ("--max-model-len 4096", 4096),
        ("--seed 1 --max_model_len=4096", 4096),
        ("--max-model-len 8k", 8000),
        ("--max-model-len=8K", 8192),
        ("--max-model-len 1.5k", 1500),
        ("--max-model-len 50 --max-model-len 60", 60),
        ("", 70),
    ],
)
def test_the_context_is_the_one_that_the_server_takes_from_its_arguments(
    chatting: Path, arguments: str, tokens: int
) -> None:
    spec = asking.engine_spec(Settings(model=str(chatting), engine_args=arguments, max_model_len=70))
    assert context_tokens(spec) == tokens


@pytest.mark.parametrize("given", ["auto", "-1", "many", "0", "1.5K"])
def test_a_context_that_is_no_number_is_refused_before_anything_starts(chatting: Path, given: str) -> None:
    settings = Settings(model=str(chatting), engine_args=f"--max-model-len={given}")
    with pytest.raises(UserError, match=r"^--max-model-len is .* give a number of tokens$"):
        asking.engine_spec(settings)


def test_an_endpoints_context_is_not_that_of_a_server_that_is_not_started(chatting: Path) -> None:
    settings = Settings(endpoint="http://host/v1", model="m", engine_args="--max-model-len auto", max_model_len=7)
    assert context_tokens(asking.engine_spec(settings)) == 7


def test_the_models_own_sampling_defaults_count_only_where_the_arguments_ask_for_them(chatting: Path) -> None:
    spec = asking.engine_spec(Settings(model=str(chatting), engine_args="--generation-config auto"))
    command = process.command(spec, vllm.SERVER, "/socket")
    given = [value for name, value in pairwise(command) if name == "--generation-config"]
    assert given == ["vllm", "auto"], "the last one counts"


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ['{"max_position', "[1]", b"\xff"])
def test_a_damaged_file_of_a_model_is_one_line_before_anything_starts(
    chatting: Path, file: str, content: str | bytes
) -> None:
    (chatting / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"^[^\n]*(cannot be read|no tokenizer for)[^\n]*$"):
        asking.engine_spec(Settings(model=str(chatting)))


HOSTED = Settings(endpoint="https://host/v1", model="m", max_model_len=131_072)  # lengths are estimated


@pytest.mark.parametrize(
    ("text_tokens", "fields", "most"),
    [
        (50, {}, ANSWER_ALLOWANCE + 150),
        (1000, {}, ANSWER_ALLOWANCE + 3000),
        (1000, {"answer_ratio": 1.5}, ANSWER_ALLOWANCE + 1500),
        (10_000, {}, 8192),
        (50, {"max_tokens": 400}, 400),
        (50, {"answer_ratio": 0.0}, 8192),
        (1000, {"max_model_len": 3000}, 3000 - 500),  # no tokenizer: half of the guess, which is on the high side
    ],
)
def test_an_answer_may_be_as_long_as_its_text_calls_for(text_tokens: int, fields: dict[str, float], most: int) -> None:
    spec = asking.rewrite_spec(replace(HOSTED, **fields), "style_code_v1")
    spec = replace(spec, system="", user_template="{text}")
    request = Counter(spec).request("key", "abc" * text_tokens)
    assert isinstance(request, Request)
    assert abs(request.max_tokens - most) <= 20


def test_the_ratio_is_a_fact_only_where_it_may_cut_an_answer() -> None:
    plain = asking.facts(replace(HOSTED, answer_ratio=0.0), "style_code_v1")
    assert asking.facts(HOSTED, "style_code_v1") == {**plain, "answer_ratio": 3.0, "answer_allowance": 2048}
    short = asking.facts(replace(HOSTED, max_tokens=2048), "style_code_v1")
    assert short == {**plain, "max_tokens": 2048}


def test_the_server_that_answers_is_no_part_of_the_fingerprint(chatting: Path) -> None:
    settings = Settings(model=str(chatting), server="sglang")
    assert asking.engine_spec(settings).server == "sglang"
    assert asking.facts(settings, "style_code_v1") == asking.facts(Settings(model=str(chatting)), "style_code_v1")
    with pytest.raises(UserError, match=r"^server is 'tgi': give vllm or sglang$"):
        asking.engine_spec(Settings(model=str(chatting), server="tgi"))
