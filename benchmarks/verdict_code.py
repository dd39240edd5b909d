"""Generates answers about programs with a known verdict.

Sources are the sample files and modules of the standard library. A good answer holds a program that was made from its
source by a rewriting that keeps what it does, in one of the forms that models answer in; a bad one is cut, lacks what it
needs, or is about something else. The label follows from what was done.
"""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from samples.code import __file__ as samples_code

MODULES = (
    "bisect heapq textwrap colorsys fnmatch shlex sched queue graphlib statistics string reprlib numbers linecache "
    "contextlib copy cmd calendar keyword pprint rlcompleter stat tabnanny timeit"
).split()  # of the standard library: with functions, short enough for a prompt
LEAST_SOURCE_CHARS, MOST_SOURCE_CHARS = 150, 30_000


class Case(NamedTuple):
    """An answer and its right verdict.

    `reasons`: any of which is right; empty if the answer is to be kept. `self_contained`: whether the stage asks for that.
    """

    kind: str
    source: str
    answer: str
    reasons: frozenset[str] = frozenset()
    finish_reason: str = "stop"
    self_contained: bool = False


def cases() -> list[Case]:
    """Return all labelled answers."""
    rng = random.Random("verdicts on code")
    found = sources()
    made: list[Case] = []
    for i, source in enumerate(found):
        program = rewritten(source, i)
        made += good(source, program, rng)
        made += bad(source, program, found[(i + 7) % len(found)], rng)
    return [*made, *self_contained_cases()]


def sources() -> list[str]:
    """Return the sources: programs that parse and define at least two functions or classes."""
    samples = sorted((Path(samples_code).parent / "code_files").glob("*.py.txt"))
    library = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in [*samples, *(library / f"{name}.py" for name in MODULES)]:
        text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        if LEAST_SOURCE_CHARS <= len(text) <= MOST_SOURCE_CHARS and len(defined) >= 2:
            found.append(text)
    return found


class _Documented(ast.NodeTransformer):
    """Puts a docstring into every function that has none."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        if ast.get_docstring(node) is None:
            node.body.insert(0, ast.Expr(ast.Constant(f"Do what {node.name.replace('_', ' ').strip()} says.")))
        return node


class _Hinted(ast.NodeTransformer):
    """Gives every function without one a return type, `object`, which always holds."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        if node.returns is None:
            node.returns = ast.Name("object", ast.Load())
        return node


