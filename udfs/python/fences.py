"""Finds the one program in a model's answer.

Answers are Markdown, roughly. They quote the old code before the new, show how to call it, hold fences inside the
code's own strings, and end without closing what they opened. The rules, in order:

1. A fence is a line of three or more backticks or tildes, indented or not. One that carries a label always opens a
   block, ending a block left open, since models do not nest code in code. One without a label closes an open block if
   it is of the same character and at least as long, and opens an unlabelled block otherwise.
2. Inside a block that may be Python, a fence within a triple-quoted string is part of the string, if the block parses
   that way. If it does not, the first fence ends the block: the string was probably left open, and its end is only the
   first quote of the next block.
3. A block that nothing closes runs to the end of the answer. The answer's finish reason,
   and not this module, tells whether the answer was cut off.
4. Blocks labelled as another language are no candidates; the labels are those that Pygments knows, and a few words for
   output. Blocks without a label, or with one that names no language (`text`, `code`, `solution`), are candidates only
   if no block is labelled as Python, and only if they parse and do something: output and prose often parse as a bare
   name, and under a label as a call, too.
5. Of several candidates those under a heading that announces a result ("Improved code") win over those that are not,
   and those that are not quoted from the source over those that are, unless only quoted ones define anything.
6. Of several left, the last that defines every function and class that any of them defines is the program; snippets
   and examples of use define less, and a second version follows the first. If none defines anything the longest wins.
   If no block covers the others the answer holds several programs and none is taken.
7. An answer that is a program as a whole is the program, whatever its strings hold. If an answer has only one fence, the
   text before it is the program: small models begin with the code and only close it.
8. A block of tests that uses another block's names and defines none of them is an example of its use.
9. Before all that, what stands before an answer's first fence on its own line is taken off: invisible characters, marks of
   quotations and lists, words that end in a colon. So is a first line of a program that is only a label.
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pygments.lexers import LEXERS

from recast.udfs.python import literals, syntax

PYTHON_LABELS = ("python", "")
MAX_BLOCKS = 64  # of one answer that are looked at; bounds the work on hostile answers, and real ones hold a few

# The possessive `*+` and `++` keep each pattern linear on any line.
_FENCE = re.compile(r"^(?P<indent>[ \t]*+)(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`\n]*+)$", re.MULTILINE)
# `py`, `python3.10`, `{.python}`, `py title="x"`, `ipython`, `lang-python`, `src/tool.py`, `12:30:tool.py`.
_PYTHON = re.compile(r"(?:lang(?:uage)?-)?(?:i?python|py|pypy|pyi|jupyter|numpy|sage)[23]?(?:\.\d+)*|\S*[^\s.]\.pyw?")
_LABEL = re.compile(r"[\w+#][\w+#./:-]*(?<![./:-])")
# What Pygments knows by name or by a file name's end, and what people write over output; text is no language.
_LANGUAGES = frozenset(
    name.removeprefix("*.").lower() for _, _, names, patterns, _ in LEXERS.values() for name in (*names, *patterns)
) - {"text", "txt", "py"} | frozenset(
    """
    c# cmd csv env error errors f# input json5 jsonc jsonl log logs mermaid patch pseudo pseudocode python-repl
    requirements result results stderr stdin stdout terminal traceback tree vb vba
    """.split()  # noqa: SIM905 - thirty quoted lines would say no more
)
_INVISIBLE = re.compile(
    r"^[\ufeff\u200b-\u200d\u2060]++(?=[ \t]*+[`~]{3})|\A[\ufeff\u200b-\u200d\u2060]++", re.MULTILINE
)
_QUOTED_RUN = re.compile(r"^ {0,3}>[ \t]?[`~]{3}[^\n]*+(?:\n {0,3}>[^\n]*+)*", re.MULTILINE)
_QUOTE_MARK = re.compile(r"^ {0,3}>[ \t]?", re.MULTILINE)
_LED_IN = re.compile(
    r"^(?:(?P<item>[ \t]*(?:[-*+]|\d{1,2}[.)])[ \t]+)|(?P<words>[^`~\n]{1,80}:[ \t*]*))(?P<fence>(?:`{3,}|~{3,})[ \t]*"
    r"(?:python|py)[23]?[ \t]*)$",
    re.MULTILINE | re.IGNORECASE,
)
_TEST = re.compile(r"test|setup|teardown|fixture", re.IGNORECASE)
_NEWLINE = re.compile(r"\r\n?")  # what Python itself takes for one newline
_HEADING = re.compile(r"^[ \t]*+(?:#{1,6}[ \t].+|\*\*.+\*\*:?[ \t]*)$", re.MULTILINE)
_RESULT = re.compile(
    r"\b(?:improved|optimi[sz]ed|refactored|rewritten|revised|updated|corrected|final)\b", re.IGNORECASE
)
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Extraction:
    """The program in an answer, or the reason why there is none.

    Exactly one of `text` (the code, ending in one newline) and `reason` (`no_code` or `several_codes`) is None.
    `blocks` counts the fenced blocks that hold anything, `closed` is False if the chosen one lacked its end fence, and
    `prose` is the answer's text before its first fence.
    """

    text: str | None
    reason: str | None
    blocks: int
    closed: bool
    prose: str


@dataclass(frozen=True)
class _Block:
    label: str
    has_info: bool
    text: str
    closed: bool
    is_result: bool
    start: int
    end: int

    @cached_property
    def defined(self) -> set[str]:
        """The names of the functions and classes it defines."""
        return set(_DEFINITION.findall(literals.without_literals(self.text)))


def extract(answer: str, languages: Sequence[str] = PYTHON_LABELS, source: str = "") -> Extraction:
    """Return the one program in a model's `answer`, by the rules of this module.

    `languages` are the labels, as `label_of` returns them, that mark the program's language; the empty one admits
    blocks whose label names none. `source` is the text that the model was asked to rewrite, by which quotations are
    told. Raises nothing on any text.
    """
    answer = plain(answer)
    if "" in languages and is_program(answer):
        return Extraction(_tidy(answer, source), None, 0, True, "")
    blocks = [block for block in _blocks(answer, languages) if block.text.strip()]
    fence = _FENCE.search(answer)
    prose = answer[: fence.start()] if fence else answer
    candidates = [block for block in blocks if block.label and block.label in languages]
    if not candidates and "" in languages:
        candidates = [block for block in blocks if not block.label and is_program(block.text, block.has_info)]
    if not candidates:
        if "" in languages and fence is not None and not fence["info"] and is_program(prose):
            return Extraction(_tidy(prose, source), None, len(blocks), True, "")
        return Extraction(None, "no_code", len(blocks), True, prose)
    candidates = [block for block in candidates if block.is_result] or candidates
    if len(candidates) > 1 and source:
        lines = {line.strip() for line in source.splitlines()}
        fresh = [block for block in candidates if not _is_quoted(block.text, lines)]
        # A rewrite that only leaves lines out looks like a quotation, and then what is left is an example of its use.
        if any(block.defined for block in fresh) or not any(block.defined for block in candidates):
            candidates = fresh or candidates
    chosen = _covering(candidates) or _covering(_without_tests(candidates, source))
    if chosen is None:
        return Extraction(None, "several_codes", len(blocks), True, prose)
    return Extraction(_tidy(chosen.text, source), None, len(blocks), chosen.closed, prose)


def plain(answer: str) -> str:
    """Return the answer with Unix newlines and its first fence on a line of its own (rule 9)."""
    answer = _INVISIBLE.sub("", _NEWLINE.sub("\n", answer))
    first = _FENCE.search(answer)
    head, rest = (answer[: first.start()], answer[first.start() :]) if first else (answer, "")
    if not (_QUOTED_RUN.search(head) or _LED_IN.search(head)) or is_program(answer):
        return answer
    head = _QUOTED_RUN.sub(lambda run: _QUOTE_MARK.sub("", run[0]), head)
    led_in = _LED_IN.search(head)
    if led_in and not _FENCE.search(head, 0, led_in.start()):
        before = "" if led_in["item"] else f"{led_in['words'].rstrip()}\n"
        head = head[: led_in.start()] + before + head[led_in.start("fence") :]
    return head + rest


def label_of(info: str) -> str:
    """Return the language that a fence's info string names, in lower case: `python` however spelt, `""` for none."""
    found = _LABEL.search(info)
    label = found[0].lower() if found else ""
    if _PYTHON.fullmatch(label):
        return "python"
    label = label.removeprefix("language-").removeprefix("lang-")
    return label if label in _LANGUAGES or label.rpartition(".")[2] in _LANGUAGES else ""


