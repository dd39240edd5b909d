"""A server's own figures, from `/metrics` in Prometheus' text format."""

from typing import NamedTuple

from recast.inference.server import servers
from recast.inference.server.process import probe
from recast.inference.server.spec import Engine


class Load(NamedTuple):
    """A server's own figures: requests now, and tokens and prefix cache (in tokens) since it started."""

    running: int
    waiting: int
    prompt_tokens: int
    output_tokens: int
    cache_queries: int
    cache_hits: int


def load(engine: Engine) -> Load | None:
    """Return an own server's figures, None where it does not say."""
    status, body = probe(engine.address, "/metrics")
    if status != 200:
        return None
    wanted = [each.rstrip("}").partition("{") for each in servers.named(engine.name).metrics]
    sums = [0.0] * len(wanted)
    try:
        for line in body.splitlines():
            sample, _, value = line.rpartition(" ")
            name, _, labels = sample.partition("{")
            for place, (metric, _, label) in enumerate(wanted):
                if name == metric and label in labels:
                    sums[place] += float(value)
        return Load(*map(int, sums))
    except (ValueError, OverflowError):
        return None
