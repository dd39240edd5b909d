"""Each shortcut against the function of pylint or astroid that it replaces, over every node of real and awkward files.

The originals stay in place in this process: only the helper interpreter of udfs/python/linter/lint.py installs the shortcuts.
"""

import random
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import astroid
import pytest
from astroid import nodes
from astroid.nodes.node_ng import NodeNG

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


@pytest.fixture(scope="module", params=["awkward", *LIBRARY])
def module(request: pytest.FixtureRequest) -> nodes.Module:
    return parse(request.param)


def parse(name: str) -> nodes.Module:
    text = AWKWARD if name == "awkward" else Path(random.__file__).with_name(name).read_text("utf-8")
    return astroid.parse(text, module_name=Path(name).stem)


@pytest.fixture
def index(module: nodes.Module) -> Iterator[None]:
    shortcuts.INDEX.build(module)
    assert shortcuts.INDEX.place
    yield
    shortcuts.INDEX.clear()


def everything(module: nodes.Module) -> list[NodeNG]:
    return list(module.nodes_of_class(NodeNG))


def test_what_a_shortcut_replaces_is_there_and_bound_to_no_other_name() -> None:
    for owner, name, replacement in shortcuts.REPLACEMENTS.values():
        original = getattr(owner, name)
        assert original is not replacement
        bound = [
            (module.__name__, key)
            for module in list(sys.modules.values())
            if module.__name__.partition(".")[0] in ("astroid", "pylint")
            for key, value in vars(module).items()
            if value is original
        ]
        assert bound in ([], [(owner.__name__, name)])


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
