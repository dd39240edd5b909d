"""Settings: which source wins, and what is refused, in one line that names the setting."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.settings import (
    Settings,
    UserError,
    absolute,
    environment_name,
    is_local,
    resolve,
    tell_endpoints_file,
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without recast.toml, and no setting in the environment."""
    for each in fields(Settings):
        monkeypatch.delenv(environment_name(each.name), raising=False)
    monkeypatch.delenv("RECAST_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_option_beats_the_environment_which_beats_the_file_which_beats_the_default(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve().lint_threshold == 7.0
    (empty_folder / "recast.toml").write_text("lint_threshold = 6.0\nchunk_rows = 10\n")
    assert resolve().lint_threshold == 6.0
    monkeypatch.setenv("RECAST_LINT_THRESHOLD", "5.5")
    assert resolve().lint_threshold == 5.5
    assert resolve(lint_threshold=5.0).lint_threshold == 5.0
    assert resolve(lint_threshold=None).chunk_rows == 10, "an option that is not given says nothing"


def test_an_option_of_zero_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_LINT_THRESHOLD", "5.5")
    assert resolve(lint_threshold=0.0).lint_threshold == 0.0


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_MODEL", "")
    monkeypatch.setenv("RECAST_CHUNK_ROWS", "")
    assert resolve() == Settings()


@pytest.mark.parametrize("variable", ["RECAST_LINT_TRESHOLD", "RECAST_MODELS", "RECAST_"])
def test_a_variable_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "6")
    with pytest.raises(UserError, match=rf"^{variable} is no setting; `recast refresh --help` lists them$"):
        resolve()


def test_variables_of_keys_tests_and_services_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_API_KEY_VARIABLE", "RECAST_TEAM_KEY")
    variables = ("API_KEY", "TEAM_KEY", "TEST_LAKE", "SERVICE_HOST", "PORT_80_TCP_ADDR", "WEB_SERVICE_PORT_HTTP")
    for name in variables:
        monkeypatch.setenv(f"RECAST_{name}", "x")
    assert resolve().api_key_variable == "RECAST_TEAM_KEY"


