"""The linter against pylint as a user runs it: another virtual environment, made by `venv` and pip, started plainly."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reference
from benchmarks.lint import messages
from recast.udfs.child import helper
from recast.udfs.python.linter import lint

pytestmark = pytest.mark.slow

LIVE_MODULES_READ = 100
"""Values of a container up to which astroid infers (`max_inferable_values`)."""

# Names that no script defines and that some scripts use: what `site` adds, what a module has of itself, what Python 2 and
# notebooks had, what only some platforms have.
SCRIPTS = {
    "exit after usage": "import sys\nif len(sys.argv) < 2:\n    print('usage')\n    exit(1)\n",
    "exit, help, quit": "import sys\nif len(sys.argv) < 2:\n    exit(1)\nprint(help)\nquit()\nprint('x')\n",
    "help as a parameter": "def f(help=None, exit=1):\n    return help, exit\n",
    "license, credits, copyright": "print(license, credits)\ncopyright()\nlicense(1).x\n",
    "site's names as attributes": "exit.x\nhelp.x()\nquit.eof\nexit[0]\ncopyright + 1\nx = exit()\nhelp(a=1, b=2)\n",
    "site's names bound again": (
        "def exit():\n    pass\nexit()\nquit = 3\nclass copyright:\n    pass\nimport os as license\nfor help in []:\n    pass\n"
        "def f():\n    global credits\n    credits = 1\n"
    ),
    "site's names as types": "class H(type(help)):\n    pass\nx: exit = 3\ndef f() -> quit: pass\nisinstance(1, help)\n",
    "site's names deleted": "del exit\nhelp = 1\ndel help\nprint(help)\n",
    "exit inside a class": "class A:\n    exit = exit\n    def quit(self):\n        exit(0)\n        quit(1)\n",
    "exit ends a branch": (
        "def f(a):\n    if a:\n        return 1\n    exit(1)\ndef g():\n    try:\n        y = 1\n    except ValueError:\n"
        "        quit()\n    return y\n"
    ),
    "exit as a value": "import signal\nsignal.signal(signal.SIGINT, lambda s, f: exit(0))\nprint(map(exit, [help]))\n",
    "sys.exit": "import sys\nfrom sys import exit\nexit(1)\nsys.exit()\nimport os\nos._exit(1)\nos.exit(1)\n",
    "star imports": "from os import *\nfrom sys import *\nfrom site import *\nfrom builtins import *\nexit(1)\nprint(argv)\n",
    "the module site": "import site\nsite.x\nsite.setquit()\nimport _sitebuiltins\n_sitebuiltins.Quitter('a')\n",
    "builtins": "import builtins\nbuiltins.exit(1)\nbuiltins.help.x\nbuiltins.x\nprint(__builtins__)\n__builtins__.y\nbuiltins._\n",
    "underscore": "print(_('hello'))\nfor _ in range(3):\n    pass\n",
    "gettext": "import gettext\ngettext.install('x')\nprint(_('a'))\n",
    "a module's own names": (
        "print(__file__, __doc__, __name__, __loader__, __spec__, __package__, __path__, __debug__, __cached__, "
        "__annotations__, __dict__)\n"
    ),
    "Windows": "import msvcrt, winreg, nt\ntry:\n    msvcrt.getch()\nexcept WindowsError as error:\n    print(error)\n",
    "Python 2": (
        "x = unicode('a')\nfor i in xrange(3):\n    raw_input()\nlong(3)\nunichr(3)\nreduce(max, [1])\nexecfile('x')\n"
        "file('x')\ncmp(1, 2)\nreload(x)\nimport urllib, string\nurllib.urlopen('x')\nstring.letters\n{}.has_key(1)\n"
    ),
    "Python 2 or 3": (
        "try:\n    input = raw_input\nexcept NameError:\n    pass\n"
        "try:\n    unicode\nexcept NameError:\n    unicode = str\n"
    ),
    "type checkers": "reveal_type(1)\nreveal_locals()\n",
    "notebook": "get_ipython().run_line_magic('matplotlib', 'inline')\ndisplay(1)\nIn, Out\n",
    "arguments taken apart": "from sys import argv\na, b = argv\na, b, c = argv\na, b, c, d = argv\na, b, c, d, e = argv\n",
    "the live sys": (
        "import sys\nsys.modules[__name__].x = 1\nsys.modules['os'].x\nsys.path[0].x\na, b, c, d, e, f = sys.path\n"
        "a, b, c = sys.orig_argv\nsys.flags.x\nsys.__interactivehook__()\nsys.ps1\nsys.maxint\nsys.setdefaultencoding('x')\n"
    ),
    "the environment": "import os\nos.environ['HOME'].x()\nint(os.environ['PATH'])\nfor k in os.environ.keys():\n    print(k.x)\n",
    "main": "import __main__\n__main__.x\nfrom __main__ import y\n",
    "pylint's packages": (
        "import pylint, astroid, isort, dill, tomlkit, platformdirs, mccabe, mypy_extensions\npylint.x\nastroid.x\nisort.x\n"
        "dill.x\ntomlkit.x\nplatformdirs.x\nmccabe.x\nmypy_extensions.x\nfrom isort import SortImports\n"
    ),
    "pip": "from pip.req import parse_requirements\nimport pip\npip.main(['install'])\npip.x\n",
    "setuptools": "from setuptools import setup\nimport pkg_resources\nsetup(name='x')\npkg_resources.x\n",
    "distutils": "from distutils.core import setup\nfrom distutils import x\nsetup(a=1)\n",
    "the linter's own files": "import lint, worker, recast, udfs, empty, source, bin\nlint.x\nempty.x\nrecast.x\nudfs.x\n",
    "packages by one name": "import xml, concurrent, logging\nxml.etree.x\nconcurrent.futures.x\nlogging.config.x\n",
    "an encoding": "# -*- coding: latin-1 -*-\nprint('é')\nexit()\n",
    "a byte order mark": "\ufeffexit()\n",
    "carriage returns": "import sys\r\nexit(1)\r\n",
    "a broken f-string": 'f""""{5\nclass""\ta:""0"""\n',
}


