"""Starting Spark: the Java that it needs, and the one line that says what is missing."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark
import pytest

from recast.lakehouse import session
from recast.settings import UserError
from tests.clusters import CHECKOUT
from tests.jobs.lanes import write_pages

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def fake_java(folder: Path, words: str, status: int = 0) -> Path:
    """Write a `java` that says `words` as its version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\nexit {status}\n")
    program.chmod(0o755)
    return folder


def refused(monkeypatch: pytest.MonkeyPatch, home: Path | str) -> str:
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(UserError) as problem:
        session.require_java()
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ('openjdk version "11.0.22" 2024-01-16', "Java 11 is too old"),
        ('java version "1.8.0_402"', "Java 8 is too old"),
        ("who knows", "Java of unknown version is too old"),
        ("", "Java of unknown version is too old"),
    ],
)
def test_a_java_that_spark_cannot_use_is_refused(
    words: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(monkeypatch, fake_java(tmp_path / "jdk", words))
    assert said.startswith(found)
    assert "JDK 17" in said


@pytest.mark.parametrize("version", ["17", "17.0.10", "21.0.2", "25-ea"])
def test_java_17_and_later_will_do(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "a jdk", f'openjdk version "{version}" 2024-01-16')))
    session.require_java()


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"no Java found in JAVA_HOME={tmp_path}" in refused(monkeypatch, tmp_path)


def test_a_java_that_fails_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = fake_java(tmp_path / "jdk", "Error: could not find libjava.so", status=2)
    assert "no Java found" in refused(monkeypatch, broken)


def test_without_java_home_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no Java found. Recast needs a JDK 17" in refused(monkeypatch, "")
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "jdk", 'openjdk version "17.0.1"') / "bin") + ":/bin")
    monkeypatch.delenv("JAVA_HOME")
    session.require_java()


def test_the_delta_jars_fit_the_installed_spark() -> None:
    minor = ".".join(pyspark.__version__.split(".")[:2])
    assert session.delta_package().startswith(f"io.delta:delta-spark_{minor}_2.13:4.")


def test_the_delta_jars_are_known_where_a_platform_has_no_package_of_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = session.delta_package()

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert session.delta_package() == installed


@pytest.mark.parametrize("version", ["3.5.3", "4.0.1", "4.10.0", "4.2.0"])
def test_a_spark_of_another_version_is_refused(version: str) -> None:
    with pytest.raises(UserError, match=f"^this is Spark {version}, and Recast runs on Spark 4.1 .*cluster.md.$"):
        session.require_spark(version)


def test_spark_of_the_right_version_will_do() -> None:
    session.require_spark("4.1.0")


def test_a_folder_of_jars_that_is_somebody_elses_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyspark

    (tmp_path / "jars").mkdir()
    monkeypatch.setattr(pyspark, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "jars")  # root may write anywhere
    with pytest.raises(UserError) as refused:
        session.fetch_jars()
    assert str(refused.value) == (
        f"Spark has no Delta yet, and {tmp_path / 'jars'} is not yours to write: have its owner run "
        f"`{sys.executable} -m recast.lakehouse.session` once, or do so where the image is built"
    )


def test_words_written_while_the_jvm_starts_go_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a lake" / "spark.log"
    with session.standard_error_to(log):
        os.write(2, b"WARNING: Using incubator modules\n")
    os.write(2, b"ours again\n")
    assert log.read_text() == "WARNING: Using incubator modules\n"
    assert capfd.readouterr().err == "ours again\n"


