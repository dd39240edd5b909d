"""A server's life: one per owner, devices and spec, found again, restarted when dead."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from recast.inference.server import engine, process, runtime
from recast.inference.server.spec import Engine, EngineError, EngineSpec
from recast.inference.server.watch import process_start
from tests.inference.server.serving import facts, gone, wait_until

Make = Callable[..., EngineSpec]


def test_callers_at_once_start_one_server(fake_engine: Make) -> None:
    spec = fake_engine("--start-s", "0.5")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engine.connect, [spec] * 4))
    assert len(set(found)) == 1
    assert process.starts(found[0]) == 1


@pytest.mark.slow
def test_another_spec_gets_another_server(fake_engine: Make) -> None:
    assert engine.connect(fake_engine()).socket != engine.connect(fake_engine("--seed", "1")).socket


@pytest.mark.slow
def test_a_dead_server_is_started_anew(fake_engine: Make) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    os.kill(facts(first)["pid"], signal.SIGKILL)
    wait_until(lambda: process.state(first) == process.DEAD)
    second = engine.connect(spec)
    assert process.state(second) == process.ALIVE
    assert process.starts(second) == 2


@pytest.mark.slow
def test_a_server_that_another_has_replaced_is_dead(fake_engine: Make) -> None:
    """What was sent to it must not be taken for sent to its successor."""
    spec = fake_engine()
    first = engine.connect(spec)
    assert not runtime.gone(first)
    os.kill(facts(first)["pid"], signal.SIGKILL)
    wait_until(lambda: runtime.gone(first))
    second = engine.connect(spec)
    assert (process.state(first), process.state(second)) == (process.DEAD, process.ALIVE)


@pytest.mark.slow
def test_a_server_that_hangs_is_replaced(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    pid = facts(first)["pid"]
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(process, "PROBE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(process, "HEALTH_PATIENCE_S", 0.5)
    assert process.state(first) == process.SILENT
    monkeypatch.setattr(process, "PROBE_TIMEOUT_S", 1.0)
    assert facts(engine.connect(spec))["pid"] != pid
    assert gone(pid)


@pytest.mark.slow
def test_those_who_waited_for_a_failed_start_get_its_error_and_try_no_start_of_their_own(
    fake_engine: Make, tmp_path: Path
) -> None:
    spec = fake_engine("--start-s", "0.5", "--fail-start-once", str(tmp_path / "failed-once"))
    errors: list[str] = []

    def attempt(_: int) -> None:
        try:
            engine.connect(spec)
        except EngineError as error:
            errors.append(str(error))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(attempt, range(3)))
    assert len(errors) == 3
    assert len(set(errors)) == 1
    assert process.state(engine.connect(spec)) == process.ALIVE


def dead_and_failing_once(fake_engine: Make, tmp_path: Path) -> tuple[EngineSpec, Engine]:
    """An engine that was killed, and whose next start fails."""
    marker = tmp_path / "failed-once"
    marker.touch()
    spec = fake_engine("--fail-start-once", str(marker))
    running = engine.connect(spec)
    os.kill(facts(running)["pid"], signal.SIGKILL)
    wait_until(lambda: process.state(running) == process.DEAD)
    marker.unlink()
    return spec, running


@pytest.mark.slow
def test_a_restart_that_fails_is_tried_again(fake_engine: Make, tmp_path: Path) -> None:
    spec, running = dead_and_failing_once(fake_engine, tmp_path)
    assert process.state(engine.connect(spec)) == process.ALIVE
    assert process.starts(running) == 3


@pytest.mark.slow
def test_those_who_waited_for_a_restart_that_succeeded_at_last_have_an_engine(
    fake_engine: Make, tmp_path: Path
) -> None:
    spec, running = dead_and_failing_once(fake_engine, tmp_path)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: engine.connect(spec), range(3)))
    assert len(set(found)) == 1
    assert process.starts(running) == 3


def test_a_start_whose_preparation_took_long_is_waited_for(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    starting = threading.Timer(0.1, process.start, (spec, folder, runtime.owner(), ""))
    starting.start()
    running = process.await_ready(spec, folder, "", started_at=time.time() - process.PROBE_TIMEOUT_S - 1)
    starting.join()
    assert running.start_seconds > process.PROBE_TIMEOUT_S, "the preparation is part of the start"


def test_a_start_whose_watcher_died_leaves_no_server(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    with subprocess.Popen(["sleep", "60"], process_group=0) as server:
        dead = {"watcher": 0, "watcher_start": 1, "server": server.pid, "server_start": process_start(server.pid)}
        (folder / "server.json").write_text(json.dumps(dead))
        with pytest.raises(EngineError, match="the engine ended while it started"):
            process.await_ready(spec, folder, "", started_at=time.time())
        assert server.wait(5) == -signal.SIGTERM


@pytest.mark.slow
def test_a_server_that_takes_too_long_is_given_up_and_ended(fake_engine: Make) -> None:
    spec = replace(fake_engine("--start-s", "30"), start_timeout_s=0.5)
    with pytest.raises(EngineError, match=r"not ready after 0 s|not ready after 1 s"):
        engine.connect(spec)
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    assert not (folder / "server.json").exists()


@pytest.mark.slow
def test_a_folder_has_one_server_even_if_nobody_knows_of_the_first_one_yet(fake_engine: Make, tmp_path: Path) -> None:
    spec = fake_engine("--start-s", "0.5")
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    for _ in range(2):
        process.start(spec, folder, runtime.owner(), "")
    wait_until((folder / "server.json").exists)
    first = json.loads((folder / "server.json").read_text())
    running = engine.connect(spec)
    assert json.loads((folder / "server.json").read_text()) == first
    assert facts(running)["pid"] == first["server"]


def test_an_owner_that_is_gone_gets_no_server(fake_engine: Make) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    with pytest.raises(EngineError, match=f"process {ended.pid}, to which the engine would belong, is gone"):
        engine.connect(fake_engine(), ended.pid)


@pytest.mark.slow
def test_a_caller_takes_over_a_start_whose_starter_was_killed(fake_engine: Make) -> None:
    spec = fake_engine("--start-s", "1")
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    process.start(spec, folder, runtime.owner(), "")
    wait_until((folder / "server.json").exists)
    running = engine.connect(spec)
    assert process.starts(running) == 0, "the start that was under way was used, no other was made"


def test_the_environment_of_a_spark_task_does_not_reach_the_server(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VLLM_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    running = engine.connect(fake_engine())
    assert facts(running)["environment"] == {"HF_HUB_OFFLINE": "1"}
