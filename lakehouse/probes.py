"""Probes: hashes by which a text, or a part of it, is found again without keeping the text.

A text's probes are hashes of its longest lines and of its first 32 characters, which is what Delta's log keeps of a
string (https://github.com/delta-io/delta/blob/master/PROTOCOL.md, per-file statistics). A line is found wherever it
stands: in another text, in a log, in a page. Nobody can read a text out of them.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

LINES = 16  # of a text; a part that somebody quoted is likely to hold one of its longest lines
LEAST_CHARS = 24  # shorter lines stand in many texts: `from typing import Any`
PREFIX_CHARS = 32


def hashed(line: str) -> str:
    """Return the name of a line: 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def probes_of(texts: Iterable[str | None]) -> list[str]:
    """Return the probes of texts, sorted, each once. A text of short lines only is known by its longest line and its start."""
    found: set[str] = set()
    for text in filter(None, texts):
        lines = sorted(set(map(str.strip, text.splitlines())), key=lambda line: (-len(line), line))
        long = [line for line in lines[:LINES] if len(line) >= LEAST_CHARS]
        found |= {hashed(line) for line in long or lines[:1] if line}
        found.add(hashed(text[:PREFIX_CHARS]))
    return sorted(found)


def found_in(text: str, wanted: AbstractSet[str]) -> set[str]:
    """Return the probes among `wanted` that are of a line of `text` or of its first characters.

    JSON is looked into, line by line and within strings: a log is JSON, and so are the statistics in it.
    """
    found: set[str] = set()
    left = [text]
    while left:
        each = left.pop()
        lines = each.splitlines()
        found |= wanted & {hashed(each[:PREFIX_CHARS]), *(hashed(line.strip()) for line in lines)}
        for part in lines if len(lines) > 1 else [each]:
            if part[:1] in ("{", "["):
                with contextlib.suppress(ValueError, RecursionError):
                    left += strings(json.loads(part))
    return found


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, names of members included."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
