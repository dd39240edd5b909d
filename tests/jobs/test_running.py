"""Refreshing from the command line: locks, and what is said before a JVM is ever started."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from recast import exits
from recast.cli.main import main
from recast.jobs import running
from recast.jobs.catalogue import chosen
from recast.jobs.running import holding
from recast.jobs.settings import Settings
from recast.lakehouse import ledger, query, session
from recast.lakehouse import refresh as refreshing
from recast.lakehouse.costs import Experience
from recast.lakehouse.ledger import Run
from recast.lakehouse.plan import Plan
from recast.lakehouse.problems import warn
from recast.lakehouse.progress import Meter
from recast.lakehouse.source import require_built
from recast.lakehouse.work import Work
from recast.settings import BusyError, UserError
from tests.lakehouse.toy import settings_in, toy_stage, write_notes
from tests.lakehouse.whole_lake import write_whole_lake
from tests.sources import write_code

START = session.start

HOLD = """
import sys
from recast.jobs.catalogue import chosen
from recast.jobs.running import holding
from recast.jobs.settings import Settings
with holding(Settings(lake=sys.argv[1]), chosen(["code"])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that holds nothing, an environment without settings, and no way to start a JVM."""

    def start(*_arguments: object) -> None:
        raise AssertionError("a JVM would be started")

    monkeypatch.setattr(session, "start", start)
    return empty_folder


def said(*arguments: str, status: int = exits.USER_ERROR) -> str:
    """Return the one line that `recast refresh` ends with."""
    result = CliRunner().invoke(main, ["refresh", *arguments])
    assert (result.exit_code, result.stdout) == (status, ""), result.exception
    (line,) = result.stderr.splitlines()
    return line


def code_source(folder: Path) -> list[str]:
    """Write a source of one file and return the options that name it."""
    write_code(folder / "my code", {"a/b": {"a.py": "X = 1\n"}})
    return ["--code-source", "my code/data", "--code-contents", "my code/content"]


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes the code lane of the lake `lake`."""
    command = [sys.executable, "-c", HOLD, str(folder / "lake")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_two_runs_at_once(holder: subprocess.Popen[str], folder: Path) -> None:
    """The second says which process holds the table and leaves; what the first does not write is free; so is all
    of it when the first is killed."""
    lake = Settings(lake=str(folder / "lake"))
    since = (folder / "lake" / "_work" / "linted_code.lock").stat().st_mtime
    at = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    for _ in range(2):
        line = said("linted_code", "--lake", "lake", status=exits.BUSY)
        assert line == f"recast: another run (process {holder.pid}, since {at}) is writing linted_code"
        time.sleep(1)
    with pytest.raises(UserError, match="is writing raw_code"), holding(lake, [*chosen(["math"]), *chosen(["code"])]):
        pass
    with holding(lake, chosen(["math"])):
        pass
    with holding(Settings(lake=str(folder / "other lake")), chosen(["code"])):
        pass
    holder.kill()
    holder.wait()
    with holding(lake, chosen(["code"])):
        pass


@pytest.fixture
def half_written(folder: Path) -> Settings:
    """A lake whose raw_math a run was writing when it last wrote into the ledger."""
    settings = Settings(lake=str(folder / "lake"), model="m", endpoint="http://localhost:9/v1")
    write_whole_lake(Path(settings.lake))
    shutil.rmtree(Path(settings.lake, "runs"))
    version, id_ = query.identity(settings, "raw_math")
    run = ledger.begin("run-live", "raw_math", "1", {}, {}) | {"target_version": version, "target_id": id_}  # type: ignore[operator]
    ledger.record(settings, run)
    return settings


def test_a_table_above_that_a_live_run_writes_is_busy_and_one_that_a_dead_run_left_is_not(
    half_written: Settings,
) -> None:
    options = ["--lake", "lake", "--model", "m", "--endpoint", "http://localhost:9/v1"]
    with holding(half_written, chosen(["raw_math"])):
        line = said("rewritten_math", *options, status=exits.BUSY)
        assert re.fullmatch(rf"recast: another run \(process {os.getpid()}, since 20.*\) is writing raw_math", line)
    line = said("rewritten_math", *options)
    assert line == "recast: the last run of raw_math is running, so rows may be missing: recast refresh raw_math"


def test_the_lock_of_a_run_itself_is_no_other_runs(half_written: Settings) -> None:
    with holding(half_written, chosen(["math"])):
        with pytest.raises(UserError, match="the last run of raw_math is running"):
            ledger.require_finished(half_written, "raw_math", held=["raw_math"])
        with pytest.raises(BusyError, match="is writing raw_math"):
            ledger.require_finished(half_written, "raw_math")


@pytest.mark.parametrize(("live", "status"), [(True, exits.BUSY), (False, exits.USER_ERROR)])
def test_a_plan_that_would_be_refused_ends_as_the_refresh_would(
    half_written: Settings, live: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage,) = chosen(["rewritten_math"])
    run = ledger.begin("run", stage.name, "1", {}, {})
    with holding(half_written, chosen(["raw_math"])) if live else nullcontext():
        plan = refreshing.with_refusal(Work(None, half_written, stage, run), Plan(stage.name), ())  # type: ignore[arg-type]
    assert ("is writing raw_math" if live else "recast refresh raw_math") in plan.refused
    plans = [Plan("raw_math"), plan, Plan("published_math", refused="not built")]
    monkeypatch.setattr(running, "plan_stages", lambda *_, **__: plans)
    told = CliRunner().invoke(main, ["plan", "math", "--json"])
    assert told.exit_code == status
    assert [json.loads(line)["refused"] for line in told.stdout.splitlines()] == ["", plan.refused, "not built"]


def test_a_version_from_the_middle_of_a_run_that_has_ended_since_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, stage = settings_in(tmp_path), toy_stage(tmp_path / "bill")
    above = Path(settings.lake, "raw_math")
    write_deltalake(above, pa.table({"doc_id": ["a"]}))
    source = stage.source._replace(tables=("raw_math",), version=lambda settings: require_built(settings, "raw_math"))
    stage = replace(stage, source=source)

    def ends_meanwhile(*_: object) -> None:
        write_deltalake(above, pa.table({"doc_id": ["b"]}), mode="append")

    monkeypatch.setattr(ledger, "require_finished", ends_meanwhile)
    with pytest.raises(BusyError, match=r"^raw_math was written meanwhile: run again$"):
        refreshing.refresh(None, settings, stage, "run-1", Meter())  # type: ignore[arg-type]


def test_a_lake_where_nothing_keeps_two_runs_apart_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn.cache_clear()
    with holding(Settings(lake="hdfs://host/lake"), chosen(["math"])) as require_held:
        require_held("raw_math")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("recast: nothing keeps two runs apart in hdfs://host/lake: see that one works at a time")


def test_the_log_of_a_lake_elsewhere_is_copied_there_and_named_by_its_place_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: dict[str, str] = {}
    monkeypatch.setattr(running, "place", lambda uri: uri)
    monkeypatch.setattr(running, "upload", lambda file, to: kept.update({to: file.read_text()}))
    told = pytest.raises(UserError, match=r"\(s3a://b/l/_work/spark.log says more\)")
    with told, running.spark_log(Settings(lake="s3a://b/l")) as log:
        log.write_text("its words")
        raise UserError(f"Spark does not start ({log} says more)")
    assert kept == {"s3a://b/l/_work/spark.log": "its words"}
    assert not log.exists()


def test_a_lake_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("oops")
    for lake in (str(folder / "file"), "/proc/lake"):
        refused = pytest.raises(UserError, match=rf"cannot write to {lake}: .* Is --lake right\?")
        with refused, holding(Settings(lake=lake), chosen(["math"])):
            pass


def test_without_java_refresh_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "start", START)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = CliRunner().invoke(main, ["refresh", "raw_code", "--lake", "lake", *code_source(folder)])
    (line,) = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert line.startswith("recast: no Java found. Recast needs a JDK 17: install one")


@pytest.mark.slow
def test_a_java_that_cannot_run_spark_is_one_line_that_names_the_log(folder: Path) -> None:
    java = folder / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n[ $# = 1 ] || { echo 'no memory' >&2; exit 1; }\n"
    )
    java.chmod(0o755)
    command = [sys.executable, "-m", "recast", "refresh", "raw_code", "--lake", "lake", *code_source(folder)]
    environment = os.environ | {"JAVA_HOME": str(folder / "jdk")}
    program = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (program.returncode, program.stdout) == (2, "")
    line = program.stderr.splitlines()[-1]
    assert line.startswith("recast: Spark does not start: [JAVA_GATEWAY_EXITED]")
    assert line.endswith(f"({folder}/lake/_work/spark.log says more)")
    assert "no memory" in (folder / "lake" / "_work" / "spark.log").read_text()


BEFORE_SPARK = {
    "no source is set": (
        ["raw_code", "--code-contents", "."],
        "code_source is not set: give --code-source, RECAST_CODE_",
    ),
    "no contents are set": (["raw_code", "--code-source", "."], "code_contents is not set: give --code-contents"),
    "the source is missing": (["raw_math", "--math-source", "nowhere"], "source folder {cwd}/nowhere does not exist"),
    "the source is a file": (["raw_math", "--math-source", "file"], "{cwd}/file is a file; give the folder that holds"),
    "the source is empty": (
        ["raw_math", "--math-source", "empty"],
        "source folder {cwd}/empty holds no .parquet or .jsonl file, and is no table",
    ),
    "the table above is not built": (["parsed_code"], "raw_code is not built in {cwd}/lake; build it with: recast ref"),
    "the lake is a file": (["raw_code", "--lake", "file"], "cannot write to {cwd}/file"),
    "a table is no table": (["linted_code", "--lake", "odd"], "odd/parsed_code is a file; a table is a folder"),
}


@pytest.mark.parametrize("case", BEFORE_SPARK)
def test_a_mistake_is_told_before_a_jvm_is_started(case: str, folder: Path) -> None:
    arguments, expected = BEFORE_SPARK[case]
    (folder / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "odd").mkdir()
    (folder / "odd" / "parsed_code").write_text("x")
    lake = [] if "--lake" in arguments else ["--lake", "lake"]
    assert expected.format(cwd=folder) in said(*arguments, *lake)


LATER_STAGES = {
    "no model is set": ([], "model is not set: give --model, RECAST_MODEL or a line in recast.toml"),
    "the model folder is missing": (["--model", "./no such model"], "model folder ./no such model does not exist"),
    "the model folder holds no model": (["--model", "."], "model folder . holds no config.json"),
    "the endpoint is no URL": (
        ["--endpoint", "localhost:8000", "--model", "m"],
        "'localhost:8000' is no http or https URL",
    ),
    "arguments of the engine that no shell would read": (
        ["--model", "m", "--engine-args", '--foo "bar'],
        "engine_args is '--foo \"bar': no closing quotation",
    ),
    "an unknown prompt": (
        ["--optimize-prompt", "v0", "--model", "m", "--endpoint", "http://x"],
        "no prompt called 'v0'; known",
    ),
}


@pytest.mark.parametrize("case", LATER_STAGES)
def test_what_a_later_stage_cannot_work_with_is_told_before_the_first_one_starts(case: str, folder: Path) -> None:
    options, expected = LATER_STAGES[case]
    assert expected in said("code", "--lake", "lake", *code_source(folder), *options)


def test_a_source_of_the_other_lane_is_looked_for_before_the_first_stage_starts(folder: Path) -> None:
    model = ["--model", "m", "--endpoint", "http://localhost:1"]
    assert "math_source is not set" in said("--lake", "lake", *code_source(folder), *model)
    assert "optimized_code is not built" in said(
        "raw_code", "published_code", "--lake", "lake", *code_source(folder), *model
    )


def test_why_there_is_work_is_said_without_a_jvm(folder: Path) -> None:
    told = CliRunner().invoke(main, ["plan", "code", "--why", "--lake", "lake", *code_source(folder)])
    first, *below = told.stdout.splitlines()
    assert (told.exit_code, first) == (0, "raw_code: no run is recorded")
    assert below[0] == "parsed_code: its source is not built yet"


@pytest.mark.parametrize("option", ["--why", "--json"])
def test_a_plan_of_a_table_whose_source_nobody_makes_ends_as_its_refresh_would(folder: Path, option: str) -> None:
    told = CliRunner().invoke(main, ["plan", "linted_code", option, "--lake", "lake"])
    assert told.exit_code == exits.USER_ERROR
    words = f"parsed_code is not built in {folder}/lake; build it with: recast refresh parsed_code"
    assert words in (json.loads(told.stdout)["refused"] if option == "--json" else told.stderr)
    assert words in said("linted_code", "--lake", "lake")


def test_a_signal_between_two_stages_tells_of_those_that_are_done() -> None:
    runs = [cast(Run, {"table_name": "raw_code"})]
    with pytest.raises(exits.Terminated) as ended, running.told_when_signalled(runs):
        raise exits.Terminated
    assert ended.value.runs == runs


def test_another_version_of_a_source_is_why(tmp_path: Path) -> None:
    settings, stage = settings_in(tmp_path), toy_stage(tmp_path / "bill")
    write_notes(tmp_path / "source", {"a": ("hello", "ann")})
    before = stage.source.version(settings)
    run = ledger.begin("run-1", "notes", before, stage.measured_by(settings), stage.decided_by(settings))
    ledger.record(settings, run | {"status": "succeeded"})
    assert running.reasons(settings, [stage]) == {"notes": ()}
    write_notes(tmp_path / "source", {"a": ("hello again", "ann")})
    (why,) = running.reasons(settings, [stage])["notes"]
    assert why == f"source changed (version {before} -> {stage.source.version(settings)})"


def test_what_will_likely_come_is_the_share_that_the_tables_above_kept_before() -> None:
    kept = {"linted_code": Experience(100, 0.0, 0.0, 1.0, 0.0, 0.0, kept=0.25)}
    plan = Plan(
        "linted_code", rows={"measure": 60, "copy": 7, "remove": 2}, moves={"low_score -> kept": 5}, likely_come=20
    )
    assert running.new_below(plan, kept.get) == 80 * 0.25 + 5
    assert running.new_below(plan._replace(rows={}, likely_come=0), {}.get) == 5, "what is decided again needs no run"
    assert running.new_below(plan, {}.get) is None, "no run says how many are kept"
    assert running.new_below(plan._replace(likely_come=None), kept.get) is None, "nor does one further up"
    waiting = plan._replace(rows={}, likely_come=0, moves={"low_score -> to be linted": 8, "kept -> to be linted": 4})
    assert running.new_below(waiting, kept.get) == 8 * 0.25, "what the linter is to decide is kept as often as others"


def test_a_plan_with_a_torn_ledger_is_shown_without_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, stage = settings_in(tmp_path), toy_stage(tmp_path / "bill")
    write_notes(tmp_path / "source", {"a": ("hello", "ann")})
    ledger.record(settings, {"run_id": "run-1", "table_name": "notes", "rows_measured": 4})
    (path,) = Path(settings.lake, "runs").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:50])
    monkeypatch.setattr(running, "application", lambda *_: nullcontext((None, ())))
    monkeypatch.setattr(refreshing, "look", lambda *_: Plan("notes", rows={"measure": 60}))
    (plan,) = running.plan_stages(settings, [stage])
    assert (plan.to_write, plan.estimate, plan.likely, plan.most) == (60, None, None, None)


