"""Errors in one line: the innermost cause of what Spark, Java and py4j wrap."""

import pytest
from py4j.protocol import Py4JError

from lakehouse.problems import explain, first_line

MISSING_FILE_SYSTEM = """An error occurred while calling o76.getFileSystem.
: org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "s3a"
\tat org.apache.hadoop.fs.FileSystem.getFileSystemClass(FileSystem.java:3581)
"""
DAMAGED = """An error occurred while calling o4174.parquet.
: org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while reading file:///a/part-1.parquet.
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.cannotReadFilesError(QueryExecutionErrors.scala:866)
Caused by: java.io.IOException: Could not read footer for file file:///a/part-1.parquet
\tat org.apache.parquet.hadoop.ParquetFileReader.readFooter(ParquetFileReader.java:1)
Caused by: java.lang.RuntimeException: file:///a/part-1.parquet is not a Parquet file
\tat org.apache.parquet.hadoop.ParquetFileReader.readFooter(ParquetFileReader.java:2)
\t... 21 more
"""
IN_A_WORKER = """An error occurred while calling o99.parquet.
: org.apache.spark.SparkException: Task 0 failed 1 times: org.apache.spark.api.python.PythonException: Traceback (most recent):
  File "feeder.py", line 1, in run
udfs.engine.EngineError: the engine does not start: no memory
  its last words

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:1)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (MISSING_FILE_SYSTEM, 'UnsupportedFileSystemException: No FileSystem for scheme "s3a"'),
        (DAMAGED, "RuntimeException: file:///a/part-1.parquet is not a Parquet file"),
        (IN_A_WORKER, "EngineError: the engine does not start: no memory"),
        ("An error occurred while calling o1.cancel.", "An error occurred while calling o1.cancel."),
    ],
)
def test_the_innermost_cause_is_said(words: str, said: str) -> None:
    assert first_line(Py4JError(words)) == said


def test_an_error_of_our_own_says_what_it_says() -> None:
    assert explain(ValueError("chunk 3: too long")) == "chunk 3: too long"
    assert explain(KeyboardInterrupt()) == "KeyboardInterrupt"
