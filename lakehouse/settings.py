"""Every setting of Recast, in one flat frozen dataclass.

A setting is given, in this order of strength, as a command-line option (``--lint-threshold 6.5``), as an environment
variable (``RECAST_LINT_THRESHOLD=6.5``), in the file ``recast.toml`` of the working directory
(``lint_threshold = 6.5``; ``RECAST_CONFIG`` names another file) or by the default below. Platform settings (memory,
executors, credentials) are Spark's own and stay in ``spark-submit --conf``.
"""

import functools
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recast.urls import endpoint_fault

NOTHING: Mapping[str, str] = MappingProxyType({})
"""No settings of Spark besides those in Spark's own files."""


class UserError(Exception):
    """A mistake that the user can mend; the command line prints its one line and no trace."""


CONFIG_FILE = "recast.toml"
MOST_OF_ALL = 2**31 - 1  # what Spark, Arrow and servers take for a number
MAX_SHOWN_CHARS = 100
BESIDE = ("RECAST_CONFIG", "RECAST_TEST_LAKE", "RECAST_API_KEY")  # variables that are no settings
# Kubernetes sets these in every pod of a namespace with a service whose name begins with "recast".
OF_SERVICES = re.compile(r"RECAST_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?")
# What the configuration file may name as a key's variable: a file that lies in some folder must not have any secret sent.
KEY_VARIABLE = re.compile(r"RECAST_\w*|\w*_API_KEY")
LOCATIONS = ("lake", "code_source", "code_contents", "math_source")
LEAST = {
    "chunk_rows": 1,
    "max_tokens": 1,
    "answer_ratio": 0,
    "max_model_len": 0,
    "tensor_parallel": 1,
    "partitions": 0,
    "window": 0,
    "temperature": 0,
    "top_p": 0,
    "repetition_penalty": 0,
}
MOST = {"lint_threshold": 10}  # pylint's best score
SHARES = ("names_floor", "words_floor", "numbers_floor", "error_budget", "top_p")
# Spark reads these as patterns, and delta-rs cannot open a path that holds them.
UNREADABLE_CHARACTERS = "[]{}*?^|\\%"


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """The settings of a run, besides those of its Spark session. Paths may be local or any URI that Spark can read."""

    lake: str = _setting("data/lake", "folder or URI that holds every table")
    code_source: str = _setting("", "parquet folder in the schema of the-stack-v2-train-smol-ids")
    code_contents: str = _setting("", "folder or URI with one gzip object per blob_id")
    code_dataset: str = _setting(
        "bigcode/the-stack-v2-train-smol-ids", "name recorded as the code rows' source dataset"
    )
    math_source: str = _setting("", "parquet folder in the schema of FineMath-4+")
    math_dataset: str = _setting(
        "HuggingFaceTB/finemath/finemath-4plus", "name recorded as the math rows' source dataset"
    )
    source_version: str = _setting("", "version recorded for both sources; empty: a fingerprint of their file listing")

    lint_threshold: float = _setting(7.0, "lowest score after the comment penalty that is kept")
    names_floor: float = _setting(0.3, "smallest share of names that code keeps, or it is `unrelated`")
    words_floor: float = _setting(0.3, "smallest share of words that a page keeps, or it is `unrelated`")
    numbers_floor: float = _setting(0.3, "smallest share of its numbers that a page keeps, or it is `numbers_lost`")

    model: str = _setting("", "folder or hub name of the model that Recast serves itself")
    model_revision: str = _setting("", "revision of the model")
    endpoint: str = _setting("", "base URL of an OpenAI-compatible endpoint to ask instead of serving a model here")
    api_key_variable: str = _setting("RECAST_API_KEY", "environment variable that holds the endpoint's key")
    tokenizer: str = _setting("", "folder or hub name of the model's tokenizer; empty: the model's own, if served here")
    server: str = _setting("vllm", "program that serves a model here: vllm or sglang")
    engine_args: str = _setting("", "further arguments of the server, as on a shell's command line")
    max_model_len: int = _setting(0, "context in tokens; 0: the model's own")
    tensor_parallel: int = _setting(1, "GPUs that one server spans")
    style_prompt: str = _setting("style_code_v1", "prompt of styled_code")
    optimize_prompt: str = _setting("optimize_code_v1", "prompt of optimized_code")
    math_prompt: str = _setting("rewrite_math_v1", "prompt of rewritten_math")
    temperature: float = _setting(0.2, "sampling temperature (the recipe's 0.2)")
    top_p: float = _setting(0.7, "nucleus sampling (the recipe's 0.7)")
    repetition_penalty: float = _setting(1.0, "1.0 switches it off, as the recipe does")
    max_tokens: int = _setting(8192, "most tokens of an answer (the recipe's 8192)")
    answer_ratio: float = _setting(
        3.0, "an answer ends after 2,048 tokens and so many per token of its text; 0: only after max_tokens"
    )
    window: int = _setting(0, "requests in flight per task; 0: follow the engine's limits")
    error_budget: float = _setting(0.05, "largest share of failed requests before a run stops by itself")

    chunk_rows: int = _setting(100_000, "most rows that are measured, checked and committed together")
    partitions: int = _setting(
        0, "tasks that a chunk is spread over; 0: twice the cores, half of those that feed engines for a model stage"
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use.

        Raises:
            UserError: with one line that names the setting.
        """
        for name, type_ in setting_types().items():
            value = getattr(self, name)
            if type_ in (int, float) and not abs(value) <= MOST_OF_ALL:
                raise UserError(f"{name} is {str(value)[:MAX_SHOWN_CHARS]}; give a number up to {MOST_OF_ALL:,}")
            if type_ is str and not value.isprintable():
                raise UserError(f"{name} holds characters that cannot be printed: {value[:MAX_SHOWN_CHARS]!r}")
            if name in LEAST and value < LEAST[name]:
                raise UserError(f"{name} is {value}; give {LEAST[name]} or more")
            if name in MOST and value > MOST[name]:
                raise UserError(f"{name} is {value}; give {MOST[name]} or less")
            if name in SHARES and not 0 <= value <= 1:
                raise UserError(f"{name} is {value}; give a share between 0 and 1")
        if self.endpoint and (fault := endpoint_fault(self.endpoint)):
            raise UserError(fault)
        for name in LOCATIONS:
            if getattr(self, name):
                object.__setattr__(self, name, absolute(getattr(self, name)))
        for name in ("lake", "code_source", "math_source"):
            location = getattr(self, name)
            found = [character for character in UNREADABLE_CHARACTERS if character in location]
            if found and is_local(location):
                raise UserError(
                    f"{name} is {location}; give a path without {' '.join(found)}, which readers take otherwise"
                )

    def require(self, name: str) -> str:
        """Return a setting that has no default.

        Raises:
            UserError: it is not set.
        """
        value: str = getattr(self, name)
        if not value:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{name} is not set: give {option}, {environment_name(name)} or a line in {CONFIG_FILE}")
        return value


def absolute(location: str, folder: Path | None = None) -> str:
    """Return `location` as an absolute path, seen from `folder`, or untouched when it is a URI (``s3a://...``).

    A ``file:`` URI is the path that it names.
    """
    location = re.sub(r"^file:(//)?(?=/)", "", location)
    if "://" in location:
        return location.rstrip("/")
    return os.path.abspath((folder or Path()) / os.path.expanduser(location))


def is_local(location: str) -> bool:
    """Say whether `location` is a path of this machine's file system."""
    return "://" not in location


def environment_name(setting: str) -> str:
    """Return the environment variable of a setting: ``lint_threshold`` is ``RECAST_LINT_THRESHOLD``."""
    return f"RECAST_{setting.upper()}"


def is_default_lake(settings: Settings) -> bool:
    """Say whether the lake is the default one, seen from a working directory without a configuration file."""
    return config_file() is None and settings.lake == Settings().lake


def setting_types() -> dict[str, type[Any]]:
    """Return the type of every setting, by name."""
    return {each.name: type(each.default) for each in fields(Settings)}


def config_file() -> Path | None:
    """Return the configuration file that RECAST_CONFIG names, whether it exists or not, or else the working directory's."""
    named = os.environ.get("RECAST_CONFIG")
    file = Path(named or CONFIG_FILE)
    return file if named or file.exists() else None


def from_file() -> dict[str, Any]:
    """Return what the configuration file sets; paths in it are seen from its folder. No file sets nothing.

    Raises:
        UserError: the file is named but missing, is not TOML, or sets something that is no setting or no file's to set.
    """
    file = config_file()
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise UserError(f"cannot read {file}: {problem}") from None
    known = setting_types()
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{file} sets {name!r}, which is no setting; there are {', '.join(known)}")
        if type(value) is not known[name] and not (known[name] is float and type(value) is int):
            raise UserError(f"{file} sets {name} to {value!r}; give a {known[name].__name__}")
        if name == "api_key_variable" and not KEY_VARIABLE.fullmatch(value):
            raise UserError(
                f"{file} names {value!r} as the endpoint's key: a file may name RECAST_... and ..._API_KEY alone; "
                f"give any other as --api-key-variable or {environment_name(name)}"
            )
        is_folder = name in ("model", "tokenizer") and value and (file.parent / value).is_dir()
        if (name in LOCATIONS and value) or is_folder:
            values[name] = absolute(value, file.parent.absolute())
    return values


@functools.cache
def tell_endpoints_file(endpoint: str) -> None:
    """Say on standard error, once, that the endpoint in use is one that the configuration file names, where it does."""
    if from_file().get("endpoint") == endpoint:
        print(f"recast: the endpoint {endpoint} is from {config_file()}", file=sys.stderr)


def resolve(**given: Any) -> Settings:
    """Build settings from `given`, then the environment, then the configuration file, then the defaults.

    Raises:
        UserError: a value is not of its setting's type, or no run can use it, or a variable is no setting's.
    """
    values = from_file()
    for name, type_ in setting_types().items():
        variable = environment_name(name)
        if given.get(name) is not None:
            values[name] = given[name]
        elif os.environ.get(variable):
            try:
                values[name] = type_(os.environ[variable])
            except ValueError:
                raise UserError(f"{variable} is {os.environ[variable]!r}; give a {type_.__name__}") from None
    settings = Settings(**values)
    known = {*BESIDE, settings.api_key_variable, *map(environment_name, setting_types())}
    for variable in os.environ:
        is_ours = variable.startswith("RECAST_") and os.environ[variable] and not OF_SERVICES.fullmatch(variable)
        if is_ours and variable not in known:
            raise UserError(f"{variable} is no setting; `recast refresh --help` lists them")
    return settings
