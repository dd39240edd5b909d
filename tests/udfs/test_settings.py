"""Thresholds: the recipe's, and their bounds."""

import pytest

from recast.settings import UserError
from recast.udfs.settings import Settings


def test_the_threshold_is_the_recipes() -> None:
    assert Settings().lint_threshold == 7.0


@pytest.mark.parametrize("name", ["names_floor", "words_floor", "numbers_floor"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_floor_is_a_share(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^{name} is {value}; give a "):
        Settings(**{name: value})
