"""A pylint that stays loaded and gives every file the result of a fresh process.

Most of what a pylint process does is the same for every file: start, set up checkers, parse the modules of the standard
library that the file imports. Here all that is done once and kept. What a file leaves behind is undone after it:

- astroid writes attributes that a module assigns (`sys.stdout = ...`) into the syntax trees of the modules assigned to.
  Every such write is recorded; those of the analysed file, and of the modules it made astroid load, are taken back.
- A standard library module writes into others too (`doctest` sets `builtins._`). A fresh process sees these writes only
  in files that lead to the module, so here they are put back only when the file at hand leads to it: see `_reveal`.
- astroid keeps some of what it infers as attributes of nodes (whether a class is a metaclass, what kind of method a
  function is). What was inferred while such writes were in force is dropped with them; see `Journal`.
- Inference caches are emptied, checkers and linter get back the state they had before the first file.

This module runs in the helper interpreter that udfs/python/linter/worker.py starts, never in a Spark worker. It imports pylint
before anything else, because astroid describes `sys` from the live interpreter, the order of `sys.modules` included.
"""

from __future__ import annotations

# isort: off
from pylint import lint as pylint_lint
from pylint.lint import message_state_handler, pylinter

# isort: on
import copy
import functools
import importlib.util
import os
import sys
import types
from typing import Any, cast

import astroid.builder
import astroid.context
from astroid import bases, nodes, objects, util
from astroid.exceptions import AstroidBuildingError, InferenceError
from astroid.inference_tip import _CURRENTLY_INFERRING, clear_inference_tip_cache
from astroid.interpreter._import import spec
from astroid.interpreter.objectmodel import ObjectModel
from astroid.manager import AstroidManager
from astroid.nodes._base_nodes import LookupMixIn
from astroid.nodes.scoped_nodes import scoped_nodes
from pylint import checkers as pylint_checkers
from pylint.checkers.classes.class_checker import ScopeAccessMap
from pylint.checkers.clear_lru_cache import clear_lru_caches
from pylint.checkers.refactoring.refactoring_checker import ConsiderUsingWithStack
from pylint.checkers.symilar import SimilaritiesChecker
from pylint.config.config_initialization import _config_initialization
from pylint.lint.base_options import _make_run_options
from pylint.reporters import CollectingReporter
from pylint.typing import FileItem
from pylint.utils import ASTWalker, LinterStats
from pylint.utils.pragma_parser import parse_pragma

from recast.udfs.python.linter import shortcuts

MODULE = "tmprecast"
"""Name of the analysed module; the reference uses the random name of a temporary file."""

MANAGER = AstroidManager()


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


_building: list[str] = []  # modules whose trees are being built, the innermost last


def _ast_from_module_name(
    self: AstroidManager, modname: str | None, context_file: str | None = None, use_cache: bool = True
) -> nodes.Module:
    """AstroidManager.ast_from_module_name that keeps the journal."""
    if modname is None or modname == MODULE:
        return _load(self, modname, context_file, use_cache)
    if _building:
        JOURNAL.events[_building[-1]].append(modname)
    if modname in self.astroid_cache:
        _reveal(modname)
        return _load(self, modname, context_file, use_cache)
    JOURNAL.deepest = max(JOURNAL.deepest, _depth())
    _building.append(modname)
    JOURNAL.events[modname] = []
    JOURNAL.visible.add(modname)
    try:
        module = _load(self, modname, context_file, use_cache)
    except BaseException:
        del JOURNAL.events[modname]
        JOURNAL.visible.discard(modname)
        raise
    finally:
        _building.pop()
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
                if _building and _building[-1] == root.name:
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


def _find_spec_without_importing(name: str, package: str | None = None) -> object:
    """importlib.util.find_spec that imports no parent package: for `import idlelib.idle.x` the original starts IDLE."""
    parent = name.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return None
    return importlib.util.find_spec(name, package)


def _report_no_crash(error: BaseException | None, *_: object) -> str:
    """pylint's prepare_crash_report, which would write a file. What our own memory limit caused is no finding of pylint's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # errors that are kept and raised again can go round in circles
        if isinstance(error, MemoryError):
            raise MemoryError
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return "a report that is not written"


def _patch() -> None:
    AstroidManager.ast_from_module_name = _ast_from_module_name
    astroid.builder.AstroidBuilder.delayed_assattr = _delayed_assattr
    for owner, name in ((nodes.FunctionDef, "type"), (nodes.ClassDef, "_all_slots")):
        setattr(owner, name, shortcuts.CachedProperty(vars(owner)[name], JOURNAL.inferred))
    nodes.ClassDef.type = property(_journaled_class_type)
    scoped_nodes._class_type = _journaled_class_type
    guarded = types.SimpleNamespace(find_spec=_find_spec_without_importing)
    spec.importlib = types.SimpleNamespace(util=guarded, machinery=importlib.machinery)
    pylinter.prepare_crash_report = _report_no_crash


def _depth() -> int:
    """Return how many functions have been called and not returned, the caller's included."""
    frame: types.FrameType | None = sys._getframe(1)
    depth = 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    return depth


RECURSION_LIMIT = 1000  # Python's own
DEEP = 500
"""Calls on the stack above which no module is trusted: astroid takes a RecursionError for something it cannot infer."""
CACHES = (LookupMixIn.lookup, ObjectModel.attributes, nodes.ClassDef._metaclass_lookup_attribute)


