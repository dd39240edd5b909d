"""Every stage, each after those whose tables it reads, and the choice of stages by the names that a user gives."""

from collections.abc import Sequence
from typing import Any

from recast.jobs import (
    ingest_code,
    ingest_math,
    lint_code,
    optimize_code,
    parse_code,
    publish_code,
    publish_math,
    rewrite_math,
    style_code,
)
from recast.jobs.names import LANES, check_names
from recast.lakehouse.graph import above, ordered
from recast.lakehouse.stage import Stage

STAGES: dict[str, Stage] = ordered(
    (
        ingest_code.STAGE,
        parse_code.STAGE,
        lint_code.STAGE,
        style_code.STAGE,
        optimize_code.STAGE,
        publish_code.STAGE,
        ingest_math.STAGE,
        rewrite_math.STAGE,
        publish_math.STAGE,
    )
)


def lane(name: str) -> list[Stage]:
    """Return the stages of a lane, in the order in which they must run."""
    tables = {LANES[name], *above(STAGES, LANES[name])}
    return [stage for stage in STAGES.values() if stage.name in tables]


def drawn() -> list[dict[str, Any]]:
    """Return the graph for schedulers: of each table its lane, the first that needs it, and the tables that it reads."""
    lanes: dict[str, str] = {}
    for name in LANES:
        for stage in lane(name):
            lanes.setdefault(stage.name, name)
    return [
        {"table_name": name, "lane": lanes[name], "reads": list(stage.source.tables)} for name, stage in STAGES.items()
    ]


def chosen(names: Sequence[str], with_sources: bool = False) -> list[Stage]:
    """Return the stages of the lanes and tables in `names`, in the order in which they must run; without names, all stages.

    `with_sources` adds the stages that these are made from.

    Raises:
        UserError: a name is neither.
    """
    check_names(names)
    wanted: set[str] = set()
    for name in names or STAGES:
        wanted |= {stage.name for stage in lane(name)} if name in LANES else {name}
    if with_sources:
        wanted |= {each for name in wanted for each in above(STAGES, name)}
    return [stage for stage in STAGES.values() if stage.name in wanted]
