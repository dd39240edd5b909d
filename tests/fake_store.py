"""A real little store of objects over HTTP that misbehaves on command: what tests and benchmarks use in place of S3.

    python tests/fake_store.py [--objects N] [--latency S] [--errors SHARE] ...

Listens on a free port, which it prints. Objects are `/<bucket>/<prefix>/<key>`; those of `put` or of `--objects` are there,
and a key's behaviour can be set (`behave`). Requests may be signed in their query (presigned, SigV4) or be anonymous; with
`--secret` a signature is recomputed, so that a wrong one is answered as S3 answers it. `GET /facts` tells what it was asked.
Standard library only, on asyncio's protocols: it must be much faster than the clients that are measured against it.
"""

import argparse
import asyncio
import gzip
import hashlib
import hmac
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

BUCKET, PREFIX = "store", "content"
WORDS = {200: "OK", 301: "Moved Permanently", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


@dataclass
class Behaviour:
    """How one key is answered: `status` in place of the object for the first `times` requests, or a broken body.

    `body` is one of `cut` (the connection breaks in the middle), `slow` (a byte a time, for ever), `endless`, `hang`,
    `pieces` (whole, in two pieces with a pause between them), `torn` (the first of these alone).
    """

    status: int = 200
    code: str = ""
    times: int = 1 << 30
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Store:
    """The objects, how they are answered, and what was asked."""

    def __init__(self, latency_s: float = 0.0, errors: float = 0.0, secret: str = "", key_id: str = "KEY") -> None:
        """Begin without objects."""
        self.latency_s, self.errors, self.secret, self.key_id = latency_s, errors, secret, key_id
        self.objects: dict[str, bytes] = {}
        self.behaviour: dict[str, Behaviour] = {}
        self.everything: Behaviour | None = None
        self.asked: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.requests: list[str] = []
        self.agents: set[str] = set()
        self.in_flight = self.most_in_flight = 0
        self.connections: set[Connection] = set()
        self.random = random.Random(0)

    def fill(self, count: int, size: int) -> None:
        """Make so many objects whose texts have so many bytes."""
        for blob_id, packed in made(count, size):
            self.objects[blob_id] = packed

    def respond(self, target: str, head_only: bool = False) -> tuple[Behaviour, bytes]:
        """Return how a request is answered, and the body, of which a HEAD request gets the length."""
        parts = urlsplit(target)
        bucket, _, path = unquote(parts.path).lstrip("/").partition("/")
        key = path.rpartition("/")[2]
        self.requests.append(target)
        self.asked[key] += 1
        if bucket != BUCKET:
            return refusal(404, "NoSuchBucket")
        if self.secret and (wrong := self.signature_fault(parts.path, dict(parse_qsl(parts.query)))):
            return refusal(403, wrong)
        how = self.everything or self.behaviour.get(key)
        if how and how.status != 200 and self.asked[key] <= how.times:
            return how, refusal(how.status, how.code or "Whatever")[1]
        if self.errors and self.random.random() < self.errors:
            return refusal(503, "SlowDown")
        if how and how.body and self.asked[key] <= how.times:
            return how, self.objects.get(key, b"")
        if key not in self.objects:
            return refusal(404, "NoSuchKey")
        self.served[key] += not head_only
        return Behaviour(), self.objects[key]

    def signature_fault(self, path: str, query: dict[str, str]) -> str:
        """Return S3's code for what is wrong with a presigned request (SigV4); "" where nothing is."""
        signed = query.pop("X-Amz-Signature", "")
        if not signed:
            return "AccessDenied"
        key_id, day, region, service, _ = query["X-Amz-Credential"].split("/")
        if key_id != self.key_id:
            return "InvalidAccessKeyId"
        canonical_query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))
        canonical = f"GET\n{path}\n{canonical_query}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        scope = f"{day}/{region}/{service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        wanted = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}"
        key = f"AWS4{self.secret}".encode()
        for each in (day, region, service, "aws4_request"):
            key = hmac.digest(key, each.encode(), "sha256")
        right = hmac.new(key, wanted.encode(), "sha256").hexdigest()
        return "" if hmac.compare_digest(right, signed) else "SignatureDoesNotMatch"

    host = ""

    def facts(self) -> dict[str, Any]:
        """Return what tests and benchmarks want to know."""
        return {
            "names": sorted(self.objects),
            "asked": self.asked,
            "served": self.served,
            "agents": sorted(self.agents),
            "most_in_flight": self.most_in_flight,
        }


