"""The benchmarks of refreshes and nights: the sources that they write, and what counts as a request to a model."""

import json
from itertools import pairwise
from pathlib import Path
from urllib import request

import pyarrow.parquet as pq
import pytest

from benchmarks import night, refresh
from recast import prompts
from recast.jobs.catalogue import lane
from recast.jobs.settings import Settings


def test_a_changed_source_has_the_same_pages_and_another_text_for_one_in_a_thousand(tmp_path: Path) -> None:
    refresh.write_source(tmp_path, 2_500)
    before = pq.read_table(tmp_path)
    refresh.write_source(tmp_path, 2_500, changed=True)
    after = pq.read_table(tmp_path)
    assert len(set(before["url"].to_pylist())) == len(set(before["text"].to_pylist())) == 2_500
    assert after["url"] == before["url"]
    changed = sum(a != b for a, b in zip(before["text"].to_pylist(), after["text"].to_pylist(), strict=True))
    assert changed == 3


def ask(endpoint: str, times: int) -> None:
    """Send a model of tests/jobs/lanes.py so many requests."""
    prompt = prompts.load("rewrite_math_v1")
    body = {"messages": [{"content": prompt.system}, {"content": prompt.user}]}
    for _ in range(times):
        request.urlopen(f"{endpoint}/chat/completions", json.dumps(body).encode()).close()


@pytest.mark.parametrize("more", [0, 3])
def test_model_calls_of_a_refresh_without_changes_are_those_that_the_model_got(
    more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([refresh.PAGES_FOR_MODEL, more])

    def recast(_: Path, *arguments: str) -> tuple[float, float, str]:
        assert arguments[:2] == ("refresh", "math")
        ask(arguments[arguments.index("--endpoint") + 1], next(counts))
        return 1.0, 1.0, ""

    monkeypatch.setattr(refresh, "recast", recast)
    assert refresh.noop_model_calls(tmp_path) == more


def test_a_model_that_no_request_reaches_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "recast", lambda *_: (1.0, 1.0, ""))
    with pytest.raises(SystemExit, match="the model was asked 0 times for 300 pages"):
        refresh.noop_model_calls(tmp_path)


def test_a_night_changes_two_more_files_and_a_lake_is_built_by_the_fingerprints_of_the_lane(tmp_path: Path) -> None:
    blobs = []
    for changed in (0, 2, 4):
        night.write_source(tmp_path, 100, changed)
        blobs.append(set(pq.read_table(tmp_path)["blob_id"].to_pylist()))
    assert [len(each) for each in blobs] == [100] * 3
    assert [len(new - old) for old, new in pairwise(blobs)] == [2, 2]
    settings = Settings(endpoint="http://127.0.0.1/v1", model="model")
    for stage in lane("code"):
        free = night.free(stage)
        assert free.measured_by(settings) == stage.measured_by(settings)
        assert free.decided_by(settings) == stage.decided_by(settings)
