"""The Spark side of a model stage, as far as it needs no Spark: how many tasks feed which engines."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from recast.inference import rewrite as spark_side
from recast.inference.rewrite import feeders_on
from recast.inference.server.spec import EngineSpec
from tests.inference.feeding import spec_for

Make = Callable[..., EngineSpec]


def test_a_spec_survives_pickling(endpoint: Make) -> None:
    import pickle

    spec = spec_for(endpoint())
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_two_chunks_feeders_leave_a_core_free_where_there_are_three() -> None:
    assert [feeders_on(cores) for cores in (1, 2, 3, 4, 8, 16)] == [1, 2, 1, 1, 3, 7]


def cluster(cores: int, **settings: str) -> Any:
    """A session of which only the settings and the cores that have registered are known."""
    named = {f"spark.{name.replace('_', '.')}": value for name, value in settings.items()}
    return SimpleNamespace(conf=named, sparkContext=SimpleNamespace(defaultParallelism=cores))


SHARED = {"executor_resource_gpu_amount": "2", "master": "spark://head:7077"}


GROWING = {"dynamicAllocation_enabled": "true", "dynamicAllocation_maxExecutors": "8"}


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (cluster(32, executor_cores="8", **SHARED), 4 * 2 * 2),
        (cluster(2, executor_cores="8", **SHARED, **GROWING), 8 * 2 * 2),
        (cluster(2, recast_gpu_amount="1", master="yarn", **GROWING), 8 * 1 * 2),
    ],
    ids=["static", "dynamic, before executors register", "executors of their own"],
)
def test_feeders_are_two_for_each_gpu_that_there_will_be(
    session: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_side, "_profile", lambda *_: object())
    assert spark_side.feeders(session, EngineSpec("m")) == expected


@pytest.mark.parametrize(
    ("session", "missing"),
    [
        (cluster(32, **SHARED), "spark.executor.cores"),
        (cluster(2, dynamicAllocation_enabled="true", **SHARED), "spark.dynamicAllocation.maxExecutors"),
        (cluster(2, recast_gpu_amount="1", master="yarn"), "spark.dynamicAllocation.enabled=true"),
    ],
)
def test_a_cluster_whose_gpus_cannot_be_counted_is_one_line(session: Any, missing: str) -> None:
    with pytest.raises(ValueError, match=rf"need.* {missing}.*\(docs/engine.md\)$"):
        spark_side.feeders(session, EngineSpec("m"))
