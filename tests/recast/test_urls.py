"""What is wrong with an endpoint's URL is said without its password."""

import pytest

from recast.urls import endpoint_fault


@pytest.mark.parametrize(
    "endpoint", ["http://host", "https://host:8000/v1", "http://[::1]:80/v1", "https://host/a/@cf/v1"]
)
def test_an_endpoint_without_a_login_is_right(endpoint: str) -> None:
    assert endpoint_fault(endpoint) == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:hunter2@host/v1",
        "https://hunter2@host/v1",
        "ftp://user:hunter2@host/v1",
        "http:/user:hunter2@host/v1",
        "http://user:hunt/er2@host/v1",
        "http://user:hunter2@[host/v1",
        "http://user:hunter2@ho\u2100st/v1",
        "user:hunter2@host",
    ],
)
def test_an_endpoint_with_a_login_is_refused_without_showing_its_password(endpoint: str) -> None:
    fault = endpoint_fault(endpoint)
    assert fault
    assert "hunter2" not in fault
    assert "er2" not in fault


@pytest.mark.parametrize(
    "endpoint",
    ["", "localhost:8000", "http://", "http://[", "http://host:99999", "file:///etc", "http://host/\x1b[2J\n"],
)
def test_what_is_no_url_of_the_web_is_no_endpoint(endpoint: str) -> None:
    assert endpoint_fault(endpoint).endswith("is no http or https URL")
