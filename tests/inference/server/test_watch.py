"""The watchdog process."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.inference.server import engine, process, watch
from recast.inference.server.spec import EngineSpec
from tests.inference.server.serving import gone, wait_until

Make = Callable[..., EngineSpec]
ROOT = Path(__file__).parents[3]


def test_the_kernels_count_of_its_own_kills_is_read() -> None:
    assert watch.oom_kills() >= 0


@pytest.mark.slow
def test_a_killed_watcher_takes_its_server_along(fake_engine: Make) -> None:
    spec = fake_engine()
    running = engine.connect(spec)
    server = json.loads((Path(running.folder) / "server.json").read_text())
    os.kill(server["watcher"], signal.SIGKILL)
    wait_until(lambda: gone(server["server"]))
    assert process.state(running) == process.DEAD
    assert process.state(engine.connect(spec)) == process.ALIVE


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_with_its_owner_however_that_ended(model_folder: Path, how: signal.Signals) -> None:
    program = f"""
        import json, sys, time
        from recast.inference.server import engine
        from recast.inference.server.spec import EngineSpec
        spec = EngineSpec(model={str(model_folder)!r}, command=(sys.executable, "tests/fake_endpoint.py"))
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


def test_nothing_of_the_working_directory_is_imported(
    fake_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shutil", "ctypes", "fcntl", "recast", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f":{ROOT}:")
    assert process.state(engine.connect(fake_engine())) == process.ALIVE
    assert not (tmp_path / "imported").exists()
