"""What a model stage shows of its requests, from what feeders left in its journals."""

from dataclasses import replace
from pathlib import Path

import pytest

from recast.inference import telemetry, usage
from recast.inference.telemetry import Report
from recast.storage import place

ANSWERING = Report("http://host/v1", "endpoint", "", 0.0, 1, 3, 0, 0, 0, 0, 0, 8, 3, since=100.0, at=110.0)
ENDED = replace(ANSWERING, ended=True, in_flight=0)


def progress_of(folder: Path, *reports: Report) -> bool | None:
    """Return whether a run that began at 100 has ended, once feeders have left these reports."""
    for number, each in enumerate(reports):
        telemetry.write(place(str(folder / "journal" / "f" / "1")), str(number), each)
    return usage.progress(str(folder), 100.0)[-1]


@pytest.mark.parametrize(
    ("reports", "ended"),
    [
        ((), None),
        ((ANSWERING,), False),
        ((ENDED, ANSWERING), False),
        ((ENDED, ENDED), True),
        ((replace(ANSWERING, at=99.0),), None),
        ((replace(ANSWERING, at=99.0), ENDED), True),
    ],
    ids=["nobody", "one", "one of two", "both", "of a killed run", "of a killed run and ended"],
)
def test_a_run_has_all_answers_once_all_its_own_feeders_have(
    tmp_path: Path, reports: tuple[Report, ...], ended: bool | None
) -> None:
    assert progress_of(tmp_path, *reports) is ended


def test_the_newest_report_of_an_engine_is_kept_with_its_first_use(tmp_path: Path) -> None:
    later = replace(ANSWERING, since=105.0, at=120.0, output_tokens=7)
    telemetry.write(place(str(tmp_path / "f" / "1")), "0", later)
    (kept,) = usage.reports([ANSWERING], str(tmp_path))
    assert (kept.since, kept.at, kept.output_tokens) == (100.0, 120.0, 7)
