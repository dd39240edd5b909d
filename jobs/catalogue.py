"""Every stage in the order of the lanes, and the names by which a user chooses stages."""

from collections.abc import Sequence

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
from recast.jobs.names import check_names
from recast.lakehouse.stage import Stage

LANES: dict[str, tuple[Stage, ...]] = {
    "code": (
        ingest_code.STAGE,
        parse_code.STAGE,
        lint_code.STAGE,
        style_code.STAGE,
        optimize_code.STAGE,
        publish_code.STAGE,
    ),
    "math": (ingest_math.STAGE, rewrite_math.STAGE, publish_math.STAGE),
}
STAGES: dict[str, Stage] = {stage.name: stage for lane in LANES.values() for stage in lane}


def chosen(names: Sequence[str]) -> list[Stage]:
    """Return the stages of the lanes and tables in `names`, in the order in which they must run; without names, all stages.

    Raises:
        UserError: a name is neither.
    """
    check_names(names)
    wanted: set[str] = set()
    for name in names:
        wanted |= {stage.name for stage in LANES[name]} if name in LANES else {name}
    return [stage for stage in STAGES.values() if not names or stage.name in wanted]
