"""Where a store that speaks S3 is, in the spelling of each client, and what is said where it cannot be used."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from recast import s3
from recast.jobs.settings import resolve
from recast.settings import UserError
from recast.storage import place
from tests.fake_s3 import Store, serving

VARIABLES = (*s3.ENDPOINTS, *s3.REGIONS, *s3.KEYS, *s3.ROLES, "AWS_ALLOW_HTTP", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def nothing_set(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of AWS, no profile, and a machine that gives no keys."""
    s3.undo()
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # so that what a test sets goes with it
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty_folder / "credentials"))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    s3.require.cache_clear()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with serving() as running:
        monkeypatch.setenv("RECAST_S3_ENDPOINT", running.url)
        monkeypatch.setenv("RECAST_LAKE", "s3a://lake/l")
        yield running


def keys(monkeypatch: pytest.MonkeyPatch, secret: str = "no such secret") -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def refused(location: str = "s3a://lake/l") -> str:
    """Return the one line that a location is refused with, which takes seconds."""
    resolve()
    begun = time.monotonic()
    with pytest.raises(UserError) as caught:
        s3.require(location)
    assert time.monotonic() - begun < 10
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("location", ["s3://b/a/c", "s3a://b/a/c/", "s3n://b/a/c"])
def test_three_schemes_name_one_location(location: str) -> None:
    assert s3.is_s3(location)
    assert s3.located(location) == ("b", "a/c")


def test_paths_and_other_schemes_are_not_in_s3() -> None:
    assert not any(map(s3.is_s3, ["/s3a", "s3a", "s3a:", "gs://b/a", "hdfs://h/a", "data/s3://x"]))


def test_a_location_that_names_its_own_store_or_user_keeps_them() -> None:
    own = "s3://anonymous@b/a?endpoint_override=127.0.0.1:9&scheme=http&region=here"
    assert not s3.is_s3(own)
    assert s3.is_s3("s3a://b/a@c/d")
    files, path = place(own)
    assert path == "b/a"
    assert isinstance(files, pafs.S3FileSystem) and files.region == "here"


def test_endpoint_and_region_are_set_once_and_every_client_has_them_in_its_own_spelling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys(monkeypatch)
    resolve(lake="s3a://lake/l", s3_endpoint="http://127.0.0.1:9000", s3_region="here")
    assert s3.environment() == {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000",
        "AWS_REGION": "here",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "no such secret",
    }
    assert s3.spark_settings() == {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9000",
        "spark.hadoop.fs.s3a.endpoint.region": "here",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    }
    files, path = place("s3a://lake/l/x")
    assert path == "lake/l/x"
    assert isinstance(files, pafs.S3FileSystem) and files.region == "here"


def test_a_setting_beats_a_variable_and_without_one_the_variables_of_aws_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://of.the.platform")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "there")
    resolve(lake="s3a://lake/l")
    assert (s3.endpoint(), s3.region()) == ("https://of.the.platform", "there")
    assert "AWS_ALLOW_HTTP" not in os.environ
    resolve(lake="s3a://lake/l", s3_endpoint="https://mine", s3_region="here")
    assert (s3.endpoint(), s3.region()) == ("https://mine", "here")
    assert os.environ["AWS_ENDPOINT_URL"] == "https://of.the.platform", "other services of AWS keep theirs"


