"""What runs cost, by the prices that are set, and what one to come will cost, by the lake's own earlier runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from recast.lakehouse import query
from recast.lakehouse.settings import AllSettings as Settings

S_PER_HOUR = 3600
MILLION = 1_000_000


def cost_of(run: Mapping[str, Any], settings: Settings) -> float:
    """Return what a run cost, in the unit of the prices: GPUs while engines were asked, tokens, cores while tasks ran."""
    gpu_hours = (run.get("engine_seconds") or 0.0) * settings.tensor_parallel / S_PER_HOUR
    core_hours = (run.get("executor_seconds") or 0.0) / S_PER_HOUR
    return float(
        gpu_hours * settings.price_gpu_hour
        + core_hours * settings.price_core_hour
        + (run.get("prompt_tokens") or 0) / MILLION * settings.price_prompt_tokens
        + (run.get("output_tokens") or 0) / MILLION * settings.price_output_tokens
    )


class Estimate(NamedTuple):
    """What measuring rows will take, by earlier runs of the table.

    Attributes:
        prompt_tokens, output_tokens: of requests; 0 for a table without a model.
        seconds: wall-clock time, at the rows per second of these runs.
        cost: in the unit of the prices; 0 where none is set.
    """

    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0


class Experience(NamedTuple):
    """What earlier runs of a table took per measured row, and the share of rows that they kept."""

    rows: int
    prompt_tokens: float
    output_tokens: float
    seconds: float
    engine_seconds: float
    executor_seconds: float
    kept: float

    def estimate(self, rows: int, settings: Settings) -> Estimate:
        """Return what measuring `rows` rows will take."""
        of_all = {name: value * rows for name, value in self._asdict().items() if name not in ("rows", "kept")}
        cost = cost_of(of_all, settings)
        return Estimate(round(of_all["prompt_tokens"]), round(of_all["output_tokens"]), of_all["seconds"], cost)


def experience(settings: Settings, table: str) -> Experience | None:
    """Return what the lake's own runs say of a table, None where none has measured a row."""
    if query.version(settings, "runs") is None:
        return None
    (found,) = query.rows(
        settings,
        f"""SELECT coalesce(sum(rows_measured), 0)::BIGINT AS rows,
                   sum(prompt_tokens) / nullif(sum(rows_measured), 0) AS prompt_tokens,
                   sum(output_tokens) / nullif(sum(rows_measured), 0) AS output_tokens,
                   sum(seconds_by_step['measure']) / nullif(sum(rows_measured), 0) AS seconds,
                   coalesce(sum(engine_seconds), 0) / nullif(sum(rows_measured), 0) AS engine_seconds,
                   coalesce(sum(executor_seconds), 0) / nullif(sum(rows_measured), 0) AS executor_seconds,
                   sum(rows_kept) / nullif(sum(rows_in), 0) AS kept
            FROM runs WHERE table_name = '{table}' AND rows_measured > 0""",
        "runs",
    )
    return Experience(**{name: value or 0 for name, value in found.items()}) if found["rows"] else None