@pytest.fixture(scope="module")
def environment() -> Path:
    return reference.environment()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_judged_as_by_pylint_from_pip_started_plainly(name: str, environment: Path) -> None:
    (ours,) = lint.lint([SCRIPTS[name]])
    theirs = reference.judge(SCRIPTS[name], environment)
    assert (ours.lint_score, messages(ours)) == (theirs.score, theirs.messages)


def test_the_reference_holds_pylint_as_pip_installs_it_and_nothing_else(environment: Path) -> None:
    python = str(environment / "bin" / "python")
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"],
        env=reference.ordinary_environment(),
        check=True,
        capture_output=True,
    )
    found = {package["name"].replace("_", "-"): package["version"] for package in json.loads(listed.stdout)}
    assert found.keys() == set(lint.PACKAGES)
    assert {name: found[name] for name in lint.VERSIONS} == lint.VERSIONS
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pylintrc").write_text("[MAIN]\ndisable=all\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("HOME", folder)
            patch.setenv("PYTHONPATH", folder)
            told = reference.judge("import os\n", environment)
    assert told.messages == (("unused-import", "W0611", 1, 0),), "no configuration of the user's changes what it says"


# Both print what astroid knows of the interpreter once a file has been linted, and what the interpreter is.
DESCRIBE = """
import builtins, json
from astroid.manager import AstroidManager
def known(name):
    names = AstroidManager().ast_from_module_name(name).locals
    return {key: [node.as_string() for node in values] for key, values in names.items()}
kinds = {sys.prefix: "PREFIX", sys.base_prefix: "BASE"}
def kind(entry):
    for prefix, word in kinds.items():
        entry = entry.replace(prefix, word)
    return entry
json.dump({
    "builtins": known("builtins"),
    "sys": known("sys"),
    "posix": known("posix"),
    "live builtins": sorted(vars(builtins)),
    "flags": str(sys.flags),
    "path": [kind(entry) for entry in sys.path],
    "modules": list(sys.modules),
}, sys.__stdout__)
"""
# The reference as its command is: three lines that pip writes. What follows is run after pylint is done.
REFERENCE_PROGRAM = (
    "import re\nimport sys\nfrom pylint import run_pylint\ntry:\n    run_pylint()\nexcept SystemExit:\n    pass\n"
)
WORKER_PROGRAM = """
import sys
program = sys.argv.pop(3)
worker = {"__name__": "worker", "__file__": program}
exec(compile(open(program, encoding="utf-8").read(), program, "exec"), worker)
import json
flags = json.loads(sys.argv[2])["flags"]
worker["name_the_command"](flags)
warm = worker["_load"](worker["WARM"], worker["SUPERVISOR"])[0].Warm(worker["SOURCE"], flags)
with open(worker["SOURCE"], "w") as file:
    file.write("import sys\\nprint(sys.argv)\\n")
warm.check()
"""