def test_what_an_earlier_call_has_set_is_undone(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / "credentials").write_text("[default]\naws_access_key_id = D\naws_secret_access_key = d\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://of.the.platform")
    s3.use("http://127.0.0.1:9000", "here")
    assert (s3.endpoint(), s3.region(), os.environ["AWS_ACCESS_KEY_ID"]) == ("http://127.0.0.1:9000", "here", "D")
    assert [s3.given(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION")] == ["https://of.the.platform", ""]
    (empty_folder / "credentials").unlink()
    s3.use()
    assert s3.environment() == {"AWS_ENDPOINT_URL_S3": "https://of.the.platform", "AWS_REGION": s3.ANY_REGION}
    os.environ["AWS_REGION"] = "there"  # by somebody else, since
    s3.undo()
    assert os.environ["AWS_REGION"] == s3.given("AWS_REGION") == "there"
    assert "AWS_ALLOW_HTTP" not in os.environ


def test_a_store_of_ones_own_needs_no_region() -> None:
    resolve(lake="s3a://lake/l", s3_endpoint="https://mine")
    assert s3.spark_settings()["spark.hadoop.fs.s3a.endpoint.region"] == s3.ANY_REGION


def test_nothing_is_set_where_nothing_lies_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAST_S3_ENDPOINT", "http://127.0.0.1:9000")
    resolve()
    assert s3.environment() == {}


@pytest.mark.parametrize("wrong", ["127.0.0.1:9000", "http://", "http://u:hunter2@h", "http://h:99999", "http://h:9x"])
@pytest.mark.parametrize("given", ["RECAST_S3_ENDPOINT", "AWS_ENDPOINT_URL"])
def test_an_endpoint_that_is_none_is_refused_without_its_password(
    wrong: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, wrong)
    with pytest.raises(UserError) as caught:
        resolve(lake="s3a://lake/l")
    assert "S3" in str(caught.value) or "s3_endpoint" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_spark_was_told_already_holds_where_it_is_the_same_store(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(lake="s3a://lake/l", s3_endpoint="http://127.0.0.1:9000")
    name = "spark.hadoop.fs.s3a.endpoint"
    for same in ({}, {name: "http://127.0.0.1:9000/"}, {name: "127.0.0.1:9000"}):
        assert s3.conflict(same) is None
    assert "Spark reads S3 at https://other" in (s3.conflict({name: "https://other"}) or "")


def test_keys_of_a_profile_are_used_where_the_environment_has_none(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = d%s\n"
        "[work]\naws_access_key_id = W\naws_secret_access_key = w\naws_session_token = t\n"
    )
    with monkeypatch.context() as one:
        one.setenv("AWS_PROFILE", "work")
        assert s3.profile_keys() == dict(zip(s3.KEYS, "Wwt", strict=True))
    resolve(lake="s3a://lake/l")
    assert [os.environ.get(name) for name in s3.KEYS] == ["D", "d%s", None]
    keys(monkeypatch)
    resolve(lake="s3a://lake/l")
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIA"


@pytest.mark.parametrize("text", ["no ini", "[default]\n", "\xff"])
def test_a_file_of_profiles_that_says_nothing_is_passed_over(text: str, empty_folder: Path) -> None:
    (empty_folder / "credentials").write_bytes(text.encode("latin-1"))
    assert s3.profile_keys() == {}


def test_a_store_that_can_be_used_is_asked_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    resolve()
    for _ in range(3):
        s3.require("s3a://lake/l")
    assert len(store.asked) == 1


def test_missing_keys_are_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused() == (
        f"bucket lake at {store.url} cannot be used: AWS_ACCESS_KEY_ID is not set, no profile has keys and the machine "
        "has none"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    assert refused().endswith("AWS_SECRET_ACCESS_KEY is not set")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "InvalidAccessKeyId", "the store says InvalidAccessKeyId to the key of AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "the store says SignatureDoesNotMatch to the key of AWS_ACCESS_KEY_ID"),
        (403, "AccessDenied", "the store says AccessDenied to the key of AWS_ACCESS_KEY_ID"),
        (400, "AuthorizationHeaderMalformed", "it is in another region than us-east-1: set s3_region"),
        (501, "NotImplemented", "the store says NotImplemented"),
        (404, "", "the store answers with status 404"),
    ],
)
def test_what_the_store_says_is_told_with_bucket_and_endpoint(
    status: int, code: str, said: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(monkeypatch)
    store.fails, store.code = status, code
    monkeypatch.setattr(s3, "RETRIES", 0)
    assert refused() == f"bucket lake at {store.url} cannot be used: {said}"


def test_a_missing_bucket_and_a_silent_endpoint_are_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    assert refused("s3a://other/l") == f"bucket other at {store.url} cannot be used: there is no such bucket"
    monkeypatch.setenv("RECAST_S3_ENDPOINT", "http://127.0.0.1:1")
    assert refused() == "bucket lake at http://127.0.0.1:1 cannot be used: nothing answers there"


def test_no_line_holds_a_secret(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch, "hunter2")
    store.fails, store.code = 403, "SignatureDoesNotMatch"
    assert "hunter2" not in refused()
