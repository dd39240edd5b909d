"""What tests of servers share."""

import json
import time
from collections.abc import Callable

from recast.inference.server import process
from recast.inference.server.spec import Engine
from recast.inference.server.watch import process_start


def facts(running: Engine) -> dict:
    """What the fake server says about itself."""
    status, body = process.probe(running.address, "/facts")
    assert status == 200
    return json.loads(body)


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return process_start(pid) == 0
