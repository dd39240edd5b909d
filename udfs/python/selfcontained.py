"""Finds what a program lacks to run by itself: names that nothing defines, and modules that few machines have.

Two facts: names that nothing in the file defines, which pyflakes finds, and modules that are neither in the standard
library nor among widely used packages. What only running tells (files that are read, services that are called,
attributes that are missing) is not looked for.
"""

import ast
import builtins
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from recast.udfs.python import syntax

MAX_LISTED = 20  # names or modules stored per row: more says nothing new

# Import names of packages that a reader can be expected to install, and of what they bring (matplotlib mpl_toolkits and
# pylab, ipywidgets IPython, torch functorch). Widely used, maintained, and on PyPI.
COMMON_PACKAGES = frozenset(
    """
    absl aiohttp altair anthropic anyio arrow attr attrs bokeh boto3 botocore bs4 cachetools celery certifi
    chardet click cloudpickle colorama cryptography cv2 cycler cython dask datasets dateutil decorator django
    docker docutils dotenv duckdb elasticsearch emoji faker fastapi filelock flask flax fsspec functorch
    gensim git google googleapiclient graphviz grpc gym gymnasium h5py httpx huggingface_hub hypothesis
    imageio IPython ipywidgets isort itsdangerous jax jinja2 joblib jose jsonschema jwt kafka keras keyring
    kombu langchain lightgbm llvmlite loguru lxml markdown markupsafe marshmallow matplotlib mlflow mock
    more_itertools mpl_toolkits mpmath msgpack multidict mypy mysql nbformat networkx nltk numba numpy
    oauthlib onnx openai openpyxl orjson packaging pandas paramiko passlib peewee pexpect PIL pillow pip
    pkg_resources platformdirs playwright plotly pluggy polars prettytable prometheus_client prompt_toolkit
    protobuf psutil psycopg psycopg2 pyarrow pycparser pydantic pydantic_settings pygame pygments pylab pylint
    pymongo pymysql pynput pyparsing pyspark pytest pytz pywt qrcode ray redis regex requests
    requests_oauthlib rest_framework rich ruamel scapy scipy scrapy seaborn selenium sentence_transformers
    serial setuptools shap shapely simplejson six skimage sklearn slugify sortedcontainers spacy sqlalchemy
    sqlmodel starlette statsmodels streamlit sympy tables tabulate telegram tenacity tensorflow termcolor
    tiktoken tokenizers toml tomli torch torchaudio torchvision tornado tqdm transformers trio tweepy twisted
    typer typing_extensions tzlocal ujson urllib3 uvicorn watchdog websocket websockets werkzeug wheel wrapt
    wtforms xarray xgboost xlrd xlsxwriter xmltodict yaml yarl zmq
    """.split()  # noqa: SIM905 - two hundred quoted lines would say no more
)
# In the standard library of Python 3.10, gone from a later one: the verdict must not depend on who runs this.
_REMOVED_MODULES = frozenset(
    """
    aifc asynchat asyncore audioop binhex cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis
    nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
    """.split()  # noqa: SIM905 - as above
)
_KNOWN_MODULES = frozenset(sys.stdlib_module_names) | _REMOVED_MODULES | COMMON_PACKAGES | {"__main__", "test"}
_GIVEN_NAMES = frozenset(dir(builtins)) | {
    "__file__", "__path__", "__annotations__", "__builtins__", "__cached__", "__dict__", "__module__", "__qualname__",
    "__class__", "WindowsError",
}  # fmt: skip
# The interpreter whose branches of `if sys.version_info ...` count: one of today's, so that no verdict hangs on the patch.
_VERSION = (3, sys.version_info.minor)
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_EXITS = frozenset({"exit", "quit", "_exit", "abort"})


@dataclass(frozen=True)
class Dependence:
    """What a program needs and does not bring along, each sorted and at most MAX_LISTED long.

    `undefined_names`: names used that neither the file nor Python defines, apart from those in a `try` that handles
    NameError and in branches for Python 2; empty where a star import or a write into `globals()` may define them.
    `unknown_modules`: modules imported that are relative, or neither in the standard library nor in COMMON_PACKAGES,
    apart from imports that the program goes on without (in a `try` that handles ImportError, under TYPE_CHECKING).
    Both are None if the text does not parse.
    """

    undefined_names: tuple[str, ...] | None
    unknown_modules: tuple[str, ...] | None

    @property
    def count(self) -> int | None:
        """Return how many names and modules are listed, None if the text does not parse."""
        if self.undefined_names is None or self.unknown_modules is None:
            return None
        return len(self.undefined_names) + len(self.unknown_modules)


