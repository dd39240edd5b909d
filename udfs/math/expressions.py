"""Reads formulas in LaTeX and plain text and computes their values, exactly, at fixed points of the variables.

Two expressions are taken for equal if they are equal at every point tried, which is how polynomial identities are
tested (Schwartz and Zippel): exact for what is rational, to twelve digits for roots, exponentials and the like. Nothing is
solved, simplified or searched for, so that reading takes time linear in the text and no verdict hangs on a clock.
"""

import cmath
import math
import re
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

MAX_CHARS = 400  # of a formula that is read
MAX_DEPTH = 40  # of brackets, fractions and exponents in each other
MAX_BITS = 16_384  # of an exact number; what comes out larger is computed in floating point, or not at all
POINTS = 4  # at which an expression with variables is computed; at the last one some variables are negative
DIGITS = 1e-12  # relative difference up to which two numbers in floating point are equal

Number = Fraction | complex
Tree = tuple[Any, ...]

_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "ln": cmath.log,
    "log": lambda x: cmath.log(x) / math.log(10),
    "lg": lambda x: cmath.log(x) / math.log(10),
    "exp": cmath.exp,
}
_WITH_ZEROS = frozenset(("sin", "cos", "tan", "cot"))  # at multiples of pi, which floating point only comes near to
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_CONSTANTS = {"\\pi": cmath.pi + 0j, "pi": cmath.pi + 0j, "e": cmath.e + 0j, "i": 1j, "\\imath": 1j}
_GREEK = frozenset(
    "\\" + name
    for name in (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau "
        "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar infty"
    ).split()
)
_ACCENTS = frozenset("\\vec \\hat \\bar \\tilde \\overline \\overrightarrow \\dot \\widehat \\mathbf \\mathcal".split())

FUNCTION_NAMES = frozenset([*_FUNCTIONS, "sqrt", "pi"])
_PLAIN = "|".join(sorted(FUNCTION_NAMES, key=len, reverse=True))
_TOKEN = re.compile(rf"\s*+(\d++(?:\.\d++)?|\.\d++|\\[A-Za-z]++|\\.|(?:{_PLAIN})(?![a-z])|\S)")
_ENDS = frozenset(")]}|,;=<>")


class Expression(NamedTuple):
    """A formula. `values`: at each point, None where it has none. `names`: of its variables. `tree`: what was read."""

    values: tuple[Number | None, ...]
    names: frozenset[str]
    tree: Tree


class _UnreadableError(ValueError):
    pass


@lru_cache(maxsize=8192)
def read(text: str) -> Expression | None:
    """Return what the formula `text` comes to, None where it is no formula that is understood. Raises nothing."""
    if not text or len(text) > MAX_CHARS:
        return None
    parser = _Parser(_TOKEN.findall(text))
    try:
        tree = parser.sum()
    except (_UnreadableError, ValueError):
        return None
    if parser.next() is not None:
        return None
    names = frozenset(parser.names)
    values = tuple(_computed(tree, point) for point in range(POINTS if names else 1))
    return Expression(values, names, tree) if any(value is not None for value in values) else None


def equal(one: Expression, other: Expression) -> bool:
    """Tell whether two expressions are equal at all points where both have a value, and both have some."""
    pairs = _pairs(one, other)
    return bool(pairs) and all(close(a, b) for a, b in pairs)


def ratio(one: Expression, other: Expression) -> Fraction | float | None:
    """Return the constant that `one` is of `other`, None if it is no real constant other than zero."""
    pairs = _pairs(one, other)
    if not pairs or any(not a or not b for a, b in pairs):
        return None
    found = [quotient(a, b) for a, b in pairs]
    if any(not close(found[0], each) for each in found[1:]):
        return None
    first = found[0]
    if isinstance(first, Fraction):
        return first
    value = floating(first)
    return value.real if abs(value.imag) <= DIGITS * abs(value) else None


