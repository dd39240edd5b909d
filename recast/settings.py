"""How rooms declare their settings, and how all are read and checked: options, the environment, recast.toml, defaults.

A setting is given, in this order of strength, as a command-line option (``--lint-threshold 6.5``), as an environment
variable (``RECAST_LINT_THRESHOLD=6.5``), in the file ``recast.toml`` of the working directory
(``lint_threshold = 6.5``; ``RECAST_CONFIG`` names another file) or by its default.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from recast.exits import BUSY, USER_ERROR

CONFIG_FILE = "recast.toml"
MOST_OF_ALL = 2**31 - 1  # what Spark, Arrow and servers take for a number
MAX_SHOWN_CHARS = 100
BESIDE = ("RECAST_CONFIG", "RECAST_TEST_LAKE", "RECAST_API_KEY")  # variables that are no settings
# Kubernetes sets these in every pod of a namespace with a service whose name begins with "recast".
# Two or more parts, each a word or quoted as Spark quotes it, and perhaps the number of a version.
TABLE_NAME = re.compile(r"(\w+|`[^`/]+`)(\.(\w+|`[^`/]+`))+(@\d+)?")
OF_SERVICES = re.compile(r"RECAST_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?")


class UserError(Exception):
    """A mistake that the user can mend; the command line prints its one line and no trace.

    Attributes:
        runs: rows of `runs` of the tables that a refresh brought up to date before.
    """

    exit_status = USER_ERROR
    runs: Sequence[Any] = ()


class BusyError(UserError):
    """Another run holds what is needed."""

    exit_status = BUSY


def setting(
    default: Any,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    place: Literal["", "location", "source", "location or column", "folder or name"] = "",
    check: Callable[[str, str], str | None] = lambda name, value: None,
    file_check: Callable[[str], str | None] = lambda value: None,
) -> Any:
    """Declare a setting of a group; its type is that of `default`.

    Args:
        default: its value where nobody gives one.
        text: what it is, with its unit.
        least, most: its bounds, both included; a share has both.
        place: a `location` is a folder or URI and made absolute, a `source` unless it is the name of a table, a
            `location or column` unless it is that of a table with ``#COLUMN`` behind it, a `folder or name` only where the
            configuration file names a folder.
        check: says what is wrong with a value that is not empty, given the setting's name; None where nothing is.
        file_check: says so of a value that the configuration file must not give.
    """
    rules = {"least": least, "most": most, "place": place, "check": check, "file_check": file_check}
    return field(default=default, metadata={"help": text, **rules})


@dataclass(frozen=True)
class Group:
    """Settings of a room, or of several: a class that inherits from their groups has the settings of all."""

    def __post_init__(self) -> None:
        """Make locations absolute and refuse values that no run can use.

        Raises:
            UserError: with one line that names the setting.
        """
        for each in fields(self):
            name, value = each.name, getattr(self, each.name)
            if not isinstance(value, str):
                if isinstance(each.default, float) and isinstance(value, int):
                    object.__setattr__(self, name, float(value))  # 0 and 0.0 are one setting, and one fingerprint
                if fault := _number_fault(value, each.metadata["least"], each.metadata["most"]):
                    raise UserError(f"{name} is {str(value)[:MAX_SHOWN_CHARS]}; {fault}")
                continue
            if not value.isprintable():
                raise UserError(f"{name} holds characters that cannot be printed: {value[:MAX_SHOWN_CHARS]!r}")
            if value and is_location(each.metadata["place"], value):
                value = absolute(value)
                object.__setattr__(self, name, value)
            if value and (fault := each.metadata["check"](name, value)):
                raise UserError(fault)

    def require(self, name: str) -> str:
        """Return a setting that has no default.

        Raises:
            UserError: it is not set.
        """
        value: str = getattr(self, name)
        if not value:
            raise UserError(
                f"{name} is not set: give {ways_to_give(name)[0]}, {ways_to_give(name)[1]} or a line in {CONFIG_FILE}"
            )
        return value


Settings = TypeVar("Settings", bound=Group)


def resolve(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """Build settings from `given`, then the environment, then the configuration file, then the defaults.

    Raises:
        UserError: a value is not of its setting's type, or no run can use it, or a variable is no setting's.
    """
    values = from_file(kind)
    for name, type_ in types_of(kind).items():
        variable = environment_name(name)
        if given.get(name) is not None:
            values[name] = given[name]
        elif os.environ.get(variable):
            try:
                values[name] = yes_or_no(os.environ[variable]) if type_ is bool else type_(os.environ[variable])
            except ValueError:
                wanted = "true or false" if type_ is bool else f"a {type_.__name__}"
                raise UserError(f"{variable} is {os.environ[variable]!r}; give {wanted}") from None
    settings = kind(**values)
    named = {value for value in vars(settings).values() if isinstance(value, str)}  # as a key's variable, for instance
    known = {*BESIDE, *named, *map(environment_name, types_of(kind))}
    for variable in os.environ:
        is_ours = variable.startswith("RECAST_") and os.environ[variable] and not OF_SERVICES.fullmatch(variable)
        if is_ours and variable not in known:
            raise UserError(f"{variable} is no setting; `recast refresh --help` lists them")
    return settings


def yes_or_no(word: str) -> bool:
    """Return what a word says, as the command line reads it. Raises ValueError for any other."""
    if (said := word.strip().lower()) in ("true", "1", "yes", "on"):
        return True
    if said in ("false", "0", "no", "off"):
        return False
    raise ValueError(word)


def from_file(kind: type[Group]) -> dict[str, Any]:
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
    known, rules = types_of(kind), {each.name: each.metadata for each in fields(kind)}
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{file} sets {name!r}, which is no setting; there are {', '.join(known)}")
        if type(value) is not known[name] and not (known[name] is float and type(value) is int):
            raise UserError(f"{file} sets {name} to {value!r}; give a {known[name].__name__}")
        if fault := rules[name]["file_check"](value):
            raise UserError(f"{file} {fault}; give any other as {' or '.join(ways_to_give(name))}")
        place = rules[name]["place"]
        if value and is_location(place, value, file.parent):
            values[name] = absolute(value, file.parent.absolute())
    return values


def config_file() -> Path | None:
    """Return the configuration file that RECAST_CONFIG names, whether it exists or not, or else the working directory's."""
    named = os.environ.get("RECAST_CONFIG")
    file = Path(named or CONFIG_FILE)
    return file if named or file.exists() else None


