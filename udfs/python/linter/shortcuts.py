"""Faster replacements, with equal results, for the parts of pylint 4.1.4 and astroid 4.3.4 where linting spends its time.

Every function here replaces one of theirs and returns what it returns; none leaves out a check whose message could count.
What makes them faster is plain: loops in place of chained generators, an index in place of a walk over the whole function
per name, a copy in place of parsing the same text again. tests/udfs/python/linter/test_shortcuts.py compares them with
the originals, and `python -m benchmarks.lint` compares every message with those of a pylint that knows none of this.

Trees deeper than MAX_INDEXED_HEIGHT get no index, so that a file that would exhaust the stack still does.
"""

from __future__ import annotations

import enum
import functools
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from typing import Any, cast

import astroid.builder
import astroid.context
from astroid import bases, filter_statements, nodes, transforms, util
from astroid.brain import brain_builtin_inference
from astroid.context import InferenceContext
from astroid.exceptions import InferenceError, StatementMissing, UseInferenceDefault
from astroid.manager import AstroidManager
from astroid.nodes import node_classes
from astroid.nodes.node_ng import NodeNG
from astroid.nodes.scoped_nodes.utils import builtin_lookup
from pylint.checkers import design_analysis, imports, unicode, variables
from pylint.checkers import format as format_checker
from pylint.checkers import utils as checker_utils
from pylint.checkers.refactoring import refactoring_checker
from pylint.interfaces import HIGH
from pylint.utils import ast_walker

MAX_INDEXED_HEIGHT = 100
"""Levels of a tree up to which it is indexed. 99.9% of real files are below 40."""


Change = tuple[Any, str, Any]


def replacements() -> dict[str, list[Change]]:
    """Return each shortcut as what it replaces: class or module, name in it, replacement."""
    manager = AstroidManager()
    return {
        "manager": [
            (AstroidManager, "__new__", lambda cls: manager),
            (AstroidManager, "__init__", lambda self: None),
        ],
        "infer": [(NodeNG, "infer", _infer)],
        "parent_of": [(NodeNG, "parent_of", _parent_of)],
        "statement": [(NodeNG, "statement", _statement)],
        "nodes_of_class": [(NodeNG, "nodes_of_class", _nodes_of_class)],
        "ancestors": [(nodes.ClassDef, "ancestors", _ancestors)],
        "transform": [(transforms.TransformVisitor, "_transform", _transform)],
        "visit": [(transforms.TransformVisitor, "_visit", _visit)],
        "uninferable": [
            (util.UninferableBase, "__getattribute__", object.__getattribute__),
            (util.UninferableBase, "__getattr__", _uninferable_attribute),
        ],
        "walk": [(ast_walker.ASTWalker, "walk", _walk)],
        "unicode": [(unicode.UnicodeChecker, "process_module", _process_module)],
        "commas": [(refactoring_checker.RefactoringChecker, "process_tokens", _process_tokens)],
        "isort": [(imports.ImportsChecker, "isort_leave_module", _isort_leave_module)],
        "loopvar": [(variables.VariablesChecker, "_loopvar_name", _loopvar_name)],
        "cached_properties": list(_unlocked_cached_properties()),
        "are_exclusive": list(_everywhere(node_classes.are_exclusive, _are_exclusive)),
        "filter_stmts": list(_everywhere(filter_statements._filter_stmts, _filter_stmts)),
        "reassigned": list(
            _everywhere(checker_utils._is_reassigned_relative_to_current, _is_reassigned_relative_to_current)
        ),
        "nonlocal": list(_everywhere(variables._is_nonlocal_name, _is_nonlocal_name)),
        "templates": list(_everywhere(astroid.builder.extract_node, _Templates().extract_node)),
    }


def install() -> None:
    """Replace the originals wherever pylint and astroid have them."""
    for changes in replacements().values():
        for owner, name, replacement in changes:
            setattr(owner, name, replacement)


def _everywhere(original: object, replacement: object) -> Iterator[Change]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("astroid", "pylint"):
            for attribute, value in list(vars(module).items()):
                if value is original:
                    yield module, attribute, replacement


