"""What clients of HTTP share: the environment's proxies, and how long a server asks to be left alone."""

import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

MAX_RETRY_AFTER_S = 600.0


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment (`https_proxy`, `no_proxy`) has for a URL, None where it has none.

    Raises OSError for one that is no HTTP proxy.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        named = urlsplit(proxy)
        usable = named.scheme in ("http", "https") and named.hostname and named.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise OSError(f"{parts.scheme}_proxy names no HTTP proxy")
    return proxy


def retry_after_s(value: str | None) -> float:
    """Return a Retry-After header (RFC 9110, section 10.2.3: seconds or a date) in seconds, 0 where there is none."""
    if not value:
        return 0.0
    try:
        return min(max(0.0, float(value)), MAX_RETRY_AFTER_S)
    except ValueError:
        pass
    try:
        return min(max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError, OverflowError):
        return 0.0
