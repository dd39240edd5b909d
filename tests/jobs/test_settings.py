"""The settings of a run: those of all rooms, each once and explained."""

from dataclasses import fields
from pathlib import Path

import pytest

from recast.inference import settings as inference
from recast.jobs.settings import Settings, resolve, tell_endpoints_file
from recast.lakehouse import settings as lakehouse
from recast.udfs import settings as udfs

pytestmark = pytest.mark.usefixtures("empty_folder")


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


def test_every_setting_says_what_it_is() -> None:
    assert all(each.metadata["help"] for each in fields(Settings))


def test_no_two_rooms_have_a_setting_of_one_name() -> None:
    names = [each.name for room in (inference, udfs, lakehouse) for each in fields(room.Settings)]
    assert len(names) == len(set(names))
    assert set(names) < {each.name for each in fields(Settings)}
