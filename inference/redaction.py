"""Replaces a secret in an endpoint's words by `***`, in any spelling that the endpoint uses.

Looked for are the value itself and its characters as JSON, URLs, HTML and Python escape them, its base64 wherever it
stands in a longer text (`Basic` of any user), and its hexadecimal digits.
"""

import base64
import html
import re
from functools import lru_cache
from typing import NamedTuple

MARK = "***"
# A shorter key (`EMPTY`, `none`) is found in ordinary text by chance.
LEAST_CHARS = 8
# What a gateway leaves of a key that it cuts is looked for from so many characters on, or half of the key.
BEGIN_CHARS = 12
# The alphabet of base64 for URLs (RFC 4648, section 5).
_FOR_URLS = str.maketrans("+/", "-_")


def redacted(text: str, secret: str, in_answer: bool = False) -> str:
    """Return `text` without a secret of printable ASCII characters. Takes time linear in the text.

    One of fewer than LEAST_CHARS characters is looked for only as a word of its own, and not at all in an answer, which
    that could damage.
    """
    if not secret or (in_answer and len(secret) < LEAST_CHARS):
        return text
    told = _told(secret)
    if any(part in text for part in told.parts) or told.escape.search(text):
        return told.pattern.sub(MARK, text)
    return text


class _Told(NamedTuple):
    """What tells a secret: all its spellings and, to find out fast that a text holds none, what one of them must hold."""

    pattern: re.Pattern[str]
    parts: tuple[str, ...]
    escape: re.Pattern[str]


@lru_cache(maxsize=8)
def _told(secret: str) -> _Told:
    digits, begin = secret.encode().hex(), secret[: max(LEAST_CHARS, BEGIN_CHARS, len(secret) // 2)]
    if len(secret) < LEAST_CHARS:
        encoded = [base64.b64encode(secret.encode()).decode()]
        pattern = rf"(?<![A-Za-z0-9])(?:{re.escape(secret)}|{_spelled(secret)}|{re.escape(encoded[0])})(?![A-Za-z0-9])"
    else:
        encoded = [_base64(secret, before) for before in range(3)]
        in_base64 = "|".join(map(_spelled, encoded))
        in_digits = "".join(map(_either_case, digits))
        plain = re.escape(begin) + _as_far_as(secret[len(begin) :])
        pattern = rf"{plain}|{_spelled(secret)}|(?:{in_base64})(?:[\w+/-]?={{1,2}})?|{in_digits}"
    parts = (begin, digits, digits.upper(), *encoded, *(each.translate(_FOR_URLS) for each in encoded))
    escaped = "".join(sorted({*secret, "+", "/"}))
    codes = "|".join("".join(map(_either_case, f"{ord(character):02x}")) for character in escaped)
    signs = "".join(re.escape(character) for character in escaped if not character.isalnum())
    blank = r"|\+" if " " in secret else ""
    escape = re.compile(rf"\\(?:(?:u00|x)(?:{codes})|[{signs}])|%(?:25|{codes})|&(?:#|\w)" + blank)
    return _Told(re.compile(pattern), parts, escape)


def _base64(secret: str, before: int) -> str:
    """Return the base64 characters that a secret alone decides where `before` bytes, modulo 3, stand before it."""
    encoded = base64.b64encode(bytes(before) + secret.encode()).decode()
    return encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]


def _as_far_as(text: str) -> str:
    """Return a pattern for the longest beginning of `text`, which may be empty."""
    return f"(?:{re.escape(text[0])}{_as_far_as(text[1:])})?" if text else ""


def _spelled(text: str) -> str:
    return "".join(map(_character, text))


def _character(character: str) -> str:
    """Return a pattern for a character in all its spellings; counts are bounded and groups atomic, so no search backtracks."""
    code, digits = ord(character), "".join(map(_either_case, f"{ord(character):02x}"))
    plain = re.escape(character)
    forms = [
        rf"\\\\{{0,7}}(?:u00|x){digits}",
        rf"%(?:25){{0,3}}{digits}",
        rf"&(?:amp;){{0,3}}#(?:0{{0,4}}{code}|[xX]0{{0,4}}{digits});?",
    ]
    if not character.isalnum():
        forms.append(rf"\\\\{{0,7}}{plain}")
    if html.escape(character) != character:
        forms.append(re.escape(html.escape(character)))
    # Base64 for URLs, and a form's blank.
    other = {"+": "|-", "/": "|_", " ": r"|\+"}.get(character, "")
    return f"(?>{'|'.join(forms)}|{plain}{other})"


def _either_case(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit
