"""SGLang: its command line, environment, metrics and log phrases, from its documentation and sources of 2026.

Not run with a real SGLang: tests/inference/server/test_sglang.py starts a program that takes its command line. SGLang has
no Unix socket (github.com/sgl-project/sglang/pull/26006 was not merged), so it listens on a port of 127.0.0.1, which
every user of the machine can reach.
"""

import contextlib
import random
import socket
from pathlib import Path

from recast.inference.server.spec import EngineError, EngineSpec, Server

HOST = "127.0.0.1"
# Below the ports that Linux gives to outgoing connections (ip_local_port_range): SGLang binds its own minutes later.
PORTS = range(20_000, 30_000)


def address(folder: Path) -> str:
    """Return a port of 127.0.0.1 on which nobody listens. Raises EngineError where there is none."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as listening, contextlib.suppress(OSError):
            listening.bind((HOST, port))
            return f"{HOST}:{port}"
    raise EngineError(f"no port of {HOST} is free between {PORTS.start} and {PORTS.stop}")


def arguments(spec: EngineSpec, model: str, address: str, context: int, gpu: bool) -> list[str]:
    """Return its command line (docs.sglang.io/advanced_features/server_arguments.html)."""
    host, _, port = address.rpartition(":")
    line = ["--model-path", model, "--served-model-name", spec.served_name, "--host", host, "--port", port]
    if context:
        line += ["--context-length", str(context)]
    line += ["--tp-size", str(spec.tensor_parallel)]
    line += ["--enable-metrics", "--enable-cache-report", "--log-level", "warning"]
    # What a request does not name is neutral, not what the model's generation_config.json says.
    line += ["--sampling-defaults", "openai"]
    if spec.revision:
        line += ["--revision", spec.revision]
    if not gpu:
        line += ["--device", "cpu"]
    return line


def environment(folder: Path, gpu: bool) -> dict[str, str]:
    """Return the variables that SGLang gets: none."""
    return {}


SERVER = Server(
    name="sglang",
    module="sglang.launch_server",
    address=address,
    arguments=arguments,
    environment=environment,
    dropped=("SGLANG_PORT", "SGLANG_HOST_IP", "SGLANG_GRPC_PORT"),
    context_argument="--context-length",
    version="/get_server_info",
    # Its token counters grow when a request ends; only realtime_tokens_total shows that a long answer goes on.
    metrics=(
        "sglang:num_running_reqs",
        "sglang:num_queue_reqs",
        "sglang:prompt_tokens_total",
        'sglang:realtime_tokens_total{mode="decode"}',
        "sglang:prompt_tokens_total",
        "sglang:cached_tokens_total",
    ),
    # It answers 503 while it starts and while its scheduler is late; a dead scheduler ends the whole server.
    health_tells_death=False,
    advice=(
        (
            r"Not enough memory. Please try to increase --mem-fraction-static",
            "The weights leave no room for the KV cache: give each engine more GPUs (tensor_parallel), or a larger "
            "--mem-fraction-static among its arguments",
        ),
        (
            r"out of memory",
            "Another process may hold the GPU's memory: end what nvidia-smi shows, or give the engine less with "
            "--mem-fraction-static among its arguments, or a smaller max_model_len",
        ),
        (r"No module named .sglang", "Install SGLang in the environment that the executors run"),
    ),
    consequence="Initialization failed|Received sigquit from a child process",
    # After this line it ends itself and its children with SIGKILL (sigquit_handler of srt/entrypoints/engine.py).
    own_end="Received sigquit from a child process",
)
