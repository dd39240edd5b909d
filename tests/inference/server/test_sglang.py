"""SGLang's command line, health, figures and log, against a program that takes the place of SGLang: no real one is run."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from recast.inference import telemetry
from recast.inference.server import diagnosis, metrics, process, runtime, sglang
from recast.inference.server.engine import connect
from recast.inference.server.model import check, context_tokens
from recast.inference.server.spec import Engine, EngineError, EngineSpec
from tests.inference.feeding import batch, run, spec_for, starts_of, statuses
from tests.inference.server.serving import gone, wait_until

Make = Callable[..., EngineSpec]
STUB = Path(__file__).parent / "stub_sglang"


@pytest.fixture
def fake_sglang(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make specs that `python -m sglang.launch_server` serves, which is the program in stub_sglang."""
    monkeypatch.setenv("PYTHONPATH", f"{STUB}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    specs = []

    def make(*args: str, **fields: object) -> EngineSpec:
        specs.append(
            replace(EngineSpec(str(model_folder), server="sglang", args=args, start_timeout_s=20.0), **fields)  # type: ignore[arg-type]
        )
        return specs[-1]

    yield make
    for spec in specs:
        folder = runtime.runtime_folder(spec, runtime.owner(), "")
        process.stop(Engine("", None, "", "", "", 0.0, str(folder)))
        shutil.rmtree(folder)


def test_the_command_line_is_sglangs(model_folder: Path) -> None:
    spec = EngineSpec(
        str(model_folder), revision="abc", tensor_parallel=4, server="sglang", args=("--mem-fraction-static", "0.8")
    )
    line = process.command(spec, sglang.SERVER, "127.0.0.1:20001")
    assert line[1:4] == ["-P", "-m", "sglang.launch_server"]
    given = dict(pairwise(line))
    wanted = {
        "--model-path": str(model_folder.resolve()),
        "--served-model-name": spec.served_name,
        "--host": "127.0.0.1",
        "--port": "20001",
        "--context-length": "200",
        "--tp-size": "4",
        "--sampling-defaults": "openai",
        "--revision": "abc",
    }
    assert {name: given[name] for name in wanted} == wanted
    assert line[-2:] == ["--mem-fraction-static", "0.8"]


def test_it_serves_once_its_health_is_good_and_rows_say_who_answered(fake_sglang: Make) -> None:
    spec = fake_sglang("--late-s", "1")
    rows = run(spec_for(spec), batch("one", "two"))
    assert statuses(rows) == {"one": "answered", "two": "answered"}
    assert {row["engine"] for row in rows} == {"sglang 0.5.99-fake on cpu"}
    running = connect(spec)
    assert running.start_seconds > 1
    assert running.socket is None
    assert running.address.startswith("127.0.0.1:2")
    assert connect(spec) == running, "and is found again"
    assert process.state(running) == process.ALIVE
    assert metrics.load(running) == metrics.Load(0, 0, 6, 2, 6, 5)


def test_a_late_health_check_is_silence_and_no_death(fake_sglang: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running = connect(fake_sglang())
    monkeypatch.setattr(process, "probe", lambda *_: (503, ""))
    monkeypatch.setattr(process, "DYING_S", 0.0)
    assert process.state(running) == process.SILENT


@pytest.mark.slow
@pytest.mark.usefixtures("quick_restarts")
def test_the_request_that_kills_it_takes_three_deaths_alone_though_it_ends_by_sigkill(fake_sglang: Make) -> None:
    spec = fake_sglang()
    rows = run(spec_for(spec), batch("[[childfails]]"))
    assert statuses(rows) == {"[[childfails]]": "poison"}
    assert rows[0]["error"].endswith("it ended itself, as its log says")
    assert starts_of(spec) == 1 + 3


@pytest.mark.slow
def test_an_end_from_outside_is_told_from_its_own(fake_sglang: Make) -> None:
    running = connect(fake_sglang())
    server = json.loads((Path(running.folder) / "server.json").read_text())["server"]
    os.kill(server, 9)
    wait_until(lambda: gone(server))
    assert diagnosis.ending(running) == (True, "somebody ended it with signal 9")


def test_a_start_that_fails_gives_the_cause_and_advice(fake_sglang: Make) -> None:
    with pytest.raises(EngineError) as raised:
        connect(fake_sglang("--fail-start", "Not enough memory. Please try to increase --mem-fraction-static."))
    first_line = str(raised.value).splitlines()[0]
    assert "RuntimeError: Not enough memory" in first_line
    assert "give each engine more GPUs" in first_line


def test_an_argument_that_it_does_not_know_ends_its_start(fake_sglang: Make) -> None:
    with pytest.raises(EngineError, match="error: unrecognized arguments: --enforce-eager"):
        connect(fake_sglang("--enforce-eager"))


def test_a_port_that_another_program_took_is_not_taken_for_the_server(
    fake_sglang: Make, endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = endpoint().endpoint.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setattr(process.servers, "SERVERS", {"sglang": replace(sglang.SERVER, address=lambda _: taken)})
    with pytest.raises(EngineError, match="address already in use"):
        connect(fake_sglang())


def test_its_context_argument_counts_as_vllms_does(model_folder: Path) -> None:
    spec = EngineSpec(str(model_folder), server="sglang", args=("--context-length=100",))
    assert context_tokens(spec) == 100
    assert context_tokens(replace(spec, args=("--max-model-len", "100"))) == 200, "that one is vLLM's"
    with pytest.raises(EngineError, match=r"^--context-length is 'auto' among the engine's arguments"):
        check(replace(spec, args=("--context-length", "auto")))


def test_a_driver_counts_its_reports_as_an_own_engines(fake_sglang: Make, tmp_path: Path) -> None:
    run(spec_for(fake_sglang(), journal=str(tmp_path)), batch("one"))
    (report,) = telemetry.reports(str(tmp_path))
    assert report.label == "sglang 0.5.99-fake on cpu"
    assert report.starts == 1
