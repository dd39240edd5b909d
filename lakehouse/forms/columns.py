"""Columns by their meaning: which types of a file can stand for the wanted one, and how Spark reads each of them."""

import pyarrow as pa

from recast.settings import UserError


def check_columns(where: str, schema: pa.Schema, columns: dict[str, str]) -> None:
    """Hold the schema of a file or a table against the columns that are needed; `where` names it.

    Raises:
        UserError: a column is missing, is there twice, or has a type of another meaning.
    """
    for name, want in columns.items():
        # Spark does not tell upper from lower case.
        column = name.partition(".")[0].lower()
        if sum(each.lower() == column for each in schema.names) > 1:
            raise UserError(f"{where} has several columns {column!r}; it has {', '.join(schema.names)}")
        found = type_of(schema, name)
        if found is None:
            raise UserError(f"{where} has no column {name!r}; it has {', '.join(schema.names)}")
        if not fits(meaning(found), meaning(arrow_type(want))):
            raise UserError(f"column {name!r} of {where} is {found}; the dataset's schema has {want}")


def type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Return a column's type, or that of a field in a column of lists; None where there is none."""
    column, _, inner = name.partition(".")
    if column not in schema.names:
        return None
    type_ = schema.field(column).type
    if inner and not pa.types.is_null(type_):
        struct = type_.value_type if is_list(type_) else None
        if struct is None or pa.types.is_null(struct):
            return struct
        return struct.field(inner).type if pa.types.is_struct(struct) and inner in struct.names else None
    return type_


def is_list(type_: pa.DataType) -> bool:
    """Say whether a type is one of those that Parquet knows as a list."""
    kinds = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{kind}")(type_) for kind in kinds)


def meaning(type_: pa.DataType) -> pa.DataType:
    """Return the one type that stands for all whose values mean the same: texts, integers, floats that Spark reads, lists."""
    if pa.types.is_dictionary(type_):
        return meaning(type_.value_type)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_integer(type_) and not pa.types.is_uint64(type_):
        return pa.int64()
    if pa.types.is_float32(type_):
        return pa.float64()
    if is_list(type_):
        return pa.list_(meaning(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, meaning(field.type)) for field in type_])
    return type_


def fits(found: pa.DataType, want: pa.DataType) -> bool:
    """Say whether values of one meaning can stand for those of another; a column that holds nothing can for all."""
    if pa.types.is_list(found) and pa.types.is_list(want):
        return fits(found.value_type, want.value_type)
    return bool(pa.types.is_null(found) or found == want or (pa.types.is_uint64(found) and want == pa.int64()))


def arrow_type(name: str) -> pa.DataType:
    """Return the type that `read_parquet` is told of."""
    return pa.list_(pa.string()) if name == "list<string>" else pa.type_for_alias(name)


def wanted(columns: dict[str, str]) -> dict[str, pa.DataType]:
    """Return the top-level columns with their types: a field of structs adds to the one that lists them."""
    tops: dict[str, pa.DataType] = {}
    for name, type_ in columns.items():
        top, _, inner = name.partition(".")
        fields = [*tops[top].value_type, pa.field(inner, arrow_type(type_))] if top in tops else None
        first = pa.list_(pa.struct([(inner, arrow_type(type_))])) if inner else arrow_type(type_)
        tops[top] = pa.list_(pa.struct(fields)) if fields else first
    return tops


def needed(found: pa.DataType, want: pa.DataType) -> pa.DataType:
    """Return a type without the fields that nobody wants, and the others in the order in which they are wanted."""
    if pa.types.is_list(found) and pa.types.is_list(want):
        return pa.list_(needed(found.value_type, want.value_type))
    if pa.types.is_struct(found) and pa.types.is_struct(want):
        return pa.struct([(field.name, needed(found.field(field.name).type, field.type)) for field in want])
    return found


def read_as(found: pa.DataType) -> str:
    """Return the type by which Spark reads a column of a meaning; Parquet calls one without values a column of integers."""
    if pa.types.is_list(found):
        return f"array<{read_as(found.value_type)}>"
    if pa.types.is_struct(found):
        return f"struct<{', '.join(f'`{field.name}`: {read_as(field.type)}' for field in found)}>"
    if pa.types.is_null(found):
        return "int"
    return "decimal(20)" if pa.types.is_uint64(found) else spark_type(found)


def spark_value(sql: str, found: pa.DataType, want: pa.DataType) -> str:
    """Return, in SQL, what was read by a meaning as the type that is wanted."""
    if found == want:
        return sql
    if pa.types.is_list(want) and pa.types.is_struct(want.value_type) and pa.types.is_list(found):
        if pa.types.is_struct(found.value_type):
            inner = ((field.name, found.value_type.field(field.name).type, field.type) for field in want.value_type)
            fields = (f"'{name}', {spark_value(f'each.`{name}`', type_, wants)}" for name, type_, wants in inner)
            return f"transform({sql}, each -> named_struct({', '.join(fields)}))"
        return spark_value(sql, pa.null(), want)  # lists of nothing
    return f"try_cast({'NULL' if pa.types.is_null(found) else sql} AS {spark_type(want)})"


def spark_type(type_: pa.DataType) -> str:
    """Return a type as Spark writes it."""
    from pyspark.sql.pandas.types import from_arrow_type  # takes longer to import than to look at a source

    return str(from_arrow_type(type_).simpleString())


def spark_columns(found: dict[str, pa.DataType], columns: dict[str, str]) -> list[str]:
    """Return, in Spark's SQL, the columns that are wanted, made of those of the types `found`."""
    want = wanted(columns)
    return [f"{spark_value(f'`{name}`', needed(found[name], want[name]), want[name])} AS `{name}`" for name in want]


def duckdb_columns(schema: pa.Schema, columns: dict[str, str]) -> list[str]:
    """Return, in DuckDB's SQL, the columns that are wanted, made of those of a schema."""
    want = wanted(columns)
    return [f"{duckdb_value(name, schema.field(name).type, want[name])} AS {name}" for name in want]


def duckdb_value(sql: str, found: pa.DataType, want: pa.DataType) -> str:
    """Return, in DuckDB's SQL, a value of a file as the type that is wanted."""
    if pa.types.is_list(want) and pa.types.is_struct(want.value_type):
        if not is_list(found) or not pa.types.is_struct(found.value_type):
            return f"NULL::{duckdb_type(want)}"
        inner = ((field.name, found.value_type.field(field.name).type, field.type) for field in want.value_type)
        fields = (f"{name} := {duckdb_value(f'each.{name}', type_, wants)}" for name, type_, wants in inner)
        return f"list_transform({sql}, lambda each: struct_pack({', '.join(fields)}))"
    return f"TRY_CAST({'NULL' if pa.types.is_null(found) else sql} AS {duckdb_type(want)})"


def duckdb_type(type_: pa.DataType) -> str:
    """Return a type as DuckDB writes it."""
    if pa.types.is_list(type_):
        return f"{duckdb_type(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        return f"STRUCT({', '.join(f'{field.name} {duckdb_type(field.type)}' for field in type_)})"
    return {"string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}[
        str(type_)
    ]
