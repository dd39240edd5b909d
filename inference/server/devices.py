"""The GPUs of this host and of this task."""

import os
import subprocess
import sys

from recast.inference.server.spec import EngineError, EngineSpec


def has_gpu() -> bool:
    """Tell whether the host shows an NVIDIA or AMD GPU."""
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd")


def visible_devices(spec: EngineSpec) -> str:
    """Return the devices of this task as CUDA_VISIBLE_DEVICES has them, "" where Spark hands out none.

    Raises EngineError where the task holds fewer devices than `tensor_parallel` needs.
    """
    addresses: list[str] = []
    if "pyspark" in sys.modules:
        from pyspark import TaskContext

        context = TaskContext.get()
        if context is not None and "gpu" in context.resources():
            addresses = context.resources()["gpu"].addresses
    if addresses and len(addresses) < spec.tensor_parallel:
        raise EngineError(f"tensor_parallel is {spec.tensor_parallel}, but the task holds {len(addresses)} GPU")
    return ",".join(addresses)


def device_name(devices: str) -> str:
    """Return what the engine runs on: the GPU's product name, `gpu` where that cannot be asked, else `cpu`."""
    if not has_gpu():
        return "cpu"
    chosen = ["-i", devices.split(",")[0]] if devices else []
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", *chosen]
        names = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
        return names[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "gpu"
