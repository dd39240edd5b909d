"""The nightly refresh as a DAG of Airflow 3: a group per lane, a task per table, made from the graph of stages.

Lay this file and recast_graph.jsonl into Airflow's folder of DAGs. Workers need the command `recast`. Its settings are the
Airflow variable `recast`, a JSON object that every task gets: {"lake": "s3a://bucket/lake", "model": "NAME", ...}.
"""

import json
import os
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, TaskGroup, Variable
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)

SCHEDULE = "15 2 * * *"
WAIT = timedelta(hours=6)  # for something to change; then the night is skipped
LOOK_EVERY = timedelta(minutes=10)
RETRIES, RETRY_AFTER = 3, timedelta(minutes=10)
RECAST = "recast"  # or the whole path of the command on the workers
GRAPH = [json.loads(line) for line in Path(__file__).with_name("recast_graph.jsonl").read_text().splitlines()]

# Exit statuses of Recast (docs/schedules.md). Any other is a failure that another try may mend.
DONE, USER_ERROR, GATE_FAILED, STOPPED, NOTHING_TO_DO = 0, 2, 3, 4, 10


def environment() -> dict[str, str]:
    """Return the worker's environment, with the settings of the variable `recast` as Recast's own variables."""
    settings = Variable.get("recast", default={}, deserialize_json=True)
    return os.environ | {f"RECAST_{name.upper()}": str(value) for name, value in settings.items()}


def check(status: int) -> None:
    """Raise what Airflow makes of a status: a failure for good, or one that is tried again; nothing where it is done."""
    if status in (USER_ERROR, GATE_FAILED):
        raise AirflowFailException(f"status {status}: another try would end the same way; the lines above say why")
    if status != DONE:
        raise AirflowException(f"status {status}; the lines above say why")


class Changed(BaseSensorOperator):
    """Waits until a lane has something to do: its source has another version, or a prompt or a threshold changed."""

    def __init__(self, *, lane: str, **options):
        """Watch a lane; reading versions takes seconds and no Spark."""
        super().__init__(**options)
        self.lane = lane

    def poke(self, context) -> bool:
        """Look once."""
        command = [RECAST, "plan", self.lane, "--why", "--detailed-exit-code"]
        status = SubprocessHook().run_command(command, env=environment()).exit_code
        if status == NOTHING_TO_DO:
            return False
        self.soft_fail = False  # it would make a skip of a failure
        check(status)
        return True


class Refresh(BaseOperator):
    """Brings one table up to date. What it did is its XCom: rows, tokens, cost, seconds."""

    def __init__(self, *, table: str, **options):
        """Refresh a table of the lake."""
        super().__init__(**options)
        self.table = table

    def execute(self, context) -> dict | None:
        """Run the command, and end as its exit status says."""
        self.hook = SubprocessHook()
        command = [RECAST, "refresh", self.table, "--json", "--detailed-exit-code"]
        status, last_line = self.hook.run_command(command, env=environment())
        if status == NOTHING_TO_DO:
            raise AirflowSkipException("nothing to do")
        if status == STOPPED:
            # What is done is committed, and the next night goes on from there. Tables below would be made from a part.
            raise DownstreamTasksSkipped(tasks=sorted(self.get_flat_relative_ids(upstream=False)))
        check(status)
        return json.loads(last_line)["tables"][self.table]

    def on_kill(self) -> None:
        """End the command with all that it started."""
        self.hook.send_sigterm()


with DAG(
    "recast",
    doc_md=__doc__,
    schedule=SCHEDULE,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": RETRIES, "retry_delay": RETRY_AFTER},
    max_active_runs=1,
    max_active_tasks=1,  # two tables at once would share executors and GPUs
    tags=["recast"],
):
    tables: dict[str, Refresh] = {}
    for lane in dict.fromkeys(table["lane"] for table in GRAPH):
        with TaskGroup(lane):
            changed = Changed(
                lane=lane,
                task_id="changed",
                mode="reschedule",
                poke_interval=LOOK_EVERY,
                timeout=WAIT,
                soft_fail=True,  # a wait in vain is a skip
            )
            for table in GRAPH:
                if table["lane"] == lane:
                    tables[table["table_name"]] = Refresh(
                        table=table["table_name"],
                        task_id=table["table_name"],
                        # A table above that had nothing to do is skipped. This one may still have work of its own.
                        trigger_rule="none_failed_min_one_success",
                    )
                    changed >> tables[table["table_name"]]
    for table in GRAPH:
        for above in table["reads"]:
            tables[above] >> tables[table["table_name"]]
