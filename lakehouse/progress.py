"""Shows a run while it works: a live line per stage on a terminal, plain lines elsewhere, and time per step at the end.

Plain lines begin with the time of day in UTC, since they end up in the logs of scheduled runs.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from recast.lakehouse.ledger import Run
from recast.printable import printable

PLAIN_EVERY_S = 15.0
LIVE_EVERY_S = 0.5
LAST_S = 60.0
MEASURE = "measure"  # this step is shown by the phases that the stage names


class Seen(NamedTuple):
    """What is done of the chunks that are not committed yet, and how many requests engines run and keep waiting.

    `phase` says what is done to the rows; `rows` are those that this phase has finished.
    """

    rows: float = 0.0
    output_tokens: int = 0
    running: int = 0
    waiting: int = 0
    phase: str = MEASURE


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
        self.chunks = self._rows = self._committed = self._committed_tokens = 0
        self._measured_from, self._moved, self._ends_at = self._started, ("", 0.0), 0.0
        self._tokens_at: deque[tuple[float, int]] = deque()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Show on a terminal that Spark starts; elsewhere the run's first line says so when it is done."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("starting Spark"):
            yield

    def say(self, words: str) -> None:
        """Print a line."""
        self._print(escape(printable(words)), style="dim")

    def _print(self, words: str, style: str | None = None) -> None:
        at = "" if self.console.is_terminal else f"{datetime.now(UTC):%H:%M:%S} "
        self.console.print(f"{at}{words}", style=style, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, run: Run, watch: Callable[[], Seen] = Seen) -> Iterator[None]:
        """Show one stage. `watch` looks at what is under way; it is called from a thread, about twice a second."""
        self.job_group = f"{run['table_name']}:{run['run_id']}"
        self._started, self._steps = time.monotonic(), defaultdict[str, float](float)
        self._rows, self._committed, self.chunks, self._step, self._watch = 0, 0, 0, "plan", watch
        self._measured_from, self._moved, self._ends_at = self._started, ("", 0.0), 0.0
        # Rows that killed runs left count as finished from the beginning.
        self._committed_tokens = -watch().output_tokens
        self._tokens_at.clear()
        over = threading.Event()
        shown = threading.Thread(target=self._show, args=(run["table_name"], over), daemon=True)
        shown.start()
        try:
            yield
        finally:
            over.set()
            shown.join()
            self._print(summary(run))

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
        self._rows, self._measured_from = rows, time.monotonic()

    def committed(self, rows: int, output_tokens: int = 0) -> None:
        """Say that a chunk of `rows` rows is committed, with the tokens of what this run asked for them."""
        self.chunks += 1
        self._committed += rows
        self._committed_tokens += output_tokens

    def record_seconds(self, run: Run) -> None:
        """Write the seconds spent so far into the run's row."""
        run["seconds"] = time.monotonic() - self._started
        run["seconds_by_step"] = dict(self._steps)

    def show_where_time_went(self, runs: Sequence[Run], start_s: float) -> None:
        """Print the seconds of a whole refresh by step, the largest first; Spark took `start_s` to start."""
        steps = defaultdict[str, float](float, {"start": start_s})
        for run in runs:
            for name, seconds in run["seconds_by_step"].items():
                steps[name] += seconds
        shown = sorted(steps.items(), key=lambda step: -step[1])
        words = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in shown)
        self._print(f"where time went: {words}")

    def _show(self, name: str, over: threading.Event) -> None:
        if self.console.is_terminal:
            self._show_live(name, over)
        else:
            while not over.wait(PLAIN_EVERY_S):
                self._print(f"{name}: {escape(self._words())}")

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
        phase = seen.phase if self._step == MEASURE else self._step
        if not self._rows:
            return phase
        now = time.monotonic()
        done = min(self._committed + seen.rows, self._rows)
        words = [phase, f"{done:,.0f} of {self._rows:,} rows"]
        if 0 < done < self._rows:
            words.append(f"{done / max(now - self._measured_from, 1e-3):,.1f} rows/s")
        words += self._tokens(seen, now - self._started)
        left = self._left(seen.phase, done, now)
        return ", ".join([*words, f"{left:,.0f} s left"] if left > 0 else words)

    def _left(self, phase: str, done: float, now: float) -> float:
        """Return the seconds that are left at the rate so far, 0 where it is not known.

        Rows come in batches. Between two batches the expected end stays the same, so that the time left goes down.
        """
        if (phase, done) != self._moved:
            self._moved = (phase, done)
            self._ends_at = now + (self._rows - done) * (now - self._measured_from) / done if done else 0.0
        return self._ends_at - now

    def _tokens(self, seen: Seen, elapsed: float) -> list[str]:
        """Return tokens per second over the stage and its last minute, and the requests that run and wait in the engines."""
        now, tokens = time.monotonic(), self._committed_tokens + seen.output_tokens
        self._tokens_at.append((now, tokens))
        while self._tokens_at[0][0] < now - LAST_S:
            self._tokens_at.popleft()
        if tokens <= 0:
            return []
        words = f"{tokens / elapsed:,.0f} tokens/s"
        then, tokens_then = self._tokens_at[0]
        if elapsed > LAST_S:
            words += f" ({max(0, tokens - tokens_then) / max(now - then, 1.0):,.0f} in the last minute)"
        return [words, f"{seen.running} requests running, {seen.waiting} waiting"]


def summary(run: Run) -> str:
    """Return what a finished stage did, in one line."""
    if run["status"] == "stopped":
        return (
            f"[yellow]■[/yellow] {run['table_name']}: {run['rows_in']:,} rows, then stopped, in {run['seconds']:.1f} s"
        )
    if run["status"] == "interrupted":
        return f"[yellow]■[/yellow] {run['table_name']}: {run['problem']} after {run['seconds']:.1f} s"
    if run["status"] != "succeeded":  # the caller prints the problem
        return f"[red]✗[/red] {run['table_name']} failed after {run['seconds']:.1f} s"
    words = [f"{run['rows_in']:,} rows", f"{run['rows_kept']:,} kept"]
    if run["rows_removed"]:
        words.append(f"{run['rows_removed']:,} removed")
    if run["model_requests"]:
        words.append(f"{run['model_requests']:,} requests, {run['output_tokens']:,} tokens")
    return f"[green]✓[/green] {run['table_name']}: {', '.join(words)} in {run['seconds']:.1f} s"
