"""The views of a lake: what each counts, over all tables, a part of them, or tables of an older version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deltalake import DeltaTable

from recast.lakehouse import query, views
from recast.lakehouse.settings import Settings
from recast.schemas import TABLES
from recast.schemas.views import VIEWS
from tests.lakehouse.lakes import write_lake
from tests.lakehouse.whole_lake import FILES, PAGES, RUN_IDS, prompt_of, write_whole_lake


class Whole(NamedTuple):
    """A lake with every table, connected once for all questions."""

    settings: Settings
    lake: query.Lake

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return query.dictionaries(query.execute(self.lake, self.settings, statement))

    def one(self, statement: str) -> dict[str, Any]:
        (row,) = self.rows(statement)
        return row


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    settings = write_whole_lake(tmp_path_factory.mktemp("whole") / "lake")
    lake = query.connect(settings, shown=VIEWS)
    yield Whole(settings, lake)
    lake.connection.close()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_columns_that_its_description_lists_with_their_types(whole: Whole, name: str) -> None:
    found = whole.rows(f"DESCRIBE {name}")
    assert [(row["column_name"], row["column_type"].lower()) for row in found] == [
        (column.name, whole.one(f"SELECT typeof(NULL::{views.duckdb_type(column.type)}) AS t")["t"].lower())
        for column in VIEWS[name].columns
    ]


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_reads_a_lake_with_few_tables_and_few_columns(tmp_path: Path, name: str) -> None:
    assert query.run_sql(write_lake(tmp_path / "lake"), f"FROM {name}").fetchall() is not None


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_there_as_soon_as_any_table_is(tmp_path: Path, name: str) -> None:
    settings = write_whole_lake(tmp_path / "lake")
    for table in TABLES:
        if table != "raw_math" and (tmp_path / "lake" / table).exists():
            (tmp_path / "lake" / table).rename(tmp_path / table)
    assert query.run_sql(settings, f"FROM {name}").fetchall() is not None


def test_views_are_listed_and_only_made_where_a_statement_may_read_them(whole: Whole) -> None:
    listed = {row["name"] for row in query.rows(whole.settings, "SHOW TABLES")}
    assert listed >= {*TABLES, *VIEWS} - {"releases", "tombstones"}
    assert views.named_in("SELECT count(*) FROM linted_code") == []
    assert views.named_in('SELECT * FROM "Funnel", rejects') == ["rejects", "funnel"]


def test_a_reject_says_where_it_came_from(whole: Whole) -> None:
    found = {row["source"]: row["reason"] for row in whole.rows("FROM rejects")}
    expected = {place: reason for place, (_, _, reasons) in FILES.items() for reason in reasons.values()}
    assert found == expected | {place: reason for place, (_, reasons) in PAGES.items() for reason in reasons.values()}


def test_lineage_leads_from_a_published_row_to_its_blob_and_to_every_stage(whole: Whole) -> None:
    steps = whole.rows("FROM lineage WHERE source = 'ada/numbers/primes.py' ORDER BY position")
    assert [(row["position"], row["made_by"]) for row in steps] == list(
        enumerate([name for name in TABLES if name.endswith("_code")], 1)
    )
    first = steps[0]
    assert first["blob_id"] == first["doc_id"]
    assert (first["occurrences"], first["license_type"], first["warc_filename"]) == (1, "permissive", None)
    assert '"threshold": 6.5' in steps[2]["decided_by_facts"]
    assert '"model": "model-70b"' in steps[3]["measured_by_facts"]


def test_lineage_of_a_page_leads_to_its_crawl_file(whole: Whole) -> None:
    steps = whole.rows("FROM lineage WHERE source LIKE '%fractions' ORDER BY position")
    assert [row["made_by"] for row in steps] == ["raw_math", "rewritten_math", "published_math"]
    assert {row["warc_filename"] for row in steps} == {"crawl-2026/a.warc.gz"}
    assert {row["blob_id"] for row in steps} == {None}


def test_every_published_row_has_a_lineage_and_no_step_is_doubled(whole: Whole) -> None:
    counted = "SELECT count(DISTINCT doc_id) AS documents, count(*) AS steps FROM lineage WHERE table_name = '{}'"
    assert whole.one(counted.format("published_code")) == {"documents": 3, "steps": 18}
    assert whole.one(counted.format("published_math")) == {"documents": 2, "steps": 6}


def test_the_funnel_counts_what_tables_hold_and_what_each_run_did(whole: Whole) -> None:
    present = whole.rows("FROM funnel WHERE run_id IS NULL AND table_name = 'linted_code' ORDER BY kept DESC")
    assert [(row["rows_in"], row["kept"], row["reason"], row["rows"]) for row in present] == [
        (7, True, None, 6),
        (7, False, "low_score", 1),
    ]
    first = f"FROM funnel WHERE run_id = '{RUN_IDS[0]}' AND table_name = 'linted_code' ORDER BY kept DESC"
    assert [(row["rows_in"], row["reason"], row["rows"], row["share"]) for row in whole.rows(first)] == [
        (8, None, 6, 0.75),
        (8, "low_score", 2, 0.25),
    ]


def test_in_the_funnel_the_rows_of_a_stage_add_up_to_those_that_came_in(whole: Whole) -> None:
    summed = "SELECT count(*) AS n FROM (SELECT any_value(rows_in) - sum(rows) AS lost FROM funnel GROUP BY run_id, table_name)"
    assert whole.one(f"{summed} WHERE lost <> 0") == {"n": 0}


def test_cost_is_summed_by_stage_model_and_prompt(whole: Whole) -> None:
    found = whole.rows("FROM cost WHERE model IS NOT NULL ORDER BY table_name, runs DESC, model_requests")
    named = {(row["table_name"], row["model"], row["prompt"]) for row in found}
    (unnamed,) = {row["prompt"] for row in found} - {"style_code_v2", "optimize_code_v1", "rewrite_math_v1"}
    assert named == {
        ("styled_code", "model-70b", "style_code_v2"),
        ("styled_code", "model-70b", unnamed),  # no row of the first prompt is left
        ("optimized_code", "model-70b", "optimize_code_v1"),
        ("rewritten_math", "model-70b", "rewrite_math_v1"),
    }
    assert len(unnamed) == 16
    assert prompt_of("styled_code", 0) != "style_code_v2"


def test_cost_per_accepted_token_is_what_all_answers_cost(whole: Whole) -> None:
    ledger = "SELECT sum(output_tokens) AS o, sum(kept_output_tokens) AS k, sum(seconds) AS s FROM runs WHERE table_name = '{}'"
    spent = whole.one(ledger.format("optimized_code"))
    row = whole.one("FROM cost WHERE table_name = 'optimized_code'")
    assert row["runs"] == 2
    assert row["accepted_tokens"] == spent["k"]
    assert row["output_tokens_per_accepted"] == pytest.approx(spent["o"] / spent["k"])
    assert row["seconds_per_million_accepted"] == pytest.approx(1e6 * spent["s"] / spent["k"])
    assert (row["paid"], row["paid_per_million_accepted"]) == (0.5, pytest.approx(5e5 / spent["k"]))


def test_a_stage_that_asks_no_model_has_seconds_and_no_price_per_token(whole: Whole) -> None:
    row = whole.one("FROM cost WHERE table_name = 'linted_code'")
    assert (row["model"], row["prompt"], row["output_tokens_per_accepted"]) == (None, None, None)
    assert row["seconds"] > 0


def test_a_column_that_a_table_lacks_is_null_and_of_its_type(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake")
    assert "kept_output_tokens" not in {field.name for field in DeltaTable(f"{settings.lake}/runs").schema().fields}
    assert {row["accepted_tokens"] for row in query.rows(settings, "FROM cost")} == {None}


@pytest.mark.parametrize(
    ("spark", "duckdb"),
    [
        ("string", "string"),
        ("timestamp", "timestamptz"),
        ("array<string>", "string[]"),
        ("array<struct<a: string, b: array<int>>>", 'struct("a" string, "b" int[])[]'),
        ("map<string, bigint>", "map(string, bigint)"),
    ],
)
def test_a_type_of_spark_has_its_name_in_duckdb(spark: str, duckdb: str) -> None:
    assert views.duckdb_type(spark) == duckdb
