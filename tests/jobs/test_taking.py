"""What is taken, as SQL: paths by globs, pages by their hosts."""

import re
from typing import Any

import duckdb
import pytest

from recast.jobs.settings import Settings
from recast.jobs.taking import against_page, against_text, first_of, pattern
from recast.lakehouse.source_sql import DUCKDB

GLOBS = [
    ("*.py", ["a.py", "/src/a.py", "x/y/.py"], ["a.pyi", "a.py/b", "apy"]),
    ("tests/**", ["tests/a.py", "/tests/a/b.py"], ["tests", "src/tests/a.py"]),
    ("**/tests/**", ["tests/a.py", "src/x/tests/a/b.py"], ["src/testsuite/a.py"]),
    ("/src/*.py", ["src/a.py", "/src/a.py"], ["src/x/a.py", "a/src/a.py"]),
    ("setup.p?", ["setup.py", "/x/setup.px"], ["setup.p", "setup.p/x", "mysetup.py"]),
    ("a+b[c]{d}.(py)|$", ["a+b[c]{d}.(py)|$", "/x/a+b[c]{d}.(py)|$"], ["aab", "a.py"]),
    ("naïve ☃ *.py", ["naïve ☃ 1.py"], ["naive - 1.py"]),
    ("", [""], ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("glob", "fits", "others"), GLOBS)
def test_a_glob_fits_paths_as_in_a_gitignore(glob: str, fits: list[str], others: list[str]) -> None:
    form = pattern(glob)
    assert [path for path in (*fits, *others) if re.search(form, path)] == fits
    with duckdb.connect() as connection:
        statement = "SELECT path FROM (SELECT unnest(?) AS path) WHERE regexp_matches(path, ?)"
        assert [path for (path,) in connection.execute(statement, [[*fits, *others], form]).fetchall()] == fits


def reason(row: dict[str, Any], **asked: Any) -> str | None:
    """Return why a page is not taken under settings."""
    usual = {"url": "https://a.org/x", "language": "en", "language_score": 0.9, "score": 4.2, "int_score": 4}
    columns = usual | {"token_count": 100} | row
    with duckdb.connect() as connection:
        placed = ", ".join(f"${name} AS {name}" for name in columns)
        statement = f"SELECT {first_of(against_page(Settings(**asked), DUCKDB))} FROM (SELECT {placed})"
        (found,) = connection.execute(statement, columns).fetchone() or (None,)
    return None if found is None else str(found)


PAGES: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({}, {}, None),
    ({"int_score": None, "language": None}, {}, None),
    ({"int_score": 3}, {"math_min_score": 3}, None),
    ({"int_score": 3}, {"math_min_score": 4}, "score_too_low"),
    ({"int_score": None}, {"math_min_score": 3}, "score_too_low"),
    ({"score": 3.69}, {"math_score_floor": 3.7}, "score_below_floor"),
    ({"score": None}, {"math_score_floor": 3.7}, "score_below_floor"),
    ({"language": "de"}, {"math_languages": "en, fr"}, "language_not_taken"),
    ({"language": None}, {"math_languages": "en"}, "language_not_taken"),
    ({"language_score": 0.5}, {"math_language_floor": 0.65}, "language_unsure"),
    ({"token_count": 49}, {"math_min_tokens": 50}, "too_few_tokens"),
    ({"token_count": 50}, {"math_min_tokens": 50, "math_max_tokens": 50}, None),
    ({"token_count": 51}, {"math_max_tokens": 50}, "too_many_tokens"),
    ({}, {"math_domains_denied": "a.org"}, "domain_denied"),
    ({}, {"math_domains_denied": "b.org,org.a"}, None),
    ({"url": "http://u:p@Sub.A.org:80/x"}, {"math_domains_denied": "a.ORG"}, "domain_denied"),
    ({"url": "http://a.org.?x"}, {"math_domains_denied": "a.org"}, "domain_denied"),
    ({"url": "http://nota.org/"}, {"math_domains_denied": "a.org"}, None),
    ({"url": " https://a.org/x"}, {"math_domains_denied": "a.org"}, "domain_denied"),
    ({"url": "https://a.org\\@good.org/"}, {"math_domains_denied": "a.org"}, "domain_denied"),
    ({"url": "https://bücher.example/"}, {"math_domains_denied": "xn--bcher-kva.example"}, "domain_denied"),
    ({"url": "no address"}, {"math_domains_denied": "a.org"}, "domain_denied"),
    ({"score": float("nan")}, {"math_score_floor": 3.0}, "score_below_floor"),
    ({"url": "http://aXorg/"}, {"math_domains_denied": "a.org"}, None),
    ({"url": "http://b.org/http://a.org/"}, {"math_domains_allowed": "a.org"}, "domain_not_allowed"),
    ({"url": "a.org"}, {"math_domains_allowed": "a.org"}, "domain_not_allowed"),
    ({"url": None}, {"math_domains_allowed": "a.org"}, "domain_not_allowed"),
    ({"url": "https://x.y.a.org/#z"}, {"math_domains_allowed": "b.org,a.org"}, None),
]


@pytest.mark.parametrize(("row", "asked", "expected"), PAGES)
def test_a_page_is_dropped_for_the_first_reason(
    row: dict[str, Any], asked: dict[str, Any], expected: str | None
) -> None:
    assert reason(row, **asked) == expected


def test_limits_that_are_not_set_ask_for_nothing() -> None:
    assert against_text(Settings()) == {}
    assert against_page(Settings(), DUCKDB) == {}
    assert list(against_text(Settings(code_max_lines=1, code_dropped="guessed"))) == [
        "encoding_guessed",
        "too_many_lines",
    ]
