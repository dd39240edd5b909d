"""The DAG of Airflow: what it knows of Recast is true; and, with `make test-airflow`, nights of it in a real Airflow."""

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recast import exits
from recast.cli.main import main
from recast.lakehouse import session
from tests.conftest import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "airflow"
AIRFLOW = CHECKOUT / ".cache" / "airflow" / "bin"
TIMEOUT_S = 600
SETTINGS = {"lake": "s3://bucket/lake", "model": "NAME", "max_rows": 7, "api_key": "very-secret"}
NIGHTS: dict[str, dict[str, list[int]]] = {
    "everything": {},
    "nothing changed": {"plan": [10] * 9},
    "work in the middle": {"raw_code": [10], "linted_code": [10]},
    "busy": {"raw_code": [6, 6, 0]},
    "user error": {"parsed_code": [2]},
    "gate failed": {"raw_math": [3]},
    "stopped": {"linted_code": [4]},
    "crash": {"raw_math": [1] * 9},
    "no plan": {"plan": [2, 0]},
    "plan at the second try": {"plan": [1]},
}
# Stands for `recast` on a worker's PATH: it notes how it was called, and ends as the night says.
FAKE = """#!/usr/bin/env python3
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["NIGHTS"])
name = sys.argv[1] if sys.argv[1] == "plan" else sys.argv[2]
ends = json.loads((folder / "ends.json").read_text())
status = ends[name].pop(0) if ends.get(name) else 0
(folder / "ends.json").write_text(json.dumps(ends))
settings = {name: value for name, value in os.environ.items() if name.startswith("RECAST_")}
with open(folder / "calls.jsonl", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], settings]) + chr(10))
print("raw_code: plan, 0.1 s", file=sys.stderr)
if sys.argv[1] == "refresh":
    print(json.dumps({"exit_status": status, "tables": {} if status else {name: {"rows_in": 3}}}))
sys.exit(status)
"""


def graph() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "recast_graph.jsonl").read_text("utf-8").splitlines()]


def task_of(table: str) -> str:
    (lane,) = (each["lane"] for each in graph() if each["table_name"] == table)
    return f"{lane}.{table}"


def test_the_graph_beside_the_dag_is_that_of_the_stages() -> None:
    printed = CliRunner().invoke(main, ["graph"]).stdout
    assert (FOLDER / "recast_graph.jsonl").read_text("utf-8") == printed, (
        "run: recast graph > deploy/airflow/recast_graph.jsonl"
    )


def test_the_dag_knows_the_exit_statuses() -> None:
    module = ast.parse((FOLDER / "recast_dag.py").read_text("utf-8"))
    known: dict[str, int] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [ast.unparse(name) for name in node.targets[0].elts]
            if "NOTHING_TO_DO" in names:
                known = dict(zip(names, ast.literal_eval(node.value), strict=True))
    assert known and known == {name: getattr(exits, name) for name in known}


