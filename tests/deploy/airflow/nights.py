"""Runs nights of the DAG in a real Airflow and prints what became of them. A program of Airflow's environment, not of ours.

Its argument says for each night how the command `recast` ends: `{"busy": {"raw_code": [6, 0]}}`. What is not named ends with 0.
"""

import json
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

from airflow.models import DagRun
from airflow.sdk import DAG
from airflow.utils import cli
from airflow.utils.session import create_session


def night(dag: DAG, folder: Path, ends: dict[str, list[int]]) -> dict[str, object]:
    """Run the DAG once; return each task's state, its XCom, and the calls of `recast`."""
    (folder / "calls.jsonl").write_text("")
    (folder / "ends.json").write_text(json.dumps(ends))
    run: DagRun = dag.test()
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    with create_session() as session:
        tasks = run.get_task_instances(session=session)
        facts = {task.task_id: task.xcom_pull(task_ids=task.task_id, session=session) for task in tasks}
        return {
            "run": run.state,
            "states": {task.task_id: task.state for task in tasks},
            "facts": {name: fact for name, fact in facts.items() if fact},
            "calls": calls,
        }


if __name__ == "__main__":
    logging.disable(logging.INFO)
    dag = cli.get_bagged_dag(None, "recast")
    for task in dag.tasks:  # as in the file, but for the waiting
        task.retry_delay = timedelta(0)
        if task.task_id.endswith(".changed"):
            task.poke_interval, task.timeout = 1, 0
    shape = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
    nights = {name: night(dag, Path(os.environ["NIGHTS"]), ends) for name, ends in json.loads(sys.argv[1]).items()}
    Path(os.environ["NIGHTS"], "nights.json").write_text(
        json.dumps({"shape": shape, "at_once": [dag.max_active_runs, dag.max_active_tasks], "nights": nights})
    )
