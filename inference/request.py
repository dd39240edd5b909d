"""The specification of a model stage's engine, and the request for one text, sized to fit the model's context."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from recast import controls
from recast.inference import tokenizer
from recast.inference.answers import CONTROL_TOKENS, EMPTY_INPUT, TOO_LONG
from recast.inference.server import model
from recast.inference.server.spec import EngineError, EngineSpec
from recast.inference.settings import Settings
from recast.inference.tokenizer import LONGEST_TOKEN_CHARS, ChatTokenizer
from recast.schemas.answers import Answer

# Tokens of an answer that do not hang on its text's length: a rating with suggestions (about 250), the worked solution of
# a bare question (219 in the prompt's example), the richer example that stands for a trivial file. Generous on purpose.
ANSWER_ALLOWANCE = 2048
# For a context that is not known: twice what a million tokens, the longest commonly on offer, hold of English text, so that
# what comes near is the endpoint's to refuse.
MAX_CHARS = 10_000_000

_MARKS = re.compile(r"`{3,}|~{3,}")
_FENCED_SLOT = re.compile(r"^(?P<open>`{3,}|~{3,})(?P<label>[^`\n]*)\n\{text\}\n(?P=open)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class RewriteSpec:
    """What to ask of which engine, and how far to go.

    `user_template` holds `{text}`, which is replaced by the row's text. `max_tokens` bounds every answer; where
    `answer_ratio` is not 0 an answer gets at most `answer_allowance + answer_ratio * tokens of the text`. A request whose
    context leaves fewer than `answer_floor` tokens is refused as too_long. `window` is the most requests in flight
    per task, 0 follows the engine. `fingerprint` names all that changes answers by intent; with a row's `input_hash`
    it is the journal's key. `journal` is a folder or URI ("" keeps none), cut into `journal_buckets`, the number of
    tasks; journals beside it are read too. `error_budget` is the share of failed requests that stops a task.
    `patience_s` is how long an engine may refuse everything, or answer none of several requests while others wait, before
    the task fails; a single answer may take `request_timeout_s`.
    """

    engine: EngineSpec
    system: str
    user_template: str
    fingerprint: str = ""
    temperature: float = Settings.temperature
    top_p: float = Settings.top_p
    repetition_penalty: float = Settings.repetition_penalty
    max_tokens: int = Settings.max_tokens
    answer_floor: int = 64
    answer_allowance: int = ANSWER_ALLOWANCE
    answer_ratio: float = 0.0
    window: int = 0
    journal: str = ""
    journal_buckets: int = 1
    journal_flush_s: float = 3.0
    error_budget: float = 1.0
    request_timeout_s: float = 3600.0
    patience_s: float = 900.0


@dataclass
class Request:
    """One distinct request.

    `estimated` says that its prompt's tokens, or the context, are a guess; `tries` counts the failures that were its own.
    """

    key: str
    user: str
    max_tokens: int
    estimated: bool = False
    longest_token_chars: int = LONGEST_TOKEN_CHARS
    tries: int = 0


@cache
def tokenizer_of(spec: EngineSpec) -> ChatTokenizer | None:
    """Return the model's tokenizer and chat template, None for an endpoint whose tokenizer is not at hand.

    Raises EngineError, in one line, where the model cannot chat or is not there.
    """
    model.check(spec)
    name = spec.tokenizer or ("" if spec.endpoint else spec.model)
    try:
        # A revision is the model's; a tokenizer of another name has its own.
        return tokenizer.load(name, spec.revision if name == spec.model else "", spec.given_template) if name else None
    except Exception as error:  # a broken tokenizer.json is a bare Exception
        raise EngineError(f"no tokenizer for {name}: {' '.join(str(error).split())}") from error


class Counter:
    """Turns texts into requests: renders, counts tokens, refuses what cannot fit."""

    def __init__(self, spec: RewriteSpec) -> None:
        """Load the tokenizer, if there is one. Raises EngineError where the model cannot chat or is not there."""
        self._spec = spec
        self._tokenizer = tokenizer_of(spec.engine)
        self._longest_token_chars = self._tokenizer.longest_token_chars if self._tokenizer else LONGEST_TOKEN_CHARS
        self._context = model.context_tokens(spec.engine)
        self._exact = self._tokenizer is not None and self._context > 0
        try:
            self._empty, self._own_controls = self._count(user_message(spec, ""))
        except jinja2.TemplateError as error:
            raise EngineError(f"the chat template of {spec.engine.model} refuses our messages: {error}") from error

    def _count(self, user: str) -> tuple[int, dict[str, int]]:
        """Return the tokens of a prompt, and how often each control token stands in it, where a tokenizer can tell."""
        if self._tokenizer is None:
            return tokenizer.estimate(self._spec.system, user), {}
        return self._tokenizer.measure(self._spec.system, user)

    def _control_in(self, text: str, found: dict[str, int]) -> str | None:
        """Return a control token that a text puts into its prompt, in which `found` were counted; None if it puts none."""
        if self._tokenizer is None:
            return controls.token_in(text)
        strange = (token for token, times in found.items() if times > self._own_controls.get(token, 0))
        return next(strange, None) or self._tokenizer.marker_in(text)

    def request(self, key: str, text: str) -> Request | Answer:
        """Return the request for a text, or the answer that says why there is none."""
        if not text.strip():
            return Answer(None, EMPTY_INPUT)
        context, spec = self._context, self._spec
        # 50 MB need no tokenizer to be refused, nor a trip to the endpoint.
        if len(text) > (context * self._longest_token_chars if context else MAX_CHARS):
            words = f"a context of {context} tokens" if context else "any context we know of"
            return Answer(None, TOO_LONG, error=f"{len(text)} characters cannot fit {words}")
        user = user_message(spec, text)
        counted, found = self._count(user)
        control = self._control_in(text, found)
        if control is not None:
            return Answer(None, CONTROL_TOKENS, error=f"the text holds {control}, a control token")
        limit = spec.max_tokens
        if spec.answer_ratio:
            limit = min(limit, spec.answer_allowance + int(spec.answer_ratio * max(0, counted - self._empty)))
        if context:
            # Half of a guess, which is on the high side: the endpoint has the last word, and the feeder then asks for less.
            room = context - (counted if self._exact else counted // 2)
            if self._exact and room < spec.answer_floor:
                words = f"a prompt of {counted} tokens leaves {max(0, room)} of the context's {context} for the answer"
                return Answer(None, TOO_LONG, error=words)
            limit = min(limit, max(room, spec.answer_floor))
        return Request(key, user, limit, not self._exact, self._longest_token_chars)


def user_message(spec: RewriteSpec, text: str) -> str:
    """Return the user message for a text; braces elsewhere in template or text mean nothing.

    A fence around the text is made longer than any run of its mark in it, so that no text ends its own quotation.
    """
    runs = _MARKS.findall(text)

    def longer(slot: re.Match[str]) -> str:
        mark = slot["open"][0]
        longest = max((len(run) for run in runs if run[0] == mark), default=0)
        marks = slot["open"] if longest < len(slot["open"]) else mark * (longest + 1)
        return f"{marks}{slot['label']}\n{{text}}\n{marks}"

    template = _FENCED_SLOT.sub(longer, spec.user_template) if runs else spec.user_template
    return template.replace("{text}", text)


def body(spec: RewriteSpec, request: Request) -> dict[str, Any]:
    """Return the JSON body of a request. `repetition_penalty` is vLLM's own and sent only where it does something."""
    content: dict[str, Any] = {
        "model": spec.engine.served_name,
        "messages": tokenizer.messages(spec.system, request.user),
        "temperature": spec.temperature,
        "top_p": spec.top_p,
        "max_tokens": request.max_tokens,
    }
    if spec.repetition_penalty != 1.0:
        content["repetition_penalty"] = spec.repetition_penalty
    return content
