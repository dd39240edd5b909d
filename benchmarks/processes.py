"""Reads the processes of this machine from Linux' /proc: their parents and the processor time they took."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One process as /proc shows it."""

    pid: int
    parent: int
    command: str


def stats() -> dict[int, list[str]]:
    """Return what /proc/PID/stat says of every process, from its state on (proc(5)), zombies included."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(file.parent.name)] = file.read_text("latin-1").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
    return found


def descendants(pid: int, parents: dict[int, int]) -> set[int]:
    """Return the pids of all below `pid`; `parents` has the parent of every process."""
    family = {pid}
    while grown := {each for each, parent in parents.items() if parent in family} - family:
        family |= grown
    return family - {pid}


def processes() -> dict[int, Process]:
    """Return every process that has not ended, by pid."""
    found = {}
    for pid, (state, parent, *_) in stats().items():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if state not in "ZX":
            found[pid] = Process(pid, int(parent), command)
    return found


def below(pid: int) -> Iterator[Process]:
    """Yield a process's descendants."""
    everything = processes()
    yield from (everything[each] for each in descendants(pid, {p: each.parent for p, each in everything.items()}))


def cpu_seconds(without: str = "") -> float:
    """Return the processor time of this process and all below it; an engine is not below whoever started it.

    Left out are those whose command line has `without` in it.
    """
    found = stats()
    own = os.getpid()
    family = {own, *descendants(own, {pid: int(fields[1]) for pid, fields in found.items()})}
    if without:
        family -= {pid for pid, process in processes().items() if without in process.command}
    # Each one's own, and that of children that ended; a zombie's is nobody else's yet.
    ticks = sum(int(field) for pid in family & found.keys() for field in found[pid][11:15])
    return ticks / os.sysconf("SC_CLK_TCK")
