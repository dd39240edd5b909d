"""Replacements for functions of pylint 4.1.4 and astroid 4.3.4 that return the same in less time.

There is one: `nodes_of_class`, with which checks look through a function or a module for every name in it, reads an index
of the analysed module. tests/udfs/python/linter/test_shortcuts.py compares it with the original, `python -m benchmarks.lint`
every message with those of a pylint that knows none of this, and `python -m benchmarks.lint_shortcuts` measures what each
replacement is worth: what is worth less than 5% of the time is not kept (docs/log.md has those that were tried).

Trees deeper than MAX_INDEXED_HEIGHT get no index, so that a file that would exhaust the stack still does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from astroid import nodes
from astroid.nodes.node_ng import NodeNG

MAX_INDEXED_HEIGHT = 100
"""Levels of a tree up to which it is indexed. 99.9% of real files are below 40."""


class Index:
    """The nodes of the analysed module in the order in which nodes_of_class yields them.

    A subtree is a slice of `nodes`; `place` gives its bounds. Valid from the end of building to the end of checking, because
    checkers leave the tree as it is.
    """

    def __init__(self) -> None:
        """Start empty: every lookup then falls back to a walk."""
        self.clear()

    def clear(self) -> None:
        """Forget the module."""
        self.nodes: list[NodeNG] = []
        self.place: dict[NodeNG, tuple[int, int]] = {}
        self.found: dict[Any, list[NodeNG]] = {}

    def dissolve(self) -> None:
        """Forget the module and take its tree apart: parents and children refer to each other, so it would not go by itself."""
        for node in self.nodes:
            node.__dict__.clear()
        self.clear()

    def build(self, module: nodes.Module) -> None:
        """Index `module`, unless it is too deep."""
        self.clear()
        order: list[NodeNG] = []
        place: dict[NodeNG, tuple[int, int]] = {}
        path: list[tuple[NodeNG, int, Iterator[NodeNG]]] = []
        node: NodeNG | None = module
        while True:
            if node is not None:
                path.append((node, len(order), node.get_children()))
                order.append(node)
                if len(path) > MAX_INDEXED_HEIGHT:
                    return
            owner, start, children = path[-1]
            node = next(children, None)
            if node is None:
                place[owner] = (start, len(order))
                path.pop()
                if not path:
                    break
        if len(place) == len(order):  # no node is found twice
            self.nodes, self.place = order, place


INDEX = Index()
_walk_for = NodeNG.nodes_of_class


def _nodes_of_class(self: NodeNG, klass: Any, skip_klass: Any = None) -> Iterator[NodeNG]:
    """NodeNG.nodes_of_class: one pass over a slice, kept for the next call, in place of a generator per node."""
    place = INDEX.place.get(self)
    if place is None:
        return cast(Iterator[NodeNG], _walk_for(self, klass, skip_klass))
    key = (self, klass, skip_klass)
    found = INDEX.found.get(key)
    if found is None:
        start, end = place
        if skip_klass is None:
            found = [node for node in INDEX.nodes[start:end] if isinstance(node, klass)]
        else:
            found = [self] if isinstance(self, klass) else []
            at = start + 1
            while at < end:
                node = INDEX.nodes[at]
                if isinstance(node, skip_klass):
                    at = INDEX.place[node][1]
                    continue
                if isinstance(node, klass):
                    found.append(node)
                at += 1
        INDEX.found[key] = found
    return iter(found)


REPLACEMENTS: dict[str, tuple[Any, str, Any]] = {"nodes_of_class": (NodeNG, "nodes_of_class", _nodes_of_class)}
"""Each shortcut as what it replaces: class or module, name in it, replacement."""


def install() -> None:
    """Put the shortcuts in force."""
    for owner, name, replacement in REPLACEMENTS.values():
        setattr(owner, name, replacement)
