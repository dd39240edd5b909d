"""`recast` and `python -m recast`: the command line."""

import os
import signal

from recast.exits import words_of
from recast.signals import heard


def main() -> None:
    """Run the command line. Around its commands, which do so themselves, a signal ends the program in one line, too."""
    for number in heard():
        signal.signal(number, end_at_once)
    from recast.cli.main import main as command_line

    command_line(prog_name="recast")


def end_at_once(number: int, _: object) -> None:
    """End the program, with the status that shells give a signal. Imports may swallow an exception, or show a trace of it."""
    status = 128 + number
    os.write(2, f"recast: {words_of(status)}\n".encode())
    os._exit(status)


if __name__ == "__main__":
    main()
