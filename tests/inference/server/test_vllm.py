"""vLLM's command line and environment."""

from itertools import pairwise
from pathlib import Path

import pytest

from recast.inference.server import process, vllm
from recast.inference.server.spec import EngineSpec


def test_the_command_line_is_vllms_and_the_users_arguments_stand_last(model_folder: Path) -> None:
    spec = EngineSpec(str(model_folder), revision="abc", tensor_parallel=2, args=("--seed", "1"))
    line = process.command(spec, vllm.SERVER, "/run/s")
    assert line[1:4] == ["-P", "-m", "vllm.entrypoints.openai.api_server"]
    given = set(pairwise(line))
    assert {
        ("--uds", "/run/s"),
        ("--max-model-len", "200"),
        ("--tensor-parallel-size", "2"),
        ("--revision", "abc"),
    } <= given
    assert line[-2:] == ["--seed", "1"]


def test_the_kv_cache_of_a_cpu_is_bounded_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    assert vllm.environment(tmp_path, gpu=False)["VLLM_CPU_KVCACHE_SPACE"] == "4"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "9")
    assert vllm.environment(tmp_path, gpu=False)["VLLM_CPU_KVCACHE_SPACE"] == "9"
    assert "VLLM_CPU_KVCACHE_SPACE" not in vllm.environment(tmp_path, gpu=True)
