"""Each shortcut against the function of pylint or astroid that it replaces, over every node of real and awkward files.

The originals stay in place in this process: only the helper interpreter of udfs/python/linter/lint.py installs the shortcuts.
"""

import functools
import inspect
import io
import random
import re
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import astroid
import astroid.builder
import pytest
from astroid import bases, filter_statements, nodes, objects, transforms, util
from astroid.context import InferenceContext
from astroid.exceptions import InferenceError, StatementMissing
from astroid.manager import AstroidManager
from astroid.nodes import node_classes
from astroid.nodes.node_ng import NodeNG
from pylint.checkers import BaseChecker, imports, unicode, variables
from pylint.checkers import utils as checker_utils
from pylint.checkers.design_analysis import MisdesignChecker
from pylint.checkers.format import FormatChecker
from pylint.checkers.refactoring import refactoring_checker
from pylint.lint import PyLinter
from pylint.utils import ASTWalker
from pylint.utils.file_state import FileState

from recast.udfs.python.linter import shortcuts

AWKWARD = textwrap.dedent("""\
    import os, sys
    from abc import ABC, abstractmethod

    LEVEL = 1
    if os.name == "nt":
        LEVEL = 2
        def shown(x): return x
    elif sys.argv:
        LEVEL = 3
    else:
        from sys import path as LEVEL

    try:
        import json
        DUMPS = json.dumps
    except (ImportError, ValueError) as error:
        json = None
        DUMPS = error
    except OSError:
        DUMPS = None
    else:
        DUMPS = len
    finally:
        LAST = DUMPS

    class Base(ABC):
        level = LEVEL
        @property
        def size(self): return self.level
        @abstractmethod
        def run(self): ...

    class Left(Base): pass
    class Right(Base): level = 2
    class Both(Left, Right, metaclass=type(Base)):
        def run(self, items=(), *rest, key=None, **more):
            total = 0
            def add(n):
                nonlocal total
                total += n
                total: int = total
                return total
            for item in items:
                if (found := add(item)) and found > LEVEL:
                    item = found
                    break
                elif found: continue
            else:
                item = None
            with open(os.devnull) as file, file as other:
                item = [x for x in other if x for x in x]
            del total
            lambda total=item: total
            match item:
                case [a, *b] if a: return a
                case {"k": c, **d}: return c
                case str() as e: return e
            while item:
                item = item[1:] if item else "%s" % item
            return dict.fromkeys(rest), more.get(key, super().run)

    async def later(x):
        global LEVEL
        LEVEL = await x
        async with x as y, x: yield y
        async for z in x: print(f"{z!r:>{LEVEL}}", *x, **{**x})

    later = Base = isinstance(later, object) or bool(set(frozenset(tuple(list(range(3))))))
    """)
LIBRARY = ("sched.py", pytest.param("string.py", marks=pytest.mark.slow))
PAIRS = 3000


@pytest.fixture(scope="module", params=["awkward", *LIBRARY])
def module(request: pytest.FixtureRequest) -> nodes.Module:
    return parse(request.param)


def parse(name: str) -> nodes.Module:
    text = AWKWARD if name == "awkward" else Path(random.__file__).with_name(name).read_text("utf-8")
    return astroid.parse(text, module_name=Path(name).stem, apply_transforms=True)


@pytest.fixture
def index(module: nodes.Module) -> Iterator[None]:
    shortcuts.INDEX.build(module)
    assert shortcuts.INDEX.place
    yield
    shortcuts.INDEX.clear()


def everything(module: nodes.Module) -> list[NodeNG]:
    return list(module.nodes_of_class(NodeNG))


def pairs(found: list[NodeNG], seed: int = 0) -> Iterable[tuple[NodeNG, NodeNG]]:
    draw = random.Random(seed)
    return ((draw.choice(found), draw.choice(found)) for _ in range(PAIRS))


def outcome(call: Callable[[], Any]) -> object:
    """What a call gives, a generator's values drawn; or the type of its exception."""
    try:
        result = call()
        return list(result) if isinstance(result, Iterator) else result
    except (InferenceError, StatementMissing, AttributeError, astroid.AstroidError) as error:
        return type(error)


def told(result: object) -> object:
    """A result by what it says: instances and constants are made anew by every inference."""
    if isinstance(result, list):
        return [told(part) for part in result]
    if isinstance(result, nodes.Const):
        return type(result), result.value
    if isinstance(result, (bases.Proxy, objects.Super, NodeNG)):
        return type(result), re.sub(r" at \w+", "", repr(result))
    return result


KLASSES = (
    nodes.Name,
    nodes.AssignName,
    (nodes.FunctionDef, nodes.ClassDef),
    (nodes.Return, nodes.Yield),
    nodes.If,
    NodeNG,
)
SKIPPED = (None, nodes.FunctionDef, (nodes.FunctionDef, nodes.ClassDef, nodes.Lambda))


