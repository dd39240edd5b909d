"""An OpenAI-compatible endpoint that somebody else runs: its key, its models, and whether it answers."""

import json
import os
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from recast.inference import exchange
from recast.inference.exchange import Response, ResponseError
from recast.inference.redaction import redacted
from recast.inference.server.spec import MAX_LABEL_CHARS, Engine, EngineError, EngineSpec
from recast.printable import printable

TRIES = 3
TIMEOUT_S = 30.0
# A context beyond this is nobody's, and no number of tokens.
MAX_CONTEXT = 1 << 31


def key(spec: EngineSpec) -> str:
    """Return the key of the spec's endpoint, "" where it has none. Raises EngineError for one that cannot be sent."""
    value = os.environ.get(spec.api_key_variable, "").strip() if spec.api_key_variable else ""
    if not (value.isascii() and value.isprintable()):
        # Who sends it would say so, too, and quote it.
        raise EngineError(f"the key in {spec.api_key_variable} holds characters that no request can carry")
    return value


def headers(spec: EngineSpec) -> dict[str, str]:
    """Return the request headers an endpoint wants: the key, if the spec names one. Raises EngineError as `key` does."""
    value = key(spec)
    return {"Authorization": f"Bearer {value}"} if value else {}


def without_key(spec: EngineSpec, text: str, in_answer: bool = False) -> str:
    """Return what an endpoint says without its key: the one place that all of it passes first."""
    return redacted(text, key(spec), in_answer)


def connect(spec: EngineSpec) -> Engine:
    """Return the record of an endpoint that answers and knows the model, else raise EngineError with one line."""
    base_url = spec.endpoint.rstrip("/")
    listed = _get(f"{base_url}/models", spec, headers(spec))
    if listed.status in (401, 403):
        refused = f"the key in {spec.api_key_variable}" if headers(spec) else f"a request without key {_hint(spec)}"
        raise EngineError(f"the endpoint {base_url} refused {refused}")
    # Some gateways do not list their models; one that lists them and lacks ours is a mistake worth an early word.
    if listed.status == 200:
        models = listed_models(listed.text)
        if models is None:
            raise EngineError(f"{base_url}/models does not answer as an OpenAI-compatible endpoint does")
        if models and spec.model not in models:
            has = ", ".join(printable(name, MAX_LABEL_CHARS) for name in list(models)[:10])
            raise EngineError(f"the endpoint {base_url} has no model {spec.model}; it has {has}")
    try:
        # Outside the base URL, which may be another's: so without the key.
        told = _get(f"{base_url.removesuffix('/v1')}/version", spec, tries=1)
        version = version_in(told.text) if told.status == 200 else ""
    except EngineError:
        version = ""  # it is vLLM's own, and a gateway may do anything with it
    return Engine(base_url, None, urlsplit(base_url).netloc, version, device="", start_seconds=0.0)


def context_tokens(spec: EngineSpec) -> int:
    """Return the context that an endpoint lists for the model, 0 where it does not. Raises EngineError as `connect`."""
    listed = _get(f"{spec.endpoint.rstrip('/')}/models", spec, headers(spec))
    return (listed_models(listed.text) or {}).get(spec.model, 0) if listed.status == 200 else 0


def listed_models(body: str) -> dict[str, int] | None:
    """Return what is listed under /models with each one's context, 0 where it does not say; None for no list.

    `max_model_len` is of vLLM and SGLang; other servers do not say.
    """
    try:
        listed = json.loads(body)
        entries = listed if isinstance(listed, list) else listed["data"]  # some answer the list itself
        named = [(entry["id"], entry.get("max_model_len")) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return {name: _context(value) for name, value in named if isinstance(name, str)}


def _context(value: Any) -> int:
    """Return a listed context in tokens, 0 for anything odd."""
    try:
        tokens = int(value)
    except (ValueError, TypeError, OverflowError):
        return 0
    return tokens if 0 < tokens < MAX_CONTEXT else 0


def version_in(body: str) -> str:
    """Return the version in a server's JSON, as a label; "" for anything else."""
    try:
        told = json.loads(body)["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return printable(told, MAX_LABEL_CHARS) if isinstance(told, str) else ""


def _hint(spec: EngineSpec) -> str:
    return f"({spec.api_key_variable} is not set)" if spec.api_key_variable else "(no variable is named for one)"


def _get(url: str, spec: EngineSpec, sent: dict[str, str] | None = None, tries: int = 0) -> Response:
    """GET a URL of an endpoint, again where it is busy; raise EngineError where nothing answers, or somewhere else."""
    reason = ""
    tries = tries or TRIES
    for attempt in range(tries):
        time.sleep(attempt)
        try:
            response = exchange.get(url, TIMEOUT_S, partial(without_key, spec), sent)
            if attempt == tries - 1 or not (response.status == 429 or response.status >= 500):
                return response
        except ResponseError as error:
            if not error.target:
                raise EngineError(f"{url} answers {error}") from None
            elsewhere = error.target.removesuffix(urlsplit(url).path.rpartition("/")[2]).rstrip("/")
            words = f"give {elsewhere} as the endpoint, if that is where requests shall go"
            raise EngineError(f"the endpoint {spec.endpoint} answers {error}: {words}") from None
        except (OSError, aiohttp.ClientError) as error:
            reason = without_key(spec, exchange.words(error, TIMEOUT_S))
    raise EngineError(f"the endpoint {spec.endpoint} cannot be reached: {reason}")
