"""One task's requests: keeps a window of them in flight, and sees to it that each row gets its answer or its status.

The feeder's event loop sends, retries and journals in a thread of its own; other threads read the input, look rows up in
the journal and count their tokens; the task itself takes finished rows from `Feeder.output`. No row waits for the slowest
of a batch. Memory is bounded by what is prepared, in flight and not yet taken by the task, and by what the
journal knew of rows still to come.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from recast.inference import bisection, exclusive, retry
from recast.inference.answers import ANSWERED, MAX_ERROR_CHARS, REQUEST_FAILED
from recast.inference.bisection import Death
from recast.inference.client import Client, EngineDied
from recast.inference.exclusive import EngineLock
from recast.inference.monitor import Monitor
from recast.inference.pending import Pending
from recast.inference.reader import PREPARED_ROWS, Prepared, prepared
from recast.inference.request import Request, RewriteSpec
from recast.inference.retry import Action, Failed
from recast.inference.rows import OUTPUT_LISTS, Rows
from recast.inference.server import metrics, runtime
from recast.inference.server.spec import EngineError
from recast.inference.threads import in_thread
from recast.inference.window import Pace, Window
from recast.schemas.answers import Answer

TICK_S = 0.25
# How often the engine's figures are read: while the window finds its size, and once it stays.
METRICS_EVERY_S = 1.0
METRICS_CALM_S = 8.0


@dataclass
class Work:
    """A task's requests by where they are; `delayed` counts those that wait for their next try."""

    backlog: deque[Request] = field(default_factory=deque)
    in_flight: dict[asyncio.Task[None], Request] = field(default_factory=dict)
    delayed: int = 0
    input_done: bool = False

    @property
    def others(self) -> bool:
        """Whether there are others beside a request in flight that failed and will be sent again."""
        return bool(self.backlog or len(self.in_flight) > 1)


