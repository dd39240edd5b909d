"""Claims: what somebody may ask to have taken down, as read from the command line, a list or a table."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

import idna

from recast.settings import UserError

KINDS = ("blob", "repo", "url", "domain", "content")
BLOB = re.compile("[0-9a-f]{40}")
CONTENT = re.compile("[0-9a-f]{64}")
REPO = re.compile(r"[^/\s:@]+/[^/\s:@]+")
DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{1,63}")
ADDRESS = "^[A-Za-z][A-Za-z0-9+.-]*://([^/?#@]*@)?([^/?#:]+)"  # https://www.rfc-editor.org/rfc/rfc3986#appendix-B
MAX_CHARS = 4096  # as lakehouse/incoming.py cuts names


class Claim(NamedTuple):
    """What is to be taken down.

    Attributes:
        kind: `blob` (blob_id of The Stack v2), `repo` (its repo_name in small letters, since GitHub's names differ by
            more than case), `url` of a page, `domain` with all below it, or `content` (sha256 of a text as UTF-8,
            hexadecimal).
        value: which one.
    """

    kind: str
    value: str


class Listed(NamedTuple):
    """The claims of a list, in their order, and what was wrong with its other lines."""

    claims: list[Claim]
    duplicates: int
    malformed: list[str]


def claim(kind: str, value: str) -> Claim:
    """Return a claim with its value as tables hold it.

    Raises:
        UserError: `value` names no such thing.
    """
    value = value.strip()
    if kind in ("blob", "content", "repo"):
        value = value.lower()
    if kind == "domain":
        value = host_of(value)
    fits = {
        "blob": lambda: BLOB.fullmatch(value),
        "content": lambda: CONTENT.fullmatch(value),
        "repo": lambda: REPO.fullmatch(value),
        "url": lambda: re.match(r"https?://\S+$", value),
        "domain": lambda: DOMAIN.fullmatch(value),
    }
    if kind not in fits:
        raise UserError(f"there is no kind of claim {kind!r}; there are {', '.join(KINDS)}")
    if not value.isprintable() or len(value) > MAX_CHARS or not fits[kind]():
        raise UserError(f"{value[:100]!r} is no {kind}")
    return Claim(kind, value)


def host_of(name: str) -> str:
    """Return the host of an address, or a host name as it is: in small letters, as ASCII (IDNA 2008), without port or dots
    at its ends; "" for what is none."""
    try:
        host = urlsplit(name if "://" in name else f"//{name}").hostname or ""
        host = host.removeprefix("*.").rstrip(".")
        return host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, ValueError):
        return ""


def hosts_of(domain: str) -> set[str]:
    """Return a domain in the spellings that addresses have: ASCII and, where it has one, Unicode."""
    try:
        return {domain, idna.decode(domain)}
    except (idna.IDNAError, ValueError):
        return {domain}


def host_sql(column: str) -> str:
    """Return, as SQL of DuckDB and of Spark, the host of an address as it is: in small letters, without dots at its end, "" for
    none. What browsers forgive is no way around a claim: blanks before the address, backslashes for slashes.
    """
    address = f"trim(translate({column}, chr(92), '/'))"
    return f"trim(TRAILING '.' FROM lower(regexp_extract({address}, '{ADDRESS}', 2)))"


def is_of(address: str, domains: Collection[str]) -> bool:
    """Say whether the host of an address, found as `host_sql` does, is one of some `domains`, or lies below one."""
    found = re.match(ADDRESS, address.replace("\\", "/").strip(" "))
    labels = found[2].lower().rstrip(".").split(".") if found else []
    return any(".".join(labels[place:]) in domains for place in range(len(labels)))


def kind_of(value: str) -> str:
    """Return the kind of thing that a bare value of a list names, by its form."""
    if BLOB.fullmatch(value.lower()):
        return "blob"
    if CONTENT.fullmatch(value.lower()):
        return "content"
    if "://" in value:
        return "url"
    return "repo" if "/" in value else "domain"


def read_list(lines: Iterable[str], kind: str = "") -> Listed:
    """Read one claim a line, as ``repo owner/name`` or a bare value whose form says what it names.

    Empty lines and those that begin with ``#`` are passed over. A malformed or repeated line is counted, and the others
    are read all the same.

    Args:
        lines: the lines.
        kind: what bare values name, where it is known.
    """
    found: dict[Claim, None] = {}
    duplicates, malformed = 0, []
    for line in (line.strip().removeprefix("\ufeff") for line in lines):
        if not line or line.startswith("#"):
            continue
        first, _, rest = line.partition(" ")
        named = (first, rest) if first in KINDS and rest else (kind or kind_of(line), line)
        try:
            read = claim(*named)
        except UserError as problem:
            malformed.append(str(problem))
            continue
        duplicates += read in found
        found[read] = None
    return Listed(list(found), duplicates, malformed)
