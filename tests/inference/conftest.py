"""A fake engine's spec and a fake endpoint, both real servers of tests/fake_endpoint.py."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recast.inference import feeder, retry
from recast.inference.server import process, runtime
from recast.inference.server.spec import Engine, EngineSpec
from tests import fake_endpoint
from tests.inference.strangers import KEY, VARIABLE

FAKE = Path(__file__).parent.parent / "fake_endpoint.py"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights: a tokenizer that counts words, a chat template, a context of 200 tokens."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny model", context=200)


def write_model(folder: Path, context: int) -> Path:
    """Write such a model folder with a context of so many tokens; return it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    folder.mkdir()
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a-rather-long-word": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
    return folder


@pytest.fixture
def fake_engine(model_folder: Path) -> Iterator[Callable[..., EngineSpec]]:
    """Make specs of an own engine that runs the fake server; every server is ended after the test."""
    specs = []

    def make(*args: str, **fields: object) -> EngineSpec:
        spec = EngineSpec(
            model=str(model_folder), command=(sys.executable, str(FAKE)), args=args, start_timeout_s=20.0, **fields
        )
        specs.append(spec)
        return spec

    yield make
    for spec in specs:
        folder = runtime.runtime_folder(spec, runtime.owner(), "")
        process.stop(Engine("", None, "", "", "", 0.0, str(folder)))
        shutil.rmtree(folder)


@pytest.fixture
def endpoint() -> Iterator[Callable[..., EngineSpec]]:
    """Start fake endpoints on ports of their own, in a thread of this process."""
    with served_endpoints() as start:
        yield start


@contextlib.contextmanager
def served_endpoints() -> Iterator[Callable[..., EngineSpec]]:
    """Do what the fixture `endpoint` does, for whatever scope."""
    loop = asyncio.new_event_loop()
    servers: list[asyncio.Server] = []
    thread = threading.Thread(target=loop.run_forever, name="fake-endpoint")
    thread.start()

    def start(*args: str, **fields: object) -> EngineSpec:
        server = asyncio.run_coroutine_threadsafe(fake_endpoint.listen(fake_endpoint.parse(list(args))), loop).result()
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return replace(EngineSpec(model="fake", endpoint=f"http://127.0.0.1:{port}/v1"), **fields)

    async def end() -> None:
        for server in servers:
            server.close()
        # A connection that is just being accepted makes one more task.
        while ending := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def mortal_endpoint() -> Iterator[EngineSpec]:
    """An endpoint in a process of its own, which `[[die]]` can end."""
    with subprocess.Popen([sys.executable, str(FAKE)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield EngineSpec(model="fake", endpoint=f"http://127.0.0.1:{int(server.stdout.readline())}/v1")
        server.kill()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of production are long; tests keep their proportions and shorten them."""
    monkeypatch.setattr(retry, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(feeder, "TICK_S", 0.05)


@pytest.fixture
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BACKOFF_MAX_S", 0.1)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
