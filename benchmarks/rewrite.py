"""The model stage against the bare engine and against synchronous batches: the same requests, the same server.

    python -m benchmarks.rewrite [--model FOLDER | --endpoint URL --model NAME | --simulated] [--requests N] ...

prints one JSON line. Three ways to ask the same real Python files for the same answers (temperature 0, answers limited
in proportion to the file, so that their lengths have a long tail):

* `bare`: an asyncio client that sends everything at once and leaves the rest to the engine's own queue;
* `stage`: `recast.inference.rewrite.ask` in Spark on two cores: two tasks, windows that follow the engine, journal and all;
* `batch_synchronous`: as many requests as the engine runs at once, the next ones when the slowest has ended, as the
  recipe's scripts do.

The engine runs `--at-once` requests at a time (vLLM's --max-num-seqs), whoever asks.

Tokens per second are output tokens over wall-clock time. Every way has a first line of its own in its instruction, so
that none finds another's prompts in the prefix cache. The stage is measured twice: `stage_tokens_per_s` over the whole
Spark job, `inside_tokens_per_s` from its first request to its last answer, which leaves out what Spark needs to start a
job; `client_cpu_s` is the processor time of everything but the engine.

`--simulated` asks a server without a model whose every answer takes its words at a fixed rate, however many are in
flight: what a GPU far from its limits does. It measures bookkeeping, not inference.
"""

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pyarrow as pa

from benchmarks import corpus
from benchmarks.processes import cpu_seconds
from recast.inference.request import Counter, Request, RewriteSpec, body
from recast.inference.rewrite import ask, rewrite
from recast.inference.server import endpoint, engine, metrics, process
from recast.inference.server.spec import Engine, EngineSpec

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FAKE = Path(__file__).parent.parent / "tests" / "fake_endpoint.py"
INSTRUCTION = "You rewrite Python code. Answer with the improved code in one fenced block and nothing else."
CORES = 2
SIMULATED_TOKENS_PER_S = 100.0
CEILING_REQUESTS = 3000


class Timed(NamedTuple):
    """One way's outcome: output tokens, answered requests, seconds; `inside_s` from first request to last answer."""

    tokens: int
    answered: int
    seconds: float
    inside_s: float
    cpu_s: float


def requests_of(spec: RewriteSpec, texts: Sequence[str]) -> list[Request]:
    counter = Counter(spec)
    made = [counter.request(digest(text), text) for text in texts]
    return [request for request in made if isinstance(request, Request)]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def send(session: aiohttp.ClientSession, running: Engine, spec: RewriteSpec, request: Request) -> int:
    """Ask one request the plain way; return its output tokens."""
    url = f"{running.base_url}/chat/completions"
    sent = session.post(url, json=body(spec, request), headers=endpoint.headers(spec.engine), allow_redirects=False)
    async with sent as response:
        response.raise_for_status()
        tokens: int = (await response.json(content_type=None))["usage"]["completion_tokens"]
        return tokens


