"""The SparkSession that every job runs in: the platform's own, or one on the master that was asked for.

Whatever anybody set holds: the options of ``spark-submit``, ``spark-defaults.conf``, PYSPARK_SUBMIT_ARGS, a session that
runs already. Recast sets only what nobody else has set. Values in a session's builder would override the others, so Recast
reads the others first; only a JVM can read them.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pyspark
from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.conf import SparkConf
from pyspark.errors import PySparkException
from pyspark.find_spark_home import _find_spark_home
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from recast import s3
from recast.lakehouse import sizes
from recast.lakehouse.problems import first_line
from recast.lakehouse.settings import NOTHING
from recast.settings import UserError

SCALA = "2.13"
# pip's pyspark already holds Hadoop's client, which the Delta jar would fetch again.
EXCLUDED = "org.apache.hadoop:hadoop-client-runtime,org.apache.hadoop:hadoop-client-api"
JAVA_HINT = "Recast needs a JDK 17: install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME"
SPARK = "4.1"
DELTA = "4.4.0"
"""What setup.py pins. A platform that brings Spark, or `--packages`, may have Delta without its Python package."""

# Options of the JVMs of a small run, which is over before the optimising compiler has paid for itself: it takes half of
# the processor time. Without it the JVM's code cache would have 48 MB, which long runs fill.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
DRIVER_MEMORY = "3g"

# Defaults where the master is this machine. Each is used only where nobody set it.
LOCAL_DEFAULTS = {
    "spark.ui.enabled": "false",
    # Progress is read from heartbeats (lakehouse/watching.py). Here one costs little: it goes to another thread only.
    "spark.executor.heartbeatInterval": "2s",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    # Spark's catalogue makes this folder at start, by default in the working directory. Recast keeps no table in it.
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir(), "spark-warehouse")),
}
DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
# Defaults on any master. The number of partitions follows the data: lakehouse/sizes.py.
DEFAULTS = {
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
    "spark.sql.session.timeZone": "UTC",
    # Spark's older INT96 timestamps say nothing of their time zone to other readers.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Small Arrow batches, sent as soon as they are full. A row is a whole file, and the linter takes seconds for 64 of them.
    # Answers are linted while others are still asked for, and progress counts batches. The cost is 10 us a row or less.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
    # PySpark asks the JVM for the Python line of every column otherwise, so that errors can name it; ours are one line.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # Python workers import nothing of the working directory, whatever files lie there.
    "spark.executorEnv.PYTHONSAFEPATH": "1",
    "spark.sql.execution.pandas.udf.buffer.size": "512",
    "spark.sql.execution.pythonUDF.arrow.enabled": "true",
    # A model stage gets as many tasks as the executors that are there when it begins can run. A standalone cluster waits
    # for executors only where `spark.cores.max` says how many cores to expect.
    "spark.scheduler.minRegisteredResourcesRatio": "0.8",
    # MERGE would copy what it merges first, since that may read otherwise the second time. Staged files do not.
    "spark.databricks.delta.merge.materializeSource": "none",
    # A speculative copy of a model task would buy the same tokens twice.
    "spark.speculation": "false",
    # Workers of cancelled tasks must end. Otherwise they go on paying for answers that nobody reads.
    "spark.task.reaper.enabled": "true",
}
# Recast's own statements need these settings, also in a session that a platform hands over.
NEEDED = {
    # The Stack v2 and FineMath hold timestamp[ns], which Spark reads as a long only when told so.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # A run reads the version of a table that it found at its start. Delta refuses versions older than a week even where all
    # their files exist. Only VACUUM deletes files, and it must not run beside a refresh.
    "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": "false",
    # Rows are whole files. Spark reads 4,096 at once otherwise, whose texts may be 16 GB, and Parquet's writer looks at
    # the size of what it has gathered every 100.
    "spark.sql.parquet.columnarReaderBatchSize": "64",
    "parquet.page.size.row.check.min": "10",
    "parquet.block.size.row.check.min": "10",
}
# PySpark looks these classes up anew for every column, and for most of them the JVM searches all of Spark's jars: 2 s a night.
LOOKED_UP_OFTEN = ("functions", "org.apache.spark.sql.functions", "PythonUtils", "PythonSQLUtils")
CONNECT_HINT = (
    "Spark Connect is asked for (SPARK_REMOTE, SPARK_API_MODE, spark.remote or a Connect session), and Recast needs a "
    "driver with a JVM of its own: use spark-submit, or a session that is not Connect's (docs/cluster.md)"
)
# The class that runs a Python driver on a standalone cluster's worker (docs/cluster.md).
PYTHON_RUNNER = "org.apache.spark.deploy.PythonRunner"


def delta_package() -> str:
    """Return the Maven coordinates of the Delta jars that fit Spark and the installed delta-spark."""
    try:
        delta = importlib.metadata.version("delta-spark")
    except importlib.metadata.PackageNotFoundError:
        delta = DELTA
    return f"io.delta:delta-spark_{SPARK}_{SCALA}:{delta}"


def require_spark(version: str) -> None:
    """Stop with one line on a Spark of another minor version, which has other functions and needs other Delta jars.

    Raises:
        UserError: `version` is no version of SPARK.
    """
    if not version.startswith(f"{SPARK}."):
        raise UserError(f"this is Spark {version}, and Recast runs on Spark {SPARK} (docs/cluster.md)")


def delta_jars() -> list[Path]:
    """Return the jars of Delta and of what it needs beside Spark, in pyspark's own ``jars`` folder."""
    jars = Path(pyspark.__file__).with_name("jars")
    return sorted(jar for pattern in ("delta-*.jar", "*unitycatalog*.jar") for jar in jars.glob(pattern))


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
        UserError: no Java, the folder is not writable, or the jars cannot be fetched; the message holds the resolver's last
            line.
    """
    jars = Path(pyspark.__file__).with_name("jars")
    wanted = f"{delta_package().replace('io.delta:', '').replace(':', '-')}.jar"
    if (jars / wanted).exists():
        return
    if not os.access(jars, os.W_OK):
        raise UserError(
            f"Spark has no Delta yet, and {jars} is not yours to write: have its owner run "
            f"`{sys.executable} -m recast.lakehouse.session` once, or do so where the image is built"
        )
    require_java()
    with tempfile.TemporaryDirectory() as ivy:
        # spark-submit resolves --packages before it runs its program, so an empty program is enough. Ivy prints pages about
        # every jar, so its output is shown only when it fails.
        arguments = [
            "--packages",
            delta_package(),
            "--conf",
            f"spark.jars.ivy={ivy}",
            "--conf",
            f"spark.jars.excludes={EXCLUDED}",
        ]
        empty = Path(ivy, "empty.py")
        empty.touch()
        command = [str(Path(pyspark.__file__).with_name("bin") / "spark-submit"), *arguments, str(empty)]
        resolver = subprocess.run(command, capture_output=True, text=True, check=False)
        # Of the jars that the resolver fetched, Spark has all others, in newer versions.
        found = [
            jar for jar in Path(ivy, "jars").glob("*.jar") if jar.name.startswith(("io.delta_", "io.unitycatalog_"))
        ]
        if resolver.returncode or not found:
            words = [line.strip() for line in (resolver.stdout + resolver.stderr).splitlines() if line.strip()]
            raise UserError(f"could not fetch {delta_package()} from Maven Central: {' '.join(words[-3:])}")
        for old in [*jars.glob("delta-s*.jar"), *jars.glob("unitycatalog-*.jar"), *jars.glob("io.unitycatalog_*.jar")]:
            old.unlink()
        # delta-spark is moved last, in one step: if it is there, all jars are there.
        for jar in sorted(found, key=lambda jar: "delta-spark_" in jar.name):
            unfinished = shutil.copy(jar, jars / f".{jar.name}")
            os.replace(unfinished, jars / jar.name.removeprefix("io.delta_"))


def start(name: str, log: Path | None = None, conf: Mapping[str, str] = NOTHING, rows: int = 0) -> SparkSession:
    """Return the session that runs already, or start one on the master that was asked for, by default on this machine.

    Args:
        name: the application's name, unless its submitter gave one.
        log: file for what the JVM writes, when this call starts the JVM; None leaves it on standard error.
        conf: Spark settings of the command line, stronger than those of any file.
        rows: about how many rows the largest stage will look at.

    Raises:
        UserError: no Java 17, Spark is of another version than Recast's, the Delta jars are missing and cannot be fetched,
            Spark does not start, or the session is Spark Connect's.
    """
    require_spark(pyspark.__version__)
    if is_remote() or os.environ.get("SPARK_REMOTE") or os.environ.get("SPARK_API_MODE", "").lower() == "connect":
        raise UserError(CONNECT_HINT)
    running = SparkSession.getActiveSession()
    if running is None and SparkContext._active_spark_context is not None:
        running = SparkSession.builder.getOrCreate()
    if running is not None:
        return with_needed(running)
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted:
        require_java()
        if "SPARK_HOME" not in os.environ:  # a platform brings its jars; `with_needed` raises where Delta is missing
            fetch_jars()
    at_start = SparkConf(loadDefaults=False).setAll(list(conf.items()))
    logged_before = log.stat().st_size if log and log.exists() else 0
    try:
        with standard_error_to(log), jvm_options(quick=not sizes.pays_to_optimise(rows)):
            SparkContext._ensure_initialized(conf=at_start)
            session = SparkSession.builder.config(conf=filled(conf, name, submitted, rows)).getOrCreate()
    except (PySparkException, Py4JError) as problem:
        more = f" ({log} says more)" if log and not submitted else ""
        raise UserError(f"Spark does not start: {why_not(problem, log, logged_before)}{more}") from problem
    return with_needed(session)


@contextlib.contextmanager
def application(
    name: str, log: Path | None = None, conf: Mapping[str, str] = NOTHING, rows: int = 0
) -> Iterator[SparkSession]:
    """Give the block the session of `start`, and stop it afterwards where this call started it. Raises as `start` does."""
    ours = SparkContext._active_spark_context is None
    try:
        yield start(name, log, conf, rows)
    finally:
        if ours:
            stop()


def stop() -> None:
    """End the application of this process. Works also if its start is not complete or its JVM is gone."""
    running = SparkSession._instantiatedSession or SparkContext._active_spark_context
    with contextlib.suppress(Py4JError, OSError):
        if running is not None:
            running.stop()


def why_not(problem: Exception, log: Path | None, logged_before: int) -> str:
    """Return why Spark did not start, without a full stop.

    pyspark itself says only that the JVM ended, or that the context is stopped. `logged_before` is the log's size in
    bytes before the start: the JVM writes its last error to the log.
    """
    words = first_line(problem)
    if "JAVA_GATEWAY_EXITED" in str(problem) and log and log.exists():
        since = log.read_bytes()[logged_before:].decode("utf-8", "replace")
        ended = re.findall(r"^(?:Exception in thread \S+ [\w.$]+|Error): (.+)$", since, re.MULTILINE)
        words = ended[-1] if ended else words
    elif "stopped SparkContext" in str(problem):
        master = SparkConf().get("spark.master")
        words = f"nothing answers at {master}, or it does not take the application"
    return words.rstrip(". ")


def filled(conf: Mapping[str, str], name: str, submitted: bool, rows: int) -> SparkConf:
    """Return all settings that the JVM of this process read, with defaults for those that nobody set."""
    settings = SparkConf().setAll(list(conf.items()))
    given = dict(settings.getAll())
    if "spark.remote" in given or given.get("spark.api.mode", "").lower() == "connect":
        raise UserError(CONNECT_HINT)
    # spark-submit itself says local[*] where nobody named a master, and names an application after its program.
    if given.get("spark.app.name") in (None, "pyspark-shell", PYTHON_RUNNER, Path(sys.argv[0]).name):
        settings.set("spark.app.name", name)
    os.environ["PYSPARK_PYTHON"] = (
        given.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON") or sys.executable
    )
    extensions = given.get("spark.sql.extensions", "")
    if DELTA_EXTENSION not in extensions:
        settings.set("spark.sql.extensions", f"{extensions},{DELTA_EXTENSION}".lstrip(","))
    local = is_this_machine(given["spark.master"])
    gaps = DEFAULTS | LOCAL_DEFAULTS if local else dict(DEFAULTS)
    if submitted and spark_logs_as_shipped():
        gaps["spark.log.level"] = "WARN"
    if not local and not sizes.pays_to_optimise(rows):
        options = given.get("spark.executor.extraJavaOptions", "")
        settings.set("spark.executor.extraJavaOptions", f"{QUICK_JVM} {options}".strip())
    jars = given.get("spark.jars", "")
    if not submitted and not local and "delta-spark" not in jars + given.get("spark.jars.packages", ""):
        # Executors may lack what fetch_jars gave the driver.
        settings.set("spark.jars", ",".join([*filter(None, [jars]), *map(str, delta_jars())]))
    settings.set(sizes.SIZED, "")
    if words := s3.conflict(given):
        raise UserError(words)
    for key, value in (gaps | s3.spark_settings()).items():
        settings.setIfMissing(key, value)
    return settings


def is_this_machine(master: str) -> bool:
    """Say whether tasks of an application on `master` run in the driver itself."""
    return re.match(r"local(\[|$)", master) is not None


def with_needed(session: SparkSession) -> SparkSession:
    """Return the session with the settings NEEDED, where nobody set them; everything else in it stays as it is.

    Raises:
        UserError: Spark is of another version than Recast's, or Delta is not on its class path.
    """
    require_spark(session.version)
    try:
        session._jvm.java.lang.Class.forName("io.delta.tables.DeltaTable", False, class_loader(session))  # type: ignore[union-attr]
    except Py4JError:
        raise UserError(
            f"Spark has no Delta: submit with --packages {delta_package()}, or give `recast refresh` "
            f"--conf spark.jars.packages={delta_package()}"
        ) from None
    for key, value in NEEDED.items():
        if session.conf.get(key, None) is None:
            session.conf.set(key, value)
    for name in LOOKED_UP_OFTEN:
        setattr(session._jvm, name, getattr(session._jvm, name))
    # Python workers of other hosts find S3 as the driver does. A setting of Spark would show the keys on its pages.
    session.sparkContext.environment.update(s3.environment())
    return session


def class_loader(session: SparkSession) -> Any:
    """Return the loader of the classes that came with the application, those of ``--packages`` among them."""
    jvm: Any = session._jvm
    return jvm.java.lang.Thread.currentThread().getContextClassLoader()


def spark_logs_as_shipped() -> bool:
    """Say whether nobody configured the log of this driver's JVM; then Spark's own INFO lines would fill the terminal."""
    jvm: Any = SparkContext._jvm
    source = jvm.org.apache.logging.log4j.LogManager.getContext(False).getConfiguration().getConfigurationSource()
    return str(source.getLocation()).endswith("org/apache/spark/log4j2-defaults.properties")


def configuration_folder() -> Path:
    """Return the folder where Spark looks for its configuration files."""
    given = os.environ.get("SPARK_CONF_DIR")
    return Path(given) if given else Path(_find_spark_home(), "conf")  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def jvm_options(quick: bool) -> Iterator[None]:
    """Give a JVM started inside the block the options that only its start accepts: memory, log and compiler.

    Spark adds SPARK_SUBMIT_OPTS to every option set elsewhere, and SPARK_DRIVER_MEMORY counts where no setting does.
    """
    before = dict(os.environ)
    with resources.as_file(resources.files("recast.lakehouse") / "log4j2.properties") as log4j:  # a copy, if in a zip
        # Spark draws progress bars where it takes a program for an interactive shell; here they would go to a log.
        options = ["-Dspark.ui.showConsoleProgress=false"]
        if not any(configuration_folder().glob("log4j2.*")):
            options.append(f"-Dlog4j2.configurationFile={log4j.absolute().as_uri()}")
        if quick:
            options.append(QUICK_JVM)
        os.environ["SPARK_SUBMIT_OPTS"] = " ".join([*options, os.environ.get("SPARK_SUBMIT_OPTS", "")]).strip()
        os.environ.setdefault("SPARK_DRIVER_MEMORY", DRIVER_MEMORY)
        try:
            yield
        finally:
            for key in ("SPARK_SUBMIT_OPTS", "SPARK_DRIVER_MEMORY"):
                os.environ.pop(key)
                if key in before:
                    os.environ[key] = before[key]


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
