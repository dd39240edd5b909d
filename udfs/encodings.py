"""The encodings that a file of source code may be in: the names that detectors of encodings use, where Python has them.

A closed list, since any repository may name any codec of the interpreter, and some of these take hours for a file
(`punycode` and `idna` are quadratic) or run another language in the text (`unicode_escape`, `utf_7`). Each of the list
takes less than 0.1 s for 4 MiB, whatever the bytes.
"""

import re
from encodings.aliases import aliases

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
