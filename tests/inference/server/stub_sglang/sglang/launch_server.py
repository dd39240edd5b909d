"""Stands where SGLang's server stands: first on PYTHONPATH, it is what Recast's own command line starts.

It takes the arguments of SGLang that Recast uses and refuses others, as SGLang does; `--late-s` is how long it is late
with its health after it has begun to listen. Answers are those of tests/fake_endpoint.py.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Any

from tests.fake_endpoint import Fake, Reply, parse

KNOWN = ("--model-path", "--served-model-name", "--host", "--context-length", "--tp-size", "--revision", "--log-level")


class Server(Fake):
    """The server, told its options by SGLang's command line."""

    def __init__(self, given: argparse.Namespace) -> None:
        super().__init__(parse(["--served-model-name", given.served_model_name]))
        self.given, self.began = given, time.monotonic()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if path == "/health":
            return Reply(200 if time.monotonic() - self.began >= self.given.late_s else 503)
        if path == "/version":
            return Reply(404)
        if path == "/get_server_info":
            return Reply(content={"model_path": self.given.model_path, "version": "0.5.99-fake"})
        return await super().answer(path, headers, body)

    async def behave(self, body: dict[str, Any], text: str) -> Reply:
        if "[[childfails]]" in text:
            print("Received sigquit from a child process. It usually means the child failed.", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().behave(body, text)

    def metrics(self) -> bytes:
        rank = 'model_name="m",tp_rank="0"'
        figures = {
            f"num_running_reqs{{{rank}}}": self.running,
            f"num_queue_reqs{{{rank}}}": 0,
            'prompt_tokens_total{model_name="m"}': self.totals["prompt"],
            'generation_tokens_total{model_name="m"}': 0,
            f'realtime_tokens_total{{mode="decode",{rank}}}': self.totals["output"],
            f'realtime_tokens_total{{mode="prefill_compute",{rank}}}': 77,
            'cached_tokens_total{cache_source="device",model_name="m"}': 5,
        }
        lines = ["# HELP sglang:num_running_reqs The number of running requests."]
        return "\n".join([*lines, *(f"sglang:{name} {float(value)}" for name, value in figures.items())]).encode()


async def serve(given: argparse.Namespace) -> None:
    server = await asyncio.start_server(Server(given).connection, given.host, given.port, limit=1 << 30)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in KNOWN:
        parser.add_argument(name)
    parser.add_argument("--port", type=int)
    parser.add_argument("--sampling-defaults", choices=["openai", "model"])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    for name in ("--enable-metrics", "--enable-cache-report"):
        parser.add_argument(name, action="store_true", required=True)
    parser.add_argument("--late-s", type=float, default=0.0)
    parser.add_argument("--fail-start", default="")
    options = parser.parse_args()
    if options.fail_start:
        sys.exit(
            f"Scheduler hit an exception: Traceback (most recent call last):\nRuntimeError: {options.fail_start}\n"
            "[2026-11-26 13:00:00] Received sigquit from a child process. It usually means the child failed."
        )
    asyncio.run(serve(options))
