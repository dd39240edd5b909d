"""The catalogue: every table of the lakehouse, each before those that read it."""

from schemas import linted_code, operations, parsed_code, raw_code
from schemas.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        raw_code.TABLE,
        parsed_code.TABLE,
        linted_code.TABLE,
        operations.RUNS,
        operations.EXPECTATION_RESULTS,
    )
}
