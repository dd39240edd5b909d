"""The settings of fetching: how a store of contents is reached, and how much of it may be asked for at once."""

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from recast.settings import Group, setting
from recast.urls import endpoint_fault

BUCKET = re.compile(r"s3[an]?://[\w.-]+(/|$)", re.ASCII)  # some stores allow more than Amazon, but no other characters
TABLE = re.compile(r"(?P<place>(?!https?:).+)#(?P<column>[A-Za-z_]\w*)", re.ASCII | re.DOTALL)
REGION = re.compile("[A-Za-z0-9_-]{1,64}")  # it becomes part of a host's name


def table_of(location: str) -> tuple[str, str] | None:
    """Return place and column of contents that a table holds, ``PLACE#COLUMN``; None where the location is a store's.

    A folder that is there is a store, whatever it is called; else the last ``#`` counts.
    """
    found = None if os.path.isdir(location) else TABLE.fullmatch(location)
    return (found["place"], found["column"]) if found else None


def contents_fault(name: str, location: str) -> str | None:
    """Return what is wrong with a store's or a table's location; one that holds a credential is not repeated."""
    if table := table_of(location):
        location = table[0]
    rest = location.partition("://")[2]
    if "@" in rest.partition("/")[0] or re.search("[?#]", rest):
        return (
            f"{name} holds a user name, a password or a query: credentials come from the environment (docs/contents.md)"
        )
    remote = re.match("(s3[an]?|https?):", location)
    if remote and not (_is_url(location) if remote[1].startswith("http") else BUCKET.match(location)):
        host = "bucket" if remote[1].startswith("s3") else "host"
        return f"{name} is {location}; give {remote[1]}://{host}/prefix"
    return None


def _is_url(location: str) -> bool:
    """Say whether a location can stand in a request as it is: it has a host, its port is one, and no character is to be quoted."""
    try:
        parts = urlsplit(location)
        return bool(re.fullmatch("[!-~]+", location) and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def _region_fault(name: str, region: str) -> str | None:
    return None if REGION.fullmatch(region) else f"{name} is {region!r}; give a region such as us-east-1"


def _endpoint_fault(_name: str, endpoint: str) -> str | None:
    return endpoint_fault(endpoint) or None


@dataclass(frozen=True)
class Settings(Group):
    """How contents are fetched (docs/contents.md). Credentials are no setting: they are the environment's."""

    contents_endpoint: str = setting(
        "",
        "URL of the S3-compatible store of contents; empty: AWS_ENDPOINT_URL_S3, else Amazon's, and not s3_endpoint",
        check=_endpoint_fault,
    )
    contents_region: str = setting(
        "", "region of the store of contents; empty: AWS_REGION, else us-east-1", check=_region_fault
    )
    contents_anonymous: bool = setting(
        False, "whether requests to the store of contents are not signed: a public bucket"
    )
    fetch_at_once: int = setting(128, "most requests for contents in flight, of all tasks together", least=2)
    fetch_requests_per_s: float = setting(
        500.0,
        "most requests for contents a second, of all tasks together; 0: any. A folder is read without limit",
        least=0,
    )
    fetch_bytes_per_s: float = setting(0.0, "most bytes of contents a second, of all tasks together; 0: any", least=0)
    fetch_timeout_s: float = setting(60.0, "seconds that one request for contents may take", least=0.01)
