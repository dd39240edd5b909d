"""Decides whether a file parses, as `compile(code, "<string>", "exec")` of Python 3.10 does, and gives a reason if not.

The running interpreter compiles; syntax that is newer than 3.10 (`except*`, a star in a subscript, `type` statements, type
parameters) is then refused with the parser's own `feature_version`. What still differs from a real 3.10 is listed in
docs/lint.md. Nothing is executed and no warning of the compiler reaches the caller.
"""

from __future__ import annotations

import ast
import functools
import keyword
import re
import sys
import threading
import warnings

from recast.schemas import reasons
from recast.schemas.parsed_code import Syntax
from recast.udfs.child import guard
from recast.udfs.child.guard import guarded
from recast.udfs.python import limits

GRAMMAR = (3, 10)
"""The reference parses with Python 3.10 (arXiv 2505.02881, section 3)."""

VERSION = {"rule": 2, "grammar": "3.10", "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
"""What changes verdicts by intent; part of the stage's fingerprint."""

MAX_DETAIL_CHARS = 200
MAX_RULE_CHARS = 2000
"""Characters of a line that the rules look at: some of them take time in the square of its length."""

REASONS = reasons.SYNTAX

PARSES = Syntax(None)

# A parser's message says what it met, not what the file is; the line it stumbled over often tells more.
_LINE_STARTS = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("merge_conflict", r"(<{7}|={7}|>{7}|\|{7})(\s|$)"),
        ("interactive", r"\s*(>>>|\.\.\.\s+[^\s#]|In \[\d*\]:|%%[a-z]|%[a-z]\w|!\s*[a-z]|\?)"),
    )
)
_CONFLICT_ENDS = re.compile(r"^(<{7}|>{7})(\s|$)", re.MULTILINE)
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_FIELD = rf"""\{{(?:[^{{}}"'\\]|{_QUOTED})*\}}"""
# Comments, f-strings as Python 3.12 reads them, other strings. "{#" and "#}" are a template's.
_LITERALS = re.compile(
    r"(?P<comment>(?<!\{)#(?!\}).*)"
    rf"""|\b(?P<fstring>(?:f|fr|rf)(?P<quote>["'])(?!(?P=quote){{2}})"""
    rf"""(?:(?!(?P=quote))[^{{}}\\]|\\.|\{{\{{|\}}\}}|{_FIELD})*(?P=quote))"""
    r"""|(?P<mark>\"{3}|'{3}|["'])(?:\\.|(?!(?P=mark)).)*(?:(?P=mark)|$)""",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\{\{[^{}:]*[^\W\d][^{}:]*\}\}|\{%|%\}|\{#.*#\}|<%|%>|\$\{|\$\w|<\?|@@\w+@@")
# A placeholder in a string that holds the string's own quotes: the string ends inside it.
_TEMPLATE_IN_STRING = re.compile(
    r"""(["'])(?:(?!\1|\{\{).)*\{\{-?\s*[^\W\d](?:(?!\1)[^{}])*\1(?:(?!\1)[^{}])*\1[^{}]*\}\}"""
)
_PYTHON2 = re.compile(
    r"^\s*(.*[:;]\s*)?(print\s+[^=\s(.\[]|print\s*\(.*\)\s*%|print\s*$|exec\s+[^=\s(.]|raise\s+[\w.]+\s*,)"
    r"|except\s+[\w.() ,]+,\s*\w+\s*:|<>|[\w=(,%+\[{<>]\s*`[^`]+`|\b0[0-7]+\b|\b\d+[lL]\b|\b0[xX][0-9a-fA-F]+[lL]\b"
    r"|\b[uU][rR]['\"]|^\s*(def|lambda)\b.*[(,]\s*\(|\blambda\s*\("
)
# Two words side by side are prose, as no line of Python 2 has them; a backtick there ends or starts what is quoted.
_WORD = rf"(?!(?:{'|'.join([*keyword.kwlist, 'print', 'exec'])})\b)\w"
_PROSE = re.compile(rf"(?:\b{_WORD}+|`)\s+{_WORD}|\b{_WORD}+\s+`")
_NEWER = re.compile(
    r"^\s*(except\s*\*|type\s+\w+(\[.*\])?\s*=|(async\s+)?(def|class)\s+\w+\s*\[)|\b([tT][rR]?|[rR][tT])['\"]"
)
_TOO_DEEP = ("too many nested", "too many levels of indentation", "too many statically nested")
_UNTERMINATED = ("was never closed", "unterminated", "unexpected EOF", "EOF while scanning")
_PYTHON2_MESSAGES = (
    "Missing parentheses in call to",
    "multiple exception types must be parenthesized",
    "leading zeros in decimal integer literals",
)
_NEWER_MESSAGES = ("only supported in Python",)
# Only a file in which one of these is found can use syntax newer than 3.10 and still compile here, so only it pays for a
# second parse. One pattern each, because a search for what starts with a literal skips to it: sixteen times faster.
# Before a star that 3.10 refuses stand `[`, `,` or `:` and then white space, comments and continued lines, nothing else.
_NAME = r"[^\x00-/:-@\[-^`{-\x7f]+"  # a letter may be a mark that \w does not know
_DOTTED = rf"\s*(?!lambda\b){_NAME}(?:\.{_NAME})*"
_STAR = rf"\*(?!\s*[!$%&),*/:;<=>?@\]^`|}}]|{_DOTTED}\*+\s*[),:])"  # no operand follows: text, for instance *emphasis*
_STAR_IN_NO_CALL = rf"{_STAR}(?!{_DOTTED}\s*(?:[):]|,\s*(?:\)|\*\*|{_NAME}\s*=[^=])))"
_MAYBE_NEWER = tuple(
    re.compile(pattern)
    for pattern in (
        rf",\s*{_STAR_IN_NO_CALL}",
        rf"\[(?<![=(,:+{{\[]\[)(?<![=(,:+{{\[] \[)\s*{_STAR_IN_NO_CALL}",  # no list: those follow an operator
        rf":\s*{_STAR}",
        rf"#[^#\r\n]*[\r\n]\s*{_STAR}",
        rf"\\\s+{_STAR}",
        r"except[\s\\]*\*",
        *(
            (r"\btype[\s\\]", r"def[\s\\]+\w+[\s\\]*\[", r"class[\s\\]+\w+[\s\\]*\[")
            if sys.version_info >= (3, 12)
            else ()
        ),
    )
)


def check(text: str | None) -> Syntax:
    """Say whether `text` parses; if not, `syntax_reason` is a key of REASONS.

    Raises nothing that the text is to blame for (udfs/child/guard.py).
    """
    if text is None:
        return Syntax("missing")
    beyond = limits.check(text)
    if beyond:
        return Syntax(beyond[0], beyond[1])
    if not text or text.isspace():
        return Syntax("empty")
    if text[0] == "\ufeff":
        return Syntax("byte_order_mark", "U+FEFF at character 0", 1)
    null_at = text.find("\0")
    if null_at >= 0:
        return Syntax("null_bytes", f"at character {null_at}", text.count("\n", 0, null_at) + 1)
    return _compiled(text)


def _not_compiled(failure: guard.Failure) -> Syntax:
    # The compiler descends into some texts until the stack ends, for instance into 50,000 `for` of one comprehension.
    return Syntax("too_deep" if failure.detail == "SIGSEGV" else failure.reason, failure.detail)


@guarded(_not_compiled)
def _compiled(text: str) -> Syntax:
    """Compile. The verdict does not depend on how deep the caller's stack is: what is too deep is tried on a fresh one."""
    verdict = _parse(text)
    return _parse_on_fresh_stack(text) if verdict.syntax_reason == "too_deep" else verdict


def _parse(text: str) -> Syntax:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # dont_inherit: this module's own __future__ imports must not change the verdict.
            compile(text, "<string>", "exec", dont_inherit=True)
            if any(pattern.search(text) for pattern in _MAYBE_NEWER):
                return _newer(text, ast.parse(text, "<string>", feature_version=GRAMMAR))
        except SyntaxError as error:
            return _from_error(text, error)
        except (RecursionError, MemoryError) as error:
            return Syntax("too_deep", type(error).__name__)
        except (ValueError, OverflowError, SystemError) as error:
            # SystemError: Python 3.11.13 and others on some broken f-strings and bytes, where 3.12 says SyntaxError.
            return Syntax("syntax_error", _shortened(str(error)))
    return PARSES


def _newer(text: str, tree: ast.Module) -> Syntax:
    """Find what 3.11 added and `feature_version` does not know: a star in a subscript and in an annotation."""
    lines = text.encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for node in ast.walk(tree):
        star: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            star = next((each for each in node.slice.elts if isinstance(each, ast.Starred)), None)
            if star and _in_parentheses(node.slice, lines):
                star = None  # a tuple that 3.10 takes
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Starred):
            star = node.annotation
        if star:
            return Syntax("newer_python", "a star that Python 3.10 does not take here", star.lineno)
    return PARSES


def _in_parentheses(items: ast.Tuple, lines: list[bytes]) -> bool:
    """Tell `a[(x, *b)]` from `a[(x), *b]`: more is opened before the first item than closed before the comma."""
    first, after = items.elts[0], items.elts[1:2]
    opened = _between(lines, _start(items), _start(first))
    closed = _between(lines, _end(first), _start(after[0]) if after else _end(items))
    return opened.count(b"(") > closed.split(b",")[0].count(b")")


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _between(lines: list[bytes], start: tuple[int, int], end: tuple[int, int]) -> bytes:
    part = lines[start[0] - 1 : end[0]]
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][start[1] :]
    return re.sub(rb"#.*", b"", b"\n".join(part))


