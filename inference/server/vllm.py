"""vLLM (version 0.32): its command line, environment, metrics and log phrases."""

import os
from pathlib import Path

from recast.inference.server.spec import SOCKET_FILE, EngineSpec, Server

# vLLM's own choice for the CPU's KV cache depends on the machine's whole memory, which Spark and pylint share.
CPU_KV_CACHE_GIB = "4"


def address(folder: Path) -> str:
    """Return the path of its Unix socket."""
    return str(folder / SOCKET_FILE)


def arguments(spec: EngineSpec, model: str, address: str, context: int, gpu: bool) -> list[str]:
    """Return its command line."""
    line = ["--uds", address, "--model", model, "--served-model-name", spec.served_name]
    if context:
        line += ["--max-model-len", str(context)]
    line += ["--tensor-parallel-size", str(spec.tensor_parallel)]
    line += ["--enable-prompt-tokens-details", "--uvicorn-log-level", "warning"]
    # What a request does not name is neutral, not what the model's generation_config.json says (its end tokens stay).
    line += ["--generation-config", "vllm"]
    if spec.revision:
        line += ["--revision", spec.revision]
    if not gpu and "--no-enforce-eager" not in spec.args:
        # Compiling costs minutes on a CPU and only pays for itself over long runs.
        line.append("--enforce-eager")
    return line


def environment(folder: Path, gpu: bool) -> dict[str, str]:
    """Return the variables that vLLM gets. A long TMPDIR would break its further Unix sockets, so they go to `folder`."""
    variables = {"VLLM_RPC_BASE_PATH": str(folder), "VLLM_WORKER_MULTIPROC_METHOD": "spawn", "VLLM_NO_USAGE_STATS": "1"}
    if not gpu:
        variables["VLLM_CPU_KVCACHE_SPACE"] = os.environ.get("VLLM_CPU_KVCACHE_SPACE", CPU_KV_CACHE_GIB)
    return variables


SERVER = Server(
    name="vllm",
    module="vllm.entrypoints.openai.api_server",
    address=address,
    arguments=arguments,
    environment=environment,
    # VLLM_PORT is a URI where a Kubernetes service is called vllm; the others would change what the server is or let it
    # outlive its engine.
    dropped=("VLLM_PORT", "VLLM_HOST_IP", "VLLM_API_KEY", "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH"),
    context_argument="--max-model-len",
    version="/version",
    metrics=(
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:prefix_cache_queries_total",
        "vllm:prefix_cache_hits_total",
    ),
    health_tells_death=True,
    advice=(
        (
            r"Free memory on device|out of memory|No available memory for the cache blocks",
            "Another process may hold the GPU's memory: end what nvidia-smi shows, or give the engine less with "
            "--gpu-memory-utilization among its arguments, or a smaller max_model_len",
        ),
        (
            r"larger than the available KV cache memory",
            "Set max_model_len, or give each engine more GPUs (tensor_parallel)",
        ),
        (r"No module named .vllm", "Install vLLM in the environment that the executors run"),
    ),
    consequence="Engine core initialization failed",
)
