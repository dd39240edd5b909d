"""What one task knows of its own engine while it works: its figures, and what the driver is told."""

import socket
import time

from recast.inference import telemetry
from recast.inference.server import process
from recast.inference.server.metrics import Load
from recast.inference.server.spec import Engine
from recast.inference.window import Pace

HOST = socket.gethostname()


class Monitor:
    """The figures of one task's engine."""

    def __init__(self, pace: Pace) -> None:
        """Begin before the engine is there."""
        self._pace = pace
        self._load: Load | None = None
        self._since = self._healthy_at = 0.0

    def note_connected(self) -> bool:
        """Note that the engine answers; tell whether it is the task's first one."""
        first = not self._since
        self._since = self._since or time.time()
        self._healthy_at = self._pace.silent_since = time.monotonic()
        return first

    def note(self, load: Load | None, in_flight: int) -> bool:
        """Let the window follow the engine's figures; return False for an engine that has given none for too long."""
        now = time.monotonic()
        if load is None:
            return now - self._healthy_at <= process.HEALTH_PATIENCE_S
        known = self._load or load
        if (load.prompt_tokens, load.output_tokens) != (known.prompt_tokens, known.output_tokens):
            self._pace.silent_since = now  # it works, however long an answer takes
        self._healthy_at, self._load = now, load
        self._pace.window.follow(load.running, load.waiting, in_flight)
        return True

    def report(self, engine: Engine | None, in_flight: int, ended: bool) -> telemetry.Report | None:
        """Return what the driver shall know of the engine, None before there is one."""
        if engine is None or not self._since:
            return None
        load = self._load or Load(in_flight, 0, 0, 0, 0, 0)
        name = f"{HOST}:{engine.folder}" if engine.folder else engine.base_url
        server = (name, engine.label, engine.device, engine.start_seconds, process.starts(engine))
        window = int(self._pace.window.size)
        return telemetry.Report(*server, *load, window, in_flight, self._since, time.time(), ended)
