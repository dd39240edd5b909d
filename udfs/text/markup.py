"""Finds HTML and links in a page that would act where the page is rendered: scripts, frames, forms, event handlers.

The elements and attributes are those that the HTML Standard gives a behaviour of their own (sections 4.2, 4.8, 4.10, 4.12
and 8.1.8.2); readers of Markdown pass them on to a browser as they stand. A search in linear time, and one that rather
finds too much: Python's own HTML parser takes minutes for 60 kB of `<a `.
"""

import html
import re

ACTIVE_ELEMENTS = (
    *("applet", "base", "button", "embed", "form", "frame", "frameset", "iframe", "input", "link", "meta", "object"),
    *("script", "select", "style", "textarea"),
)
_ELEMENT = re.compile(rf"<(?:{'|'.join(ACTIVE_ELEMENTS)})(?=[\s/>]|$)", re.IGNORECASE)
_ANY_ELEMENT = re.compile("<[a-zA-Z]")
# Browsers add handlers faster than a list of them grows; `one=`, `once=` and `only=` are none.
_HANDLER = re.compile(r"[\s\"'/]on(?:[a-z]{4,}|cut|end)\s*+=", re.IGNORECASE)
_SCRIPT_ADDRESS = re.compile(
    r"(?:[=;]\s*+[\"']?|\]\(\s*+<?|\]:\s*+<?|<)[\x00-\x20]*+"
    r"(?:(?:javascript|vbscript|livescript)\s*+:|data:(?:text/|application/|image/svg))",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[\t\n\r]")  # browsers take them out of addresses
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")  # Markdown's
_LONG_REFERENCE = re.compile(
    r"&#[xX]?[0-9a-fA-F]{9,};?"
)  # to a character that there is not; Python reads no such number


def active_in(page: str) -> str | None:
    """Return what in a page acts where it is rendered, as it stands there; None if nothing does."""
    found = _ELEMENT.search(page)
    if not found and _ANY_ELEMENT.search(page):
        found = _HANDLER.search(page)
    if not found:
        plain = _BLANKS.sub("", html.unescape(_LONG_REFERENCE.sub("\ufffd", page)))
        found = _SCRIPT_ADDRESS.search(plain) or _SCRIPT_ADDRESS.search(_ESCAPED.sub(r"\1", plain))
    return " ".join(found[0].split()) if found else None
