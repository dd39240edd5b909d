"""The rules of the house: which room may import which. docs/architecture.md draws them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
GROUND = {"recast", "schemas"}
"""`recast` stands for the modules beside the rooms: columns, settings, storage, printable, controls, urls."""
MAY_IMPORT = {
    "schemas": set[str](),
    "recast": {"schemas"},
    "prompts": set[str](),
    "lakehouse": GROUND,
    "inference": GROUND,
    "udfs": GROUND,
    "jobs": {*GROUND, "prompts", "lakehouse", "inference", "udfs"},
    "cli": {*GROUND, "prompts", "lakehouse", "inference", "udfs", "jobs"},
}
"""Each room, and the rooms that it may import besides itself."""
EXCEPTIONS = {
    ("jobs", "cli.submit"),  # a job's file is a program, too: `spark-submit jobs/lint_code.py`
    ("jobs", "cli.main"),
    ("recast", "cli.main"),  # `python -m recast`
}


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports of Recast, as `lakehouse.query`: `lakehouse` is the room."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            assert name.partition(".")[0] not in MAY_IMPORT.keys() - {"recast"}, f"{path}: {name} is recast.{name}"
            if name.startswith("recast."):
                yield name.removeprefix("recast.")


def room_of(name: str) -> str:
    """Return the room of an imported name; a module beside the rooms is of the room `recast`."""
    first = name.partition(".")[0]
    return first if first in MAY_IMPORT else "recast"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_itself_and_the_rooms_below_it_alone(room: str) -> None:
    for path in (CHECKOUT / room).glob("*.py") if room == "recast" else (CHECKOUT / room).rglob("*.py"):
        for name in imported(path):
            allowed = room_of(name) in {room, *MAY_IMPORT[room]}
            excepted = any(room == own and name.startswith(other) for own, other in EXCEPTIONS)
            assert allowed or excepted, f"{path.relative_to(CHECKOUT)} imports recast.{name}"


def test_every_exception_is_needed() -> None:
    used = {
        (own, other)
        for own, other in EXCEPTIONS
        for path in ((CHECKOUT / own).glob("*.py") if own == "recast" else (CHECKOUT / own).rglob("*.py"))
        if any(name.startswith(other) for name in imported(path))
    }
    assert used == EXCEPTIONS
