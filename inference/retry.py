"""What the client does about each way in which a request fails: the rules as a table, of which the first that fits applies.

docs/engine.md shows the same table (`python -m recast.inference.retry` prints it).
"""

import random
import re
from dataclasses import dataclass
from enum import Enum

import aiohttp

from recast.inference.answers import REQUEST_FAILED, TOO_LONG
from recast.inference.exchange import ResponseError

MAX_TRIES = 5
# A request without an answer in all of its time is asked once more and no oftener, since each such try takes an hour.
HUNG_TRIES = 2
# A request's own failures are retried after 0.5, 2, 8 and 32 s, a refusal pauses the whole task likewise.
RETRY_FIRST_S = 0.5
RETRY_FACTOR = 4.0
RETRY_MAX_S = 60.0

ANY = tuple(range(1000))
# The last two are SGLang's, about a request that the KV cache cannot hold, and OpenAI's, with status 429, about one that
# alone passes the limit of tokens per minute.
_TOO_LONG = re.compile(
    r"context length|context_length|maximum context|max_model_len|prompt is too long|exceeds? (the )?maximum allowed length"
    r"|request too large",
    re.I,
)
# OpenAI's words about a parameter or a value of it, and those of servers that check bodies against a schema (pydantic).
_UNSUPPORTED = (
    r"(?=.*(?:unsupported|not supported|does not support|unrecognized|unknown|unexpected|not permitted|forbidden))"
)
# OpenAI: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
_OTHER_LIMIT = re.compile(rf"\bmax_completion_tokens\b|^{_UNSUPPORTED}.*max_tokens", re.I)
SAMPLING = re.compile(rf"^{_UNSUPPORTED}.*?\b(?P<name>temperature|top_p|repetition_penalty)\b", re.I)


class Action(Enum):
    """What happens to a request that failed, in words for the table."""

    FAIL = "the row fails as `{outcome}`"
    RETRY = "asked again after 0.5, 2, 8 and 32 s; `{outcome}` after {tries} tries"
    PAUSE = (
        "the task sends half as many at once and pauses for `Retry-After`, else 0.5, 2, 8, 32, 60 s; asked again, "
        "counting only where nearly all others pass: then `{outcome}` after {tries} tries"
    )
    SHORTEN = "asked again at once, for half as many tokens"
    RENAME = "asked again at once, with `max_completion_tokens`, as all others are from then on"
    STOP = "the task ends with one line"


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        case: what came back, in words.
        action: what happens then.
        statuses: the HTTP statuses it is for.
        errors: the exceptions it is for, where no response came.
        words: what the response must say.
        only: the attribute of `Failure` that must hold.
        asks_health: an own server is asked first whether it is alive. If it is dead, it is started again, and the search for
            a request that kills it begins (`recast.inference.bisection`).
        reached: whether the server may have got the request.
        tries: how often it is sent in all.
        outcome: the status of its row in the end.
        message: the error that ends the task.
    """

    case: str
    action: Action
    statuses: tuple[int, ...] = ()
    errors: tuple[type[Exception], ...] = ()
    words: re.Pattern[str] | None = None
    only: str = ""
    asks_health: bool = False
    reached: bool = True
    tries: int = MAX_TRIES
    outcome: str = REQUEST_FAILED
    message: str = ""


@dataclass(frozen=True)
class Failure:
    """A request that got no answer: the response's status, or the exception, and what it says."""

    words: str
    status: int = 0
    error: Exception | None = None
    can_shorten: bool = False  # the context is an estimate, and more than the fewest tokens were asked for
    untried: bool = False  # an endpoint that has answered nothing yet
    old_limit_name: bool = False  # untried, and the limit was sent as max_tokens
    renamed: bool = False  # the limit has got its other name since the request was sent


HUNG = Rule(
    "no answer in the time of a request",
    Action.RETRY,
    errors=(TimeoutError,),
    asks_health=True,
    tries=HUNG_TRIES,
)
RULES = (
    Rule("a redirect, or more bytes than its bound", Action.FAIL, errors=(ResponseError,)),
    Rule(
        "no connection",
        Action.PAUSE,
        errors=(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
        asks_health=True,
        reached=False,
    ),
    HUNG,
    Rule("a connection that breaks, no HTTP", Action.RETRY, errors=(aiohttp.ClientError, OSError), asks_health=True),
    Rule("200 without an answer", Action.RETRY, (200,), asks_health=True),
    Rule("401", Action.STOP, (401,), message="{base_url} refused the key: {words}"),
    Rule("413", Action.FAIL, (413,), outcome=TOO_LONG),
    Rule(
        "any other, says that the request is too long, the context is an estimate",
        Action.SHORTEN,
        ANY,
        words=_TOO_LONG,
        only="can_shorten",
    ),
    Rule("any other, says that the request is too long", Action.FAIL, ANY, words=_TOO_LONG, outcome=TOO_LONG),
    Rule(
        "400 or 422, sent with `max_tokens` before another was refused for it",
        Action.RENAME,
        (400, 422),
        only="renamed",
    ),
    Rule(
        "400 or 422, says that `max_tokens` is unsupported, no answer yet",
        Action.RENAME,
        (400, 422),
        words=_OTHER_LIMIT,
        only="old_limit_name",
    ),
    Rule(
        "400 or 422, says that a sampling parameter is unsupported, no answer yet",
        Action.STOP,
        (400, 422),
        words=SAMPLING,
        only="untried",
        message="{base_url} refuses {name}={value}: {words}. Give the setting {name} a value that it takes",
    ),
    Rule("429 or 503", Action.PAUSE, (429, 503), asks_health=True),
    Rule(
        "408, 409, 425, and 500 or above",
        Action.RETRY,
        (408, 409, 425, *range(500, 1000)),
        asks_health=True,
    ),
    Rule("any other status", Action.FAIL, ANY),
)


class Failed(Exception):  # noqa: N818 an event, not an error
    """A request that failed and may be sent again; `after_s` is what the endpoint asked for."""

    def __init__(self, rule: Rule, words: str, after_s: float) -> None:
        """Keep the rule that applies."""
        super().__init__(words)
        self.rule = rule
        self.after_s = after_s


def rule_for(failure: Failure) -> Rule:
    """Return the first rule that fits."""
    return next(rule for rule in RULES if _fits(rule, failure))


def _fits(rule: Rule, failure: Failure) -> bool:
    if (rule.only and not getattr(failure, rule.only)) or (rule.words and not rule.words.search(failure.words)):
        return False
    if failure.error is not None:
        return isinstance(failure.error, rule.errors)
    return failure.status in rule.statuses


def pause_s(failures: int, after_s: float) -> float:
    """Return how long a whole task pauses after so many pauses in a row."""
    return after_s or min(RETRY_FIRST_S * RETRY_FACTOR**failures, RETRY_MAX_S)


def delay_s(tries: int, after_s: float) -> float:
    """Return how long one request waits after so many failures, at random within a quarter."""
    return min(max(RETRY_FIRST_S * RETRY_FACTOR ** (tries - 1), after_s), RETRY_MAX_S) * random.uniform(0.75, 1.25)


def table() -> str:
    """Return the rules as a table in Markdown."""
    lines = ["| what comes back | what happens | own server's health is asked |", "|---|---|---|"]
    for rule in RULES:
        action = rule.action.value.format(outcome=rule.outcome, tries=rule.tries)
        if rule.tries == HUNG_TRIES:
            action = action.replace("0.5, 2, 8 and 32 s", "0.5 s")
        lines.append(f"| {rule.case} | {action} | {'yes' if rule.asks_health else ''} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
