"""Proxies of the environment, and Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from recast.http import MAX_RETRY_AFTER_S, proxy_of, retry_after_s


@pytest.mark.parametrize(
    ("proxy", "no_proxy", "found"),
    [
        ("http://proxy:3128", "", "http://proxy:3128"),
        ("proxy:3128", "", "http://proxy:3128"),
        ("http://proxy:3128", "host", None),
        ("http://proxy:3128", "another-host,x", "http://proxy:3128"),
        ("http://proxy:3128", "*", None),
        ("", "", None),
    ],
)
def test_the_environment_says_which_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str, no_proxy: str, found: str | None
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_of("https://host:8000/v1") == found


def test_retry_after_is_read_as_seconds_or_date_and_bounded() -> None:
    assert retry_after_s(None) == 0
    assert retry_after_s("1.5") == 1.5
    assert retry_after_s("1e9") == MAX_RETRY_AFTER_S
    assert retry_after_s("soon") == 0
    for odd in (
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 99999999999999999999 Oct 2026 07:28:00 GMT",
        "nan",
    ):
        assert retry_after_s(odd) == 0
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < retry_after_s(in_a_minute) <= 60
    assert retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0
