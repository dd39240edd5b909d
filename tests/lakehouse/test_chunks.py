"""Chunks: ranges of hashes that hold about equally many rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.lakehouse.chunks import Todo, chunks_of


def evenly(rows: int) -> dict[tuple[str, str], Todo]:
    """Spread rows over the hashes as sha256 does."""
    return {(f"{index * 16**4 // rows:04x}", "measure"): Todo(1) for index in range(rows)}


@given(
    todo=st.dictionaries(
        st.tuples(st.text("0123456789abcdef", min_size=4, max_size=4), st.sampled_from(["measure", "copy"])),
        st.builds(Todo, st.integers(1, 1000), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
    ),
    chunk_rows=st.integers(1, 5000),
    staggered=st.booleans(),
)
def test_every_hash_lies_in_one_chunk_and_every_chunk_holds_rows(
    todo: dict[tuple[str, str], Todo], chunk_rows: int, staggered: bool
) -> None:
    chunks = chunks_of(todo, chunk_rows, staggered)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    held: list[dict[str, Todo]] = [{} for _ in chunks]
    by_prefix: dict[str, int] = {}
    for (prefix, action), each in todo.items():
        digest = prefix + "7" * 60
        (number,) = [c.number for c in chunks if c.low <= digest and (c.high is None or digest < c.high)]
        held[number][action] = held[number].get(action, Todo(copies=0)) + each
        by_prefix[prefix] = by_prefix.get(prefix, 0) + each.rows
    assert [chunk.rows for chunk in chunks] == [sum(each.rows for each in own.values()) for own in held]
    assert all(chunk.rows for chunk in chunks)
    assert [chunk.is_replacing for chunk in chunks] == [any(e.replacing for e in own.values()) for own in held]
    assert [chunk.is_losing for chunk in chunks] == [any(e.losing for e in own.values()) for own in held]
    assert all(chunk.todo[action].rows == own.rows for chunk in chunks for action, own in held[chunk.number].items())
    # A chunk ends with the prefix that fills it.
    assert max(chunk.rows for chunk in chunks) < chunk_rows + max(by_prefix.values())


def test_chunks_are_as_few_as_the_size_allows() -> None:
    assert [len(chunks_of(evenly(rows), 10)) for rows in (1, 10, 11, 100)] == [1, 1, 2, 10]
    staggered = [len(chunks_of(evenly(rows), 10, staggered=True)) for rows in (1, 10, 11, 15, 16, 95)]
    assert staggered == [1, 1, 2, 2, 3, 10]


def test_the_first_of_staggered_chunks_is_half_as_large() -> None:
    bounds = [int(chunk.low or "0", 16) / 16**4 for chunk in chunks_of(evenly(2500), 1000, staggered=True)]
    assert bounds == pytest.approx([0, 0.2, 0.6], abs=1e-3)


def test_what_a_stopped_run_left_at_one_end_is_cut_as_evenly() -> None:
    rest = {key: each for key, each in evenly(1000).items() if key[0] >= "c000"}
    assert len(chunks_of(rest, 50)) == 5
