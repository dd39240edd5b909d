"""Settings: which source wins, and what is refused, in one line that names the setting."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.jobs.settings import Settings, resolve
from recast.settings import UserError, absolute, environment_name

pytestmark = pytest.mark.usefixtures("empty_folder")


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
    "partitions": ["-1", "2000000000"],
    "window": ["-1"],
    "top_p": ["1.01", "-0.1", "nan"],
    "error_budget": ["2", "nan"],
    "words_floor": ["-1"],
    "lint_threshold": ["seven", "nan"],
    "temperature": ["nan", "-1", "inf"],
    "repetition_penalty": ["nan", "-1"],
    "max_model_len": ["-1"],
    "retry_after_hours": ["1e9", "876001", "-1"],
    "keep_dropped_days": ["1e9", "36501"],
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


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_a_location_made_absolute_stays_as_it_is(location: str) -> None:
    once = absolute(location)
    assert absolute(once) == once
