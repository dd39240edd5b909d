"""Finds text that repeats itself back to back, a common failure of small models.

The rule is the recipe's (arXiv 2505.02881, its `remove_repetition.py`): a text of 1,000 characters or more in which a
run of 100 characters or more is followed at once by itself. Its regular expression takes time quadratic in the text
(17 s for 32,000 characters); the search here takes n log n (5 ms).
"""

import numpy as np
import numpy.typing as npt

LEAST_TEXT_CHARS = 1000
LEAST_RUN_CHARS = 100

_HASH_BASE = 0x9E3779B97F4A7C15  # odd, so that no power of it vanishes modulo 2**64


def longest_repeated_run(text: str, least_chars: int = LEAST_RUN_CHARS) -> int:
    """Return the length in characters of the longest run that is followed at once by itself, or 0.

    Runs shorter than `least_chars` (at least 2) do not count. Raises nothing on any text.

    If text[i:i+p] == text[i+p:i+2p], the first copy holds exactly one multiple a of p, and of the copy's p
    characters at least half lie on one side of a. So a stretch of p/2 or more characters beginning or ending at a
    equals the stretch p further on. Comparing hashes of stretches of the power of two below that, at all multiples of
    all p, leaves few periods p, which are then compared character by character.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    longest_chars = len(points) // 2
    if least_chars > longest_chars:
        return 0
    found = 0
    hashes, stretch, power = points.astype(np.uint64) + np.uint64(1), 1, _HASH_BASE
    while True:
        # `hashes[i]` is of the `stretch` characters from i on: what periods from 2 to 4 stretches share.
        first, last = max(least_chars, 2 * stretch), min(longest_chars, 4 * stretch - 1)
        if first <= last:
            found = _longest_period(points, hashes, stretch, first, last) or found
        if 4 * stretch > longest_chars:
            return found
        hashes = hashes[:-stretch] * np.uint64(power) + hashes[stretch:]
        stretch, power = 2 * stretch, power * power % 2**64


def _longest_period(
    points: npt.NDArray[np.uint32], hashes: npt.NDArray[np.uint64], stretch: int, first: int, last: int
) -> int:
    """Return the longest period from `first` to `last` with which a run repeats, or 0."""
    periods = np.arange(first, last + 1)
    anchors_each = len(points) // periods
    period = np.repeat(periods, anchors_each)
    ends = np.cumsum(anchors_each)
    anchor = (np.arange(len(period)) - np.repeat(ends - anchors_each, anchors_each)) * period
    shared = np.zeros(len(period), dtype=bool)
    for start in (anchor, anchor - stretch):
        inside = np.flatnonzero((start >= 0) & (start + period < len(hashes)))
        begin = start[inside]
        shared[inside] |= hashes[begin] == hashes[begin + period[inside]]
    for candidate in np.unique(period[shared])[::-1].tolist():
        differing = np.flatnonzero(points[:-candidate] != points[candidate:])
        bounds = np.concatenate(([-1], differing, [len(points) - candidate]))
        if np.diff(bounds).max() > candidate:
            return int(candidate)
    return 0
