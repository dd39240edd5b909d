"""The statements of `recast attach`, run by spark-sql in its embedded metastore: the views hold what DuckDB finds."""

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from recast.lakehouse import query, session
from recast.lakehouse.attach import attach_spark
from recast.lakehouse.claims import Claim
from recast.lakehouse.takedown import take_down
from recast.schemas.views import VIEWS
from tests.lakehouse.whole_lake import doc_id_of, write_whole_lake

QUESTIONS = {
    "rejects": "SELECT table_name, doc_id, reason, source FROM rejects",
    "funnel": "SELECT run_id, position, table_name, rows_in, reason, rows FROM funnel",
    "lineage": "SELECT table_name, doc_id, source, blob_id, occurrences, warc_record_offset, position, made_by, measured_by, "
    "decided_by, measured_by_facts FROM lineage",
    "published_code": "SELECT doc_id, repo_name FROM published_code",
    "published_math": "SELECT doc_id, url FROM published_math",
    "cost": "SELECT table_name, model, prompt, runs, rows_measured, output_tokens, accepted_tokens FROM cost",
}


CLAIMS = [
    Claim("url", "https://example.org/angles"),
    Claim("blob", doc_id_of("ada/numbers/near.py")),
    Claim("repo", "gone/away"),
]


def spark_sql(folder: Path, *arguments: str) -> list[str]:
    """Run spark-sql in a folder, where its metastore lies; return the lines of its output."""
    command = [str(Path(sys.executable).with_name("spark-sql")), "--master", "local[1]"]
    for name, value in {
        "spark.sql.extensions": session.DELTA_EXTENSION,
        "spark.sql.catalog.spark_catalog": session.DELTA_CATALOG,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "1",
    }.items():
        command += ["--conf", f"{name}={value}"]
    # The shell script of pip's pyspark does not find itself in a folder with a space.
    environment = os.environ | {"SPARK_HOME": str(Path(pyspark.__file__).parent)}
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.spark
@pytest.mark.slow
def test_a_metastore_that_was_told_of_a_lake_has_the_same_views_as_recast_sql(tmp_path: Path) -> None:
    session.fetch_jars()
    settings = write_whole_lake(tmp_path / "a lake")
    attach_spark(settings, str(tmp_path / "lake.sql"))
    published = len(query.rows(settings, "FROM published_code"))
    take_down(settings, CLAIMS, "asked to")
    assert 0 < len(query.rows(settings, "FROM published_code")) < published
    asked = "".join(f"SELECT '-- {name}';\n{text};\n" for name, text in QUESTIONS.items())
    entered = (tmp_path / "lake.sql").read_text()
    first = entered.partition(f"CREATE OR REPLACE VIEW {next(iter(VIEWS))} ")[0]  # what is entered before comes again
    (tmp_path / "ask.sql").write_text(f"{first}{entered}{asked}")
    answers = "\n".join(spark_sql(tmp_path, "-f", "ask.sql")).split("-- ")[1:]
    for (name, text), answer in zip(QUESTIONS.items(), answers, strict=True):
        expected = sorted(
            "\t".join("NULL" if value is None else str(value) for value in row.values())
            for row in query.rows(settings, text)
        )
        assert sorted(answer.splitlines()[1:]) == expected, name
