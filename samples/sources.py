"""The files of the code lane's sample: of installed packages, and of our own, some with defects."""

from functools import cache
from typing import Literal, NamedTuple

Subset = Literal["small", "full"]

DEFECTS = {
    "content_missing": "the store has no object of this blob",
    "not_gzip": "the object holds the file's bytes as they are, not compressed",
    "gzip_cut_off": "the object is a gzip stream that breaks off in the middle",
    "huge": "unpacks to 17 MiB from an object of 17 kB",
    "unknown_encoding": "src_encoding names no encoding that exists",
    "wrong_encoding": "src_encoding says UTF-8, the bytes are Latin-1",
    "undecodable": "a picture under a program's name",
    "wrong_content": "the object holds another file than the one that git names so",
    "null_byte": "a NUL stands in the source",
    "byte_order_mark": "UTF-8 with a byte order mark, which no encoding name announces",
    "empty": "a file of no bytes",
    "python2": "print statements, old exceptions, old octal numbers",
    "newer_python": "grammar that came with Python 3.12",
    "syntax_error": "a forgotten colon",
    "tabs": "tabs and spaces mixed",
    "indentation": "a loop without an indented body",
    "unterminated": "a file that stops in the middle of a table",
    "merge_conflict": "markers of a merge that nobody resolved",
    "template": "placeholders of a project template",
    "console_session": "a pasted interpreter session, prompts included",
    "too_deep": "brackets nested deeper than a parser goes",
    "long_line": "one line of 200,000 characters",
    "many_lines": "25,000 lines",
    "too_large": "more than a megabyte of source",
    "comments_only": "nothing but comments, so no statement to score",
    "docstring_only": "nothing but a docstring, so no statement to score",
    "skip_file": "a pragma that tells pylint to skip the file",
    "silenced": "a pragma that silences every message: bad code that scores well",
    "foreign_cookie": "a coding cookie that is true of the bytes and no longer of the decoded text",
    "comment_heavy": "above 7 by its messages, below by the comment penalty",
    "low_score": "code that pylint rates far below 7",
    "slow_lint": "quick to parse, and more work for pylint than its limit allows",
    "same_text": "one text stored as two blobs in two encodings",
    "same_blob": "one blob in two repositories",
    "vendored": "a copy of somebody else's file",
    "generated": "written by a program",
}
"""What is wrong, or special, with a file; the names are those of the manifest."""


class Package(NamedTuple):
    """An installed distribution that stands in for a repository.

    `spread` files are taken evenly over its sorted Python files for the full set. `short` names those that the small
    set takes: under 1,100 characters, which a 135M model can rewrite. `long` is for the small set too, more than such a
    model's context. A wheel with compiled parts differs between platforms, so from such a one only named files are
    taken.
    """

    distribution: str
    repo_name: str
    licenses: tuple[str, ...]
    spread: int = 0
    short: tuple[str, ...] = ()
    long: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


class Written(NamedTuple):
    """A file of our own: where it pretends to live, and which text of `code_files/` (or of `built()`) it holds."""

    path: str
    source: str
    defects: tuple[str, ...] = ()
    encoding: str = "UTF-8"
    subset: Subset = "small"


