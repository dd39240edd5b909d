"""What runs cost, by the prices that are set, and what one to come will cost, by the lake's own earlier runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from recast.lakehouse import query
from recast.lakehouse.settings import AllSettings as Settings

S_PER_HOUR = 3600
PRICES = ("price_gpu_hour", "price_core_hour", "price_prompt_tokens", "price_output_tokens")
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
    """What earlier runs of a table took per measured row, and the share of their rows, from 0 to 1, that they kept."""

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
    runs = query.rows(settings, f"SELECT * FROM runs WHERE table_name = '{table}'", "runs")
    runs = [run for run in runs if run.get("rows_measured")]
    rows = sum(run["rows_measured"] for run in runs)
    if not rows:
        return None

    def each(name: str) -> float:
        """Return a column's sum for one measured row; a ledger of an older Recast may lack the column."""
        return float(sum(run.get(name) or 0 for run in runs) / rows)

    measuring = sum((run.get("seconds_by_step") or {}).get("measure", 0.0) for run in runs) / rows
    kept = sum(run["rows_kept"] for run in runs) / max(1, sum(run["rows_in"] for run in runs))
    tokens = (each("prompt_tokens"), each("output_tokens"))
    return Experience(rows, *tokens, measuring, each("engine_seconds"), each("executor_seconds"), kept)
