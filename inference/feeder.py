"""One task's requests: keeps a window of them in flight and deals with whatever becomes of each.

Three threads: the reader takes rows from the input, looks them up in the journal and counts their tokens; the feeder's
event loop sends, retries and journals; the task itself takes finished rows from `Feeder.output`. Nothing ever waits for
the slowest of a batch. When the own engine dies, what was in flight is asked again in smaller company until the request
that kills it is alone (`recast.inference.company` keeps other tasks out meanwhile); only one that did so several times is given up.

Memory is bounded by what is prepared, in flight and not yet taken by the task, and by what the journal knew of rows
still to come; an answer is kept only where several rows waited for it, so that more may come. While the journal cannot
be written nothing new is sent, so that a full disk costs no more than a kill does.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import queue
import random
import re
import socket
import threading
import time
from collections import Counter as Counts
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pyarrow as pa

from recast.inference import exchange, journal, telemetry
from recast.inference.answers import (
    ANSWERED,
    CRASHED,
    EMPTY_INPUT,
    FAILED_STATUSES,
    JOURNAL_FIELDS,
    MAX_ERROR_CHARS,
    POISON,
    REQUEST_FAILED,
    TOO_LONG,
    Answer,
    ErrorBudgetError,
    answer_columns,
    budget_words,
    clearly_over_budget,
    error_words,
    read_answer,
    retry_after_s,
    size,
)
from recast.inference.company import POLL_S, Company
from recast.inference.exchange import ResponseError
from recast.inference.journal import JournalError
from recast.inference.request import Counter, Request, RewriteSpec, body
from recast.inference.server import engine as engines
from recast.inference.server.engine import Engine, EngineError, Load
from recast.inference.tokenizer import LONGEST_TOKEN_CHARS

logger = logging.getLogger(__name__)

HOST = socket.gethostname()

OWN_START_WINDOW = 32
OWN_MAX_WINDOW = 1024
ENDPOINT_START_WINDOW = 8
ENDPOINT_MAX_WINDOW = 256
MAX_TRIES = 5
# A request without an answer in all of its time is asked once more and no oftener, since each such try takes an hour.
HUNG_TRIES = 2
# A request is refused for its own sake where so many others passed since, for each that was refused, too. An endpoint
# that is merely busy refuses its share of all; at this share five refusals in turn befall one request in 100,000.
OTHERS_PASS = 10
# After a death the requests that were in flight come back in groups of one eighth, then one sixty-fourth, ...: a
# restart costs minutes, so few deaths matter more than many requests at once.
COMPANY_DIVISOR = 8
# A request is poison after three deaths of healthy engines that had it alone, others being answered in between where there
# are any. A death by somebody else's signal counts half: whoever preempts GPUs or restarts servers blames nobody, but a
# killer outside the kernel that watches memory may well mean this request, so that the search must end.
DEATH, DEATH_FROM_OUTSIDE, POISONOUS = 2, 1, 6
# An engine that died of so many different requests in a row, each alone, and answered nothing in between is at fault itself.
FAULTY_DEATHS = 8
TICK_S = 0.25
# How often the engine is asked how it is: while the window finds its size, and up to how seldom once it stays.
METRICS_EVERY_S = 1.0
METRICS_CALM_S = 8.0
# Finished rows go to the task in lists of so many rows or bytes; while so many lists lie there nothing more is read.
OUTPUT_ROWS = 64
OUTPUT_BYTES = 16 << 20
OUTPUT_LISTS = 16
# Answers of so many characters go into one segment of the journal; Arrow holds 2 GiB of a column in one piece.
SEGMENT_CHARS = 64 << 20
# A response may be as long as its tokens, were each the longest one, and what else belongs to it; but never this long.
RESPONSE_EXTRA_BYTES = 1 << 20
MAX_RESPONSE_BYTES = 256 << 20
# 256 files of the corpus take about 2 MB, text and source text.
LARGE_BATCH_BYTES = 4 << 20
PREPARED_ROWS = 32
PREPARED_SLICES = 4
# A request's own failures are retried after 0.5, 2, 8 and 32 s, a refusal pauses the whole feeder likewise.
RETRY_FIRST_S = 0.5
RETRY_FACTOR = 4.0
RETRY_MAX_S = 60.0
# A journal that cannot be written for so long ends the task.
JOURNAL_PATIENCE_S = 60.0
JOURNAL_ADVICE = "Make room and run again: what was answered before is kept"
# vLLM closes idle connections after 5 s; a client that reuses one at that moment reads a closed connection.
KEEPALIVE_S = 3.0

# The last is OpenAI's, with status 429, about a request that alone passes the limit of tokens per minute.
_TOO_LONG_WORDS = re.compile(
    r"context length|context_length|maximum context|max_model_len|prompt is too long|request too large", re.I
)

# OpenAI: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
_LIMIT_NAME_WORDS = re.compile(r"\bmax_completion_tokens\b", re.I)
# OpenAI's words about a parameter or a value of it, and those of servers that check bodies against a schema (pydantic).
_UNSUPPORTED_WORDS = re.compile(
    r"unsupported|not supported|does not support|unrecognized|unknown|unexpected|not permitted|forbidden",
    re.I,
)


class Prepared(NamedTuple):
    """An input row, a batch of one, with its request, or with its answer where nothing needs to be asked."""

    row: pa.RecordBatch
    key: str
    request: Request | None
    answer: Answer | None


class _Died(Exception):  # noqa: N818 an event, not an error
    """The own engine died while a request was in flight; `sent` is false where the request had not reached it."""

    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class Death(NamedTuple):
    """The end of an own engine: which one, whether it was declared dead for its silence, and whether a request reached it."""

    engine: Engine
    silent: bool
    sent: bool


class _Again(Exception):  # noqa: N818 likewise
    """A request failed in a way that may pass.

    `after_s` is what the endpoint asked for; `busy` means slow down, `hung` that no answer came.
    """

    def __init__(self, words: str, busy: bool = False, after_s: float = 0.0, hung: bool = False) -> None:
        super().__init__(words)
        self.busy = busy
        self.after_s = after_s
        self.hung = hung


class Refusal(NamedTuple):
    """How things stood when a request was first refused: answers so far, requests in flight, requests ever refused.

    `answered_last` are the answers when it was last refused.
    """

    answered: int
    in_flight: int
    refused: int
    answered_last: int


class Window:
    """How many requests may be in flight: follows an own engine's queue, or what an endpoint lets pass."""

    def __init__(self, fixed: int, own: bool) -> None:
        """Start small unless the window is fixed."""
        self.fixed = bool(fixed)
        self.most = fixed or (OWN_MAX_WINDOW if own else ENDPOINT_MAX_WINDOW)
        self.size = float(fixed or (OWN_START_WINDOW if own else ENDPOINT_START_WINDOW))
        self._cut_at = 0.0

    def follow(self, running: int, waiting: int, in_flight: int) -> None:
        """Adapt to an own engine: double while it takes all that is sent, shrink while much of it only waits.

        A fixed window only comes back to its size after a cut.
        """
        if waiting == 0 and in_flight >= int(self.size):
            self.size = min(self.size * 2, self.most)
        elif self.fixed:
            return
        elif waiting > max(8, running):
            self.size = max(self.size * 0.8, OWN_START_WINDOW)

    def answered(self, in_flight: int) -> None:
        """Grow by about one for a whole window of answers, as long as the window is what limits (an endpoint)."""
        if in_flight + 1 >= int(self.size):
            self.size = min(self.size + 1 / self.size, self.most)

    def cut(self, sent_at: float) -> bool:
        """Halve after a refusal, once for all the requests that were sent before the last cut; tell whether it was."""
        if sent_at < self._cut_at:
            return False
        self.size = max(1.0, self.size / 2)
        self._cut_at = time.monotonic()
        return True


