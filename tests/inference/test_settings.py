"""The settings of requests: no key and no password goes where it should not."""

from pathlib import Path

import pytest

from recast.inference.settings import Settings
from recast.settings import UserError, resolve

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.mark.parametrize(
    "variable", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "", "RECAST", "MY_API_KEY_2", "recast_x", "X\\nY"]
)
def test_the_file_may_not_name_any_variable_as_the_key(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (empty_folder / "recast.toml").write_text(f'endpoint = "http://host/v1"\napi_key_variable = "{variable}"\n')
    with pytest.raises(UserError, match=r"^recast.toml names .* may name RECAST_... and ..._API_KEY alone") as raised:
        resolve(Settings, {})
    assert "\n" not in str(raised.value)
    (empty_folder / "recast.toml").write_text('endpoint = "http://host/v1"\n')
    if variable:
        assert resolve(Settings, {"api_key_variable": variable}).api_key_variable == variable
        monkeypatch.setenv("RECAST_API_KEY_VARIABLE", variable)
        assert resolve(Settings, {}).api_key_variable == variable


@pytest.mark.parametrize("variable", ["RECAST_API_KEY", "RECAST_TEAM", "OPENAI_API_KEY", "_API_KEY"])
def test_the_file_may_name_a_variable_that_holds_a_key_of_a_model(empty_folder: Path, variable: str) -> None:
    (empty_folder / "recast.toml").write_text(f'api_key_variable = "{variable}"\n')
    assert resolve(Settings, {}).api_key_variable == variable


@pytest.mark.parametrize(
    "endpoint", ["http://me:hunter2@host/v1", "https://hunter2@host", "ftp://me:hunter2@host", "hunter2@h"]
)
def test_an_endpoint_with_a_password_is_refused_in_one_line_that_does_not_show_it(endpoint: str) -> None:
    with pytest.raises(UserError) as raised:
        resolve(Settings, {"endpoint": endpoint})
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
