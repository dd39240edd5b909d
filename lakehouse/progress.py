"""What a run shows while it works: a live line per stage on a terminal, plain lines elsewhere; and where time went."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakehouse.ledger import Run

PLAIN_EVERY_S = 15.0
LIVE_EVERY_S = 0.5


class Seen(NamedTuple):
    """What is done of the chunks that are not committed yet."""

    rows: float = 0.0
    output_tokens: int = 0


class Meter:
    """Times a run's stages and steps, and shows them.

    One meter serves a whole refresh: it is the only object with state there, because a terminal has only one screen.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Show on `console`; on standard error by default, since standard output belongs to results."""
        self.console = console or Console(stderr=True)
        self.job_group = ""
        self._watch: Callable[[], Seen] = Seen
        self._started, self._steps, self._step = time.monotonic(), defaultdict[str, float](float), "start"
        self._rows = self._committed = 0

    @contextmanager
    def stage(self, run: Run, watch: Callable[[], Seen] = Seen) -> Iterator[None]:
        """Show one stage. `watch` looks at what is under way; it is called from a thread, about twice a second."""
        self.job_group = f"{run['table_name']}:{run['run_id']}"
        self._started, self._steps = time.monotonic(), defaultdict[str, float](float)
        self._rows, self._committed, self._step, self._watch = 0, 0, "plan", watch
        over = threading.Event()
        shown = threading.Thread(target=self._show, args=(run["table_name"], over), daemon=True)
        shown.start()
        try:
            yield
        finally:
            over.set()
            shown.join()
            self.console.print(summary(run), highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the block's wall-clock time as spent on step `name`."""
        started, self._step = time.monotonic(), name
        try:
            yield
        finally:
            self._steps[name] += time.monotonic() - started

    def expect(self, rows: int) -> None:
        """Say how many rows the stage will write."""
        self._rows = rows

    @property
    def rows_left(self) -> int:
        """Rows that are not committed yet."""
        return self._rows - self._committed

    def committed(self, rows: int) -> None:
        """Say that `rows` more rows are committed."""
        self._committed += rows

    def close_books(self, run: Run) -> None:
        """Write the seconds spent so far into the run's row."""
        run["seconds"] = time.monotonic() - self._started
        run["seconds_by_step"] = dict(self._steps)

    def show_where_time_went(self, runs: Sequence[Run], start_s: float) -> None:
        """Print the seconds of a whole refresh by step, the largest first; `start_s` were Spark's to start."""
        steps = defaultdict[str, float](float, {"start": start_s})
        for run in runs:
            for name, seconds in run["seconds_by_step"].items():
                steps[name] += seconds
        shown = sorted(steps.items(), key=lambda step: -step[1])
        words = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in shown)
        self.console.print(f"where time went: {words}", highlight=False, soft_wrap=True)

    def _show(self, name: str, over: threading.Event) -> None:
        if self.console.is_terminal:
            self._show_live(name, over)
        else:
            while not over.wait(PLAIN_EVERY_S):
                self.console.print(f"{name}: {self._words()}", highlight=False, soft_wrap=True)

    def _show_live(self, name: str, over: threading.Event) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(name, total=None, words="")
            while not over.wait(LIVE_EVERY_S):
                seen = self._watch()
                progress.update(
                    task, total=self._rows or None, completed=self._committed + seen.rows, words=self._words(seen)
                )

    def _words(self, seen: Seen | None = None) -> str:
        seen = seen or self._watch()
        elapsed = time.monotonic() - self._started
        done = self._committed + seen.rows
        if not self._rows or not done:
            return self._step
        rate = done / elapsed
        words = [self._step, f"{done:,.0f} of {self._rows:,} rows", f"{rate:,.1f} rows/s"]
        if seen.output_tokens:
            words.append(f"{seen.output_tokens / elapsed:,.0f} tokens/s")
        if done < self._rows:
            words.append(f"{(self._rows - done) / rate:,.0f} s left")
        return ", ".join(words)


def summary(run: Run) -> str:
    """Return what a finished stage did, in one line."""
    if run["status"] != "succeeded":  # its problem is told by whoever started the run
        return f"[red]✗[/red] {run['table_name']} failed after {run['seconds']:.1f} s"
    words = [f"{run['rows_in']:,} rows", f"{run['rows_kept']:,} kept"]
    if run["rows_removed"]:
        words.append(f"{run['rows_removed']:,} removed")
    if run["model_requests"]:
        words.append(f"{run['model_requests']:,} requests, {run['output_tokens']:,} tokens")
    return f"[green]✓[/green] {run['table_name']}: {', '.join(words)} in {run['seconds']:.1f} s"
