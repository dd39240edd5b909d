"""HTTP with strangers: follows no redirect, and bounds what is received in bytes and in time.

A redirect would carry a key or a text to a host that nobody chose. An answer may be endless, drip a byte a second or
unpack to a thousand times what came. Nothing is taken from `~/.netrc`; proxies are the environment's.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urljoin

import aiohttp

from recast.http import proxy_of
from recast.inference.answers import decoded
from recast.printable import printable

MAX_TARGET_CHARS = 200
# What is read of a list of models, a version or figures: 16 kB for each of 500 models.
MAX_GET_BYTES = 8 << 20
Hide = Callable[[str, bool], str]
"""Takes secrets out of what an endpoint says; the second argument tells that it is an answer (status 200)."""


class ResponseError(Exception):
    """A response that is not read, in words: a redirect, whose target is named, or one that is too large."""

    def __init__(self, words: str, target: str = "") -> None:
        """Keep the words, and a redirect's target."""
        super().__init__(words)
        self.target = target


class Response(NamedTuple):
    """What came: the body is text, without the secrets that the caller hides."""

    status: int
    text: str
    retry_after: str | None = None


async def receive(response: aiohttp.ClientResponse, most_bytes: int, hide: Hide) -> Response:
    """Read a response that was asked for with `allow_redirects=False`.

    Args:
        response: its head is there.
        most_bytes: of its body, unpacked.
        hide: for the body and a redirect's target.

    Raises:
        ResponseError: a redirect, or more than `most_bytes`.
        aiohttp.ClientError, TimeoutError: as `aiohttp` does.
    """
    if 300 <= response.status < 400:
        response.close()
        target = printable(hide(_target(response), False), MAX_TARGET_CHARS)
        raise ResponseError(f"{response.status}, a redirect to {target or 'nowhere'}, which is not followed", target)
    body = bytearray()
    # aiohttp unpacks no more at a time than its buffer takes.
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            response.close()
            raise ResponseError(f"{response.status}, with more than {most_bytes} bytes, which are not read")
    return Response(response.status, hide(decoded(body), response.status == 200), response.headers.get("Retry-After"))


def get(
    url: str,
    timeout_s: float,
    hide: Hide = lambda text, _: text,
    headers: dict[str, str] | None = None,
    socket: str | None = None,
    proxied: bool = True,
) -> Response:
    """GET a URL, over a Unix socket where one is named, by the environment's proxy if `proxied`; not within an event loop.

    Raises what `receive` does, and OSError; `timeout_s` is for the whole exchange.
    """

    async def exchange() -> Response:
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(socket) if socket else aiohttp.TCPConnector()
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        proxy = proxy_of(url) if proxied else None
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url, headers=headers, proxy=proxy, allow_redirects=False) as response,
        ):
            return await receive(response, MAX_GET_BYTES, hide)

    return asyncio.run(exchange())


def words(error: Exception, timeout_s: float) -> str:
    """Return what went wrong in an exchange, in words of ours: aiohttp's own quote whatever the endpoint sent."""
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no answer within {timeout_s:.0f} s"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer came"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError):
        return f"the response broke off or is no HTTP ({type(error).__name__})"
    return printable(str(error), 2 * MAX_TARGET_CHARS) or type(error).__name__


def _target(response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location", "")
    try:
        return urljoin(str(response.url), location) if location else ""
    except ValueError:
        return location
