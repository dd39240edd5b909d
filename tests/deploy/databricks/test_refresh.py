"""deploy/databricks: what the task does with exit statuses; the bundle's job is what Databricks' own loader takes."""

import os
import re
from typing import Any

import click
import pytest
import yaml
from databricks.bundles.jobs import Job

from deploy.databricks import refresh
from recast import exits
from recast.jobs.settings import resolve
from tests.conftest import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "databricks"
TEXT = (FOLDER / "databricks.yml").read_text("utf-8")
BUNDLE = yaml.safe_load(TEXT)
JOB = BUNDLE["resources"]["jobs"]["recast"]
# The types of the configuration's root and of a variable, as databricks/cli has them (bundle/config).
TOP = {
    "bundle",
    "include",
    "workspace",
    "artifacts",
    "resources",
    "targets",
    "variables",
    "sync",
    "run_as",
    "permissions",
}
VARIABLE = {"default", "description", "lookup", "type"}


def ending(monkeypatch: pytest.MonkeyPatch, status: int | None) -> list[Any]:
    """Have `recast` end so; return the list that its calls go into."""
    calls: list[Any] = []

    def main(arguments: list[str], **options: Any) -> None:
        calls.append((arguments, options))
        if status is not None:
            raise SystemExit(status)

    monkeypatch.setattr(refresh.main, "main", main)
    return calls


@pytest.mark.parametrize("status", [None, exits.DONE, exits.STOPPED, exits.NOTHING_TO_DO])
def test_a_status_that_is_no_failure_raises_nothing(status: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ending(monkeypatch, status)
    refresh.run(["code", "--json"])
    assert calls == [(["refresh", "code", "--json"], {"standalone_mode": False})]


@pytest.mark.parametrize(
    "status", [exits.FAILED, exits.USER_ERROR, exits.GATE_FAILED, exits.BUSY, exits.INTERRUPTED, exits.TERMINATED]
)
def test_a_failure_is_an_exception_with_its_status(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, status)
    with pytest.raises(RuntimeError, match=f"status {status}$"):
        refresh.run(["code"])


def test_a_mistake_is_the_users_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match=f"status {exits.USER_ERROR}$"):
        refresh.run(["cod"])
    assert capsys.readouterr().err.startswith("recast: there is no lane or table 'cod'")


def test_a_run_that_is_done_does_not_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise click itself would end the process, which Databricks takes for a failure."""
    monkeypatch.setitem(refresh.main.commands, "refresh", click.Command("refresh", callback=lambda: None))
    refresh.run([])


def test_databricks_own_loader_takes_the_job() -> None:
    assert Job.from_dict(JOB).as_dict() == JOB
    with pytest.raises(ValueError, match="max_concurent_runs"):
        Job.from_dict(JOB | {"max_concurent_runs": 1})


def test_the_bundle_has_the_parts_that_a_bundle_may_have() -> None:
    assert set(BUNDLE) <= TOP
    assert all(set(variable) <= VARIABLE for variable in BUNDLE["variables"].values())
    assert set(BUNDLE["resources"]) == {"jobs"}


def test_every_variable_is_declared_and_used() -> None:
    assert set(re.findall(r"\$\{var\.(\w+)\}", TEXT)) == set(BUNDLE["variables"])


def test_one_run_works_at_a_time_and_a_failed_lane_leaves_the_other_its_night() -> None:
    code, math = JOB["tasks"]
    assert JOB["max_concurrent_runs"] == 1
    assert (math["depends_on"], math["run_if"]) == ([{"task_key": "code"}], "ALL_DONE")
    assert [task["spark_python_task"]["parameters"][0] for task in (code, math)] == ["code", "math"]
    assert all((FOLDER / task["spark_python_task"]["python_file"]).is_file() for task in (code, math))


def test_the_settings_are_recasts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RECAST_")]:
        monkeypatch.delenv(name)
    (cluster,) = JOB["job_clusters"]
    for name, value in cluster["new_cluster"]["spark_env_vars"].items():
        given = re.fullmatch(r"\$\{var\.(\w+)\}", value)
        monkeypatch.setenv(name, BUNDLE["variables"][given[1]]["default"] if given else value)
    assert resolve().code_source == BUNDLE["variables"]["code_source"]["default"]
