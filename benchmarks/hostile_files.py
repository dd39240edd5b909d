"""Generates over two thousand hostile files: accidents in strangers' files, and attacks.

Chance has a fixed seed, so they are the same in every run. benchmarks/hostile.py judges them.
"""

from __future__ import annotations

import encodings.aliases
import pkgutil
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recast.udfs.python import limits

SEED = 0


_GOOD = '''"""Shapes."""

import math


class Circle:
    """A circle of radius `radius`."""

    def __init__(self, radius):
        self.radius = radius

    def area(self):
        """Return the area."""
        return math.pi * self.radius ** 2
'''
NEIGHBOURS = (
    _GOOD,
    "import os, sys\n\ndef f(a, b=[]):\n    if a == None:\n        return b\n    else:\n        return os.getcwdu()\n",
    "import sys\nsys.stdout = open('x')\nsys.nothing = 1\nprint(sys.nothing, sys.stdout.closed)\n",
    "import collections\n\nfor k in collections.OrderedDict(a=1).keys():\n    print(k, k.nothing)\n",
    "from threading import Thread\n\nThread(target=print).begin()\n",
    "class A(object):\n    def m(x):\n        self.y = 1\n    def m(self):\n        return undefined\n",
    "import os\nfor name in os.environ.keys():\n    print('%s %s' % name)\n",
    "try:\n    import json\nexcept:\n    pass\njson.loads('1').x\njson.loadz\n",
    "def f():\n    global g\n    import re\n    return re.match('a', 'b').groups\n\n\ndef f():\n    return lambda x: x\n",
    "import argparse\nargparse.ArgumentParser().parse_args().x\nargparse.ArgumentParser().nothing()\n",
)
"""Good files that lean on the standard library, some writing into it: what a leak from another file would change."""


@dataclass(frozen=True)
class Case:
    """One hostile file."""

    name: str
    text: str


def cases(markers: Path) -> list[Case]:
    """Every case. What would leave a trace if it were executed leaves it in the folder `markers`."""
    found = [
        *_deep_expressions(),
        *_deep_blocks(),
        *_huge_literals(),
        *_many_statements(),
        *_characters(),
        *_cookies(),
        *_long_lines(),
        *_inheritance(),
        *_inference(),
        *_imports(),
        *_side_effects(markers),
        *_pragmas(),
        *_torn(),
        *_large(),
    ]
    assert len({case.name for case in found}) == len(found)
    return found


def _deep_expressions() -> Iterator[Case]:
    nested = {
        "parentheses": ("(", "1", ")"),
        "tuples": ("(", "1", ",)"),
        "lists": ("[", "1", "]"),
        "sets": ("{", "1", "}"),
        "dicts": ("{1: ", "1", "}"),
        "calls": ("f(", "1", ")"),
        "keywords": ("f(a=", "1", ")"),
        "stars": ("f(*", "a", ")"),
        "subscripts": ("a[", "1", "]"),
        "slices": ("a[1:", "1", "]"),
        "lambdas": ("lambda: ", "1", ""),
        "lambda_defaults": ("lambda a=", "1", ": 1"),
        "minuses": ("-", "1", ""),
        "nots": ("not ", "1", ""),
        "ternaries": ("1 if 1 else ", "1", ""),
        "tests_of_ternaries": ("(1 if ", "1", " else 1)"),
        "walruses": ("(a := ", "1", ")"),
        "list_comprehensions": ("[x for x in ", "y", "]"),
        "dict_comprehensions": ("{x: x for x in ", "y", "}"),
        "generators": ("(x for x in ", "y", ")"),
        "conditions": ("[x for x in y if ", "y", "]"),
        "f_strings": ("f'{", "1", "}'"),
        "formats": ("'%s' % (", "1", ",)"),
        "yields": ("(yield ", "1", ")"),
        "powers": ("2 ** ", "2", ""),
        "and_or": ("(1 and ", "1", " or 1)"),
        "comparisons": ("(1 < ", "1", ")"),
        "unclosed_parentheses": ("(", "", ""),
        "unclosed_braces": ("{", "", ""),
        "unclosed_calls": ("a(b(", "", ""),
        "unopened": ("", "", ")"),
        "with_parentheses": ("with (", "", ""),
        "lambda_parentheses": ("lambda a=(", "", ""),
        "print_parentheses": ("print (", "1", ")"),
    }
    for name, (left, middle, right) in nested.items():
        for depth in (15, 60, 95, 150, 199, 400, 3000):
            yield Case(f"{name} {depth} deep", f"x = {left * depth}{middle}{right * depth}\n")
    for name in ("with", "lambda a=", "del", "for", "import", "return", "assert", "class A", "def f", "match"):
        yield Case(f"{name} and 150 parentheses", f"{name} {'(' * 150}\n")
        yield Case(f"{name} and 150 brackets", f"{name} {'[' * 150}1{']' * 150}: pass\n")
    chains = {
        "attributes": ("a", ".b"),
        "calls_of_calls": ("f", "()"),
        "methods": ("a", ".b()"),
        "items": ("a", "[0]"),
        "sum": ("1", " + 1"),
        "sum_of_names": ("a", " + a"),
        "sum_of_strings": ("'a'", " + 'a'"),
        "product": ("1", " * 1"),
        "shifts": ("1", " << 1"),
        "alternatives": ("1", " or 1"),
        "comparison": ("1", " < 1"),
        "strings_side_by_side": ("'a'", " 'a'"),
        "assignments": ("x", " = x"),
        "commas": ("1", ", 1"),
        "percents": ("'%s'", " % 'a'"),
        "pipes": ("int", " | int"),
    }
    for name, (first, more) in chains.items():
        for length in (80, 150, 300, 900, 3000, 9000):
            yield Case(f"chain of {length} {name}", f"y = {first}{more * length}\n")


