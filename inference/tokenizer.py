"""Counts the tokens of chat requests with the model's own tokenizer and chat template, before anything is sent.

Needs a model folder (or a hub name) with `tokenizer.json` and a chat template. A hosted endpoint's tokenizer may not be
at hand: then counts are estimates from the text's bytes (`estimate`), and the endpoint's own refusal has the last word.
"""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from recast import controls
from recast.schemas.published import ESTIMATED_BYTES_PER_TOKEN

# What any model folder must hold for counting: small files, fetched from the hub without the weights.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json")
# For a vocabulary that is not at hand. 128 spaces are the longest token we know of; twice that errs towards asking.
LONGEST_TOKEN_CHARS = 256


class NoChatTemplateError(ValueError):
    """The model folder holds no chat template, so chat requests cannot be rendered."""


@dataclass(frozen=True)
class ChatTokenizer:
    """A model's tokenizer and chat template; `source` is the template's text."""

    tokenizer: Tokenizer
    template: jinja2.Template
    variables: dict[str, Any]
    source: str = ""

    @cached_property
    def longest_token_chars(self) -> int:
        """Return how many characters one token can stand for at most; byte-level alphabets write a byte as one.

        A text of more than n times that is certainly longer than n tokens, given a byte-level vocabulary or one with
        byte fallback, which today's chat models have.
        """
        return max((len(token) for token in self.tokenizer.get_vocab()), default=1)

    def render(self, system: str, user: str) -> str:
        """Return the prompt the engine makes of these messages; an empty system message is left out."""
        return self.template.render(messages=messages(system, user), add_generation_prompt=True, **self.variables)

    def count(self, system: str, user: str) -> int:
        """Return the prompt's length in tokens, as the engine will count it."""
        return len(self._ids(self.render(system, user)))

    def measure(self, system: str, user: str) -> tuple[int, dict[str, int]]:
        """Return the prompt's length in tokens, and how often each control token stands in it.

        Control tokens are the tokenizer's special ones, and others that its template writes, such as the names of turns.
        """
        ids = self._ids(self.render(system, user))
        return len(ids), Counter(self._controls[token] for token in ids if token in self._controls)

    def marker_in(self, text: str) -> str | None:
        """Return a string of `text` that means something to template or tokenizer and that `measure` cannot tell.

        Templates of some models mark turns by words that are no tokens (`[INST]`), and any text may hold unknown tokens.
        """
        return next((marker for marker in self._markers if marker in text), None)

    def _ids(self, prompt: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        return ids

    @cached_property
    def _controls(self) -> dict[int, str]:
        """Return the control tokens: id -> string. Ordinary words that somebody declared special are none."""
        words = self._template_words
        return {
            number: token.content
            for number, token in self.tokenizer.get_added_tokens_decoder().items()
            if _looks_special(token.content)
            and token.content != self._unknown
            and (token.special or (token.content in words and controls.token_in(token.content)))
        }

    @cached_property
    def _markers(self) -> tuple[str, ...]:
        marks = controls.tokens_in(self._template_words)
        return tuple(sorted(marks | ({self._unknown} if _looks_special(self._unknown) else set())))

    @cached_property
    def _template_words(self) -> str:
        """Return the template's own words: its source, and a prompt that it makes."""
        return self.source + self.render("", "")

    @cached_property
    def _unknown(self) -> str:
        return getattr(self.tokenizer.model, "unk_token", None) or ""


def messages(system: str, user: str) -> list[dict[str, str]]:
    """Return the chat messages of a request: the constant instruction first, so that its prefix stays cached."""
    user_message = {"role": "user", "content": user}
    return [{"role": "system", "content": system}, user_message] if system else [user_message]


def load(model: str, revision: str = "", template: str = "") -> ChatTokenizer:
    """Load tokenizer and chat template of a model folder or hub name.

    `template` stands for the model's own: a file, or the template itself (as vLLM's --chat-template has it). Raises
    FileNotFoundError where there is no tokenizer, NoChatTemplateError where there is no chat template, ValueError or a
    bare Exception (of tokenizers) where a file is damaged.
    """
    folder = model_folder(model, revision)
    config = read_config(folder / "tokenizer_config.json")
    tokenizer_path = folder / "tokenizer.json"
    if not tokenizer_path.is_file():
        raise FileNotFoundError(f"{folder} holds no tokenizer.json")
    source = _given_template(template) if template else chat_template(folder)
    if source is None:
        raise NoChatTemplateError(f"the model in {folder} has no chat template, so it cannot answer chat requests")
    return ChatTokenizer(
        Tokenizer.from_file(str(tokenizer_path)),
        _environment().from_string(source),
        _template_variables(config),
        source,
    )


def _given_template(template: str) -> str:
    if "{" in template:
        return template
    return Path(template).read_text("utf-8")


def model_folder(model: str, revision: str = "") -> Path:
    """Return a model's folder: itself, or the local copy of a hub model's small files, fetched when first needed."""
    folder = Path(model)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model, revision=revision or None, allow_patterns=list(TOKENIZER_FILES)))


def read_config(path: Path) -> dict[str, Any]:
    """Return what a model's JSON file holds, nothing where there is no such file; ValueError where it is damaged."""
    try:
        config = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} cannot be read: it holds no JSON object")
    return config


def chat_template(folder: Path) -> str | None:
    """Return a model folder's default chat template, from `chat_template.jinja` or `tokenizer_config.json`."""
    separate = folder / "chat_template.jinja"
    if separate.is_file():
        return separate.read_text("utf-8")
    template = read_config(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _looks_special(content: str) -> bool:
    return len(content) >= 3 and not content.isalnum() and not content.isspace()


def estimate(system: str, user: str) -> int:
    """Return a guess at the prompt's tokens, on the high side for code and English, without any tokenizer."""
    return (len(system.encode()) + len(user.encode())) // ESTIMATED_BYTES_PER_TOKEN + 16


def _template_variables(config: dict[str, Any]) -> dict[str, Any]:
    """Return the special tokens that templates refer to (`bos_token` and others), as plain strings."""
    variables = {}
    for name, value in config.items():
        if name.endswith("_token"):
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                variables[name] = text
    return variables


def _environment() -> ImmutableSandboxedEnvironment:
    """Return the Jinja environment in which transformers renders chat templates, so that counts agree."""
    extensions: list[str | type[Extension]] = [_Generation, loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


class _Generation(Extension):
    """The tag `generation`, by which templates mark what a model is trained on: its body is rendered as it stands."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 reads it from the class

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the tag's body, in a scope of its own as transformers has it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(pattern: str) -> str:
    from datetime import datetime

    return datetime.now().strftime(pattern)
