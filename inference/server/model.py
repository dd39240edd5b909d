"""What is known of a model before it is asked: whether it can be served, and its context in tokens."""

import re
from pathlib import Path

from recast.inference.server import endpoint, servers
from recast.inference.server.spec import EngineError, EngineSpec, is_folder_name
from recast.inference.tokenizer import chat_template, model_folder, read_config
from recast.urls import endpoint_fault


def check(spec: EngineSpec) -> None:
    """Refuse a spec that cannot work, before anything is started.

    Raises EngineError for a server that is not known, for a model folder that is not there or holds no model or chat
    template, for an endpoint that is no URL or holds a password, and for an argument that sets the context and is no
    number. Hub names are checked when they are fetched.
    """
    if spec.endpoint:
        if fault := endpoint_fault(spec.endpoint):
            raise EngineError(fault)
        return
    _given_tokens(spec)
    folder = Path(spec.model)
    if not folder.is_dir():
        if is_folder_name(spec.model):
            raise EngineError(f"model folder {spec.model} does not exist")
        return
    if not (folder / "config.json").is_file():
        raise EngineError(f"model folder {spec.model} holds no config.json, so it is no Hugging Face model")
    try:
        read_config(folder / "config.json")
        template = spec.given_template or chat_template(folder)
    except (OSError, ValueError) as error:
        raise EngineError(str(error)) from error
    if not template:
        raise EngineError(
            f"the model in {spec.model} has no chat template, so it cannot answer chat requests: take an instruct "
            "model, or give one with --chat-template FILE among the engine's arguments"
        )


def context_tokens(spec: EngineSpec) -> int:
    """Return the context in tokens: the spec's, else the model's own or what the endpoint says; 0 where unknown.

    An own server's argument counts before `max_model_len`, for the server takes the last it is given. Raises EngineError
    where an endpoint must be asked and cannot be reached, or a number cannot be read.
    """
    given = 0 if spec.endpoint else _given_tokens(spec)
    if given or spec.max_model_len:
        return given or spec.max_model_len
    if spec.endpoint:
        return endpoint.context_tokens(spec)
    try:
        config = read_config(model_folder(spec.model, spec.revision) / "config.json")
    except ValueError as error:
        raise EngineError(str(error)) from error
    text_config = config.get("text_config") or {}
    return int(config.get("max_position_embeddings") or text_config.get("max_position_embeddings") or 0)


def _given_tokens(spec: EngineSpec) -> int:
    """Return the context among the server's arguments as vLLM reads it: `8192`, `8k` (thousands), `8K` (times 1,024).

    0 where there is none.
    """
    name = servers.named(spec.server).context_argument
    given = spec.argument(name)
    units = {"": 1, "k": 1000, "K": 1 << 10, "m": 10**6, "M": 1 << 20}
    number = re.fullmatch(r"(\d+|\d+\.\d+(?=[km]))([kKmM]?)", given.strip())
    tokens = int(float(number[1]) * units[number[2]]) if number else 0
    if given and not tokens:
        # `auto` leaves to the server what must be known here, to tell which prompts fit.
        raise EngineError(f"{name} is {given!r} among the engine's arguments: give a number of tokens")
    return tokens