@pytest.mark.parametrize("option", ["--why", "--json"])
def test_a_plan_without_work_can_end_with_a_status_of_its_own(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "changes_of", lambda settings, stage: ())
    monkeypatch.setattr(running, "is_readable", lambda settings, stage: True)
    assert CliRunner().invoke(main, ["plan", option]).exit_code == exits.DONE
    told = CliRunner().invoke(main, ["plan", option, "--detailed-exit-code"])
    assert (told.exit_code, told.stderr) == (exits.NOTHING_TO_DO, "")


def test_a_plan_that_a_refresh_would_refuse_ends_as_that_would(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("raw_code", ("12 source rows changed",), {"remove": 12}, refused="the source of raw_code lacks 12 rows")
    monkeypatch.setattr(running, "plan_stages", lambda *_, **__: [plan])
    told = CliRunner().invoke(main, ["plan", "--detailed-exit-code"])
    assert (told.exit_code, told.stderr) == (exits.USER_ERROR, "")
    assert "raw_code: would stop: the source of raw_code lacks 12 rows" in told.stdout


def test_a_table_that_lost_a_file_is_never_up_to_date(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    write_notes(tmp_path / "source", {"a": ("hello", "ann")})
    stage = toy_stage(tmp_path / "bill")
    write_deltalake(f"{settings.lake}/notes", pa.table({"doc_id": ["a"]}))
    run = ledger.begin(
        "run-1", "notes", stage.source.version(settings), stage.measured_by(settings), stage.decided_by(settings)
    )
    ledger.record(settings, run | {"status": "succeeded", "target_version": 0})
    assert not running.has_work(settings, stage)
    (path,) = Path(settings.lake, "notes").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path} has .* bytes of"):
        running.has_work(settings, stage)
    path.unlink()
    with pytest.raises(UserError, match=f"{path} is missing; .* recast refresh makes a new one"):
        running.has_work(settings, stage)
