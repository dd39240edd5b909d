"""Connects to an engine: an OpenAI-compatible endpoint that the spec names, or a server that is started on first use."""

import logging
import threading

from recast.inference.server import endpoint, model, process, runtime
from recast.inference.server.spec import Engine, EngineError, EngineSpec

logger = logging.getLogger(__name__)


def connect(spec: EngineSpec, owner_pid: int = 0) -> Engine:
    """Return a running engine for this spec, starting or restarting a server where none answers.

    `owner_pid` is the process whose end ends the server; 0 finds it (`runtime.owner`). Raises EngineError where no engine
    can be had.
    """
    model.check(spec)
    return endpoint.connect(spec) if spec.endpoint else process.connect(spec, owner_pid or runtime.owner())


def prewarm(spec: EngineSpec, owner_pid: int = 0) -> threading.Thread:
    """Start the engine in the background, so that a slow start overlaps with other work; return the thread.

    Meets the same server that tasks find later, so use it where tasks run on this host (`local[*]`). A failure is
    only logged: the first task meets it again, with its reason.
    """
    pid = owner_pid or runtime.owner()

    def start() -> None:
        try:
            connect(spec, pid)
        except EngineError as error:
            logger.warning("engine not prewarmed: %s", str(error).splitlines()[0])

    thread = threading.Thread(target=start, name="recast-prewarm", daemon=True)
    thread.start()
    return thread
