"""Makes foreign text fit for a terminal, a log or a label: one line without characters that a terminal would obey."""

import re

# C0, DEL and C1; marks, overrides and isolates of writing direction; separators of lines and paragraphs; lone surrogates,
# which no output can encode; tags, which nobody sees.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str, most: int | None = None, keep: str = "") -> str:
    r"""Return `text` with what is not printable as Python's escapes: ESC becomes `\x1b`, a newline `\n`.

    Takes time linear in the text. What it returns stays the same when it is given again.

    Args:
        text: any string, lone surrogates included.
        most: most characters of the result, None for all.
        keep: characters that stay as they are: `"\n\t"` for a text of several lines.
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text[:most])[:most]


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
