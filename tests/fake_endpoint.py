"""A real little OpenAI-compatible server that misbehaves on command: what tests use in place of a model.

    python tests/fake_endpoint.py (--uds PATH | --port N) [--model NAME] [--tokens-per-s N] ...

A request's behaviour is written into its text as `[[word]]` or `[[word argument]]`; anything else is answered with the
text in upper case. Arguments of the real server that it does not know are ignored, so it can stand in its place.
`GET /asked` tells how often each text was asked, `GET /company` how many requests were in flight at each death.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections import Counter

from aiohttp import web

BEHAVIOUR = re.compile(r"\[\[(\w+)(?: ([\w.]+))?\]\]")


class Fake:
    """The server's state: how it was started and what it was asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.asked: Counter[str] = Counter()
        self.running = 0
        self.most_running = 0
        self.totals: Counter[str] = Counter()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        text = body["messages"][-1]["content"]
        self.asked[text] += 1
        if self.options.record:
            with open(self.options.record, "a", encoding="utf-8") as record:
                record.write(json.dumps(body) + "\n")
        if self.options.key and request.headers.get("Authorization") != f"Bearer {self.options.key}":
            return web.json_response({"error": {"message": "bad key"}}, status=401)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.behave(request, body, text)
        finally:
            self.running -= 1

    async def behave(self, request: web.Request, body: dict, text: str) -> web.StreamResponse:
        content, finish_reason = text.upper(), "stop"
        for word, argument in BEHAVIOUR.findall(text):
            first = self.asked[text] == 1
            if word == "hang":
                await asyncio.sleep(float(argument or 3600))
            elif word == "slow":
                await asyncio.sleep(float(argument))
            elif word == "close" and (first or argument != "once"):
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"choices": [{"mess')
                request.transport.close()
                return response
            elif word == "html" and (first or argument != "once"):
                return web.Response(text="<html><h1>Bad gateway</h1></html>", content_type="text/html")
            elif word == "limited" and self.asked[text] <= int(argument):
                return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "0.2"})
            elif word == "busy" and self.asked[text] <= int(argument):
                return web.json_response({"error": "busy"}, status=503)
            elif word == "status":
                return web.json_response({"error": {"message": f"refused with {argument}"}}, status=int(argument))
            elif word == "context":
                message = "This model's maximum context length is 100 tokens. However, you requested 200 tokens"
                return web.json_response({"error": {"message": message}}, status=400)
            elif word == "nochoices":
                return web.json_response({"object": "error", "message": "the engine is in trouble"})
            elif word == "surrogate":
                content = "half a \ud83d pair"
            elif word == "length":
                finish_reason = "length"
            elif word == "empty":
                content = ""
            elif word == "die":
                await asyncio.sleep(float(argument or 0))
                print("RuntimeError: CPU Generator does not use offset", flush=True)
                os._exit(1)
            elif word == "dieonce":
                marker = self.options.state + "-died"
                if not os.path.exists(marker):
                    open(marker, "w").close()
                    os._exit(1)
        tokens = int(body.get("fake_output_tokens") or len(content.split()) or 1)
        if self.options.tokens_per_s:
            await asyncio.sleep(tokens / self.options.tokens_per_s)
        prompt_tokens = sum(len(message["content"].split()) for message in body["messages"])
        self.totals.update(prompt=prompt_tokens, output=tokens)
        choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": 1},
        }
        return web.json_response({"choices": [choice], "usage": usage})

    async def models(self, request: web.Request) -> web.Response:
        if self.options.key and request.headers.get("Authorization") != f"Bearer {self.options.key}":
            return web.json_response({"error": "bad key"}, status=401)
        name = self.options.served_model_name or self.options.model
        return web.json_response({"data": [{"id": name, "max_model_len": 4096}]})

    async def metrics(self, _: web.Request) -> web.Response:
        waiting = max(0, self.running - self.options.max_running)
        lines = [
            f'vllm:num_requests_running{{engine="0"}} {self.running - waiting}.0',
            f'vllm:num_requests_waiting{{engine="0"}} {waiting}.0',
            f'vllm:prompt_tokens_total{{engine="0"}} {self.totals["prompt"]}.0',
            f'vllm:generation_tokens_total{{engine="0"}} {self.totals["output"]}.0',
            'vllm:prefix_cache_queries_total{engine="0"} 10.0',
            'vllm:prefix_cache_hits_total{engine="0"} 4.0',
        ]
        return web.Response(text="\n".join(lines))

    async def facts(self, _: web.Request) -> web.Response:
        variables = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "VLLM_PORT", "HF_HUB_OFFLINE")
        environment = {name: os.environ[name] for name in variables if name in os.environ}
        return web.json_response(
            {
                "asked": self.asked,
                "most_running": self.most_running,
                "pid": os.getpid(),
                "environment": environment,
                "arguments": sys.argv[1:],
            }
        )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--uds")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="fake")
    parser.add_argument("--served-model-name", default="")
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--fail-start", default="")
    parser.add_argument("--fail-start-once", default="")
    parser.add_argument("--tokens-per-s", type=float, default=0.0)
    parser.add_argument("--max-running", type=int, default=64)
    parser.add_argument("--record", default="")
    parser.add_argument("--state", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--unhealthy", action="store_true")
    return parser.parse_known_args()[0]


def application(chosen: argparse.Namespace) -> web.Application:
    fake = Fake(chosen)

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=503 if chosen.unhealthy else 200)

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": "0.0-fake"})

    app = web.Application(client_max_size=1 << 30)
    app.add_routes(
        [
            web.post("/v1/chat/completions", fake.chat),
            web.get("/v1/models", fake.models),
            web.get("/health", health),
            web.get("/version", version),
            web.get("/metrics", fake.metrics),
            web.get("/facts", fake.facts),
        ]
    )
    return app


async def serve(chosen: argparse.Namespace) -> None:
    runner = web.AppRunner(application(chosen))
    await runner.setup()
    site = web.UnixSite(runner, chosen.uds) if chosen.uds else web.TCPSite(runner, "127.0.0.1", chosen.port)
    await site.start()
    if not chosen.uds:
        print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    chosen = options()
    time.sleep(chosen.start_s)
    if chosen.fail_start:
        sys.exit(f"loading the model\nRuntimeError: {chosen.fail_start}")
    if chosen.fail_start_once and not os.path.exists(chosen.fail_start_once):
        open(chosen.fail_start_once, "w").close()
        sys.exit("RuntimeError: not this time")
    asyncio.run(serve(chosen))


if __name__ == "__main__":
    main()