class Warm:
    """A linter ready to check one file after another."""

    def __init__(self, path: str, flags: list[str]) -> None:
        """Set up pylint with `flags` for files that will be found at `path`, one after another."""
        _patch()
        shortcuts.install()
        astroid.builder.AstroidBuilder(MANAGER)  # builds the tree of builtins
        self.path = path
        self.pragmas: list[str] = []
        message_state_handler.parse_pragma = self._parse_pragma
        run = types.SimpleNamespace(_rcfile=None, _output=None, _plugins=[], verbose=False)
        self.linter = linter = pylint_lint.PyLinter(_make_run_options(run), option_groups=pylint_lint.Run.option_groups)
        linter.load_default_plugins()
        _config_initialization(linter, [*flags, path], CollectingReporter(), config_file=None)
        linter.initialize()
        linter.config.missing_member_hint = (
            False  # "maybe 'append'?" is costly, and messages are kept without their text
        )
        self.walker = ASTWalker(linter)
        needed = linter.prepare_checkers()
        for checker in needed:
            checker.open()
            self.walker.add_checker(checker)
        self.check_module = functools.partial(
            linter.check_astroid_module,
            walker=self.walker,
            tokencheckers=[c for c in needed if isinstance(c, pylint_checkers.BaseTokenChecker)],
            # Duplicated code shows between files only, when all have been read.
            rawcheckers=[
                c
                for c in needed
                if isinstance(c, pylint_checkers.BaseRawFileChecker) and not isinstance(c, SimilaritiesChecker)
            ],
        )
        self.item = FileItem(MODULE, path, MODULE)
        self.progress = pylinter.ProgressReporter(False)
        sys.path.insert(0, os.path.dirname(path))
        self.pristine = [(vars(owner), dict(vars(owner)), _containers(owner)) for owner in needed]
        MANAGER.ast_from_module_name("sys")  # describes the live interpreter, so while it is as in a fresh process
        self._restore()

    def load(self, names: list[str]) -> None:
        """Parse modules of the standard library ahead of the files that import them."""
        for name in names:
            try:
                MANAGER.ast_from_module_name(name)
            except AstroidBuildingError:
                continue
        self._forget()

    def loaded(self) -> list[str]:
        """The modules parsed so far, but for the analysed one, which is still there if it ran out of time."""
        return [name for name in MANAGER.astroid_cache if name != MODULE]

    def loaded_deep(self) -> bool:
        """Say whether a module was loaded so near the end of the stack that its tree may be missing something."""
        return JOURNAL.deepest > DEEP

    def check(self) -> dict[str, Any]:
        """Lint the file at `path`. Returns score, statements, counts, messages and pragmas, ready for JSON.

        After an exception nothing is restored: the process should lint no other file.
        """
        linter = self.linter
        # As much stack as the reference has left here, where a module, run_pylint, Run and PyLinter.check are on it.
        sys.setrecursionlimit(RECURSION_LIMIT + _depth() - 4)
        trees = linter._get_asts(iter([self.item]), None, self.progress)
        if trees.get(self.item):
            shortcuts.INDEX.build(trees[self.item])
        linter._lint_files(trees, self.check_module, self.progress)
        linter.stats.statement = self.walker.nbstatements
        result = self._result()
        self._restore()
        return result

    def _parse_pragma(self, pragma: str) -> Any:
        self.pragmas.append(pragma.strip())
        return parse_pragma(pragma)

    def _result(self) -> dict[str, Any]:
        linter, stats = self.linter, self.linter.stats
        counts = {name: getattr(stats, name) for name in ("fatal", "error", "warning", "refactor", "convention")}
        score = None
        if stats.statement and not linter.file_state._is_base_filestate:
            names = {**counts, "info": stats.info, "statement": stats.statement}
            score = float(f"{eval(linter.config.evaluation, {}, names):.2f}")  # noqa: S307 (pylint's own formula)
        return {
            "score": score,
            "statements": stats.statement,
            "counts": list(counts.values()),
            "messages": [(m.symbol, m.msg_id, m.line, m.column) for m in linter.reporter.messages],
            "pragmas": self.pragmas[:],
        }

    def _restore(self) -> None:
        for attributes, values, containers in self.pristine:
            attributes.clear()
            attributes.update(values)
            for name, value in containers.items():
                attributes[name] = copy.deepcopy(value) if type(value) in _SMALL_OBJECTS else value.copy()
        self.linter.reporter.messages.clear()
        self.pragmas.clear()
        self.walker.nbstatements = 0
        self.walker.exception_msg = False
        self._forget()

    def _forget(self) -> None:
        """Drop what astroid and pylint remember of the last file."""
        JOURNAL.undo()
        _building.clear()
        MANAGER.astroid_cache.pop(MODULE, None)
        for failure in MANAGER._mod_file_cache.values():
            if isinstance(failure, AstroidBuildingError) and failure.__traceback__:
                for error in (failure, failure.error):  # through these it would keep the file's tree
                    error.__traceback__ = error.__context__ = None
        astroid.context._invalidate_cache()
        clear_inference_tip_cache()
        _CURRENTLY_INFERRING.clear()
        clear_lru_caches()
        for cached in CACHES:
            cached.cache_clear()
        shortcuts.INDEX.dissolve()


_SMALL_OBJECTS = (LinterStats, ScopeAccessMap, ConsiderUsingWithStack)


def _containers(owner: object) -> dict[str, Any]:
    """Return copies of the attributes of a checker that a file could change in place.

    One level deep is enough: before the first file, what lies deeper is either constant or empty.
    """
    values = {}
    for name, value in vars(owner).items():
        if type(value) in _SMALL_OBJECTS:
            values[name] = copy.deepcopy(value)
        elif isinstance(value, (list, dict, set)):
            values[name] = value.copy()
    return values
