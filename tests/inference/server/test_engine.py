"""The engine's life: one server per owner, devices and spec, found again, restarted when dead, gone with its owner."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recast.inference.server import engine
from recast.inference.server import watch as engine_watch
from recast.inference.server.engine import EngineError, EngineSpec
from recast.inference.server.watch import process_start
from recast.jobs import workers

Make = Callable[..., EngineSpec]
ROOT = Path(__file__).parents[3]


def facts(running: engine.Engine) -> dict:
    """What the fake server says about itself."""
    status, body = engine._probe(running.socket or "", "/facts")
    assert status == 200
    return json.loads(body)


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return process_start(pid) == 0


def test_a_second_caller_finds_the_first_ones_server(fake_engine: Make) -> None:
    spec = fake_engine()
    first, second = engine.connect(spec), engine.connect(spec)
    assert first == second
    assert first.label == "vllm 0.0-fake on cpu"
    assert engine.starts(first) == 1


def test_callers_at_once_start_one_server(fake_engine: Make) -> None:
    spec = fake_engine("--start-s", "0.5")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engine.connect, [spec] * 4))
    assert len(set(found)) == 1
    assert engine.starts(found[0]) == 1


@pytest.mark.slow
def test_another_spec_gets_another_server(fake_engine: Make) -> None:
    assert engine.connect(fake_engine()).socket != engine.connect(fake_engine("--seed", "1")).socket


def test_another_owner_or_device_gets_another_folder(fake_engine: Make) -> None:
    spec = fake_engine()
    folders = {
        engine.runtime_folder(spec, pid, devices) for pid in (os.getpid(), os.getppid()) for devices in ("0", "1")
    }
    assert len(folders) == 4
    for folder in folders:
        shutil.rmtree(folder)


def test_what_a_killed_owner_and_its_killed_watcher_left_is_swept_away(fake_engine: Make) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        left = engine.runtime_folder(fake_engine(), sleeper.pid, "swept")
        sleeper.kill()
    other = engine.runtime_folder(fake_engine(), os.getpid(), "sweeping")
    assert not left.exists()
    shutil.rmtree(other)


@pytest.mark.slow
def test_a_dead_server_is_started_anew(fake_engine: Make) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    os.kill(facts(first)["pid"], signal.SIGKILL)
    wait_until(lambda: engine.state(first) == engine.DEAD)
    second = engine.connect(spec)
    assert engine.state(second) == engine.ALIVE
    assert engine.starts(second) == 2


@pytest.mark.slow
def test_a_server_starts_where_recast_lies_in_a_zip(fake_engine: Make, tmp_path: Path) -> None:
    """Spark puts such a zip on a worker's path by its relative name."""
    workers.pack(tmp_path / "recast.zip")
    program = """
import json, sys
from recast.inference.server import engine
given = json.loads(sys.argv[1])
running = engine.connect(engine.EngineSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}))
print(engine.__file__, engine.state(running))
engine.stop(running)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, json.dumps(asdict(fake_engine()))],
        cwd=tmp_path,
        env={"PYTHONPATH": "recast.zip", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [
        str(tmp_path / "recast.zip" / "recast" / "inference" / "server" / "engine.py"),
        engine.ALIVE,
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "from_outside", "words"),
    [
        (signal.SIGKILL, True, "somebody ended it with signal 9"),
        (signal.SIGTERM, True, "somebody ended it with signal 15"),
        (signal.SIGSEGV, False, "signal 11"),
    ],
)
def test_the_watcher_tells_how_a_server_ended(
    fake_engine: Make, how: signal.Signals, from_outside: bool, words: str
) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    os.kill(facts(first)["pid"], how)
    wait_until(lambda: engine.state(first) == engine.DEAD)
    second = engine.connect(spec)
    assert engine.ending(first) == (from_outside, words), "and goes on telling when another has taken its place"
    assert second.instance != first.instance


@pytest.mark.parametrize(
    ("returncode", "oom_kills", "from_outside"),
    [
        (1, 0, False),
        (0, 0, False),
        (-signal.SIGABRT, 0, False),
        (-signal.SIGKILL, 0, True),
        (-signal.SIGKILL, 1, False),
        (128 + signal.SIGKILL, 0, True),
        (128 + signal.SIGSEGV, 0, False),
        (None, 0, False),
    ],
)
def test_an_end_is_from_outside_if_a_signal_ended_the_server_and_memory_was_not_short(
    returncode: int | None, oom_kills: int, from_outside: bool
) -> None:
    assert engine._ending(returncode, oom_kills).from_outside == from_outside


def test_the_kernels_count_of_its_own_kills_is_read() -> None:
    assert engine_watch.oom_kills() >= 0


@pytest.mark.slow
def test_an_end_that_nobody_saw_is_from_outside(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENDING_PATIENCE_S", 0.5)
    running = engine.connect(fake_engine())
    server = json.loads((Path(running.folder) / "server.json").read_text())
    os.kill(server["watcher"], signal.SIGKILL)
    wait_until(lambda: gone(server["server"]))
    assert engine.ending(running).from_outside


@pytest.mark.slow
def test_a_server_that_another_has_replaced_is_dead(fake_engine: Make) -> None:
    """What was sent to it must not be taken for sent to its successor."""
    spec = fake_engine()
    first = engine.connect(spec)
    assert not engine.gone(first)
    os.kill(facts(first)["pid"], signal.SIGKILL)
    wait_until(lambda: engine.gone(first))
    second = engine.connect(spec)
    assert (engine.state(first), engine.state(second)) == (engine.DEAD, engine.ALIVE)


def test_a_socket_left_by_a_dead_server_does_not_stand_in_the_way(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = engine.runtime_folder(spec, engine.owner(), "")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / engine.SOCKET_FILE))
    assert engine.state(engine.connect(spec)) == engine.ALIVE


@pytest.mark.slow
def test_a_server_that_hangs_is_replaced(fake_engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = fake_engine()
    first = engine.connect(spec)
    pid = facts(first)["pid"]
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(engine, "PROBE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(engine, "HEALTH_PATIENCE_S", 0.5)
    assert engine.state(first) == engine.SILENT
    monkeypatch.setattr(engine, "PROBE_TIMEOUT_S", 1.0)
    assert facts(engine.connect(spec))["pid"] != pid
    assert gone(pid)


@pytest.mark.slow
def test_a_killed_watcher_takes_its_server_along(fake_engine: Make) -> None:
    spec = fake_engine()
    running = engine.connect(spec)
    server = json.loads((Path(running.folder) / "server.json").read_text())
    os.kill(server["watcher"], signal.SIGKILL)
    wait_until(lambda: gone(server["server"]))
    assert engine.state(running) == engine.DEAD
    assert engine.state(engine.connect(spec)) == engine.ALIVE


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_with_its_owner_however_that_ended(model_folder: Path, how: signal.Signals) -> None:
    program = f"""
        import json, sys, time
        from recast.inference.server import engine
        spec = engine.EngineSpec(model={str(model_folder)!r}, command=(sys.executable, "tests/fake_endpoint.py"))
        running = engine.connect(spec)
        print(json.dumps([running.folder, json.load(open(running.folder + "/server.json"))]), flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        assert owner.stdout is not None
        folder, server = json.loads(owner.stdout.readline())
        owner.send_signal(how)
    wait_until(lambda: gone(server["server"]) and gone(server["watcher"]) and not Path(folder).exists())


def test_a_server_that_cannot_start_says_why_with_its_last_log_lines(fake_engine: Make) -> None:
    with pytest.raises(EngineError) as raised:
        engine.connect(fake_engine("--fail-start", "Free memory on device is less than desired"))
    first_line, *rest = str(raised.value).splitlines()
    assert "RuntimeError: Free memory on device is less than desired" in first_line
    assert "end what nvidia-smi shows" in first_line
    assert "  loading the model" in rest


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
    assert engine.state(engine.connect(spec)) == engine.ALIVE


def dead_and_failing_once(fake_engine: Make, tmp_path: Path) -> tuple[EngineSpec, engine.Engine]:
    """An engine that was killed, and whose next start fails."""
    marker = tmp_path / "failed-once"
    marker.touch()
    spec = fake_engine("--fail-start-once", str(marker))
    running = engine.connect(spec)
    os.kill(facts(running)["pid"], signal.SIGKILL)
    wait_until(lambda: engine.state(running) == engine.DEAD)
    marker.unlink()
    return spec, running


@pytest.mark.slow
def test_a_restart_that_fails_is_tried_again(fake_engine: Make, tmp_path: Path) -> None:
    spec, running = dead_and_failing_once(fake_engine, tmp_path)
    assert engine.state(engine.connect(spec)) == engine.ALIVE
    assert engine.starts(running) == 3


@pytest.mark.slow
def test_those_who_waited_for_a_restart_that_succeeded_at_last_have_an_engine(
    fake_engine: Make, tmp_path: Path
) -> None:
    spec, running = dead_and_failing_once(fake_engine, tmp_path)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: engine.connect(spec), range(3)))
    assert len(set(found)) == 1
    assert engine.starts(running) == 3


