"""A record of what files write into the syntax trees of other modules, by which it is taken back.

- astroid writes attributes that a module assigns (`sys.stdout = ...`) into the syntax trees of the modules assigned to.
  Every such write is recorded; those of the analysed file, and of the modules it made astroid load, are taken back.
- A standard library module writes into others too (`doctest` sets `builtins._`). A fresh process sees these writes only
  in files that lead to the module, so here they are put back only when the file at hand leads to it: see `_reveal`.
- astroid keeps some of what it infers as attributes of nodes (whether a class is a metaclass, what kind of method a
  function is). What was inferred while such writes were in force is dropped with them; see `Journal`.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, cast

import astroid.builder
from astroid import bases, nodes, objects, util
from astroid.exceptions import InferenceError
from astroid.manager import AstroidManager
from astroid.nodes.scoped_nodes import scoped_nodes

MODULE = "tmprecast"
"""Name of the analysed module; the reference uses the random name of a temporary file."""

MANAGER = AstroidManager()

DEEP = 500
"""Calls on the stack above which no module is trusted: astroid takes a RecursionError for something it cannot infer."""

Attributes = dict[str, list[nodes.NodeNG]]


class Journal:
    """Records writes into the trees of other modules: those of each loaded module, and those in force now.

    The journal also records what astroid inferred and stored as an attribute of a node. A fresh process would infer it after
    the writes that it sees. So the first write of a file drops what was inferred for earlier files, and undoing the writes
    drops what was inferred for this file.
    """

    def __init__(self) -> None:
        """Start with nothing written."""
        # module -> the modules that loading it loaded, and the attributes it wrote, in order
        self.events: dict[str, list[str | tuple[Attributes, str, nodes.NodeNG]]] = {}
        self.visible: set[str] = set()
        self.building: list[str] = []  # modules whose trees are being built, the innermost last
        self.deepest = 0  # calls on the stack when a module was loaded, at most
        self.in_force: list[tuple[Attributes, str, nodes.NodeNG]] = []
        self.inferred: list[tuple[nodes.NodeNG, str]] = []  # by this file
        self.inferred_before: list[tuple[nodes.NodeNG, str]] = []

    def write(self, attributes: Attributes, name: str, node: nodes.NodeNG) -> None:
        """Put `node` among the values of an attribute, and remember to take it back."""
        values = attributes.setdefault(name, [])
        if node not in values:
            if not self.in_force:
                _drop(self.inferred_before)
            values.append(node)
            self.in_force.append((attributes, name, node))

    def undo(self) -> None:
        """Take back every write in force."""
        for attributes, name, node in reversed(self.in_force):
            values = attributes.get(name)
            if values is None:
                continue
            for i in range(len(values) - 1, -1, -1):
                if values[i] is node:
                    del values[i]
                    break
            if not values:
                del attributes[name]
        if self.in_force:
            _drop(self.inferred)
        kept = MANAGER.astroid_cache
        self.inferred_before += [each for each in self.inferred if kept.get((root := each[0].root()).name) is root]
        self.inferred.clear()
        self.in_force.clear()
        self.visible.clear()
        self.building.clear()


def _drop(inferred: list[tuple[nodes.NodeNG, str]]) -> None:
    for node, name in inferred:
        node.__dict__.pop(name, None)
    inferred.clear()


JOURNAL = Journal()
_load = AstroidManager.ast_from_module_name


def _reveal(name: str) -> None:
    """Put in force what loading the module `name` writes elsewhere, once per file, as far as the module is loaded."""
    if name in JOURNAL.visible:
        return
    JOURNAL.visible.add(name)
    for event in JOURNAL.events.get(name, ()):
        if isinstance(event, str):
            _reveal(event)
        else:
            JOURNAL.write(*event)


def _ast_from_module_name(
    self: AstroidManager, modname: str | None, context_file: str | None = None, use_cache: bool = True
) -> nodes.Module:
    """AstroidManager.ast_from_module_name that keeps the journal."""
    if modname is None or modname == MODULE:
        return _load(self, modname, context_file, use_cache)
    if JOURNAL.building:
        JOURNAL.events[JOURNAL.building[-1]].append(modname)
    if modname in self.astroid_cache:
        _reveal(modname)
        return _load(self, modname, context_file, use_cache)
    JOURNAL.deepest = max(JOURNAL.deepest, depth())
    JOURNAL.building.append(modname)
    JOURNAL.events[modname] = []
    JOURNAL.visible.add(modname)
    try:
        module = _load(self, modname, context_file, use_cache)
    except BaseException:
        del JOURNAL.events[modname]
        JOURNAL.visible.discard(modname)
        raise
    finally:
        JOURNAL.building.pop()
    return module


def _delayed_assattr(self: astroid.builder.AstroidBuilder, node: nodes.AssignAttr) -> None:
    """AstroidBuilder.delayed_assattr (astroid 4.3.4), except that writes into other modules go through the journal."""
    root = node.root()
    try:
        for inferred in node.expr.infer():
            owner = inferred
            try:
                if type(inferred) in {bases.Instance, objects.ExceptionInstance}:
                    owner = inferred._proxied
                    attributes = owner.instance_attrs
                    if not astroid.builder._can_assign_attr(owner, node.attrname):
                        continue
                elif isinstance(inferred, (bases.Instance, bases.Proxy, util.UninferableBase)):
                    continue
                elif inferred.is_function:
                    attributes = inferred.instance_attrs
                else:
                    attributes = inferred.locals
            except AttributeError:
                continue
            if owner.root() is root:
                values = attributes.setdefault(node.attrname, [])
                if node not in values:
                    values.append(node)
            else:
                if JOURNAL.building and JOURNAL.building[-1] == root.name:
                    JOURNAL.events[root.name].append((attributes, node.attrname, node))
                JOURNAL.write(attributes, node.attrname, node)
    except InferenceError:
        pass


_class_type = scoped_nodes._class_type


def _journaled_class_type(klass: nodes.ClassDef, *arguments: Any, **options: Any) -> str:
    """astroid's _class_type, which keeps its answer in the node."""
    if klass._type is None:
        JOURNAL.inferred.append((klass, "_type"))
        _class_type(klass, *arguments, **options)
    return cast(str, klass._type)


class _NotedProperty:
    """A functools.cached_property that notes in the journal each node for which it computed a value."""

    def __init__(self, original: functools.cached_property[Any]) -> None:
        self.compute, self.name = original.func, original.func.__name__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.compute(instance)
        JOURNAL.inferred.append((instance, self.name))
        return value


def install() -> None:
    """Have astroid keep the journal."""
    AstroidManager.ast_from_module_name = _ast_from_module_name
    astroid.builder.AstroidBuilder.delayed_assattr = _delayed_assattr
    for owner, name in ((nodes.FunctionDef, "type"), (nodes.ClassDef, "_all_slots")):
        setattr(owner, name, _NotedProperty(vars(owner)[name]))
    nodes.ClassDef.type = property(_journaled_class_type)
    scoped_nodes._class_type = _journaled_class_type


def depth() -> int:
    """Return how many functions have been called and not returned, the caller's included."""
    frame: types.FrameType | None = sys._getframe(1)
    calls = 0
    while frame:
        frame, calls = frame.f_back, calls + 1
    return calls
