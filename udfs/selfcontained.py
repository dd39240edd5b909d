"""Whether a program stands on its own, as far as can be told without running it.

Two facts: names that nothing in the file defines, and modules that are neither in the standard library nor among widely
used packages. What only running tells (files that are read, services that are called, attributes that are missing) is
not looked for.
"""

import ast
import builtins
import re
import symtable
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

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
_KNOWN_MODULES = frozenset(sys.stdlib_module_names) | _REMOVED_MODULES | COMMON_PACKAGES
_GIVEN_NAMES = frozenset(dir(builtins)) | {
    "__file__", "__path__", "__annotations__", "__builtins__", "__cached__", "__dict__", "__module__", "__qualname__",
    "__class__", "WindowsError",
}  # fmt: skip

# Under this import the symbol table leaves annotations out, and a missing `from typing import Any` would pass.
_LATE_ANNOTATIONS = re.compile(r"^from __future__ import annotations\b(?=[ \t]*(?:#|$))", re.MULTILINE)


@dataclass(frozen=True)
class Dependence:
    """What a program needs and does not bring along, each sorted and at most MAX_LISTED long.

    `undefined_names`: names used that neither the file nor Python defines; empty where a star import may define them.
    `unknown_modules`: modules imported that are relative, or neither in the standard library nor in COMMON_PACKAGES,
    apart from imports that the program goes on without (in a `try` that handles ImportError).
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            scopes = symtable.symtable(_LATE_ANNOTATIONS.sub("pass", text), "<answer>", "exec")
            imported = set(_imports(tree.body))
            undefined = set() if "*" in imported else _undefined(scopes)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return Dependence(None, None)
    unknown = {module for module in imported - {"*"} if module.partition(".")[0] not in _KNOWN_MODULES}
    return Dependence(tuple(sorted(undefined)[:MAX_LISTED]), tuple(sorted(unknown)[:MAX_LISTED]))


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
            case ast.Try(body=body, handlers=handlers) if any(map(_handles_import_error, handlers)):
                yield from ("*" for name in _imports(body) if name == "*")
                for handler in handlers:
                    yield from _imports(handler.body)
                yield from _imports(statement.orelse + statement.finalbody)
            case _:
                for field in ("body", "handlers", "orelse", "finalbody", "cases"):
                    yield from _imports(getattr(statement, field, []))


def _handles_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return not names.isdisjoint({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _undefined(module: symtable.SymbolTable) -> set[str]:
    """Return the names that some scope looks up in the module and that nothing in the file puts there."""
    used, defined = set[str](), set(_GIVEN_NAMES)
    scopes = [module]
    while scopes:
        scope = scopes.pop()
        scopes.extend(scope.get_children())
        for symbol in scope.get_symbols():
            if symbol.is_global() and (symbol.is_assigned() or symbol.is_imported()):
                defined.add(symbol.get_name())
            elif symbol.is_global() and symbol.is_referenced():
                used.add(symbol.get_name())
    return used - defined
