"""The views of a lake, for DuckDB or Spark: puts something in the place of each name in the texts of schemas/views.py."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import duckdb
from deltalake import Schema
from deltalake.schema import ArrayType, MapType, PrimitiveType, StructType

from recast.schemas import TABLES
from recast.schemas.views import VIEWS

LISTING = re.compile(r"\b(show|information_schema|duckdb_\w+|pg_\w+|sqlite_master)\b", re.IGNORECASE)
"""What asks which views there are."""


class Dialect(NamedTuple):
    """Whose SQL a view is written in: what it calls the functions that schemas/views.py names, and Spark's types."""

    each: str
    length: str
    json_text: str
    type: Callable[[str], str]


def duckdb_type(spark_type: str) -> str:
    """Return DuckDB's name of a Spark SQL type."""
    named = re.sub(r"(\w+): ", r'"\1" ', re.sub(r"\btimestamp\b", "timestamptz", spark_type))
    while "<" in named:  # innermost first
        named = re.sub(r"array<([^<>]*)>", r"\1[]", named)
        named = re.sub(r"(map|struct)<([^<>]*)>", r"\1(\2)", named)
    return named


def type_in_duckdb(type_: ArrayType | MapType | PrimitiveType | StructType) -> str:
    """Return DuckDB's name of a type of Delta."""
    if isinstance(type_, ArrayType):
        return f"{type_in_duckdb(type_.element_type)}[]"
    if isinstance(type_, MapType):
        return f"MAP({type_in_duckdb(type_.key_type)}, {type_in_duckdb(type_.value_type)})"
    if isinstance(type_, StructType):
        return f"STRUCT({', '.join(f'{identifier(each.name)} {type_in_duckdb(each.type)}' for each in type_.fields)})"
    # DuckDB knows the other names.
    name = str(type_.type)
    return {"byte": "tinyint", "timestamp": "timestamptz", "timestamp_ntz": "timestamp"}.get(name, name)


def identifier(name: str) -> str:
    """Return a name as SQL of DuckDB."""
    return '"{}"'.format(name.replace('"', '""'))


def nulls_of(schema: Schema) -> dict[str, str]:
    """Return, by the name of each column of a Delta table, a null of its type as SQL of DuckDB."""
    return {
        field.name: f"CAST(NULL AS {type_in_duckdb(field.type)}) AS {identifier(field.name)}" for field in schema.fields
    }


DUCKDB = Dialect("unnest", "len", "json_extract_string", duckdb_type)
SPARK = Dialect("explode", "size", "get_json_object", str)


def named_in(statement: str) -> list[str]:
    """Return the views that a statement may read: making one opens every file of the tables it reads."""
    return [name for name in VIEWS if name in statement.lower() or LISTING.search(statement)]


def create(connection: duckdb.DuckDBPyConnection, names: Iterable[str], built: Iterable[str]) -> None:
    """Make the views `names` over the tables `built`; what is not built is an empty table to them."""
    if not (names := list(names)):
        return
    # Each view opens the files of several tables once more, and reads all their footers.
    connection.execute("SET parquet_metadata_cache = true")
    columns = {name: columns_of(connection, name) for name in built if name in TABLES}
    for name, text in texts(names, columns, DUCKDB).items():
        connection.execute(f"CREATE VIEW {name} AS {text}")


def texts(names: Iterable[str], built: Mapping[str, set[str]], dialect: Dialect) -> dict[str, str]:
    """Return the SQL of the views `names`, given the columns of each table that is built."""
    relations = relations_of(built, dialect)
    return {name: VIEWS[name].sql.strip().format_map(relations) for name in names}


def columns_of(connection: duckdb.DuckDBPyConnection, name: str) -> set[str]:
    """Return the names of a table's columns."""
    return {str(column) for column, *_ in connection.execute(f"DESCRIBE {name}").fetchall()}


def relations_of(built: Mapping[str, set[str]], dialect: Dialect) -> dict[str, str]:
    """Return what stands for each name in braces, as SQL that may follow FROM, or the name of a function.

    Args:
        built: the columns of each table that can be read.
        dialect: whose SQL it is.
    """
    tables = {name: relation(name, built.get(name), dialect) for name in TABLES}
    documents = [name for name, table in TABLES.items() if table.reasons]
    answered = [name for name in documents if {"answer", "prompt"} <= set(TABLES[name].column_names)]
    verdicts = (
        f"SELECT '{name}' AS table_name, doc_id, kept, reason, {source_of(name)} AS source, run_id, written_at "
        f"FROM {tables[name]} AS {name}"
        for name in documents
    )
    prompts = (f"SELECT measured_by, prompt FROM {tables[name]} AS {name}" for name in answered)
    places = ", ".join(f"({position}, '{name}')" for position, name in enumerate(documents, 1))
    return tables | {
        "documents": f"({' UNION ALL '.join(verdicts)}) AS documents",
        "answers": f"({' UNION ALL '.join(prompts)}) AS answers",
        "stages": f"(VALUES {places}) AS stages(position, table_name)",
        "each": dialect.each,
        "length": dialect.length,
        "json_text": dialect.json_text,
    }


def relation(name: str, present: set[str] | None, dialect: Dialect, alias: str = "") -> str:
    """Return a table as SQL that has every documented column: null where an older version of Recast wrote none.

    Args:
        name: table.
        present: the columns that it has, None where it is not built.
        dialect: whose SQL it is.
        alias: what its rows are called, where that is not the table's name.
    """
    nulls = {
        column.name: f"CAST(NULL AS {dialect.type(column.type)}) AS {column.name}" for column in TABLES[name].columns
    }
    if present is None:
        return f"(SELECT {', '.join(nulls.values())} WHERE false)"
    missing = [null for column, null in nulls.items() if column not in present]
    return f"(SELECT *, {', '.join(missing)} FROM {alias or name})" if missing else alias or name


def source_of(name: str) -> str:
    """Return the SQL of where a row of the table came from: repository/path, or the page's address."""
    columns = TABLES[name].column_names
    if "repo_name" in columns:
        return "nullif(concat_ws('/', repo_name, path), '')"
    return "url" if "url" in columns else "CAST(NULL AS string)"