def groups(suspects: Sequence[Request]) -> list[list[Request]]:
    """Return suspects in smaller company: eight groups in the order they were sent, the last ones alone if few."""
    size = max(1, -(-len(suspects) // COMPANY_DIVISOR)) if len(suspects) > COMPANY_DIVISOR else 1
    return [list(suspects[start : start + size]) for start in range(0, len(suspects), size)]


class Feeder:
    """One task's requests: all state lives in the event loop of one thread; `output` is what it says to the task.

    `output` carries lists of (row, answer), an exception, and None at the end.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], spec: RewriteSpec, bucket: int) -> None:
        """Prepare; `run`, in a thread of its own, starts to work."""
        self.spec = spec
        self.output: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._batches = batches
        self._bucket = bucket
        self._own = not spec.engine.endpoint
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._cancelled = threading.Event()
        self._limit_name = "max_tokens"
        self._known: dict[str, Answer] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._backlog: deque[Request] = deque()
        self._delayed = 0
        self._in_flight: dict[asyncio.Task[None], Request] = {}
        self._suspects: list[Request] = []
        self._death: Death | None = None
        self._bystanders: set[str] = set()  # were in flight when somebody ended the engine
        self._blame: Counts[str] = Counts()  # weights of the deaths that a request was alone at
        self._died_of: set[str] = set()  # accused for the first time since the last answer
        self._ready: list[tuple[pa.RecordBatch, Answer]] = []
        self._ready_bytes = 0
        self._to_journal: list[tuple[str, Answer]] = []
        self._unwritable_since: float | None = None
        self._input_done = False
        self._counter: Counter | None = None
        self._failure: Exception | None = None
        self._engine: Engine | None = None
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._company: Company | None = None
        self._health: asyncio.Task[str] | None = None
        self._flush: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._window = Window(spec.window, self._own)
        self._paused_until = self._silent_since = self._sent_at = self._healthy_at = 0.0
        self._refusals = 0
        self._refused: dict[str, Refusal] = {}
        self._ever_refused = 0
        self._answered = self._finished = self._failed = 0
        self._last_error: str | None = None
        self._load: Load | None = None
        self._since = 0.0
        if spec.journal:
            folder = journal.bucket_folder(spec.journal, spec.fingerprint, spec.journal_buckets)
            self._journal: journal.Writer | None = journal.Writer(folder, bucket)
        else:
            self._journal = None

    # The thread's two ends.

    def run(self) -> None:
        """Feed until all is answered; whatever goes wrong goes to `output`."""
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.output.put(error)
        self.output.put(None)

    def cancel(self) -> None:
        """Give up from another thread: nobody wants the rows any more."""
        self._cancelled.set()
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(main.cancel)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._wake, self._low, self._journal_lock = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._prepared: asyncio.Queue[list[Prepared] | Exception | None] = asyncio.Queue(PREPARED_SLICES)
        if self._cancelled.is_set():
            return
        threading.Thread(target=self._read, name="recast-reader", daemon=True).start()
        background = [asyncio.create_task(self._tick()), asyncio.create_task(self._take_in())]
        for task in background:
            task.add_done_callback(self._background_ended)
        try:
            await self._feed()
            self._flush_rows()
        finally:
            for task in [*background, *self._in_flight]:
                task.cancel()
            await asyncio.gather(*background, *self._in_flight, return_exceptions=True)
            self._in_flight.clear()
            await self._flush_journal()  # what was paid for is kept, whatever ended the task
            if self._session is not None:
                await self._session.close()
            if self._company is not None:
                self._company.close()
            self._cancelled.set()

    # Input: read, look up, count. `_read` runs in its own thread and touches nothing but the queue.

    def _read(self) -> None:
        try:
            known = self._recall()
            for batch in self._batches:
                large = batch.nbytes > LARGE_BATCH_BYTES
                for start in range(0, batch.num_rows, PREPARED_ROWS):
                    if self._cancelled.is_set():
                        return
                    places = range(start, min(start + PREPARED_ROWS, batch.num_rows))
                    self._hand_over([self._prepare(batch.slice(place, 1), known, large) for place in places])
            self._hand_over(None)
        except BaseException as error:  # also a panic of a library in Rust, which is no Exception
            self._hand_over(error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}"))

    def _prepare(self, row: pa.RecordBatch, known: dict[str, Answer], large: bool) -> Prepared:
        """Turn an input row into a request, or into the answer that makes one needless.

        A row is a slice, which keeps its whole batch in memory until the answer comes; that of a `large` batch is copied.
        """
        text, key = (row.column(name)[0].as_py() for name in ("text", "input_hash"))
        if text is None:
            return Prepared(row, "", None, Answer(None, EMPTY_INPUT))
        key = key or hashlib.sha256(text.encode()).hexdigest()
        if (answer := known.pop(key, None)) is not None:
            return Prepared(row, key, None, answer)
        self._counter = self._counter or Counter(self.spec)
        try:
            outcome = self._counter.request(key, text)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a tokenizer that fails at a text, or panics, costs that row alone
            outcome = Answer(None, CRASHED, error=f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARS])
        if isinstance(outcome, Answer):
            return Prepared(row, key, None, outcome)
        return Prepared(row.take(pa.array([0])) if large else row, key, outcome, None)

    def _recall(self) -> dict[str, Answer]:
        """Return what the journals know for this task's bucket: answers. That a request failed is never believed."""
        known: dict[str, Answer] = {}
        if self._journal is None:
            return known
        place = (self.spec.journal, self.spec.fingerprint, self.spec.journal_buckets, self._bucket)
        for segment in journal.recall(*place, JOURNAL_FIELDS):
            columns = [segment.column(name).to_pylist() for name in JOURNAL_FIELDS.names]
            for key, *values in zip(*columns, strict=True):
                answer = Answer(*values)
                if answer.answer_status == ANSWERED:
                    known.setdefault(key, answer)
        return known

    def _hand_over(self, item: Any) -> None:
        """Put an item on the loop's queue and wait for room; returns at once when the task was given up."""
        assert self._loop is not None
        if self._cancelled.is_set():
            return
        try:
            future = asyncio.run_coroutine_threadsafe(self._prepared.put(item), self._loop)
        except RuntimeError:
            return  # the loop is closed
        while not self._cancelled.is_set():
            try:
                future.result(timeout=1.0)
                return
            except TimeoutError:
                continue
            except Exception:
                return

    async def _take_in(self) -> None:
        """Move prepared rows to the backlog, as far ahead as one window."""
        while (item := await self._prepared.get()) is not None:
            if isinstance(item, Exception):
                self._fail(item)
                return
            for prepared in item:
                self._accept(prepared)
            self._wake.set()
            while not self._room():
                self._low.clear()
                await self._low.wait()
        self._input_done = True
        self._wake.set()

    def _room(self) -> bool:
        """Tell whether more rows may be read: one window ahead, and no further than the task takes them."""
        return len(self._backlog) <= max(PREPARED_ROWS, int(self._window.size)) and self.output.qsize() < OUTPUT_LISTS

    def _accept(self, prepared: Prepared) -> None:
        row, key, request, answer = prepared
        if answer is not None and answer.answer_status == ANSWERED:
            # Answered before this attempt: it counts for the error budget as if it had been answered now.
            self._count(answer)
        answer = answer or self._known.get(key)
        if answer is not None:
            self._give(row, answer)
        elif key in self._waiting:
            self._waiting[key].append(row)
        elif request is not None:
            self._waiting[key] = [row]
            if not (self._backlog or self._in_flight or self._delayed):
                self._silent_since = time.monotonic()  # while there was nothing to ask no answer was due
            self._backlog.append(request)

    # Requests.

    async def _feed(self) -> None:
        """Send until input, backlog and engine are empty."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._suspects:
                await self._after_death()
                continue
            if self._backlog and self._accused(self._backlog[0]):
                if not self._in_flight:
                    await self._ask_apart([[self._backlog.popleft()]])
                    continue
            elif self._backlog:
                if self._engine is None:
                    await self._connect()
                self._send()
            elif self._ended():
                return
            await self._next_event()

    def _ended(self) -> bool:
        """Tell whether every row has its answer."""
        to_come = self._backlog or self._in_flight or self._delayed or self._suspects
        return self._input_done and not to_come

    async def _next_event(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _wake_in(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _connect(self) -> None:
        """Find or start the engine; nothing of this feeder is in flight meanwhile."""
        self._engine = await _in_thread(engines.connect, self.spec.engine)
        self._healthy_at = self._silent_since = time.monotonic()
        if not self._since:
            self._since = time.time()
            await self._flush_journal()  # a journal that cannot be written is found before anything is paid for
        if self._company is None and self._own:
            self._company = Company(Path(self._engine.folder))
        if self._session is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(self._engine.socket, limit=0, keepalive_timeout=KEEPALIVE_S)
                if self._engine.socket
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
            )
            timeout = aiohttp.ClientTimeout(total=self.spec.request_timeout_s, sock_connect=30.0)
            # Not with trust_env, which would send what ~/.netrc says. A Unix socket has no proxy.
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
            self._proxy = None if self._own else exchange.proxy_of(self._engine.base_url)

    def _send(self) -> None:
        """Fill the window from the backlog."""
        pause_s = self._paused_until - time.monotonic()
        if self._unwritable_since is not None:
            pause_s = max(pause_s, TICK_S)
        if pause_s > 0:
            self._wake_in(pause_s)
            return
        while self._backlog and len(self._in_flight) < int(self._window.size):
            if self._accused(self._backlog[0]):
                break  # it waits until nothing is in flight
            if self._company is not None and not self._company.enter():
                self._wake_in(POLL_S)
                break
            if not self._in_flight and (self._engine is None or engines.gone(self._engine)):
                # It died while this feeder was out: `_feed` finds the one in its place, and then comes in again.
                self._engine = None
                if self._company is not None:
                    self._company.leave()
                self._wake.set()
                break
            self._launch(self._backlog.popleft())
        if self._room():
            self._low.set()

    def _launch(self, request: Request) -> None:
        self._sent_at = time.monotonic()
        self._in_flight[asyncio.create_task(self._ask(request))] = request

    async def _ask(self, request: Request) -> None:
        """Ask one request and see to what comes of it."""
        sent_at = time.monotonic()
        try:
            answer = await self._exchange(request)
        except _Died as died:
            self._died(sent=died.sent)
        except _Again as again:
            self._retry(request, again, sent_at)
        except Exception as error:
            self._fail(error)
        else:
            self._finish(request.key, answer)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._in_flight.pop(task, None)
            if not self._in_flight and self._company is not None:
                self._company.leave()
            self._wake.set()

    async def _exchange(self, request: Request) -> Answer:
        """Send one request; return its answer or the status that it alone deserves, else raise _Again or _Died."""
        assert self._session is not None and self._engine is not None
        engine, sent_at, sent_as = self._engine, time.monotonic(), self._limit_name
        url = f"{engine.base_url}/chat/completions"
        try:
            status, content, retry_after = await self._post(url, request)
        except ResponseError as error:
            return Answer(None, REQUEST_FAILED, error=str(error)[:MAX_ERROR_CHARS], engine=engine.label)
        except (aiohttp.ClientError, OSError) as error:
            words = engines.without_key(self.spec.engine, exchange.words(error, self.spec.request_timeout_s))
            if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                return await self._trouble(words, busy=True, sent=False)
            return await self._trouble(words, hung=isinstance(error, TimeoutError))
        if status == 200:
            prompt_chars = len(self.spec.system) + len(request.user)
            seconds = time.monotonic() - sent_at
            answer = read_answer(content, engine.label, seconds, request.max_tokens, prompt_chars)
            return answer or await self._trouble(f"a response without an answer: {self._words(content)}")
        words = f"{status}: {self._words(content)}"
        if status == 401:
            raise EngineError(f"{engine.base_url} refused the key: {words}")
        if status == 413 or _TOO_LONG_WORDS.search(words):
            guessed = self._counter is not None and not self._counter.exact
            if guessed and status != 413 and request.max_tokens > self.spec.answer_floor:
                # What is left of the context was a guess: the answer gets less of it before the request is given up.
                request.max_tokens = max(request.max_tokens // 2, self.spec.answer_floor)
                return await self._exchange(request)
            return Answer(None, TOO_LONG, error=words, engine=engine.label)
        if status in (400, 422) and self._refuses_parameters(words, sent_as):
            return await self._exchange(request)
        if status in (429, 503):
            return await self._trouble(words, busy=True, after_s=retry_after_s(retry_after))
        if status in (408, 409, 425) or status >= 500:
            return await self._trouble(words)
        return Answer(None, REQUEST_FAILED, error=words, engine=engine.label)

    def _words(self, content: str) -> str:
        """Return what a response says that holds no answer, without the key, however short that is."""
        return engines.without_key(self.spec.engine, error_words(content))

    async def _post(self, url: str, request: Request) -> exchange.Response:
        """Return what the engine answers to a request, without the key; raise as `exchange.receive` does."""
        assert self._session is not None
        spec = self.spec.engine
        longest = self._counter.longest_token_chars if self._counter else LONGEST_TOKEN_CHARS
        most = request.max_tokens * longest + RESPONSE_EXTRA_BYTES
        sent = self._session.post(
            url, json=self._body(request), headers=engines.headers(spec), proxy=self._proxy, allow_redirects=False
        )
        async with sent as response:
            return await exchange.receive(response, min(most, MAX_RESPONSE_BYTES), partial(engines.without_key, spec))

    def _body(self, request: Request) -> dict[str, Any]:
        """Return the JSON body of a request, its limit under the name that the endpoint takes."""
        content = body(self.spec, request)
        if self._limit_name not in content:
            content[self._limit_name] = content.pop("max_tokens")
        return content

    def _refuses_parameters(self, words: str, sent_as: str) -> bool:
        """Tell whether a request that was refused should be sent again, its limit under the other name.

        Raises EngineError where the endpoint takes a sampling parameter not at all or not with this value: nothing sent
        with it will be answered. An endpoint that has answered takes them all, so its words are then about the request.
        """
        if sent_as != self._limit_name:
            return True  # under way when the endpoint said it about another
        if self._own or self._answered:
            return False
        unsupported = _UNSUPPORTED_WORDS.search(words)
        if sent_as == "max_tokens" and (_LIMIT_NAME_WORDS.search(words) or (unsupported and "max_tokens" in words)):
            self._limit_name = "max_completion_tokens"
            logger.warning("the endpoint wants max_completion_tokens in place of max_tokens")
            return True
        named = re.search(r"\b(temperature|top_p|repetition_penalty)\b", words)
        if named and unsupported:
            value = getattr(self.spec, named[1])
            advice = f"Give the setting {named[1]} a value that it takes"
            raise EngineError(f"{self.spec.engine.endpoint} refuses {named[1]}={value}: {words}. {advice}")
        return False

    async def _trouble(
        self, words: str, busy: bool = False, after_s: float = 0.0, hung: bool = False, sent: bool = True
    ) -> Answer:
        """Raise _Died where the own engine is dead, else _Again."""
        if self._own and await self._state() == engines.DEAD:
            raise _Died(sent)
        raise _Again(words, busy, after_s, hung)

    async def _state(self) -> str:
        """Ask once, however many requests want to know, how the own engine is."""
        if self._health is None or self._health.done():
            assert self._engine is not None
            self._health = asyncio.create_task(_in_thread(engines.state, self._engine))
        return await asyncio.shield(self._health)

    def _retry(self, request: Request, again: _Again, sent_at: float) -> None:
        """Put a request back: at once behind a pause when the engine is busy, else after a while of its own."""
        now = time.monotonic()
        busy = again.busy and not self._alone_refused(request, now)
        others = self._backlog or self._delayed or len(self._in_flight) > 1
        if self._silent(now) and ((busy and self._refusals) or (again.hung and not self._answered and others)):
            self._fail(EngineError(f"nothing was answered for {self.spec.patience_s:.0f} s: {again}"))
        if busy:
            if not self._refusals:
                self._silent_since = now  # patience with refusals begins with the first of them
            if self._window.cut(sent_at):
                pause_s = again.after_s or min(RETRY_FIRST_S * RETRY_FACTOR**self._refusals, RETRY_MAX_S)
                self._paused_until = max(self._paused_until, now + pause_s)
                self._refusals += 1
            # At the back, so that others show whether it is the endpoint that refuses or this request that is refused.
            self._backlog.append(request)
            return
        request.tries += 1
        if request.tries >= (HUNG_TRIES if again.hung else MAX_TRIES):
            label = self._engine.label if self._engine else None
            self._finish(request.key, Answer(None, REQUEST_FAILED, error=str(again)[:MAX_ERROR_CHARS], engine=label))
            return
        self._delayed += 1
        pause_s = max(RETRY_FIRST_S * RETRY_FACTOR ** (request.tries - 1), again.after_s)
        pause_s = min(pause_s, RETRY_MAX_S) * random.uniform(0.75, 1.25)
        asyncio.get_running_loop().call_later(pause_s, self._resume, request)

    def _silent(self, now: float) -> bool:
        """Tell whether nothing was answered for so long that it is the engine's fault and no request's."""
        return now - self._silent_since > self.spec.patience_s

    def _alone_refused(self, request: Request, now: float) -> bool:
        """Note a refusal and tell whether it is for the request's own sake: since its first one nearly all others passed.

        Some must have passed since its last one, too, unless there are no others: an endpoint that has begun to refuse
        everything is waited for. When that has taken too long, one that passed since the first is enough.
        """
        known = self._refused.get(request.key)
        if known is None:
            self._ever_refused += 1
            known = Refusal(self._answered, len(self._in_flight), self._ever_refused, self._answered)
        self._refused[request.key] = known._replace(answered_last=self._answered)
        passed, refused = self._answered - known.answered, self._ever_refused - known.refused
        if self._silent(now):
            return passed > 0
        # Those in flight at the first refusal had been let in before it, so their answers say nothing.
        if passed - known.in_flight < OTHERS_PASS * (1 + refused):
            return False
        return self._answered > known.answered_last or not (self._backlog or len(self._in_flight) > 1)

    def _resume(self, request: Request) -> None:
        self._delayed -= 1
        self._backlog.append(request)
        self._wake.set()

    # Death.

    def _died(self, silent: bool = False, sent: bool = True) -> None:
        """Call in everything that is in flight: each of them may be what killed the engine."""
        if self._engine is not None:
            self._death = Death(self._engine, silent, sent)
            self._engine = None
        current = asyncio.current_task()
        for task, request in list(self._in_flight.items()):
            self._suspects.append(request)
            if task is not current:
                task.cancel()
        self._in_flight.clear()
        self._wake.set()

    def _accused(self, request: Request) -> bool:
        """Tell whether an engine died while it had this request alone."""
        return request.key in self._blame

    async def _ending(self) -> engines.Ending:
        """Return how the engine ended that died last."""
        assert self._death is not None
        if self._death.silent:
            return engines.Ending(False, "it did not answer and was replaced")
        ending: engines.Ending = await _in_thread(engines.ending, self._death.engine)
        return ending

    async def _after_death(self) -> None:
        """Ask again what was in flight: as before where somebody ended the engine, else apart, to find who kills it.

        A request that is there when somebody ends an engine for the second time is looked at all the same.
        """
        suspects, self._suspects = self._suspects, []
        ending = await self._ending()
        logger.warning("the engine died with %d requests in flight: %s", len(suspects), ending.words)
        if ending.from_outside:
            innocent = [request for request in suspects if request.key not in self._bystanders]
            suspects = [request for request in suspects if request.key in self._bystanders]
            self._bystanders.update(request.key for request in innocent)
            self._backlog.extendleft(reversed(innocent))
        if suspects:
            await self._ask_apart(groups(suspects))

    async def _ask_apart(self, apart: Sequence[list[Request]]) -> None:
        """Ask groups of requests one after another with nobody else in flight, those that kill in smaller and smaller ones."""
        if self._company is None:
            await self._connect()
        assert self._company is not None
        pending = deque(apart)
        async with self._company.alone():
            while pending and self._failure is None:
                if self._unwritable_since is not None:
                    await asyncio.sleep(TICK_S)
                    continue
                if self._engine is None or engines.gone(self._engine):
                    await self._connect()
                group = pending.popleft()
                for request in group:
                    self._launch(request)
                while self._in_flight and self._failure is None:
                    await self._next_event()
                suspects, self._suspects = self._suspects, []
                if len(group) > 1:
                    pending.extendleft(reversed(groups(suspects)))
                elif suspects:
                    await self._accuse(group[0])
        self._wake.set()

    async def _accuse(self, request: Request) -> None:
        """Note that the engine died while it had this request alone; give the request up once that is proof enough.

        Else it goes behind all others that wait, so that their answers show in between that the engine is a healthy one.
        Raises EngineError where that has been shown to be otherwise.
        """
        assert self._death is not None
        ending = await self._ending()
        logger.warning("the engine died while it had request %s alone: %s", request.key, ending.words)
        if not self._death.sent:
            self._died_of.add(self._death.engine.instance)
        elif not (ending.from_outside or self._accused(request)):
            self._died_of.add(request.key)
        if len(self._died_of) >= FAULTY_DEATHS:
            words = f"the engine died {FAULTY_DEATHS} times in a row, with no request or a different one each time"
            raise EngineError(f"{words}, and answered nothing in between; at last: {ending.words}")
        if self._death.sent:
            self._blame[request.key] += DEATH_FROM_OUTSIDE if ending.from_outside else DEATH
        if self._blame[request.key] < POISONOUS:
            self._backlog.append(request)
            return
        logger.warning("request %s kills the engine; it is given up", request.key)
        words = f"the engine died again and again while it had this request alone, at last: {ending.words}"
        self._finish(request.key, Answer(None, POISON, error=words[:MAX_ERROR_CHARS]))

    # Output.

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """See to it that a fault in the background ends the task instead of letting it wait for ever."""
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._wake.set()

    def _finish(self, key: str, answer: Answer) -> None:
        """Note a request's outcome for all rows that wait for it."""
        self._refused.pop(key, None)
        self._blame.pop(key, None)
        self._bystanders.discard(key)
        # A failure is not dear enough to be believed for ever: until the chunk's commit it is this attempt's alone.
        if self._journal is not None and answer.answer_status == ANSWERED:
            self._to_journal.append((key, answer))
        rows = self._waiting.pop(key, ())
        if len(rows) > 1:
            self._known[key] = answer
        for row in rows:
            self._give(row, answer)
        if answer.answer_status == ANSWERED:
            self._died_of.clear()
            self._answered += 1
            self._silent_since = time.monotonic()
            self._refusals = 0
            if not self._own:
                self._window.answered(len(self._in_flight))
        self._count(answer)

    def _count(self, answer: Answer) -> None:
        """Count a distinct request's outcome, and stop the task once too many have clearly failed."""
        self._finished += 1
        if answer.answer_status in FAILED_STATUSES:
            self._failed += 1
            self._last_error = answer.error
        if clearly_over_budget(self._failed, self._finished, self.spec.error_budget):
            words = budget_words(self._failed, self._finished, self.spec.error_budget, self._last_error)
            self._fail(ErrorBudgetError(words))

    def _give(self, row: pa.RecordBatch, answer: Answer) -> None:
        self._ready.append((row, answer))
        self._ready_bytes += row.column("text").nbytes + size(answer)
        if len(self._ready) >= OUTPUT_ROWS or self._ready_bytes >= OUTPUT_BYTES:
            self._flush_rows()

    def _flush_rows(self) -> None:
        if self._ready:
            self.output.put(self._ready)
            self._ready, self._ready_bytes = [], 0

    async def _flush_journal(self) -> None:
        """Report on the engine and write what was answered since the last flush as one segment.

        A store that refuses is asked again later; until it gives way nothing more is sent (`_send`).
        """
        if self._journal is None:
            return
        async with self._journal_lock:
            batch, self._to_journal = self._to_journal, []
            try:
                if self._engine is not None and self._since:
                    await _in_thread(telemetry.write, self._journal.folder, self._journal.name, self._report())
                while batch:
                    count = _fitting(batch)
                    await _in_thread(self._journal.write, _segment(batch[:count]))
                    batch = batch[count:]
            except Exception as error:
                self._to_journal = batch + self._to_journal
                if isinstance(error, OSError):
                    self._unwritable(error)
                else:
                    self._fail(error)
            else:
                self._unwritable_since = None

    def _unwritable(self, error: OSError) -> None:
        """Note that the journal cannot be written; give up when that lasts."""
        now = time.monotonic()
        if self._unwritable_since is None:
            self._unwritable_since = now
            logger.warning("the journal cannot be written, so nothing more is asked for now: %s", error)
        elif now - self._unwritable_since > JOURNAL_PATIENCE_S:
            reason = os.strerror(error.errno) if error.errno else str(error)
            self._fail(JournalError(f"the journal {self.spec.journal} cannot be written: {reason}. {JOURNAL_ADVICE}"))

    async def _tick(self) -> None:
        """Flush what is ready, follow the engine's queue and see that it lives and answers."""
        flushed_at = measured_at = time.monotonic()
        measure_every_s, size = METRICS_EVERY_S, self._window.size
        while True:
            await asyncio.sleep(TICK_S)
            self._flush_rows()
            if self._room():
                self._low.set()
            now = time.monotonic()
            if now - flushed_at >= self.spec.journal_flush_s and not self._journal_lock.locked():
                flushed_at = now
                # A task of its own: a slow store holds up nothing, and the end waits for it behind the lock.
                self._flush = asyncio.create_task(self._flush_journal())
            idle = self._measuring is None or self._measuring.done()
            if self._own and self._in_flight and idle and now - measured_at >= measure_every_s:
                stays, size = self._window.size == size, self._window.size
                measure_every_s = min(2 * measure_every_s, METRICS_CALM_S) if stays else METRICS_EVERY_S
                measured_at = now
                # Likewise: a server in trouble takes its time to say nothing.
                self._measuring = asyncio.create_task(self._measure())
                self._measuring.add_done_callback(self._background_ended)
            # Several at once, and others waiting: a single long answer, or the last ones, get their whole time.
            stuck = self._backlog and len(self._in_flight) > 1 and now - self._sent_at > self.spec.patience_s
            if stuck and self._silent(now):
                words = f"nothing was answered for {self.spec.patience_s:.0f} s: {len(self._in_flight)} requests hang"
                self._fail(EngineError(words))

    def _report(self) -> telemetry.Report:
        """Return what the driver shall know of the engine."""
        assert self._engine is not None
        window, in_flight = int(self._window.size), len(self._in_flight)
        load = self._load or Load(in_flight, 0, 0, 0, 0, 0)
        starts, ended = engines.starts(self._engine), self._ended()
        return telemetry.report(HOST, self._engine, starts, load, window, in_flight, self._since, ended)

    async def _measure(self) -> None:
        """Let the window follow the engine, and declare an engine dead that has been silent for too long."""
        if self._engine is None:
            return
        load = await _in_thread(engines.load, self._engine)
        now = time.monotonic()
        if load is not None:
            known = self._load or load
            if (load.prompt_tokens, load.output_tokens) != (known.prompt_tokens, known.output_tokens):
                self._silent_since = now  # it works, however long an answer takes
            self._healthy_at, self._load = now, load
            self._window.follow(load.running, load.waiting, len(self._in_flight))
            self._wake.set()
        elif now - self._healthy_at > engines.HEALTH_PATIENCE_S and self._engine is not None:
            self._died(silent=True)


def _fitting(answers: Sequence[tuple[str, Answer]]) -> int:
    """Return how many of the answers go into one segment: one at least."""
    chars = accumulate(size(answer) for _, answer in answers)
    return max(1, sum(1 for so_far in chars if so_far <= SEGMENT_CHARS))


def _segment(answers: Sequence[tuple[str, Answer]]) -> pa.Table:
    """Return answers by key as a segment of the journal."""
    columns = answer_columns([answer for _, answer in answers])
    keys = pa.array([key for key, _ in answers], pa.string())
    return pa.Table.from_arrays([keys, *columns.columns], schema=JOURNAL_FIELDS)


async def _in_thread(function: Any, *arguments: Any) -> Any:
    """Run a blocking function in a daemon thread: unlike an executor's, it never holds up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(setter: Any, value: Any) -> None:
        if not future.done():
            setter(value)

    def work() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:
            outcome: tuple[Any, Any] = (future.set_exception, error)
        else:
            outcome = (future.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, daemon=True).start()
    return await future
