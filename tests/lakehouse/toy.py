"""A stage over a folder of notes, small enough to see every step of the loop."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recast.jobs.settings import Settings
from recast.lakehouse.datasets import read, value_count, version_of
from recast.lakehouse.source import Source, nothing_above
from recast.lakehouse.stage import Stage, keep
from recast.schemas.table import IDENTITY, PROVENANCE, VERDICT, Column, Table, document_expectations, unexpected_rows

REASONS = {"short": "fewer letters than the threshold"}
TABLE = Table(
    name="notes",
    about="notes, for tests of the loop",
    columns=(
        *IDENTITY,
        Column("text", "string", "the note"),
        *VERDICT,
        Column("owner", "string", "who wrote it"),
        Column("letters", "int", "length of the text: what this stage pays for"),
        *PROVENANCE,
    ),
    reasons=REASONS,
    expectations=(*document_expectations(REASONS), unexpected_rows("no note is cursed", "text = 'cursed'")),
)


def write_notes(folder: Path, notes: dict[str, tuple[str, str]]) -> None:
    """Write the source: doc_id -> (text, owner)."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of(notes), folder / "notes.parquet")


def table_of(notes: dict[str, tuple[str, str]]) -> pa.Table:
    """Return the rows of a source: doc_id -> (text, owner)."""
    rows = [{"doc_id": doc_id, "text": text, "owner": owner} for doc_id, (text, owner) in notes.items()]
    schema = pa.schema([("doc_id", pa.string()), ("text", pa.string()), ("owner", pa.string())])
    return pa.Table.from_pylist(rows, schema)


def notes(spark: SparkSession, settings: Settings, version: str, takedowns: int | None) -> DataFrame:
    """Read the source."""
    rows = read(spark, settings.math_source, {"doc_id": "string", "text": "string", "owner": "string"}, version)
    return rows.select(
        "doc_id",
        F.sha2("text", 256).alias("input_hash"),
        "text",
        "owner",
        F.lit("notes").alias("source_dataset"),
        F.lit(version).alias("source_version"),
        F.lit("permissive").alias("license_type"),
        F.array().cast("array<string>").alias("detected_licenses"),
        nothing_above().alias("made_by"),
    )


def toy_stage(bill: Path, measured_by: str = "rule 1") -> Stage:
    """Return the stage; every measured text is one more file in the folder `bill`.

    While a file `storm` lies beside that folder, measuring a text that starts with "flaky" fails with 0 letters.
    """
    paid, storm = str(bill), str(bill.parent / "storm")

    def count(batches):  # type: ignore[no-untyped-def]
        import uuid

        for batch in batches:
            for text in batch["text"].to_pylist():
                Path(paid, f"{text}-{uuid.uuid4()}").touch()
            failing = ("flaky",) if Path(storm).exists() else ()
            lengths = [0 if text.startswith(failing) else len(text) for text in batch["text"].to_pylist()]
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, pa.array(lengths, pa.int32())], [*batch.schema.names, "letters"]
            )

    def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
        bill.mkdir(exist_ok=True)
        ddl = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in rows.schema.fields)
        return rows.mapInArrow(count, f"{ddl}, letters int")

    def decide(rows: DataFrame, settings: Settings) -> DataFrame:
        return keep(rows, F.col("letters") >= settings.lint_threshold, otherwise="short")

    return Stage(
        target=TABLE,
        source=Source(
            lambda settings: version_of(settings.math_source, ""),
            notes,
            lambda settings: value_count(settings.math_source),
        ),
        measure=measure,
        decide=decide,
        measured_by=lambda settings: {"rule": measured_by},
        decided_by=lambda settings: {"letters": settings.lint_threshold},
        retryable="letters = 0",
    )


def settings_in(folder: Path, **changes: object) -> Settings:
    """Return settings for a toy lake below `folder`."""
    return replace(
        Settings(lake=str(folder / "lake"), math_source=str(folder / "source"), lint_threshold=3.0), **changes
    )