def test_the_page_has_the_owner_fetch_deltas_jars() -> None:
    page = (CHECKOUT / "docs" / "schedules" / "airflow.md").read_text("utf-8")
    assert f"/python -m {session.__name__} " in page


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of the nights."""
    if not (AIRFLOW / "airflow").exists():
        pytest.skip("Airflow is not installed: make test-airflow")
    folder = tmp_path_factory.mktemp("airflow")
    shutil.copytree(FOLDER, folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bin").mkdir()
    (folder / "bin" / "recast").write_text(FAKE)
    (folder / "bin" / "recast").chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RECAST_", "PYTHON"))} | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_VAR_RECAST": json.dumps(SETTINGS),
        "NIGHTS": str(folder),
        "PATH": f"{folder / 'bin'}:{AIRFLOW}:{os.environ['PATH']}",
    }
    nights = Path(__file__).with_name("nights.py")
    for command in (["airflow", "db", "migrate"], ["python", str(nights), json.dumps(NIGHTS)]):
        done = subprocess.run(
            [str(AIRFLOW / command[0]), *command[1:]],
            env=env,
            cwd=folder,
            text=True,
            timeout=TIMEOUT_S,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == 0
    found: dict[str, Any] = json.loads((folder / "nights.json").read_text())
    return found


def states(airflow: dict[str, Any], night: str) -> dict[str, str]:
    found: dict[str, str] = airflow["nights"][night]["states"]
    return found


def refreshed(airflow: dict[str, Any], night: str) -> list[str]:
    return [arguments[1] for arguments, _ in airflow["nights"][night]["calls"] if arguments[0] == "refresh"]


@pytest.mark.airflow
def test_a_table_waits_for_those_it_reads_and_for_its_lane_to_have_something_to_do(airflow: dict[str, Any]) -> None:
    expected = {f"{each['lane']}.changed": [] for each in graph()} | {
        task_of(each["table_name"]): sorted([f"{each['lane']}.changed", *map(task_of, each["reads"])])
        for each in graph()
    }
    assert airflow["shape"] == expected
    assert airflow["at_once"] == [1, 1]


@pytest.mark.airflow
def test_a_night_refreshes_every_table_after_those_it_reads(airflow: dict[str, Any]) -> None:
    assert set(states(airflow, "everything").values()) == {"success"}
    order = refreshed(airflow, "everything")
    assert sorted(order) == sorted(each["table_name"] for each in graph())
    assert all(order.index(above) < order.index(each["table_name"]) for each in graph() for above in each["reads"])
    assert airflow["nights"]["everything"]["facts"] == {task_of(name): {"rows_in": 3} for name in order}


@pytest.mark.airflow
def test_every_task_gets_the_same_settings(airflow: dict[str, Any]) -> None:
    expected = {f"RECAST_{name.upper()}": str(value) for name, value in SETTINGS.items()}
    assert all(settings == expected for _, settings in airflow["nights"]["everything"]["calls"])


@pytest.mark.airflow
def test_a_night_in_which_nothing_changed_is_skipped_and_no_failure(airflow: dict[str, Any]) -> None:
    assert airflow["nights"]["nothing changed"]["run"] == "success"
    assert set(states(airflow, "nothing changed").values()) == {"skipped"}
    assert refreshed(airflow, "nothing changed") == []


@pytest.mark.airflow
def test_a_table_with_nothing_to_do_is_skipped_and_those_below_it_are_not(airflow: dict[str, Any]) -> None:
    skipped = {name for name, state in states(airflow, "work in the middle").items() if state == "skipped"}
    assert skipped == {"code.raw_code", "code.linted_code"}
    assert set(refreshed(airflow, "work in the middle")) == {each["table_name"] for each in graph()}


@pytest.mark.airflow
def test_a_busy_table_is_tried_again(airflow: dict[str, Any]) -> None:
    assert set(states(airflow, "busy").values()) == {"success"}
    assert refreshed(airflow, "busy").count("raw_code") == 3


@pytest.mark.airflow
@pytest.mark.parametrize(("night", "table"), [("user error", "parsed_code"), ("gate failed", "raw_math")])
def test_what_another_try_would_not_mend_fails_at_once_and_stops_its_lane_alone(
    night: str, table: str, airflow: dict[str, Any]
) -> None:
    assert airflow["nights"][night]["run"] == "failed"
    assert states(airflow, night)[task_of(table)] == "failed"
    assert refreshed(airflow, night).count(table) == 1
    lane = task_of(table).partition(".")[0]
    other = {state for name, state in states(airflow, night).items() if not name.startswith(lane)}
    assert other == {"success"}
    assert states(airflow, night)[f"{lane}.published_{lane}"] == "upstream_failed"


@pytest.mark.airflow
def test_a_limit_ends_the_lanes_night_without_a_failure(airflow: dict[str, Any]) -> None:
    assert airflow["nights"]["stopped"]["run"] == "success"
    found = states(airflow, "stopped")
    assert found["code.linted_code"] == "success"
    below = ("styled_code", "optimized_code", "published_code")
    assert [found[f"code.{name}"] for name in below] == ["skipped"] * 3
    assert not set(below) & set(refreshed(airflow, "stopped"))
    assert found["math.published_math"] == "success"


@pytest.mark.airflow
def test_a_crash_is_tried_three_times_more(airflow: dict[str, Any]) -> None:
    assert states(airflow, "crash")["math.raw_math"] == "failed"
    assert refreshed(airflow, "crash").count("raw_math") == 4


@pytest.mark.airflow
def test_a_lane_whose_settings_are_wrong_fails_at_once_and_is_not_skipped(airflow: dict[str, Any]) -> None:
    found = states(airflow, "no plan")
    assert sorted([found["code.changed"], found["math.changed"]]) == ["failed", "success"]
    assert set(states(airflow, "plan at the second try").values()) == {"success"}
