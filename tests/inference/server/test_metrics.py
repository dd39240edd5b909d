"""A server's own figures."""

from collections.abc import Callable

from recast.inference.server import engine, metrics
from recast.inference.server.spec import EngineSpec

Make = Callable[..., EngineSpec]


def test_load_reads_the_servers_own_figures(fake_engine: Make) -> None:
    running = engine.connect(fake_engine())
    assert metrics.load(running) == metrics.Load(0, 0, 0, 0, 10, 4)
