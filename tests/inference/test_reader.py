"""Reading input: what journals know is not asked again, and no row costs another."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recast import journal
from recast.inference import answers, feeder, pending, reader
from recast.inference import request as asking
from recast.inference.rewrite import rewrite
from recast.inference.server.spec import EngineSpec
from tests.inference.feeding import asked, batch, digest, run, spec_for, statuses

Make = Callable[..., EngineSpec]


def test_what_the_input_raises_reaches_the_task(endpoint: Make) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch("one")
        raise OSError("the shuffle is gone")

    with pytest.raises(OSError, match="the shuffle is gone"):
        list(rewrite(batches(), spec_for(endpoint())))


def test_fifty_megabytes_in_one_row_are_refused_without_being_tokenized(fake_engine: Make) -> None:
    began = time.monotonic()
    rows = run(spec_for(fake_engine()), batch("x" * 50_000_000, *[f"t{index}" for index in range(50)]))
    assert Counter(statuses(rows).values()) == {"too_long": 1, "answered": 50}
    assert time.monotonic() - began < 10


def test_a_waiting_row_holds_no_other_rows_of_its_batch(endpoint: Make) -> None:
    spec = spec_for(endpoint(), window=4)
    first = batch("[[slow 1]]", "x" * 5_000_000)
    large = first.nbytes
    before = pa.total_allocated_bytes()
    source = iter([first])
    del first
    out = rewrite(source, spec)
    rest = next(out)
    assert rest.column("answer_status").to_pylist() == ["answered"] or rest.nbytes > large // 2
    del rest
    assert pa.total_allocated_bytes() - before < large // 2
    out.close()


def test_a_fully_answered_task_needs_no_engine(fake_engine: Make, tmp_path: Path) -> None:
    engine = fake_engine()
    spec = spec_for(engine, journal=str(tmp_path))
    before = run(spec, batch("one", "two"))
    nowhere = replace(spec, engine=EngineSpec(model="/no/such/model"))
    after = run(nowhere, batch("one", "two"))
    assert sorted(before, key=lambda row: row["id"]) == sorted(after, key=lambda row: row["id"])


def test_the_journal_of_a_killed_run_is_read_and_not_written(fake_engine: Make, tmp_path: Path) -> None:
    """A chunk's journal lies beside those of other chunks and of killed runs, cut into as many buckets or others."""
    record = tmp_path / "record"
    spec = spec_for(fake_engine("--record", str(record)), journal=str(tmp_path / "killed"))
    run(spec, batch("one"))
    later = replace(spec, journal=str(tmp_path / "later"))
    run(later, batch("one", "two"))
    last = replace(spec, journal=str(tmp_path / "last"), journal_buckets=7)
    run(last, batch("one", "two", "three"))
    assert asked(record) == {"one": 1, "two": 1, "three": 1}
    assert journal.progress(spec.journal).rows == journal.progress(later.journal).rows == 1


def test_another_fingerprint_reads_nothing_of_this_ones_journal(fake_engine: Make, tmp_path: Path) -> None:
    record = tmp_path / "record"
    spec = spec_for(fake_engine("--record", str(record)), journal=str(tmp_path / "j"))
    run(spec, batch("one"))
    run(replace(spec, fingerprint="g"), batch("one"))
    assert asked(record) == {"one": 2}


def test_a_verdict_in_a_journal_is_not_believed(endpoint: Make, tmp_path: Path) -> None:
    """Older versions wrote them: only the commit of a chunk makes a failure last, until `--retry`."""
    spec = spec_for(endpoint(), journal=str(tmp_path / "killed"))
    writer = journal.Writer(journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets), 0)
    writer.write(pending.segment([(digest("text"), answers.Answer(None, answers.POISON))]))
    assert statuses(run(spec, batch("text"))) == {"text": "answered"}


def test_the_journal_of_an_older_version_is_read(endpoint: Make, tmp_path: Path) -> None:
    """Its segments lack the columns that came since; what they hold was paid for."""
    spec = spec_for(endpoint("--record", str(tmp_path / "record")), journal=str(tmp_path / "journal"))
    writer = journal.Writer(journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets), 0)
    whole = pending.segment([(digest("text"), answers.Answer("TEXT", answers.ANSWERED, "stop", output_tokens=1))])
    writer.write(whole.drop_columns(["reasoning", "server_finish_reason"]))
    (row,) = run(spec, batch("text"))
    assert (row["answer"], row["finish_reason"], row["output_tokens"], row["reasoning"]) == ("TEXT", "stop", 1, None)
    assert asked(tmp_path / "record") == {}


def test_a_task_keeps_no_answer_that_it_gave_to_the_only_row_of_its_text(endpoint: Make, tmp_path: Path) -> None:
    spec = spec_for(endpoint(), journal=str(tmp_path / "journal"))
    fed = feeder.Feeder([batch("one", "two", "two")], spec, 0)
    fed.run()
    assert list(fed.rows.known) == [digest("two")]
    recalled = reader.recall(spec, 0)
    reader.prepare(batch("one"), recalled, lambda: asking.Counter(spec), False)
    assert list(recalled) == [digest("two")]


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_a_text_that_the_tokenizer_fails_at_is_a_row_of_its_own_and_its_neighbours_are_answered(
    kind: type[BaseException], endpoint: Callable[..., EngineSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asking.Counter.request

    def fragile(counter: asking.Counter, key: str, text: str) -> Any:
        if text == "fails":
            raise kind("cannot normalize\nthis text")
        return request(counter, key, text)

    monkeypatch.setattr(asking.Counter, "request", fragile)
    rows = run(spec_for(endpoint()), batch("before", "fails", "after"))
    assert statuses(rows) == {"before": "answered", "fails": "crashed", "after": "answered"}
    (failed,) = (row for row in rows if row["text"] == "fails")
    assert failed["error"].startswith(f"{kind.__name__}: cannot normalize")