class CachedProperty:
    """functools.cached_property without its lock, which Python 3.12 dropped as well."""

    def __init__(self, original: functools.cached_property[Any], noted: list[tuple[Any, str]] | None = None) -> None:
        """Note in the list `noted`, if there is one, each instance it computed for and the name that keeps it."""
        self.compute, self.name, self.noted = original.func, original.func.__name__, noted
        self.__doc__ = original.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.compute(instance)
        if self.noted is not None:
            self.noted.append((instance, self.name))
        return value


def _unlocked_cached_properties() -> Iterator[Change]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "astroid":
            for owner in {value for value in vars(module).values() if isinstance(value, type)}:
                for attribute, value in list(vars(owner).items()):
                    if type(value) is functools.cached_property:
                        yield owner, attribute, CachedProperty(value)


_PLAIN = re.compile(rb"[\t\n\x20-\x7e]*")
_process_lines = unicode.UnicodeChecker.process_module


def _process_module(self: unicode.UnicodeChecker, node: nodes.Module) -> None:
    """UnicodeChecker.process_module: a file of plain ASCII holds none of the characters that it looks for line by line."""
    with node.stream() as stream:
        source = stream.read()
    if b"coding" in source or not _PLAIN.fullmatch(source):
        _process_lines(self, node)


_look_at_all_tokens = refactoring_checker.RefactoringChecker.process_tokens


def _process_tokens(self: refactoring_checker.RefactoringChecker, tokens: list[tokenize.TokenInfo]) -> None:
    """RefactoringChecker.process_tokens: only a comma is asked whether it trails."""
    if not self.linter.is_message_enabled("trailing-comma-tuple"):
        _look_at_all_tokens(self, tokens)
        return
    for index, token in enumerate(tokens):
        string = token[1]
        if string == "elif":
            self._elifs.extend([token[2], tokens[index + 1][2]])
        elif string == "," and refactoring_checker._is_trailing_comma(tokens, index):
            self.add_message("trailing-comma-tuple", line=token[2][0], confidence=HIGH)


MAX_NAME_CHARS = 63
"""A name of so many characters has at most 255 bytes, which is what file systems take."""

_sort_imports = imports.ImportsChecker.isort_leave_module


def _isort_leave_module(self: imports.ImportsChecker, node: nodes.Module) -> None:
    """ImportsChecker.isort_leave_module: nothing to do where both its messages are off and the file switches none on.

    But isort looks for a folder of each name, and raises where the file system has none so long.
    """
    enabled = self.linter.is_message_enabled
    if (
        any(len(name) > MAX_NAME_CHARS for _, name in self._imports_stack)
        or self.linter.file_state._raw_module_msgs_state
        or enabled("wrong-import-order")
        or enabled("ungrouped-imports")
    ):
        _sort_imports(self, node)


_look_at_loop_variable = variables.VariablesChecker._loopvar_name


def _loopvar_name(self: variables.VariablesChecker, node: nodes.Name) -> None:
    """VariablesChecker._loopvar_name: only a name that some loop of the file binds can be a loop's variable."""
    if not INDEX.nodes or node.name in INDEX.loop_names():
        _look_at_loop_variable(self, node)


class Index:
    """The nodes of the analysed module in the order in which nodes_of_class yields them.

    A subtree is a slice of `nodes`; `place` gives its bounds. Valid from the end of building to the end of checking, because
    checkers leave the tree as it is.
    """

    def __init__(self) -> None:
        """Start empty: every lookup then falls back to a walk."""
        self.clear()

    def dissolve(self) -> None:
        """Forget the module and take its tree apart: parents and children refer to each other, so it would not go by itself."""
        for node in self.nodes:
            node.__dict__.clear()
        self.clear()

    def clear(self) -> None:
        """Forget the module."""
        self.nodes: list[NodeNG] = []
        self.place: dict[NodeNG, tuple[int, int]] = {}
        self.found: dict[Any, list[NodeNG]] = {}
        self.bound: dict[NodeNG, dict[str, list[NodeNG]]] = {}
        self.nonlocals: dict[NodeNG, list[NodeNG]] = {}
        self.loops: frozenset[str] | None = None
        self.gave_up = False  # the module is there, and too deep

    def loop_names(self) -> frozenset[str]:
        """Return the names, those of attributes included, that loops and comprehensions of the module bind."""
        if self.loops is None:
            self.loops = frozenset(
                node.name if isinstance(node, nodes.AssignName) else node.attrname
                for node in self.nodes
                if isinstance(node, (nodes.AssignName, nodes.AssignAttr))
                and isinstance(node.assign_type(), (nodes.For, nodes.Comprehension))
            )
        return self.loops

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
                    self.gave_up = True
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


