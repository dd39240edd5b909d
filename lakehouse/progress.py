"""What a run shows while it works: a live line per stage on a terminal, plain lines elsewhere; and where time went."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakehouse.ledger import Run

PLAIN_EVERY_S = 15.0
LIVE_EVERY_S = 0.5
LAST_S = 60.0


class Seen(NamedTuple):
    """What is done of the chunks that are not committed yet, and how many requests engines run and keep waiting."""

    rows: float = 0.0
    output_tokens: int = 0
    running: int = 0
    waiting: int = 0


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
        self._rows = self._committed = self._committed_tokens = 0
        self._tokens_at: deque[tuple[float, int]] = deque()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Show on a terminal that Spark starts; elsewhere the first line is Spark's own (`lakehouse.executors.words`)."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("starting Spark"):
            yield

    def say(self, words: str) -> None:
        """Print a line."""
        self.console.print(words, style="dim", highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def stage(self, run: Run, watch: Callable[[], Seen] = Seen) -> Iterator[None]:
        """Show one stage. `watch` looks at what is under way; it is called from a thread, about twice a second."""
        self.job_group = f"{run['table_name']}:{run['run_id']}"
        self._started, self._steps = time.monotonic(), defaultdict[str, float](float)
        self._rows, self._committed, self._step, self._watch = 0, 0, "plan", watch
        # What killed runs left counts as there from the beginning.
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

    def committed(self, rows: int, output_tokens: int = 0) -> None:
        """Say that `rows` more rows are committed, with the tokens of what this run asked for them."""
        self._committed += rows
        self._committed_tokens += output_tokens

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
        done = min(self._committed + seen.rows, self._rows)
        if not done:
            return self._step
        rate = done / elapsed
        words = [self._step, f"{done:,.0f} of {self._rows:,} rows", f"{rate:,.1f} rows/s", *self._tokens(seen, elapsed)]
        if done < self._rows:
            words.append(f"{(self._rows - done) / rate:,.0f} s left")
        return ", ".join(words)

    def _tokens(self, seen: Seen, elapsed: float) -> list[str]:
        """Return tokens per second over the stage and its last minute, and what the engines are at."""
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
    if run["status"] != "succeeded":  # its problem is told by whoever started the run
        return f"[red]✗[/red] {run['table_name']} failed after {run['seconds']:.1f} s"
    words = [f"{run['rows_in']:,} rows", f"{run['rows_kept']:,} kept"]
    if run["rows_removed"]:
        words.append(f"{run['rows_removed']:,} removed")
    if run["model_requests"]:
        words.append(f"{run['model_requests']:,} requests, {run['output_tokens']:,} tokens")
    return f"[green]✓[/green] {run['table_name']}: {', '.join(words)} in {run['seconds']:.1f} s"