@pytest.fixture(scope="module")
def starts(
    environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What the reference and the linter's helper are once they have linted a file."""
    folder = tmp_path_factory.mktemp("starts").resolve()
    for name in ("source", "empty"):
        (folder / name).mkdir()
    (folder / "source" / "tmprecast.py").write_text("import sys\nprint(sys.argv)\n")
    (folder / "bin").mkdir()
    command, own = folder / "bin" / "pylint", folder / "worker"
    command.write_text(REFERENCE_PROGRAM + "print('|')\n" + DESCRIBE)
    own.write_text(WORKER_PROGRAM + "print('|')\n" + DESCRIBE)
    env = {"HOME": str(folder / "empty"), "PATH": os.defpath, "LANG": "C.UTF-8"}

    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(arguments, cwd=folder / "empty", env=env, check=True, capture_output=True, text=True)
        described: dict[str, Any] = json.loads(done.stdout.partition("|\n")[2])
        return described

    theirs = run(
        str(environment / "bin" / "python"), str(command), *lint.FLAGS, str(folder / "source" / "tmprecast.py")
    )
    python = lint.make_environment(folder / "environment")
    options = json.dumps({"flags": lint.FLAGS})
    ours = run(python, str(own), str(folder), options, helper.write_program(folder / "program", lint.PROGRAM))
    yield theirs, ours


def test_the_linter_starts_as_pylint_does_with_the_same_names_flags_and_paths(
    starts: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    theirs, ours = starts
    for what in ("builtins", "live builtins", "flags"):
        assert ours[what] == theirs[what]
    assert "exit" in ours["live builtins"]
    # The reference has taken the folder of the file off its path again; the helper keeps it, as every file lies there.
    assert ours["path"][0].endswith("/source")
    assert ours["path"][1] == "PREFIX/bin", "where the command lies, not where the helper's program does"
    assert ours["path"][2:] == theirs["path"][1:]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert ours["path"][-1] == f"PREFIX/lib/{version}/site-packages"


def test_what_astroid_knows_of_the_interpreter_differs_only_in_places_and_in_what_is_loaded_late(
    starts: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    theirs, ours = starts
    assert ours["sys"].keys() == theirs["sys"].keys()
    differing = {name for name in ours["sys"] if ours["sys"][name] != theirs["sys"][name]}
    places = {"argv", "orig_argv", "executable", "path", "path_importer_cache", "prefix", "exec_prefix"}
    late = {"modules"}  # compared below
    assert differing <= places | late
    for name in ("argv", "orig_argv", "path"):
        assert ours["sys"][name][0].count(",") == theirs["sys"][name][0].count(","), "as many elements"
    assert ours["modules"][:LIVE_MODULES_READ] == theirs["modules"][:LIVE_MODULES_READ]
    assert ours["posix"] == theirs["posix"], "given the same environment variables, of which the helper has three"