class Feeder:
    """One task's requests. All state is of the event loop of one thread; `output` is what it says to the task.

    `output` carries lists of (row, answer), an exception, and None at the end.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], spec: RewriteSpec, bucket: int) -> None:
        """Prepare; `run`, in a thread of its own, starts to work."""
        self.client = Client(spec)
        self.rows = Rows(spec.error_budget)
        self.output = self.rows.output
        self.pace = Pace(Window(spec.window, self.client.own), spec.patience_s)
        self.monitor = Monitor(self.pace)
        self.pending = Pending(spec, bucket)
        self.work = Work()
        self.search = bisection.Search()
        self.lock: EngineLock | None = None
        self._input = prepared(batches, spec, bucket)
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._cancelled = False

    def run(self) -> None:
        """Feed until all is answered; whatever goes wrong goes to `output`."""
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as errors:
            self.output.put(errors.exceptions[0])
        except BaseException as error:
            self.output.put(error)
        self.output.put(None)

    def cancel(self) -> None:
        """Give up from another thread: nobody wants the rows any more."""
        self._cancelled = True
        if self._main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    async def _run(self) -> None:
        self._main = asyncio.current_task()
        if self._cancelled:
            return
        try:
            # The first task that raises ends all others, and this one.
            async with asyncio.TaskGroup() as self._tasks:
                background = (self._take_in(), self._tick(), self._flush_often(), self._follow())
                started = [self._tasks.create_task(each) for each in background]
                await self._feed()
                self.rows.flush()
                for task in started:
                    task.cancel()
        finally:
            self.work.in_flight.clear()
            with contextlib.suppress(Exception):  # what ended the task is the error to tell
                await self._flush()  # what was paid for is kept, whatever that was
            await self.client.close()
            if self.lock is not None:
                self.lock.close()

    # Input.

    async def _take_in(self) -> None:
        """Move input rows to the backlog, as far ahead as one window. Reading blocks a thread of its own, one list ahead."""
        ahead = self._tasks.create_task(in_thread(next, self._input, None))
        while (rows := await ahead) is not None:
            ahead = self._tasks.create_task(in_thread(next, self._input, None))
            for row in rows:
                self._accept(row)
            self._wake.set()
            while not self._has_room():
                self._room.clear()
                await self._room.wait()
        self.work.input_done = True
        self._wake.set()

    def _has_room(self) -> bool:
        """Tell whether more rows may be read: one window ahead, and no further than the task takes them."""
        return len(self.work.backlog) <= max(PREPARED_ROWS, int(self.pace.window.size)) and (
            self.output.qsize() < OUTPUT_LISTS
        )

    def _accept(self, item: Prepared) -> None:
        row, key, request, answer = item
        if answer is not None and answer.answer_status == ANSWERED:
            # Answered before this attempt: it counts for the error budget as if it had been answered now.
            self.rows.count(answer)
        answer = answer or self.rows.known.get(key)
        if answer is not None:
            self.rows.give(row, answer)
        elif self.rows.wait(key, row) and request is not None:
            if not (self.work.backlog or self.work.in_flight or self.work.delayed):
                self.pace.silent_since = time.monotonic()  # while there was nothing to ask no answer was due
            self.work.backlog.append(request)

    # Requests.

    async def _feed(self) -> None:
        """Send until input, backlog and engine are empty."""
        work, search = self.work, self.search
        while True:
            if search.suspects:
                innocent, apart = await search.sort_suspects()
                work.backlog.extendleft(reversed(innocent))
                if apart:
                    await self._ask_apart(apart)
                continue
            if work.backlog and search.accused(work.backlog[0]):
                if not work.in_flight:
                    await self._ask_apart([[work.backlog.popleft()]])
                    continue
            elif work.backlog:
                if self.client.engine is None:
                    await self._connect()
                self._send()
            elif self._ended():
                return
            await self._next_event()

    def _ended(self) -> bool:
        """Tell whether every row has its answer."""
        work = self.work
        return work.input_done and not (work.backlog or work.in_flight or work.delayed or self.search.suspects)

    async def _next_event(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _wake_in(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _connect(self) -> None:
        """Find or start the engine; nothing of this feeder is in flight meanwhile."""
        engine = await self.client.connect()
        if self.monitor.note_connected():
            await self._flush()  # a journal that cannot be written is found before anything is paid for
        if self.lock is None and self.client.own:
            self.lock = EngineLock(Path(engine.folder))

    def _send(self) -> None:
        """Fill the window from the backlog."""
        pause_s = self.pace.paused_until - time.monotonic()
        if self.pending.unwritable_since is not None:
            pause_s = max(pause_s, TICK_S)
        if pause_s > 0:
            self._wake_in(pause_s)
            return
        work, engine = self.work, self.client.engine
        while work.backlog and len(work.in_flight) < int(self.pace.window.size):
            if self.search.accused(work.backlog[0]):
                break  # it waits until nothing is in flight
            if self.lock is not None and not self.lock.share():
                self._wake_in(exclusive.POLL_S)
                break
            if not work.in_flight and (engine is None or runtime.gone(engine)):
                # It died while this feeder held no share: `_feed` finds the one in its place, and then takes its share again.
                self.client.engine = None
                if self.lock is not None:
                    self.lock.release()
                self._wake.set()
                break
            self._launch(work.backlog.popleft())
        if self._has_room():
            self._room.set()

    def _launch(self, request: Request) -> None:
        self.pace.sent_at = time.monotonic()
        self.work.in_flight[self._tasks.create_task(self._ask(request))] = request

    async def _ask(self, request: Request) -> None:
        """Ask one request and see to what comes of it."""
        sent_at = time.monotonic()
        try:
            answer = await self.client.ask(request)
        except EngineDied as died:
            self._call_in(reached=died.reached)
        except Failed as failed:
            self._retry(request, failed, sent_at)
        else:
            self._finish(request.key, answer)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self.work.in_flight.pop(task, None)
            if not self.work.in_flight and self.lock is not None:
                self.lock.release()
            self._wake.set()

    def _retry(self, request: Request, failed: Failed, sent_at: float) -> None:
        """Put a request back: at once behind a pause when the engine is busy, else after a while of its own."""
        pace, work, rule = self.pace, self.work, failed.rule
        paused = rule.action is Action.PAUSE
        paused = paused and not pace.refused_alone(request.key, len(work.in_flight), work.others)
        hangs = rule is retry.HUNG and not pace.answered and (work.others or work.delayed)
        if pace.silent(time.monotonic()) and ((paused and pace.pauses) or hangs):
            raise EngineError(f"nothing was answered for {pace.patience_s:.0f} s: {failed}")
        if paused:
            pace.pause(sent_at, failed.after_s)
            # At the back, so that others show whether it is the endpoint that refuses or this request that is refused.
            work.backlog.append(request)
            return
        request.tries += 1
        if request.tries >= rule.tries:
            label = self.client.engine.label if self.client.engine else None
            self._finish(request.key, Answer(None, REQUEST_FAILED, error=str(failed)[:MAX_ERROR_CHARS], engine=label))
            return
        work.delayed += 1
        asyncio.get_running_loop().call_later(retry.delay_s(request.tries, failed.after_s), self._resume, request)

    def _resume(self, request: Request) -> None:
        self.work.delayed -= 1
        self.work.backlog.append(request)
        self._wake.set()

    def _finish(self, key: str, answer: Answer) -> None:
        """Note a request's outcome for all rows that wait for it."""
        self.pace.refused.pop(key, None)
        self.search.clear(key)
        if answer.answer_status == ANSWERED:
            # A failure is not dear enough to be believed for ever: until the chunk's commit it is this attempt's alone.
            self.pending.add(key, answer)
            self.search.died_of.clear()
            self.pace.note_answer()
            if not self.client.own:
                self.pace.window.answered(len(self.work.in_flight))
        self.rows.finish(key, answer)

    # Death.

    def _call_in(self, silent: bool = False, reached: bool = True) -> None:
        """Call in everything that is in flight: each of them may be what killed the engine."""
        if self.client.engine is not None:
            self.search.death = Death(self.client.engine, silent, reached)
            self.client.engine = None
        current = asyncio.current_task()
        for task, request in list(self.work.in_flight.items()):
            self.search.suspects.append(request)
            if task is not current:
                task.cancel()
        self.work.in_flight.clear()
        self._wake.set()

    async def _ask_apart(self, apart: Sequence[list[Request]]) -> None:
        """Ask groups of requests one after another with nobody else in flight, those that kill in smaller and smaller ones."""
        if self.lock is None:
            await self._connect()
        assert self.lock is not None
        groups = deque(apart)
        async with self.lock.exclusive():
            while groups:
                if self.pending.unwritable_since is not None:
                    await asyncio.sleep(TICK_S)
                    continue
                if self.client.engine is None or runtime.gone(self.client.engine):
                    await self._connect()
                group = groups.popleft()
                for request in group:
                    self._launch(request)
                while self.work.in_flight:
                    await self._next_event()
                suspects = self.search.take_suspects()
                if len(group) > 1:
                    groups.extendleft(reversed(bisection.groups(suspects)))
                elif suspects:
                    await self._accuse(group[0])
        self._wake.set()

    async def _accuse(self, request: Request) -> None:
        """Give a request up that killed the engine too often while it was alone; else it goes behind all others that wait.

        Their answers show in between that the engine is a healthy one.
        """
        answer = await self.search.accuse(request)
        if answer is None:
            self.work.backlog.append(request)
        else:
            self._finish(request.key, answer)

    # Background.

    async def _tick(self) -> None:
        """Hand over what is ready, and see that something is answered. Raises EngineError where nothing is for too long."""
        while True:
            await asyncio.sleep(TICK_S)
            self.rows.flush()
            if self._has_room():
                self._room.set()
            # Several at once, and others waiting: a single long answer, or the last ones, get their whole time.
            now, in_flight = time.monotonic(), len(self.work.in_flight)
            stuck = self.work.backlog and in_flight > 1 and now - self.pace.sent_at > self.pace.patience_s
            if stuck and self.pace.silent(now):
                raise EngineError(f"nothing was answered for {self.pace.patience_s:.0f} s: {in_flight} requests hang")

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(self.client.spec.journal_flush_s)
            # Not cancelled at the end, when the last flush waits for it.
            await asyncio.shield(asyncio.create_task(self._flush()))

    async def _flush(self) -> None:
        """Write the report on the engine and the answers since the last flush to the journal."""
        report = partial(self.monitor.report, self.client.engine, len(self.work.in_flight), self._ended())
        await self.pending.flush(report)

    async def _follow(self) -> None:
        """Let the window follow an own engine, and declare one dead that has been silent for too long."""
        measured_at, every_s, size = time.monotonic(), METRICS_EVERY_S, self.pace.window.size
        while self.client.own:
            await asyncio.sleep(TICK_S)
            engine = self.client.engine
            if engine is None or not self.work.in_flight or time.monotonic() - measured_at < every_s:
                continue
            stays, size, measured_at = self.pace.window.size == size, self.pace.window.size, time.monotonic()
            every_s = min(2 * every_s, METRICS_CALM_S) if stays else METRICS_EVERY_S
            if self.monitor.note(await in_thread(metrics.load, engine), len(self.work.in_flight)):
                self._wake.set()
            elif self.client.engine is not None:
                self._call_in(silent=True)