_walk_for = NodeNG.nodes_of_class


_BRAIN = AstroidManager.brain
_INFERENCE_CACHE = astroid.context._INFERENCE_CACHE


def _infer(self: NodeNG, context: InferenceContext | None = None) -> Iterator[Any]:
    """NodeNG.infer: the same steps without properties and a manager per call."""
    context = InferenceContext() if context is None else context.extra_context.get(self, context)
    inferred = context._nodes_inferred
    if self._explicit_inference is not None:
        try:
            for result in self._explicit_inference(self, context):
                inferred[0] += 1
                yield result
            return
        except UseInferenceDefault:
            pass
    key = (self, context.lookupname, context.callcontext, context.boundnode)
    known = _INFERENCE_CACHE.get(key)
    if known is not None:
        yield from known
        return
    results: list[Any] = []
    limit = _BRAIN["max_inferable_values"]
    for result in self._infer(context=context):
        if len(results) >= limit or inferred[0] > InferenceContext.max_inferred:
            results.append(util.Uninferable)
            yield util.Uninferable
            break
        results.append(result)
        yield result
        inferred[0] += 1
    _INFERENCE_CACHE[key] = tuple(results)


def _ancestors(self: nodes.ClassDef, recurs: bool = True, context: InferenceContext | None = None) -> Iterator[Any]:
    """ClassDef.ancestors: the context's path is restored without a context manager, and when the original restores it."""
    yielded = {self}
    if context is None:
        context = InferenceContext()
    if not self.bases and self.qname() != "builtins.object":
        yield builtin_lookup("object")[1][0]
        return
    for base in self.bases:
        path = set(context.path)
        try:
            for inferred in base.infer(context):
                if isinstance(inferred, nodes.ClassDef):
                    ancestor = inferred
                elif isinstance(inferred, bases.Instance):
                    ancestor = inferred._proxied
                else:
                    continue
                if not ancestor.hide:
                    if ancestor in yielded:
                        continue
                    yielded.add(ancestor)
                    yield ancestor
                if not recurs:
                    continue
                for grandpa in ancestor.ancestors(recurs=True, context=context):
                    if grandpa is self:
                        break
                    if grandpa in yielded:
                        continue
                    yielded.add(grandpa)
                    yield grandpa
        except InferenceError:
            pass
        context.path = path


def _parent_of(self: NodeNG, node: NodeNG) -> bool:
    """NodeNG.parent_of without a generator."""
    parent = node.parent
    while parent is not None:
        if parent is self:
            return True
        parent = parent.parent
    return False


_statement_by_recursion = NodeNG.statement


def _statement(self: NodeNG) -> NodeNG:
    """NodeNG.statement without recursion."""
    if INDEX.gave_up:
        return _statement_by_recursion(self)
    node = self
    while not node.is_statement:
        if not node.parent:
            raise StatementMissing(target=node)
        node = node.parent
        if node.__class__ is nodes.Module:
            return node.statement()
    return node


def _are_exclusive(stmt1: NodeNG, stmt2: NodeNG, exceptions: list[str] | None = None) -> bool:
    """astroid.are_exclusive: the child below each parent is looked up only where the answer depends on it."""
    child_of: dict[NodeNG, NodeNG] = {}
    previous = stmt1
    node = stmt1.parent
    while node is not None:
        child_of[node] = previous
        previous = node
        node = node.parent
    previous = stmt2
    node = stmt2.parent
    while node is not None:
        if node in child_of:
            if isinstance(node, nodes.If) and exceptions is None:
                attribute2 = node.locate_child(previous)[0]
                attribute1 = node.locate_child(child_of[node])[0]
                if "test" in (attribute1, attribute2):
                    return False
                return bool(attribute1 != attribute2)
            if isinstance(node, nodes.Try):
                return _in_exclusive_parts(node, child_of[node], previous, exceptions)
            return False
        previous = node
        node = node.parent
    return False


