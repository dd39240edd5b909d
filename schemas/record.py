"""A record: a NamedTuple that states once what a function returns, and so columns, Spark's type and Arrow's schema.

    class Lint(NamedTuple):
        lint_score: Annotated[float | None, "pylint's rating of the file; at most 10"] = None

A field is a column of the same name. Its type follows from Python's, unless it is named after the comment:
``Annotated[int, "tokens of the prompt", "bigint"]``.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from recast.schemas.table import Column

if TYPE_CHECKING:
    import pyarrow as pa

Record = type[tuple[Any, ...]]

SQL_TYPES = {str: "string", int: "int", float: "double", bool: "boolean", datetime: "timestamp"}
ARROW_TYPES = {"string": "string", "int": "int32", "bigint": "int64", "double": "float64", "boolean": "bool"}
_MEMBER = re.compile(r"(\w+): (\w+(?:<(?:[^<>]|<[^<>]*>)*>)?)")


def columns_of(record: Record) -> tuple[Column, ...]:
    """Return the fields of a record as columns."""
    columns = []
    for name, hint in get_type_hints(record, include_extras=True).items():
        kind, comment, *named = get_args(hint)
        columns.append(Column(name, named[0] if named else sql_type(kind), comment))
    return tuple(columns)


def sql_type(kind: Any) -> str:
    """Return Spark's type for one of Python's: of a value or None, of ``tuple[X, ...]``, of a NamedTuple without comments."""
    if get_origin(kind) is UnionType:
        (kind,) = {*get_args(kind)} - {NoneType}
    if get_origin(kind) is tuple:
        return f"array<{sql_type(get_args(kind)[0])}>"
    return SQL_TYPES.get(kind) or struct_type((name, sql_type(each)) for name, each in get_type_hints(kind).items())


def struct_type(members: Iterable[tuple[str, str]]) -> str:
    """Return Spark's type of a struct whose members have these names and types."""
    return f"struct<{', '.join(f'{name}: {type_}' for name, type_ in members)}>"


def arrow_schema(columns: Sequence[Column]) -> "pa.Schema":
    """Return columns as Arrow's schema."""
    import pyarrow as pa

    return pa.schema([(column.name, arrow_type(column.type)) for column in columns])


def arrow_type(type_: str) -> "pa.DataType":
    """Return Arrow's type for one of Spark's; it knows those of SQL_TYPES, arrays and structs."""
    import pyarrow as pa

    if type_ == "timestamp":
        return pa.timestamp("us", "UTC")
    outer, _, inner = type_.removesuffix(">").partition("<")
    if outer == "array":
        return pa.list_(arrow_type(inner))
    if outer == "struct":
        return pa.struct([(name, arrow_type(each)) for name, each in _MEMBER.findall(inner)])
    return pa.type_for_alias(ARROW_TYPES[outer])
