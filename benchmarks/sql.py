"""Views and diffs over generated tables: `python -m benchmarks.sql [--rows N] [--changed SHARE]`.

Writes the tables of the code lane with `rows` documents each: keys, hashes, verdicts, fingerprints, and a text of 256
characters, in files of 50,000 rows. Then a share of linted_code gets another reason, in as few files as hold them. Starts no
JVM. Prints one JSON line:

    rows                  documents in each of six tables
    rejects, funnel, cost seconds of a query over the whole view
    lineage_of_one        seconds from one published row to its blob and stages
    lineage_of_all        seconds to count the steps of all published rows
    at                    seconds of a count over a table as it was
    diff                  seconds of a diff between the two versions of linted_code
    diff_whole            the same where no file is shared
    changed               rows that the diff counts
    peak_mb               peak resident memory of the process
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from typing import Any

import duckdb
from deltalake import DeltaTable, write_deltalake

from recast.lakehouse import diff, query, views
from recast.lakehouse.settings import Settings
from recast.lakehouse.time_travel import State
from recast.schemas import TABLES

FILE_ROWS = 50_000
LANE = [name for name, table in TABLES.items() if table.reasons and name.endswith("_code")]
VALUES = {
    "doc_id": "sha1(i::VARCHAR)",
    "content_hash": "sha256(i::VARCHAR)",
    "text": "repeat(md5(i::VARCHAR), 8)",
    "kept": "i % 10 <> 0",
    "reason": "CASE WHEN i % 10 = 0 THEN '{reason}' END",
    "repo_name": "'owner/' || i % 1000",
    "path": "i || '.py'",
    "lint_seconds": "i::DOUBLE",
    "measured_by": "'m-{table}'",
    "decided_by": "'d-{table}'",
    "run_id": "'run'",
    "token_count": "64",
    "prompt": "'a_prompt'",
    "made_by": "[{makers}]",
    "written_at": "now()",
}


def generate(lake: str, name: str, rows: int) -> None:
    """Write one table."""
    maker = "{{'table_name': '{0}', 'measured_by': 'm-{0}', 'decided_by': 'd-{0}'}}"
    makers = ", ".join(maker.format(each) for each in LANE[: LANE.index(name)])
    facts = {"table": name, "reason": next(iter(TABLES[name].reasons)), "makers": makers}
    columns = ", ".join(
        f"({VALUES.get(column.name, 'NULL').format(**facts)})::{views.duckdb_type(column.type)} AS {column.name}"
        for column in TABLES[name].columns
    )
    with duckdb.connect() as connection:
        for first in range(0, rows, FILE_ROWS):
            found = connection.sql(f"SELECT {columns} FROM range({first}, {min(first + FILE_ROWS, rows)}) AS r(i)")
            write_deltalake(f"{lake}/{name}", found.to_arrow_table(), mode="append")


def seconds(settings: Settings, statement: str) -> float:
    """Return the seconds that `recast sql` takes for a statement, without Python's start."""
    began = time.perf_counter()
    query.rows(settings, statement)
    return round(time.perf_counter() - began, 2)


def compared(settings: Settings, before: int, after: int) -> tuple[float, diff.Difference]:
    """Return the seconds of a diff of linted_code, and what it found."""
    began = time.perf_counter()
    found = diff.between(settings, State("linted_code", before), State("linted_code", after), 3)
    return round(time.perf_counter() - began, 2), found


def measured(lake: str, rows: int, changed: float) -> dict[str, Any]:
    """Write the tables and return the figures."""
    settings = Settings(lake=lake)
    for name in LANE:
        generate(lake, name, rows)
    table = DeltaTable(f"{lake}/linted_code")
    first = table.version()
    table.update(updates={"kept": "false", "reason": "'no_score'"}, predicate=f"lint_seconds < {rows * changed}")
    result = {
        "rows": rows,
        "rejects": seconds(settings, "SELECT table_name, reason, count(*) FROM rejects GROUP BY ALL"),
        "funnel": seconds(settings, "FROM funnel"),
        "lineage_of_one": seconds(settings, "FROM lineage WHERE doc_id = sha1('1')"),
        "lineage_of_all": seconds(settings, "SELECT made_by, count(*) FROM lineage GROUP BY ALL"),
        "cost": seconds(settings, "FROM cost"),
        "at": seconds(settings, f"SELECT reason, count(*) FROM linted_code AT (VERSION => {first}) GROUP BY ALL"),
    }
    result["diff"], found = compared(settings, first, first + 1)
    table.optimize.compact()
    result["diff_whole"], _ = compared(settings, first, table.version())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result | {"changed": found.judged_otherwise, "peak_mb": peak_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=float, default=0.001, help="share of rows that get another reason")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sql-") as folder:
        print(json.dumps(measured(folder, given.rows, given.changed)))


if __name__ == "__main__":
    main()