class _Renamed(ast.NodeTransformer):
    """Renames the local variables of functions that hold no other function, class, `global` or `locals()`."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        inner = list(ast.walk(node))[1:]
        special = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal, ast.ListComp, ast.GeneratorExp,
                   ast.DictComp, ast.SetComp, ast.ExceptHandler, ast.Import, ast.ImportFrom, ast.AsyncFunctionDef)  # fmt: skip
        if any(isinstance(each, special) for each in inner) or "locals" in {
            each.id for each in inner if isinstance(each, ast.Name)
        }:
            return node
        arguments = {each.arg for each in inner if isinstance(each, ast.arg)}
        local = {
            each.id for each in inner if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        } - arguments
        for each in inner:
            if isinstance(each, ast.Name) and each.id in local:
                each.id = f"{each.id}_value"
        return node


REWRITINGS = (_Documented, _Hinted, _Renamed)


def rewritten(source: str, i: int) -> str:
    """Return the source reformatted, and documented, hinted or renamed."""
    tree = ast.parse(source)
    for rewriting in (REWRITINGS[i % 3], REWRITINGS[(i + 1) % 3]):
        tree = rewriting().visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def fenced(program: str, label: str = "python", mark: str = "```") -> str:
    """Put a program into a block; the fence is longer than any in the program."""
    while any(line.lstrip().startswith(mark) for line in program.splitlines()):
        mark += mark[0]
    return f"{mark}{label}\n{program}{mark}\n"


def good(source: str, program: str, rng: random.Random) -> Iterator[Case]:
    """Yield answers that hold the program."""
    block = fenced(program)
    name = next(node.name for node in ast.parse(program).body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    usage = fenced(f"result = {name}\nprint(result)\n")
    rating = f"Rating: {rng.randint(1, 9)}/10\n\n## Suggestions\n- Name things for what they hold.\n- Say why.\n\n"
    forms = {
        "the_recipes_answer": f"{rating}## Improved code\n\n{block}",
        "block_alone": block,
        "label_py": fenced(program, "py"),
        "label_python3": fenced(program, "python3"),
        "label_in_capitals": fenced(program, "Python"),
        "no_label": fenced(program, ""),
        "label_plaintext": fenced(program, "plaintext"),
        "label_text": fenced(program, "text"),
        "tildes": fenced(program, "python", "~~~"),
        "no_fence": program,
        "prose_around": f"Here is the improved version of your program.\n\n{block}\nI kept its behaviour and named things anew.\n",
        "usage_after": f"## Improved code\n\n{block}\n## How to use it\n\n{usage}",
        "usage_after_in_prose": f"{block}\nYou can call it like this:\n\n{usage}\nThat prints the result.\n",
        "old_code_first": f"## Original code\n\n{fenced(source)}\n## Improved code\n\n{block}",
        "old_code_first_in_prose": f"This is what you gave me:\n\n{fenced(source)}\nAnd this is what I made of it:\n\n{block}",
        "windows_newlines": f"{rating}## Improved code\n\n{block}".replace("\n", "\r\n"),
        "never_closed": f"## Improved code\n\n{block.rstrip().rstrip('`')}",
        "other_languages_beside": "Install nothing:\n\n```bash\npython3 program.py --help\n```\n\n"
        f'{block}\nIts settings:\n\n```json\n{{"debug": false}}\n```\n',
        "output_after": f"{block}\nIt prints:\n\n```text\n3 of 4 done\n```\n",
        "thoughts_first": f"<think>\nThe user wants better code. Maybe:\n{usage}Fine.\n</think>\n\n{block}",
        "in_a_list": "1. The program:\n\n" + "".join(f"   {line}\n" if line else "\n" for line in block.splitlines()),
    }
    for kind in rng.sample(sorted(forms), 9):
        if kind == "in_a_list" and '"""' in program:
            continue  # an indented string is another string
        yield Case(kind, source, forms[kind])


