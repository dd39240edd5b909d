"""The encodings of source code: a closed list under the names that Python knows."""

import codecs
import encodings.aliases

from recast.udfs.encodings import NAMES, normalised


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
