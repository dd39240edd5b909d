"""The settings that say what is taken of the sources; docs/sources.md lists them with the reason that each gives."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any

from recast.schemas.raw_code import LICENSE_TYPES
from recast.settings import Group, setting

MARKS = ("vendored", "generated")
"""What a listing says of files."""
KINDS = (*MARKS, "guessed")
"""What `code_dropped` may name: files that a listing marks, and those whose encoding is a guess."""
MAX_LISTED_BYTES = 4 * 1024 * 1024  # a larger file is `too_large` once it was fetched
ANY = "any"
DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*")
LICENSE = re.compile(r"[\w.+-]+")
LANGUAGE = re.compile(r"[\w+#'.*()/ -]+")


def words(value: str) -> list[str]:
    """Return what a list in a setting holds, by name and each once; commas stand between. `any` stands for no list."""
    found = {word.strip() for word in value.split(",")} - {""}
    return [] if ANY in found else sorted(found)


def each_of(known: Collection[str]) -> Callable[[str, str], str | None]:
    """Return a check that a list names only what is `known`."""

    def fault(name: str, value: str) -> str | None:
        unknown = [word for word in words(value) if word not in known]
        return f"{name} names {unknown[0]!r}; give any of {', '.join(known)}, with commas between" if unknown else None

    return fault


def each_like(form: re.Pattern[str], what: str) -> Callable[[str, str], str | None]:
    """Return a check that a list holds only words of a form, which users call `what`."""

    def fault(name: str, value: str) -> str | None:
        odd = [word for word in words(value) if not form.fullmatch(word)]
        return f"{name} names {odd[0]!r}, which is no {what}; give {what}s with commas between" if odd else None

    return fault


def globs_fault(name: str, value: str) -> str | None:
    """Return what is wrong with a list of globs that would silently fit nothing."""
    odd = [word for word in words(value) if word.endswith("/") or set(word) & set("[]{}!\\")]
    return f"{name} names {odd[0]!r}; globs have *, ** and ?, and a folder is named as folder/**" if odd else None


@dataclass(frozen=True)
class Settings(Group):
    """What is taken of the sources. Lists are words with commas between; 0, an empty list and `any` set no limit.

    The recipe takes every Python file and every page. The default is stricter in one thing: files without a permissive
    licence are not taken. The limits of StarCoder2 (arXiv 2402.19173, section 3.1) are named where a setting is one.
    """

    sample: int = setting(
        0, "take this many documents, drawn by hash, into a lake of their own (LAKE-sample-N); 0: all", least=0
    )
    price_requests: float = setting(0.0, "price of a million requests to the store of contents", least=0)
    price_gb: float = setting(0.0, "price of a GB that leaves the store of contents", least=0)
    code_languages: str = setting(
        "Python",
        "languages of the files that are rows, as the source calls them",
        check=each_like(LANGUAGE, "language"),
    )
    code_license_types: str = setting(
        "permissive",
        f"words for licences that are taken, of {', '.join(reversed(LICENSE_TYPES))}; every occurrence must have one",
        check=each_of(tuple(reversed(LICENSE_TYPES))),
    )
    code_licenses_allowed: str = setting(
        "",
        "SPDX names; a file is taken only if licences were detected and all are among them",
        check=each_like(LICENSE, "SPDX name"),
    )
    code_licenses_denied: str = setting(
        "", "SPDX names; a file in which one was detected is not taken", check=each_like(LICENSE, "SPDX name")
    )
    code_dropped: str = setting(
        "",
        f"kinds of files that are not taken, of {', '.join(KINDS)} (which their encoding is)",
        check=each_of(KINDS),
    )
    code_paths_allowed: str = setting(
        "", "globs (src/**/*.py, *.pyi); a file is taken only where a path fits one", check=globs_fault
    )
    code_paths_denied: str = setting(
        "", "globs (tests/**, *_pb2.py); a file is not taken whose every path fits one", check=globs_fault
    )
    code_min_bytes: int = setting(0, "fewest bytes of a file, as the source lists it", least=0)
    code_max_bytes: int = setting(MAX_LISTED_BYTES, "most bytes of a file, as the source lists it", least=0)
    code_max_line_length: int = setting(0, "most characters of the longest line (StarCoder2: 1000)", least=0)
    code_max_mean_line_length: float = setting(0.0, "most characters of a line on average (StarCoder2: 100)", least=0)
    code_max_lines: int = setting(0, "most lines of a file (StarCoder2: 100000)", least=0)
    code_alphanum_floor: float = setting(
        0.0, "smallest share of letters and digits in a file (StarCoder2: 0.25)", least=0, most=1
    )
    math_min_score: int = setting(
        0, "lowest int_score of a page: 3 takes what is in FineMath-3+, 4 what is in FineMath-4+", least=0
    )
    math_score_floor: float = setting(0.0, "lowest score of a page, which int_score rounds", least=0)
    math_languages: str = setting(
        "", "languages of pages, as the source calls them (en)", check=each_like(LANGUAGE, "language")
    )
    math_language_floor: float = setting(
        0.0, "lowest share by which a page is in its language (language_score)", least=0, most=1
    )
    math_min_tokens: int = setting(0, "fewest tokens of a page, as the source counts them", least=0)
    math_max_tokens: int = setting(0, "most tokens of a page, as the source counts them", least=0)
    math_domains_allowed: str = setting(
        "",
        "domains (example.org); a page is taken only if its host is one or lies below it",
        check=each_like(DOMAIN, "domain"),
    )
    math_domains_denied: str = setting(
        "", "domains; a page whose host is one or lies below it is not taken", check=each_like(DOMAIN, "domain")
    )


def facts(settings: Settings, lane: str) -> dict[str, Any]:
    """Return what a lane's settings ask for, for a fingerprint: limits that are not set are left out."""
    found: dict[str, Any] = {"sample": settings.sample}
    for each in fields(Settings):
        prefix, _, name = each.name.partition("_")
        if prefix == lane:
            value = getattr(settings, each.name)
            found[name] = words(value) if isinstance(value, str) else value
    return {name: value for name, value in found.items() if value}