def _deep_blocks() -> Iterator[Case]:
    heads = {
        "if": "if x:",
        "for": "for x in y:",
        "while": "while x:",
        "with": "with x as y:",
        "def": "def f(a):",
        "async def": "async def f(a):",
        "class": "class A:",
        "try": "try:",
    }
    for name, head in heads.items():
        for depth in (10, 19, 40, 90, 99, 200):
            lines = [" " * i + head for i in range(depth)] + [" " * depth + "pass"]
            if name == "try":
                lines += [" " * i + "finally: pass" for i in reversed(range(depth))]
            yield Case(f"{name} {depth} deep", "\n".join(lines) + "\n")
    for depth in (10, 60, 95):
        matches = "\n".join(" " * 2 * i + "match x:\n" + " " * (2 * i + 1) + "case [_]:" for i in range(depth // 2))
        yield Case(f"match {depth} deep", matches + "\n" + " " * depth + "pass\n")
        pattern = "[" * depth + "x" + "]" * depth
        yield Case(f"pattern {depth} deep", f"match y:\n    case {pattern}:\n        pass\n")
        closures = "\n".join(" " * i + f"def f{i}(a{i}):" for i in range(depth))
        yield Case(
            f"closures {depth} deep", closures + "\n" + " " * depth + "nonlocal a1\n" + " " * depth + "return a0\n"
        )
    for length in (50, 300, 1000, 5000):
        yield Case(f"{length} elifs", "if x:\n    pass\n" + "elif x:\n    pass\n" * length)
        yield Case(f"{length} excepts", "try:\n    pass\n" + "except ValueError:\n    pass\n" * length)
        yield Case(f"{length} decorators", "@a\n" * length + "def f(): pass\n")
        yield Case(f"{length} with items", "with " + ", ".join(["a as b"] * length) + ": pass\n")
        yield Case(f"{length} cases", "match x:\n" + "".join(f"    case {i}: pass\n" for i in range(length)))
        yield Case(f"{length} ifs in one function", "def f(a):\n" + "    if a: a = 1\n" * length)
        yield Case(f"{length} returns", "def f(a):\n" + "    if a: return a\n" * length)
        yield Case(f"{length} loops side by side", "for i in x:\n    y = i\n" * length)
        yield Case(f"{length} tries side by side", "try:\n    y = 1\nexcept OSError:\n    y = 2\n" * length)


def _huge_literals() -> Iterator[Case]:
    for digits in (4000, 4300, 4301, 90_000):
        yield Case(f"integer of {digits} digits", f"x = {'9' * digits}\n")
        yield Case(f"hexadecimal of {digits} digits", f"x = 0x{'f' * digits}\nprint(x)\n")
        yield Case(f"float of {digits} digits", f"x = 1.{'9' * digits}\n")
        yield Case(f"exponent of {digits} digits", f"x = 1e{'9' * digits}\n")
        yield Case(f"imaginary of {digits} digits", f"x = {'9' * digits}j\n")
        yield Case(f"string of {digits} characters", f"x = '{'a' * digits}'\n")
        yield Case(f"bytes of {digits} escapes", f"x = b'{chr(92)}x00{chr(92)}xff'\n" * (digits // 1000))
        yield Case(f"name of {digits} characters", f"{'a' * digits} = 1\n")
        yield Case(
            f"format with {digits} fields",
            f"x = '{'%s' * (digits // 10)}' % (1, 2)\ny = '{'{}' * (digits // 10)}'.format(1)\n",
        )
    arithmetic = (
        "[0] * 99999999",
        "([0] * 99999999) * 99999999",
        "[[0] * 99999999] * 99999999",
        "(0, 0, 0, 0) * 99999999",
        "((1,) * 9999) * 9999 * 9999",
        "'a' * 99999999999",
        "b'a' * 9999999999",
        "2 ** 2 ** 30",
        "10 ** 10 ** 10",
        "9 ** 9 ** 9 ** 9",
        "1 << 99999999999",
        "-1 >> 10 ** 100",
        "10 ** 1000000 // 7",
        "'%099999999999d' % 1",
        "'%*d' % (2147483647, 1)",
        "'{:>99999999999}'.format(1)",
        "f'{0:>11111111111}'",
        "f'{0:>999999999}'",
        "str(10 ** 5000)",
        "int('9' * 5000)",
        "list(range(10 ** 12))",
        "[x for x in range(10 ** 12)]",
        "sum(range(10 ** 12))",
        "{x: y for x in range(10 ** 9) for y in range(10 ** 9)}",
        "dict.fromkeys(range(10 ** 9))",
        "'a'.join('b' * 10 ** 9)",
        "1e308 * 10 - float('inf')",
        "1 // 0 % 0",
        "(lambda f: f(f))(lambda f: f(f))",
        "frozenset(range(10 ** 9))",
    )
    for expression in arithmetic:
        yield Case(f"arithmetic {expression}", f"x = {expression}\ny = x + x\nprint(x, y[0], x.z)\n")
    for size in (1000, 10_000, 60_000):
        rows = {
            "integers": f"x = [{'1, ' * size}]\n",
            "strings": "x = [" + "'ab',\n" * min(size, 19_000) + "]\n",
            "pairs": f"x = {{{''.join(f'{i}: {i},' + chr(10) * (i % 40 == 0) for i in range(size))}}}\n",
            "tuples": f"x = [{''.join('(1, 2.5),' + chr(10) * (i % 40 == 0) for i in range(size))}]\n",
            "nested": f"x = [{''.join('[[1], {2: 3}],' + chr(10) * (i % 40 == 0) for i in range(size))}]\n",
            "names": f"x = [{''.join(f'n{i},' + chr(10) * (i % 40 == 0) for i in range(size))}]\n",
            "negatives": f"x = ({''.join('-1,' + chr(10) * (i % 40 == 0) for i in range(size))})\n",
            "calls": f"x = [{''.join('f(1),' + chr(10) * (i % 40 == 0) for i in range(size))}]\n",
        }
        yield from (Case(f"table of {size} {name}", text) for name, text in rows.items())


def _many_statements() -> Iterator[Case]:
    for count in (500, 3000, 9000):
        numbered = {
            "assignments": "x{i} = {i}\n",
            "assignments to one name": "x = {i}\n",
            "uses of one name": "x = {i}\nprint(x)\n",
            "increments": "x = x + 1\n",
            "functions": "def f{i}(a, b):\n    return a\n",
            "functions of one name": "def f(a):\n    return a\n",
            "classes": "class A{i}:\n    x = 1\n",
            "imports": "import m{i}\n",
            "imports of one module": "import os\n",
            "star imports": "from os.path import *\n",
            "calls of unknown names": "f{i}(1)\n",
            "attributes": "a.b{i} = {i}\n",
            "attributes of sys": "import sys\nsys.a{i} = {i}\n",
            "globals": "def f{i}():\n    global g\n    g = {i}\n",
            "lambdas": "f{i} = lambda x: x\n",
            "deletions": "x = 1\ndel x\n",
            "asserts": "assert (1, 'a')\n",
            "comments": "# comment {i}\n",
            "semicolons": "a = 1; b = 2;\n",
            "documents": '"""text {i}"""\n',
            "annotations": "x{i}: 'List[Dict[str, int]]' = None\n",
            "pass": "pass\n",
            "trailing blanks": "x = 1        \n",
            "blank lines": "\n\n",
        }
        for name, template in numbered.items():
            lines_each = template.count("\n")
            body = "".join(template.replace("{i}", str(i)) for i in range(count // lines_each))
            yield Case(f"{count} lines of {name}", body)
        yield Case(f"{count} parameters", f"def f({', '.join(f'a{i}' for i in range(count))}): pass\n")
        yield Case(f"{count} arguments", f"f({', '.join('1' for i in range(count))})\n")
        yield Case(f"{count} keywords", f"f({', '.join(f'a{i}=1' for i in range(count))})\n")
        yield Case(f"{count} names in one import", f"from os import {', '.join(f'a{i}' for i in range(count))}\n")
        yield Case(f"{count} methods", "class A:\n" + "".join(f"    def m{i}(self): pass\n" for i in range(count)))
        yield Case(
            f"{count} attributes of self",
            "class A:\n    def m(self):\n" + "".join(f"        self.a{i} = 1\n" for i in range(count)),
        )
        yield Case(f"{count} targets", f"{', '.join(f'a{i}' for i in range(count))} = x\n")
        yield Case(f"{count} dots", f"from {'.' * count} import x\n")
        yield Case(f"{count} parts of a module's name", f"import a{'.b' * count}\n")


def _characters() -> Iterator[Case]:
    strange = {
        **{f"control character {i}": chr(i) for i in range(32)},
        "delete": "\x7f",
        "next line": "\x85",
        "no-break space": "\xa0",
        "soft hyphen": "\xad",
        "line separator": "\u2028",
        "paragraph separator": "\u2029",
        "zero-width space": "\u200b",
        "right-to-left override": "\u202e",
        "byte order mark": "\ufeff",
        "swapped byte order mark": "\ufffe",
        "replacement character": "\ufffd",
        "lone high surrogate": "\ud800",
        "lone low surrogate": "\udfff",
        "surrogates as a pair": "\ud83d\ude00",
        "emoji": "\U0001f600",
        "last code point": "\U0010ffff",
        "private use": "\ue000",
        "combining marks": "e" + "\u0301" * 500,
        "ligature that normalizes to a keyword": "\u2171\ufb01",
        "a letter that normalizes to eighteen": "\ufdfa" * 500,
        "superscript": "\u00b2",
        "full-width digits": "\uff11\uff12",
        "arabic digits": "\u0661",
        "kelvin sign": "\u212a",
    }
    places = {
        "at the start": "{}x = 1\n",
        "in a string": "x = '{}'\n",
        "in a comment": "x = 1  # {}\n",
        "in a name": "a{}b = 1\n",
        "at the end": "x = 1\n{}",
    }
    for name, character in strange.items():
        for place, template in places.items():
            yield Case(f"{name} {place}", template.replace("{}", character))
    yield Case("nothing but NUL", "\0" * 1000)
    yield Case("UTF-16 read as Latin-1", "\ufeffx = 1\n".encode("utf-16-le").decode("latin-1"))
    yield Case("two byte order marks", "\ufeff\ufeffx = 1\n")
    yield Case("byte order mark and cookie", "\ufeff# coding: latin-1\nx = 1\n")
    yield Case("lines ended by CR", "x = 1\ry = 2\rif x:\r    z = 3\r")
    yield Case("line ends of every kind", "x = 1\r\ny = 2\rz = 3\n\rif x:\r\n    z = 3\n")
    yield Case("form feeds between all", "\f\n\f".join(["def f():", "    \fpass", "\f\f    ", "x = 1\f"]) + "\f")
    yield Case("every character below 256", "".join(map(chr, range(256))))
    yield Case("a picture", bytes(random.Random(SEED).randbytes(20_000)).decode("latin-1"))
    draw = random.Random(SEED)
    for i in range(40):
        yield Case(f"random characters {i}", "".join(chr(draw.randrange(1, 0x3000)) for _ in range(200)))
        yield Case(f"random punctuation {i}", "".join(draw.choice("()[]{}:,;.'\"#\\\n \t=*+-@x1") for _ in range(300)))


def _cookies() -> Iterator[Case]:
    codecs = {name for _, name, _ in pkgutil.iter_modules(encodings.__path__)} | set(encodings.aliases.aliases.values())
    for codec in sorted(codecs):
        yield Case(f"cookie {codec}", f"# -*- coding: {codec} -*-\nx = 'a'\n")
        yield Case(f"cookie {codec}, more than ASCII", f"#!/usr/bin/python\n# coding={codec}\nx = 'é日'\n")
    odd = (
        "no-such-codec",
        "os",
        "encodings.this",
        "../../etc/passwd",
        "__import__('os')",
        "utf-8-",
        "UTF_8_sig",
        "a" * 9000,
        "%s",
    )
    for codec in odd:
        yield Case(f"cookie {codec[:30]}", f"# coding: {codec}\nx = 1\n")


def _long_lines() -> Iterator[Case]:
    pieces = (
        "a",
        "#",
        " ",
        "(",
        "'",
        '"',
        '"""',
        "\\",
        "1",
        ",",
        "x;",
        "\t",
        "f'{",
        "'\\",
        "@",
        ":",
        "except ",
        ":print(",
        "lambda ",
        "a[",
        "*a",
    )
    for piece in pieces:
        for length in (limits.MAX_LINE_CHARS - 10, 1_000_000):
            yield Case(f"line of {length} characters of {piece!r}", piece * (length // len(piece)))
        yield Case(f"nine lines of {piece!r}", f"{piece * (99_000 // len(piece))}\n" * 9)
    yield Case("type and nothing but white space", ("\n" + " " * 45) * 19_000)
    yield Case("joined lines", "x = \\\n" * 9000 + "1\n")
    yield Case("a string over many lines", "x = '" + "\\\n" * 9000 + "'\n")
    yield Case("a long string without end", '"""' + "a\n" * 9000)
    yield Case("quotes that never meet", "'\n\"\n" * 4000)


def _inheritance() -> Iterator[Case]:
    for levels in (10, 100, 400, 2000):
        chain = "".join(f"class A{i + 1}(A{i}):\n    def m(self):\n        return super().m()\n" for i in range(levels))
        yield Case(f"inheritance {levels} deep", "class A0:\n    pass\n" + chain)
        yield Case(
            f"{levels} bases",
            "".join(f"class A{i}: pass\n" for i in range(levels))
            + f"class B({', '.join(f'A{i}' for i in range(levels))}): pass\n",
        )
    for levels in (5, 12, 24, 60):
        diamonds = "".join(
            f"class A{i + 1}(B{i}, C{i}): pass\nclass B{i + 1}(A{i + 1}): pass\nclass C{i + 1}(A{i + 1}): pass\n"
            for i in range(levels)
        )
        yield Case(f"{levels} diamonds", "class B0: pass\nclass C0: pass\n" + diamonds + f"A{levels}().m()\n")
        crossed = "".join(
            f"class A{i + 1}(A{i}, B{i}): pass\nclass B{i + 1}(B{i}, A{i}): pass\n" for i in range(levels)
        )
        yield Case(f"{levels} crossed bases", "class A0: pass\nclass B0: pass\n" + crossed)
        yield Case(
            f"{levels} metaclasses",
            "class A0(type): pass\n" + "".join(f"class A{i + 1}(type, metaclass=A{i}): pass\n" for i in range(levels)),
        )
        yield Case(
            f"{levels} classes in classes",
            "".join("    " * i + f"class A{i}:\n" for i in range(levels)) + "    " * levels + "x = 1\n",
        )
    odd = {
        "a class of itself": "class A(A):\n    pass\nA().x\n",
        "two classes of each other": "class A(B):\n    pass\nclass B(A):\n    pass\nA().x\n",
        "a base that is reassigned": "class A: pass\nA = A()\nclass B(A): pass\nA = B\nclass A(A): pass\nA.x.y\n",
        "its own metaclass": "class A(metaclass=A): pass\nclass B(type, metaclass=B): pass\nB().x\n",
        "a base that is called": "def f():\n    class A(f()): pass\n    return A\nclass B(f()): pass\nB().x\n",
        "a base that is a lambda": "class A(lambda: 1, *[], **{}): pass\n",
        "a base that is a number": "class A(1, 2, 'x', None): pass\nA().x\n",
        "an inconsistent order": "class A: pass\nclass B(A): pass\nclass C(A, B): pass\nC().x\n",
        "the same base twice": "class A: pass\nclass B(A, A): pass\nB().x\n",
        "every builtin": "class A(int, str, list, dict, type, object, Exception): pass\nA().x\n",
        "type with three arguments": "A = type('A', (A, type), {'x': A})\nclass B(A): pass\nB().y\n",
        "a property of itself": "class A:\n    @property\n    def x(self):\n        return self.x.x.x\nA().x.x\n",
        "getattr of itself": "class A:\n    def __getattr__(self, n):\n        return A().__getattr__(n)\nA().x.y.z\n",
        "slots without end": f"class A:\n    __slots__ = {tuple(f'a{i}' for i in range(5000))!r}\n",
        "a huge namedtuple": "from collections import namedtuple\nA = namedtuple('A', '"
        + " ".join(f"a{i}" for i in range(5000))
        + "')\nA(1).b\n",
        "a huge enum": "import enum\nclass A(enum.Enum):\n" + "".join(f"    X{i} = {i}\n" for i in range(3000)),
        "a huge dataclass": "from dataclasses import *\n@dataclass\nclass A:\n"
        + "".join(f"    x{i}: int = 1\n" for i in range(3000)),
        "a huge typed dict": "import typing\nclass A(typing.TypedDict):\n"
        + "".join(f"    x{i}: int\n" for i in range(3000)),
        "a decorator of itself": "@f\ndef f(g):\n    return f(g)\n@f\nclass A: pass\nA().x\n",
        "a generic of itself": "from typing import *\nT = TypeVar('T', bound='T')\nclass A(Generic[T], List['A']): pass\n",
    }
    yield from (Case(name, text) for name, text in odd.items())


def _inference() -> Iterator[Case]:
    for levels in (5, 15, 40, 200):
        doubling = "".join(f"def f{i + 1}():\n    return f{i}() + f{i}()\n" for i in range(levels))
        yield Case(f"calls that double {levels} times", f"def f0():\n    return [1]\n{doubling}f{levels}().x\n")
        lists = "".join(f"a{i + 1} = a{i} + a{i}\n" for i in range(levels))
        yield Case(f"lists that double {levels} times", f"a0 = [1]\n{lists}print(a{levels}.x)\n")
        products = "".join(f"a{i + 1} = a{i} * 10\n" for i in range(levels))
        yield Case(f"strings that grow {levels} times", f"a0 = 'x'\n{products}print(a{levels}.x)\n")
        nested = "".join(f"a{i + 1} = [a{i}, a{i}]\n" for i in range(levels))
        yield Case(f"lists of lists {levels} times", f"a0 = 1\n{nested}print(a{levels}[0][1].x)\n")
        tries = "".join(f"try:\n    x = x.a{i}\nexcept A{i}:\n    x = y{i}\n" for i in range(levels))
        yield Case(f"{levels} values of one name", f"{tries}x.y()\n")
        branches = "".join(f"if c{i}:\n    x = A{i}()\n" for i in range(levels))
        classes = "".join(f"class A{i}:\n    pass\n" for i in range(levels))
        yield Case(f"{levels} types of one name", f"{classes}{branches}x.y()\nx.z = x\n")
        callbacks = "".join(f"f = lambda g=f: g(f, {i})\n" for i in range(levels))
        yield Case(f"{levels} lambdas that call each other", f"f = print\n{callbacks}f().x\n")
        formats = "'{}'" + ".format('{}')" * levels
        yield Case(f"{levels} formats of formats", f"x = {formats}\n")
    odd = {
        "a name of itself": "x = x\nx.y = x.y\nx.y.z()\n",
        "two names of each other": "def f(): return g()\ndef g(): return f()\nf().x\na = b\nb = a\na.c\n",
        "a list in itself": "x = []\nx.append(x)\nx[0][0][0].y\nx += x\nfor y in x: x = y\n",
        "a dictionary in itself": "x = {}\nx[1] = x\nx[1][1].y\nx = {**x, **x}\n",
        "a star in itself": "x = [*x, *x]\ny = (*y,)\na, *b = b, *a\n",
        "a generator of itself": "def f():\n    yield from f()\nfor x in f():\n    x.y\n",
        "a recursion without end": "def f(n):\n    return f(n + 1) + f(n + 2)\nf(0).x\n",
        "a loop of attributes": "class A:\n  def m(self):\n    self.a = self.b\n    self.b = self.a\n    return self.a.b.a.c\n",
        "a context of itself": "from contextlib import *\n@contextmanager\ndef f():\n  with f() as x: yield x\nf().y\n",
        "writes into builtins": "import builtins\nbuiltins.print = None\nbuiltins.len = 1\nprint(len([]))\n",
        "writes into modules": "import os, sys, json\nos.path = json\nsys.modules['os'] = json\njson.loads = os\njson.loads('1')\n",
        "writes into classes": "import threading\nthreading.Thread.nothing = 1\nthreading.Thread().run = None\n",
        "deletes builtins": "del print\ndel __builtins__\nimport os\ndel os.path\n",
        "exec and eval": "exec('x = 1')\neval('__import__(\"os\").getpid()')\nprint(x)\n",
    }
    yield from (Case(name, text) for name, text in odd.items())


def _imports() -> Iterator[Case]:
    for name in sorted(sys.stdlib_module_names):
        yield Case(
            f"import of {name}", f"import {name}\nfrom {name} import *\nfrom {name} import nothing\n{name}.nothing()\n"
        )
    inner = (
        "this.x",
        "antigravity.x",
        "idlelib.idle.x",
        "idlelib.run.x",
        "test.regrtest.x",
        "test.__main__.x",
        "turtledemo.__main__.x",
        "lib2to3.__main__.x",
        "__main__.x",
        "__hello__.x",
        "unittest.__main__.x",
        "json.tool.x",
        "pip.__main__.x",
        "ensurepip.__main__.x",
        "tmprecast",
        "tmprecast.x",
        "recast.udfs.python.linter.lint",
        "pylint.lint.run",
        "astroid.brain",
        "sitecustomize",
        "usercustomize",
        "site",
        "conftest",
        "numpy.random",
        "pandas",
        "torch.nn",
        "tensorflow",
        "setuptools",
        "distutils.core",
        "pkg_resources",
        "os.path.x",
        "sys.x",
        "a..b",
    )
    for name in inner:
        yield Case(f"import of inner {name}", f"import {name}\nfrom {name} import y\nfrom .{name} import z\n")


def _side_effects(markers: Path) -> Iterator[Case]:
    snippets = (
        "open({m!r}, 'w').close()",
        "import os\nos.system('touch ' + {m!r})",
        "import subprocess\nsubprocess.run(['touch', {m!r}])",
        "import pathlib\npathlib.Path({m!r}).touch()",
        "class A:\n    open({m!r}, 'w').close()",
        "def f(x=open({m!r}, 'w')): pass",
        "@open({m!r}, 'w').write\ndef f(): pass",
        "class M(type):\n    def __new__(*a):\n        open({m!r}, 'w')\nclass A(metaclass=M): pass",
        "class A:\n    def __init_subclass__(cls):\n        open({m!r}, 'w')\nclass B(A): pass",
        "x: open({m!r}, 'w') = 1",
        "import atexit\natexit.register(open, {m!r}, 'w')",
        "import threading\nthreading.Thread(target=open, args=({m!r}, 'w')).start()",
        "import multiprocessing\nmultiprocessing.Process(target=open, args=({m!r}, 'w')).start()",
        "__import__('pathlib').Path({m!r}).touch()",
        "exec(\"open({m!r}, 'w')\")",
        "eval(\"open({m!r}, 'w')\")",
        "compile(\"open({m!r}, 'w')\", '', 'exec')",
        "import importlib\nimportlib.import_module('os').system('touch ' + {m!r})",
        "import ctypes\nctypes.CDLL(None).system(b'touch ' + {m!r}.encode())",
        "import pickle\npickle.loads(b'cbuiltins\\nopen\\n(V' + {m!r}.encode() + b'\\nVw\\ntR.')",
        "print(f'{{open({m!r}, \"w\")}}')",
        "[open({m!r}, 'w') for _ in range(1)]",
        "__all__ = [open({m!r}, 'w').name]",
        "__path__ = [open({m!r}, 'w').name]",
        "__getattr__ = lambda name: open({m!r}, 'w')",
        "class A:\n    def __del__(self):\n        open({m!r}, 'w')\nA()",
        "class A:\n    def __repr__(self):\n        return open({m!r}, 'w').name\nprint('%r' % A(), f'{{A()}}')",
        "import collections\ncollections.namedtuple('A', open({m!r}, 'w').name)",
        "import enum\nenum.Enum('A', open({m!r}, 'w').name)",
        "import re\nre.compile(open({m!r}, 'w').name)",
        "# pylint: init-hook=\"open({m!r}, 'w')\"\nx = 1",
        "# pylint: load-plugins={m}\nx = 1",
        "# type: open({m!r}, 'w')\nx = []  # type: __import__('os').system('touch ' + {m!r})",
        "'''\n>>> open({m!r}, 'w')\n'''",
        "import os\nif not os.fork():\n    open({m!r}, 'w')",
        "import os\nwhile True:\n    os.fork()",
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
        "import os\nos.kill(0, 9)",
        "import os\nos._exit(3)",
        "import os\nos.abort()",
        "import sys\nsys.exit(1)",
        "import sys\nsys.exit()\nraise SystemExit",
        "raise SystemExit(2)",
        "raise KeyboardInterrupt",
        "quit()\nexit()",
        "import sys\nsys.stdin.read()\ninput()",
        "import sys\nsys.stdout.buffer.write(b'\\0\\0\\0\\1x')\nsys.stdout.flush()",
        "import os\nos.close(0)\nos.close(1)\nos.close(3)",
        "import sys\nsys.setrecursionlimit(10 ** 9)",
        "import gc\ngc.disable()\nx = [None] * 10 ** 12",
        "import time\ntime.sleep(10 ** 6)",
        "while True:\n    pass",
        "import socket\nsocket.create_server(('', 1)).accept()",
        "import signal\nsignal.pause()",
        "import faulthandler\nfaulthandler._sigsegv()",
        "import shutil\nshutil.rmtree('/nonexistent')",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))",
        "import tmprecast\ntmprecast.x\nfrom tmprecast import *",
    )
    for i, snippet in enumerate(snippets):
        text = snippet.format(m=str(markers / str(i))) if "{m" in snippet else snippet
        yield Case(f"side effect {snippet.splitlines()[-1][:60]} ({i})", f"{text}\n")


def _pragmas() -> Iterator[Case]:
    bad = "import os, sys\ndef f(a,b):\n    if a == None: return\n    else: return os.nothing\n"
    pragmas = (
        "skip-file",
        "disable=all",
        "disable-all",
        "disable=C",
        "disable=C,R,W,E,F",
        "enable=all",
        "disable=",
        "disable",
        "",
        "disable=no-such-message",
        "disable=C0114, C0103",
        "disable-msg=W0611",
        "disable=W0611,",
        "disable=,,,",
        "disable-next=all",
        "disable=unused-import,all",
        "enable=F",
        "disable=E0401;skip-file",
        "disable: all",
        "dis able=all",
        "disable=all disable=all",
        "load-plugins=os",
        "init-hook='import os'",
        "rcfile=/etc/passwd",
        "persistent=y",
        "jobs=8",
        "msg-template={x}",
        "output=/tmp/x",
        "disable=" + ",".join(f"C{i:04}" for i in range(999)),
        "disable=" + "a" * 9000,
        "\0",
        "é=日",
    )
    for i, pragma in enumerate(pragmas):
        yield Case(f"pragma {pragma[:30]!r} on its own ({i})", f"# pylint: {pragma}\n{bad}")
        yield Case(
            f"pragma {pragma[:30]!r} in a function ({i})",
            f"{bad}    # pylint: {pragma}\n    x = 1  # pylint:{pragma}\n",
        )
    yield Case("5000 pragmas", "x = 1  # pylint: disable=C0103\n" * 5000)
    yield Case("5000 pragmas that contradict", "# pylint: disable=all\n# pylint: enable=all\n" * 2500 + bad)
    yield Case("a pragma in a string", f"x = '# pylint: skip-file'\n{bad}")


def _torn() -> Iterator[Case]:
    draw = random.Random(SEED)
    for i in range(120):
        text = NEIGHBOURS[i % len(NEIGHBOURS)] * draw.choice((1, 1, 3))
        start, end = sorted(draw.sample(range(len(text)), 2))
        yield Case(f"a file torn out of another {i}", text[start:end])
        yield Case(f"a file with a hole {i}", text[:start] + text[end:])
        yield Case(f"a file with a wrong character {i}", text[:start] + chr(draw.randrange(0x250)) + text[start + 1 :])
        lines = text.splitlines(keepends=True)
        draw.shuffle(lines)
        yield Case(f"shuffled lines {i}", "".join(lines))


def _large() -> Iterator[Case]:
    size = 100_000_000
    yield Case("100 MB of statements", "x = 1\n" * (size // 6))
    yield Case("100 MB in one line", "a" * size)
    yield Case("100 MB of line ends", "\n" * size)
    yield Case("100 MB that is not ASCII", "é" * (size // 2))
    yield Case("just below the limit", "x = 1\n" * (limits.MAX_LINES - 1))
    yield Case("just above the limit of lines", "x = 1\n" * (limits.MAX_LINES + 1))
    yield Case("just above the limit of bytes", ("x" * 99 + "\n") * (limits.MAX_BYTES // 100) + "xy")
    yield Case("as many bytes as allowed", ("#" * 99 + "\n") * (limits.MAX_BYTES // 100))
    yield Case(
        "as many statements as allowed",
        ("x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]\n") * (limits.MAX_BYTES // 53 - 1),
    )