def environment(**given: str) -> dict[str, str]:
    """Return this process's environment without what was set for Spark, and with what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "RECAST_"))}
    return kept | {"PYTHONPATH": str(CHECKOUT), "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"} | given


def started(what: str, folder: Path, **given: str) -> dict[str, Any]:
    """Start a session in a process of its own, and return what it tells."""
    command = [sys.executable, "-m", "tests.lakehouse.session_program", what, str(folder / "spark.log")]
    done = subprocess.run(command, env=environment(**given), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.partition("RESULT ")[2])
    return told


SITE = """
spark.master                    local[1]
spark.driver.memory             640m
spark.driver.extraJavaOptions   -XX:+UseG1GC -Dof.the.site=yes
spark.sql.shuffle.partitions    7
spark.sql.session.timeZone      Europe/Berlin
spark.sql.extensions            org.example.NotThere
spark.ui.enabled                true
spark.ui.port                   0
"""


@pytest.mark.spark
@pytest.mark.slow
def test_what_files_and_arguments_of_spark_set_holds_and_gaps_are_filled(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text(SITE)
    arguments = "--conf spark.sql.shuffle.partitions=9 --conf spark.task.reaper.enabled=false pyspark-shell"
    told = started("start", tmp_path, SPARK_CONF_DIR=str(tmp_path / "conf"), PYSPARK_SUBMIT_ARGS=arguments)
    conf, options = told["conf"], told["options"]
    assert told["words"].startswith(f"Spark {pyspark.__version__} on local[1], application local-")
    assert conf["spark.sql.shuffle.partitions"] == "9", "arguments beat the file"
    assert conf["spark.sql.session.timeZone"] == "Europe/Berlin"
    assert conf["spark.task.reaper.enabled"] == "false"
    assert conf["spark.sql.extensions"] == f"org.example.NotThere,{session.DELTA_EXTENSION}", (
        "ours stands beside theirs"
    )
    assert options["MaxHeapSize"] == str(640 * 2**20)
    assert options["UseG1GC"] == "true"
    assert told["property"] == "yes"
    assert told["ui"]
    assert conf["spark.sql.catalog.spark_catalog"] == session.DELTA_CATALOG
    assert conf["spark.speculation"] == "false"
    for name, value in session.NEEDED.items():
        assert conf[name] == value
    assert told["stopped"]


@pytest.mark.spark
@pytest.mark.slow
def test_where_nothing_is_set_this_machine_is_used_with_room_for_compiled_code(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    told = started("start", tmp_path, SPARK_CONF_DIR=str(tmp_path / "conf"))
    assert told["conf"]["spark.master"] == "local[*]"
    assert told["words"].endswith("of this machine")
    assert told["options"]["TieredStopAtLevel"] == "1"
    assert told["options"]["ReservedCodeCacheSize"] == str(240 * 2**20)
    assert told["options"]["MaxHeapSize"] == str(3 * 2**30)
    assert told["ui"] is None
    gaps = session.DEFAULTS | session.LOCAL_DEFAULTS | session.NEEDED
    assert {name: told["conf"][name].removeprefix("file:") for name in gaps} == gaps


@pytest.mark.spark
def test_workers_of_python_import_nothing_of_the_working_directory(spark: "SparkSession") -> None:
    def look(batches):  # type: ignore[no-untyped-def]
        import sys

        import pyarrow as pa

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"safe": [sys.flags.safe_path and "" not in sys.path]})

    (row,) = spark.range(1).coalesce(1).mapInArrow(look, "safe boolean").collect()
    assert row.safe


@pytest.mark.spark
@pytest.mark.slow
def test_a_session_that_is_handed_over_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    told = started("handed", tmp_path, SPARK_CONF_DIR=str(tmp_path / "conf"))
    assert told["after"]["conf"] == told["before"]["conf"] | session.NEEDED
    assert told["after"]["context"] == told["before"]["context"]
    assert not told["stopped"]


def refused_refresh(folder: Path, *options: str, **given: str) -> str:
    """Refresh with a master that cannot be had; return the one line that says so."""
    write_pages(folder / "math", [("https://a.org/1", "One and one is two.")])
    command = [str(Path(sys.executable).with_name("recast")), "refresh", "raw_math", "--lake", str(folder / "lake")]
    command += ["--math-source", str(folder / "math"), *options]
    done = subprocess.run(command, env=environment(**given), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    return line


@pytest.mark.slow
def test_spark_connect_is_refused_in_one_line(tmp_path: Path) -> None:
    assert refused_refresh(tmp_path, SPARK_REMOTE="sc://localhost:1").startswith("recast: Spark Connect is asked for")


@pytest.mark.spark
@pytest.mark.slow
def test_a_master_that_spark_does_not_know_is_said_in_sparks_own_words(tmp_path: Path) -> None:
    line = refused_refresh(tmp_path, "--master", "sparc://head:7077")
    assert line.startswith(
        "recast: Spark does not start: Master must either be yarn or start with spark, k8s, or local"
    )


@pytest.mark.spark
@pytest.mark.slow
def test_a_master_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    # Spark asks three times and waits 20 s each.
    line = refused_refresh(tmp_path, "--master", "spark://127.0.0.1:1")
    assert line.startswith("recast: Spark does not start: nothing answers at spark://127.0.0.1:1, or it does not take")