def bad(source: str, program: str, other: str, rng: random.Random) -> Iterator[Case]:
    """Yield answers that hold no good rewrite."""
    any_reason = frozenset({"truncated", "unparsable", "no_code", "unrelated", "several_codes"})
    half = program[: len(program) // 2].rstrip()
    tree = ast.parse(program)
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    kept = [node for node in tree.body if node not in defined[len(defined) // 2 :]]
    yield Case("cut_at_the_limit", source, f"## Improved code\n\n```python\n{half}", frozenset({"truncated"}), "length")
    yield Case("cut_in_a_line_but_stop", source, f"## Improved code\n\n```python\n{_cut(program, rng)}", any_reason)
    yield Case(
        "no_code",
        source,
        "The code is readable. I would add tests, shorten some names and say more in comments.\n",
        frozenset({"no_code"}),
    )
    yield Case("refusal", source, rng.choice(REFUSALS), frozenset({"refused", "no_code"}))
    yield Case(
        "other_language",
        source,
        f"## Improved code\n\n{rng.choice(OTHER_LANGUAGES)}",
        frozenset({"no_code", "unparsable"}),
    )
    yield Case("unchanged", source, fenced(source), frozenset({"unchanged"}))
    yield Case("unrelated", source, fenced(rewritten(other, 0)), frozenset({"unrelated", "unchanged"}))
    yield Case("syntax_error", source, fenced(_broken(program, rng)), frozenset({"unparsable"}))
    yield Case(
        "only_usage", source, f"Use it like this:\n\n{fenced(f'print({defined[0].name})' + chr(10))}", any_reason
    )
    if len(defined) >= 4:
        yield Case(
            "half_the_definitions",
            source,
            fenced(ast.unparse(ast.Module(kept, [])) + "\n"),
            any_reason | {"definitions_lost", "names_lost"},
        )


def _broken(program: str, rng: random.Random) -> str:
    """Put a line into a program that makes it none."""
    lines = program.splitlines(keepends=True)
    for at in sorted(range(len(lines)), key=lambda _: rng.random()):
        text = "".join([*lines[:at], "    return = )\n", *lines[at:]])
        try:
            ast.parse(text)
        except SyntaxError:
            return text
    return "return = )\n"


def _cut(program: str, rng: random.Random) -> str:
    """Cut a program inside an expression or a string, so that what is left is no program."""
    for _ in range(200):
        text = program[: rng.randrange(len(program) // 4, len(program) - 1)]
        try:
            ast.parse(text)
        except SyntaxError:
            return text
    return program[: len(program) // 2] + "("


REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "As an AI language model, I am unable to rewrite this code.",
    "I can't rewrite this file, because it seems to belong to somebody else.",
    "Sorry, this file is too long for me.",
)
OTHER_LANGUAGES = (
    "```java\npublic class Main {\n    public static void main(String[] args) {\n        System.out.println(1);\n    }\n}\n```\n",
    "```javascript\nfunction add(a, b) {\n  return a + b;\n}\n```\n",
    "```c\nint add(int a, int b) { return a + b; }\n```\n",
    "```sql\nSELECT name FROM people WHERE age > 3;\n```\n",
    "```\nfn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n```\n",
)


def self_contained_cases() -> Iterator[Case]:
    """Yield programs that stand on their own, and such that do not, for the stage that asks for it."""
    needs = frozenset({"not_self_contained"})
    subjects = ("price", "weight", "score", "length", "volume", "balance")
    for subject in subjects:
        source = (
            f"def total_{subject}(items):\n    t = 0\n    for i in items:\n        t += i.{subject}\n    return t\n\n"
            f"def mean_{subject}(items):\n    return total_{subject}(items) / len(items)\n"
        )
        head = f'"""Sums and means of {subject}s."""\n\n'
        body = (
            f'def total_{subject}(items):\n    """Return the sum of every {subject}."""\n'
            f"    return sum(item.{subject} for item in items)\n\n\n"
            f'def mean_{subject}(items):\n    """Return the mean {subject}."""\n    return total_{subject}(items) / len(items)\n'
        )
        imports = {
            "standard_modules": "from __future__ import annotations\n\n"
            "import dataclasses\nimport math\nfrom collections import abc\n\n\n",
            "type_checking": "from typing import TYPE_CHECKING\n\n"
            "if TYPE_CHECKING:\n    from collections.abc import Iterable\n\n\n",
            "common_modules": "import numpy as np\nimport pandas as pd\n\n\n",
            "guarded_name": "try:\n    import tomllib\nexcept ImportError:\n    tomllib = None\n\n\n",
            "guarded_builtin": "try:\n    text_type = unicode\nexcept NameError:\n    text_type = str\n\n\n",
        }
        for kind, lines in imports.items():
            yield Case(f"alone_{kind}", source, fenced(head + lines + body), self_contained=True)
        for kind, lines, use in (
            (
                "undefined_function",
                "",
                f"\n\ndef report_{subject}(items):\n    return format_{subject}(mean_{subject}(items))\n",
            ),
            (
                "undefined_constant",
                "",
                f"\n\ndef is_high_{subject}(item):\n    return item.{subject} > HIGHEST_{subject.upper()}\n",
            ),
            ("undefined_class", "", f"\n\ndef make_{subject}():\n    return {subject.title()}Record()\n"),
            (
                "module_of_the_project",
                f"from {subject}_models import Item\n\n\n",
                f"\n\ndef first_{subject}():\n    return Item().{subject}\n",
            ),
            (
                "relative_import",
                f"from .{subject} import Item\n\n\n",
                f"\n\ndef first_{subject}():\n    return Item().{subject}\n",
            ),
        ):
            yield Case(f"needs_{kind}", source, fenced(head + lines + body + use), needs, self_contained=True)