def outside(answer: str) -> str:
    """Return the answer with the text of each fenced block replaced by blanks, so that offsets stay.

    An answer that is a program as a whole is all blanks.
    """
    if is_program(answer):
        return " " * len(answer)
    pieces, position = [], 0
    for block in _blocks(answer, PYTHON_LABELS):
        pieces += [answer[position : block.start], " " * (block.end - block.start)]
        position = block.end
    return "".join((*pieces, answer[position:]))


def is_program(text: str, strictly: bool = False) -> bool:
    """Tell whether the text parses as Python and does something.

    Names, constants and bare annotations do nothing; `Certainly`, `"None"` and `Rating: 4/10` parse. `strictly`: nor do
    expressions, for output is often the text of an object, such as `Point(x=1)`.
    """
    tree = syntax.tree_of(text)
    return tree is not None and not all(_does_nothing(statement, strictly) for statement in tree.body)


def _does_nothing(statement: ast.stmt, strictly: bool) -> bool:
    match statement:
        case ast.Expr(value=value):
            return strictly or not isinstance(value, ast.Call | ast.Await)
        case ast.AnnAssign(value=None):
            return True
        case _:
            return False


def _blocks(answer: str, languages: Sequence[str]) -> Iterator[_Block]:
    """Yield the fenced blocks of an answer with Unix newlines, in order, empty ones included."""
    position, result_section = 0, False
    for _ in range(MAX_BLOCKS):
        opening = _FENCE.search(answer, position)
        if opening is None:
            return
        lead = answer[position : opening.start()].rstrip()
        for heading in _HEADING.finditer(lead):
            result_section = _RESULT.search(heading[0]) is not None
        lead_in = lead[lead.rfind("\n") + 1 :].rstrip("* \t")
        is_result = result_section or (lead_in.endswith(":") and _RESULT.search(lead_in) is not None)
        label = label_of(opening["info"])
        start = min(opening.end() + 1, len(answer))
        may_be_python = label in languages
        ending = _ending(answer, start, opening["marks"], may_be_python, by_strings=may_be_python)
        text = _unindent(answer[start : ending.start() if ending else len(answer)], opening["indent"])
        first = _ending(answer, start, opening["marks"], may_be_python, by_strings=False) if may_be_python else ending
        if first is not None and (ending is None or first.start() < ending.start()) and syntax.tree_of(text) is None:
            ending, text = first, _unindent(answer[start : first.start()], opening["indent"])
        closed = ending is not None and not ending["info"]
        end = ending.start() if ending else len(answer)
        yield _Block(label, bool(opening["info"].strip()), text, closed, is_result, start, end)
        if ending is None:
            return
        position = ending.end() if closed else ending.start()


