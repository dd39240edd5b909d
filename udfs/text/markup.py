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
# Names of event handler content attributes begin so; `one=1` is none.
_HANDLER = re.compile(
    r"[\s\"'/]on(?:abort|after|animation|auxclick|before|begin|blur|cancel|can|change|click|close|context|copy|cue|cut"
    r"|dblclick|drag|drop|duration|emptied|ended|error|focus|formdata|fullscreen|hashchange|input|invalid|key|load"
    r"|message|mouse|offline|online|page|paste|pause|play|pointer|popstate|progress|ratechange|repeat|reset|resize"
    r"|scroll|search|security|seek|select|show|slotchange|stalled|storage|submit|suspend|timeupdate|toggle|touch"
    r"|transition|unhandled|unload|volume|wait|webkit|wheel)[a-z]*+\s*+=",
    re.IGNORECASE,
)
_SCRIPT_ADDRESS = re.compile(
    r"(?:=\s*+[\"']?|\]\(\s*+<?|\]:\s*+<?|<)[\x00-\x20]*+"
    r"(?:(?:javascript|vbscript|livescript)\s*+:|data:(?:text/|application/|image/svg))",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[\t\n\r]")  # browsers take them out of addresses


def active_in(page: str) -> str | None:
    """Return what in a page acts where it is rendered, as it stands there; None if nothing does."""
    found = _ELEMENT.search(page)
    if not found and _ANY_ELEMENT.search(page):
        found = _HANDLER.search(page)
    if not found:
        found = _SCRIPT_ADDRESS.search(_BLANKS.sub("", html.unescape(page)))
    return " ".join(found[0].split()) if found else None