@pytest.mark.usefixtures("index")
def test_nodes_of_class_finds_the_same_nodes_in_the_same_order(module: nodes.Module) -> None:
    for node in everything(module):
        for klass in KLASSES:
            for skip in SKIPPED:
                original = list(shortcuts._walk_for(node, klass, skip))
                for _ in range(2):  # looked for, and remembered
                    assert list(shortcuts._nodes_of_class(node, klass, skip)) == original


def test_a_tree_that_is_too_deep_or_not_a_tree_gets_no_index() -> None:
    deep = astroid.parse("x = 1" + " + 1" * (shortcuts.MAX_INDEXED_HEIGHT + 1))
    shortcuts.INDEX.build(deep)
    assert not shortcuts.INDEX.place
    assert list(shortcuts._nodes_of_class(deep, nodes.Const)) == list(deep.nodes_of_class(nodes.Const))


def test_a_dissolved_tree_is_forgotten() -> None:
    tree = parse("awkward")
    shortcuts.INDEX.build(tree)
    shortcuts.INDEX.dissolve()
    assert not vars(tree) and not shortcuts.INDEX.place


def test_statement_and_parent_of_say_the_same(module: nodes.Module) -> None:
    found = everything(module)
    for node in found:
        assert outcome(lambda node=node: shortcuts._statement(node)) == outcome(lambda node=node: node.statement())
    for one, other in pairs(found):
        assert shortcuts._parent_of(one, other) == one.parent_of(other)


def test_in_a_tree_that_is_too_deep_a_statement_is_found_with_as_much_of_the_stack() -> None:
    deep = astroid.parse("x = 1" + " + 1" * (3 * shortcuts.MAX_INDEXED_HEIGHT))
    innermost = max(deep.nodes_of_class(nodes.Const), key=lambda node: len(list(node.node_ancestors())))
    shortcuts.INDEX.build(deep)
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(len(inspect.stack()) + 2 * shortcuts.MAX_INDEXED_HEIGHT)
        with pytest.raises(RecursionError):
            shortcuts._statement(innermost)
    finally:
        sys.setrecursionlimit(limit)
        shortcuts.INDEX.clear()


@pytest.mark.parametrize("exceptions", [None, ["ImportError"], ["OSError", "KeyError"]])
def test_are_exclusive_says_the_same(module: nodes.Module, exceptions: list[str] | None) -> None:
    for one, other in pairs(everything(module)):
        theirs = node_classes.are_exclusive(one, other, exceptions)
        assert shortcuts._are_exclusive(one, other, exceptions) == theirs


def test_filtered_statements_are_the_same(module: nodes.Module) -> None:
    for name in module.nodes_of_class((nodes.Name, nodes.AssignName, nodes.DelName)):
        scope = name.scope()
        while scope:
            statements = scope.locals.get(name.name, [])
            for offset in (0, -1):
                theirs = outcome(lambda: original_filter(name, statements, scope, offset))  # noqa: B023
                assert outcome(lambda: shortcuts._filter_stmts(name, statements, scope, offset)) == theirs  # noqa: B023
            scope = scope.parent and scope.parent.scope()


original_filter = filter_statements._filter_stmts


@pytest.mark.usefixtures("index")
def test_names_reassigned_and_names_declared_nonlocal_are_the_same(module: nodes.Module) -> None:
    found = [n for n in everything(module) if isinstance(n, (nodes.AssignName, nodes.FunctionDef, nodes.ClassDef))]
    for node in found:
        for other in found[::8]:
            for before in (True, False):
                theirs = checker_utils._is_reassigned_relative_to_current(node, other.name, before)
                assert shortcuts._is_reassigned_relative_to_current(node, other.name, before) == theirs
    for name in module.nodes_of_class(nodes.Name):
        for frame in (name.frame(), module):
            assert shortcuts._is_nonlocal_name(name, frame) == variables._is_nonlocal_name(name, frame)


def test_inference_yields_the_same_values(module: nodes.Module) -> None:
    for node in everything(module):
        if isinstance(node, (nodes.Arguments, nodes.Comprehension)):
            continue
        astroid.context._invalidate_cache()
        theirs = told(outcome(lambda node=node: NodeNG.infer(node)))
        astroid.context._invalidate_cache()
        for _ in range(2):  # inferred, and remembered
            assert told(outcome(lambda node=node: shortcuts._infer(node))) == theirs


