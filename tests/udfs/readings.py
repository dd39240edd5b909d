"""Answers and sources for tests of reading, and verdicts as a table would reach them."""

import duckdb
import pyarrow as pa

from recast.jobs.settings import Settings
from recast.udfs.math.reading import math_reason_sql, read_math_answer
from recast.udfs.python.reading import code_reason_sql, read_code_answer

SOURCE = "def avg(l):\n    return sum(l)/len(l)\n"
CODE = "def avg(values: list[float]) -> float:\n    return sum(values) / len(values)\n"
ANSWER = f"Rating: 4/10\n\n## Suggestions\n- Name the argument.\n\n## Improved code\n```python\n{CODE}```\n"
PAGE = "Posted by x on 3 May\nperimeter 26 area 40 longer side of the rectangle?\na + b = 13, ab = 40, a = 8\n"
NEW_PAGE = (
    "A rectangle has perimeter $2(a+b) = 26$ and area $ab = 40$.\n"
    "Since $a + b = 13$, the longer side is $a = \\boxed{8}$.\n"
)
THRESHOLDS = Settings()
CODE_SQL = code_reason_sql(THRESHOLDS.names_floor)
MATH_SQL = math_reason_sql(THRESHOLDS.words_floor, THRESHOLDS.numbers_floor)


def reason_of_code(answer, status="answered", finish="stop", source=SOURCE):
    return read_code_answer(source, answer, status, finish).reason


def reason_of_page(answer, status="answered", finish="stop", source=PAGE):
    return read_math_answer(source, answer, status, finish).reason


def verdict(found, sql):
    """Decide one reading as a table would, with DuckDB."""
    stored = pa.Table.from_pylist([found._asdict()])  # noqa: F841 - DuckDB finds it by its name
    [(reason,)] = duckdb.sql(f"SELECT {sql} FROM stored").fetchall()
    return reason
