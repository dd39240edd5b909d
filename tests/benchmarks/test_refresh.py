"""The benchmarks of refreshes and nights: the sources that they write."""

from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import night, refresh
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
