"""SQL over the tables without a JVM: what is found, and what is said where nothing is."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import ArrayType, MapType, PrimitiveType, StructType
from pyarrow.fs import S3FileSystem, SubTreeFileSystem

from recast.lakehouse import confinement, ledger, query, views
from recast.lakehouse.settings import Settings
from recast.schemas import TABLES
from recast.schemas.operations import RUNS
from recast.settings import UserError
from tests.lakehouse.lakes import DOCUMENTS, PARSED, write_lake, write_table
from tests.lakehouse.whole_lake import arrow_schema, write_whole_lake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_lake(tmp_path / "date=2026-03-01" / "a läke, with 'quotes'")


def test_every_built_table_can_be_queried_by_its_name(settings: Settings) -> None:
    assert query.rows(settings, "SELECT count(*) AS n FROM linted_code") == [{"n": len(DOCUMENTS)}]


def test_a_folder_above_the_lake_is_no_column(settings: Settings) -> None:
    assert "date" not in query.rows(settings, "SELECT * FROM linted_code")[0]


def test_rejects_are_the_rows_that_were_not_kept_over_all_tables(settings: Settings) -> None:
    found = query.rows(settings, "SELECT table_name, doc_id, reason FROM rejects ORDER BY ALL")
    assert found == [
        {"table_name": "linted_code", "doc_id": "b", "reason": "low_score"},
        {"table_name": "linted_code", "doc_id": "c", "reason": "low_score"},
        {"table_name": "parsed_code", "doc_id": "d", "reason": "python2"},
    ]


def test_a_table_without_rows_can_be_queried_too(settings: Settings) -> None:
    assert query.rows(settings, "SELECT count(*) AS n FROM styled_code") == [{"n": 0}]


def test_only_the_present_version_is_seen(settings: Settings) -> None:
    before = query.version(settings, "parsed_code")
    rows = pa.table({"doc_id": ["z"], "kept": [True], "reason": pa.array([None], pa.string())})
    rows = rows.append_column("run_id", pa.array(["run-2"])).append_column("written_at", pa.array([datetime.now(UTC)]))
    write_deltalake(query.table_uri(settings, "parsed_code"), rows, mode="overwrite", schema_mode="overwrite")
    assert query.rows(settings, "SELECT doc_id FROM parsed_code") == [{"doc_id": "z"}]
    assert before is not None
    assert query.version(settings, "parsed_code") == before + 1


def test_a_table_that_was_built_anew_is_another_one_though_its_version_is_the_same(settings: Settings) -> None:
    before = query.version(settings, "parsed_code"), query.state(settings, "parsed_code")
    shutil.rmtree(query.table_uri(settings, "parsed_code"))
    assert query.state(settings, "parsed_code") is None
    write_table(Path(settings.lake), "parsed_code", PARSED)
    assert query.version(settings, "parsed_code") == before[0]
    assert query.state(settings, "parsed_code") != before[1]


def test_a_table_that_became_an_older_copy_and_was_written_again_has_another_state(settings: Settings) -> None:
    folder = Path(query.table_uri(settings, "parsed_code"))
    copy = shutil.copytree(folder, folder.with_name("copy"))
    write_table(Path(settings.lake), "parsed_code", [PARSED[0]])
    before = query.state(settings, "parsed_code")
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    write_table(Path(settings.lake), "parsed_code", [PARSED[1]])
    after = query.state(settings, "parsed_code")
    assert before and after and before != after
    assert before.split("@")[:2] == after.split("@")[:2], "the version and the table's id are the same"
    assert query.state(settings, "parsed_code", 0) == query.state(settings, "parsed_code", 0) != after


def test_a_column_that_came_later_is_null_in_older_rows(settings: Settings) -> None:
    rows = pa.table({"doc_id": ["z"], "kept": [True], "lint_score": [9.5], "statements": pa.array([3], pa.int32())})
    write_deltalake(query.table_uri(settings, "linted_code"), rows, mode="append", schema_mode="merge")
    found = query.rows(settings, "SELECT doc_id, statements FROM linted_code ORDER BY statements NULLS LAST, doc_id")
    assert found[:2] == [{"doc_id": "z", "statements": 3}, {"doc_id": "a", "statements": None}]


@pytest.mark.parametrize("name", TABLES)
def test_columns_that_no_file_holds_yet_are_null_of_their_types_and_stand_where_the_schema_has_them(
    tmp_path: Path, name: str
) -> None:
    schema = arrow_schema(name)
    (first, *others) = Schema.from_arrow(schema).fields
    place = str(tmp_path / name)
    rows = pa.table({first.name: pa.nulls(1, schema.field(0).type)})
    write_deltalake(place, rows)
    DeltaTable(place).alter.add_columns(others)
    (file,) = DeltaTable(place).file_uris()
    pq.write_table(rows.append_column("_change_type", pa.array(["insert"])), file)
    lake = Settings(lake=str(tmp_path))
    found = query.run_sql(lake, f"FROM {name}", name)
    with duckdb.connect() as connection:
        wanted = connection.execute(f"FROM {views.relation(name, None, views.DUCKDB)}").description
    assert [each[:2] for each in found.description] == [each[:2] for each in wanted]
    assert found.fetchall() == [(None,) * len(schema)]


def test_a_nested_column_of_a_stranger_that_no_file_holds_yet_is_null_of_its_type(settings: Settings) -> None:
    place = query.table_uri(settings, "parsed_code")
    inner = StructType([Field("a b", PrimitiveType("decimal(9,2)")), Field("at", PrimitiveType("date"))])
    added = Field('their "own"', MapType(PrimitiveType("byte"), ArrayType(inner, True), True))
    DeltaTable(place).alter.add_columns([added])
    found = query.run_sql(settings, "FROM parsed_code")
    assert [(name, str(type_)) for name, type_, *_ in found.description][-1] == (
        'their "own"',
        'MAP(TINYINT, STRUCT("a b" DECIMAL(9,2), "at" DATE)[])',
    )
    assert {row[-1] for row in found.fetchall()} == {None}


def test_the_last_run_is_found_in_a_ledger_that_gained_columns_since(settings: Settings) -> None:
    before = query.last_run(settings, "linted_code")
    ledger.open_or_create(settings, RUNS)
    last = query.last_run(settings, "linted_code")
    assert before and last == dict.fromkeys(RUNS.column_names) | before
    assert ledger.last_run(settings, "linted_code") == last


def test_the_last_run_is_the_one_that_started_last(settings: Settings) -> None:
    last = query.last_run(settings, "linted_code")
    assert last is not None
    assert (last["run_id"], last["status"]) == ("run-2", "failed")
    assert query.last_run(settings, "published_code") is None


def test_a_lake_that_is_not_there_has_no_versions_and_no_runs(tmp_path: Path) -> None:
    nowhere = Settings(lake=str(tmp_path / "nowhere"))
    assert query.version(nowhere, "raw_code") is None
    assert query.last_run(nowhere, "raw_code") is None


def said(settings: Settings, statement: str) -> str:
    """Return the one line that a statement is refused with."""
    with pytest.raises(UserError) as refused:
        query.rows(settings, statement)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_a_lake_the_next_command_is_named(tmp_path: Path) -> None:
    assert "build them with: recast refresh" in said(Settings(lake=str(tmp_path / "nowhere")), "SELECT 1")
    (tmp_path / "empty").mkdir()
    assert "build them with: recast refresh" in said(Settings(lake=str(tmp_path / "empty")), "SELECT 1")


def test_without_a_configuration_the_default_lake_is_not_to_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECAST_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert said(Settings(), "SELECT 1") == (
        f"no recast.toml in this folder, so the lake is the default {tmp_path}/data/lake, which has no table. "
        "Are you in the checkout? Or name the lake with --lake"
    )
    (tmp_path / "recast.toml").touch()
    assert "build them with: recast refresh" in said(Settings(), "SELECT 1")


def test_columns_that_share_a_name_are_numbered(settings: Settings) -> None:
    (row,) = query.rows(settings, "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a_1")
    assert row == {"a": 1, "a_1": 2, "b": 3, "a_1_1": 4}


REFUSED = {
    "a table's row": "INSERT INTO parsed_code VALUES ('z')",
    "a deletion": "DELETE FROM parsed_code",
    "a deletion inside a query": "WITH gone AS (DELETE FROM parsed_code RETURNING *) FROM gone",
    "a table": "CREATE TABLE t AS SELECT 1",
    "a view that goes": "DROP VIEW parsed_code;",
    "a data file of a table": "COPY (SELECT 'forged' AS text) TO '{lake}/parsed_code/part.parquet'",
    "a file of another folder": "COPY parsed_code TO '{outside}/stolen.csv'",
    "a file, from behind a comment": "/* SELECT */ COPY parsed_code TO '{outside}/stolen.csv'",
    "a file, from what is only to be explained": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/part.parquet'",
    "a file, explained with options": "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{lake}/part.parquet'",
    "a file, from the rows of a pivot": "COPY (PIVOT parsed_code ON reason) TO '{lake}/part.parquet'",
    "a table, from the rows of a pivot": "CREATE TABLE t AS PIVOT parsed_code ON reason",
    "a file that is read into a table": "COPY parsed_code FROM '{outside}/secret.txt'",
    "a database": "ATTACH '{outside}/other.db'",
    "a database of another program": "ATTACH 'host=example.org' AS elsewhere (TYPE postgres)",
    "a database that goes": "DETACH memory",
    "all tables": "EXPORT DATABASE '{outside}'",
    "all tables of a folder": "IMPORT DATABASE '{outside}'",
    "an extension from afar": "INSTALL httpfs",
    "an extension": "LOAD httpfs",
    "new extensions": "UPDATE EXTENSIONS",
    "a setting": "SET memory_limit = '1TB'",
    "what holds all this back": "SET enable_external_access = true",
    "a setting's default": "RESET lock_configuration",
    "a setting by its old name": "PRAGMA enable_external_access = true",
    "a pragma": "PRAGMA database_list",
    "a function that is called": "CALL enable_logging(storage = 'file')",
    "a statement for later": "PREPARE later AS SELECT 1",
    "a key": "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "a function": "CREATE MACRO one() AS 1",
    "a transaction": "BEGIN",
    "a database to work in": "USE memory",
    "a clean-up": "VACUUM",
    "two queries": "SELECT 1; SELECT 2",
    "a query and a copy": "SELECT 1; COPY (SELECT 1) TO '{lake}/part.parquet'",
    "a file of the machine": "FROM read_text('/etc/passwd')",
    "a file of the machine as a table": "FROM '/etc/passwd'",
    "a file beside the lake": "FROM read_text('{outside}/secret.txt')",
    "a file behind the lake": "FROM read_text('{lake}/../outside/secret.txt')",
    "a folder whose name begins as the lake's": "FROM read_text('{lake}-2/secret.txt')",
    "bytes": "FROM read_blob('{outside}/secret.txt')",
    "rows of a file": "SELECT * FROM read_csv('{outside}/secret.txt', header = false)",
    "what kind of file it is": "FROM sniff_csv('{outside}/secret.txt')",
    "an object of a file": "FROM read_json('{outside}/secret.txt')",
    "metadata of a file": "FROM parquet_metadata('{outside}/secret.txt')",
    "names of files": "FROM glob('{outside}/*')",
    "names of files from the root": "FROM glob('/*')",
    "a file of another's page": "FROM read_csv('https://example.org/a.csv')",
    "an object of a store": "FROM read_parquet('s3://example/a.parquet')",
    "a file, out of a text that is a query": "FROM query('FROM read_text(''/etc/passwd'')')",
    "a file, out of a part of a query": "SELECT (SELECT content FROM read_text('/etc/passwd')) AS a",
    "a file, out of what is only to be explained": "EXPLAIN ANALYZE FROM read_text('/etc/passwd')",
    "a log file": "FROM enable_logging(storage = 'file', storage_path = '{outside}/log')",
    "a variable of the program": "FROM found",
}


@pytest.fixture(scope="module")
def beside_secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lake beside folders of others, which can be read whatever was refused."""
    settings = write_lake(tmp_path_factory.mktemp("a läke, with 'quotes'") / "lake")
    for folder in (Path(settings.lake).with_name("outside"), Path(f"{settings.lake}-2")):
        folder.mkdir()
        (folder / "secret.txt").write_text("secret")
    yield settings
    assert query.rows(settings, "SELECT count(*) AS n FROM parsed_code") == [{"n": len(PARSED)}]


