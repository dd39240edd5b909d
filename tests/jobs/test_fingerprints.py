"""Fingerprints: what an older lake was made with is what this version would make it with, unless a rule changed."""

import json
from pathlib import Path

import pytest

from recast.jobs.catalogue import STAGES
from recast.jobs.settings import Settings

SETTINGS = Settings(model="model-a", endpoint="http://localhost:1/v1")
FACTS = json.loads(Path(__file__).with_name("fingerprints.json").read_text("utf-8"))
"""The facts behind each stage's fingerprints, as `runs` of a lake holds them that commit ffc3f6e made."""


@pytest.mark.parametrize("table", STAGES)
def test_a_lake_that_an_older_version_made_is_up_to_date(table: str) -> None:
    """A fact that changes makes every row of the table be measured or decided again: change the file only with the changelog."""
    stage = STAGES[table]
    facts = {"measured_by": stage.measured_by(SETTINGS), "decided_by": stage.decided_by(SETTINGS)}
    assert json.loads(json.dumps(facts)) == FACTS[table]
