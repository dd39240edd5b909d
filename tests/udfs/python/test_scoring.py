"""The score of record and its reasons, as pure functions; test_lint_spark.py holds the columns to them."""

import pytest

from recast.schemas import reasons
from recast.schemas.linted_code import Lint
from recast.udfs.python import scoring

THRESHOLD = 7.0


@pytest.mark.parametrize(
    ("score", "ratio", "adjusted", "reason"),
    [
        (10.0, 0.0, 10.0, None),
        (7.0, 0.0, 7.0, None),
        (6.99, 0.0, 6.99, "low_score"),
        (10.0, 0.3, 7.0, None),
        (10.0, 0.31, 6.9, "low_score"),
        (0.0, 0.5, 0.0, "low_score"),
    ],
)
def test_comments_lower_the_score_and_the_threshold_decides(
    score: float, ratio: float, adjusted: float, reason: str | None
) -> None:
    found, said = scoring.decide_lint(Lint("scored", lint_score=score, comment_ratio=ratio), THRESHOLD)
    assert (found, said) == (pytest.approx(adjusted), reason)


def test_another_threshold_needs_no_linter() -> None:
    linted = Lint("scored", lint_score=6.8)
    assert [scoring.decide_lint(linted, threshold)[1] for threshold in (6.5, 7.0)] == [None, "low_score"]


@pytest.mark.parametrize("status", scoring.STATUS_REASONS)
def test_every_status_without_a_score_has_a_reason_and_is_never_a_low_score(status: str) -> None:
    adjusted, reason = scoring.decide_lint(Lint(status), THRESHOLD)
    assert adjusted is None
    assert reason == scoring.STATUS_REASONS[status]
    assert reason in reasons.LINT and reason != "low_score"


def test_a_file_without_a_score_has_no_adjusted_one() -> None:
    assert scoring.adjusted_score(None, 0.5) is None


BLANKET = (
    "disable=C,R",
    "disable=all",
    "disable = W",
    "disable-msg=E",
    "disable=C0103, R",
    "disable=F,",
    "disable=no-member,all",
    "enable=F disable=C,R,W,E",
    "disable=basic,variables",
    "disable=TypeCheck",
    "disable=no-member enable=W disable=imports",
    "disable:=C,R",
    "disable(=C)",
    "disable=éC,éR",
    "disable=Cé",
    "disable=\u2028C",
)
ORDINARY = (
    "disable=C0103",
    "disable=no-member",
    "skip-file",
    "enable=all",
    "enable=C",
    "disable=CC",
    "disable=",
    "disable=all-right",
    "disable=no-member enable=C",
    "disable=basic-string",
    "disable=no-format",
    "disable-next=C",
    "disable foo=C",
    "",
)


@pytest.mark.parametrize("pragma", BLANKET)
def test_a_pragma_that_switches_off_a_category_or_a_checker_is_a_reason_of_its_own(pragma: str) -> None:
    linted = Lint("scored", lint_score=10.0, pragmas=("disable=C0103", pragma))
    assert scoring.decide_lint(linted, THRESHOLD) == (10.0, "blanket_pragma")


@pytest.mark.parametrize("pragma", ORDINARY)
def test_a_pragma_for_a_message_counts_as_the_reference_counts_it(pragma: str) -> None:
    assert scoring.decide_lint(Lint("scored", lint_score=10.0, pragmas=(pragma,)), THRESHOLD) == (10.0, None)
