"""Measures how much of its source a rewrite keeps. Small models invent text that parses and lints well.

Names are compared without case and underscores, since rewrites turn `getUserName` into `get_user_name`. Nothing is
parsed, so half-broken text is measured as well, in time linear in its length.
"""

import builtins
import keyword
import re
from dataclasses import dataclass

from recast.udfs.python import literals

_NAME = re.compile(r"\b[^\W\d]\w*")
_INNER_DEFINITION = re.compile(r"^[ \t]+(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_TOP_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{4,}")
# What tells nothing about the subject: the language's own words, the prefixes of string literals, and customs.
_COMMONPLACE = frozenset(
    name.lower().replace("_", "")
    for name in (
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(builtins),
        "rb",
        "br",
        "fr",
        "rf",
        "self",
        "cls",
        "args",
        "kwargs",
    )
)


@dataclass(frozen=True)
class Overlap:
    """Shares, from 0 to 1, of what the source names and the rewrite still names; None where the source names nothing.

    `definitions`: of the distinct names of functions and classes that the source defines, those that the rewrite
    defines. `identifiers`: of all distinct names in the source's code, those in the rewrite's code, leaving out
    Python's own and those of one letter. `definitions_left`: of the source's functions and classes, at the top of the
    module or anywhere, whichever share is smaller, those that the rewrite defines anywhere; one of a new name counts for
    one that is missing. None where the source defines fewer than two at its top.
    """

    definitions: float | None
    identifiers: float | None
    definitions_left: float | None


def shared(source: str, rewritten: str) -> Overlap:
    """Return how much of the Python `source` the Python `rewritten` still names. Raises nothing on any text."""
    source_code, rewritten_code = literals.without_literals(source), literals.without_literals(rewritten)
    defined, defined_now = _definitions(source_code), _definitions(rewritten_code)
    return Overlap(
        _share_kept(defined, defined_now),
        _share_kept(_identifiers(source_code), _identifiers(rewritten_code)),
        _definitions_left(source_code, rewritten_code),
    )


def _definitions_left(source_code: str, rewritten_code: str) -> float | None:
    (top, inner), (top_now, inner_now) = _levels(source_code), _levels(rewritten_code)
    if len(top) < 2:
        return None
    everything, everything_now = top | inner, top_now | inner_now
    new = len(everything_now - everything)
    gone_from_top = top - top_now - (inner_now - inner)  # a function may become a method
    gone = ((len(gone_from_top), len(top)), (len(everything - everything_now), len(everything)))
    return min(1 - max(0, lost - new) / of for lost, of in gone)


def shared_words(one: str, other: str) -> float | None:
    """Return the share, from 0 to 1, of the shorter vocabulary that both prose texts use; None if one has no words.

    Words are runs of four letters and more, without case. The shorter vocabulary counts (the overlap coefficient),
    because a rewrite of a web page drops most of the page and may then explain at length.
    """
    words, other_words = ({word.lower() for word in _WORD.findall(text)} for text in (one, other))
    if not words or not other_words:
        return None
    return len(words & other_words) / min(len(words), len(other_words))


def _levels(code: str) -> tuple[set[str], set[str]]:
    """Return the names of functions and classes at the top of the module, and of those within others."""
    top = {_plain(name) for name in _TOP_DEFINITION.findall(code)}
    return top, {_plain(name) for name in _INNER_DEFINITION.findall(code)}


def _definitions(code: str) -> set[str]:
    top, inner = _levels(code)
    return top | inner


def _identifiers(code: str) -> set[str]:
    names = (_plain(name) for name in _NAME.findall(code))
    return {name for name in names if len(name) > 1 and name not in _COMMONPLACE}


def _plain(name: str) -> str:
    """Return the name without case and underscores, or as it is if nothing else is in it."""
    return name.replace("_", "").lower() or name


def _share_kept(ours: set[str], theirs: set[str]) -> float | None:
    return len(ours & theirs) / len(ours) if ours else None
