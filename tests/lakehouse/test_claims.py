"""Claims: what names a blob, a repository, a page, a domain or a text, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.claims import KINDS, Claim, claim, kind_of, read_list
from recast.settings import UserError

BLOB = "ab" * 20


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("blob", f" {BLOB.upper()} ", BLOB),
        ("repo", "Owner/Name", "Owner/Name"),
        ("url", "https://example.org/a?b=1", "https://example.org/a?b=1"),
        ("domain", "WWW.Example.org.", "www.example.org"),
        ("domain", "https://user@example.org:8080/page", "example.org"),
        ("domain", "bücher.example", "xn--bcher-kva.example"),
        ("content", "F" * 64, "f" * 64),
    ],
)
def test_a_claim_is_stored_as_tables_hold_it(kind: str, value: str, stored: str) -> None:
    assert claim(kind, value) == Claim(kind, stored)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("blob", "abc"),
        ("blob", "../../etc/passwd"),
        ("repo", "name"),
        ("repo", "a/b/c"),
        ("url", "example.org/a"),
        ("url", "file:///etc/passwd"),
        ("domain", "localhost"),
        ("domain", "*.example.org"),
        ("content", BLOB),
        ("repo", "a/b\x1b[31m"),
        ("url", "https://example.org/" + "a" * 5000),
        ("page", "x"),
    ],
)
def test_what_names_no_such_thing_is_refused_in_one_line(kind: str, value: str) -> None:
    with pytest.raises(UserError) as refused:
        claim(kind, value)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_the_form_of_a_bare_value_says_what_it_names() -> None:
    values = [BLOB, "f" * 64, "https://example.org/a", "owner/name", "example.org"]
    assert [kind_of(value) for value in values] == ["blob", "content", "url", "repo", "domain"]


def test_a_list_is_read_line_by_line_and_says_what_was_wrong_with_it() -> None:
    listed = read_list(
        [f"{BLOB}\n", "", "# opt-outs of May", "repo a/b", "a/b", "nonsense", f"blob {BLOB}", "domain x.org"]
    )
    assert listed.claims == [Claim("blob", BLOB), Claim("repo", "a/b"), Claim("domain", "x.org")]
    assert listed.duplicates == 2
    assert listed.malformed == ["'nonsense' is no domain"]


def test_values_of_a_known_kind_are_not_guessed_at() -> None:
    assert read_list(["x.org/y"], kind="repo").claims == [Claim("repo", "x.org/y")]


@given(st.lists(st.text()))
def test_no_list_stops_reading(lines: list[str]) -> None:
    listed = read_list(lines)
    assert all(each.kind in KINDS for each in listed.claims)
    assert len(set(listed.claims)) == len(listed.claims)
