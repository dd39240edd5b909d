"""The servers that can be started."""

import pytest

from recast.inference.server import servers
from recast.inference.server.model import check
from recast.inference.server.spec import EngineError, EngineSpec


@pytest.mark.parametrize("name", servers.SERVERS)
def test_a_server_is_whole_and_stands_in_a_module_of_its_name(name: str) -> None:
    server = servers.named(name)
    assert server.module.partition(".")[0] == name
    assert len(server.metrics) == 6
    assert all(metric.startswith(f"{name}:") for metric in server.metrics)
    assert server.advice


def test_a_server_that_is_not_known_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"^server is 'tgi': give vllm or sglang$"):
        check(EngineSpec(model="m", server="tgi"))
