"""Stores of contents, chosen by the form of their location: an S3-compatible store, an HTTP mirror, or files.

A request ends with an object's bytes or with `Missed`, which says what that means. Nothing here tries again.
"""

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import pyarrow.fs as pafs
from yarl import URL

from recast import __version__, s3
from recast.http import proxy_of, retry_after_s
from recast.printable import printable
from recast.storage import Place, place
from recast.udfs.contents.blobs import MAX_TEXT_BYTES

CONNECT_S = 10.0
SIGNED_FOR = timedelta(minutes=15)
MAX_ERROR_BYTES = 4096
MAX_WORDS_CHARS = 200
HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"recast/{__version__}"}
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where an instance profile or a web identity gives them, "
    "or set contents_anonymous for a public bucket"
)
# Error codes of S3 that say something of the bucket, the credentials or the endpoint, and nothing of one object
# (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), with what to do.
OF_THE_STORE = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "that is no name of a bucket",
    "AllAccessDisabled": "all access to it is disabled",
    "AccountProblem": "there is a problem with its account",
    "InvalidAccessKeyId": f"it does not know AWS_ACCESS_KEY_ID: {CREDENTIALS}",
    "SignatureDoesNotMatch": "the signature does not match: is AWS_SECRET_ACCESS_KEY right, and contents_region?",
    "ExpiredToken": "the credentials have expired: renew AWS_SESSION_TOKEN",
    "InvalidToken": "it does not know AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "AuthorizationHeaderMalformed": "the region is wrong: set contents_region",
    "AuthorizationQueryParametersError": "the region is wrong: set contents_region",
    "PermanentRedirect": "the bucket is in another region: set contents_region",
}
_CODE = re.compile(rb"<Code>(\w{1,100})</Code>")

Get = Callable[[str], Awaitable[bytes]]
"""Asks for the object of a blob_id once. Raises Missed."""


class Store(NamedTuple):
    """Where contents are: a folder or URI; the other fields are of S3-compatible stores.

    `without_keys` says that the environment's keys are not this store's but the lake's, from a profile, on workers as well.
    """

    location: str
    endpoint: str = ""
    region: str = ""
    anonymous: bool = False
    without_keys: bool = False

    @property
    def remote(self) -> bool:
        """Whether it is asked over HTTP."""
        return self.is_mirror or self.bucket != ""

    @property
    def is_mirror(self) -> bool:
        """Whether it is a mirror over HTTP, which may have blobs unpacked."""
        return bool(re.match("https?://", self.location))

    @property
    def bucket(self) -> str:
        """Its bucket; empty where it is no S3-compatible store."""
        found = re.match("s3[an]?://([^/]+)", self.location)
        return found[1] if found else ""

    @property
    def prefix(self) -> str:
        """What stands before a blob_id in its bucket; empty or with a slash at its end."""
        below = self.location.partition("://")[2].partition("/")[2].strip("/")
        return f"{below}/" if below else ""

    @property
    def words(self) -> str:
        """The store in words."""
        if not self.bucket:
            return self.location
        how = "anonymously" if self.anonymous else "with the environment's credentials"
        where = self.endpoint or "Amazon S3"
        return f"{self.location} at {where}, region {self.region}, asked {how}"


class Missed(Exception):  # noqa: N818 an event, not an error
    """A request that did not bring its object.

    Attributes:
        status: what it says of the object, a reason of raw_code; empty where it says something of the store as a whole.
        words: what happened, without a secret.
        passing: whether the same request may succeed in a while.
        after_s: how long the store asks to be left alone, in seconds.
    """

    def __init__(self, status: str, words: str, passing: bool = False, after_s: float = 0.0) -> None:
        """Keep what is known."""
        super().__init__(words)
        self.status, self.words, self.passing, self.after_s = status, words, passing, after_s


def store_at(location: str, endpoint: str = "", region: str = "", anonymous: bool = False) -> Store:
    """Return the store at a location, with what the environment says where endpoint and region are empty.

    What `s3.use` has put there is of the lake, and does not count.
    """
    found = Store(location)
    if not found.bucket:
        return found
    endpoint = endpoint or next(filter(None, map(s3.given, s3.ENDPOINTS)), "")
    region = region or next(filter(None, map(s3.given, s3.REGIONS)), "us-east-1")
    return Store(location, endpoint.rstrip("/"), region, anonymous, s3.keys_are_a_profiles())


