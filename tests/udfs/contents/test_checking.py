"""A store that fails altogether is one line before the run, and one that misses an object is none."""

import pytest

from recast.settings import UserError
from recast.udfs.contents import checking
from recast.udfs.contents.checking import EMPTY_BLOB, Outcomes, StoreError, require_answering
from recast.udfs.contents.stores import Store, store_at
from tests.sources import blob_id
from tests.stores import Served


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are not waited for."""
    monkeypatch.setattr(checking, "backoff_s", lambda _: 0.0)
    require_answering.cache_clear()


def fault(store: Store) -> str:
    """Return the line about a store that fails."""
    with pytest.raises(UserError) as raised:
        require_answering(store, 1.0)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_store_that_has_or_misses_or_forbids_an_object_answers_and_is_asked_once(served: Served) -> None:
    assert blob_id(b"") == EMPTY_BLOB
    require_answering(served.anonymous, 1.0)
    require_answering(served.anonymous, 1.0)
    assert served.fake.asked == {EMPTY_BLOB: 1}
    served.behave(EMPTY_BLOB, 403, "AccessDenied")
    require_answering(served.mirror, 1.0)


def test_a_failure_that_passes_is_waited_for(served: Served) -> None:
    served.behave(EMPTY_BLOB, 503, "SlowDown", times=2)
    require_answering(served.anonymous, 1.0)
    assert served.fake.asked[EMPTY_BLOB] == 3


def test_a_store_that_fails_is_one_line_that_names_it_and_what_is_wrong(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store_at("s3://other/content", served.endpoint, "", True)
    assert fault(other) == (
        f"the contents s3://other/content at {served.endpoint}, region us-east-1, asked anonymously cannot be fetched: "
        "it answers 404 NoSuchBucket; there is no such bucket"
    )
    assert "cannot connect to 127.0.0.1" in fault(store_at("http://127.0.0.1:1/x"))
    assert "cannot connect to nowhere.invalid" in fault(store_at("s3://b", "http://nowhere.invalid", "", True))
    served.behave(EMPTY_BLOB, 302, headers={"Location": "https://elsewhere/x"})
    assert fault(served.mirror).endswith("redirects are not followed: name the place itself (https://elsewhere/x)")
    served.behave(EMPTY_BLOB, 500)
    assert fault(served.anonymous).endswith("it answers 500 Whatever")
    monkeypatch.setenv("http_proxy", "socks5://user:hunter2@proxy")
    monkeypatch.setenv("no_proxy", "")
    assert fault(served.mirror).endswith("http_proxy names no HTTP proxy")


def test_wrong_credentials_are_one_line_without_them(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.fake.secret = "right"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    said = fault(store_at("s3://store/content", served.endpoint))
    assert "asked with the environment's credentials cannot be fetched: it answers 403 SignatureDoesNotMatch" in said
    assert "hunter2" not in said


def test_a_content_now_and_then_keeps_a_task_going() -> None:
    outcomes = Outcomes(Store("/folder"), False)
    for number in range(3 * checking.FRUITLESS):
        outcomes.note("1" * 40, number % checking.FRUITLESS == 1, "it is not there")
    outcomes.ended()


def test_many_objects_in_a_row_without_a_content_are_a_failing_store_and_fewer_where_they_took_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(checking.time, "monotonic", lambda: now)
    for wait_s, most in ((0.0, checking.FRUITLESS), (checking.FRUITLESS_S, checking.FRUITLESS_LATER)):
        outcomes = Outcomes(Store("/folder"), False)
        outcomes.note("0" * 40, True, "")
        for _ in range(most - 1):
            outcomes.note("1" * 40, False, "it is not there")
        outcomes.ended()
        now += wait_s
        with pytest.raises(StoreError) as raised:
            outcomes.note("2" * 40, False, "it answers 404")
        assert str(raised.value) == (
            f"/folder: {most:,} objects in a row brought no content, the last, /folder/{'2' * 40}, because it answers 404"
        )