def test_ancestors_are_the_same_and_the_path_is_left_alike(module: nodes.Module) -> None:
    for node in module.nodes_of_class(nodes.ClassDef):
        for recurs in (True, False):
            own, other = InferenceContext(), InferenceContext()
            theirs = outcome(lambda: node.ancestors(recurs, other))  # noqa: B023
            assert outcome(lambda: shortcuts._ancestors(node, recurs, own)) == theirs  # noqa: B023
            assert own.path == other.path


def test_a_walk_calls_the_same_checkers_in_the_same_order(module: nodes.Module) -> None:
    def walked(walk: Callable[[ASTWalker, NodeNG], None]) -> tuple[Any, ...]:
        calls: list[tuple[str, NodeNG]] = []
        linter = PyLinter()
        walker = ASTWalker(linter)
        design, layout = MisdesignChecker(linter), FormatChecker(linter)
        design._stmts, layout._lines, layout._visited_lines = [0], {}, {}
        for cls in nodes.ALL_NODE_CLASSES:
            walker.visit_events[cls.__name__.lower()] += [design.visit_default, layout.visit_default]
        told = messages_of(layout)
        for name in ("module", "functiondef", "name", "call", "if"):
            walker.visit_events[name].append(lambda node: calls.append(("visit", node)))
            walker.leave_events[name].append(lambda node: calls.append(("leave", node)))
        walker.walk = lambda node: walk(walker, node)  # type: ignore[method-assign]
        walker.walk(module)
        return calls, walker.nbstatements, told, layout._visited_lines, design._stmts

    shortcuts._callbacks.clear()
    try:
        assert walked(shortcuts._walk) == walked(ASTWalker.walk)
    finally:
        shortcuts._callbacks.clear()


@pytest.mark.parametrize("name", ["awkward", *LIBRARY])
def test_transforms_make_the_same_tree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = parse(name).repr_tree(ids=False)
    monkeypatch.setattr(transforms.TransformVisitor, "_transform", shortcuts._transform)
    monkeypatch.setattr(transforms.TransformVisitor, "_visit", shortcuts._visit)
    assert parse(name).repr_tree(ids=False) == theirs


TEMPLATES = (
    "def f(x=1, *, y: int = 2) -> int:\n    return [x, (y, {1: y})]",
    "class A(object):\n    @property\n    def x(self): return self._x\n    def __init__(self): self._x = 'é'",
    "import numpy\nclass ndarray(object):\n    def T(self): return numpy.ndarray([0, 0])",
    "x = [1, 2]",
    "1 + x",
    "f(1, *a, b=2)",
)


@pytest.mark.parametrize("code", TEMPLATES)
def test_a_copied_template_is_like_a_parsed_one_and_shares_no_node_with_another_copy(code: str) -> None:
    templates = shortcuts._Templates()
    parsed = astroid.builder.extract_node(code, "numpy")
    copies = [templates.extract_node(code, "numpy") for _ in range(4)]
    for copy in copies:
        assert copy.repr_tree() == parsed.repr_tree()
        assert copy.root().name == "numpy"
        assert copy.as_string() == parsed.as_string()
        assert {name: [type(n) for n in found] for name, found in copy.root().locals.items()} == {
            name: [type(n) for n in found] for name, found in parsed.root().locals.items()
        }
        assert AstroidManager().astroid_cache["numpy"].name == "numpy"
    AstroidManager().astroid_cache.pop("numpy")
    assert templates.copies[code, "numpy"]
    own = [{id(node) for node in copy.root().nodes_of_class(NodeNG)} for copy in copies]
    assert not own[2] & own[3]
    for node in copies[3].root().nodes_of_class(NodeNG):
        assert node.root() is copies[3].root()


def test_a_text_that_marks_what_to_extract_is_parsed_each_time() -> None:
    templates = shortcuts._Templates()
    for _ in range(3):
        name = templates.extract_node("x = __(y)\n")
        assert isinstance(name, nodes.Name) and name.name == "y"
        call = templates.extract_node("a = 1 #@\nb = 2\n")
        assert isinstance(call, nodes.Assign) and call.targets[0].name == "a"


@pytest.mark.parametrize(
    "source",
    [
        b"x = 1\n",
        b"\xef\xbb\xbfx = '\xc3\xa9'\n",
        b"# -*- coding: latin-1 -*-\nx = 1\n",
        b"x = 'a\x08b\x1bc\x1a'\n",
        "x = 'a\u202eb'  # \u2066\n".encode(),
        b"x = 1\r\ny = '\r'\n",
    ],
)
def test_the_same_characters_are_found_in_the_same_lines(source: bytes) -> None:
    def found(process: Callable[..., None]) -> list[Any]:
        checker = unicode.UnicodeChecker(PyLinter())
        messages: list[Any] = []
        checker.add_message = lambda *arguments, **options: messages.append((arguments, options))  # type: ignore[method-assign]
        module = astroid.parse("x = 1\n")
        module.file_bytes = source
        process(checker, module)
        return messages

    assert found(shortcuts._process_module) == found(shortcuts._process_lines)


