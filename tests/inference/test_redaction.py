"""Keys in what endpoints say: found in every spelling that an endpoint may quote, in time linear in what it says."""

import base64
import html
import json
import random
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.inference.redaction import redacted

PLAIN = "sk-proj-aB3_" + "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyzABC0123456789", k=60))
ODD = "+k/\"9_X=% \\z&<q>'ab"
KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=40).map(str.strip)


def spellings(key: str) -> dict[str, str]:
    encoded = {
        f"base64 behind {before!r} before {behind!r}": base64.b64encode(f"{before}{key}{behind}".encode()).decode()
        for before in ("", "u:", "user:", "Bearer ")
        for behind in ("", ":", "and more")
    }
    for_urls = {f"{name} for URLs": each.replace("+", "-").replace("/", "_") for name, each in encoded.items()}
    return {
        "as it is": key,
        "Bearer": f"Bearer {key}",
        "URL": quote(key, safe=""),
        "URL twice": quote(quote(key, safe=""), safe=""),
        "form": quote_plus(key),
        "JSON": json.dumps(key),
        "JSON twice": json.dumps(json.dumps(key)),
        "JSON with slashes": json.dumps(key).replace("/", "\\/"),
        "Python": repr(key),
        "Python's bytes": repr(key.encode()),
        "HTML": html.escape(key),
        "HTML by numbers": "".join(f"&#{ord(character)};" for character in key),
        "HTML by hexadecimal numbers": "".join(f"&#x{ord(character):X};" for character in key),
        "all of it escaped in JSON": "".join(f"\\u{ord(character):04x}" for character in key),
        "half of it escaped": "".join(c if i % 2 else f"%{ord(c):02x}" for i, c in enumerate(key)),
        "hexadecimal": key.encode().hex(),
        "base64 in a URL": quote(base64.b64encode(key.encode()), safe=""),
        "base64 with slashes": base64.b64encode(key.encode()).decode().replace("/", "\\/"),
        **encoded,
        **for_urls,
    }


@pytest.mark.parametrize("key", [PLAIN, ODD])
@pytest.mark.parametrize("how", spellings(PLAIN))
def test_a_key_becomes_stars_however_it_is_quoted(key: str, how: str) -> None:
    spelling = spellings(key)[how]
    text = f"Incorrect API key provided: {spelling}. You can"
    shown = redacted(text, key)
    assert "***" in shown
    assert shown.startswith("Incorrect API key provided: ")
    assert shown.endswith(". You can")
    # What base64 says beside the key stays: "user:", say.
    assert len(shown) <= len('Incorrect API key provided: \'"\\"***. You can') + 20
    assert key not in shown


@given(KEYS.filter(lambda key: len(key) >= 8), st.text(), st.text())
def test_no_key_is_left_wherever_it_stands(key: str, before: str, behind: str) -> None:
    assert key not in redacted(before + key + behind, key).replace("***", "\0")


@given(st.text())
def test_a_text_without_the_key_stays_as_it_is(text: str) -> None:
    assert redacted(text, PLAIN) == text


def test_what_looks_like_a_part_of_the_key_stays() -> None:
    text = f"sk-proj- {PLAIN[:11]} {PLAIN[1:]} \\u0073\\u006b %73%6b {base64.b64encode(PLAIN[:-2].encode()).decode()} \\_ a&amp;b"
    assert redacted(text, PLAIN) == text


def test_a_key_that_is_cut_becomes_stars_as_far_as_it_goes() -> None:
    for length in (len(PLAIN) // 2, 40, len(PLAIN) - 1):
        assert redacted(f"bad key {PLAIN[:length]}... given", PLAIN) == "bad key ***... given"
    assert redacted("Q" * 200, "Q" * 150) == "***" + "Q" * 50


def test_a_short_key_is_a_word_of_its_own_in_errors_and_not_looked_for_in_answers() -> None:
    assert redacted("bad key: EMPTY, EMPTYING", "EMPTY") == "bad key: ***, EMPTYING"
    assert redacted("Bearer x: unsupported max_tokens", "x") == "Bearer ***: unsupported max_tokens"
    assert redacted("the set is EMPTY", "EMPTY", in_answer=True) == "the set is EMPTY"
    assert redacted("no key at all", "") == "no key at all"


@pytest.mark.parametrize(
    "text",
    [
        "plain words " * 80_000,
        "\\" * 1_000_000,
        "%25" * 300_000,
        "&amp;" * 200_000,
        "&#0" * 300_000,
        PLAIN[:-1] * 15_000,
        base64.b64encode(PLAIN[:-3].encode()).decode() * 10_000,
    ],
    ids=lambda text: text[:8],
)
def test_a_megabyte_made_to_be_searched_slowly_takes_seconds_at_most(text: str) -> None:
    for key in (PLAIN, ODD, "\\" * 20):
        started_at = time.monotonic()
        redacted(text, key)
        assert time.monotonic() - started_at < 5
