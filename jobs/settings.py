"""All settings of a run: those of the rooms below, and of stages the sources and the prompts."""

import functools
import sys
from dataclasses import dataclass, replace
from typing import Any

from recast import s3, settings
from recast.inference.settings import Settings as InferenceSettings
from recast.jobs.selection import Settings as Selection
from recast.lakehouse.settings import Settings as LakehouseSettings
from recast.lakehouse.settings import path_fault
from recast.settings import setting
from recast.udfs.contents.settings import Settings as ContentsSettings
from recast.udfs.contents.settings import contents_fault, table_of
from recast.udfs.settings import Settings as Thresholds


@dataclass(frozen=True)
class Settings(InferenceSettings, ContentsSettings, Thresholds, Selection, LakehouseSettings):
    """The settings of a run, besides those of its Spark session. Paths may be local or any URI that Spark can read."""

    code_source: str = setting(
        "",
        "The Stack v2, a row per repository or per file: a folder of Parquet or JSON lines, or a table (docs/sources.md)",
        place="source",
        check=path_fault,
    )
    code_contents: str = setting(
        "",
        "folder, s3:// or https:// with one gzip object per blob_id, or PLACE#COLUMN of a table (docs/contents.md)",
        place="location or column",
        check=contents_fault,
    )
    code_dataset: str = setting("bigcode/the-stack-v2-train-smol-ids", "name recorded as the code rows' source dataset")
    math_source: str = setting(
        "",
        "FineMath: a folder of Parquet or JSON lines, or a table (docs/sources.md)",
        place="source",
        check=path_fault,
    )
    math_dataset: str = setting(
        "HuggingFaceTB/finemath/finemath-4plus", "name recorded as the math rows' source dataset"
    )
    source_version: str = setting("", "version recorded for both sources; empty: the one found (docs/sources.md)")
    style_prompt: str = setting("style_code_v1", "prompt of styled_code")
    optimize_prompt: str = setting("optimize_code_v1", "prompt of optimized_code")
    math_prompt: str = setting("rewrite_math_v1", "prompt of rewritten_math")


def resolve(**given: Any) -> Settings:
    """Return the settings of a run, of which `given` are the strongest; where one lies in S3, clients are told the way there.

    A sample has a lake of its own beside the lake.

    Raises:
        UserError: as `recast.settings.resolve` says, or the environment names an endpoint of S3 that is none.
    """
    found = settings.resolve(Settings, given)
    stores = () if table_of(found.code_contents) else ("code_contents",)  # they have an endpoint of their own
    places = [value for name, value in vars(found).items() if isinstance(value, str) and name not in stores]
    if any(map(s3.is_s3, places)):
        s3.use(found.s3_endpoint, found.s3_region)
    return replace(found, lake=f"{found.lake}-sample-{found.sample}") if found.sample else found


@functools.cache
def tell_endpoints_file(endpoint: str) -> None:
    """Say on standard error, once, that the endpoint in use is one that the configuration file names, where it does."""
    if settings.from_file(Settings).get("endpoint") == endpoint:
        print(f"recast: the endpoint {endpoint} is from {settings.config_file()}", file=sys.stderr)
