"""What a plan refuses: a source that is lost for an hour looks like one that was emptied."""

import pytest

from recast.lakehouse.plan import is_much


@pytest.mark.parametrize(
    ("lost", "come", "held", "much"),
    [
        (0, 0, 0, False),
        (0, 0, 6, False),
        (1, 0, 6, False),
        (1, 1, 2, False),
        (3, 0, 6, True),  # one of two files of three rows is missing
        (6, 6, 6, True),  # the folder of another dataset
        (10, 0, 100, False),
        (11, 0, 100, True),
        (11, 6, 100, False),
        (40, 40, 100, False),  # texts of files that changed: what goes is named by its hash
        (50, 60, 100, True),
        (5_000, 0, 100_000, False),
        (5_001, 0, 100_000, True),
    ],
)
def test_a_table_may_shrink_by_a_twentieth_or_ten_rows_and_never_lose_half(
    lost: int, come: int, held: int, much: bool
) -> None:
    assert is_much(lost, come, held, limit=0.05) is much


def test_a_limit_above_a_half_holds_for_a_swapped_folder_as_well() -> None:
    assert not is_much(6, 0, 10, limit=0.7)
    assert is_much(7, 7, 10, limit=0.7)
