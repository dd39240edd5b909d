"""The benchmark of ingesting: its figures, and that its server gives what it is said to give."""

import asyncio

import pytest

from benchmarks import ingest_clients, ingest_fetching
from tests import fake_store
from tests.sources import blob_id


def test_the_objects_of_the_server_are_blobs_under_their_names() -> None:
    import gzip

    for name, packed in fake_store.made(3, 4_000):
        assert len(gzip.decompress(packed)) == 4_000
        assert blob_id(gzip.decompress(packed)) == name


@pytest.mark.slow
def test_all_figures_come_and_little_is_fetched_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_fetching, "ROUNDS", 1)
    monkeypatch.setattr(ingest_fetching, "LARGE", 3)
    found = ingest_fetching.figures(2_000)
    assert found["in_flight_most"] <= ingest_fetching.AT_ONCE
    assert found["refetched_after_kill"] <= 1_000
    assert 0 < found["peak_memory_mb"] < 1_000


@pytest.mark.slow
def test_every_client_gets_every_object(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "x"), ("no_proxy", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    names = [name for name, _ in fake_store.made(100, 4_000)]
    with ingest_fetching.serving(100, errors=0.0) as endpoint:
        for client in ingest_clients.CLIENTS.values():
            asyncio.run(client(endpoint, names))
        assert set(ingest_fetching.facts(endpoint)["served"].values()) == {len(ingest_clients.CLIENTS)}