# Scores of the `short` files by pylint 4.1.4 with the recipe's flags, comment penalty included: 7.8 to 10.0, except
# for great_expectations/warnings.py 6.4, install_data.py 5.7, anchor.py 4.5, _collections.py 4.1,
# example_plugins_pb2.py 3.8 and numpy's command/__init__.py 0.0.
PACKAGES = (
    Package("aiohttp", "aio-libs/aiohttp", ("Apache-2.0", "MIT"), named=("aiohttp/tcp_helpers.py",)),
    Package("altair", "vega/altair", ("BSD-3-Clause",), spread=14),
    Package("anyio", "agronholm/anyio", ("MIT",), spread=14),
    Package(
        "attrs", "python-attrs/attrs", ("MIT",), spread=10, short=("attr/_config.py",), long=("attr/validators.py",)
    ),
    Package("click", "pallets/click", ("BSD-3-Clause",), spread=10),
    Package("dill", "uqfoundation/dill", ("BSD-3-Clause",), spread=16),
    Package("filelock", "tox-dev/py-filelock", ("MIT",), spread=10),
    Package("fsspec", "fsspec/filesystem_spec", ("BSD-3-Clause",), spread=16),
    Package(
        "great_expectations",
        "great-expectations/great_expectations",
        ("Apache-2.0",),
        spread=24,
        short=("great_expectations/warnings.py",),
    ),
    Package("h11", "python-hyper/h11", ("MIT",), spread=8),
    Package("httpcore", "encode/httpcore", ("BSD-3-Clause",), spread=12),
    Package("httpx", "encode/httpx", ("BSD-3-Clause",), spread=12),
    Package("huggingface_hub", "huggingface/huggingface_hub", ("Apache-2.0",), spread=20),
    Package("idna", "kjd/idna", ("BSD-3-Clause",), spread=4),
    Package(
        "importlib_metadata",
        "python/importlib_metadata",
        ("Apache-2.0",),
        spread=8,
        short=("importlib_metadata/_collections.py",),
        named=("importlib_metadata/compat/py311.py",),
    ),
    Package(
        "isort",
        "PyCQA/isort",
        ("MIT",),
        named=("isort/_vendored/tomli/_parser.py", "isort/_vendored/tomli/_types.py", "isort/sorting.py"),
    ),
    Package("Jinja2", "pallets/jinja", ("BSD-3-Clause",), spread=12),
    Package("jsonschema", "python-jsonschema/jsonschema", ("MIT",), spread=14),
    Package("markdown-it-py", "executablebooks/markdown-it-py", ("MIT",), spread=14),
    Package("marshmallow", "marshmallow-code/marshmallow", ("MIT",), spread=8, short=("marshmallow/constants.py",)),
    Package("mistune", "lepture/mistune", ("BSD-3-Clause",), spread=14),
    Package("narwhals", "narwhals-dev/narwhals", ("MIT",), spread=16),
    Package(
        "numpy",
        "numpy/numpy",
        ("BSD-3-Clause",),
        short=(
            "numpy/_utils/_convertions.py",
            "numpy/distutils/command/__init__.py",
            "numpy/distutils/command/install_data.py",
        ),
    ),
    Package("packaging", "pypa/packaging", ("Apache-2.0", "BSD-2-Clause"), spread=8),
    Package("platformdirs", "tox-dev/platformdirs", ("MIT",), spread=8),
    Package("py4j", "py4j/py4j", ("BSD-3-Clause",), spread=14),
    Package("pydantic", "pydantic/pydantic", ("MIT",), spread=14, named=("pydantic/_internal/_git.py",)),
    Package("Pygments", "pygments/pygments", ("BSD-2-Clause",), spread=18, named=("pygments/modeline.py",)),
    Package("pyparsing", "pyparsing/pyparsing", ("MIT",), spread=8),
    Package(
        "pyspark",
        "apache/spark",
        ("Apache-2.0",),
        spread=20,
        short=("pyspark/sql/connect/proto/example_plugins_pb2.py",),
        named=("pyspark/sql/connect/proto/common_pb2.py",),
    ),
    Package(
        "python-dateutil",
        "dateutil/dateutil",
        ("BSD-3-Clause",),
        spread=10,
        short=("dateutil/_common.py",),
    ),
    Package("requests", "psf/requests", ("Apache-2.0",), spread=10),
    Package(
        "rich",
        "Textualize/rich",
        ("MIT",),
        spread=20,
        short=("rich/_pick.py", "rich/_stack.py", "rich/_timer.py"),
        named=("rich/color_triplet.py",),
    ),
    Package("ruamel.yaml", "ruamel/yaml", ("MIT",), spread=12, short=("ruamel/yaml/anchor.py",)),
    Package("tenacity", "jd/tenacity", ("Apache-2.0",), spread=8),
    Package("tomlkit", "python-poetry/tomlkit", ("MIT",), spread=6, short=("tomlkit/_compat.py",)),
    Package("tqdm", "tqdm/tqdm", ("MIT", "MPL-2.0"), spread=12),
    Package("typer", "fastapi/typer", ("MIT",), spread=12, short=("typer/exceptions.py",)),
    Package("urllib3", "urllib3/urllib3", ("MIT",), spread=12),
)
NO_LICENSE: tuple[str, ...] = ()

