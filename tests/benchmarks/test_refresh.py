"""The benchmark of refreshes: the source that it writes."""

from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import refresh


def test_a_changed_source_has_the_same_pages_and_another_text_for_one_in_a_thousand(tmp_path: Path) -> None:
    refresh.write_source(tmp_path, 2_500)
    before = pq.read_table(tmp_path)
    refresh.write_source(tmp_path, 2_500, changed=True)
    after = pq.read_table(tmp_path)
    assert len(set(before["url"].to_pylist())) == len(set(before["text"].to_pylist())) == 2_500
    assert after["url"] == before["url"]
    changed = sum(a != b for a, b in zip(before["text"].to_pylist(), after["text"].to_pylist(), strict=True))
    assert changed == 3
