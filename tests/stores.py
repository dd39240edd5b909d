"""A store that misbehaves on command (tests/fake_store.py), in a thread of the test's process."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from recast.udfs.contents import stores
from tests import fake_store
from tests.sources import blob_id


@dataclass
class Served:
    """A store under way, and how it is reached."""

    fake: fake_store.Store
    port: int

    @property
    def endpoint(self) -> str:
        """What stands for Amazon's host."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def anonymous(self) -> stores.Store:
        """The store, asked without signatures."""
        return stores.store_at("s3://store/content", self.endpoint, "", True)

    @property
    def mirror(self) -> stores.Store:
        """The store as an HTTP mirror."""
        return stores.store_at(f"{self.endpoint}/store/content")

    def put(self, raw: bytes, packed: bytes | None = None) -> str:
        """Store a blob, packed or as it is said; return its name."""
        self.fake.objects[blob_id(raw)] = gzip.compress(raw) if packed is None else packed
        return blob_id(raw)

    def behave(self, name: str, status: int = 200, code: str = "", **how: object) -> str:
        """Have requests for a name answered so; return the name."""
        self.fake.behaviour[name] = fake_store.Behaviour(status, code, **how)  # type: ignore[arg-type]
        return name


@contextmanager
def serving() -> Iterator[Served]:
    """Serve a store without objects until the block ends."""
    fake, started, ended = fake_store.Store(), threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = await fake_store.serve(fake)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await asyncio.to_thread(ended.wait)
        server.close()
        for connection in list(fake.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield Served(fake, ports[0])
    finally:
        ended.set()
        thread.join(10)
