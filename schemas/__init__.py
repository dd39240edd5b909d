"""The catalogue: every table of the lakehouse, each after those that it is made from."""

from recast.schemas import (
    linted_code,
    operations,
    optimized_code,
    parsed_code,
    published,
    raw_code,
    raw_math,
    rewritten_math,
    styled_code,
)
from recast.schemas.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        raw_code.TABLE,
        parsed_code.TABLE,
        linted_code.TABLE,
        styled_code.TABLE,
        optimized_code.TABLE,
        published.CODE,
        raw_math.TABLE,
        rewritten_math.TABLE,
        published.MATH,
        operations.RUNS,
        operations.EXPECTATION_RESULTS,
        operations.TOMBSTONES,
    )
}