def types_of(kind: type[Group]) -> dict[str, type[Any]]:
    """Return the type of every setting, by name."""
    return {each.name: type(each.default) for each in fields(kind)}


def environment_name(name: str) -> str:
    """Return the environment variable of a setting: ``lint_threshold`` is ``RECAST_LINT_THRESHOLD``."""
    return f"RECAST_{name.upper()}"


def ways_to_give(name: str) -> tuple[str, str]:
    """Return the option and the environment variable of a setting."""
    return f"--{name.replace('_', '-')}", environment_name(name)


def is_location(place: str, value: str, folder: Path | None = None) -> bool:
    """Say whether the value of a setting with such a `place` is a folder or URI; relative ones are seen from `folder`."""
    if place == "folder or name":
        return folder is not None and (folder / value).is_dir()
    if place == "location or column":
        table, sign, _ = value.rpartition("#")
        return not sign or os.path.isdir(Path(folder or "", value)) or is_location("source", table, folder)
    return place == "location" or (
        place == "source" and not (is_table_name(value) and not Path(folder or "", value).exists())
    )


def is_table_name(value: str) -> bool:
    """Say whether a source is named as a table of the session's catalogue: ``catalog.database.table``, ``database.table@7``."""
    return TABLE_NAME.fullmatch(value) is not None


def absolute(location: str, folder: Path | None = None) -> str:
    """Return `location` as an absolute path, seen from `folder`, or untouched when it is a URI (``s3a://...``).

    A ``file:`` URI is the path that it names.
    """
    location = re.sub(r"^file:(//)?(?=/)", "", location)
    if "://" in location:
        return location.rstrip("/")
    return os.path.abspath((folder or Path()) / os.path.expanduser(location))


def _number_fault(value: float, least: float | None, most: float | None) -> str:
    """Return what to give instead of a number, "" where it is within its bounds."""
    if not abs(value) <= MOST_OF_ALL:
        return f"give a number up to {MOST_OF_ALL:,}"
    if (least is None or least <= value) and (most is None or value <= most):
        return ""
    if least is not None and most is not None:
        return f"give a {'share' if most <= 1 else 'number'} between {least} and {most:,}"
    return f"give {least} or more" if most is None else f"give {most} or less"
