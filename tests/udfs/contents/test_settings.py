"""Settings of fetching: what is refused, and that no credential is repeated."""

import pytest

from recast.jobs.settings import Settings, resolve
from recast.settings import UserError


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


@pytest.mark.parametrize("location", ["s3://", "https:///x", "http://[x/y"])
def test_a_location_without_bucket_or_host_is_refused(location: str) -> None:
    with pytest.raises(UserError, match="code_contents is"):
        Settings(code_contents=location)


@pytest.mark.parametrize(
    "location", ["s3://bucket", "s3a://bucket/a/b", "https://host:8443/x", "gs://bucket/x", "folder"]
)
def test_other_locations_are_taken(location: str) -> None:
    assert Settings(code_contents=location).code_contents.endswith(location)


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
