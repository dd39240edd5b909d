"""Ingesting: `python -m benchmarks.ingest [--files N] [--only PART ...]` prints one JSON line with the figures of its parts."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from benchmarks import ingest_fetching

PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"fetching": ingest_fetching.figures}
"""What is measured, by name: a function of a number of files that returns figures by name."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="files that are ingested")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part alone")
    options = parser.parse_args()
    found: dict[str, Any] = {"files": options.files}
    for name in options.only or PARTS:
        found |= PARTS[name](options.files)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
