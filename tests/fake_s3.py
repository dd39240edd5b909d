"""A store that speaks as much of S3 as leases need, in a thread of the tests' process: objects and conditions on them.

It checks no signature. The real server of `make test-s3` does, and holds all of a lake (tests/jobs/test_s3.py).
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

ANSWER = '<?xml version="1.0" encoding="UTF-8"?>'
BUCKET = "lake"


class Store(ThreadingHTTPServer):
    """The server and what it holds.

    Attributes:
        objects: content and time of writing of each object, by bucket and name.
        obeys: headers with conditions that count; a store of an older kind knows none.
        fails: status that every request is answered with, 0 for none; the body of such an answer is `code`.
        asked: method and path of each request, in order.
        age_s: seconds by which this store's clock is behind.
        slow_s: seconds that it takes to write an object.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.obeys = {"If-None-Match", "If-Match"}
        self.fails, self.code = 0, ""
        self.asked: list[tuple[str, str]] = []
        self.age_s, self.slow_s = 0.0, 0.0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers requests for objects, and for a listing of the bucket, which is always empty."""

    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        self.answer(status, f"{ANSWER}<Error><Code>{code}</Code><Message>words</Message></Error>".encode())

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.asked.append(("GET", url.path))
        bucket, _, name = url.path.strip("/").partition("/")
        if self.server.fails:
            self.error(self.server.fails, self.server.code)
        elif bucket != BUCKET:
            self.error(404, "NoSuchBucket")
        elif not name:
            found = f"<ListBucketResult><IsTruncated>false</IsTruncated><Name>{bucket}</Name></ListBucketResult>"
            self.answer(200, f"{ANSWER}{found}".encode())
        elif url.path not in self.server.objects:
            self.error(404, "NoSuchKey")
        else:
            body, at = self.server.objects[url.path]
            self.answer(200, body, ETag=tag(body), Last_Modified=formatdate(at, usegmt=True))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        self.server.asked.append(("PUT", path))
        time.sleep(self.server.slow_s)
        if self.server.fails:
            self.error(self.server.fails, self.server.code)
            return
        with self.server.lock:
            there = self.server.objects.get(path)
            none, match = (
                self.headers.get(name) if name in self.server.obeys else None for name in ("If-None-Match", "If-Match")
            )
            if (none and there) or (match and (not there or tag(there[0]) != match)):
                self.error(412, "PreconditionFailed")
                return
            self.server.objects[path] = (body, time.time() - self.server.age_s)
        self.answer(200, ETag=tag(body))


def tag(body: bytes) -> str:
    """Return the entity tag of an object, as S3 makes it."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@contextlib.contextmanager
def serving() -> Iterator[Store]:
    """Give the block a store on a port of its own."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, args=(0.05,), name="s3")
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()
        store.server_close()