def _in_exclusive_parts(parent: nodes.Try, child1: NodeNG, child2: NodeNG, exceptions: list[str] | None) -> bool:
    attribute2, located2 = parent.locate_child(child2)
    attribute1, located1 = parent.locate_child(child1)
    if located1 is not located2:
        caught1 = attribute2 == "handlers" and attribute1 == "body" and child2.catch(exceptions)
        caught2 = attribute2 == "body" and attribute1 == "handlers" and child1.catch(exceptions)
        return bool(caught1 or caught2 or {attribute1, attribute2} == {"handlers", "orelse"})
    if attribute2 == "handlers" and attribute1 == "handlers":
        return child2 is not child1
    return False


def _filter_stmts(base_node: NodeNG, stmts: list[NodeNG], frame: NodeNG, offset: int) -> list[NodeNG]:
    """astroid's _filter_stmts: parents compared by identity, without the text of an error that nobody reads."""
    if offset == -1:
        my_frame = base_node.frame().parent.frame()
    else:
        my_frame = base_node.frame()
        if base_node.parent and base_node.statement() is my_frame and my_frame.parent:
            my_frame = my_frame.parent.frame()
    my_stmt = base_node.statement() if base_node.parent else None
    my_line = 0
    if my_frame is frame and my_stmt and my_stmt.fromlineno is not None:
        my_line = my_stmt.fromlineno + offset
    kept: list[NodeNG] = []
    parents: list[NodeNG | None] = []
    for node, stmt in filter_statements._get_filtered_node_statements(base_node, stmts):
        if stmt.fromlineno and stmt.fromlineno > my_line > 0:
            break
        if my_stmt is stmt and filter_statements._is_from_decorator(base_node):
            continue
        if node.has_base(base_node):
            break
        if isinstance(node, nodes.EmptyNode):
            kept.append(node)
            continue
        assign_type = node.assign_type()
        kept, done = assign_type._get_filtered_stmts(base_node, node, kept, my_stmt)
        if done:
            break
        optional_assign = assign_type.optional_assign
        if optional_assign and _parent_of(assign_type, base_node):
            kept, parents = [node], [stmt.parent]
            continue
        if isinstance(assign_type, nodes.NamedExpr):
            if_parent = filter_statements._get_if_statement_ancestor(assign_type)
            if if_parent and filter_statements._get_if_statement_ancestor(if_parent):
                optional_assign = False
                kept.append(node)
                parents.append(stmt.parent)
            else:
                kept, parents = [node], [stmt.parent]
        parent = stmt.parent
        inside_kept = False
        for i, other in enumerate(parents):
            if other is parent:
                inside_kept = _parent_of(kept[i].assign_type(), assign_type)
                if not (inside_kept or optional_assign or _are_exclusive(kept[i], node)):
                    del parents[i], kept[i]
                break
        if inside_kept or _are_exclusive(base_node, node):
            continue
        if isinstance(node, (nodes.NamedExpr, nodes.AssignName)):
            if isinstance(stmt, nodes.ExceptHandler):
                if not _parent_of(stmt, base_node):
                    continue
                kept, parents = [], []
            elif not optional_assign and my_stmt and parent is my_stmt.parent:
                kept, parents = [], []
        elif isinstance(node, nodes.DelName):
            kept, parents = [], []
            continue
        kept.append(node)
        is_parameter = isinstance(node, nodes.Arguments) or isinstance(node.parent, nodes.Arguments)
        parents.append(stmt if is_parameter else parent)
    return kept


