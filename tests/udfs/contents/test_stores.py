"""What a request to a store brings, or what it means that it brings nothing; and what is asked for, with which secret."""

import asyncio
import gzip
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from recast import s3
from recast.http import MAX_RETRY_AFTER_S
from recast.udfs.contents import stores
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from recast.udfs.contents.stores import Missed, Store, base_url, opened, store_at
from tests.sources import blob_id
from tests.stores import Served

TEXT = b"x = 1\n"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"


def ask(store: Store, name: str, timeout_s: float = 5.0) -> bytes:
    """Ask a store once."""

    async def once() -> bytes:
        async with opened(store, 1, timeout_s) as get:
            return await get(name)

    return asyncio.run(once())


def missed(store: Store, name: str, timeout_s: float = 5.0) -> Missed:
    """Ask a store once, which has nothing to give."""
    with pytest.raises(Missed) as raised:
        ask(store, name, timeout_s)
    return raised.value


@pytest.mark.parametrize(
    ("location", "endpoint", "url"),
    [
        ("s3://softwareheritage/content", "", "https://softwareheritage.s3.us-east-1.amazonaws.com/content/"),
        ("s3a://bucket", "", "https://bucket.s3.us-east-1.amazonaws.com/"),
        ("s3://with.dots/a b/c", "", "https://s3.us-east-1.amazonaws.com/with.dots/a%20b/c/"),
        ("s3://bucket/a", "http://host:9000/", "http://host:9000/bucket/a/"),
        ("https://host/mirror", "http://other", "https://host/mirror/"),
    ],
)
def test_the_form_of_a_location_says_what_is_asked(location: str, endpoint: str, url: str) -> None:
    store = store_at(location, endpoint)
    assert store.remote
    assert base_url(store) == url


def test_what_is_no_bucket_and_no_mirror_is_read_as_files(tmp_path: Path) -> None:
    assert not any(store_at(location).remote for location in ("/a/folder", "gs://bucket/x", "hdfs://host/x"))
    store = store_at(str(tmp_path))
    assert missed(store, "0" * 40).status == "content_missing"
    (tmp_path / blob_id(TEXT)).write_bytes(b"packed")
    assert ask(store, blob_id(TEXT)) == b"packed"
    (tmp_path / ("1" * 40)).mkdir()
    (tmp_path / ("2" * 40)).symlink_to("2" * 40)
    for odd in ("1" * 40, "2" * 40):
        assert missed(store, odd).status == "content_missing", "no file is in its place"
    (tmp_path / ("3" * 40)).write_bytes(b"x" * (MAX_TEXT_BYTES + 1))
    assert missed(store, "3" * 40).status == "too_large"