def dependence(text: str) -> Dependence:
    """Return what the Python program `text` depends on. Runs and imports nothing; raises nothing on any text."""
    try:
        tree = syntax.tree_of(text)
        syntax.tree_of.cache_clear()  # it is changed below
        if tree is None:
            return Dependence(None, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            elsewhere = _drop_dead_branches(tree)
            imported = set(_imports(tree.body))
            undefined = (
                set[str]()
                if "*" in imported or _writes_globals(tree)
                else _undefined(tree) - elsewhere - set(_given_to_builtins(tree))
            )
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return Dependence(None, None)
    unknown = {module for module in imported - {"*"} if not _is_known(module)}
    return Dependence(tuple(sorted(undefined)[:MAX_LISTED]), tuple(sorted(unknown)[:MAX_LISTED]))


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in _KNOWN_MODULES


def _undefined(tree: ast.Module) -> set[str]:
    """Return the names that nothing binds; those that only a branch for type checkers binds count where they are run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and all(map(_only_looks_up, node.body)):
            for handler in node.handlers:
                if handler.type is not None and not {"Exception", "BaseException"}.isdisjoint(_names(handler.type)):
                    handler.type = ast.copy_location(ast.Name("NameError", ast.Load()), handler.type)
    undefined = _UndefinedNames(tree).names
    branches = [
        each for each in ast.walk(tree) if isinstance(each, ast.If) and _last_name(each.test) == "TYPE_CHECKING"
    ]
    for branch in branches:
        branch.body = [ast.copy_location(ast.Pass(), branch)]
    if branches:
        for node in ast.walk(tree):
            for annotation in ("annotation", "returns"):
                if isinstance(getattr(node, annotation, None), ast.expr):
                    setattr(node, annotation, ast.copy_location(ast.Constant(None), node))
        run = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
        undefined |= _UndefinedNames(tree).names & run
    return undefined


def _only_looks_up(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr | ast.Assign) and isinstance(statement.value, ast.Name)


def _given_to_builtins(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a program adds to the builtins: `builtins.x = 1`, `gettext.install()`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(
                value=ast.Name(id="builtins" | "__builtins__" | "__builtin__"), attr=name, ctx=ast.Store()
            ):
                yield name
            case ast.Call(
                func=ast.Name(id="setattr"),
                args=[ast.Name(id="builtins" | "__builtins__"), ast.Constant(value=str(name)), _],
            ):
                yield name
            case ast.Call(func=ast.Attribute(attr="install", value=ast.Name(id="gettext"))):
                yield from ("_", "gettext", "ngettext", "pgettext", "npgettext")


class _UndefinedNames(Checker):  # type: ignore[misc]  # pyflakes has no types
    """pyflakes' checker, of whose messages only one for each undefined name is made.

    pyflakes takes a message back where a later `global` statement turns out to define the name.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._reported = set[str]()
        super().__init__(tree, builtins=_GIVEN_NAMES)

    @property
    def names(self) -> set[str]:
        """The names that no scope around their use binds."""
        return {message.message_args[0] for message in self.messages}

    def report(self, message: type, *details: Any, **more: Any) -> None:
        if message is UndefinedName and details[1] not in self._reported:
            self._reported.add(details[1])
            super().report(message, *details, **more)


def _imports(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the modules that the statements need, with their leading dots, and `*` for a star import."""
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                yield "." * level + (module or "")
                if names[0].name == "*":
                    yield "*"
            case ast.Try(body=body, handlers=handlers) if any(map(_goes_on_without, handlers)):
                yield from _first_choice(body, handlers)
                yield from _imports(statement.orelse + statement.finalbody)
            case ast.With(items=items, body=body) if any(_suppresses_import_error(item.context_expr) for item in items):
                yield from ("*" for name in _imports(body) if name == "*")
            case ast.If(test=test, orelse=orelse) if _last_name(test) == "TYPE_CHECKING":
                yield from _imports(orelse)
            case _:
                for field in ("body", "handlers", "orelse", "finalbody", "cases"):
                    yield from _imports(getattr(statement, field, []))


def _first_choice(body: list[ast.stmt], handlers: list[ast.ExceptHandler]) -> Iterator[str]:
    """Yield what a `try` needs that goes on without its imports: these where all are known, else what stands for them."""
    tried = list(_imports(body))
    if all(map(_is_known, filter("*".__ne__, tried))):
        yield from tried
        return
    yield from (name for name in tried if name == "*")
    for handler in handlers:
        yield from _imports(handler.body)


def _goes_on_without(handler: ast.ExceptHandler) -> bool:
    """Tell whether the handler takes a failed import and does not end the program for it."""
    last = handler.body[-1]
    ends = isinstance(last, ast.Raise) or (
        isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and _last_name(last.value.func) in _EXITS
    )
    return not ends and (handler.type is None or not _IMPORT_ERRORS.isdisjoint(_names(handler.type)))


def _suppresses_import_error(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or _last_name(node.func) != "suppress":
        return False
    return any(not _IMPORT_ERRORS.isdisjoint(_names(error)) for error in node.args)


def _names(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _last_name(node: ast.expr) -> str:
    """Return `c` for `c`, `a.c` and `a.b.c`, nothing for other expressions."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _writes_globals(tree: ast.Module) -> bool:
    """Tell whether the program may define names that no statement shows: `globals()[name] = ...` and its like."""
    for node in _outside_functions(tree):
        match node:
            case ast.Subscript(value=ast.Call(func=ast.Name(id="locals" | "vars"), args=[]), ctx=ast.Store()):
                return True
            case ast.Attribute(
                value=ast.Call(func=ast.Name(id="locals" | "vars"), args=[]), attr="update" | "setdefault"
            ):
                return True
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals")), ctx=ast.Store()):
                return True
            case ast.Attribute(value=ast.Call(func=ast.Name(id="globals")), attr="update" | "setdefault"):
                return True
            case ast.Call(func=ast.Name(id="exec"), args=[_] | [_, ast.Call(func=ast.Name(id="globals")), *_]):
                return True
            case ast.Call(func=ast.Name(id="setattr"), args=[target, *_]) if _is_this_module(target):
                return True
            case ast.Attribute(attr="__dict__", value=target) if _is_this_module(target):
                return True
    return False


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _is_this_module(node: ast.expr) -> bool:
    match node:
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Name(id="__name__")):
            return True
    return False


def _drop_dead_branches(tree: ast.Module) -> set[str]:
    """Take out of a tree what this version of Python never enters (`if sys.version_info < (3,)`) and return its names.

    What is bound there may be used in other branches for that version, whose tests tell nothing.
    """
    bound = set[str]()
    for node in ast.walk(tree):
        if not isinstance(node, ast.If | ast.IfExp) or (taken := _verdict(node.test)) is None:
            continue
        if isinstance(node, ast.IfExp):
            node.body = node.orelse = node.body if taken else node.orelse
            continue
        live, dead = (node.body, node.orelse) if taken else (node.orelse, node.body)
        node.body, node.orelse = live or [ast.copy_location(ast.Pass(), node)], []
        bound.update(name for statement in dead for each in ast.walk(statement) for name in _bound(each))
    return bound


def _bound(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.ClassDef(name=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [each.asname or each.name.partition(".")[0] for each in names]
    return []


def _verdict(test: ast.expr) -> bool | None:
    """Return what a test of Python's version comes to, None for any other test."""
    match test:
        case ast.Constant(value=int(value)):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return None if (inner := _verdict(operand)) is None else not inner
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in ("PY2", "PY3"):
            return name == "PY3"
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            version, other = _version_of(left), _constant_of(right)
            if version is None or other is None or isinstance(version, tuple) != isinstance(other, tuple):
                return None
            return _compared(version, operator, other)
    return None


def _version_of(node: ast.expr) -> tuple[int, ...] | int | None:
    match node:
        case ast.Attribute(attr="version_info"):
            return (*_VERSION, 99)
        case ast.Attribute(value=ast.Attribute(attr="version_info"), attr="major"):
            return _VERSION[0]
        case ast.Subscript(value=ast.Attribute(attr="version_info"), slice=ast.Constant(value=0)):
            return _VERSION[0]
        case ast.Subscript(value=ast.Attribute(attr="version_info"), slice=ast.Slice(lower=None, upper=upper)):
            match upper:
                case ast.Constant(value=int(end)) if 0 < end < 4:
                    return (*_VERSION, 99)[:end]
    return None


def _constant_of(node: ast.expr) -> tuple[int, ...] | int | None:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Tuple(elts=elements):
            values = [each.value for each in elements if isinstance(each, ast.Constant) and isinstance(each.value, int)]
            return tuple(values) if len(values) == len(elements) else None
    return None


def _compared(left: tuple[int, ...] | int, operator: ast.cmpop, right: tuple[int, ...] | int) -> bool | None:
    match operator:
        case ast.Lt():
            return left < right  # type: ignore[operator]  # both are tuples, or neither
        case ast.LtE():
            return left <= right  # type: ignore[operator]
        case ast.Gt():
            return left > right  # type: ignore[operator]
        case ast.GtE():
            return left >= right  # type: ignore[operator]
        case ast.Eq():
            return left == right
        case ast.NotEq():
            return left != right
    return None