async def bare(running: Engine, spec: RewriteSpec, requests: Sequence[Request], batch: int) -> Timed:
    """Ask everything at once, or in synchronous batches where `batch` is not 0."""
    used_s = cpu_seconds()
    path = running.socket
    # A server closes connections that were idle for some seconds, as most are while a batch ends.
    connector = (
        aiohttp.UnixConnector(path, limit=0, force_close=True)
        if path
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    timeout = aiohttp.ClientTimeout(total=3600)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        began = time.monotonic()
        tokens: list[int] = []
        together = batch or len(requests)
        for start in range(0, len(requests), together):
            group = requests[start : start + together]
            tokens += await asyncio.gather(*(send(session, running, spec, request) for request in group))
        seconds = time.monotonic() - began
    return Timed(sum(tokens), len(tokens), seconds, seconds, cpu_seconds() - used_s)


def stage(spark: "SparkSession", spec: RewriteSpec, texts: Sequence[str]) -> Timed:
    """Ask through Spark and count what came out."""
    from pyspark.sql import functions as fn

    rows = spark.createDataFrame([(text, digest(text)) for text in texts], "text string, input_hash string")
    used_s = cpu_seconds()
    began = time.monotonic()
    (out,) = (
        ask(rows, spec)
        .agg(
            fn.sum("output_tokens").alias("tokens"),
            fn.count_if(fn.col("answer_status") == "answered").alias("answered"),
            fn.max(fn.col("answered_at").cast("double")).alias("last"),
            fn.min(fn.col("answered_at").cast("double") - fn.col("request_seconds")).alias("first"),
        )
        .collect()
    )
    seconds = time.monotonic() - began
    return Timed(out.tokens, out.answered, seconds, out["last"] - out["first"], cpu_seconds() - used_s)


def session(folder: str) -> "SparkSession":
    """Start Spark without Delta: what is measured is the stage."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
    for name, value in {
        "spark.driver.host": "localhost",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(CORES),
        "spark.sql.warehouse.dir": folder,
        "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
    }.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    return started


def feeder_ceiling(folder: str) -> float:
    """Return how many requests per second one task can see through, asking a server that answers at once."""
    instant = EngineSpec(model="instant", endpoint="", command=(sys.executable, str(FAKE)), max_model_len=4096)
    spec = RewriteSpec(instant, INSTRUCTION, "{text}", fingerprint="f", window=64, journal=f"{folder}/ceiling")
    with tempfile.TemporaryDirectory() as model:
        spec = replace(spec, engine=replace(instant, model=tiny_model(Path(model))))
        texts = [f"request number {index}" for index in range(CEILING_REQUESTS)]
        running = engine.connect(spec.engine)
        began = time.monotonic()
        rows = sum(answered.num_rows for answered in rewrite([batch_of(texts)], spec))
        seconds = time.monotonic() - began
        process.stop(running)
    return float(rows / seconds)


def batch_of(texts: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": list(texts), "input_hash": [digest(text) for text in texts]})


def tiny_model(folder: Path) -> str:
    """Write a tokenizer that counts words, a chat template and no weights: all that a feeder needs of a model."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 8192}))
    return str(folder)


def texts_of(count: int, longest_chars: int) -> list[str]:
    """Return real files up to a length, in the corpus' fixed order, repeated under other first lines if too few."""
    fitting = [file.text for file in corpus.files() if 200 <= len(file.text) <= longest_chars]
    repeats = -(-count // len(fitting))
    return [f"# copy {turn}\n{text}" if turn else text for turn in range(repeats) for text in fitting][:count]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewrite", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="model folder; default: the small model of `make run`")
    parser.add_argument("--endpoint", default="", help="ask this OpenAI-compatible endpoint instead")
    parser.add_argument("--simulated", action="store_true", help="ask a server without a model: bookkeeping only")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--at-once", type=int, default=16, help="requests that the engine runs at once (default 16)")
    parser.add_argument("--rounds", type=int, default=1, help="times every way is measured; the median counts")
    parser.add_argument("--longest-chars", type=int, default=6000)
    parser.add_argument("--answer-ratio", type=float, default=0.3, help="answer tokens allowed per token of the file")
    parser.add_argument("--max-model-len", type=int, default=4096)
    parser.add_argument("--engine-args", default="", help="further arguments of the server")
    return parser.parse_args()


def engine_of(chosen: argparse.Namespace, folder: str) -> EngineSpec:
    if chosen.endpoint:
        return EngineSpec(model=chosen.model, endpoint=chosen.endpoint, max_model_len=chosen.max_model_len)
    at_once = ("--max-num-seqs", str(chosen.at_once))
    if chosen.simulated:
        weightless = Path(folder, "simulated")
        weightless.mkdir()
        args = ("--tokens-per-s", str(SIMULATED_TOKENS_PER_S), *at_once)
        return EngineSpec(model=tiny_model(weightless), command=(sys.executable, str(FAKE)), args=args)
    unpacked = sorted(str(path) for path in Path(".cache/models").glob("smollm2-*"))
    model = chosen.model or next(iter(unpacked), "")
    if not model:
        sys.exit("no model: name one with --model, or let `make run` unpack the small one")
    args = (*at_once, *chosen.engine_args.split())
    return EngineSpec(model=model, max_model_len=chosen.max_model_len, args=args)


def measure(chosen: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Measure every way, in turn, as often as asked."""
    spec = RewriteSpec(
        engine_of(chosen, folder),
        INSTRUCTION,
        "{text}",
        temperature=0.0,
        top_p=1.0,
        answer_allowance=16,
        answer_ratio=chosen.answer_ratio,
        journal_buckets=CORES,
    )
    spark = session(folder)
    running = engine.connect(spec.engine)
    texts = texts_of(chosen.requests, chosen.longest_chars)
    # Warm: the engine, the JVM, the Python workers.
    asyncio.run(bare(running, spec, requests_of(spec, texts[:8]), 0))
    stage(spark, spec, texts[:8])
    outcomes: dict[str, list[Timed]] = {"bare": [], "stage": [], "batch_synchronous": []}
    for turn in range(chosen.rounds):
        for way, outcome in outcomes.items():
            own = replace(spec, system=f"Way {way} {turn}. {INSTRUCTION}", fingerprint=f"{way}{turn}")
            if way == "stage":
                outcome.append(stage(spark, replace(own, journal=f"{folder}/journal"), texts))
            else:
                batch = chosen.at_once if way == "batch_synchronous" else 0
                outcome.append(asyncio.run(bare(running, own, requests_of(own, texts), batch)))
    rates = {way: statistics.median(t.tokens / t.seconds for t in timed) for way, timed in outcomes.items()}
    inside = statistics.median(timed.tokens / timed.inside_s for timed in outcomes["stage"])
    load = metrics.load(running) if running.folder else None
    spark.stop()
    process.stop(running)
    return {
        "engine": "simulated" if chosen.simulated else running.label,
        "model": spec.engine.served_name,
        "requests": outcomes["bare"][0].answered,
        "requests_stage": outcomes["stage"][0].answered,
        "output_tokens": {way: timed[0].tokens for way, timed in outcomes.items()},
        "seconds": {way: round(timed[0].seconds, 2) for way, timed in outcomes.items()},
        "client_cpu_s": {way: round(timed[0].cpu_s, 1) for way, timed in outcomes.items()},
        "at_once": chosen.at_once,
        "rounds": chosen.rounds,
        "bare_tokens_per_s": round(rates["bare"], 1),
        "stage_tokens_per_s": round(rates["stage"], 1),
        "inside_tokens_per_s": round(inside, 1),
        "ratio": round(rates["stage"] / rates["bare"], 3),
        "inside_ratio": round(inside / rates["bare"], 3),
        "batch_synchronous_tokens_per_s": round(rates["batch_synchronous"], 1),
        "batch_synchronous_ratio": round(rates["stage"] / rates["batch_synchronous"], 3),
        "engine_start_s": round(running.start_seconds, 1),
        "cache_hit_share": round(load.cache_hits / load.cache_queries, 3) if load and load.cache_queries else None,
        "feeder_requests_per_s": round(feeder_ceiling(folder)),
    }


def main() -> None:
    """Measure in a temporary folder and print one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options(), folder)))


if __name__ == "__main__":
    main()
