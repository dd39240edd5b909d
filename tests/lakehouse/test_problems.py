"""Errors in one line: the innermost cause of what Spark, Java and py4j wrap."""

import socket

import pytest
from py4j.clientserver import ClientServer, JavaParameters, PythonParameters
from py4j.protocol import Py4JError

from recast.lakehouse.problems import explain, first_line, warn

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
CUT_OFF = """An error occurred while calling o130.count.
: org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:///a b/c.gz.  SQLSTATE
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.cannotReadFilesError(QueryExecutionErrors.scala:866)
Caused by: java.io.EOFException: Unexpected end of input stream
\t... 20 more
"""
IN_A_WORKER = """An error occurred while calling o99.parquet.
: org.apache.spark.SparkException: Task 0 failed 1 times: org.apache.spark.api.python.PythonException: Traceback (most recent):
  File "feeder.py", line 1, in run
recast.inference.server.spec.EngineError: the engine does not start: no memory
  its last words

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:1)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (MISSING_FILE_SYSTEM, 'UnsupportedFileSystemException: No FileSystem for scheme "s3a"'),
        (DAMAGED, "RuntimeException: file:///a/part-1.parquet is not a Parquet file"),
        (CUT_OFF, "file:///a b/c.gz cannot be read: EOFException: Unexpected end of input stream"),
        (IN_A_WORKER, "EngineError: the engine does not start: no memory"),
        ("[PATH_NOT_FOUND] Path does not exist: file:/a", "[PATH_NOT_FOUND] Path does not exist: file:/a"),
    ],
)
def test_the_innermost_cause_is_said(words: str, said: str) -> None:
    assert first_line(Py4JError(words)) == said


ABORTED = "An error occurred while calling o595.parquet.\n: org.apache.spark.SparkException: Job aborted due to stage failure: "
LOST = (
    ABORTED
    + "Task 0 in stage 85.0 failed 1 times, most recent failure: Lost task 0.0 in stage 85.0 (TID 85) (10.0.0.7 "
)
AT = "\n\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:3122)\n"
CRASHED = (
    LOST
    + "executor driver): org.apache.spark.SparkException: Python worker exited unexpectedly (crashed). Consider setting "
    "'spark.sql.execution.pyspark.udf.faulthandler.enabled' or 'spark.python.worker.faulthandler.enabled'" + AT
)
DIED = {  # words of Spark 4.1, shortened -> what is said, and what is to be done
    "a worker that crashed": (
        CRASHED + "Caused by: java.io.EOFException\n\t... 25 more\n",
        "Python worker died",
        "cores",
    ),
    "a worker that said where": (
        LOST
        + "executor 1): org.apache.spark.SparkException: Python worker exited unexpectedly (crashed): Fatal Python error: "
        'Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File "syntax.py", line 160' + AT,
        "Python worker died",
        "RECAST_CHUNK_ROWS",
    ),
    "a heap that is full": (
        "An error occurred while calling o704.save.\n: java.lang.OutOfMemoryError: Java heap space\n",
        "JVM ran out of memory",
        "spark.driver.memory",
    ),
    "a heap that is full of garbage": (
        LOST + "executor driver): java.lang.OutOfMemoryError: GC overhead limit exceeded" + AT,
        "JVM ran out of memory",
        "spark.driver.memory",
    ),
    "a task without memory": (
        LOST
        + "executor 2): org.apache.spark.memory.SparkOutOfMemoryError: [UNABLE_TO_ACQUIRE_MEMORY] Unable to acquire 65536 "
        "bytes of memory, got 0. SQLSTATE: 53200" + AT,
        "JVM ran out of memory",
        "RECAST_CHUNK_ROWS",
    ),
    "a buffer that is too large": (
        LOST + "executor driver): java.lang.OutOfMemoryError: Cannot reserve 1109305952 bytes of direct buffer memory "
        "(allocated: 12, limit: 1073741824)" + AT,
        "direct buffer memory",
        "spark.driver.memory",
    ),
    "a machine without threads": (
        ABORTED.replace("o595.parquet", "o1.collect")[:40]
        + "\n: java.lang.OutOfMemoryError: unable to create native thread",
        "another thread",
        "ulimit",
    ),
    "an executor killed by its cluster": (
        LOST
        + "executor 3): ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container killed "
        "by YARN for exceeding physical memory limits. 5.1 GB of 5 GB physical memory used." + AT,
        "executor was killed",
        "memoryOverhead",
    ),
    "an executor killed by its machine": (
        LOST
        + "executor 3): ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Command exited "
        "with code 137" + AT,
        "executor was killed",
        "memoryOverhead",
    ),
    "an executor whose host is gone": (
        LOST
        + "executor 3): ExecutorLostFailure (executor 3 exited unrelated to the running tasks) Reason: worker lost: Not "
        "receiving heartbeat for 60 seconds" + AT,
        "executor was lost",
        "memory",
    ),
    "shuffled rows that are gone": (
        ABORTED
        + "ResultStage 7 (parquet) has failed the maximum allowable number of times: 4. Most recent failure reason:\n"
        "org.apache.spark.shuffle.MetadataFetchFailedException: Missing an output location for shuffle 2" + AT,
        "executor was lost",
        "memory",
    ),
    "a disk that is full": (
        LOST + "executor driver): java.io.IOException: No space left on device" + AT,
        "disk is full",
        "spark.local.dir",
    ),
    "a worker that does not start": (
        LOST + "executor driver): org.apache.spark.SparkException: Python worker failed to connect back." + AT,
        "did not start",
        "Python",
    ),
    "memory that Python lacks": (
        LOST
        + 'executor driver): org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n  File "a.py", '
        "line 33, in it\nMemoryError\n" + AT,
        "Python worker ran out of memory",
        "RECAST_CHUNK_ROWS",
    ),
    "a class that no JVM has": (
        "org.apache does not exist in the JVM",
        "driver (a JVM) is gone",
        "spark.driver.memory",
    ),
    "an answer that does not come": ("Answer from Java side is empty", "driver (a JVM) is gone", "spark.driver.memory"),
    "a line that is cut": ("Error while sending or receiving", "driver (a JVM) is gone", "spark.driver.memory"),
    "a door that is shut": (
        "An error occurred while trying to connect to the Java server (127.0.0.1:35543)",
        "driver (a JVM) is gone",
        "spark.driver.memory",
    ),
    "a context that is stopped": (
        "An error occurred while calling o9.count.\n: java.lang.IllegalStateException: Cannot call methods on a stopped "
        "SparkContext.\nThis stopped SparkContext was created at:\n\norg.apache.spark.api.java.JavaSparkContext.<init>",
        "driver (a JVM) is gone",
        "spark.driver.memory",
    ),
    "a job whose context was shut down": (
        ABORTED.replace("Job aborted due to stage failure: ", "Job 12 cancelled because SparkContext was shut down"),
        "driver (a JVM) is gone",
        "spark.driver.memory",
    ),
    "a call that says nothing": ("An error occurred while calling o1939.parquet", "without saying why", "spark.log"),
    "a call that says nothing, of another kind": (
        "An error occurred while calling o1.cancel.",
        "without saying why",
        "log",
    ),
    "no words": ("", "without saying why", "spark.log"),
}


@pytest.mark.parametrize("case", DIED)
def test_what_ended_a_process_is_said_in_one_line_with_what_to_do(case: str) -> None:
    words, said, remedy = DIED[case]
    line = explain(Py4JError(words))
    assert said in line
    assert remedy in line
    assert not any(trace in line for trace in ("\n", "Py4J", "o595", "An error occurred", "in the JVM", "\tat "))


def test_what_a_dead_jvm_leaves_unsaid_is_looked_for_in_what_came_before() -> None:
    def fail() -> None:
        try:
            raise Py4JError(DIED["a heap that is full"][0])
        except Py4JError as problem:
            raise Py4JError("org.apache does not exist in the JVM") from problem

    def tidy_up() -> None:
        try:
            fail()
        finally:
            raise Py4JError("Answer from Java side is empty")

    with pytest.raises(Py4JError) as raised:
        tidy_up()
    assert "the JVM ran out of memory" in explain(raised.value)


def test_a_connection_that_py4j_cannot_make_means_a_dead_jvm_and_any_other_does_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens there
        gateway = ClientServer(java_parameters=JavaParameters(port=port), python_parameters=PythonParameters(port=0))
        with pytest.raises((ConnectionError, Py4JError)) as raised:
            gateway.jvm.java.lang.System.currentTimeMillis()
        gateway.shutdown_callback_server()
    assert "driver (a JVM) is gone" in explain(raised.value)
    assert explain(ConnectionRefusedError(111, "Connection refused")) == "[Errno 111] Connection refused"


def test_an_engine_that_ran_out_of_memory_is_no_jvm_that_did() -> None:
    words = IN_A_WORKER.replace("no memory", "torch.OutOfMemoryError: CUDA out of memory; No space left on device")
    assert first_line(Py4JError(words)).startswith("EngineError: the engine does not start: torch.OutOfMemoryError")


def test_words_of_a_trace_command_no_terminal() -> None:
    words = MISSING_FILE_SYSTEM.replace("s3a", "\x1b]0;owned\x07\x9b2J")
    assert first_line(Py4JError(words)).isprintable()
    assert first_line(ValueError("bad \x1b[2J name\rgood")) == r"bad \x1b[2J name\rgood"


def test_a_warning_is_one_line_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    warn.cache_clear()
    for _ in range(3):
        warn("runs\nis \x1b[2J torn")
    assert capsys.readouterr().err == "recast: runs\\nis \\x1b[2J torn\n"


def test_an_error_of_our_own_says_what_it_says() -> None:
    assert explain(ValueError("chunk 3: too long")) == "chunk 3: too long"
    assert explain(KeyboardInterrupt()) == "KeyboardInterrupt"
