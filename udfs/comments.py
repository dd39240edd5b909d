"""Share of comment tokens in a file.

The recipe multiplies the linter's score by one minus the share of COMMENT tokens among all tokens of
`tokenize.generate_tokens`; a file that does not tokenize counts as zero. Here a regular expression finds the tokens of
the whole text at once, four times as fast as `tokenize`, and counts exactly what Python 3.10 and 3.11 count
(tests/udfs/test_comments.py holds the two together). From 3.12 on `tokenize` splits f-strings; this does not.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

from udfs import syntax
from udfs.guard import guarded

VERSION = {"comments": 1}
"""What changes the numbers by intent; part of the stage's fingerprint."""

_PREFIX = r"(?:[bB][rR]?|[rR][bBfF]?|[uU]|[fF][rR]?)?"
_DIGITS = "[0-9](?:_?[0-9])*"
_EXPONENT = rf"[eE][-+]?{_DIGITS}"
# What most tokens are, tried before all others: none of those takes more of the text where one of these is found.
_USUAL_TOKENS = (
    r"[^\W0-9]\w*+(?!['\"])",  # before a quote it may be the prefix of a string
    r"[,;()\[\]{}~]|\.(?![.0-9])|[=:](?!=)",
    r"\r?\n[ \f\t]*",  # the end of a line and the indentation of the next one
)
# In the order in which the tokenize module tries them. The possessive quantifiers keep the search linear.
_COMMENT_OR_LONG_STRING = (
    r"\#[^\r\n]*",
    _PREFIX + r"'{3}[^'\\]*+(?:(?:\\[\s\S]|'(?!''))[^'\\]*+)*+'{3}",
    _PREFIX + r'"{3}[^"\\]*+(?:(?:\\[\s\S]|"(?!""))[^"\\]*+)*+"{3}',
)
_OTHER_TOKENS = (
    rf"{_DIGITS}[jJ]",
    rf"(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:{_EXPONENT})?[jJ]?",
    rf"{_DIGITS}{_EXPONENT}[jJ]?",
    r"0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?0)*|[1-9](?:_?[0-9])*",
    r"\\\r?\n",  # joins two lines: no token
    r"\*\*=|//=|>>=|<<=|\.\.\.|[-+*/%&|^@=!<>:]=|->|\*\*|//|>>|<<|[-+*/%&|^@=<>:.]",
    _PREFIX + r"'[^\n'\\]*+(?:\\(?:\r\n|[\s\S])[^\n'\\]*+)*+'",
    _PREFIX + r'"[^\n"\\]*+(?:\\(?:\r\n|[\s\S])[^\n"\\]*+)*+"',
    r"\w+",
)
# A long string without its end, and a character that starts no token, take the rest of the text: the last token found is
# then none.
_ENDLESS = _PREFIX + r"""(?:'{3}|"{3})[\s\S]*"""
_TOKENS = re.compile(
    r"[ \f\t]*+("
    + "|".join((*_USUAL_TOKENS, *_COMMENT_OR_LONG_STRING, _ENDLESS, *_OTHER_TOKENS, r"[^ \f\t\n][\s\S]*"))
    + ")"
)
_ONE_TOKEN = re.compile("|".join((*_USUAL_TOKENS, *_COMMENT_OR_LONG_STRING, *_OTHER_TOKENS)))
_MARKS = frozenset("\n\r#\\()[]{}")  # what tokens that matter below start with

_TAB_COLUMNS = 8

MAX_STEPS = 10_000_000
"""Steps up to which `tokenize` itself is asked, as `_takes_long` estimates them: some seconds. Only files that do not compile
were seen to need more, and they count as files that do not tokenize."""


@dataclass(frozen=True)
class Comments:
    """Tokens of one file. `comment_ratio` is comment_tokens / tokens, 0.0 where the file does not tokenize."""

    comment_ratio: float
    comment_tokens: int
    tokens: int


UNKNOWN = Comments(0.0, 0, 0)


@guarded(lambda failure: UNKNOWN)
def measure(text: str) -> Comments:
    """Count the tokens of `text` as Python 3.10's `tokenize` does. Raises nothing, whatever the text."""
    counted = _count(text)
    if counted is None and not _takes_long(text):
        counted = _count_with_tokenize(text)
    return counted or UNKNOWN


def _count(text: str) -> Comments | None:
    """Count with the regular expression; None for a text that only `tokenize` itself can judge."""
    found: list[str] = _TOKENS.findall("\n" + text)
    last = found[-1]
    if not _ONE_TOKEN.fullmatch(last) or last[0] == "\\":
        return None
    depth = comments = joined = 0
    indents = [0]
    blocks = 0
    line_start: str | None = None  # the line's indentation, until something but a comment is seen on it
    for token in found:
        first = token[0]
        if line_start is None and first not in _MARKS:
            continue
        if first in "\n\r":
            line_start = None if depth else token
        elif first == "#":
            comments += 1
        else:
            if line_start is not None:
                column = _column(line_start)
                line_start = None
                if column > indents[-1]:
                    indents.append(column)
                    blocks += 1
                while column < indents[-1]:
                    indents.pop()
                    if column > indents[-1]:
                        return UNKNOWN  # fits no block: tokenize raises
            if first in "([{":
                depth += 1
            elif first in ")]}":
                depth -= 1
                if depth < 0:
                    return None
            elif first == "\\":
                joined += 1
    if depth:
        return UNKNOWN  # tokenize raises at the end
    last_line = text[text.rfind("\n") + 1 :]
    unended = bool(last_line)
    on_its_own = last[0] == "#" and found[-2][0] in "\r\n"
    if unended and not on_its_own and (last_line.isspace() or last_line.lstrip()[0] == "#"):
        return None  # what ends such a line depends on what is before it
    # A last line without its line end gets a token for it all the same, INDENT and DEDENT come in pairs, and the line
    # end put before the text makes up for the ENDMARKER.
    tokens = len(found) - joined + 2 * blocks + unended
    return Comments(comments / tokens, comments, tokens)


def _column(line_start: str) -> int:
    """Return the column that `tokenize` gives to the white space after the line end in `line_start`."""
    space = line_start.lstrip("\r\n")
    if "\t" not in space and "\f" not in space:
        return len(space)
    column = 0
    for character in space:
        if character == " ":
            column += 1
        elif character == "\t":
            column = (column // _TAB_COLUMNS + 1) * _TAB_COLUMNS
        else:
            column = 0
    return column


def _takes_long(text: str) -> bool:
    """Tell whether `tokenize` would search in vain for long: for a token behind white space, from each of its characters,
    and for the end of a string to the end of the line, from every quote. 50,000 times `'\\` in a line took it over seven
    minutes. In a text that compiles every string ends.
    """
    spaces = sum(len(space) ** 2 for space in re.findall(r"[ \f\t]+", text.rstrip(" \f\t")))
    strings = sum(len(line) * (line.count("'") + line.count('"')) for line in text.split("\n"))
    return spaces > MAX_STEPS or (strings > MAX_STEPS and syntax.tree_of(text) is None)


def _count_with_tokenize(text: str) -> Comments:
    tokens = comments = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            tokens += 1
            comments += token.type == tokenize.COMMENT
    except (tokenize.TokenError, SyntaxError, UnicodeError, RecursionError):
        return UNKNOWN
    return Comments(comments / tokens, comments, tokens)
