"""`python -m recast` is the command line."""

from recast.cli.main import main

if __name__ == "__main__":
    main(prog_name="recast")