@pytest.mark.parametrize(
    "variable", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "", "RECAST", "MY_API_KEY_2", "recast_x", "X\\nY"]
)
def test_the_file_may_not_name_any_variable_as_the_key(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (empty_folder / "recast.toml").write_text(f'endpoint = "http://host/v1"\napi_key_variable = "{variable}"\n')
    with pytest.raises(UserError, match=r"^recast.toml names .* may name RECAST_... and ..._API_KEY alone") as raised:
        resolve()
    assert "\n" not in str(raised.value)
    (empty_folder / "recast.toml").write_text('endpoint = "http://host/v1"\n')
    if variable:
        assert resolve(api_key_variable=variable).api_key_variable == variable
        monkeypatch.setenv("RECAST_API_KEY_VARIABLE", variable)
        assert resolve().api_key_variable == variable


@pytest.mark.parametrize("variable", ["RECAST_API_KEY", "RECAST_TEAM", "OPENAI_API_KEY", "_API_KEY"])
def test_the_file_may_name_a_variable_that_holds_a_key_of_a_model(empty_folder: Path, variable: str) -> None:
    (empty_folder / "recast.toml").write_text(f'api_key_variable = "{variable}"\n')
    assert resolve().api_key_variable == variable


@pytest.mark.parametrize(
    "endpoint", ["http://me:hunter2@host/v1", "https://hunter2@host", "ftp://me:hunter2@host", "hunter2@h"]
)
def test_an_endpoint_with_a_password_is_refused_in_one_line_that_does_not_show_it(endpoint: str) -> None:
    with pytest.raises(UserError) as raised:
        resolve(endpoint=endpoint)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_where_an_endpoint_is_the_files_the_file_is_named_once(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_endpoints_file.cache_clear()
    (empty_folder / "recast.toml").write_text('endpoint = "http://host/v1"\n')
    for _ in range(2):
        tell_endpoints_file(resolve().endpoint)
    assert capsys.readouterr().err == "recast: the endpoint http://host/v1 is from recast.toml\n"
    monkeypatch.setenv("RECAST_ENDPOINT", "http://mine/v1")
    tell_endpoints_file(resolve().endpoint)
    assert capsys.readouterr() == ("", "")
    tell_endpoints_file.cache_clear()


def test_paths_of_the_file_are_seen_from_its_folder(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = empty_folder / "my config"
    (folder / "models" / "small").mkdir(parents=True)
    (folder / "recast.toml").write_text('lake = "lake"\ncode_source = "s3a://bucket/code"\nmodel = "models/small"\n')
    monkeypatch.setenv("RECAST_CONFIG", str(folder / "recast.toml"))
    found = resolve()
    assert found.lake == str(folder / "lake")
    assert found.code_source == "s3a://bucket/code"
    assert found.model == str(folder / "models" / "small")


def test_paths_of_options_are_seen_from_the_working_directory(empty_folder: Path) -> None:
    assert resolve(lake="some lake").lake == str(empty_folder / "some lake")
    assert resolve(lake="~/lake").lake == str(Path.home() / "lake")


def test_a_model_of_the_hub_stays_a_name(empty_folder: Path) -> None:
    (empty_folder / "recast.toml").write_text('model = "meta-llama/Llama-3.3-70B-Instruct"\n')
    assert resolve().model == "meta-llama/Llama-3.3-70B-Instruct"


REFUSED_FILES = {
    "an unknown name": ("lint_treshold = 7\n", "lint_treshold"),
    "a text for a number": ('chunk_rows = "many"\n', "chunk_rows"),
    "a fraction for a count": ("chunk_rows = 1.5\n", "chunk_rows"),
    "a truth value for a count": ("chunk_rows = true\n", "chunk_rows"),
    "a truth value for a number": ("lint_threshold = true\n", "lint_threshold"),
    "a number for a text": ("model = 3\n", "model"),
    "a count that nothing fits": ("chunk_rows = 0\n", "chunk_rows"),
    "a share above one": ("identifiers_floor = 1.5\n", "identifiers_floor"),
    "a table": ("[lake]\nfolder = 1\n", "lake"),
    "no TOML": ("lake =\n", "recast.toml"),
    "a file that is not UTF-8": (b'lake = "\xff"\n', "recast.toml"),
}


@pytest.mark.parametrize("case", REFUSED_FILES)
def test_a_file_is_refused_in_one_line(empty_folder: Path, case: str) -> None:
    content, named = REFUSED_FILES[case]
    (empty_folder / "recast.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as refused:
        resolve()
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_CONFIG", "elsewhere.toml")
    with pytest.raises(UserError, match=r"cannot read elsewhere\.toml"):
        resolve()


REFUSED_VALUES = {
    "chunk_rows": ["0", "-1", "many", "1.5"],
    "max_tokens": ["0", "x"],
    "answer_ratio": ["-1", "nan", "x"],
    "tensor_parallel": ["0"],
    "partitions": ["-1"],
    "window": ["-1"],
    "top_p": ["1.01", "-0.1", "nan"],
    "error_budget": ["2", "nan"],
    "words_floor": ["-1"],
    "lint_threshold": ["seven", "nan"],
    "temperature": ["nan", "-1", "inf"],
    "repetition_penalty": ["nan", "-1"],
    "max_model_len": ["-1"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED_VALUES for value in REFUSED_VALUES[name]]
)
def test_a_value_is_refused_in_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(environment_name(name), value)
    with pytest.raises(UserError) as refused:
        resolve()
    assert name in str(refused.value).lower()
    assert "\n" not in str(refused.value)


def test_what_is_required_says_three_ways_to_give_it() -> None:
    with pytest.raises(UserError, match=r"--code-source, RECAST_CODE_SOURCE or a line in recast\.toml"):
        Settings().require("code_source")


def test_every_setting_says_what_it_is() -> None:
    assert all(each.metadata["help"] for each in fields(Settings))


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_a_location_made_absolute_stays_as_it_is(location: str) -> None:
    once = absolute(location)
    assert absolute(once) == once


@pytest.mark.parametrize("uri", ["file:///data/a lake", "file:/data/a lake", "/data/a lake"])
def test_a_file_uri_is_the_path_that_it_names(uri: str) -> None:
    assert Settings(lake=uri).lake == "/data/a lake"
    assert is_local(Settings(lake=uri).lake)


def test_a_location_elsewhere_stays_as_it_is() -> None:
    assert Settings(lake="s3a://bucket/lake/").lake == "s3a://bucket/lake"
    assert not is_local("s3a://bucket/lake")
    assert Settings(lake="s3a://bucket/{odd}").lake == "s3a://bucket/{odd}"


@pytest.mark.parametrize("name", ["lake", "code_source", "math_source"])
@pytest.mark.parametrize("character", "[]{}*?^|\\%")
def test_a_path_that_a_reader_would_take_otherwise_is_refused(name: str, character: str) -> None:
    with pytest.raises(UserError, match=rf"^{name} is /data/a.b; give a path without "):
        Settings(**{name: f"/data/a{character}b"})
