"""Runs `recast refresh` as a task of Databricks, which takes any call of `sys.exit` for a failure, even that with 0."""

import sys

from recast import exits
from recast.cli.main import main

NO_FAILURES = (exits.DONE, exits.STOPPED, exits.NOTHING_TO_DO)


def run(arguments: list[str]) -> None:
    """Run the command.

    Raises:
        RuntimeError: it failed; its own line, above, says why.
    """
    try:
        main.main(["refresh", *arguments], standalone_mode=False)
    except SystemExit as ended:
        if ended.code not in NO_FAILURES:
            raise RuntimeError(f"recast refresh ended with status {ended.code}") from None


if __name__ == "__main__":
    run(sys.argv[1:])
