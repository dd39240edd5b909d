"""Runtime folders: one per owner, devices and spec, of this user alone, short enough for a socket."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recast.inference.server import engine, process, runtime
from recast.inference.server.spec import SOCKET_FILE, EngineError, EngineSpec

Make = Callable[..., EngineSpec]


def test_another_owner_or_device_gets_another_folder(fake_engine: Make) -> None:
    spec = fake_engine()
    folders = {
        runtime.runtime_folder(spec, pid, devices) for pid in (os.getpid(), os.getppid()) for devices in ("0", "1")
    }
    assert len(folders) == 4
    for folder in folders:
        shutil.rmtree(folder)


def test_what_a_killed_owner_and_its_killed_watcher_left_is_swept_away(fake_engine: Make) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        left = runtime.runtime_folder(fake_engine(), sleeper.pid, "swept")
        sleeper.kill()
    other = runtime.runtime_folder(fake_engine(), os.getpid(), "sweeping")
    assert not left.exists()
    shutil.rmtree(other)


def test_a_socket_left_by_a_dead_server_does_not_stand_in_the_way(fake_engine: Make) -> None:
    spec = fake_engine()
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / SOCKET_FILE))
    assert process.state(engine.connect(spec)) == process.ALIVE


def test_the_socket_path_is_short_wherever_the_checkout_and_the_temporary_folder_are(
    fake_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp/" + "a long name " * 20)
    folder = runtime.runtime_folder(fake_engine(), os.getpid(), "0,1,2,3")
    assert len(str(folder / SOCKET_FILE)) <= runtime.MAX_SOCKET_PATH_BYTES
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(folder)


@pytest.fixture
def roots(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two roots for runtime folders, short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as one, tempfile.TemporaryDirectory(dir="/tmp") as two:
        monkeypatch.setattr(runtime, "_roots", lambda: [one, two])
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
    folder = runtime.runtime_folder(fake_engine(), os.getpid(), "")
    assert folder.is_relative_to(roots[1])
    assert folder == runtime.runtime_folder(fake_engine(), os.getpid(), ""), "and found again"


def test_somebody_elses_folder_is_never_used(
    fake_engine: Make, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = fake_engine()
    with monkeypatch.context() as another:
        another.setattr(os, "getuid", lambda: 12345)  # the folders that it makes are not its own
        with pytest.raises(EngineError, match="no folder for an engine, of this user alone") as raised:
            runtime.runtime_folder(spec, os.getpid(), "")
        assert "\n" not in str(raised.value)
    runtime.runtime_folder(spec, os.getpid(), "")


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o701, 0o1777, 0o500, 0o000])
def test_a_folder_of_ours_with_another_mode_is_made_private(fake_engine: Make, roots: list[Path], mode: int) -> None:
    spec = fake_engine()
    parent = roots[0] / f"recast-{os.getuid()}"
    parent.mkdir()
    parent.chmod(mode)
    folder = runtime.runtime_folder(spec, os.getpid(), "")
    assert folder.is_relative_to(roots[0])
    folder.chmod(mode)
    assert runtime.runtime_folder(spec, os.getpid(), "") == folder
    assert (parent.stat().st_mode & 0o7777, folder.stat().st_mode & 0o7777) == (0o700, 0o700)


def test_roots_are_those_of_the_machine_the_user_and_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr(tempfile, "tempdir", "/scratch")
    assert runtime._roots() == ["/tmp", "/scratch", "/run/user/7", "/home/someone/.cache"]
