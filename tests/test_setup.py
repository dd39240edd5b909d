"""The package and its set-up: what is installed, what starts without Spark, and what `make` says when Java is missing."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from recast.udfs.python.linter import lint

CHECKOUT = Path(__file__).parents[1]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))
ROOMS = ["cli", "inference", "jobs", "lakehouse", "prompts", "schemas", "udfs"]
PAGES_AND_MODULES = [path for pattern in ("*.md", "docs/*.md", "*/*.py") for path in CHECKOUT.glob(pattern)]
# Starting a JVM, a model or Great Expectations takes seconds and gigabytes.
SLOW_LIBRARIES = ("pyspark", "py4j", "great_expectations", "vllm", "torch", "delta")


def setup_arguments() -> dict[str, Any]:
    """Return what setup.py gives to setuptools."""
    with patch("setuptools.setup") as called:
        exec(compile((CHECKOUT / "setup.py").read_text(), "setup.py", "exec"), {"__file__": str(CHECKOUT / "setup.py")})
    return dict(called.call_args.kwargs)


def pinned(package: str) -> str:
    """Return the version of a package in the lock."""
    (version,) = re.findall(rf"^{package}==(\S+)", (CHECKOUT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    return str(version)


def test_an_install_brings_every_room_under_one_name_and_nothing_else() -> None:
    arguments = setup_arguments()
    folders = {path.parent for room in ROOMS for path in (CHECKOUT / room).rglob("__init__.py")}
    packages = {
        f"recast.{'.'.join(folder.relative_to(CHECKOUT).parts)}": str(folder.relative_to(CHECKOUT))
        for folder in folders
    }
    assert set(arguments["packages"]) == {"recast", *packages}
    assert arguments["package_dir"] == packages


def test_a_checkout_has_the_rooms_below_recast_too() -> None:
    linked = {path.name: path.readlink() for path in (CHECKOUT / "recast").iterdir() if path.is_symlink()}
    assert linked == {room: Path("..", room) for room in ROOMS}


def test_the_distribution_has_a_name_of_its_own_and_the_version_that_recast_says() -> None:
    from recast import __version__

    arguments = setup_arguments()
    assert arguments["name"] == "recast-lakehouse"
    assert arguments["version"] == __version__
    advice = re.findall(r"pip install [^\n`]*\brecast\b(?!-lakehouse)", "".join(map(Path.read_text, PAGES_AND_MODULES)))
    assert advice == [], "`recast` is another project's distribution"


def test_the_delta_that_spark_is_told_to_fetch_is_the_one_that_is_pinned() -> None:
    from recast.lakehouse import session

    assert f"delta-spark=={session.DELTA}" in setup_arguments()["extras_require"]["spark"]
    assert f"pyspark>={session.SPARK},<4.2" in setup_arguments()["extras_require"]["spark"]


def test_a_cluster_image_can_leave_out_what_it_does_not_need() -> None:
    arguments = setup_arguments()
    assert set(arguments["extras_require"]) == {"spark", "quality", "cpu", "gpu", "dev"}
    always = " ".join(arguments["install_requires"])
    assert not any(
        name in always for name in ("pyspark", "delta-spark", "great-expectations", "vllm", "torch", "pytest")
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_versions_and_no_registry(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--?(index|extra-index|find-links|trusted-host|i\b|f\b)", text, re.MULTILINE)


def test_the_linter_of_record_is_the_one_that_is_locked() -> None:
    assert {name: pinned(name) for name in lint.VERSIONS} == lint.VERSIONS
    assert f"pylint=={lint.VERSIONS['pylint']}" in setup_arguments()["install_requires"]


def test_no_module_imports_the_engine_that_it_starts() -> None:
    for room in ROOMS:
        for module in (CHECKOUT / room).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(module.read_text())))
            imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
            imported += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
            assert not [name for name in imported if name.partition(".")[0] == "vllm"], module


def loaded_after(program: str, **variables: str) -> set[str]:
    """Return the slow libraries that are loaded once `program` has run in a fresh interpreter."""
    report = f"import sys; print('loaded', *(name for name in {SLOW_LIBRARIES} if name in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}"],
        cwd=CHECKOUT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.splitlines()[-1].split()[1:])


@pytest.mark.slow
def test_what_runs_on_executors_is_cheap_to_import() -> None:
    inside = ("worker", "guard_worker", "warm", "tree_writes", "shortcuts")  # of helper interpreters
    rooms = [path for room in ("inference", "udfs") for path in sorted((CHECKOUT / room).rglob("*.py"))]
    modules = [
        ".".join(["recast", *path.relative_to(CHECKOUT).with_suffix("").parts])
        for path in rooms
        if path.stem not in inside
    ]
    assert loaded_after(f"import {', '.join(module.removesuffix('.__init__') for module in modules)}") == set()


@pytest.mark.slow
def test_what_needs_no_spark_loads_none(tmp_path: Path) -> None:
    from tests.lakehouse.lakes import write_lake

    write_lake(tmp_path)
    program = """
from recast.cli.main import main
for arguments in (["sql", "SELECT count(*) FROM linted_code"], ["status"], ["score", "setup.py"]):
    main(arguments, standalone_mode=False)
"""
    assert loaded_after(program, RECAST_LAKE=str(tmp_path)) == set()


def test_make_without_java_says_in_one_line_what_to_install(tmp_path: Path) -> None:
    for name in ("Makefile", "setup.py", "requirements", "lakehouse", "recast"):
        source = CHECKOUT / name
        shutil.copytree(source, tmp_path / name, symlinks=True) if source.is_dir() else shutil.copy(
            source, tmp_path / name
        )
    (tmp_path / "bin").mkdir()
    for tool in ("make", "sh", "env"):
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    environment = {"PATH": str(tmp_path / "bin"), "SHELL": "/bin/sh"}
    made = subprocess.run(["make", "run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said = [line for line in (made.stdout + made.stderr).splitlines() if not line.startswith("make:")]
    assert said == [
        "Recast needs a JDK 17: install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME"
    ]
    assert made.returncode == 2
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_what_a_person_runs() -> None:
    ci = CHECKOUT / ".ci" / "run"
    assert "make test\n" in ci.read_text()
    assert os.access(ci, os.X_OK)


def test_the_hooks_before_a_commit_run_what_make_check_runs() -> None:
    command = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/.ready", "check"]
    check = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()
    (local,) = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert local["repo"] == "local", "others are fetched"
    assert [hook["entry"] for hook in local["hooks"]] == check
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in local["hooks"])
