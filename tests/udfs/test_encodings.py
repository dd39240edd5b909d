"""The encodings of source code: a closed list under the names that Python knows."""

import codecs
import encodings.aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.encodings import NAMES, Read, normalised, own_encodings, read


def test_an_encoding_is_known_by_every_name_that_python_knows_and_none_but_of_texts_is() -> None:
    known = {}
    for alias in encodings.aliases.aliases:
        try:
            known[alias] = codecs.lookup(alias)
        except LookupError:  # of another platform, or an alias in capitals, which Python itself does not find
            continue
    listed = {alias: NAMES.get(normalised(alias.upper().replace("_", "-"))) for alias in known}
    assert {known[alias].name for alias, name in listed.items() if name is None} == {
        *("base64", "bz2", "hex", "quopri", "rot-13", "uu", "zlib", "utf-7")
    }
    assert all(known[alias].name == codecs.lookup(name).name for alias, name in listed.items() if name)
    assert all(codecs.lookup(name)._is_text_encoding for name in NAMES.values())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("raw", "said", "encoding", "named_by"),
    [
        (b"# coding: koi8-r\n\xd0", ["latin-1"], "latin-1", "source"),
        (b"# coding: koi8-r\n\xd0", ["UTF-8"], "koi8-r", "file"),
        ("# coding: latin-1\n\xe9".encode(), ["ascii"], "latin-1", "file"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n\xe9", [], "latin-1", "file"),
        ("\xe9".encode("utf-16"), ["UTF-8"], "utf-16", "file"),
        ("\xe9".encode("utf-32"), ["UTF-8"], "utf-32", "file"),
        ("\xe9".encode("utf-8-sig"), [], "utf-8-sig", "file"),
        ("\xe9".encode(), ["ascii"], "utf-8", "default"),
        ("\xe9".encode(), [], "utf-8", "default"),
        ("# погода в городе сегодня\n".encode("cp1251"), ["UTF-8"], "cp1251", "guess"),
        ("# おみくじを引く\n".encode("cp932"), ["UTF-8"], "cp932", "guess"),
        (b"# coding: rot13\n\xe9", ["UTF-8"], "cp1252", "guess"),
    ],
)
def test_an_encoding_is_named_by_the_source_then_the_file_then_python_and_else_guessed(
    raw: bytes, said: list[str], encoding: str, named_by: str
) -> None:
    assert read(raw, said) == Read(raw.decode(encoding).encode(), encoding, named_by)


COOKIES: list[tuple[bytes, list[str]]] = [
    (b"# -*- coding: KOI8-R -*-", ["koi8-r"]),
    (b"\n# coding=latin_1\n", ["latin-1"]),
    (b"x = 1\n# coding: latin-1\n", []),
    (b"\n\n# coding: latin-1\n", []),
    (b"x = '# coding: latin-1'", []),
    *((b"# coding: " + name, []) for name in (b"zip", b"rot13", b"idna", b"punycode", b"unicode_escape", b"utf-7", b"klingon")),
    (b"#" * 2000 + b"coding: latin-1", []),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "own"), COOKIES)
def test_a_cookie_counts_where_python_reads_it_and_names_an_encoding_of_texts(raw: bytes, own: list[str]) -> None:
    assert own_encodings(raw) == own


@given(st.binary(max_size=300), st.lists(st.sampled_from(["UTF-8", "ascii", "zip", "klingon"]), max_size=2))
def test_no_bytes_raise_and_what_is_read_is_unicode(raw: bytes, said: list[str]) -> None:
    found = read(raw, said)
    assert (found.text is None) == (found.named_by in ("unknown_encoding", "undecodable"))
    if found.text is not None:
        assert found.text.decode() == raw.decode(found.encoding)
