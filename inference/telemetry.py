"""Metrics that engines report while a stage runs: collected for the driver, with impossible values discarded.

A driver cannot reach the Unix sockets of its executors' engines. So every feeder leaves a small report in its journal,
`<journal>/<fingerprint>/<buckets>/feeder-<writer>.json`, and overwrites it every few seconds. The driver computes the
ledger's figures from the reports before it removes the journal.
"""

import json
import math
import re
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recast import journal
from recast.storage import Place

PREFIX = "feeder-"
# A feeder that has not reported for so long has ended or been killed; its requests no longer count as running.
STALE_S = 30.0

# Dense BF16 peaks in FLOP/s by the words nvidia-smi calls the product by, the more particular names first: NVIDIA's data
# sheets (H100 and H200 2024, A100 2021, L40 2022, L40S and L4 2023, B200 2025; half of what they print "with sparsity").
PEAK_FLOPS = (
    ("B200", 2250e12),
    ("GH200", 989e12),
    ("H200", 989e12),
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("A100", 312e12),
    ("L40S", 362e12),
    ("L40", 181e12),
    ("L4", 121e12),
)


@dataclass(frozen=True)
class Report:
    """One engine as a feeder last saw it.

    `engine` names the server (host and runtime folder, or the endpoint's URL), `label` says what it is, `device` what
    it runs on ("" for an endpoint), `start_seconds` how long it took to start, `starts` how often it was started.
    `running` and `waiting` are requests now; tokens and prefix-cache figures (in tokens) count from the server's start;
    `window` and `in_flight` are the reporting feeder's, who began at `since` and reported at `at` (seconds since the
    epoch); `ended` says that it has an answer for every row.
    """

    engine: str
    label: str
    device: str
    start_seconds: float
    starts: int
    running: int
    waiting: int
    prompt_tokens: int
    output_tokens: int
    cache_queries: int
    cache_hits: int
    window: int
    in_flight: int
    since: float
    at: float
    ended: bool = False


def write(folder: Place, writer: str, content: Report) -> None:
    """Write a feeder's report over its last one, into its journal's folder.

    Raises OSError where the store refuses.
    """

    def put(path: str) -> None:
        with folder.filesystem.open_output_stream(path) as stream:
            stream.write(json.dumps(asdict(content)).encode())

    journal.write_whole(folder, f"{PREFIX}{writer}.json", put)


def reports(uri: str) -> list[Report]:
    """Return what every feeder said last, over all journals below a URI."""
    said = []
    for place, name in journal.files(uri):
        if not name.startswith(PREFIX):
            continue
        try:
            with place.filesystem.open_input_stream(place.path) as stream:
                said.append(Report(**json.loads(stream.read())))
        except (OSError, ValueError, TypeError):
            continue  # the chunk was committed meanwhile, or a version of Recast that reported otherwise
    return said


def engines(said: Iterable[Report]) -> dict[str, Report]:
    """Return the newest report about every engine by its name, `since` the first of its feeders began."""
    found: dict[str, Report] = {}
    for each in said:
        known = found.get(each.engine, each)
        newest = each if each.at >= known.at else known
        found[each.engine] = replace(newest, since=min(each.since, known.since))
    return found


def running_now(said: Iterable[Report], now: float) -> tuple[int, int]:
    """Return requests running and waiting over all engines that were heard of in the last STALE_S seconds.

    An own server counts the requests of all its feeders; an endpoint tells nobody, so its feeders' are added up.
    """
    fresh = [each for each in said if now - each.at <= STALE_S]
    own = engines(each for each in fresh if each.device).values()
    hosted = sum(each.in_flight for each in fresh if not each.device)
    return sum(each.running for each in own) + hosted, sum(each.waiting for each in own)


def ledger_figures(
    used: Iterable[Report], output_tokens: int, computed_tokens: int, model: str, gpus: int
) -> dict[str, Any]:
    """Return the columns of `runs` that tell what a run had of its engines.

    `output_tokens` were answered in this run, `computed_tokens` are these and the prompt tokens no prefix cache held;
    `gpus` is how many GPUs one engine spans. An engine's seconds are those from its first request to its last report:
    it is paid for while it waits, too.
    """
    seen = list(used)
    if not seen:
        return {}
    seconds = max(each.at for each in seen) - min(each.since for each in seen)
    per_second = output_tokens / seconds if seconds > 0 else None
    weights = parameters(model) if peak_flops(seen[0].device) else None
    busy = (
        mfu(weights, computed_tokens / seconds, seen[0].device, gpus * len(seen)) if weights and seconds > 0 else None
    )
    return {
        "engines": len(seen),
        "engine_start_seconds": max(each.start_seconds for each in seen),
        "engine_seconds": sum(each.at - each.since for each in seen),
        "tokens_per_s": per_second,
        "mfu": busy,
    }


def parameters(model: str) -> int | None:
    """Return the number of weights of a dense model in a folder, from its safetensors headers.

    None for a hub name, weights that cannot be read, another format, or a mixture of experts, where a token does not pass
    through all of them.
    """
    folder = Path(model)
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if any("expert" in name for name in config):
        return None
    # Some models bring all their weights a second time in one file of this name.
    files = [path for path in folder.glob("*.safetensors") if not path.name.startswith("consolidated")]
    try:
        return sum(map(_weights, files)) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None  # no weights: a driver needs none, and may hold a pointer of Git LFS in their place


def _weights(path: Path) -> int:
    """Return the number of weights in a safetensors file."""
    with path.open("rb") as file:
        # The format's header: its length in 8 bytes, then JSON with every tensor's shape.
        (length,) = struct.unpack("<Q", file.read(8))
        if length > path.stat().st_size:
            raise ValueError(f"{path} is no safetensors file")
        tensors = json.loads(file.read(length))
    return sum(math.prod(tensor["shape"]) for name, tensor in tensors.items() if name != "__metadata__")


def peak_flops(device: str) -> float | None:
    """Return a GPU's peak in FLOP/s by what nvidia-smi calls the product, None where it is not known here."""
    return next((flops for name, flops in PEAK_FLOPS if re.search(rf"\b{name}\b", device)), None)


def mfu(parameters: int, computed_tokens_per_s: float, device: str, gpus: int = 1) -> float | None:
    """Return the share of the GPUs' peak that computing so many tokens per second takes; None where no peak is known.

    Counts 2 FLOP per weight and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), attention left out. Computed
    tokens are output tokens and those prompt tokens that the prefix cache did not hold.
    """
    peak = peak_flops(device)
    return 2.0 * parameters * computed_tokens_per_s / (peak * gpus) if peak else None
