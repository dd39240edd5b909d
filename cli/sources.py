"""Prints profiles of sources: what each holds, what would be taken and dropped, and what fetching costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from recast.cli.output import terminal
from recast.jobs.profiling import Profile
from recast.jobs.settings import Settings
from recast.printable import printable
from recast.settings import UserError

SHOWN_KINDS = 6
SECONDS_PER_HOUR = 3600
MILLION = 1_000_000
UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3}
HEADINGS = {"language": "languages", "license_type": "licences", "detected_license": "detected"}


def show(profiles: Sequence[Profile], as_json: bool, settings: Settings) -> None:
    """Print a block per source or, with `as_json`, an object per source.

    Raises:
        UserError: the first fault of a source; the profiles of the others are printed.
    """
    for profile in profiles:
        if as_json:
            print(json.dumps(facts(profile, settings)))
        else:
            block(profile, settings)
    for profile in profiles:
        if profile.fault:
            raise UserError(profile.fault)


def facts(profile: Profile, settings: Settings) -> dict[str, Any]:
    """Return a profile as JSON holds it."""
    return {**asdict(profile), "hours": hours(profile, settings), "cost": cost(profile, settings)}


def hours(profile: Profile, settings: Settings) -> float:
    """Return how long fetching takes at least, at the rates of the settings; 0 where they set none."""
    rates = (
        (profile.fetch.requests, settings.fetch_requests_per_s),
        (profile.fetch.bytes, settings.fetch_bytes_per_s),
    )
    return max((number / rate / SECONDS_PER_HOUR for number, rate in rates if rate), default=0.0)


def cost(profile: Profile, settings: Settings) -> float:
    """Return what fetching costs at most, at the prices of the settings: objects are smaller than what they hold."""
    of_requests = profile.fetch.requests / MILLION * settings.price_requests
    return of_requests + profile.fetch.bytes / UNITS["GB"] * settings.price_gb


def block(profile: Profile, settings: Settings) -> None:
    """Print what is known of one source, a line each."""
    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in lines(profile, settings).items():
        if value:
            grid.add_row(name, Text(printable(value)))
    console = terminal()
    console.print(Text(printable(f"{profile.lane}: {profile.where}"), style="bold"))
    console.print(grid)
    console.print()


def lines(profile: Profile, settings: Settings) -> dict[str, str]:
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
    fetches = f"{profile.fetch.requests:,} requests, {size(profile.fetch.bytes)} before compression"
    if took := hours(profile, settings):
        rates = ((settings.fetch_requests_per_s, "requests"), (settings.fetch_bytes_per_s, "bytes"))
        fetches += f", {took:,.1f} hours at {' and '.join(f'{rate:,.16g} {what}/s' for rate, what in rates if rate)}"
    if price := cost(profile, settings):
        fetches += f", costs at most {price:,.2f}"
    return {
        **said,
        "rows": f"{profile.rows:,}",
        "repositories": "" if profile.repositories is None else f"{profile.repositories:,}",
        **{HEADINGS[name]: most(kinds) for name, kinds in profile.counts.items()},
        "takes": f"{profile.takes:,} documents",
        "drops": most({reason: count for reason, count in profile.drops.items() if count}),
        "fetches": fetches if profile.lane == "code" else "nothing",
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
