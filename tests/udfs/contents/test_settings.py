"""Settings of fetching: what is refused, and that no credential is repeated."""

from pathlib import Path

import pytest

from recast.jobs.settings import Settings, resolve
from recast.settings import UserError
from recast.udfs.contents.settings import table_of


@pytest.mark.parametrize(
    "location",
    [
        "s3://KEY:hunter2@bucket/x",
        "https://user:hunter2@host/x",
        "https://host/x?token=hunter2",
        "s3://bucket/x?secret_key=hunter2",
    ],
)
def test_a_location_with_a_credential_is_refused_without_it(location: str) -> None:
    with pytest.raises(UserError, match="credentials come from the environment") as raised:
        Settings(code_contents=location)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "location",
    [
        *("s3://", "s3://a b/c", "https:///x", "http://[x/y", "https://h/a b", "https://h/\u00e9"),
        *("https://h:99999/p", "http://h:0/p", "http://h:x/p"),
    ],
)
def test_a_location_that_names_no_place_to_ask_is_refused_in_one_line(location: str) -> None:
    with pytest.raises(UserError, match="code_contents is") as raised:
        Settings(code_contents=location)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("region", ["us-east-1/x", "a b", "x.host", "r" * 65])
def test_what_is_no_region_is_refused_in_one_line(region: str) -> None:
    with pytest.raises(UserError, match=r"contents_region is .*; give a region such as us-east-1") as raised:
        Settings(contents_region=region)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("region", ["", "us-gov-west-1", "auto", "RegionOne"])
def test_other_regions_are_taken(region: str) -> None:
    assert Settings(contents_region=region).contents_region == region


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket",
        "s3a://bucket/a/b",
        "s3://a_b/with space",
        "https://host:8443/x",
        "https://host/%20~a",
        "gs://bucket/x",
        "folder",
    ],
)
def test_other_locations_are_taken(location: str) -> None:
    assert Settings(code_contents=location).code_contents.endswith(location)


@pytest.mark.parametrize(
    ("location", "table"),
    [
        ("/data/texts#content", ("/data/texts", "content")),
        ("s3://bucket/texts#the_text", ("s3://bucket/texts", "the_text")),
        ("/data/run #1#content", ("/data/run #1", "content")),
        ("lake.stack.texts@7#content", ("lake.stack.texts@7", "content")),
        *((name, None) for name in ("/data/texts", "/data/c#", "/data/c#1", "https://host/x#content", "#content")),
    ],
)
def test_a_place_with_a_column_is_a_table(location: str, table: tuple[str, str] | None) -> None:
    assert table_of(location) == table


def test_a_folder_that_is_there_is_a_store_whatever_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "db.texts#one"
    assert table_of(str(folder)) == (f"{tmp_path}/db.texts", "one")
    folder.mkdir()
    assert table_of(str(folder)) is None
    assert table_of(f"{folder}#content") == (str(folder), "content")


def test_a_table_of_a_catalogue_keeps_its_name_unless_a_folder_has_it(empty_folder: Path) -> None:
    (empty_folder / "recast.toml").write_text('code_contents = "lake.stack.texts@7#content"\n')
    assert resolve().code_contents == "lake.stack.texts@7#content"
    assert Settings(code_contents="texts#content").code_contents == f"{empty_folder}/texts#content"
    (empty_folder / "db.texts").mkdir()
    assert Settings(code_contents="db.texts#content").code_contents == f"{empty_folder}/db.texts#content"
    (empty_folder / "db.more#1").mkdir()
    assert Settings(code_contents="db.more#1").code_contents == f"{empty_folder}/db.more#1"
    assert Settings(code_contents="db.texts").code_contents == f"{empty_folder}/db.texts"
    assert Settings(code_contents="db.none").code_contents == f"{empty_folder}/db.none"


def test_a_table_at_an_address_with_a_credential_is_refused_without_it() -> None:
    with pytest.raises(UserError, match="credentials come from the environment") as raised:
        Settings(code_contents="s3://KEY:hunter2@bucket/x#content")
    assert "hunter2" not in str(raised.value)


def test_an_endpoint_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(UserError) as raised:
        Settings(contents_endpoint="https://user:hunter2@host")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("word", "value"), [("true", True), ("0", False), ("Yes", True), ("off", False)])
def test_a_switch_is_given_by_a_word(monkeypatch: pytest.MonkeyPatch, word: str, value: bool) -> None:
    monkeypatch.setenv("RECAST_CONTENTS_ANONYMOUS", word)
    assert resolve().contents_anonymous is value


def test_another_word_for_a_switch_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_CONTENTS_ANONYMOUS", "maybe")
    with pytest.raises(UserError, match="RECAST_CONTENTS_ANONYMOUS is 'maybe'; give true or false"):
        resolve()
