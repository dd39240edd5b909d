"""GPUs of the host and the task."""

import pytest

from recast.inference.server import devices
from recast.inference.server.spec import EngineSpec


def test_outside_spark_a_task_is_given_no_devices() -> None:
    assert devices.visible_devices(EngineSpec("m", tensor_parallel=4)) == ""


def test_a_gpu_that_cannot_be_asked_for_its_name_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    assert devices.device_name("") == "cpu"
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.setenv("PATH", "")
    assert devices.device_name("0") == "gpu"
