"""Prints profiles of sources: what each holds, what would be taken and dropped, and what fetching costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from recast.cli.output import terminal
from recast.jobs.profiling import Profile
from recast.printable import printable
from recast.settings import UserError

SHOWN_KINDS = 6
SECONDS_PER_HOUR = 3600
UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3}
HEADINGS = {"language": "languages", "license_type": "licences", "detected_license": "detected"}


def show(profiles: Sequence[Profile], as_json: bool, requests_per_s: float) -> None:
    """Print a block per source or, with `as_json`, an object per source.

    Raises:
        UserError: the first fault of a source; the profiles of the others are printed.
    """
    for profile in profiles:
        if as_json:
            print(json.dumps(facts(profile, requests_per_s)))
        else:
            block(profile, requests_per_s)
    for profile in profiles:
        if profile.fault:
            raise UserError(profile.fault)


def facts(profile: Profile, requests_per_s: float) -> dict[str, Any]:
    """Return a profile as JSON holds it."""
    return {**asdict(profile), "hours": hours(profile, requests_per_s)}


def hours(profile: Profile, requests_per_s: float) -> float | None:
    """Return how long fetching takes at a rate; None where no rate was given."""
    return profile.fetch.requests / requests_per_s / SECONDS_PER_HOUR if requests_per_s else None


def block(profile: Profile, requests_per_s: float) -> None:
    """Print what is known of one source, a line each."""
    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in lines(profile, requests_per_s).items():
        if value:
            grid.add_row(name, Text(printable(value)))
    console = terminal()
    console.print(Text(printable(f"{profile.lane}: {profile.where}"), style="bold"))
    console.print(grid)
    console.print()


def lines(profile: Profile, requests_per_s: float) -> dict[str, str]:
    """Return what is printed of a profile, by the line's name; an empty line is left out."""
    said = {
        "form": ", ".join(filter(None, (profile.form, profile.layout))),
        "version": profile.version,
        "schema": "" if profile.fault else "fits",
        "fault": profile.fault,
        "files": "" if profile.files is None else f"{profile.files:,}, {size(profile.bytes or 0)}",
    }
    if profile.fault:
        return said
    took = hours(profile, requests_per_s)
    fetches = f"{profile.fetch.requests:,} requests, {size(profile.fetch.bytes)} before compression"
    at = "" if took is None else f", {took:,.1f} hours at {requests_per_s:g} requests/s"
    return {
        **said,
        "rows": f"{profile.rows:,}",
        "repositories": "" if profile.repositories is None else f"{profile.repositories:,}",
        **{HEADINGS[name]: most(kinds) for name, kinds in profile.counts.items()},
        "takes": f"{profile.takes:,} documents",
        "drops": most({reason: count for reason, count in profile.drops.items() if count}),
        "fetches": fetches + at if profile.lane == "code" else "nothing",
    }


def most(kinds: Mapping[str, int]) -> str:
    """Return the first counts in a line, and how many there are beside them."""
    shown = [f"{kind or 'none'} {count:,}" for kind, count in list(kinds.items())[:SHOWN_KINDS]]
    left = len(kinds) - len(shown)
    return ", ".join([*shown, f"{left:,} more"] if left else shown)


def size(number: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    unit = next((unit for unit, least in UNITS.items() if number >= least), None)
    return f"{number / UNITS[unit]:,.1f} {unit}" if unit else f"{number:,} bytes"