def _is_reassigned_relative_to_current(node: NodeNG, varname: str, before: bool) -> bool:
    """pylint's helper of invalid-name: what a scope binds is collected once, not once per name."""
    scope = node.parent.scope() if isinstance(node, nodes.Lambda) and node.parent is not None else node.scope()
    line = node.lineno
    if line is None:
        return False
    bound = INDEX.bound.get(scope)
    if bound is None:
        bound = {}
        for binding in scope.nodes_of_class((nodes.AssignName, nodes.ClassDef, nodes.FunctionDef)):
            bound.setdefault(binding.name, []).append(binding)
        if scope in INDEX.place:
            INDEX.bound[scope] = bound
    for binding in bound.get(varname, ()):
        at = binding.lineno
        if (
            at is not None
            and (at < line if before else at > line)
            and checker_utils._is_node_in_same_scope(binding, scope)
        ):
            return True
    return False


def _is_nonlocal_name(node: nodes.Name, frame: NodeNG) -> bool:
    """pylint's helper of used-before-assignment: the nonlocal statements of a function are collected once."""
    if not isinstance(frame, nodes.FunctionDef):
        return False
    statements = INDEX.nonlocals.get(frame)
    if statements is None:
        statements = [stmt for stmt in frame.body if isinstance(stmt, nodes.Nonlocal)]
        if frame in INDEX.place:
            INDEX.nonlocals[frame] = statements
    return any(node.name in stmt.names and variables._is_before(stmt, node) for stmt in statements)


_replaced = 0  # nodes that transforms have given back so far: each one emptied the inference cache


@functools.cache
def _call_transforms() -> tuple[frozenset[str], list[Any]]:
    """The builtins that have a transform of their calls, and the transforms of calls that are not such."""
    names, others = set(), []
    for transform, predicate in AstroidManager().brain["_transform"].transforms[nodes.Call]:
        if getattr(predicate, "func", None) is brain_builtin_inference._builtin_filter_predicate:
            names.add(predicate.keywords["builtin_name"])
        else:
            others.append((transform, predicate))
    return frozenset(names), others


def _transform(self: transforms.TransformVisitor, node: Any) -> Any:
    """TransformVisitor._transform: one look at a call's name in place of eighteen."""
    global _replaced
    cls = node.__class__
    candidates = self.transforms[cls]
    if cls is nodes.Call:
        names, others = _call_transforms()
        func = node.func
        func_cls = func.__class__
        if (func_cls is nodes.Name and func.name not in names) or (
            func_cls is nodes.Attribute and func.attrname != "fromkeys"
        ):
            candidates = others
    for transform, predicate in candidates:
        if predicate is None or predicate(node):
            result = transform(node)
            if result is not None:
                _replaced += 1
                astroid.context._invalidate_cache()
                node = result
            if result.__class__ != cls:
                break
    return node


def _visit(self: transforms.TransformVisitor, node: Any) -> Any:
    """TransformVisitor._visit: no call for what holds no node."""
    for name in node._astroid_fields:
        value = getattr(node, name)
        if value and value.__class__ is not str:
            visited = self._visit_generic(value)
            if visited != value:
                setattr(node, name, visited)
    return self._transform(node)


def _uninferable_attribute(self: util.UninferableBase, name: str) -> Any:
    """UninferableBase.__getattribute__ as __getattr__: asked for its class, as isinstance does, Python answers by itself."""
    if name == "next" or (name.startswith("__") and name.endswith("__")):
        raise AttributeError(name)
    return self


_callbacks: dict[type, tuple[list[Any], list[Any]]] = {}
_FOR_STATEMENTS = (format_checker.FormatChecker.visit_default, design_analysis.MisdesignChecker.visit_default)


def _walk(self: ast_walker.ASTWalker, node: NodeNG) -> None:
    """ASTWalker.walk: callbacks found by class, without those that turn back where it is no statement.

    The process has one walker.
    """
    cls = node.__class__
    try:
        visits, leaves = _callbacks[cls]
    except KeyError:
        name = cls.__name__.lower()
        visits = self.visit_events[name]
        if not cls.is_statement:
            visits = [visit for visit in visits if getattr(visit, "__func__", None) not in _FOR_STATEMENTS]
        leaves = self.leave_events[name]
        _callbacks[cls] = (visits, leaves)
    if node.is_statement:
        self.nbstatements += 1
    for callback in visits:
        callback(node)
    for child in node.get_children():
        self.walk(child)
    for callback in leaves:
        callback(node)


_SELECTS = re.compile(r"#@|(?<!\w)__\(")  # marks with which extract_node is told what to extract


