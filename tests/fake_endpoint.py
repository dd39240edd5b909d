"""A real little OpenAI-compatible server that misbehaves on command: what tests use in place of a model.

    python tests/fake_endpoint.py [--uds PATH] [--model NAME] [--tokens-per-s N] ...

Without a socket path it listens on a free port, which it prints.
A request's behaviour is written into its text as `[[word]]` or `[[word argument]]`; anything else is answered with the
text in upper case. Arguments of the real server that it does not know are ignored, so it can stand in its place.
`GET /facts` tells what it was asked and how it runs. Standard library only: tests start it often.
"""

import argparse
import asyncio
import base64
import functools
import json
import os
import re
import signal
import sys
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

BEHAVIOUR = re.compile(r"\[\[(\w+)(?: ([\w.]+))?\]\]")

# What endpoints say of parameters that they do not take (`--refuse NAME`): OpenAI's words, and pydantic's.
REFUSED = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.2 with this model. "
    "Only the default (1) value is supported.",
    "repetition_penalty": "body -> repetition_penalty: Extra inputs are not permitted",
}


@dataclass
class Reply:
    """One response; `cut` closes the connection in the middle of it, `then` follows again and again, every `every_s`."""

    status: int = 200
    content: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    then: bytes = b""
    every_s: float = 0.0

    def encoded(self) -> bytes:
        content = self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        length = len(content) + (1000 if self.cut else 1 << 40 if self.then else 0)
        head = [f"HTTP/1.1 {self.status} Whatever", f"Content-Length: {length}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + content


class Fake:
    """The server's state: how it was started and what it was asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.asked: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.running = self.most_running = 0
        self.seats = asyncio.Semaphore(options.max_num_seqs)
        self.reached: list[str] = []
        self.responses: dict[str, Any] = {}
        if options.responses:
            with open(options.responses, encoding="utf-8") as file:
                self.responses = json.load(file)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = request.split(" ", 2)
                if path != "/facts":
                    sent = headers.get("authorization") or headers.get("proxy-authorization") or "no key"
                    self.reached.append(f"{method} {path} {sent}")
                reply = await self.answer(path, headers, body)
                writer.write(reply.encoded())
                await writer.drain()
                while reply.then:
                    writer.write(reply.then)
                    await writer.drain()
                    await asyncio.sleep(reply.every_s)
                if reply.cut:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        refused = self.options.key and headers.get("authorization") != f"Bearer {self.options.key}"
        if path.startswith("/v1/") and refused:
            return Reply(401, {"error": {"message": "bad key"}})
        odd = re.search(r"\[\[odd (\w+)\]\]", body.decode()) if path == "/v1/chat/completions" else None
        if odd or path in self.options.odd_path:
            return self.odd(odd[1] if odd else self.options.odd, path, headers)
        if path == "/v1/chat/completions":
            return await self.chat(json.loads(body))
        if path == "/v1/models":
            models = [
                {"id": self.options.served_model_name or self.options.model, "max_model_len": self.options.context}
            ]
            return Reply(content=models if self.options.gateway else {"data": models})
        if path == "/health":
            return Reply()
        if path == "/version":
            return Reply(content={"version": "0.0-fake"}, cut=self.options.gateway)
        if path == "/metrics":
            return Reply(content=self.metrics())
        if path == "/facts":
            return Reply(content=self.facts())
        return Reply(404)

    def odd(self, word: str, path: str, headers: dict[str, str]) -> Reply:
        """Return what a stranger may answer to anything; chats ask for it with `[[odd WORD]]`."""
        sent = headers.get("authorization", "Bearer nothing")
        key = sent.removeprefix("Bearer ")
        basic = base64.b64encode(f"user:{key}".encode()).decode()
        quoted = f"{sent} {''.join(f'%{ord(c):02X}' for c in key)} Basic {basic} {key.encode().hex()}"
        if word.startswith("redirect"):
            location = {"Location": self.options.elsewhere + path} if self.options.elsewhere else {}
            return Reply(int(word.removeprefix("redirect")), b"an internal page", location)
        message = {"role": "assistant", "content": f"Hello {quoted}", "reasoning": f"hm {quoted}"}
        choice = {"message": message, "finish_reason": f"\x1b]0;{quoted}\u202e\n"}
        replies = {
            "bomb": lambda: Reply(content=bomb(), headers={"Content-Encoding": "gzip"}),
            "endless": lambda: Reply(content=b'{"data": [', then=b" " * 65536),
            "drip": lambda: Reply(content=b"{", then=b" ", every_s=0.05),
            "flood": lambda: Reply(500, b"<" * 150_000),
            "quoting": lambda: Reply(400, {"error": {"message": f"Incorrect API key provided: {quoted}"}}),
            "unauthorized": lambda: Reply(401, {"error": {"message": f"Incorrect API key provided: {quoted}"}}),
            "header": lambda: Reply(200, b"", {f"bad {key} name": "x"}),
            "telling": lambda: Reply(content={"choices": [choice]}),
            "models": lambda: Reply(content={"data": [{"id": f"m\x1b[2J\n{quoted}"}, {"id": 5}, {"id": ["x"]}]}),
            "version": lambda: Reply(content={"version": f"1.0\x1b[2J\n{quoted}" + "x" * 3000}),
            "deep": lambda: Reply(content=b"[" * 100_000),
        }
        return replies[word]()

    async def chat(self, body: dict[str, Any]) -> Reply:
        text = body["messages"][-1]["content"]
        self.asked[text] += 1
        if self.options.record:
            with open(self.options.record, "a", encoding="utf-8") as record:
                told = {"server": os.getpid(), "owner": owner(), "device": os.environ.get("CUDA_VISIBLE_DEVICES")}
                record.write(json.dumps({**body, **told}) + "\n")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.behave(body, text)
        finally:
            self.running -= 1

    async def behave(self, body: dict[str, Any], text: str) -> Reply:
        content, finish_reason, times = text.upper(), "stop", self.asked[text]
        for name, words in REFUSED.items():
            if name in body and name in self.options.refuse:
                return Reply(400, {"error": {"message": words, "param": name}})
        if text in self.responses:
            return self.respond(body, self.responses[text])
        if self.running > self.options.refuse_above:
            return Reply(503, {"error": "busy"})
        for word, argument in BEHAVIOUR.findall(text):
            if word in ("close", "html") and argument == "once" and times > 1:
                continue
            if word == "hang":
                await asyncio.sleep(3600)
            elif word == "slow":
                await asyncio.sleep(float(argument))
            elif word == "work":
                for _ in range(int(float(argument) / 0.05)):
                    await asyncio.sleep(0.05)
                    self.totals["output"] += 1
            elif word == "close":
                return Reply(content=b'{"choices": [{"mess', cut=True)
            elif word == "html":
                return Reply(content=b"<html><h1>Bad gateway</h1></html>")
            elif word == "limited" and times <= int(argument):
                return Reply(429, {"error": "slow down"}, {"Retry-After": "0.2"})
            elif word == "busy" and times <= int(argument):
                return Reply(503, {"error": "busy"})
            elif word == "toolarge":
                message = "Request too large for m on tokens per min (TPM): Limit 30000, Requested 36278."
                return Reply(429, {"error": {"message": message}})
            elif word == "status":
                return Reply(int(argument), {"error": {"message": f"refused with {argument}"}})
            elif word == "quoted":
                return Reply(400, {"error": {"message": f"unsupported request: {text}"}})
            elif word == "context" and body["max_tokens"] > int(argument or 0):
                message = "This model's maximum context length is 100 tokens. However, you requested 200 tokens"
                return Reply(400, {"error": {"message": message}})
            elif word == "nochoices":
                return Reply(content={"object": "error", "message": "the engine is in trouble"})
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
            elif word == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            elif word == "dieonce":
                marker = self.options.state + "-died"
                if not os.path.exists(marker):
                    open(marker, "w").close()
                    os._exit(1)
        tokens = len(content.split()) or 1
        if self.options.tokens_per_s:
            async with self.seats:
                await asyncio.sleep(tokens / self.options.tokens_per_s)
        prompt_tokens = sum(len(message["content"].split()) for message in body["messages"])
        self.totals.update(prompt=prompt_tokens, output=tokens)
        choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
        details = {"cached_tokens": 1}
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "prompt_tokens_details": details}
        return Reply(content={"choices": [choice], "usage": usage})

    def respond(self, body: dict[str, Any], case: dict[str, Any]) -> Reply:
        """Return the response that a case describes: `choice`, or `message` and `finish_reason`; `usage` or 20 tokens."""
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        counted = {"prompt_tokens": 10, "completion_tokens": limit if case.get("at_limit") else 20}
        choice = case.get("choice", {"message": case.get("message"), "finish_reason": case.get("finish_reason")})
        return Reply(content={"choices": [{"index": 0, **choice}], "usage": case.get("usage", counted)})

    def metrics(self) -> bytes:
        waiting = max(0, self.running - self.options.max_num_seqs)
        figures = {
            "num_requests_running": self.running - waiting,
            "num_requests_waiting": waiting,
            "prompt_tokens_total": self.totals["prompt"],
            "generation_tokens_total": self.totals["output"],
            "prefix_cache_queries_total": 10,
            "prefix_cache_hits_total": 4,
        }
        return "".join(f'vllm:{name}{{engine="0"}} {value}.0\n' for name, value in figures.items()).encode()

    def facts(self) -> dict[str, Any]:
        variables = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "VLLM_PORT", "HF_HUB_OFFLINE")
        return {
            "asked": self.asked,
            "reached": self.reached,
            "most_running": self.most_running,
            "pid": os.getpid(),
            "environment": {name: os.environ[name] for name in variables if name in os.environ},
            "arguments": sys.argv[1:],
        }


@functools.cache
def bomb() -> bytes:
    """Return 64 MB of an answer's beginning as 64 kB of gzip."""
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(b'{"choices": [{"message": {"content": "')]
    pieces += [packer.compress(b" " * (1 << 20)) for _ in range(64)]
    return b"".join([*pieces, packer.flush()])