def messages_of(checker: BaseChecker) -> list[Any]:
    """Return a list in which a checker's messages will be found."""
    told: list[Any] = []
    checker.add_message = lambda *arguments, **options: told.append((arguments, options))  # type: ignore[method-assign]
    return told


@pytest.mark.parametrize("disabled", [(), ("trailing-comma-tuple",)])
@pytest.mark.parametrize("pragma", ["", "  # pylint: enable=trailing-comma-tuple"])
def test_the_same_commas_trail(disabled: tuple[str, ...], pragma: str) -> None:
    text = f"{AWKWARD}a = 1,{pragma}\nb = (1,)\nc = [\n    2,\n]\nreturn x, # why\nd = ','\n"
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))

    def found(process: Callable[..., None]) -> tuple[list[Any], list[Any]]:
        linter = PyLinter()
        checker = refactoring_checker.RefactoringChecker(linter)
        linter.register_checker(checker)
        for name in disabled:
            linter.disable(name)
        told = messages_of(checker)
        process(checker, tokens)
        return told, checker._elifs

    told, elifs = found(shortcuts._process_tokens)
    assert (told, elifs) == found(shortcuts._look_at_all_tokens)
    assert bool(told) == (not disabled or bool(pragma))
    assert elifs


@pytest.mark.parametrize("disabled", [(), ("wrong-import-order",), ("wrong-import-order", "ungrouped-imports")])
@pytest.mark.parametrize("enabled", [(), ("ungrouped-imports",)])
def test_imports_are_put_in_order_where_a_message_could_come_of_it(
    disabled: tuple[str, ...], enabled: tuple[str, ...]
) -> None:
    module = astroid.parse("import pylint\nimport os\nimport sys\nimport os.path\n")

    def found(leave: Callable[..., None]) -> list[Any]:
        linter = PyLinter()
        checker = imports.ImportsChecker(linter)
        linter.register_checker(checker)
        for name in disabled:
            linter.disable(name)
        linter.file_state = FileState("m", linter.msgs_store, module)
        for name in enabled:
            for node in module.body:
                linter.enable(name, scope="module", line=node.lineno)
        checker.open()
        for node in module.body:
            checker._imports_stack.append((node, node.names[0][0] if isinstance(node, nodes.Import) else node.modname))
        told = messages_of(checker)
        leave(checker, module)
        return [each for each in told if linter.is_message_enabled(each[0][0], each[1]["node"].lineno)]

    told = found(shortcuts._isort_leave_module)
    assert told == found(shortcuts._sort_imports)
    assert bool(told) == (len(disabled) < 2 or bool(enabled))


LOOPS = """\
for i in range(3): pass
print(i, [i for j in range(i)], i)
def f(xs):
    for self.k, (y, *z) in xs: pass
    else: return None
    [w for w in xs]
    return y, z, k, w
def g(xs):
    for v, in xs: pass
    return v
"""


@pytest.mark.parametrize("text", [AWKWARD, LOOPS])
def test_the_same_names_are_taken_for_the_variable_of_a_loop(text: str) -> None:
    module = astroid.parse(text)
    shortcuts.INDEX.build(module)

    def found(look: Callable[..., None]) -> list[Any]:
        checker = variables.VariablesChecker(PyLinter())
        told = messages_of(checker)
        for name in module.nodes_of_class(nodes.Name):
            look(checker, name)
        return told

    try:
        told = found(shortcuts._loopvar_name)
        assert told == found(shortcuts._look_at_loop_variable)
        assert bool(told) == (text is LOOPS)
    finally:
        shortcuts.INDEX.clear()


@pytest.mark.parametrize("name", ["next", "accept", "x", "__class__", "__bool__", "__wrapped__", "_proxied", "name"])
def test_uninferable_has_the_same_attributes(name: str) -> None:
    class Ours(util.UninferableBase):
        """Asked in the new way."""

        __getattribute__ = object.__getattribute__
        __getattr__ = shortcuts._uninferable_attribute

    def asked(uninferable: util.UninferableBase) -> str:
        value = getattr(uninferable, name, None)
        return "itself" if value is uninferable else type(value).__name__

    assert asked(Ours()) == asked(util.UninferableBase())


def test_a_property_without_its_lock_is_computed_once_and_kept_in_its_place() -> None:
    class Circle:
        """A class with such a property."""

        asked = 0

        @functools.cached_property
        def area(self) -> int:
            self.asked += 1
            return self.asked

    Circle.area = shortcuts.CachedProperty(vars(Circle)["area"])  # type: ignore[assignment]
    circle = Circle()
    assert (circle.area, circle.area, vars(circle)["area"]) == (1, 1, 1)
