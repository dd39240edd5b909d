"""What a statement may do: it reads the files of the lake and nothing else, whoever wrote it."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable

import duckdb

from recast.lakehouse import lease
from recast.lakehouse.settings import is_local

SPILLED = ".duckdb-"
"""How the folder begins for what does not fit into memory. DuckDB deletes it, unless it is killed."""
REFUSED = (
    "tables are only read here, by one SELECT, DESCRIBE, EXPLAIN, SHOW, SUMMARIZE or PIVOT, and other files not at all; "
    "--unsafe lifts this"
)


def confine(connection: duckdb.DuckDBPyConnection, folder: str, scratch: str = "", linked: Iterable[str] = ()) -> None:
    """Let a connection read the files below `folder` and the tables that it knows, and nothing else, for good.

    What does not fit into memory goes into a folder below `scratch`, which is `folder` itself where nothing is given.
    `linked` are the folders to which links in it lead: DuckDB looks at where a file is, not at what it is called.
    As https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview says.
    """
    scratch = scratch or folder
    local = [each for each in (folder, scratch, *linked) if is_local(each)]
    folders = [quoted(f"{each}/") for each in dict.fromkeys((*local, *map(os.path.realpath, local)))]
    if is_local(scratch):
        # DuckDB's own choice is `.tmp` in the working directory, which it may read.
        connection.execute(f"SET temp_directory = {quoted(f'{scratch}/{spilled_by(os.getpid())}')}")
    for setting, value in {
        "allowed_directories": f"[{', '.join(folders)}]",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",  # a name may not stand for a variable of this program
        "enable_external_access": "false",
        "lock_configuration": "true",
    }.items():
        connection.execute(f"SET {setting} = {value}")


def machine() -> str:
    """Return a short name of this machine and container since its last start; empty where nothing tells it apart."""
    named = lease.machine()
    return named and hashlib.sha256(named.encode()).hexdigest()[:8]


def spilled_by(process: int) -> str:
    """Return the name of the folder for what does not fit into the memory of a process of this machine."""
    return f"{SPILLED}{machine()}-{process}-{lease.started(process)}"


def is_left_behind(folder: str) -> bool | None:
    """Say whether the process has ended that made such a folder; None where that cannot be known, as on another machine."""
    named = re.fullmatch(r"(\w+)-(\d+)-(\d*)", folder.removeprefix(SPILLED))
    return lease.has_ended(int(named[2]), named[3]) if named and named[1] == machine() else None


def quoted(text: str) -> str:
    """Return `text` as a string of SQL."""
    return "'{}'".format(text.replace("'", "''"))


def only_reads(statement: duckdb.Statement) -> bool:
    """Say whether a statement is a query, or asks how a query would run: ``EXPLAIN ANALYZE COPY`` copies."""
    words = statement.query.encode()
    try:
        kind = str(statement.type.name)
    except ValueError:  # one that the library has no name for
        return False
    if kind == "MULTI":  # how the parser takes a PIVOT apart that must look at its rows first, even one inside a COPY
        return re.match(rb"(pivot|select|from)\b", words.lower()) is not None
    if kind != "EXPLAIN":
        return kind == "SELECT"  # DESCRIBE, SHOW, SUMMARIZE, FROM, WITH and VALUES are SELECT to the parser
    for start, _ in duckdb.tokenize(statement.query)[1:]:
        # What is explained stands at the end, behind EXPLAIN and its options, which are no statement.
        with contextlib.suppress(duckdb.Error):
            return all(map(only_reads, duckdb.extract_statements(words[start:].decode())))
    return False
