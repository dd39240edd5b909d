"""Answers on their way into the journal: what was paid for is kept, whatever happens to the task or the disk."""

import logging
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from recast import journal
from recast.inference import pending, rows
from recast.inference.rewrite import rewrite
from recast.inference.server.spec import EngineSpec
from tests.inference.feeding import asked, batch, run, spec_for, statuses

Make = Callable[..., EngineSpec]
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_second_attempt_asks_only_what_was_not_answered(fake_engine: Make, tmp_path: Path) -> None:
    record, kept = tmp_path / "record", str(tmp_path / "a journal")
    spec = spec_for(fake_engine("--record", str(record)), journal=kept, journal_flush_s=0.05, window=2)
    texts = [f"[[slow 0.05]] {index}" for index in range(40)]
    first = rewrite(iter([batch(*texts)]), spec)
    seen = [row["text"] for row in next(first).to_pylist()]
    first.close()
    rows = run(spec, batch(*texts))
    assert set(statuses(rows)) == set(texts)
    counts = asked(record)
    assert all(counts[text] == 1 for text in seen), "what came out was journaled"
    assert sum(counts.values()) - len(texts) <= 2, "paid twice: at most what was in flight"
    assert journal.progress(kept).rows == len(texts)


def test_failed_requests_are_not_journaled_and_get_another_chance(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path))
    run(spec, batch("[[status 400]]", "fine"))
    assert journal.progress(str(tmp_path)).rows == 1


def test_a_fault_while_the_journal_is_written_loses_no_answer(
    endpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, faults = journal.Writer.write, iter([ValueError("a fault")])

    def broken_once(self: journal.Writer, segment: pa.Table) -> str:
        for fault in faults:
            raise fault
        return write(self, segment)

    monkeypatch.setattr(journal.Writer, "write", broken_once)
    with pytest.raises(ValueError, match="a fault"):
        run(spec_for(endpoint(), journal=str(tmp_path / "journal"), journal_flush_s=0.05), batch("fine", "[[hang]]"))
    assert journal.progress(str(tmp_path / "journal")).rows == 1


def test_a_full_disk_that_is_cleared_warns_once_and_loses_no_answer(
    endpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = 0
    write = journal.Writer.write

    def full_at_first(self: journal.Writer, answers: pa.Table) -> str:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise OSError(28, "No space left on device")
        return write(self, answers)

    monkeypatch.setattr(journal.Writer, "write", full_at_first)
    spec = spec_for(endpoint(), journal=str(tmp_path), journal_flush_s=0.05, window=2)
    with caplog.at_level(logging.WARNING):
        rows = run(spec, batch(*[f"[[slow 0.05]] {index}" for index in range(20)]))
    assert set(statuses(rows).values()) == {"answered"}
    assert refused == 3
    assert journal.progress(str(tmp_path)).rows == 20
    assert caplog.text.count("No space left on device") == 1


FULL_DISK = """
import json, resource, sys
from tests.inference.feeding import batch, spec_for
from recast.inference import feeder, pending
from recast.inference.server.spec import EngineSpec
from recast.inference.rewrite import rewrite

folder, endpoint = sys.argv[1:]
feeder.TICK_S, pending.JOURNAL_PATIENCE_S = 0.05, 0.5
spec = spec_for(EngineSpec(model="fake", endpoint=endpoint), journal=folder, journal_flush_s=0.05, window=2)
texts = [f"[[slow 0.02]] {index}" for index in range(100)]
out = rewrite(iter([batch(*texts)]), spec)
rows = 0
try:
    for answered in out:
        rows += answered.num_rows
        # From here on no file may be longer than half a segment: the kernel refuses the write in the middle.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.slow
def test_a_disk_that_fills_stops_the_task_before_it_pays_for_what_it_cannot_keep(
    endpoint: Make, tmp_path: Path
) -> None:
    spec = endpoint("--record", str(tmp_path / "record"))
    kept = str(tmp_path / "journal")
    command = [sys.executable, "-c", FULL_DISK, kept, spec.endpoint]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    (line,) = done.stdout.splitlines()
    assert re.fullmatch(rf"JournalError: the journal {kept} cannot be written: File too large\. Make room .*", line)
    assert not list(Path(kept).rglob(".unfinished-*")), "nothing half-written is left"
    paid = asked(tmp_path / "record")
    assert max(paid.values()) == 1
    lost = len(paid) - journal.progress(kept).rows
    assert 0 < lost <= 2 * (1 + 0.15 / 0.02), "what was in flight, and answered since the last flush"
    rows = run(spec_for(spec, journal=kept, window=2), batch(*[f"[[slow 0.02]] {index}" for index in range(100)]))
    assert Counter(row["answer_status"] for row in rows) == {"answered": 100}
    paid = asked(tmp_path / "record")
    assert sum(paid.values()) == 100 + lost


def test_large_answers_are_written_as_several_segments_and_handed_over_in_short_lists(
    endpoint: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pending, "SEGMENT_CHARS", 1000)
    monkeypatch.setattr(rows, "OUTPUT_BYTES", 2000)
    lists: list[int] = []
    flush = rows.Rows.flush

    def counted(self: rows.Rows) -> None:
        lists.append(len(self._ready))
        flush(self)

    monkeypatch.setattr(rows.Rows, "flush", counted)
    texts = [f"{index} " + "word " * 100 for index in range(20)]
    spec = spec_for(endpoint(), journal=str(tmp_path / "journals" / "one"), journal_flush_s=60.0)
    assert len(run(spec, batch(*texts))) == 20
    segments = list(tmp_path.rglob("*.parquet"))
    assert len(segments) >= 10
    assert sum(int(each.name.split(".rows-")[1].split(".")[0]) for each in segments) == 20
    assert max(lists) <= 2