def _ending(answer: str, start: int, marks: str, may_be_python: bool, by_strings: bool) -> re.Match[str] | None:
    """Return the fence that ends the block opened by `marks` whose text begins at `start`.

    With `by_strings` fences within triple-quoted strings are passed over.
    """
    strings = literals.long_strings(answer, start) if by_strings else iter(())
    string_start, string_end = next(strings, (len(answer), len(answer)))
    for fence in _FENCE.finditer(answer, start):
        while string_end <= fence.start():
            string_start, string_end = next(strings, (len(answer) + 1, len(answer) + 1))
        is_closer = fence["marks"][0] == marks[0] and len(fence["marks"]) >= len(marks)
        if string_start < fence.start() or not (is_closer or (fence["info"] and not may_be_python)):
            continue
        return fence
    return None


def _covering(candidates: list[_Block]) -> _Block | None:
    """Return the last block that defines all that any of them defines; the longest if none defines anything."""
    everything = set().union(*(block.defined for block in candidates))
    if not everything:
        return max(reversed(candidates), key=lambda block: len(block.text))
    covering = [block for block in candidates if block.defined == everything]
    return covering[-1] if covering else None


def _without_tests(candidates: list[_Block], source: str) -> list[_Block]:
    """Leave out the blocks that only test what another one defines, unless the source is a test itself."""
    own = set(_DEFINITION.findall(literals.without_literals(source)))
    programs = [block for block in candidates if not _only_tests(block.text) or not own.isdisjoint(block.defined)]
    defined = set().union(*(block.defined for block in programs))
    tests = [block for block in candidates if block not in programs]
    all_use_it = all(
        block.defined.isdisjoint(defined) and not defined.isdisjoint(re.findall(r"\w+", block.text)) for block in tests
    )
    return programs if programs and all_use_it else candidates


def _only_tests(code: str) -> bool:
    """Tell whether each function and class at the top of a program is a test or serves tests."""
    tree = syntax.tree_of(code)
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tops = [statement for statement in tree.body if isinstance(statement, made)] if tree else []
    return bool(tops) and all(
        _TEST.search(each.name)
        or (isinstance(each, ast.ClassDef) and any("Test" in ast.unparse(base) for base in each.bases))
        for each in tops
    )


def _is_quoted(code: str, source_lines: set[str]) -> bool:
    return all(line.strip() in source_lines for line in code.splitlines() if line.strip())


def _unindent(text: str, indent: str) -> str:
    """Take the fence's indentation from each line, and the common one if the first line is still indented."""
    if indent:
        text = re.sub(rf"^[ \t]{{1,{len(indent)}}}", "", text, flags=re.MULTILINE)
    return textwrap.dedent(text) if text.lstrip("\n")[:1] in (" ", "\t") else text


def _tidy(code: str, source: str) -> str:
    """Drop the blank lines around the code, a label left over before it, and end it with one newline."""
    code = re.sub(r"\A(?:[ \t]*\n)+", "", code)
    label, newline, rest = code.partition("\n")
    label = label.strip()
    if (
        newline
        and rest.strip()
        and _PYTHON.fullmatch(label.lower())
        and not re.search(rf"\b{re.escape(label)}\b", source)
    ):
        code = re.sub(r"\A(?:[ \t]*\n)+", "", rest)
    return code.rstrip() + "\n"
