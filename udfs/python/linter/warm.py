"""A pylint that stays loaded and gives every file the result of a fresh process.

Most of what a pylint process does is the same for every file: start, set up checkers, parse the modules of the standard
library that the file imports. Here all that is done once and kept. What a file leaves behind is undone after it:

- Writes into the syntax trees of other modules are taken back: see udfs/python/linter/tree_writes.py.
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
from typing import Any

import astroid.builder
import astroid.context
from astroid import nodes
from astroid.exceptions import AstroidBuildingError
from astroid.inference_tip import _CURRENTLY_INFERRING, clear_inference_tip_cache
from astroid.interpreter._import import spec
from astroid.interpreter.objectmodel import ObjectModel
from astroid.nodes._base_nodes import LookupMixIn
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

from recast.udfs.python.linter import shortcuts, tree_writes
from recast.udfs.python.linter.tree_writes import JOURNAL, MANAGER, MODULE


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
    guarded = types.SimpleNamespace(find_spec=_find_spec_without_importing)
    spec.importlib = types.SimpleNamespace(util=guarded, machinery=importlib.machinery)
    pylinter.prepare_crash_report = _report_no_crash


RECURSION_LIMIT = 1000  # Python's own
CACHES = (LookupMixIn.lookup, ObjectModel.attributes, nodes.ClassDef._metaclass_lookup_attribute)


class Warm:
    """A linter ready to check one file after another."""

    def __init__(self, path: str, flags: list[str]) -> None:
        """Set up pylint with `flags` for files that will be found at `path`, one after another."""
        tree_writes.install()
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
        # "maybe 'append'?" is costly, and messages are kept without their text
        linter.config.missing_member_hint = False
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
        return JOURNAL.deepest > tree_writes.DEEP

    def check(self) -> dict[str, Any]:
        """Lint the file at `path`. Returns score, statements, counts, messages and pragmas, ready for JSON.

        After an exception nothing is restored: the process should lint no other file.
        """
        linter = self.linter
        # As much stack as the reference has left here, where a module, run_pylint, Run and PyLinter.check are on it.
        sys.setrecursionlimit(RECURSION_LIMIT + tree_writes.depth() - 4)
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
