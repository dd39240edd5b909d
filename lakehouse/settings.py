"""The settings of the platform. Those of Spark (memory, executors, credentials) stay in ``spark-submit --conf``."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from recast.settings import Group, config_file, setting
from recast.urls import endpoint_fault

NOTHING: Mapping[str, str] = MappingProxyType({})
"""No settings of Spark besides those in Spark's own files."""

AllSettings = Any
"""The settings of all rooms, which the platform hands to stages; it reads its own alone."""

MOST_DAYS = 36_500  # a time so long ago is still a date
MOST_TASKS = 100_000  # a driver that lists many more runs out of memory
WORK = "_work"
UNREADABLE_CHARACTERS = "[]{}*?^|\\%"


def path_fault(name: str, location: str) -> str | None:
    """Return why a path cannot be read: Spark takes some characters for patterns, and delta-rs opens no path with them."""
    found = [character for character in UNREADABLE_CHARACTERS if character in location]
    if not found or not is_local(location):
        return None
    return f"{name} is {location}; give a path without {' '.join(found)}, which readers take otherwise"


@dataclass(frozen=True)
class Settings(Group):
    """Where the lake is, how work is cut, and how much of it may fail."""

    lake: str = setting("data/lake", "folder or URI that holds every table", place="location", check=path_fault)
    chunk_rows: int = setting(100_000, "most rows that are measured, checked and committed together", least=1)
    partitions: int = setting(
        0,
        "tasks that a chunk is spread over; 0: four times the cores, half of those that feed engines for a model stage",
        least=0,
        most=MOST_TASKS,
    )
    removal_limit: float = setting(
        0.05,
        "largest share by which a raw table may shrink in a run because source rows are gone (small ones by ten rows); 1: any",
        least=0,
        most=1,
    )
    keep_dropped_days: float = setting(
        14.0,
        "days for which rows that left a table because of their source keep their measurements, until `recast maintain` "
        "deletes them; 0: runs keep none",
        least=0,
        most=MOST_DAYS,
    )
    s3_endpoint: str = setting(
        "",
        "URL of the S3 store that s3a:// locations lie in; empty: AWS_ENDPOINT_URL, else AWS (docs/object_storage.md)",
        check=lambda name, endpoint: endpoint_fault(endpoint) and f"{name}: {endpoint_fault(endpoint)}",
    )
    s3_region: str = setting("", "region of that store; empty: AWS_REGION")
    retry_after_hours: float = setting(
        0.0,
        "hours after which a refresh tries again what failed for a reason that may have passed (20 for a nightly one, "
        "since they count from when it was tried, or an answer written), and a content that fails again twice as long each "
        "time, 30 days at most; 0: --retry alone",
        least=0,
        most=MOST_DAYS * 24,
    )
    max_rows: int = setting(0, "rows after which a refresh stops, over all of its tables; 0: no limit", least=0)
    max_hours: float = setting(0.0, "hours after which a refresh stops at a chunk's end; 0: no limit", least=0)
    max_cost: float = setting(0.0, "cost by the prices at which a refresh stops at a chunk's end; 0: no limit", least=0)
    price_gpu_hour: float = setting(0.0, "price of a GPU for an hour, for costs and max_cost", least=0)
    price_core_hour: float = setting(0.0, "price of an executor's core for an hour", least=0)
    price_prompt_tokens: float = setting(0.0, "price of a million prompt tokens at an endpoint", least=0)
    price_output_tokens: float = setting(0.0, "price of a million tokens of answers at an endpoint", least=0)
    error_budget: float = setting(
        0.05, "largest share of failed requests before a run stops by itself", least=0, most=1
    )


def is_local(location: str) -> bool:
    """Say whether `location` is a path of this machine's file system."""
    return "://" not in location


def work_path(settings: Settings, *parts: str) -> str:
    """Return a path below the folder of a lake for files that a run needs only until its commit."""
    return "/".join((settings.lake, WORK, *parts))


def is_default_lake(settings: Settings) -> bool:
    """Say whether the lake is the default one, seen from a working directory without a configuration file."""
    return config_file() is None and settings.lake == Settings().lake