def test_a_start_whose_preparation_took_long_is_waited_for(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = engine.runtime_folder(spec, engine.owner(), "")
    starting = threading.Timer(0.1, engine._start, (spec, folder, engine.owner(), ""))
    starting.start()
    running = engine._await_start(spec, folder, "", started_at=time.time() - engine.PROBE_TIMEOUT_S - 1)
    starting.join()
    assert running.start_seconds > engine.PROBE_TIMEOUT_S, "the preparation is part of the start"


def test_a_start_whose_watcher_died_leaves_no_server(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = engine.runtime_folder(spec, engine.owner(), "")
    with subprocess.Popen(["sleep", "60"], process_group=0) as server:
        dead = {"watcher": 0, "watcher_start": 1, "server": server.pid, "server_start": process_start(server.pid)}
        (folder / "server.json").write_text(json.dumps(dead))
        with pytest.raises(EngineError, match="the engine ended while it started"):
            engine._await_start(spec, folder, "", started_at=time.time())
        assert server.wait(5) == -signal.SIGTERM


@pytest.mark.slow
def test_a_server_that_takes_too_long_is_given_up_and_ended(fake_engine: Make) -> None:
    spec = replace(fake_engine("--start-s", "30"), start_timeout_s=0.5)
    with pytest.raises(EngineError, match=r"not ready after 0 s|not ready after 1 s"):
        engine.connect(spec)
    folder = engine.runtime_folder(spec, engine.owner(), "")
    assert not (folder / "server.json").exists()


@pytest.mark.slow
def test_a_folder_has_one_server_even_if_nobody_knows_of_the_first_one_yet(fake_engine: Make, tmp_path: Path) -> None:
    spec = fake_engine("--start-s", "0.5")
    folder = engine.runtime_folder(spec, engine.owner(), "")
    for _ in range(2):
        engine._start(spec, folder, engine.owner(), "")
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
    folder = engine.runtime_folder(spec, engine.owner(), "")
    engine._start(spec, folder, engine.owner(), "")
    wait_until((folder / "server.json").exists)
    running = engine.connect(spec)
    assert engine.starts(running) == 0, "the start that was under way was used, no other was made"


def test_the_environment_of_a_spark_task_does_not_reach_the_server(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VLLM_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    running = engine.connect(fake_engine())
    assert facts(running)["environment"] == {"HF_HUB_OFFLINE": "1"}


def test_the_context_is_the_models_own_unless_the_spec_says_otherwise(fake_engine: Make) -> None:
    assert engine.context_tokens(fake_engine()) == 200
    assert engine.context_tokens(replace(fake_engine(), max_model_len=100)) == 100


def test_the_socket_path_is_short_wherever_the_checkout_and_the_temporary_folder_are(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp/" + "a long name " * 20)
    folder = engine.runtime_folder(fake_engine(), os.getpid(), "0,1,2,3")
    assert len(str(folder / engine.SOCKET_FILE)) <= engine.MAX_SOCKET_PATH_BYTES
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(folder)


@pytest.fixture
def roots(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two roots for runtime folders, short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as one, tempfile.TemporaryDirectory(dir="/tmp") as two:
        monkeypatch.setattr(engine, "_roots", lambda: [one, two])
        yield [Path(one), Path(two)]


def in_the_way(folder: Path, what: str) -> None:
    if what == "file":
        folder.touch()
    elif what == "link":
        folder.symlink_to(folder.parent)
    elif what == "dangling link":
        folder.symlink_to("nowhere")
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder))


@pytest.mark.parametrize("what", ["file", "link", "dangling link", "socket"])
def test_a_root_where_something_else_has_the_folders_name_is_passed_over(
    fake_engine: Make, roots: list[Path], what: str
) -> None:
    in_the_way(roots[0] / f"recast-{os.getuid()}", what)
    folder = engine.runtime_folder(fake_engine(), os.getpid(), "")
    assert folder.is_relative_to(roots[1])
    assert folder == engine.runtime_folder(fake_engine(), os.getpid(), ""), "and found again"


def test_somebody_elses_folder_is_never_used(
    fake_engine: Make, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = fake_engine()
    with monkeypatch.context() as another:
        another.setattr(os, "getuid", lambda: 12345)  # the folders that it makes are not its own
        with pytest.raises(EngineError, match="no folder for an engine, of this user alone") as raised:
            engine.runtime_folder(spec, os.getpid(), "")
        assert "\n" not in str(raised.value)
    engine.runtime_folder(spec, os.getpid(), "")


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o701, 0o1777, 0o500, 0o000])
def test_a_folder_of_ours_with_another_mode_is_made_private(fake_engine: Make, roots: list[Path], mode: int) -> None:
    spec = fake_engine()
    parent = roots[0] / f"recast-{os.getuid()}"
    parent.mkdir()
    parent.chmod(mode)
    folder = engine.runtime_folder(spec, os.getpid(), "")
    assert folder.is_relative_to(roots[0])
    folder.chmod(mode)
    assert engine.runtime_folder(spec, os.getpid(), "") == folder
    assert (parent.stat().st_mode & 0o7777, folder.stat().st_mode & 0o7777) == (0o700, 0o700)


def test_roots_are_those_of_the_machine_the_user_and_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr(tempfile, "tempdir", "/scratch")
    assert engine._roots() == ["/tmp", "/scratch", "/run/user/7", "/home/someone/.cache"]


def test_nothing_of_the_working_directory_is_imported(
    fake_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shutil", "ctypes", "fcntl", "recast", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f":{ROOT}:")
    assert engine.state(engine.connect(fake_engine())) == engine.ALIVE
    assert not (tmp_path / "imported").exists()


def test_prewarm_starts_the_server_that_tasks_find(fake_engine: Make) -> None:
    spec = fake_engine()
    engine.prewarm(spec).join()
    assert engine.starts(engine.connect(spec)) == 1


def test_prewarm_of_a_model_that_is_not_there_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    engine.prewarm(EngineSpec(model="/no/such/model")).join()
    assert "model folder /no/such/model does not exist" in caplog.text


# What cannot work is refused before anything is started.


def test_a_model_folder_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"^model folder /no/such/model does not exist$"):
        engine.connect(EngineSpec(model="/no/such/model"))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"holds no config.json"):
        engine.check(EngineSpec(model=str(tmp_path)))


def test_a_model_without_chat_template_is_refused_unless_one_is_given(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(EngineError, match="has no chat template"):
        engine.check(EngineSpec(model=str(tmp_path)))
    for args in (("--chat-template", "mine.jinja"), ("--seed", "1", "--chat-template=mine.jinja")):
        spec = EngineSpec(model=str(tmp_path), args=args)
        engine.check(spec)
        assert spec.given_template == "mine.jinja"


def test_a_hub_name_is_no_folder_name() -> None:
    assert not engine.is_folder_name("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert not engine.is_folder_name("gpt2")
    assert engine.is_folder_name("/models/x")
    assert engine.is_folder_name("./x")
    assert engine.is_folder_name("a/b/c")


# Endpoints.


def test_an_endpoint_is_used_as_it_is(endpoint: Make) -> None:
    spec = endpoint()
    running = engine.connect(spec)
    assert running.base_url == spec.endpoint
    assert running.socket is None
    assert engine.context_tokens(spec) == 4096


def test_a_gateway_that_lists_models_bare_and_drops_the_version_serves(endpoint: Make) -> None:
    began = time.monotonic()
    assert engine.connect(endpoint("--gateway")).version == ""
    assert time.monotonic() - began < 1, "the version is not worth a second try"
    with pytest.raises(EngineError, match="has no model other; it has fake"):
        engine.connect(endpoint("--gateway", model="other"))


def test_an_endpoint_that_refuses_connections_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENDPOINT_TRIES", 1)
    with pytest.raises(EngineError) as raised:
        engine.connect(EngineSpec(model="m", endpoint="http://127.0.0.1:9/v1"))
    assert str(raised.value).startswith("the endpoint http://127.0.0.1:9/v1 cannot be reached: ")
    assert "\n" not in str(raised.value)


def test_an_endpoint_without_the_model_says_which_it_has(endpoint: Make) -> None:
    with pytest.raises(EngineError, match="has no model other; it has fake"):
        engine.connect(endpoint(model="other"))


def test_a_refused_key_names_its_variable(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = endpoint("--key", "secret", api_key_variable="MY_KEY")
    with pytest.raises(EngineError, match=r"refused a request without key \(MY_KEY is not set\)"):
        engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "wrong")
    with pytest.raises(EngineError, match="refused the key in MY_KEY"):
        engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "secret")
    engine.connect(spec)


def test_a_key_is_sent_without_its_line_end_and_never_shown(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = endpoint("--key", "secret", api_key_variable="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret\n")
    engine.connect(spec)
    monkeypatch.setenv("MY_KEY", "sec\nret")
    with pytest.raises(EngineError) as raised:
        engine.connect(spec)
    assert str(raised.value) == "the key in MY_KEY holds characters that no request can carry"


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(EngineError, match="no http or https URL"):
        engine.check(EngineSpec(model="m", endpoint="localhost:8000"))


def test_load_reads_the_servers_own_figures(fake_engine: Make) -> None:
    running = engine.connect(fake_engine())
    assert engine.load(running) == engine.Load(0, 0, 0, 0, 10, 4)
