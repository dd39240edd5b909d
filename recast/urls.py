"""What is wrong with an endpoint's URL, said without a password that it may hold."""

import re
from urllib.parse import urlsplit


def endpoint_fault(endpoint: str) -> str:
    """Return what is wrong with an endpoint's URL, without a password that it may hold; "" where nothing is."""
    try:
        parts = urlsplit(endpoint)
        usable = (
            endpoint.isprintable() and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        )
    except ValueError:
        return f"the endpoint {_without_login(endpoint)!r} is no http or https URL"
    if "@" in parts.netloc:
        return f"the endpoint {_without_login(endpoint)!r} holds a user name or password: give a key instead"
    return "" if usable else f"the endpoint {_without_login(endpoint)!r} is no http or https URL"


def _without_login(url: str) -> str:
    return re.sub(r"(?s)^(\w+:/*)?.*@", r"\1***@", url)
