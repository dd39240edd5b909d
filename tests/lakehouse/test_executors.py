"""Where tasks run: what was asked for, what came, and who did how much."""

from types import SimpleNamespace
from typing import Any

import pytest

from recast.lakehouse import executors
from recast.lakehouse.executors import Asked, Done, Executor, asked_for, asked_words, enough, got_words, host_of, since

DYNAMIC = {"spark.dynamicAllocation.enabled": "true", "spark.executor.cores": "4"}


@pytest.mark.parametrize(
    ("master", "conf", "bound"),
    [
        ("local[*]", {"spark.executor.instances": "3"}, 2),
        ("local-cluster[2,2,1500]", {}, 4),
        ("yarn", {"spark.executor.instances": "3", "spark.executor.cores": "4"}, 12),
        ("yarn", {"spark.executor.instances": "3"}, None),
        ("spark://host:7077", {}, None),
        ("spark://host:7077", {"spark.cores.max": "8"}, 8),
        ("spark://host:7077", {"spark.cores.max": "1"}, 2),
        ("k8s://https://host", DYNAMIC, None),
        ("k8s://https://host", DYNAMIC | {"spark.dynamicAllocation.maxExecutors": "5"}, 20),
        ("yarn", {"spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.maxExecutors": "5"}, None),
    ],
)
def test_cores_are_bounded_by_what_was_asked_for_whenever_it_comes(
    master: str, conf: dict[str, str], bound: int | None
) -> None:
    assert executors.bound_of(master, conf, 2) == bound


@pytest.mark.parametrize(
    ("master", "conf", "asked"),
    [
        ("local[*]", {}, Asked(1, None)),
        ("local", {}, Asked(1, None)),
        ("local-cluster[2,1,1500]", {}, Asked(2, 2)),
        ("local-cluster[1,4,2048]", {"spark.executor.cores": "2"}, Asked(2, 4)),
        ("local-cluster[2,4,2048]", {"spark.executor.cores": "2", "spark.cores.max": "4"}, Asked(2, 4)),
        ("spark://host:7077", {}, Asked(None, None)),
        ("spark://host:7077", {"spark.cores.max": "8"}, Asked(None, 8)),
        ("spark://host:7077", {"spark.cores.max": "8", "spark.executor.cores": "4"}, Asked(2, 8)),
        ("yarn", {"spark.executor.instances": "3", "spark.executor.cores": "4"}, Asked(3, 12)),
        ("yarn", {"spark.executor.instances": "3"}, Asked(3, None)),
        (
            "k8s://https://host",
            {"spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.minExecutors": "1"},
            Asked(1, None),
        ),
        ("yarn", {"spark.dynamicAllocation.enabled": "true", "spark.executor.cores": "4"}, Asked(0, 0)),
        (
            "yarn",
            {
                "spark.dynamicAllocation.enabled": "true",
                "spark.dynamicAllocation.minExecutors": "1",
                "spark.dynamicAllocation.initialExecutors": "4",
                "spark.executor.cores": "2",
            },
            Asked(4, 8),
        ),
    ],
)
def test_what_was_asked_for_is_read_from_master_and_settings(master: str, conf: dict[str, str], asked: Asked) -> None:
    assert asked_for(master, conf) == asked


def executor(name: str, host: str, cores: int) -> Executor:
    return Executor(name, host, cores, alive=True, tasks=0, seconds=0.0)


def test_the_words_say_what_came_and_what_was_asked_for() -> None:
    came = [executor("0", "a", 4), executor("1", "a", 4), executor("2", "b", 4)]
    assert got_words(came) == "3 executors with 12 cores on 2 hosts"
    assert asked_words(Asked(4, 16)) == " (asked for: 4 executors, 16 cores)"
    assert asked_words(Asked(None, 8)) == " (asked for: 8 cores)"
    assert asked_words(Asked(None, None)) == ""


def test_an_application_without_executors_says_that_tasks_wait() -> None:
    assert got_words([]) == "no executor has come, and tasks wait for one"


@pytest.mark.parametrize("address", ["192.0.2.2:40911", "192.0.2.2"])
def test_an_executor_has_its_host_before_it_has_a_port(address: str) -> None:
    assert host_of(address) == "192.0.2.2"


def test_one_is_spelt_as_one() -> None:
    assert got_words([executor("0", "a", 1)]) == "1 executor with 1 core on 1 host"


def test_work_is_what_was_done_between_two_moments() -> None:
    before, now = Done({"a": 3, "b": 1}, 2.0), Done({"a": 5, "b": 1, "c": 4}, 7.5)
    assert since(now, before) == Done({"a": 2, "c": 4}, 5.5)


def test_executors_that_spark_has_forgotten_take_nothing_away() -> None:
    assert since(Done({"a": 1}, 1.0), Done({"a": 3, "b": 4}, 9.0)) == Done({}, 0.0)


def test_nobody_waits_for_executors_that_come_with_the_work() -> None:
    assert enough([], Asked(0, 0))
    assert enough([executor("0", "a", 2)] * 3, Asked(2, None)), "more than were asked for"
    assert not enough([executor("0", "a", 2)], Asked(2, 4))
    assert not enough([executor("0", "a", 2)], Asked(None, None))
    assert got_words([], ", more as there is work") == "no executor yet, more as there is work"


def waited(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[int | None, int | None], arrivals: list[float]
) -> tuple[int, float]:
    """Let executors of two cores come at those seconds; return how many were waited for, and how long."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def at_work(_: Any) -> list[Executor]:
        return [Executor(str(i), "h", 2, True, 0, 0.0) for i, at in enumerate(arrivals) if at <= now]

    monkeypatch.setattr(executors, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setattr(executors, "at_work", at_work)
    monkeypatch.setattr(executors, "asked", lambda _: Asked(*asked))
    return len(executors.await_executors(None)), now  # type: ignore[arg-type]


def test_a_run_begins_once_all_are_there_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, (2, 4), [0.0, 0.0]) == (2, 0.0)
    for asked in ((2, 4), (2, None), (None, 4)):
        came, seconds = waited(monkeypatch, asked, [1.0, 9.0])
        assert came == 2
        assert 9.0 <= seconds < 10.0


def test_a_run_goes_on_with_those_that_came(monkeypatch: pytest.MonkeyPatch) -> None:
    came, seconds = waited(monkeypatch, (3, 6), [1.0, 2.0])
    assert came == 2
    assert 2.0 + executors.SHORT_S <= seconds < 20.0
    came, seconds = waited(monkeypatch, (None, None), [1.0, 2.0])
    assert came == 2
    assert seconds < 5.0


def test_a_run_waits_a_minute_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    came, seconds = waited(monkeypatch, (None, None), [1000.0])
    assert came == 0
    assert executors.WAIT_S <= seconds < executors.WAIT_S + 1
