"""The SparkSession that every job runs in.

Values set in a session's builder beat ``spark-submit --conf``, so a setting is put here only when nobody gave one.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyspark
from py4j.protocol import Py4JError
from pyspark.conf import SparkConf
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.settings import UserError

SCALA = "2.13"
# pip's pyspark already holds Hadoop's client, which the Delta jar would fetch again.
EXCLUDED = "org.apache.hadoop:hadoop-client-runtime,org.apache.hadoop:hadoop-client-api"
JAVA_HINT = "Recast needs a JDK 17: install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME"
LOG4J = Path(__file__).with_name("log4j2.properties")

# Spark's own defaults suit a cluster; these make a laptop quick. Each is used only where nobody set it.
# A run on one machine is over before the optimising compilers of the JVM and of Spark SQL have paid for themselves.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
LOCAL_DEFAULTS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.driver.memory": "3g",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    # The catalogue makes its folder at start, where we stand unless told otherwise; no table of ours lies in it.
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir(), "spark-warehouse")),
}
DEFAULTS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # Spark's older INT96 timestamps say nothing of their time zone to other readers.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The Stack v2 and FineMath hold timestamp[ns], which Spark reads as a long only when told so.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # Small Arrow batches: rows are whole files, and a model stage's window is filled row by row.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
    "spark.sql.execution.pythonUDF.arrow.enabled": "true",
    # A model stage is cut by the executors that are there when it begins. Standalone clusters wait for any only where
    # `spark.cores.max` says how many cores to expect.
    "spark.scheduler.minRegisteredResourcesRatio": "0.8",
    # A speculative copy of a model task would buy the same tokens twice.
    "spark.speculation": "false",
    # Workers of cancelled tasks must end, or they go on buying answers nobody reads.
    "spark.task.reaper.enabled": "true",
    # A change feed below every table is what `takedown` and downstream readers live on.
    "spark.databricks.delta.properties.defaults.enableChangeDataFeed": "true",
    # A run reads its tables as it found them. Delta refuses that for versions older than a week even where their files
    # are all there; what deletes files is VACUUM, and that must not run beside a refresh.
    "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": "false",
    # delta-rs and DuckDB read the same tables; through Arrow they cannot see deletion vectors.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
}


def delta_package() -> str:
    """Return the Maven coordinates of the Delta jars that fit the installed pyspark and delta-spark."""
    spark = ".".join(importlib.metadata.version("pyspark").split(".")[:2])
    return f"io.delta:delta-spark_{spark}_{SCALA}:{importlib.metadata.version('delta-spark')}"


def require_java() -> None:
    """Stop with one line when no Java 17 or later can be started.

    Raises:
        UserError: no Java, or one that Spark 4 cannot use.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    try:
        said = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"no Java found{f' in JAVA_HOME={home}' if home else ''}. {JAVA_HINT}") from None
    major = re.search(r'version "(?:1\.)?(\d+)', said)  # Java 8 called itself 1.8
    if not major or int(major[1]) < 17:
        raise UserError(f"Java {major[1] if major else 'of unknown version'} is too old. {JAVA_HINT}")


def fetch_jars() -> None:
    """Fetch the Delta jars from Maven Central into pyspark's own ``jars`` folder, once.

    Raises:
        UserError: no Java, or the jars cannot be fetched; the resolver's last words are in the message.
    """
    jars = Path(pyspark.__file__).with_name("jars")
    wanted = f"{delta_package().replace('io.delta:', '').replace(':', '-')}.jar"
    if (jars / wanted).exists():
        return
    require_java()
    with tempfile.TemporaryDirectory() as ivy:
        # spark-submit resolves --packages before it runs the file it is given, and an empty one will do. Ivy prints
        # pages about every jar, so its words are shown only when it fails.
        arguments = [
            "--packages",
            delta_package(),
            "--conf",
            f"spark.jars.ivy={ivy}",
            "--conf",
            f"spark.jars.excludes={EXCLUDED}",
        ]
        empty = str(Path(__file__).with_name("__init__.py"))
        command = [str(Path(pyspark.__file__).with_name("bin") / "spark-submit"), *arguments, empty]
        resolver = subprocess.run(command, capture_output=True, text=True, check=False)
        # Of what comes along, Spark has all but these, and in newer versions.
        found = [
            jar for jar in Path(ivy, "jars").glob("*.jar") if jar.name.startswith(("io.delta_", "io.unitycatalog_"))
        ]
        if resolver.returncode or not found:
            words = [line.strip() for line in (resolver.stdout + resolver.stderr).splitlines() if line.strip()]
            raise UserError(f"could not fetch {delta_package()} from Maven Central: {' '.join(words[-3:])}")
        for old in [*jars.glob("delta-s*.jar"), *jars.glob("unitycatalog-*.jar"), *jars.glob("io.unitycatalog_*.jar")]:
            old.unlink()
        # delta-spark comes last and appears whole: its presence is what says that all are there.
        for jar in sorted(found, key=lambda jar: "delta-spark_" in jar.name):
            unfinished = shutil.copy(jar, jars / f".{jar.name}")
            os.replace(unfinished, jars / jar.name.removeprefix("io.delta_"))


def start(name: str, log: Path | None = None) -> SparkSession:
    """Return the running session, or start one: on ``spark-submit``'s master, else on this machine's cores.

    Args:
        name: the application's name.
        log: file for what the JVM writes, when this call starts the JVM; None leaves it on standard error.

    Raises:
        UserError: no Java 17, the Delta jars are missing and cannot be fetched, or Spark does not start.
    """
    running = SparkSession.getActiveSession()
    if running:
        return running
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted:
        require_java()
        fetch_jars()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    given = SparkConf()
    builder = SparkSession.builder.appName(name)
    if not given.contains("spark.master"):
        builder = builder.master("local[*]")
    local = given.get("spark.master", "local[*]").startswith("local[")
    if not submitted:
        options = f"-Dlog4j2.configurationFile={LOG4J.as_uri()} {QUICK_JVM if local else ''}"
        builder = builder.config("spark.driver.extraJavaOptions", options)
    for key, value in (DEFAULTS | LOCAL_DEFAULTS if local else DEFAULTS).items():
        if not given.contains(key):
            builder = builder.config(key, value)
    try:
        with standard_error_to(log):
            return builder.getOrCreate()
    except (PySparkException, Py4JError) as problem:
        words = str(problem).strip().partition("\n")[0]
        raise UserError(f"Spark does not start: {words}{f'. {log} says more' if log else ''}") from problem


@contextlib.contextmanager
def standard_error_to(log: Path | None) -> Iterator[None]:
    """Give processes started inside the block `log` as their standard error. The JVM announces its modules there."""
    if log is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    ours = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


if __name__ == "__main__":
    try:
        fetch_jars()
    except UserError as problem:
        sys.exit(str(problem))