def owner() -> int:
    """Return the pid this server's watcher was told to watch, 0 without a watcher."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", encoding="utf-8") as file:
            watcher = file.read().split("\0")
        return int(watcher[watcher.index("recast.inference.server.watch") + 2])
    except (OSError, ValueError, IndexError):
        return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--uds")
    parser.add_argument("--model", default="fake")
    parser.add_argument("--served-model-name", default="")
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--fail-start", default="")
    parser.add_argument("--fail-start-once", default="")
    parser.add_argument("--tokens-per-s", type=float, default=0.0)
    parser.add_argument("--max-num-seqs", type=int, default=64)
    parser.add_argument("--refuse-above", type=int, default=1 << 30)
    parser.add_argument("--responses", default="", help="a JSON file: responses by the text that is asked about")
    parser.add_argument("--refuse", action="append", default=[], choices=REFUSED)
    parser.add_argument("--record", default="")
    parser.add_argument("--state", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--context", type=int, help="what /v1/models says of it", default=4096)
    parser.add_argument("--odd", default="", help="a word of Fake.odd, for the paths that --odd-path names")
    parser.add_argument("--odd-path", action="append", default=[])
    parser.add_argument("--elsewhere", default="", help="where it redirects to")
    parser.add_argument("--gateway", action="store_true", help="list models bare, and drop what asks for the version")
    return parser.parse_known_args(arguments)[0]


async def listen(options: argparse.Namespace) -> asyncio.Server:
    """Start to listen, on a Unix socket or on a free port."""
    fake = Fake(options)
    if options.uds:
        return await asyncio.start_unix_server(fake.connection, options.uds, limit=1 << 30)
    return await asyncio.start_server(fake.connection, "127.0.0.1", 0, limit=1 << 30)


async def serve(options: argparse.Namespace) -> None:
    server = await listen(options)
    if not options.uds:
        print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    options = parse(sys.argv[1:])
    time.sleep(options.start_s)
    if options.fail_start:
        sys.exit(f"loading the model\nRuntimeError: {options.fail_start}")
    if options.fail_start_once and not os.path.exists(options.fail_start_once):
        open(options.fail_start_once, "w").close()
        sys.exit("RuntimeError: not this time")
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
