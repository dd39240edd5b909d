"""How commands end: the exit status of every outcome, which a scheduler may rely on (docs/schedules.md)."""

from collections.abc import Sequence
from typing import Any

DONE = 0
FAILED = 1
USER_ERROR = 2  # as click itself exits for an unknown option
GATE_FAILED = 3
STOPPED = 4
PARTIAL = 5
BUSY = 6
NOTHING_TO_DO = 10
INTERRUPTED = 130  # as shells say it of a process that Ctrl-C ended
TERMINATED = 143  # and of one that SIGTERM ended

MEANINGS = {
    DONE: "done; also where there was nothing to do, unless `--detailed-exit-code` is given",
    FAILED: "the first stage with work failed, or the program has a fault; a purge that proves nothing",
    USER_ERROR: "a mistake that the user can mend: an option, a setting, a missing table or program; also a plan "
    "of a refresh that would stop so",
    GATE_FAILED: "an expectation of a table failed, or too many requests did; the chunk was not committed",
    STOPPED: "a limit was reached (`--max-rows`, `--max-hours`, `--max-cost`); the same command goes on from there",
    PARTIAL: "a stage failed after others of the run were committed",
    BUSY: "another run holds a table, or writes one that is read; the message says which and since when",
    NOTHING_TO_DO: "nothing to do, with `--detailed-exit-code`",
    INTERRUPTED: "interrupted (Ctrl-C); the same command goes on from there",
    TERMINATED: "terminated (SIGTERM); the same command goes on from there",
}

BY_SIGNAL = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}
"""What is said of a command, and of a run, that a signal ended."""


class Signalled(KeyboardInterrupt):
    """A signal came. Python ends with another status over a plain KeyboardInterrupt that has passed through `exec`.

    Attributes:
        runs: rows of `runs` of the stages that were done.
    """

    runs: Sequence[Any] = ()


class Interrupted(Signalled):
    """Ctrl-C came."""


class Terminated(Signalled):
    """SIGTERM came, of which all comes that comes of Ctrl-C, but for the status."""


def words_of(status: int) -> str:
    """Return what a command says that a signal ends, of which INTERRUPTED or TERMINATED is the status."""
    return f"{BY_SIGNAL[status]}; what was committed stays, and the same command goes on from there"


def status_of(problem: BaseException) -> int:
    """Return the exit status of a command that ends with this error. An error says its own as `exit_status`."""
    if isinstance(problem, KeyboardInterrupt):
        return TERMINATED if isinstance(problem, Terminated) else INTERRUPTED
    if isinstance(problem, ModuleNotFoundError):
        return USER_ERROR
    if isinstance(problem, SystemExit):
        return problem.code if isinstance(problem.code, int) else FAILED if problem.code else DONE
    return int(getattr(problem, "exit_status", FAILED))
