"""The catalogue of tables: the columns that every user counts on, and closed lists that are closed."""

import re

import pytest

from recast.jobs.catalogue import STAGES
from recast.lakehouse.takedown import RAW
from recast.schemas import TABLES, raw_code, raw_math, reasons
from recast.schemas.table import WITHDRAWN, Table
from recast.udfs.python import scoring, syntax

DOCUMENTS = [TABLES[name] for name in STAGES]
PROVENANCE = (
    "source_dataset",
    "source_version",
    "license_type",
    "detected_licenses",
    "made_by",
    "measured_by",
    "run_id",
)
RUN_COLUMNS = (
    "run_id table_name status rows_in rows_kept rows_rejected model_requests prompt_tokens output_tokens seconds "
    "started_at"
)


def named(table: Table) -> str:
    return table.name


@pytest.mark.parametrize("table", DOCUMENTS, ids=named)
def test_every_document_table_has_the_required_columns(table: Table) -> None:
    assert {"doc_id", "content_hash", "kept", "reason", "text", *PROVENANCE} <= set(table.column_names)


def test_the_runs_table_has_the_required_columns() -> None:
    assert set(RUN_COLUMNS.split()) <= set(TABLES["runs"].column_names)


@pytest.mark.parametrize("table", TABLES.values(), ids=named)
def test_every_column_is_named_once_and_explained(table: Table) -> None:
    assert len(set(table.column_names)) == len(table.column_names)
    assert all(column.comment and re.fullmatch(r"[a-z][a-z0-9_]*", column.name) for column in table.columns)
    assert set(table.key) <= set(table.column_names)


def test_the_catalogue_holds_what_the_jobs_write_and_the_operations_tables() -> None:
    assert list(STAGES) == [name for name in TABLES if name in STAGES], "in the same order"
    assert set(TABLES) - set(STAGES) == {"runs", "expectation_results", "tombstones", "releases"}
    assert all(stage.target is TABLES[name] for name, stage in STAGES.items())


@pytest.mark.parametrize("table", DOCUMENTS, ids=named)
def test_conservation_is_an_expectation_of_every_document_table(table: Table) -> None:
    described = [
        str(each.arguments.get("description", "")) for each in table.expectations if each.severity == "critical"
    ]
    assert any("kept + rejected = rows in" in words for words in described)
    assert any(each.type == "ExpectTableRowCountToEqual" for each in table.expectations)


REASONS_GIVEN = {
    "raw_code": {*raw_code.POLICY, raw_code.NOT_FETCHED, *raw_code.FETCH_FAILURES, *raw_code.TEXT_POLICY},
    "parsed_code": set(syntax.REASONS),
    "linted_code": {"low_score", "blanket_pragma", "not_linted", *scoring.STATUS_REASONS.values(), WITHDRAWN},
    "styled_code": {*reasons.CODE, WITHDRAWN} - {"not_self_contained"},
    "optimized_code": {*reasons.CODE, WITHDRAWN},
    "published_code": {"no_tokens"},
    "raw_math": {*raw_math.POLICY, "too_large", "not_unicode", "no_text", "null_bytes"},
    "rewritten_math": {*reasons.MATH, WITHDRAWN},
    "published_math": {"no_tokens"},
}


@pytest.mark.parametrize("table", DOCUMENTS, ids=named)
def test_a_table_lists_exactly_the_reasons_that_its_stage_gives(table: Table) -> None:
    assert set(table.reasons) == REASONS_GIVEN[table.name]
    assert all(meaning for meaning in table.reasons.values())


def test_every_table_below_the_raw_ones_says_from_which_text_its_rows_come() -> None:
    assert {table.name for table in DOCUMENTS if "raw_hash" not in table.column_names} == set(RAW)
