"""What tests of contents share: a store, and an environment without credentials."""

from collections.abc import Iterator

import pytest

from tests.stores import Served, serving


@pytest.fixture
def served() -> Iterator[Served]:
    """A store without objects."""
    with serving() as store:
        yield store


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no credentials, endpoints or proxies but their own."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION", "ENDPOINT_URL"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
