"""What speaks against taking a document, as SQL over stored columns, over a listing, by DuckDB or by Spark."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from recast.jobs.selection import MARKS, Settings, words
from recast.lakehouse.claims import host_of, host_sql, hosts_of
from recast.lakehouse.confinement import quoted
from recast.lakehouse.source_sql import Dialect
from recast.schemas.raw_code import GUESSED

HOST = f"coalesce({host_sql('url')}, '')"
"""The host of the column `url`, in SQL; empty where it has none."""


class Files(NamedTuple):
    """How SQL names what is known of a blob's files.

    Attributes:
        some: says whether one of the files meets a condition, in which their columns have the prefix `of`.
        is_vendored, is_generated: whether every file is.
        length_bytes: the blob's size.
    """

    some: Callable[[str], str]
    of: str
    is_vendored: str
    is_generated: str
    length_bytes: str


STORED = Files(
    lambda condition: f"coalesce(exists(occurrences, file -> {condition}), false)",
    "file.",
    *("is_vendor", "is_generated", "length_bytes"),
)
"""As rows of raw_code hold them, for Spark."""
LISTED = Files(
    lambda condition: f"coalesce(bool_or({condition}), false)",
    "",
    *("bool_and(coalesce(is_vendor, false))", "bool_and(coalesce(is_generated, false))", "max(length_bytes)"),
)
"""As a query over listed files has them that groups these by blob."""


def against_files(settings: Settings, sql: Dialect, files: Files) -> dict[str, str]:
    """Return, by reason, the conditions under which a blob is not taken that a listing decides: it need not be fetched."""
    found: dict[str, str] = {}
    of, detected = files.of, f"{files.of}detected_licenses"
    said = f"coalesce(nullif({of}license_type, ''), 'no_license')"
    if types := words(settings.code_license_types):
        found["license_not_taken"] = files.some(f"{said} NOT IN ({listed(types)})")
    if denied := words(settings.code_licenses_denied.lower()):
        found["license_denied"] = files.some(sql.some(detected, f"lower(name) IN ({listed(denied)})"))
    if allowed := words(settings.code_licenses_allowed.lower()):
        other = sql.some(detected, f"lower(name) NOT IN ({listed(allowed)})")
        found["license_not_allowed"] = files.some(f"{other} OR NOT {sql.some(detected, 'true')}")
    marked = dict(zip(MARKS, (files.is_vendored, files.is_generated), strict=True))
    found |= {mark: marked[mark] for mark in words(settings.code_dropped) if mark in marked}
    if fits := fitting_path(settings, sql, f"{of}path"):
        found["path_not_taken"] = f"NOT {files.some(fits)}"
    if settings.code_min_bytes:
        found["below_min_bytes"] = f"{files.length_bytes} < {settings.code_min_bytes}"
    if settings.code_max_bytes:
        found["above_max_bytes"] = f"{files.length_bytes} > {settings.code_max_bytes}"
    return found


def fitting_path(settings: Settings, sql: Dialect, path: str) -> str:
    """Return the condition that a path is one of those that are taken; empty where all are."""

    def fits(globs: list[str]) -> str:
        form = "|".join(pattern(glob, sql.backslash) for glob in globs)
        return f"{sql.matches}(coalesce({path}, ''), {quoted(form)})"

    allowed, denied = words(settings.code_paths_allowed), words(settings.code_paths_denied)
    return " AND ".join([*([fits(allowed)] if allowed else ()), *([f"NOT {fits(denied)}"] if denied else ())])


def pattern(glob: str, backslash: str = "\\") -> str:
    """Return a glob as a regular expression, of which `backslash` is the backslash.

    `*` and `?` stop at a slash, `**` does not. One without a slash fits the name of a file in any folder, as in a
    .gitignore; another fits a whole path in its repository, which may begin with a slash.
    """
    shape = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    found, rest = "", glob.removeprefix("/")
    while rest:
        token = next((token for token in shape if rest.startswith(token)), rest[0])
        plain = not token.isascii() or token.isalnum() or token in "_/"
        found += shape.get(token, token if plain else backslash + token.replace("\\", backslash))
        rest = rest.removeprefix(token)
    return f"^/?{'' if '/' in glob else '(.*/)?'}{found}$"


def against_text(settings: Settings) -> dict[str, str]:
    """Return, by reason, the conditions under which a text that was fetched is not taken."""
    guessed = "guessed" in words(settings.code_dropped)
    limits = {
        "line_too_long": (settings.code_max_line_length, "max_line_length >"),
        "lines_too_long": (settings.code_max_mean_line_length, "mean_line_length >"),
        "too_many_lines": (settings.code_max_lines, "line_count >"),
        "too_few_alphanums": (settings.code_alphanum_floor, "alphanum_fraction <"),
    }
    found = {"encoding_guessed": f"fetch_status = '{GUESSED}'"} if guessed else {}
    return found | {reason: f"{exceeds} {limit}" for reason, (limit, exceeds) in limits.items() if limit}


def against_page(settings: Settings, sql: Dialect) -> dict[str, str]:
    """Return, by reason, the conditions under which a page is not taken."""
    languages = words(settings.math_languages)
    allowed, denied = spelled(settings.math_domains_allowed), spelled(settings.math_domains_denied)
    limits = {
        "score_too_low": (settings.math_min_score, f"int_score < {settings.math_min_score} OR int_score IS NULL"),
        "score_below_floor": (settings.math_score_floor, at_least("score", settings.math_score_floor)),
        "language_not_taken": (languages, f"coalesce(language, '') NOT IN ({listed(languages)})"),
        "language_unsure": (settings.math_language_floor, at_least("language_score", settings.math_language_floor)),
        "too_few_tokens": (
            settings.math_min_tokens,
            f"NOT coalesce(token_count >= {settings.math_min_tokens}, false)",
        ),
        "too_many_tokens": (
            settings.math_max_tokens,
            f"NOT coalesce(token_count <= {settings.math_max_tokens}, false)",
        ),
        "domain_denied": (denied, f"{HOST} = '' OR {below(HOST, denied, sql)}"),  # of no host nobody knows
        "domain_not_allowed": (allowed, f"NOT {below(HOST, allowed, sql)}"),
    }
    return {reason: condition for reason, (limit, condition) in limits.items() if limit}


def at_least(column: str, floor: float) -> str:
    """Return the condition that a number is missing, no number (which SQL takes for the largest) or below a floor."""
    return f"NOT coalesce({column} >= {floor} AND NOT isnan({column}), false)"


def spelled(domains: str) -> list[str]:
    """Return the domains of a list in the spellings that addresses have: ASCII and Unicode."""
    return sorted({each for domain in words(domains) for each in hosts_of(host_of(domain) or domain.lower())})


def below(host: str, domains: list[str], sql: Dialect) -> str:
    """Return the condition that a host is one of the domains, or lies below one."""
    names = "|".join(name.replace(".", f"{sql.backslash}.") for name in domains)
    return f"{sql.matches}({host}, '(^|{sql.backslash}.)({names})$')"


def listed(names: list[str]) -> str:
    """Return names as SQL lists them."""
    return ", ".join(map(quoted, names))


def first_of(conditions: Mapping[str, str]) -> str:
    """Return, in SQL, the first reason whose condition is met, null where none is."""
    cases = " ".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in conditions.items())
    return f"CASE {cases} END" if cases else "CAST(NULL AS STRING)"
