"""The names that a user may give to a command: lanes and tables. Importing it is cheap; the stages take seconds."""

from collections.abc import Iterable

from recast.schemas import TABLES
from recast.settings import UserError

LANES = {"code": "published_code", "math": "published_math"}
"""Each lane, and its last table: a lane is that table and all that it is made from."""


def check_names(names: Iterable[str]) -> None:
    """Refuse what is neither a lane nor a table that a stage makes.

    Importing the stages takes seconds; a misspelt name is refused before that.

    Raises:
        UserError: a name is neither.
    """
    known = [*LANES, *(name for name, table in TABLES.items() if table.reasons)]
    for name in names:
        if name not in known:
            raise UserError(f"there is no lane or table {name!r}; there are {', '.join(known)}")
