"""Ingesting: `python -m benchmarks.ingest [--files N] [--listed N] [--only PART]` prints one JSON line with its parts' figures.

`fetching` gets objects from a local store (benchmarks/ingest_fetching.py), `listing` reads millions of listed files
(benchmarks/listing.py); each says what its figures are. The second builds a table of its documents, which takes minutes.
"""

import argparse
import json

from benchmarks import ingest_fetching, listing

PARTS = {"fetching": ingest_fetching.figures, "listing": listing.measure}
"""What is measured, by name: a function of a number of files that returns figures by name."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="files that are fetched")
    parser.add_argument("--listed", type=int, default=5_000_000, help="file rows of the listing")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part alone")
    options = parser.parse_args()
    sizes = {"fetching": options.files, "listing": options.listed}
    found = {name: value for part in options.only or PARTS for name, value in PARTS[part](sizes[part]).items()}
    print(json.dumps({**found, "files": options.files, "listed": options.listed}))


if __name__ == "__main__":
    main()
