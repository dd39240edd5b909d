"""The processes of this machine as Linux' /proc shows them: who is below whom, and the processor time they took."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One process as /proc shows it."""

    pid: int
    parent: int
    command: str


def processes() -> dict[int, Process]:
    """Return every process by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            state, parent = (folder / "stat").read_text("latin-1").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            found[int(folder.name)] = Process(int(folder.name), int(parent), command)
    return found


def below(pid: int) -> Iterator[Process]:
    """Yield a process's descendants."""
    everything = processes()
    ancestors = {pid}
    grown = True
    while grown:
        new = {each.pid for each in everything.values() if each.parent in ancestors} - ancestors
        ancestors |= new
        grown = bool(new)
    yield from (everything[each] for each in ancestors - {pid} if each in everything)


def cpu_seconds() -> float:
    """Return the processor time of this process and all below it; an engine is not below whoever started it."""
    total = 0
    for pid in [os.getpid(), *(each.pid for each in below(os.getpid()))]:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])  # its own and that of children that ended (proc(5))
    return total / os.sysconf("SC_CLK_TCK")