@pytest.mark.parametrize("case", REFUSED)
def test_a_statement_that_does_more_than_read_the_lake_is_refused(beside_secrets: Settings, case: str) -> None:
    outside = Path(beside_secrets.lake).with_name("outside")

    def state() -> list[tuple[Path, bytes]]:
        return [(path, path.read_bytes()) for path in sorted(outside.parent.rglob("*")) if path.is_file()]

    before, found = state(), pa.table({"a": [1]})
    lake, beside = (path.replace("'", "''") for path in (beside_secrets.lake, str(outside)))
    words = said(beside_secrets, REFUSED[case].format(lake=lake, outside=beside))
    assert "secret" not in words.replace("secret.txt", "")
    assert state() == before, found.num_rows


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM parsed_code;",
        "-- COPY, says a comment\nSELECT 1 /* ; */",
        "FROM parsed_code",
        "WITH a AS (FROM parsed_code) FROM a",
        "VALUES (1)",
        "TABLE parsed_code",
        "DESCRIBE parsed_code",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "SUMMARIZE parsed_code",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE /* é; COPY */ FROM parsed_code",
        "EXPLAIN (FORMAT json) FROM parsed_code",
        "EXPLAIN (SELECT 1)",
        "PIVOT parsed_code ON reason",
        "SELECT * FROM (PIVOT parsed_code ON reason)",
        "PIVOT parsed_code ON reason IN ('a', 'b') USING count(*)",
        "SELECT 'COPY x TO y; DROP VIEW z' AS text",
        "FROM styled_code",
        "FROM rejects JOIN runs USING (table_name)",
    ],
)
def test_a_statement_that_only_reads_the_lake_is_run(settings: Settings, statement: str) -> None:
    assert query.run_sql(settings, statement).fetchall() is not None


