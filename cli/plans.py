"""Prints plans: what a refresh would do with each table, and why."""

import json
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table as Grid
from rich.text import Text

from recast.cli.output import terminal
from recast.lakehouse.plan import Plan
from recast.printable import printable

ACTIONS = {
    "measure": "measure",
    "copy": "copy",
    "decide": "decide again",
    "withdraw": "withdraw",
    "remove": "remove",
}
"""Each action of a plan (lakehouse/actions.py), and the heading of its column."""


def show(plans: Sequence[Plan], as_json: bool) -> None:
    """Print a line per table and, below them, why each is to be done; with `as_json` an object per table."""
    if as_json:
        for plan in plans:
            print(json.dumps(facts(plan)))
        return
    grid = Grid(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("table", no_wrap=True)
    for heading in (*ACTIONS.values(), "unchanged", "may come from above"):
        grid.add_column(heading, justify="right")
    for plan in plans:
        numbers = (*(plan.rows.get(action, 0) for action in ACTIONS), plan.unchanged)
        coming = f"up to {plan.may_come:,}" if plan.may_come else ""
        grid.add_row(plan.table_name, *(f"{number:,}" if number else "" for number in numbers), coming)
    console = terminal()
    console.print(grid)
    for plan in plans:
        for reason in plan.why:
            console.print(Text(printable(f"{plan.table_name}: {reason}")), style="dim")
        if plan.conflicting:
            words = (
                f"{plan.table_name}: {plan.conflicting:,} source rows share their identity with another that differs"
            )
            console.print(words, style="dim")
    if not any(plan.why for plan in plans):
        console.print("everything is up to date")


def facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON holds it."""
    rows = {action: plan.rows.get(action, 0) for action in ACTIONS}
    return {
        "table_name": plan.table_name,
        "why": list(plan.why),
        **rows,
        "unchanged": plan.unchanged,
        "may_come": plan.may_come,
        "conflicting": plan.conflicting,
        "chunks": len(plan.chunks),
    }