# Repositories of our own: name, licences, files.
OWN: tuple[tuple[str, tuple[str, ...], tuple[Written, ...]], ...] = (
    (
        "example-school/python-exercises",
        ("MIT",),
        (
            Written("/README.md", "README.md"),
            Written("/web/deck.js", "deck.js"),
            Written("/print_all.sh", "print_all.sh"),
            Written("/__init__.py", "", ("empty",)),
            Written("/legacy/print_report.py", "print_report.py", ("python2",)),
            Written("/legacy/guestbook.py", "guestbook.py", ("python2",)),
            Written("/legacy/octal_mode.py", "octal_mode.py", ("python2",)),
            Written("/week3/unfinished.py", "unfinished.py", ("syntax_error",)),
            Written("/week3/divisors.py", "mixed_tabs.py", ("tabs",)),
            Written("/week3/countdown.py", "indentation.py", ("indentation",)),
            Written("/week4/squares.py", "merge_conflict.py", ("merge_conflict",)),
            Written("/week4/ages.py", "console_session.py", ("console_session",)),
            Written("/week4/planets.py", "cut_off.py", ("unterminated",)),
            Written("/week4/app.py", "app_template.py", ("template",)),
            Written("/week4/best_grade.py", "type_alias.py", ("newer_python",)),
            Written("/week5/notes.py", "notes_only.py", ("comments_only",)),
            Written("/week5/about.py", "docstring_only.py", ("docstring_only",)),
            Written("/week5/turtle_flower.py", "skipped.py", ("skip_file",)),
            Written("/week6/quiet.py", "quiet.py", ("silenced",)),
            Written("/week6/deck.py", "mostly_comments.py", ("comment_heavy",)),
            Written("/week7/sort.py", "homework_sort.py", ("low_score",)),
            Written("/week7/bank.py", "homework_bank.py", ("low_score",)),
            Written("/week8/grades.py", "homework_grades.py", ("low_score",)),
            Written("/week8/adventure.py", "text_adventure.py", subset="full"),
            Written("/week9/wind_chill.py", "wind_chill.py"),
            Written("/week9/caesar.py", "caesar.py"),
            Written("/week9/stopwatch.py", "stopwatch.py", subset="full"),
            Written("/week9/inventory.py", "inventory.py"),
            Written("/week1/temperature.py", "temperature.py"),
            Written("/week1/rectangle.py", "rectangle.py"),
            Written("/week1/average.py", "average.py"),
            Written("/week2/vowels.py", "vowels.py"),
            Written("/week2/palindrome.py", "palindrome.py"),
            Written("/week2/fizzbuzz.py", "fizzbuzz.py"),
            Written("/week2/primes.py", "primes.py"),
        ),
    ),
    (
        "example-lab/many-scripts",
        ("MIT",),
        (
            Written("/de/gruss.py", "gruss.py", ("same_text",)),
            Written("/de/gruss_latin1.py", "gruss.py", ("same_text",), "ISO-8859-1"),
            Written("/fr/menu.py", "menu_fr.py", (), "UTF-16"),
            Written("/ja/omikuji.py", "omikuji.py", ("foreign_cookie",), "SHIFT_JIS"),
            Written("/ja/soroban.py", "soroban.py", (), "EUC-JP"),
            Written("/money/currency.py", "currency.py", (), "WINDOWS-1252"),
            Written("/money/currency_bom.py", "byte_order_mark", ("byte_order_mark",)),
            Written("/ru/pogoda.py", "pogoda.py", ("foreign_cookie",), "KOI8-R"),
            Written("/zh/chengyu.py", "chengyu.py", ("low_score",), "GB18030"),
        ),
    ),
    (
        "example-mirror/broken-objects",
        ("MIT",),
        (
            Written("/gone.py", "content_missing", ("content_missing",)),
            Written("/plain.py", "not_gzip", ("not_gzip",)),
            Written("/half.py", "gzip_cut_off", ("gzip_cut_off",)),
            Written("/no_such_encoding.py", "unknown_encoding", ("unknown_encoding",), "X-EBCDIC-MARS"),
            Written("/not_utf8.py", "wrong_encoding", ("wrong_encoding",)),
            Written("/logo.py", "undecodable", ("undecodable",)),
            Written("/mixed_up.py", "wrong_content", ("wrong_content",)),
            Written("/null.py", "null_byte", ("null_byte",)),
            Written("/nested.py", "too_deep", ("too_deep",)),
            Written("/one_line.py", "long_line", ("long_line",)),
            Written("/many_lines.py", "many_lines", ("many_lines",)),
            Written("/table.py", "too_large", ("too_large",)),
            Written("/unpacks_huge.py", "huge", ("huge",)),
            Written("/many_branches.py", "slow_lint", ("slow_lint",), subset="full"),
        ),
    ),
    ("example-void/nothing-yet", NO_LICENSE, ()),
)
# A repository of copies without a licence: the same blobs as in the packages' own repositories, which are then not taken.
COPIES = "example-school/copied-tools"
COPIED = (("typer", "typer/exceptions.py"),)


@cache
def built() -> dict[str, bytes]:
    """Return the contents that no editor would save, by the name of what is wrong with them."""
    return {
        "content_missing": b'"""A module that the mirror lost."""\n\nLOST = True\n',
        "not_gzip": b'"""A module that the mirror forgot to compress."""\n\nCOMPRESSED = False\n',
        "gzip_cut_off": b'"""A module whose upload broke off."""\n\nPARTS = 2\n',
        "unknown_encoding": b'"""A module in an encoding from elsewhere."""\n\nHOME = "Mars"\n',
        "undecodable": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10" + bytes(range(256)),
        "wrong_encoding": '"""Café."""\n\nPRICE_EUR = 2.5\n'.encode("latin-1"),
        "wrong_content": b'"""A module that the mirror mixed up with another."""\n\nOTHER = False\n',
        "null_byte": b'"""Tape archive padding."""\n\nBLOCK = 512\n\x00\x00\x00\x00',
        "byte_order_mark": b'\xef\xbb\xbf"""Saved by an editor that marks UTF-8."""\n\nRATE = 1.19\n\n\n'
        b'def gross(net):\n    """Return the price with tax."""\n    return round(net * RATE, 2)\n',
        "too_deep": b"DEEP = " + b"[" * 250 + b"]" * 250 + b"\n",
        "long_line": b'DATA = "' + b"0123456789abcdef" * 12_500 + b'"\n',
        "many_lines": b"NUMBERS = [\n" + b"    7,\n" * 25_000 + b"]\n",
        "too_large": b"ROWS = [\n" + b"".join(b'    "%s",\n' % (b"%04d " % n * 220) for n in range(1_000)) + b"]\n",
        "huge": b"# " + b"#" * (17 * 1024 * 1024) + b"\n",
        "slow_lint": b"def branch(x):\n" + b"".join(b"    if x == %d:\n        x += 1\n" % n for n in range(2_000)),
    }