def test_what_does_not_fit_into_memory_goes_to_the_lake_and_nothing_is_read_from_the_working_directory(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "secret.txt").write_text("secret")
    assert "disabled by configuration" in said(settings, "FROM read_text('.tmp/secret.txt')")
    connection = duckdb.connect(config={"memory_limit": "40MB", "threads": 1})
    confinement.confine(connection, settings.lake)
    rows = connection.execute("SELECT i, repeat(i::VARCHAR, 9) AS t FROM range(1500000) AS r(i) ORDER BY hash(i)")
    assert rows.fetchone()
    assert list(Path(settings.lake).glob(".duckdb-*/*"))
    connection.close()
    assert not list(Path(settings.lake).glob(".duckdb-*"))


@pytest.mark.parametrize(
    "statement",
    [
        "FROM {}",
        "SELECT (SELECT count(*) FROM main.{} AS s)",
        'DESCRIBE "{}"',
        "PIVOT {} ON kept",
        "FROM '{}'",
        "FROM query('FROM {}')",
        "FROM query_table('{}')",
    ],
)
def test_a_name_that_shows_what_was_taken_down_is_refused_and_a_word_like_it_is_none(
    tmp_path: Path, statement: str
) -> None:
    settings = write_whole_lake(tmp_path)
    assert "holds what was taken down, too" in said(settings, statement.format("Stored_published_math"))
    assert query.run_sql(settings, statement.format("stored_published_math"), unsafe=True).fetchall()
    harmless = "SELECT 'a stored_procedure' AS stored_rows FROM published_math"
    assert query.rows(settings, harmless)[0] == {"stored_rows": "a stored_procedure"}