def _parse_on_fresh_stack(text: str) -> Syntax:
    verdicts: list[Syntax] = []
    thread = threading.Thread(target=lambda: verdicts.append(_parse(text)))
    thread.start()
    thread.join()
    return verdicts[0]


def _from_error(text: str, error: SyntaxError) -> Syntax:
    message = error.msg or ""
    line = error.lineno if error.lineno and error.lineno > 0 else None
    return Syntax(_reason(text, error, message, line), _shortened(message), line)


def _reason(text: str, error: SyntaxError, message: str, line: int | None) -> str:
    if any(part in message for part in _TOO_DEEP):
        return "too_deep"
    if any(part in message for part in _PYTHON2_MESSAGES):
        return "python2"
    if any(part in message for part in _NEWER_MESSAGES):
        return "newer_python"
    lines = text.split("\n")
    source = (lines[line - 1] if line and line <= len(lines) else error.text or "")[:MAX_RULE_CHARS]
    for reason, pattern in _LINE_STARTS:
        if pattern.match(source):
            # A row of "=" alone underlines a heading.
            return reason if source[0] != "=" or _CONFLICT_ENDS.search(text) else "syntax_error"
    if _has_newer_fstring(source):
        return "newer_python"
    code = _LITERALS.sub(lambda literal: "" if literal["comment"] else "''", source)
    if _TEMPLATE.search(code) or _TEMPLATE_IN_STRING.search(source):
        return "template"
    if any(part in message for part in _UNTERMINATED):
        return "unterminated"
    if isinstance(error, TabError):
        return "tabs"
    if _PYTHON2.search(code) and not _PROSE.search(code):
        return "python2"
    if _NEWER.search(code):
        return "newer_python"
    if isinstance(error, IndentationError):
        return "indentation"
    return "syntax_error"


def _has_newer_fstring(source: str) -> bool:
    """Find an f-string of Python 3.12: a string inside its braces holds its own quote, a backslash or a "#"."""
    for literal in _LITERALS.finditer(source):
        if literal["fstring"]:
            fields = "".join(re.findall(_FIELD, literal["fstring"].replace("{{", "").replace("}}", "")))
            strings = "".join(re.findall(_QUOTED, fields))
            if any(each in strings for each in (literal["quote"], "\\", "#")):
                return tree_of("f'" + re.sub(rf"(?i:\b[bfru]{{1,2}})?(?:{_QUOTED})", " _ ", fields) + "'") is not None
    return False


@functools.lru_cache(maxsize=4)
def tree_of(text: str) -> ast.Module | None:
    """Return the tree of a text that parses on this interpreter, None for any other. Raises and warns of nothing.

    All who ask about a text get the same tree. Only recast.udfs.python.selfcontained changes it, and clears the cache.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return None


def _shortened(message: str) -> str:
    # Messages may quote the file; a lone surrogate in a quoted name must not reach Arrow.
    return message.encode("utf-8", "replace").decode()[:MAX_DETAIL_CHARS]
