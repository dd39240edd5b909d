"""S3, and stores that speak its protocol: endpoint, region and keys, found in one place and spelled for every client.

Four clients read and write a lake in a bucket: Spark's (S3A), delta-rs, pyarrow's and obstore. All but Spark's read the
variables of AWS's own tools, in this process and in those that it starts. So `use` puts there what the settings say, and
`spark_settings` spells the same for Spark. Keys are read from the environment, a profile or the machine, and from no setting.
`given` tells what the environment said before: contents lie in a store of their own, and the lake's settings say nothing of it.
"""

import configparser
import contextlib
import functools
import os
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recast.printable import printable
from recast.settings import UserError
from recast.urls import endpoint_fault

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEMES = ("s3", "s3a", "s3n")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# Where a container, a pod or a function finds its role; a machine asks its own metadata service.
ROLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
ANY_REGION = "us-east-1"  # what a store of one's own calls its region, where nobody named it
CONNECT_S, REQUEST_S, RETRIES = 3, 10, 2
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_put: dict[str, tuple[str | None, str]] = {}
"""Variables that `use` has set: their values before, and those that it gave them."""


class Location(NamedTuple):
    """A folder of a bucket; `path` is empty for the bucket itself."""

    bucket: str
    path: str


def is_s3(location: str) -> bool:
    """Say whether a location lies in the store that this module finds: one that names its own store or user does not."""
    scheme, separator, rest = location.partition("://")
    return bool(separator) and scheme in SCHEMES and "?" not in rest and "@" not in rest.partition("/")[0]


def located(location: str) -> Location:
    """Return bucket and path of ``s3a://bucket/path``."""
    bucket, _, path = location.partition("://")[2].partition("/")
    return Location(bucket, path.strip("/"))


def endpoint() -> str:
    """Return the URL of the store, empty for AWS's own."""
    return next(filter(None, map(os.environ.get, ENDPOINTS)), "") or ""


def region() -> str:
    """Return the store's region; empty where nobody named one and the store is AWS's own."""
    return next(filter(None, map(os.environ.get, REGIONS)), "") or (ANY_REGION if endpoint() else "")


def use(given_endpoint: str = "", given_region: str = "") -> None:
    """Tell all clients of this process, and of those that it starts, where the store is and by which keys to enter.

    A setting beats a variable. Keys of a profile count where the environment has none: obstore, and Spark's client by
    default, read no profile. What an earlier call has set is undone first.

    Raises:
        UserError: the endpoint is no http or https URL, or holds a password.
    """
    undo()
    if fault := (given_endpoint or endpoint()) and endpoint_fault(given_endpoint or endpoint()):
        raise UserError(f"of S3, {fault}")
    if given_endpoint:
        _set(ENDPOINTS[0], given_endpoint)
    if given_region or region():
        _set(REGIONS[0], given_region or region())
    if endpoint().startswith("http:") and "AWS_ALLOW_HTTP" not in os.environ:
        _set("AWS_ALLOW_HTTP", "true")
    if not any(map(os.environ.get, KEYS)):
        for name, value in profile_keys().items():
            _set(name, value)


def undo() -> None:
    """Give the variables that `use` has set the values that they had before, but for those that others have set since."""
    for name, (before, value) in _put.items():
        if os.environ.get(name) == value:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before
    _put.clear()


def _set(name: str, value: str) -> None:
    _put[name] = os.environ.get(name), value
    os.environ[name] = value


def given(name: str) -> str:
    """Return the value of a variable as the environment had it before `use`; empty where it has none."""
    now = os.environ.get(name)
    before, value = _put.get(name, (now, None))
    return (before if now == value else now) or ""


def keys_are_a_profiles() -> bool:
    """Say whether the environment's keys are there because `use` took them from a profile, for the lake alone."""
    return any(os.environ.get(name) and not given(name) for name in KEYS)


@contextlib.contextmanager
def hiding(names: Sequence[str]) -> Iterator[None]:
    """Take variables out of the environment for the moment in which a client is made that must not read them.

    No other thread may make one meanwhile that needs them.
    """
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ |= hidden


