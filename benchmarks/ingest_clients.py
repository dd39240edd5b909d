"""Clients of object stores at small objects: `python -m benchmarks.ingest_clients [--files N]` prints a table.

Each gets the same objects with 64 requests in flight from the server of benchmarks/ingest_fetching.py, without errors.
aiobotocore is no dependency: it is left out where it is not installed.
"""

import argparse
import asyncio
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from benchmarks.ingest_fetching import ROUNDS, TEXT_BYTES, facts, serving
from recast.udfs.contents.fetching import MOST_AT_ONCE
from recast.udfs.contents.stores import opened, store_at
from tests import fake_store

Get = Callable[[str], Awaitable[bytes]]


async def each(names: Sequence[str], get: Get) -> None:
    """Get all objects, so many at once."""
    left: Iterator[str] = iter(names)

    async def work() -> None:
        for name in left:
            assert await get(name)

    await asyncio.gather(*(work() for _ in range(MOST_AT_ONCE)))


async def by_aiohttp(endpoint: str, names: Sequence[str], anonymous: bool = True) -> None:
    """Ours: aiohttp, anonymously or with addresses that obstore signs."""
    async with opened(store_at("s3://store/content", endpoint, "", anonymous), MOST_AT_ONCE, 60) as get:
        await each(names, get)


async def by_signed_aiohttp(endpoint: str, names: Sequence[str]) -> None:
    """Ours, signed."""
    await by_aiohttp(endpoint, names, anonymous=False)


async def by_obstore(endpoint: str, names: Sequence[str]) -> None:
    """obstore's own requests, signed."""
    import obstore
    from obstore.store import S3Store

    store = S3Store("store", endpoint=endpoint, region="us-east-1", client_options={"allow_http": True})

    async def get(name: str) -> bytes:
        return bytes(await (await obstore.get_async(store, f"content/{name}")).bytes_async())

    await each(names, get)


async def by_pyarrow(endpoint: str, names: Sequence[str]) -> None:
    """pyarrow's S3FileSystem in threads, signed."""
    import pyarrow.fs as pafs

    host = endpoint.removeprefix("http://")
    files = pafs.S3FileSystem(endpoint_override=host, scheme="http", region="us-east-1")
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:

        def read(name: str) -> bytes:
            with files.open_input_stream(f"store/content/{name}", compression=None) as stream:
                return bytes(stream.read())

        await each(names, lambda name: asyncio.get_running_loop().run_in_executor(pool, read, name))


async def by_aiobotocore(endpoint: str, names: Sequence[str]) -> None:
    """aiobotocore, signed."""
    from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
    from aiobotocore.session import get_session  # type: ignore[import-not-found]

    config = AioConfig(max_pool_connections=MOST_AT_ONCE, s3={"addressing_style": "path"})
    session = get_session()
    async with session.create_client("s3", region_name="us-east-1", endpoint_url=endpoint, config=config) as client:

        async def get(name: str) -> bytes:
            answer = await client.get_object(Bucket="store", Key=f"content/{name}")
            return bytes(await answer["Body"].read())

        await each(names, get)


CLIENTS = {
    "aiohttp, anonymous": by_aiohttp,
    "aiohttp, signed by obstore": by_signed_aiohttp,
    "obstore": by_obstore,
    "pyarrow, threads": by_pyarrow,
    **({"aiobotocore": by_aiobotocore} if find_spec("aiobotocore") else {}),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5_000)
    files = parser.parse_args().files
    os.environ.update(AWS_ACCESS_KEY_ID="KEY", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true")
    names = [name for name, _ in fake_store.made(files, TEXT_BYTES)]
    rates: dict[str, list[float]] = {name: [] for name in CLIENTS}
    processor: dict[str, list[float]] = {name: [] for name in CLIENTS}
    asked: dict[str, int] = {}
    with serving(files, errors=0.0) as endpoint:
        for _ in range(ROUNDS):
            for name, client in CLIENTS.items():
                so_far = sum(facts(endpoint)["asked"].values())
                start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
                asyncio.run(client(endpoint, names))
                after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - start
                rates[name].append(files / seconds)
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                processor[name].append(used / files * 1e6)
                asked[name] = sum(facts(endpoint)["asked"].values()) - so_far
    print("| client | objects/s | processor time per object | requests per object |\n|---|---|---|---|")
    for name in CLIENTS:
        rate, used = statistics.median(rates[name]), statistics.median(processor[name])
        print(f"| {name} | {rate:,.0f} | {used:.0f} µs | {asked[name] / files:g} |")


if __name__ == "__main__":
    main()
