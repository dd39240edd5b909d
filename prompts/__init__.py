"""Prompts: one Markdown file per version, frozen once a table has used it.

A file holds two parts. The lines after `# system` are the constant instruction; the lines after `# user` are the turn
that carries the document, with `{text}` where it goes. The instruction comes first so that the engine's prefix cache
computes it once.
"""

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SLOT = "{text}"

_PARTS = re.compile(r"\A# system\n(?P<system>.+?)\n# user\n(?P<user>.+?)\n*\Z", re.DOTALL)
_NAME = re.compile(r"\w+_v(?P<version>[1-9]\d*)", re.ASCII)


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt.

    `name` is its file's name without `.md` (`style_code_v1`), `version` the number at its end, `system` the constant
    instruction, `user` the turn with `{text}` in it. `fingerprint` is the sha256, in hex, of both texts and of nothing
    else: two names for the same words have one fingerprint, and a changed comma has another.
    """

    name: str
    version: int
    system: str
    user: str
    fingerprint: str


def names() -> tuple[str, ...]:
    """Return the name of every prompt there is, sorted."""
    found = (entry.name.removesuffix(".md") for entry in files(__name__).iterdir() if entry.name.endswith(".md"))
    return tuple(sorted(found))


@cache
def load(name: str) -> Prompt:
    """Return the prompt called `name`, such as `style_code_v1`.

    Raises LookupError, in one line that lists the names known, if there is none; ValueError if the file breaks the
    form described in this module.
    """
    if name not in names():
        raise LookupError(f"no prompt called {name!r}; known: {', '.join(names())}")
    return parse(name, files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8"))


def parse(name: str, document: str) -> Prompt:
    """Return the prompt that the Markdown text `document` describes under `name`.

    Raises ValueError, in one line, if the name does not end in a version, a part is missing or empty, or `{text}` does
    not stand exactly once in the user part and nowhere in the system part.
    """
    version = _NAME.fullmatch(name)
    if version is None:
        raise ValueError(f"prompt {name!r}: the name must end in its version, as in style_code_v1")
    parts = _PARTS.match(document)
    if parts is None:
        raise ValueError(f"prompt {name!r}: the file must hold `# system` and `# user`, each with text below it")
    system, user = parts["system"].strip(), parts["user"].strip()
    if user.count(SLOT) != 1 or SLOT in system:
        raise ValueError(f"prompt {name!r}: {SLOT} must stand once in the user part and not in the system part")
    fingerprint = hashlib.sha256(f"{system}\0{user}".encode()).hexdigest()
    return Prompt(name, int(version["version"]), system, user, fingerprint)


def frozen() -> dict[str, str]:
    """Return the fingerprint that each prompt had when it was first used, by name, from `frozen.json`."""
    recorded: dict[str, str] = json.loads(files(__name__).joinpath("frozen.json").read_text(encoding="utf-8"))
    return recorded


def known() -> dict[str, str]:
    """Return the name of each prompt by its fingerprint.

    Words that a file no longer has have the first digits of their fingerprint beside its name. A file that breaks the
    form has no name.
    """
    found = {fingerprint: f"{name} ({fingerprint[:8]})" for name, fingerprint in frozen().items()}
    for name in reversed(names()):
        with suppress(ValueError):
            found[load(name).fingerprint] = name
    return found
