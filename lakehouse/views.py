"""The views of a lake in DuckDB: puts relations in the place of the tables that the texts of schemas/views.py name."""

import re
from collections.abc import Iterable, Mapping

import duckdb

from recast.schemas import TABLES
from recast.schemas.views import VIEWS

LISTING = re.compile(r"\b(show|information_schema|duckdb_\w+|pg_\w+|sqlite_master)\b", re.IGNORECASE)
"""What asks which views there are."""


def named_in(statement: str) -> list[str]:
    """Return the views that a statement may read: making one opens every file of the tables it reads."""
    return [name for name in VIEWS if name in statement.lower() or LISTING.search(statement)]


def create(connection: duckdb.DuckDBPyConnection, names: Iterable[str], built: Iterable[str]) -> None:
    """Make the views `names` over the tables `built`; what is not built is an empty table to them."""
    if not (names := list(names)):
        return
    # Each view opens the files of several tables once more, and reads all their footers.
    connection.execute("SET parquet_metadata_cache = true")
    relations = relations_of({name: columns_of(connection, name) for name in built if name in TABLES})
    for name in names:
        connection.execute(f"CREATE VIEW {name} AS {VIEWS[name].sql.format_map(relations)}")


def columns_of(connection: duckdb.DuckDBPyConnection, name: str) -> set[str]:
    """Return the names of a table's columns."""
    return {str(column) for column, *_ in connection.execute(f"DESCRIBE {name}").fetchall()}


def relations_of(built: Mapping[str, set[str]]) -> dict[str, str]:
    """Return what stands for each name in braces, as SQL that may follow FROM.

    Args:
        built: the columns of each table that can be read.
    """
    tables = {name: relation(name, built.get(name)) for name in TABLES}
    documents = [name for name, table in TABLES.items() if table.reasons]
    answered = [name for name in documents if {"answer", "prompt"} <= set(TABLES[name].column_names)]
    verdicts = (
        f"SELECT '{name}' AS table_name, doc_id, kept, reason, {source_of(name)} AS source, run_id, written_at "
        f"FROM {tables[name]}"
        for name in documents
    )
    places = ", ".join(f"({position}, '{name}')" for position, name in enumerate(documents, 1))
    return tables | {
        "documents": f"({' UNION ALL '.join(verdicts)})",
        "answers": f"({' UNION ALL '.join(f'SELECT measured_by, prompt FROM {tables[name]}' for name in answered)})",
        "stages": f"(VALUES {places}) AS stages(position, table_name)",
    }


def relation(name: str, present: set[str] | None, alias: str = "") -> str:
    """Return a table as SQL that has every documented column: null where an older version of Recast wrote none.

    Args:
        name: table.
        present: the columns that it has, None where it is not built.
        alias: what its rows are called in DuckDB, where that is not the table's name.
    """
    columns = {column.name: f'NULL::{duckdb_type(column.type)} AS "{column.name}"' for column in TABLES[name].columns}
    if present is None:
        return f"(SELECT {', '.join(columns.values())} WHERE false)"
    missing = [null for column, null in columns.items() if column not in present]
    return f"(SELECT *, {', '.join(missing)} FROM {alias or name})" if missing else alias or name


def source_of(name: str) -> str:
    """Return the SQL of where a row of the table came from: repository/path, or the page's address."""
    columns = TABLES[name].column_names
    if "repo_name" in columns:
        return "nullif(concat_ws('/', repo_name, path), '')"
    return "url" if "url" in columns else "NULL::VARCHAR"


def duckdb_type(spark_type: str) -> str:
    """Return DuckDB's name of a Spark SQL type."""
    named = re.sub(r"(\w+): ", r'"\1" ', re.sub(r"\btimestamp\b", "timestamptz", spark_type))
    while "<" in named:  # innermost first
        named = re.sub(r"array<([^<>]*)>", r"\1[]", named)
        named = re.sub(r"(map|struct)<([^<>]*)>", r"\1(\2)", named)
    return named