def test_the_environment_says_where_the_store_is_where_no_setting_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://everything")
    assert store_at("s3://b") == Store("s3://b", "http://everything", "eu-west-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    assert store_at("s3://b") == Store("s3://b", "http://s3", "eu-west-2")
    assert store_at("s3://b", "http://given", "here") == Store("s3://b", "http://given", "here")


@pytest.mark.parametrize("anonymous", [True, False])
def test_the_lakes_store_is_not_the_contents_store(anonymous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.use("http://lake:9000", "lake-region")
    try:
        amazon = store_at("s3://softwareheritage/content", anonymous=anonymous)
        assert amazon == Store("s3://softwareheritage/content", "", "us-east-1", anonymous)
        assert base_url(amazon) == "https://softwareheritage.s3.us-east-1.amazonaws.com/content/"
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://everything")
        assert store_at("s3://b", anonymous=anonymous).endpoint == "http://everything"
    finally:
        s3.undo()


def test_keys_of_a_profile_are_the_lakes_and_sign_no_address_of_contents(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(f"[default]\naws_access_key_id = KEY\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("no_proxy", "*")
    served.fake.secret = SECRET
    name = served.put(TEXT)
    s3.use("http://lake:9000")
    try:
        store = store_at("s3://store/content", served.endpoint)
        assert "there are no credentials for it" in missed(store, name).words
        assert served.fake.requests == []
        assert os.environ["AWS_ACCESS_KEY_ID"] == "KEY", "the lake's clients still have them"
    finally:
        s3.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    s3.use("http://lake:9000")
    try:
        assert gzip.decompress(ask(store_at("s3://store/content", served.endpoint), name)) == TEXT
    finally:
        s3.undo()


def test_an_address_is_signed_for_the_contents_store_and_not_for_the_lakes(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "lake-region")
    served.fake.secret = SECRET
    name = served.put(TEXT)
    assert gzip.decompress(ask(store_at("s3://store/content", served.endpoint, "eu-west-3"), name)) == TEXT
    assert "eu-west-3" in served.fake.requests[0]


def test_an_anonymous_request_is_not_signed_and_says_who_asks(served: Served) -> None:
    name = served.put(TEXT)
    assert gzip.decompress(ask(served.anonymous, name)) == TEXT
    assert gzip.decompress(ask(served.mirror, name)) == TEXT
    assert served.fake.requests == [f"/store/content/{name}"] * 2
    assert next(iter(served.fake.agents)).startswith("recast/")


def test_a_request_is_signed_with_the_environments_credentials(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.fake.secret = SECRET
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    store = store_at("s3://store/a b/content", served.endpoint, "eu-west-3")
    name = served.put(TEXT)
    assert gzip.decompress(ask(store, name)) == TEXT
    assert "eu-west-3" in served.fake.requests[0]
    assert SECRET not in served.fake.requests[0]


@pytest.mark.parametrize(
    ("key_id", "secret", "words"),
    [("OTHER", SECRET, "does not know AWS_ACCESS_KEY_ID"), ("KEY", "wrong", "the signature does not match")],
)
def test_credentials_that_are_refused_say_something_of_the_store_and_stay_secret(
    served: Served, monkeypatch: pytest.MonkeyPatch, key_id: str, secret: str, words: str
) -> None:
    served.fake.secret = SECRET
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    found = missed(store_at("s3://store/content", served.endpoint), served.put(TEXT))
    assert (found.status, found.passing) == ("", False)
    assert words in found.words
    assert secret not in found.words
    assert "X-Amz" not in found.words


def test_no_credentials_say_what_to_set(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("no_proxy", "*")
    found = missed(store_at("s3://store/content", served.endpoint), served.put(TEXT))
    assert found.status == ""
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in found.words
    assert served.fake.requests == []


def test_a_bucket_that_asks_for_signatures_forbids_an_anonymous_request(served: Served) -> None:
    served.fake.secret = SECRET
    assert missed(served.anonymous, served.put(TEXT)).status == "forbidden"


@pytest.mark.parametrize(
    ("status", "code", "meaning", "passing"),
    [
        (404, "NoSuchKey", "content_missing", False),
        (410, "", "content_missing", False),
        (403, "AccessDenied", "forbidden", False),
        (401, "", "forbidden", False),
        (429, "", "throttled", True),
        (503, "SlowDown", "throttled", True),
        (500, "InternalError", "store_error", True),
        (502, "", "store_error", True),
        (408, "", "store_error", True),
        (400, "InvalidRequest", "store_error", False),
        (206, "", "store_error", False),
        (404, "NoSuchBucket", "", False),
        (400, "ExpiredToken", "", False),
        (301, "PermanentRedirect", "store_error", False),
        (302, "", "store_error", False),
    ],
)
def test_a_status_has_its_meaning(served: Served, status: int, code: str, meaning: str, passing: bool) -> None:
    name = served.behave("1" * 40, status, code)
    found = missed(served.anonymous, name)
    assert (found.status, found.passing) == (meaning, passing)
    assert str(status) in found.words


def test_an_error_that_comes_in_pieces_is_read_to_its_end_and_one_that_does_not_end_keeps_its_status(
    served: Served,
) -> None:
    name = served.behave("1" * 40, 404, "NoSuchBucket", body="pieces")
    assert "there is no such bucket" in missed(served.anonymous, name).words
    served.behave(name, 404, "NoSuchKey", body="torn")
    assert missed(served.anonymous, name, timeout_s=0.3).status == "content_missing"


def test_retry_after_is_seconds_or_a_date_and_bounded(served: Served) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    for value, least, most in (("7", 7, 7), (in_a_minute, 50, 60), ("1e9", 600, MAX_RETRY_AFTER_S), ("x", 0, 0)):
        name = served.behave("1" * 40, 503, headers={"Retry-After": value})
        assert least <= missed(served.anonymous, name).after_s <= most


@pytest.mark.parametrize(
    ("body", "meaning", "passing"),
    [("cut", "cut_off", True), ("slow", "timeout", True), ("hang", "timeout", True), ("endless", "too_large", False)],
)
def test_a_body_that_does_not_end_well_has_its_meaning(served: Served, body: str, meaning: str, passing: bool) -> None:
    name = served.behave(served.put(TEXT * 1000), body=body)
    found = missed(served.anonymous, name, timeout_s=0.5)
    assert (found.status, found.passing) == (meaning, passing)


def test_a_wrong_region_names_the_right_one_where_the_store_does(served: Served) -> None:
    region = {"x-amz-bucket-region": "eu-west-1"}
    name = served.behave("1" * 40, 400, "AuthorizationHeaderMalformed", headers=region)
    assert missed(served.anonymous, name).words.endswith("the region is wrong: set contents_region to eu-west-1")
    served.behave(name, 403, "InvalidAccessKeyId", headers=region)
    assert "eu-west-1" not in missed(served.anonymous, name).words


def test_a_redirect_is_not_followed_and_names_the_bucket_s_region_or_its_target(served: Served) -> None:
    name = served.behave("1" * 40, 301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"})
    wrong_region = missed(served.anonymous, name)
    assert wrong_region.status == ""
    assert "region eu-west-1: set contents_region" in wrong_region.words
    served.behave(name, 302, headers={"Location": f"{served.endpoint}/elsewhere?token=secret"})
    found = missed(served.mirror, name).words
    assert f"({served.endpoint}/elsewhere)" in found
    assert "secret" not in found
    assert len(served.fake.requests) == 2


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:1", "cannot connect to 127.0.0.1"),
        ("http://store.invalid", "cannot connect to store.invalid"),
    ],
)
def test_a_store_that_cannot_be_reached_is_named(endpoint: str, words: str) -> None:
    found = missed(store_at("s3://bucket/x", endpoint, "", True), "1" * 40)
    assert (found.status, found.passing) == ("", True)
    assert found.words.startswith(words)


def test_what_answers_no_http_is_a_store_error(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    name = served.behave("1" * 40, headers={"bad header\x00": "x"}, status=204)
    assert missed(served.anonymous, name).status == "store_error"


def test_netrc_is_not_read(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login someone password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    served.fake.objects["1" * 40] = b"x"
    assert ask(served.mirror, "1" * 40) == b"x"
    assert not stores.HEADERS.keys() & {"Authorization"}