def difference(one: Expression, other: Expression) -> Expression:
    """Return the expression `one` minus `other`."""
    names = one.names | other.names
    count = POINTS if names else 1
    ours, theirs = (each.values if len(each.values) == count else each.values * count for each in (one, other))
    values = tuple(
        None if a is None or b is None else _added(a, _negated(b)) for a, b in zip(ours, theirs, strict=True)
    )
    return Expression(values, names, ("+", one.tree, ("-", other.tree)))


def close(one: Number, other: Number) -> bool:
    """Tell whether two numbers are equal: exactly if both are exact, relatively if not."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    if not one or not other:
        return not one and not other  # what is too small for floating point is not zero
    a, b = floating(one), floating(other)
    return abs(a - b) <= DIGITS * max(abs(a), abs(b))


def constant(value: Number) -> Expression:
    """Return a number as an expression."""
    return Expression((value,), frozenset(), ("n", value))


def scaled(expression: Expression, factor: Number) -> Expression:
    """Return the expression times a number."""
    times = ("n", factor)
    values = tuple(None if value is None else _computed(("*", ("n", value), times), 0) for value in expression.values)
    return Expression(values, expression.names, ("*", ("n", factor), expression.tree))


def floating(a: Number) -> complex:
    """Return the number in floating point, infinity where it is too large."""
    try:
        return complex(a)
    except OverflowError:
        return complex(math.inf)


def line(expression: Expression, name: str, point: int = 0) -> tuple[Number, Number] | None:
    """Return a and b if the expression is `a * name + b` with the other variables as at the point, else None."""
    at = [_computed(expression.tree, point, {name: Fraction(value)}) for value in (0, 1, 2, -5)]
    b, one, two, below = at
    if b is None or one is None or two is None or below is None:
        return None
    slope = _added(one, _negated(b))
    for times, value in ((2, two), (-5, below)):
        if not _nearly(_added(b, _times(slope, Fraction(times))), value):
            return None
    return slope, b


def same_solutions(one: Expression, other: Expression) -> bool:
    """Tell whether the equations `one = 0` and `other = 0` have the same solutions.

    They do if one is a constant times the other, or if, in every variable that one of them is linear in, its solution
    solves the other.
    """
    if one.names != other.names or not one.names:
        return False
    if ratio(one, other) is not None:
        return True
    solved = [_solves(one, other), _solves(other, one)]
    return all(solved)


def _solves(one: Expression, other: Expression) -> bool:
    """Tell whether solutions of `one = 0` for a variable that it is linear in solve `other = 0`, and there are some."""
    checks = 0
    for name in sorted(one.names):
        for point in range(3):
            found = line(one, name, point)
            if found is None or not found[0]:
                break
            root = quotient(_negated(found[1]), found[0])
            value = _computed(other.tree, point, {name: root})
            near = _computed(other.tree, point, {name: _times(root, Fraction(101, 100))})
            if value is None or near is None or not abs(floating(value)) <= 1e-9 * abs(floating(near)):
                return False
            checks += 1
    return checks > 0


def _nearly(one: Number, other: Number) -> bool:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    a, b = floating(one), floating(other)
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-300)


def _pairs(one: Expression, other: Expression) -> list[tuple[Number, Number]]:
    count = max(len(one.values), len(other.values))
    ours, theirs = (each.values if len(each.values) == count else each.values * count for each in (one, other))
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    return pairs if 2 * len(pairs) >= count else []


class _Parser:
    """A recursive descent over the tokens of one formula; every function reads the longest run of its kind."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.names: set[str] = set()
        self.open_bars = 0

    def next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> str:
        if self.at >= len(self.tokens):
            raise _UnreadableError
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise _UnreadableError

    def sum(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _UnreadableError
        tree = self.product()
        while self.next() in ("+", "-"):
            sign = self.take()
            right = self.product()
            tree = ("+", tree, right if sign == "+" else ("-", right))
        self.depth -= 1
        return tree

    def product(self, in_argument: bool = False) -> Tree:
        tree = self.signed(in_argument)
        while True:
            token = self.next()
            if token in ("*", "\\times", "\\cdot"):
                self.take()
                tree = ("*", tree, self.signed(in_argument))
            elif token in ("/", "\\div"):
                self.take()
                tree = ("/", tree, self.signed(in_argument))
            elif self.starts_factor(token) and not (in_argument and self.is_function(token)):
                tree = ("*", tree, self.power(in_argument))
            else:
                return tree

    def starts_factor(self, token: str | None) -> bool:
        if token is None or token in _ENDS:
            return token == "|" and self.open_bars == 0
        if token in ("\\rfloor", "\\rceil"):
            return False
        return token[0].isalnum() or token[0] == "." or token in "([{" or (token[0] == "\\" and token[1:2].isalpha())

    def is_function(self, token: str | None) -> bool:
        return token is not None and token.lstrip("\\") in _FUNCTIONS

    def signed(self, in_argument: bool = False) -> Tree:
        sign = 1
        while self.next() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        tree = self.power(in_argument)
        return tree if sign == 1 else ("-", tree)

    def power(self, in_argument: bool = False) -> Tree:
        tree = self.primary(in_argument)
        while True:
            token = self.next()
            if token == "!":
                self.take()
                tree = ("!", tree)
            elif token in ("%", "\\%"):
                self.take()
                tree = ("/", tree, Fraction(100))
            elif token == "°":
                self.take()
                tree = ("*", tree, cmath.pi / 180 + 0j)
            elif token == "^":
                self.take()
                tree = ("^", tree, self.exponent())
            elif token == "*" and self.tokens[self.at + 1 : self.at + 2] == ["*"]:
                self.at += 2
                tree = ("^", tree, self.exponent())
            else:
                return tree

    def exponent(self) -> Tree:
        if self.next() in ("-", "+"):
            sign = self.take()
            tree = self.exponent()
            return ("-", tree) if sign == "-" else tree
        if self.next() in ("{", "(") or (self.next() or "").startswith("\\"):
            tree = self.primary()
        else:
            tree = self.single()
        if self.next() == "^":  # 9^9^9 is 9^(9^9), as in plain text; LaTeX has no such form
            self.take()
            return ("^", tree, self.exponent())
        return tree

    def single(self) -> Tree:
        """Read a number, a letter or a group: what stands behind `^` and `\\sqrt` without braces."""
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return ("n", Fraction(token))
        self.at -= 1
        return self.primary()

    def argument(self) -> Tree:
        """Read an argument of a macro: a group, a macro, or one digit or letter of what follows."""
        if self.next() in ("{", "("):
            return self.primary()
        token = self.take()
        if token.isdigit() and len(token) > 1:
            self.at -= 1
            self.tokens[self.at] = token[1:]
            return ("n", Fraction(token[0]))
        self.at -= 1
        return self.primary()

    def primary(self, in_argument: bool = False) -> Tree:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            number = Fraction(token)
            return self.mixed(number) if number.denominator == 1 else ("n", number)
        if token in ("(", "[", "{"):
            bars, self.open_bars = self.open_bars, 0
            tree = self.sum()
            self.open_bars = bars
            self.expect({"(": ")", "[": "]", "{": "}"}[token])
            return tree
        if token == "|":
            self.open_bars += 1
            tree = self.sum()
            self.expect("|")
            self.open_bars -= 1
            return ("abs", tree)
        if token in ("\\lfloor", "\\lceil"):
            tree = self.sum()
            self.expect("\\rfloor" if token == "\\lfloor" else "\\rceil")
            return (token, tree)
        name = token.lstrip("\\")
        if name in _FUNCTIONS:
            return self.function(name)
        if token in ("\\frac", "\\binom"):
            top = self.argument()
            return ("/" if token == "\\frac" else "binom", top, self.argument())
        if name == "sqrt":
            return self.root()
        if token in _ACCENTS:
            return self.name(f"{token}{{{self.raw_argument()}}}")
        if token in _GREEK or token in _CONSTANTS or (len(token) == 1 and token.isalpha()):
            return self.name(token)
        raise _UnreadableError

    def mixed(self, whole: Fraction) -> Tree:
        """Read the rest of a number: `1\\frac{1}{2}` and `1 1/2` are mixed numbers if the fraction is proper."""
        ahead = self.tokens[self.at : self.at + 7]
        if (
            ahead[:1] == ["\\frac"]
            and len(ahead) > 1
            and ahead[1].isdigit()
            and len(ahead[1]) == 2
            and ahead[1][0] < ahead[1][1]
        ):
            self.at += 2
            return ("n", whole + Fraction(int(ahead[1][0]), int(ahead[1][1])))
        if ahead[:2] == ["\\frac", "{"] and ahead[3:5] == ["}", "{"] and ahead[6:] == ["}"]:
            top, bottom = ahead[2], ahead[5]
            if top.isdigit() and bottom.isdigit() and 0 < int(top) < int(bottom):
                self.at += 7
                return ("n", whole + Fraction(int(top), int(bottom)))
        if len(ahead) >= 3 and ahead[0].isdigit() and ahead[1] == "/" and ahead[2].isdigit():
            if 0 < int(ahead[0]) < int(ahead[2]):
                self.at += 3
                return ("n", whole + Fraction(int(ahead[0]), int(ahead[2])))
            raise _UnreadableError
        if ahead and ahead[0][0].isdigit():
            raise _UnreadableError  # two numbers side by side are no product
        return ("n", whole)

    def function(self, name: str) -> Tree:
        base: Tree | None = None
        exponent: Tree | None = None
        while self.next() in ("_", "^"):
            if self.take() == "_":
                base = self.single()
            else:
                exponent = self.exponent()
        if exponent == ("-", ("n", Fraction(1))) and name in _INVERSE:
            name, exponent = _INVERSE[name], None
        tree = self.power() if self.next() in ("(", "[", "{", "|") else self.product(in_argument=True)
        tree = ("f", name, tree)
        if base is not None:
            tree = ("/", tree, ("f", name, base))
        return tree if exponent is None else ("^", tree, exponent)

    def root(self) -> Tree:
        degree: Tree = ("n", Fraction(2))
        if self.next() == "[":
            self.take()
            degree = self.sum()
            self.expect("]")
        return ("root", self.argument() if self.next() in ("{", "(") else self.single(), degree)

    def name(self, token: str) -> Tree:
        while self.next() in ("_", "'"):
            mark = self.take()
            token += mark if mark == "'" else f"_{self.raw_argument()}"
        if token in _CONSTANTS:
            return ("n", _CONSTANTS[token])
        self.names.add(token)
        return ("x", token)

    def raw_argument(self) -> str:
        token = self.take()
        if token != "{":
            return token
        parts: list[str] = []
        while (part := self.take()) != "}":
            if part == "{":
                raise _UnreadableError
            parts.append(part)
        return "".join(parts)


def _computed(tree: Tree, point: int, given: dict[str, Number] | None = None) -> Number | None:
    try:
        value = _value(tree, point, given or {})
        return value if isinstance(value, Fraction) or cmath.isfinite(value) else None
    except (ArithmeticError, ValueError, RecursionError):
        return None


def _value(tree: Any, point: int, given: dict[str, Number]) -> Number:
    if isinstance(tree, Fraction | complex):
        return tree
    kind = tree[0]
    if kind == "n":
        return tree[1]  # type: ignore[no-any-return]
    if kind == "x":
        return given[tree[1]] if tree[1] in given else _at(tree[1], point)
    if kind == "f":
        return _applied(tree[1], _value(tree[2], point, given))
    values = [_value(part, point, given) for part in tree[1:]]
    return _OPERATIONS[kind](*values)


def _at(name: str, point: int) -> Fraction:
    """Return the value of the variable at the point: between 0.3 and 3.4, at the last point of either sign."""
    drawn = zlib.crc32(f"{point} {name}".encode())
    value = Fraction(101 + drawn % 1009, 331)
    return -value if (point == POINTS - 1 and drawn & 4096) or (point == POINTS - 2 and not drawn & 4096) else value


def _applied(name: str, x: Number) -> Number:
    value = _FUNCTIONS[name](floating(x))
    if name in _WITH_ZEROS and abs(floating(x)) > 1 and abs(value) < 1e-15 * abs(floating(x)):
        return 0j
    return _normal(value, name == "exp")


def _normal(value: Number, nonzero: bool) -> Number:
    """Return the value. Raises ArithmeticError if it is not zero by rule, but too small for floating point."""
    if nonzero and isinstance(value, complex) and abs(value) < sys.float_info.min:
        raise ArithmeticError
    return value


def _without_underflow(operation: Callable[[Number, Number], Number]) -> Callable[[Number, Number], Number]:
    """Return the product, quotient, power or root, raising ArithmeticError where two numbers but zero come to zero."""
    return lambda a, b: _normal(operation(a, b), bool(a) and bool(b))


def _added(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bounded(a + b)
    x, y = floating(a), floating(b)
    return 0j if abs(x + y) <= 1e-13 * max(abs(x), abs(y)) else x + y


def _negated(a: Number) -> Number:
    return -a


def _times(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bounded(a * b)
    return floating(a) * floating(b)


def quotient(a: Number, b: Number) -> Number:
    """Return a over b. Raises ZeroDivisionError."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bounded(a / b)
    return floating(a) / floating(b)


def _raised(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
        if abs(b) * (a.numerator.bit_length() + a.denominator.bit_length()) <= MAX_BITS:
            return a**b.numerator
        if abs(a) in (0, 1):
            return a if b.numerator % 2 else abs(a)
    if (
        isinstance(a, Fraction)
        and isinstance(b, Fraction)
        and b.denominator <= 64
        and (a > 0 or (a < 0 and b.denominator % 2))
    ):
        return _times(_raised(_root(a, Fraction(b.denominator)), Fraction(b.numerator)), Fraction(1))
    return floating(a) ** floating(b)


def _root(a: Number, degree: Number) -> Number:
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 0 < degree <= 64:
        return floating(a) ** (1 / complex(degree))
    n = degree.numerator
    if isinstance(a, Fraction):
        if a < 0 and n % 2:
            return -_root(-a, degree)
        if a >= 0:
            top, bottom = _whole_root(a.numerator, n), _whole_root(a.denominator, n)
            if Fraction(top**n, bottom**n) == a:
                return Fraction(top, bottom)
    value = floating(a)
    return cmath.sqrt(value) if n == 2 else value ** (1 / n)


def _whole_root(a: int, n: int) -> int:
    """Return the largest whole number whose n-th power is not above a, by Newton's method from above."""
    if n == 2:
        return math.isqrt(a)
    root = 1 << -(-a.bit_length() // n)
    while (lower := ((n - 1) * root + a // root ** (n - 1)) // n) < root:
        root = lower
    return root


def _factorial(a: Number) -> Number:
    if isinstance(a, Fraction) and a.denominator == 1 and 0 <= a <= 300:
        return Fraction(math.factorial(a.numerator))
    if isinstance(a, complex) or not -50 < a < 150:
        raise ValueError
    return complex(math.gamma(a + 1))


def _binomial(n: Number, k: Number) -> Number:
    whole = isinstance(n, Fraction) and isinstance(k, Fraction) and n.denominator == k.denominator == 1
    if whole and min(n.real, k.real) >= 0 and min(k.real, n.real - k.real) * int(n.real).bit_length() <= MAX_BITS:
        return Fraction(math.comb(int(n.real), int(k.real)))
    return quotient(_factorial(n), _times(_factorial(k), _factorial(_added(n, _negated(k)))))


def _absolute(a: Number) -> Number:
    return abs(a) if isinstance(a, Fraction) else complex(abs(a))


def _bounded(a: Fraction) -> Number:
    return a if a.numerator.bit_length() + a.denominator.bit_length() <= 2 * MAX_BITS else floating(a)


_OPERATIONS: dict[str, Callable[..., Number]] = {
    "+": _added,
    "-": _negated,
    "*": _without_underflow(_times),
    "/": _without_underflow(quotient),
    "^": _without_underflow(_raised),
    "root": _without_underflow(_root),
    "abs": _absolute,
    "\\lfloor": lambda a: Fraction(math.floor(a.real)),
    "\\lceil": lambda a: Fraction(math.ceil(a.real)),
    "!": _factorial,
    "binom": _binomial,
}
