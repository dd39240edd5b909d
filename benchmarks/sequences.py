"""Random nights against clean runs: `python -m benchmarks.sequences [--sequences N] [--steps N] [--first SEED] [--lane LANE]`.

Each sequence (tests/jobs/sequences.py) changes a source, prompts and a threshold, takes documents down and lifts that,
makes releases and rolls back, breaks runs off before and after commits, maintains, purges and refreshes, as Hypothesis draws it
by its seed. After each step nothing that counts as taken down may be shown, and after a purge no byte of it be left. Its lake
must end in the tables of one clean run over the final state, and a second refresh must find nothing to do. The steps of one that
failed go to stderr. Prints one JSON line:

    lane                of which tables
    sequences, steps    how many were run, and steps in all
    by_step             how often each step was taken
    failed              seeds that ended otherwise, with the first line of what was found
    seconds             wall-clock seconds of all of them
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from recast.lakehouse import session, sizes
from tests.jobs.lanes import Model, serve
from tests.jobs.sequences import LANES, run_sequence


def main() -> None:
    """Run the sequences and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=100)
    parser.add_argument("--steps", type=int, default=8, help="steps of each sequence")
    parser.add_argument("--lane", choices=LANES, default="math")
    parser.add_argument(
        "--first", type=int, default=100, help="seed of the first sequence; the next has the next number"
    )
    given = parser.parse_args()
    model = Model()
    url, end = serve(model)
    taken: Counter[str] = Counter()
    failed: dict[int, str] = {}
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="sequences-") as root,
        session.application("sequences", Path(root, "spark.log"), rows=sizes.OPTIMISED_FROM_ROWS),  # it runs for hours
    ):
        for seed in range(given.first, given.first + given.sequences):
            began = time.monotonic()
            with tempfile.TemporaryDirectory(dir=root) as folder:
                steps: list[str] = []
                try:
                    steps = run_sequence(given.lane, seed, given.steps, Path(folder), (model, url))
                except Exception as problem:  # the others still run
                    failed[seed] = f"{type(problem).__name__}: {problem}".partition("\n")[0][:500]
                    print(*getattr(problem, "__notes__", ()), sep="\n", file=sys.stderr)
            taken.update(steps)
            print(f"{seed}: {time.monotonic() - began:.0f} s", *steps, failed.get(seed, ""), sep=", ", file=sys.stderr)
    end()
    found = {
        "lane": given.lane,
        "sequences": given.sequences,
        "steps": sum(taken.values()),
        "by_step": dict(taken),
        "failed": failed,
    }
    print(json.dumps({**found, "seconds": round(time.monotonic() - started)}))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
