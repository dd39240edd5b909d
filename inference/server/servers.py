"""The servers that Recast can start, by the name that the setting `server` gives. Another one is one more file and entry."""

from recast.inference.server import sglang, vllm
from recast.inference.server.spec import EngineError, Server

SERVERS = {each.name: each for each in (vllm.SERVER, sglang.SERVER)}


def named(name: str) -> Server:
    """Return the server of a name. Raises EngineError where there is none."""
    if name not in SERVERS:
        raise EngineError(f"server is {name!r}: give {' or '.join(SERVERS)}")
    return SERVERS[name]
