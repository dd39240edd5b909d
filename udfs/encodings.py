"""The encodings that a file of source code may be in, and how the one that it is in is found.

The names are those that detectors of encodings use, where Python has them. A closed list, since any repository may name any
codec of the interpreter, and some of these are no encodings of texts (`zip`, `rot13`), take hours for a file (`punycode` and
`idna` are quadratic) or run another language in the text (`unicode_escape`, `utf_7`). Each of the list takes less than 0.1 s
for 4 MiB, whatever the bytes.
"""

import codecs
import re
from collections.abc import Sequence
from encodings.aliases import aliases
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

UTF_8 = "utf-8"

# What file(1), chardet, uchardet and ICU name, as modules of Python's `encodings`. Python lacks EUC-TW.
_MODULES = (
    *("ascii", "utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"),
    *("latin_1", *(f"iso8859_{part}" for part in range(2, 17) if part != 12)),
    *(f"cp{page}" for page in range(1250, 1259)),
    *("koi8_r", "koi8_t", "koi8_u", "kz1048", "ptcp154", "tis_620", "hp_roman8"),
    *("gb18030", "gbk", "gb2312", "hz", "big5", "big5hkscs", "cp950"),
    *("shift_jis", "shift_jis_2004", "shift_jisx0213", "cp932", "euc_jp", "euc_jis_2004", "euc_jisx0213"),
    *("euc_kr", "cp949", "johab"),
    *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3", "iso2022_jp_ext", "iso2022_kr"),
    *("mac_arabic", "mac_croatian", "mac_cyrillic", "mac_farsi", "mac_greek", "mac_iceland", "mac_latin2"),
    *("mac_roman", "mac_romanian", "mac_turkish"),
    *(f"cp{page}" for page in (437, 720, 737, 775, 850, 852, 855, 856, 857, 858, *range(860, 867), 869, 874)),
    *(f"cp{page}" for page in ("037", 273, 424, 500, 875, 1006, 1026, 1125, 1140)),
)

SEPARATORS = "[^a-z0-9]+"


def normalised(name: str) -> str:
    """Return the form in which names of encodings are compared: as Python compares them."""
    return re.sub(SEPARATORS, "_", name.lower()).strip("_")


NAMES = {
    normalised(alias): module.replace("_", "-")
    for alias, module in (*aliases.items(), *((module, module) for module in _MODULES))
    if module in _MODULES
}
"""The one name that Recast uses for an encoding, by every normalised name that Python knows for it."""

# https://peps.python.org/pep-0263/
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?\r?$")
COOKIE_BYTES = 1000  # in which the first two lines must be
MARKS = {  # the longer first: that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What guesses are made of, the most frequent on the web first: https://w3techs.com/technologies/overview/character_encoding
GUESSED = (
    *(
        "cp1252",
        "cp1251",
        "gb18030",
        "cp932",
        "euc_kr",
        "cp949",
        "euc_jp",
        "cp1250",
        "cp1254",
        "cp1253",
        "big5",
        "koi8_r",
    ),
    *("cp1255", "cp1256", "cp1257", "cp1258", "cp874", "iso8859_2", "iso8859_15", "mac_roman"),
)


class Read(NamedTuple):
    """Bytes as text: the text in UTF-8, its encoding, and what named that; or None, no encoding and what is wrong."""

    text: bytes | None
    encoding: str
    named_by: str


def read(raw: bytes, said: Sequence[str]) -> Read:
    """Read bytes in the first encoding in which they are text; `named_by` says which of these it was.

    source: those that the source says, in their order. file: the file's own mark of byte order, then its cookie. default:
    UTF-8, which Python takes where nothing is said. guess: what charset-normalizer holds likely.

    Names that are not in the closed list are passed over. Where the source names no other, and the file names none itself,
    the bytes are not read (`unknown_encoding`): whatever they are, they are said to be something else than UTF-8.
    """
    known = [NAMES[name] for name in map(normalised, filter(None, said)) if name in NAMES]
    own = own_encodings(raw)
    if said and not known and not own:
        return Read(None, "", "unknown_encoding")
    named = dict.fromkeys([UTF_8], "default") | dict.fromkeys(own, "file") | dict.fromkeys(known, "source")
    for encoding in dict.fromkeys([*known, *own, UTF_8]):
        text = as_utf8(raw, encoding)
        if text is not None:
            return Read(text, encoding, named[encoding])
    for encoding in guesses(raw):
        text = as_utf8(raw, encoding)
        if text is not None:
            return Read(text, encoding, "guess")
    return Read(None, "", "undecodable")


def as_utf8(raw: bytes, encoding: str) -> bytes | None:
    """Return the text that bytes are in an encoding, as UTF-8; None where they are none."""
    try:
        return raw.decode(encoding).encode()
    except ValueError:  # UnicodeError is one, and some codecs raise a bare one
        return None


def own_encodings(raw: bytes) -> list[str]:
    """Return the encodings of the closed list that a file names itself: by its mark of byte order, by its cookie."""
    marked = [name for mark, name in MARKS.items() if raw.startswith(mark)][:1]
    lines = raw[:COOKIE_BYTES].removeprefix(codecs.BOM_UTF8).split(b"\n", 2)[:2]
    cookies = [COOKIE.match(line) for line in (lines if BLANK.match(lines[0]) else lines[:1])]
    said = (normalised(cookie[1].decode()) for cookie in cookies if cookie)
    return [*marked, *(NAMES[name] for name in said if name in NAMES)]


def guesses(raw: bytes) -> list[str]:
    """Return the encodings that charset-normalizer holds possible, the likeliest first; of equally likely ones the frequent.

    A guess: of short texts with few letters beyond ASCII it is often wrong.
    """
    from charset_normalizer import from_bytes  # slow to import, and seldom needed

    def rank(match: "CharsetMatch") -> tuple[float, float, int]:
        return round(match.chaos, 2), -round(match.coherence, 2), GUESSED.index(frequent(match))

    def frequent(match: "CharsetMatch") -> str:
        """Return the most frequent of the encodings in which the bytes are the same text."""
        return min((name for name in match.could_be_from_charset if name in GUESSED), key=GUESSED.index)

    return [
        NAMES[normalised(frequent(match))] for match in sorted(from_bytes(raw, cp_isolation=list(GUESSED)), key=rank)
    ]
