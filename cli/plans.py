"""Prints plans: what a refresh would do with each table, and why."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table as Grid
from rich.text import Text

from recast import exits, prompts
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
HASH = re.compile(r'"([0-9a-f]{16,64})"|\b(?=\d*[a-f])([0-9a-f]{16,64})\b')
"""A hash in what changed: a fact, quoted, or a source's version. A number without letters there is an Iceberg snapshot's."""
HASH_DIGITS = 8


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
        if coming and plan.likely_come is not None:
            coming = f"about {plan.likely_come:,},\n{coming}"  # a terminal has no room for both on one line
        grid.add_row(plan.table_name, *(f"{number:,}" if number else "" for number in numbers), coming)
    console = terminal()
    console.print(grid)
    for plan in plans:
        lines = [*in_words(plan.why), *(moved(plan, move) for move in plan.moves), takes(plan)]
        lines.append(f"would stop: {plan.refused}" if plan.refused else "")
        for line in filter(None, lines):
            console.print(Text(printable(f"{plan.table_name}: {line}")), style="dim", soft_wrap=True)
        if plan.conflicting:
            words = (
                f"{plan.table_name}: {plan.conflicting:,} source rows share their identity with another that differs"
            )
            console.print(words, style="dim")
    if not any(plan.why for plan in plans):
        console.print("everything is up to date")


def status_of(plans: Sequence[Plan]) -> int:
    """Return the exit status with which a refresh would refuse to begin; 0 where it would not."""
    return next((plan.exit_status for plan in plans if plan.refused), exits.DONE)


def show_reasons(why: Mapping[str, Sequence[str]], as_json: bool) -> None:
    """Print what changed for each table; with `as_json` an object per table, also of those without."""
    if as_json:
        for name, reasons in why.items():
            print(json.dumps({"table_name": name, "why": in_words(reasons), "why_in_full": list(reasons)}))
        return
    lines = [f"{name}: {reason}" for name, reasons in why.items() for reason in in_words(reasons)]
    for line in lines or ["everything is up to date"]:
        terminal().print(Text(printable(line)))


def in_words(why: Sequence[str]) -> list[str]:
    """Return what changed with prompts by their names and other hashes by their first digits."""
    names = prompts.known()

    def word(found: re.Match[str]) -> str:
        hashed = found[1] or found[2]
        return names.get(hashed, hashed[:HASH_DIGITS])

    return [HASH.sub(word, line) for line in why]


def moved(plan: Plan, move: str) -> str:
    """Return how many rows, and tokens, move so."""
    tokens = f"{plan.moved_tokens.get(move, 0):,} tokens"
    if plan.tokens_estimated:
        tokens = f"about {tokens} by the length of their texts"
    return f"{plan.moves[move]:,} rows {move}, {tokens}"


def takes(plan: Plan) -> str:
    """Return what measuring takes by earlier runs: what is likely, between the table's own rows and all that may come."""
    if plan.estimate is None or plan.most is None or not plan.most.seconds:
        return ""
    three = (plan.estimate, plan.likely, plan.most)
    parts = [
        between([each and each.prompt_tokens for each in three], "prompt tokens"),
        between([each and each.output_tokens for each in three], "tokens of answers"),
        between([each and each.seconds / 60 for each in three], "minutes", ",.1f"),
        between([each and each.cost for each in three], "in the unit of the prices", ",.2f"),
    ]
    return "by earlier runs: " + ", ".join(filter(None, parts))


def between(three: Sequence[float | None], words: str, form: str = ",.0f") -> str:
    """Return the least, the likely and the most in words; "" where all are zero."""
    least, likely, most = three
    if not most:
        return ""
    if least == most:
        return f"{most:{form}} {words}"
    if likely is None:
        return f"{least:{form}} to {most:{form}} {words}"
    return f"about {likely:{form}} {words} ({least:{form}} to {most:{form}})"


def facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON holds it."""
    rows = {action: plan.rows.get(action, 0) for action in ACTIONS}
    return {
        "table_name": plan.table_name,
        "why": in_words(plan.why),
        "why_in_full": list(plan.why),
        "source_rows_changed": plan.by_source,
        **rows,
        "unchanged": plan.unchanged,
        "may_come": plan.may_come,
        "likely_come": plan.likely_come,
        "conflicting": plan.conflicting,
        "chunks": len(plan.chunks),
        "moves": dict(plan.moves),
        "moved_tokens": dict(plan.moved_tokens),
        "tokens_estimated": plan.tokens_estimated,
        "estimate": plan.estimate and plan.estimate._asdict(),
        "likely": plan.likely and plan.likely._asdict(),
        "most": plan.most and plan.most._asdict(),
        "refused": plan.refused,
    }
