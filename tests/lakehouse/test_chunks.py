"""Chunks: ranges of hashes that hold about equally many rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.chunks import chunks_of


def evenly(rows: int) -> dict[str, int]:
    """Spread rows over the hashes as sha256 does."""
    return {f"{index * 16**4 // rows:04x}": 1 for index in range(rows)}


@given(
    rows=st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=4), st.integers(1, 1000), min_size=1),
    chunk_rows=st.integers(1, 5000),
    staggered=st.booleans(),
)
def test_every_hash_lies_in_one_chunk_and_every_chunk_holds_rows(
    rows: dict[str, int], chunk_rows: int, staggered: bool
) -> None:
    chunks = chunks_of(rows, chunk_rows, staggered)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    held = dict.fromkeys(chunks, 0)
    for prefix, count in rows.items():
        digest = prefix + "7" * 60
        (chunk,) = [each for each in chunks if each.low <= digest and (each.high is None or digest < each.high)]
        held[chunk] += count
    assert all(held.values())
    # A chunk ends with the prefix that fills it.
    assert max(held.values()) < chunk_rows + max(rows.values())


def test_chunks_are_as_few_as_the_size_allows() -> None:
    assert [len(chunks_of(evenly(rows), 10)) for rows in (1, 10, 11, 100)] == [1, 1, 2, 10]
    staggered = [len(chunks_of(evenly(rows), 10, staggered=True)) for rows in (1, 10, 11, 15, 16, 95)]
    assert staggered == [1, 1, 2, 2, 3, 10]


def test_the_first_of_staggered_chunks_is_half_as_large() -> None:
    bounds = [int(chunk.low or "0", 16) / 16**4 for chunk in chunks_of(evenly(2500), 1000, staggered=True)]
    assert bounds == pytest.approx([0, 0.2, 0.6], abs=1e-3)


def test_what_a_stopped_run_left_at_one_end_is_cut_as_evenly() -> None:
    rest = {prefix: count for prefix, count in evenly(1000).items() if prefix >= "c000"}
    assert len(chunks_of(rest, 50)) == 5
