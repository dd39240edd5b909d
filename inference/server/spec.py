"""What answers requests: the specification of an engine, the record of a running one, and what a server program is."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from recast.printable import printable

MAX_LABEL_CHARS = 100
SOCKET_FILE = "s"  # in a runtime folder


class EngineError(RuntimeError):
    """The engine cannot be reached or started. The first line says why; a server's last log lines may follow."""


@dataclass(frozen=True)
class EngineSpec:
    """What answers requests.

    `model` is a model folder or hub name (with its `revision`), or the model's name at `endpoint`. `endpoint` is the
    base URL of an OpenAI-compatible server (`https://host/v1`); it is used as it is and nothing is started.
    `api_key_variable` names the environment variable that holds its key; `tokenizer` is a folder or hub name with its
    tokenizer, if at hand. `max_model_len` is the context in tokens, 0 the model's own. `args` are further arguments of
    the server, `command` replaces `python -m MODULE` of it, and `server` is its name in `recast.inference.server.servers`.
    """

    model: str
    revision: str = ""
    endpoint: str = ""
    api_key_variable: str = ""
    tokenizer: str = ""
    max_model_len: int = 0
    tensor_parallel: int = 1
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    start_timeout_s: float = 1800.0
    server: str = "vllm"

    @property
    def served_name(self) -> str:
        """The model's name in requests."""
        return self.model if self.endpoint else (os.path.basename(self.model.rstrip("/")) or self.model)

    @property
    def given_template(self) -> str:
        """The server's argument --chat-template, "" where the model's own serves."""
        return self.argument("--chat-template")

    def argument(self, name: str) -> str:
        """Return an argument's value as servers' parsers take it: the last one counts, and `_` is as good as `-`."""
        given = ""
        for place, arg in enumerate(self.args):
            option, separator, value = arg.partition("=")
            if option.replace("_", "-") == name:
                given = value if separator else "".join(self.args[place + 1 : place + 2])
        return given


@dataclass(frozen=True)
class Engine:
    """A running engine.

    `socket` is the Unix socket of an own server, None for one that listens on a port and for an endpoint. `folder` is an
    own server's runtime folder and `instance` this very server among those that have lived in it, "" for an endpoint.
    """

    base_url: str
    socket: str | None
    name: str
    version: str
    device: str
    start_seconds: float
    folder: str = ""
    instance: str = ""

    @property
    def label(self) -> str:
        """The engine as rows record it: `vllm 0.32.0 on cpu`."""
        parts = (self.name, self.version, f"on {self.device}" if self.device else "")
        return printable(" ".join(part for part in parts if part), MAX_LABEL_CHARS)

    @property
    def address(self) -> str:
        """Where it listens: the path of a Unix socket, or `host:port`."""
        return self.socket or urlsplit(self.base_url).netloc


@dataclass(frozen=True)
class Server:
    """A program that serves a model behind an OpenAI-compatible interface, `/health` and `/metrics`."""

    name: str  # as the setting `server` and the rows' `engine` have it; also the library that it is part of
    module: str  # what `python -m` starts
    address: Callable[[Path], str]  # where one listens that is started in a runtime folder, as `Engine.address` has it
    # Its command line, without the user's own arguments: of a spec, the model's folder or name, the address, the context
    # in tokens (0: the model's own), and whether there is a GPU.
    arguments: Callable[[EngineSpec, str, str, int, bool], list[str]]
    environment: Callable[[Path, bool], dict[str, str]]  # of its runtime folder, and whether there is a GPU
    dropped: tuple[str, ...]  # environment variables that it must not inherit
    context_argument: str
    version: str  # the resource whose JSON holds `version`
    # Prometheus names for the fields of `metrics.Load`; `name{label="value"}` counts samples with that label only.
    metrics: tuple[str, str, str, str, str, str]
    health_tells_death: bool  # whether a status of /health other than 200 says that the engine is dead
    advice: tuple[tuple[str, str], ...]  # patterns of errors at a start, and what the user can do about each
    consequence: str  # a pattern of errors that only follow from the one before
    own_end: str = ""  # a pattern that it logs before it kills itself


def is_folder_name(model: str) -> bool:
    """Tell whether a model's name can only be a folder: hub names are `name` or `owner/name`."""
    return model.startswith(("/", ".", "~")) or model.count("/") > 1 or not model
