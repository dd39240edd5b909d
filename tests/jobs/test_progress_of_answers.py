"""What a model stage shows after its last answer: its own phase, and rows that move while answers are read and linted."""

import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from recast.jobs import asking, rewriting_code
from recast.jobs.settings import Settings
from recast.lakehouse import progress
from recast.lakehouse.stage import keep
from recast.schemas import linted_code, styled_code
from tests.jobs.lanes import Model

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOTES = 40
PHASES = rewriting_code.stage(styled_code.TABLE, linted_code.TABLE, "style_prompt", self_contained=False).phases


@pytest.mark.spark
@pytest.mark.slow
def test_reading_and_linting_the_answers_is_a_phase_of_its_own(
    spark: "SparkSession", served_model: tuple[Model, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from pyspark.sql import functions as F
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]

    from recast.lakehouse.refresh import refresh
    from tests.lakehouse.toy import settings_in, toy_stage, write_notes

    def ask(rows: "DataFrame", settings: Settings, journal: str) -> "DataFrame":
        return asking.ask(rows.withColumn("source_text", F.col("text")), settings, settings.math_prompt, journal)

    def slowly(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        for batch in batches:
            time.sleep(0.4 * len(batch))
            yield pa.array([len(text) for text in batch.to_pylist()], pa.int32())

    slowly.__annotations__.update(dict.fromkeys(("batches", "return"), Iterator[pa.Array]))
    letters = arrow_udf(slowly, "int").asNondeterministic()

    def decide(rows: "DataFrame", settings: Settings) -> "DataFrame":
        return keep(rows.withColumn("letters", letters("text")), F.col("letters") > 0, otherwise="short")

    model, url = served_model
    monkeypatch.setattr(model, "answer_s", 0.3)
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.2)
    write_notes(tmp_path / "source", {f"note {number}": (f"{number} + 1", "ann") for number in range(NOTES)})
    settings = settings_in(tmp_path, endpoint=url, model="model-a", window=4, partitions=1)
    # A toy table has no columns of answers to count.
    usage = asking.USAGE._replace(counts=lambda started_at: {}, require=lambda *_: None)
    stage = replace(toy_stage(tmp_path / "bill"), measure=ask, decide=decide, usage=usage, phases=PHASES)
    screen = io.StringIO()
    meter = progress.Meter(Console(file=screen, width=200))
    records = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "5")
    try:
        run = refresh(spark, settings, stage, "run", meter)
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", records)
    assert run
    assert run["rows_kept"] == NOTES
    found = [re.search(r"notes: ([a-z ]+?)(?:, (\d+) of 40 rows.*)?$", line) for line in screen.getvalue().splitlines()]
    seen = [(line[1], int(line[2] or 0)) for line in found if line]
    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["plan", "ask", "read and lint answers", "check", "commit"]
    answered = [rows for phase, rows in seen if phase == "ask"]
    read = [rows for phase, rows in seen if phase == "read and lint answers"]
    assert max(answered) <= NOTES
    assert min(read) < NOTES
    assert read == sorted(read)
    assert len(set(read)) >= 3, "rows move"