def test_the_rows_of_an_earlier_state_are_shown_without_what_was_taken_down_alone(tmp_path: Path) -> None:
    statement = "FROM linted_code AT (VERSION => 0), stored_linted_code__at_0"
    assert "stored_linted_code__at_0 holds" in said(write_whole_lake(tmp_path), statement)


def test_unsafe_runs_whatever_the_user_may_do(settings: Settings, tmp_path: Path) -> None:
    statements = "CREATE TABLE t AS SELECT doc_id FROM parsed_code; SELECT count(*) AS n FROM t"
    assert query.run_sql(settings, statements, unsafe=True).fetchall() == [(len(PARSED),)]
    query.run_sql(settings, f"COPY parsed_code TO '{tmp_path}/parsed.csv'", unsafe=True)
    assert len((tmp_path / "parsed.csv").read_text().splitlines()) == 1 + len(PARSED)


def test_a_table_that_arrow_reads_can_be_read_where_files_may_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every table of a lake in an object store is."""
    monkeypatch.setattr(query, "is_local", lambda _: False)
    assert query.rows(settings, "SELECT count(*) AS n FROM rejects JOIN linted_code USING (doc_id)") == [{"n": 2}]
    assert "disabled by configuration" in said(settings, f"FROM glob('{Path(settings.lake).parent.parent}/*')")


def test_an_unknown_table_is_answered_with_those_there_are(settings: Settings) -> None:
    words = said(settings, "SELECT * FROM lintedcode")
    assert "lintedcode" in words
    assert "linted_code" in words.partition("Tables:")[2]


@pytest.mark.parametrize(
    "statement",
    [
        "SELEC 1",
        "SELECT no_such_column FROM linted_code",
        "",
        "-- a comment",
        "SELECT 1/",
        "SELECT error('on\ntwo lines')",
        "SELECT '\udcff'",
    ],
)
def test_a_wrong_statement_is_refused_in_one_line(settings: Settings, statement: str) -> None:
    assert said(settings, statement)


def test_a_file_in_place_of_a_table_is_named(settings: Settings) -> None:
    Path(settings.lake, "raw_code").write_text("oops")
    assert "raw_code is a file; a table is a folder" in said(settings, "SELECT * FROM raw_code")


def test_a_folder_that_is_no_table_is_named(settings: Settings) -> None:
    folder = Path(settings.lake, "raw_code")
    folder.mkdir()
    assert query.open_table(settings, "raw_code") is None, "an empty folder is a table that is not built yet"
    (folder / "notes.txt").write_text("oops")
    assert "raw_code holds files but no Delta table" in said(settings, "SELECT * FROM raw_code")


def data_files(settings: Settings, name: str) -> list[Path]:
    return sorted(Path(settings.lake, name).glob("*.parquet"))


def overwrite_middle(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(len(whole) - 12) + whole[-8:])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut off": halve,
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "zeros but for its ends": overwrite_middle,
    "of another kind": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
}
LOG_DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut off": lambda log: (log / "00000000000000000000.json").write_text('{"metaData": '),
    "empty": lambda log: (log / "00000000000000000000.json").write_bytes(b""),
    "no JSON": lambda log: (log / "00000000000000000000.json").write_bytes(b"\x00\xff\x1b[2J\n"),
    "other JSON": lambda log: (log / "00000000000000000000.json").write_text("[1]\n"),
    "a line too many": lambda log: (log / "00000000000000000001.json").write_bytes(b"\x00" * 300),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("name", ["runs", "linted_code"])
def test_a_damaged_file_is_named_with_what_to_do_and_stops_no_query_of_other_tables(
    settings: Settings, name: str, case: str
) -> None:
    (path,) = data_files(settings, name)
    DAMAGE[case](path)
    words = said(settings, f"SELECT * FROM {name}")
    assert str(path) in words
    assert f"move {settings.lake}/{name} away" in words
    assert query.rows(settings, "SELECT count(*) AS n FROM parsed_code") == [{"n": len(PARSED)}]


@pytest.mark.parametrize("case", LOG_DAMAGE)
@pytest.mark.parametrize("name", ["runs", "linted_code"])
def test_a_damaged_log_is_named_with_what_to_do_and_stops_no_query_of_other_tables(
    settings: Settings, name: str, case: str
) -> None:
    LOG_DAMAGE[case](Path(settings.lake, name, "_delta_log"))
    words = said(settings, f"SELECT * FROM {name}")
    assert f"{settings.lake}/{name}/_delta_log/0000000000000000000" in words
    assert f"move {settings.lake}/{name} away" in words
    assert query.rows(settings, "SELECT count(*) AS n FROM parsed_code") == [{"n": len(PARSED)}]


def test_a_lake_of_which_nothing_can_be_read_says_why(settings: Settings) -> None:
    for name in ("runs", "linted_code", "parsed_code"):
        data_files(settings, name)[0].unlink()
    shutil.rmtree(Path(settings.lake, "styled_code"))
    assert "is missing" in said(settings, "SELECT 1")


@pytest.mark.parametrize("case", ["missing", "empty", "cut off", "of another kind"])
def test_a_table_is_whole_while_every_file_that_its_log_names_has_its_size(settings: Settings, case: str) -> None:
    query.require_whole(settings, "linted_code")
    query.require_whole(settings, "styled_code")
    query.require_whole(settings, "raw_code")
    (path,) = data_files(settings, "linted_code")
    (path.parent / "left-over.parquet").write_bytes(b"what no commit names is no part of the table")
    query.require_whole(settings, "linted_code")
    DAMAGE[case](path)
    with pytest.raises(UserError) as refused:
        query.require_whole(settings, "linted_code")
    assert str(path) in str(refused.value)
    assert "recast refresh makes a new one" in str(refused.value)


def test_a_table_whose_last_commit_is_empty_is_not_whole(settings: Settings) -> None:
    last = Path(settings.lake, "linted_code", "_delta_log", "00000000000000000001.json")
    last.touch()
    with pytest.raises(UserError, match=r"00000000000000000001\.json is empty"):
        query.require_whole(settings, "linted_code")


def test_a_lake_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("oops")
    assert "Is --lake right?" in said(Settings(lake=str(tmp_path / "lake")), "SELECT 1")


def test_hadoops_name_of_a_bucket_is_turned_into_everybody_elses() -> None:
    assert query.table_uri(Settings(lake="s3a://bucket/lake/"), "runs") == "s3://bucket/lake/runs"


def test_a_table_in_a_bucket_is_read_by_arrows_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    files = query.files_of("s3://bucket/my lake/runs")
    assert isinstance(files, SubTreeFileSystem)
    assert files.base_path == "bucket/my lake/runs/"
    assert isinstance(files.base_fs, S3FileSystem)
    assert query.files_of("abfss://files@account/lake/runs") is None


def test_what_others_wrote_beside_a_commit_is_no_fact_of_a_run() -> None:
    facts = [query.facts_of(words) for words in ('{"run_id": "run-1"}', "by hand", "3", "[]", "", None)]
    assert facts == [{"run_id": "run-1"}, {}, {}, {}, {}, {}]
