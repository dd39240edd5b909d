"""Sources outside the lakehouse: which form a location has, and what is no source."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from recast.jobs.settings import Settings
from recast.lakehouse.datasets import form_of, value_count, version_of
from recast.settings import UserError
from tests.lakehouse.forms.shards import ROWS, write


def test_a_folder_is_what_lies_in_it(tmp_path: Path) -> None:
    write(tmp_path / "parquet" / "data" / "train-0.parquet", **ROWS)
    (tmp_path / "parquet" / "dataset_infos.json").write_text("{}")
    (tmp_path / "parquet" / "metadata").mkdir()
    assert form_of(str(tmp_path / "parquet")).name == "Parquet files"
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "a.jsonl.zst").touch()
    assert form_of(str(tmp_path / "json")).name == "JSON lines"
    write_deltalake(str(tmp_path / "delta"), pa.table({"size": [1]}))
    assert form_of(str(tmp_path / "delta")).name == "Delta table"
    assert form_of("lake.stack.files").name == "table of a catalogue"


def test_what_is_no_source_is_one_line(tmp_path: Path) -> None:
    def said(folder: str) -> str:
        with pytest.raises(UserError) as refused:
            form_of(str(tmp_path / folder))
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert said("nowhere") == f"source folder {tmp_path}/nowhere does not exist"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").touch()
    assert "holds no .parquet or .jsonl file, and is no table" in said("notes")
    write(tmp_path / "both" / "a.parquet", **ROWS)
    (tmp_path / "both" / "b.jsonl.gz").touch()
    assert said("both").endswith("b.jsonl.gz; give a folder of one form")
    write_deltalake(str(tmp_path / "above" / "delta"), pa.table({"size": [1]}))
    assert said("above").endswith(f"holds the table {tmp_path}/above/delta; name that")


def test_a_version_that_is_given_stands_and_no_listing_is_made(tmp_path: Path) -> None:
    assert version_of(str(tmp_path / "nowhere"), "2026-03") == "2026-03"


def test_a_source_is_counted_whatever_its_form(tmp_path: Path) -> None:
    assert value_count(str(write(tmp_path / "a" / "a.parquet", **ROWS))) == 2


def test_a_source_may_be_named_as_a_table_and_nothing_else_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(code_source="lake.`my db`.files@12", math_source="default.pages", lake="a.lake")
    assert (settings.code_source, settings.math_source) == ("lake.`my db`.files@12", "default.pages")
    assert settings.lake == str(tmp_path / "a.lake")
    (tmp_path / "default.pages").mkdir()
    assert Settings(math_source="default.pages").math_source == str(tmp_path / "default.pages")
    for path in ("pages", "./default.page", "../a.b", "a-b.c"):
        assert Settings(math_source=path).math_source.startswith("/")