@asynccontextmanager
async def opened(store: Store, at_once: int, timeout_s: float) -> AsyncIterator[Get]:
    """Give the way to ask a store until the block ends; `at_once` is how many requests it must be good for."""
    if not store.remote:
        pool = ThreadPoolExecutor(at_once)
        try:
            yield partial(_from_files, place(store.location), pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
    connector = aiohttp.TCPConnector(limit=at_once, ttl_dns_cache=300)
    # Not with trust_env, which would send what ~/.netrc says. What is packed is unpacked elsewhere, within its bounds.
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=HEADERS,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield partial(_from_http, session, proxy_of(base_url(store)), _addresses(store))


def base_url(store: Store) -> str:
    """Return the address before a blob_id. Amazon's has the bucket in its host, where a certificate allows that."""
    if not store.bucket:
        return f"{store.location}/"
    root, path = _endpoint(store), "" if _virtual(store) else f"{store.bucket}/"
    return f"{root}/{path}{quote(store.prefix)}"


def _virtual(store: Store) -> bool:
    return not store.endpoint and "." not in store.bucket


def _endpoint(store: Store) -> str:
    host = f"s3.{store.region}.amazonaws.com"
    return store.endpoint or (f"https://{store.bucket}.{host}" if _virtual(store) else f"https://{host}")


def _addresses(store: Store) -> Callable[[str], Awaitable[str]]:
    """Return what gives the address of a blob's object, signed where the store wants that. It raises Missed."""
    base = base_url(store)

    async def plain(blob_id: str) -> str:
        return base + blob_id

    if not store.bucket or store.anonymous:
        return plain
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    with s3.hiding(s3.KEYS if store.without_keys else ()):
        signer = S3Store(
            store.bucket,
            # The parameter `endpoint` counts for less than this variable, which may be the lake's.
            config={"aws_endpoint_url_s3": _endpoint(store)},
            region=store.region,
            virtual_hosted_style_request=_virtual(store),
            skip_signature=False,
            client_options={"allow_http": True, "timeout": "5s", "connect_timeout": "2s"},
            retry_config={"max_retries": 0},
        )

    async def signed(blob_id: str) -> str:
        try:
            return await obstore.sign_async(signer, "GET", store.prefix + blob_id, SIGNED_FOR)
        except BaseError:  # its words may say where credentials were looked for, and with what
            raise Missed("", f"there are no credentials for it: {CREDENTIALS}", passing=True) from None

    return signed


async def _from_http(
    session: aiohttp.ClientSession, proxy: str | None, address: Callable[[str], Awaitable[str]], blob_id: str
) -> bytes:
    url = URL(await address(blob_id), encoded=True)
    try:
        async with session.get(url, proxy=proxy, allow_redirects=False) as response:
            if response.status != 200:
                raise await _refused(response)
            return await _received(response)
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        raise _of_problem(problem) from None  # with its address, which may be signed, in no trace


async def _received(response: aiohttp.ClientResponse) -> bytes:
    """Return an object's bytes. Raises Missed for more of them than are read."""
    body = bytearray()
    if (response.content_length or 0) <= MAX_TEXT_BYTES:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > MAX_TEXT_BYTES:
                break
        else:
            return bytes(body)
    response.close()
    raise Missed("too_large", f"more than {MAX_TEXT_BYTES} bytes")


async def _refused(response: aiohttp.ClientResponse) -> Missed:
    """Return what a response without an object means."""
    code, status = "", response.status
    if status >= 400:
        found = _CODE.search(await _beginning(response.content))
        code = found[1].decode() if found else ""
    response.close()
    words = f"it answers {status} {code}".rstrip()
    region = printable(response.headers.get("x-amz-bucket-region", ""), 40)
    if 300 <= status < 400:
        if region:
            return Missed("", f"{words}; the bucket is in the region {region}: set contents_region")
        target = printable(response.headers.get("Location", ""), MAX_WORDS_CHARS).partition("?")[0]
        named = target or "it does not say which"
        return Missed("store_error", f"{words}; redirects are not followed: name the place itself ({named})")
    if code in OF_THE_STORE:
        advice = OF_THE_STORE[code]
        if region and advice.endswith("set contents_region"):
            advice += f" to {region}"
        return Missed("", f"{words}; {advice}")
    if status in (404, 410):
        return Missed("content_missing", words)
    if status in (401, 403):
        return Missed("forbidden", words)
    if status in (429, 503):
        return Missed("throttled", words, True, retry_after_s(response.headers.get("Retry-After")))
    return Missed("store_error", words, status >= 500 or status in (408, 409, 425))


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Return the first MAX_ERROR_BYTES of a body, in however many pieces they come; fewer where it ends or breaks off."""
    body = b""
    with suppress(aiohttp.ClientError, OSError):  # the status says enough. A TimeoutError is an OSError
        while len(body) < MAX_ERROR_BYTES and (piece := await content.read(MAX_ERROR_BYTES - len(body))):
            body += piece
    return body


def _of_problem(problem: Exception) -> Missed:
    """Return what an error means that came in place of a response. Errors are put into words of ours: theirs hold addresses."""
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        return Missed("", f"the proxy answers {problem.status}", True)
    if isinstance(problem, aiohttp.ClientConnectorError):
        cause = problem.os_error.strerror or type(problem.os_error).__name__
        return Missed("", f"cannot connect to {printable(str(problem.host), MAX_WORDS_CHARS)}: {cause}", True)
    if isinstance(problem, aiohttp.ConnectionTimeoutError):
        return Missed("", f"no connection within {CONNECT_S:.0f} s", True)
    if isinstance(problem, TimeoutError):
        return Missed("timeout", "no whole object in the time of a request", True)
    if isinstance(problem, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | OSError):
        return Missed("cut_off", "the connection broke", True)
    return Missed("store_error", f"an answer that is no HTTP ({type(problem).__name__})", True)


async def _from_files(folder: Place, pool: ThreadPoolExecutor, blob_id: str) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(pool, read_file, folder, blob_id)


def read_file(folder: Place, blob_id: str) -> bytes:
    """Read a blob's file. Raises Missed."""
    path = f"{folder.path}/{blob_id}"
    try:
        with folder.filesystem.open_input_stream(path, compression=None) as stream:
            packed: bytes = stream.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        raise Missed("content_missing", "there is no such file") from None
    except PermissionError:
        raise Missed("forbidden", "the file may not be read") from None
    except OSError as problem:
        if not _is_file(folder, path):
            raise Missed("content_missing", "there is no file of that name") from None
        raise Missed("store_error", os.strerror(problem.errno) if problem.errno else "cannot be read", True) from None
    if len(packed) > MAX_TEXT_BYTES:
        raise Missed("too_large", f"more than {MAX_TEXT_BYTES} bytes")
    return packed


def _is_file(folder: Place, path: str) -> bool:
    """Say whether a file is there; a folder or a link that leads nowhere in its place is none."""
    try:
        return bool(folder.filesystem.get_file_info(path).type == pafs.FileType.File)
    except OSError as problem:
        return problem.errno != errno.ELOOP
