"""Starting Spark: the Java that it needs, and the one line that says what is missing."""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from lakehouse import session
from lakehouse.settings import UserError


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
    import pyspark

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
        f"`{sys.executable} -m lakehouse.session` once, or do so where the image is built"
    )


def test_words_written_while_the_jvm_starts_go_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a lake" / "spark.log"
    with session.standard_error_to(log):
        os.write(2, b"WARNING: Using incubator modules\n")
    os.write(2, b"ours again\n")
    assert log.read_text() == "WARNING: Using incubator modules\n"
    assert capfd.readouterr().err == "ours again\n"
