"""The thresholds of verdicts: what a file, a program or a page must reach to be kept."""

from dataclasses import dataclass

from recast.settings import Group, setting


@dataclass(frozen=True)
class Settings(Group):
    """Thresholds. The recipe's is `lint_threshold` (arXiv 2505.02881, section 3); the reasons name the others."""

    lint_threshold: float = setting(7.0, "lowest score after the comment penalty that is kept", most=10)
    names_floor: float = setting(0.3, "smallest share of names that code keeps, or it is `unrelated`", least=0, most=1)
    words_floor: float = setting(
        0.3, "smallest share of words that a page keeps, or it is `unrelated`", least=0, most=1
    )
    numbers_floor: float = setting(
        0.3, "smallest share of its numbers that a page keeps, or it is `numbers_lost`", least=0, most=1
    )
