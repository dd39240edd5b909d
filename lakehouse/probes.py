"""Probes: hashes by which a text, or a part of it, is found again without keeping the text.

A text is seen without its white space, as UTF-8. Every WINDOW bytes of it have a hash, and a text's probes are the hash of
its beginning and a sample of the others, chosen by the hash itself: the same part of another text gives the same
probes, wherever it stands (the idea of winnowing: Schleimer, Wilkerson and Aiken, SIGMOD 2003). The beginning counts because
Delta's log keeps the first 32 characters of strings. Nobody can read a text out of its probes.
"""

import functools
import html
import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

WINDOW = 24
SAMPLED = 8  # one window in so many is a candidate
MOST = 16  # probes of a text, besides its beginning
PIECE = 1 << 20  # bytes that are hashed at once
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse
INVERSE = np.uint64(pow(int(MULTIPLIER), -1, 1 << 64))
MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of SplitMix64

Hashes = NDArray[np.int64]
NONE: Hashes = np.empty(0, np.int64)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
TAG = re.compile(r"<[^<>]*>")


@functools.cache
def powers(factor: np.uint64) -> NDArray[np.uint64]:
    """Return 1, `factor`, its square and so on, modulo 2 to the 64."""
    return np.concatenate(([np.uint64(1)], np.cumprod(np.full(PIECE - 1, factor, np.uint64), dtype=np.uint64)))


def windows(text: str) -> Hashes:
    """Return the hash of every WINDOW bytes of a text, in their order; none of a text that has fewer."""
    data = np.frombuffer("".join(text.split()).encode("utf-8", "surrogatepass"), np.uint8)
    if len(data) < WINDOW:
        return NONE
    step = PIECE - WINDOW
    pieces = [hashed(data[start : start + PIECE]) for start in range(0, max(1, len(data) - WINDOW + 1), step + 1)]
    return np.concatenate(pieces)


def hashed(data: NDArray[np.uint8]) -> Hashes:
    """Return the hashes of one piece: polynomials, by differences of their running sum, then mixed."""
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers(MULTIPLIER)[: len(data)], out=sums[1:])
    mixed = (sums[WINDOW:] - sums[:-WINDOW]) * powers(INVERSE)[: len(data) - WINDOW + 1]
    for shift, mixer in zip((30, 27), MIXERS, strict=True):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * mixer
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)


def probes_of(text: str | None) -> list[int]:
    """Return a text's probes, sorted; none of a text too short to be told from others."""
    every = windows(text or "")
    if not len(every):
        return []
    sample = np.unique(every[every % SAMPLED == 0])[:MOST]
    return sorted({int(every[0]), *sample.tolist()})


def found_in(texts: Iterable[str], wanted: Hashes) -> Hashes:
    """Return which of the sorted probes `wanted` are of parts of `texts`."""
    if not len(wanted):
        return NONE
    every = windows("\n".join(texts))
    places = np.minimum(np.searchsorted(wanted, every), len(wanted) - 1)
    return np.unique(every[wanted[places] == every])


def spellings(text: str) -> Iterator[str]:
    """Yield a text, and what it says where it is JSON, Python's notation or HTML."""
    yield text
    if "\\" in text:
        plain = ESCAPE.sub(unescaped, text)
        yield plain
        if "\\" in plain:  # JSON within JSON
            yield ESCAPE.sub(unescaped, plain)
    if "<" in text or "&" in text:
        yield html.unescape(TAG.sub("", text))


def unescaped(match: re.Match[str]) -> str:
    """Return what an escape stands for; those for white space stand for nothing."""
    escape = match[1]
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return "" if escape in "nrtfbv" else escape
