"""One request to the engine, and what its failure means: the session, the body, and the rules of `recast.inference.retry`."""

import asyncio
import logging
import time
from functools import partial

import aiohttp

from recast.http import proxy_of, retry_after_s
from recast.inference import exchange, retry
from recast.inference.answers import MAX_ERROR_CHARS, error_words, read_answer
from recast.inference.exchange import ResponseError
from recast.inference.request import Request, RewriteSpec, body
from recast.inference.retry import Action, Failed, Failure
from recast.inference.server import endpoint, engine, process
from recast.inference.server.spec import Engine, EngineError
from recast.inference.threads import in_thread
from recast.schemas.answers import Answer

logger = logging.getLogger(__name__)

# A response may be as long as its tokens, were each the longest one, and what else belongs to it; but never this long.
RESPONSE_EXTRA_BYTES = 1 << 20
MAX_RESPONSE_BYTES = 256 << 20
CONNECT_TIMEOUT_S = 30.0
# vLLM and SGLang close idle connections after 5 s; a client that reuses one at that moment reads a closed connection.
KEEPALIVE_S = 3.0
LIMIT, OTHER_LIMIT = "max_tokens", "max_completion_tokens"


class EngineDied(Exception):  # noqa: N818 an event, not an error
    """The own engine died while a request was in flight; `reached` is false where the request had not reached it."""

    def __init__(self, reached: bool) -> None:
        """Keep whether the request reached the engine."""
        super().__init__()
        self.reached = reached


class Client:
    """One task's connection to its engine. `engine` is None before the first `connect` and after a death."""

    def __init__(self, spec: RewriteSpec) -> None:
        """Connect to nothing yet."""
        self.spec = spec
        self.own = not spec.engine.endpoint
        self.engine: Engine | None = None
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._limit_name = LIMIT
        self._answered = False
        self._health: asyncio.Task[str] | None = None

    async def connect(self) -> Engine:
        """Find or start the engine. Raises EngineError where there is none."""
        self.engine = await in_thread(engine.connect, self.spec.engine)
        await self.close()
        unix = self.engine.socket
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(unix, limit=0, keepalive_timeout=KEEPALIVE_S)
            if unix
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
        )
        timeout = aiohttp.ClientTimeout(total=self.spec.request_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        # Not with trust_env, which would send what ~/.netrc says. An own server has no proxy.
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._proxy = None if self.own else proxy_of(self.engine.base_url)
        return self.engine

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, request: Request) -> Answer:
        """Send one request; return its answer, or the status that it alone deserves.

        Raises Failed where it may be sent again, EngineDied, and EngineError where no request will be answered.
        """
        assert self.engine is not None
        running, sent_at, sent_as = self.engine, time.monotonic(), self._limit_name
        try:
            status, content, retry_after = await self._post(running, request)
        except (ResponseError, aiohttp.ClientError, OSError) as error:
            words = endpoint.without_key(self.spec.engine, exchange.words(error, self.spec.request_timeout_s))
            return await self._failed(running, request, Failure(words, error=error), 0.0)
        if status == 200:
            chars, seconds = len(self.spec.system) + len(request.user), time.monotonic() - sent_at
            if answer := read_answer(content, running.label, seconds, request.max_tokens, chars):
                self._answered = True
                return answer
        untried = not (self.own or self._answered)
        failure = Failure(
            f"{'a response without an answer' if status == 200 else status}: "
            # Without the key, however short that is: this is no answer.
            f"{endpoint.without_key(self.spec.engine, error_words(content))}",
            status,
            can_shorten=request.estimated and request.max_tokens > self.spec.answer_floor,
            untried=untried,
            old_limit_name=untried and sent_as == LIMIT,
            renamed=sent_as != self._limit_name,
        )
        return await self._failed(running, request, failure, retry_after_s(retry_after))

    async def _failed(self, running: Engine, request: Request, failure: Failure, after_s: float) -> Answer:
        """Do what the rules say of a failure."""
        rule, words = retry.rule_for(failure), failure.words
        if rule.action is Action.STOP:
            named = rule.words and rule.words.search(words)
            name = named["name"].lower() if named else ""
            facts = {"base_url": running.base_url, "name": name, "value": getattr(self.spec, name, ""), "words": words}
            raise EngineError(rule.message.format(**facts))
        if rule.action is Action.SHORTEN:
            # What is left of the context was a guess: the answer gets less of it before the request is given up.
            request.max_tokens = max(request.max_tokens // 2, self.spec.answer_floor)
            return await self.ask(request)
        if rule.action is Action.RENAME:
            if not failure.renamed:
                self._limit_name = OTHER_LIMIT
                logger.warning("the endpoint wants %s in place of %s", OTHER_LIMIT, LIMIT)
            return await self.ask(request)
        if rule.action is Action.FAIL:
            return Answer(None, rule.outcome, error=words[:MAX_ERROR_CHARS], engine=running.label)
        if self.own and rule.asks_health and await self._state(running) == process.DEAD:
            raise EngineDied(rule.reached)
        raise Failed(rule, words, after_s if rule.action is Action.PAUSE else 0.0)

    async def _post(self, running: Engine, request: Request) -> exchange.Response:
        """Return what the engine answers to a request, without the key; raise as `exchange.receive` does."""
        assert self._session is not None
        spec, content = self.spec.engine, body(self.spec, request)
        content[self._limit_name] = content.pop(LIMIT)
        sent = self._session.post(
            f"{running.base_url}/chat/completions",
            json=content,
            headers=endpoint.headers(spec),
            proxy=self._proxy,
            allow_redirects=False,
        )
        most = request.max_tokens * request.longest_token_chars + RESPONSE_EXTRA_BYTES
        async with sent as response:
            return await exchange.receive(response, min(most, MAX_RESPONSE_BYTES), partial(endpoint.without_key, spec))

    async def _state(self, running: Engine) -> str:
        """Ask once, however many requests want to know, how the own engine is."""
        if self._health is None or self._health.done():
            self._health = asyncio.create_task(in_thread(process.state, running))
        return await asyncio.shield(self._health)