def refusal(status: int, code: str) -> tuple[Behaviour, bytes]:
    """Return an error as S3 words it."""
    return Behaviour(status), f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


def made(count: int, size: int) -> list[tuple[str, bytes]]:
    """Return so many objects: the git name and the packed bytes of a text of `size` bytes."""
    found, filling = [], random.Random(0).randbytes(size // 2 + 1).hex().encode()
    for number in range(count):
        text = (b"# %d\n# " % number + filling)[:size]
        name = hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()
        found.append((name, gzip.compress(text, 1, mtime=0)))
    return found


class Connection(asyncio.Protocol):
    """One connection: answers one request at a time."""

    def __init__(self, store: Store) -> None:
        """Begin to wait for a request."""
        self.store, self.buffer = store, b""
        self.loop = asyncio.get_running_loop()
        self.drips: asyncio.Task[None] | None = None
        self.pending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.store.connections.add(self)

    def connection_lost(self, _problem: Exception | None) -> None:
        """Stop to drip."""
        self.store.connections.discard(self)
        if self.drips:
            self.drips.cancel()
        if self.pending:
            self.pending = False
            self.store.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        """Answer a request, after the latency."""
        self.buffer += data
        if b"\r\n\r\n" not in self.buffer:
            return
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        if target == "/facts":
            self.send(Behaviour(), json.dumps(self.store.facts()).encode())
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.store.host = headers.get("host", "")
        self.store.agents.add(headers.get("user-agent", ""))
        self.store.in_flight += 1
        self.pending = True
        self.store.most_in_flight = max(self.store.most_in_flight, self.store.in_flight)
        self.loop.call_later(self.store.latency_s, self.answer, method, target)

    def answer(self, method: str, target: str) -> None:
        """Send the answer."""
        if not self.pending:
            return  # the client is gone
        how, body = self.store.respond(target, method == "HEAD")
        if how.body == "hang":
            return
        self.pending = False
        self.store.in_flight -= 1
        self.send(how, body, method == "HEAD")

    def send(self, how: Behaviour, body: bytes, head_only: bool = False) -> None:
        """Send a response, whole or as its behaviour says."""
        length = f"Content-Length: {1_000_000 if how.body == 'slow' else len(body)}"
        head = [f"HTTP/1.1 {how.status} {WORDS.get(how.status, 'Whatever')}"]
        head.append("Connection: close" if how.body == "endless" else length)
        head += [f"{name}: {value}" for name, value in how.headers.items()]
        start = "\r\n".join([*head, "", ""]).encode()
        if head_only:
            self.transport.write(start)
        elif how.body == "cut":
            self.transport.write(start + body[: len(body) // 2])
            self.transport.close()
        elif how.body in ("pieces", "torn"):
            self.transport.write(start + body[: len(body) // 3])
            if how.body == "pieces":
                self.loop.call_later(0.1, self.transport.write, body[len(body) // 3 :])
        elif how.body in ("slow", "endless"):
            self.transport.write(start)
            self.drips = self.loop.create_task(self.drip(how.body))
        else:
            self.transport.write(start + body)

    async def drip(self, word: str) -> None:
        """Send bytes for ever."""
        while not self.transport.is_closing():
            self.transport.write(b"\x1f" if word == "slow" else b"\x1f" * 65536)
            await asyncio.sleep(0.02 if word == "slow" else 0.001)


async def serve(store: Store) -> asyncio.Server:
    """Start to listen on a free port."""
    return await asyncio.get_running_loop().create_server(lambda: Connection(store), "127.0.0.1", 0)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=0)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--secret", default="")
    options = parser.parse_args()
    store = Store(options.latency, options.errors, options.secret)
    store.fill(options.objects, options.size)
    server = await serve(store)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