def profile_keys() -> dict[str, str]:
    """Return the keys of the profile that AWS_PROFILE names, else of the default one; none where it has none."""
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials"
    profiles = configparser.RawConfigParser()
    try:
        profiles.read(file, encoding="utf-8")
        found = dict(profiles[os.environ.get("AWS_PROFILE") or "default"])
    except (configparser.Error, KeyError, OSError, UnicodeError):
        return {}
    return {name: found[name.lower()] for name in KEYS if found.get(name.lower())}


def environment() -> dict[str, str]:
    """Return the variables by which clients find the store and enter it; workers on other hosts need them, too."""
    return {name: os.environ[name] for name in (*ENDPOINTS, *REGIONS, *KEYS, "AWS_ALLOW_HTTP") if os.environ.get(name)}


def spark_settings() -> dict[str, str]:
    """Return the settings of Spark's own client; Spark itself takes the keys from the driver's environment."""
    settings = {"s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem"}
    if endpoint():
        settings |= {"s3a.endpoint": endpoint(), "s3a.path.style.access": "true"}
        settings["s3a.connection.ssl.enabled"] = str(not endpoint().startswith("http:")).lower()
    if region():
        settings["s3a.endpoint.region"] = region()
    return {f"spark.hadoop.fs.{name}": value for name, value in settings.items()}


def conflict(spark: dict[str, str]) -> str | None:
    """Return what is wrong where Spark's settings name another store than the other clients read; None where nothing is."""
    theirs = spark.get("spark.hadoop.fs.s3a.endpoint", "")
    if not theirs or not endpoint() or _host(theirs) == _host(endpoint()):
        return None
    return f"Spark reads S3 at {theirs} (spark.hadoop.fs.s3a.endpoint), and s3_endpoint is {endpoint()}: name one"


def _host(url: str) -> str:
    return url.rpartition("://")[2].strip("/").lower()


def store(location: str) -> "S3Store":
    """Return obstore's client of a folder in a bucket. It gives up within seconds."""
    from obstore.store import S3Store

    bucket, path = located(location)
    return S3Store(
        bucket,
        prefix=path or None,
        region=region() or ANY_REGION,
        client_options={
            "allow_http": endpoint().startswith("http:"),
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "timeout": timedelta(seconds=REQUEST_S),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=REQUEST_S)},
    )


@functools.cache
def require(location: str) -> None:
    """Stop where a bucket cannot be listed, by one small request, once in a process. Other clients try for minutes.

    Raises:
        UserError: with bucket, endpoint and what is missing, in one line.
    """
    import obstore
    from obstore.exceptions import BaseError

    try:
        next(iter(obstore.list(store(location), chunk_size=1)), None)
    except (BaseError, OSError, ValueError) as problem:
        raise UserError(told(location, problem)) from None


def told(location: str, problem: Exception) -> str:
    """Return why a client does not get at a location, with its bucket and endpoint, in one line without a key."""
    bucket = located(location).bucket
    here = endpoint() or f"AWS{f' in {region()}' if region() else ''}"
    start = f"bucket {bucket} at {here} cannot be used"
    words = str(problem)
    code, status = (next(iter(found.findall(words)), "") for found in (_CODE, _STATUS))
    lacking = [name for name in KEYS[:2] if not os.environ.get(name)]
    if len(lacking) == 1:
        why = f"{lacking[0]} is not set"
    elif lacking and ("Code>" not in words or code in ("AccessDenied", "MissingSecurityHeader")):
        roles = any(map(os.environ.get, ROLES))
        why = "the role of this machine gives no keys" if roles else "AWS_ACCESS_KEY_ID is not set"
        why += ", no profile has keys and the machine has none" if not roles else ""
    elif code == "NoSuchBucket":
        why = "there is no such bucket"
    elif code in ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException") or (
        "redirect" in words.lower()
    ):
        why = f"it is in another region than {region() or ANY_REGION}: set s3_region"
    elif code:
        why = f"the store says {code}" + ("" if status != "403" else " to the key of AWS_ACCESS_KEY_ID")
    elif status:
        why = f"the store answers with status {status}"
    else:
        why = "nothing answers there" + ("" if endpoint() else "; for another store than AWS set s3_endpoint")
    return printable(f"{start}: {why}")