class _Templates:
    """extract_node for the constant texts with which astroid describes numpy and object models: parsed once, then copied."""

    def __init__(self) -> None:
        self.original = astroid.builder.extract_node
        self.copies: dict[tuple[str, str], Callable[[], nodes.Module] | None] = {}
        self.seen: set[tuple[str, str]] = set()

    def extract_node(self, code: str, module_name: str = "") -> Any:
        """Return the last statement of `code`, or its value if it is an expression, in a tree of its own."""
        key = (code, module_name)
        if key not in self.seen or _SELECTS.search(code):
            self.seen.add(key)
            return self.original(code, module_name)
        if key not in self.copies:
            replaced = _replaced
            self.copies[key] = _copier(astroid.builder.parse(code, module_name=module_name), _replaced > replaced)
        copy = self.copies[key]
        if copy is None:
            return self.original(code, module_name)
        last = copy().body[-1]
        return last.value if isinstance(last, nodes.Expr) else last


_CONSTANTS = (str, bytes, int, float, complex, bool, type(None), type(...), type, enum.Enum)


def _copier(tree: nodes.Module, emptied_cache: bool) -> Callable[[], nodes.Module] | None:
    """Return a function that makes copies of `tree`, or None if it holds something that cannot be shared or copied.

    The function is written for this tree: per node a line that makes it, and a line that gives it all its attributes.
    `emptied_cache` says whether building the tree emptied the inference cache, which the copies then do too.
    """
    order: list[Any] = [tree]
    number: dict[Any, int] = {tree: 0}
    known: dict[str, Any] = {"new": object.__new__}

    def name_of(value: Any) -> str:
        if value is None or type(value) in (bool, int) or (type(value) is str and value.isascii()):
            return repr(value)
        name = f"v{len(known)}"
        known[name] = value
        return name

    def text(value: Any) -> str:
        """Return the expression that makes a copy of an attribute; ValueError if there is none."""
        if value is tree.locals:
            return "names"
        if isinstance(value, NodeNG):
            if value not in number:
                if value.root() is not tree:
                    return name_of(value)
                number[value] = len(order)
                order.append(value)
            return f"n{number[value]}"
        if isinstance(value, dict):
            return attributes(value)
        if type(value) is list:
            return "[" + ", ".join(map(text, value)) + "]"
        if isinstance(value, (set, tuple)) and all(map(_holds_no_node, value)):
            return name_of(value) + ".copy()" * isinstance(value, set)
        if type(value) is tuple:
            return "(" + "".join(text(part) + ", " for part in value) + ")"
        if _holds_no_node(value):
            return name_of(value)
        raise ValueError(value)

    def attributes(values: dict[Any, Any]) -> str:
        return "{" + ", ".join(f"{name_of(name)}: {text(value)}" for name, value in values.items()) + "}"

    try:
        names = attributes(tree.locals)
        given = [attributes(vars(node)) for node in order]  # `order` grows meanwhile
    except ValueError:
        return None
    lines = [f"n{i} = new({name_of(type(node))})" for i, node in enumerate(order)]
    lines += [f"names = {names}", *(f"n{i}.__dict__ = {values}" for i, values in enumerate(given)), "return n0"]
    # Names of ours, and values as repr writes them: no text of a file's is run.
    exec("def make():\n " + "\n ".join(lines), known)
    make = known["make"]

    def copy() -> nodes.Module:
        module = make()
        AstroidManager().cache_module(module)
        if emptied_cache:
            astroid.context._invalidate_cache()
        return cast(nodes.Module, module)

    return copy


def _holds_no_node(value: Any) -> bool:
    """Say whether a function can be shared by copies: it may close over anything but nodes."""
    if isinstance(value, functools.partial):
        return all(_holds_no_node(part) for part in (value.func, *value.args, *value.keywords.values()))
    if isinstance(value, (*_CONSTANTS, frozenset)):
        return True
    if not callable(value) or isinstance(value, (NodeNG, bases.Proxy)):
        return False
    cells = getattr(value, "__closure__", None) or ()
    return all(_holds_no_node(cell.cell_contents) for cell in cells)
