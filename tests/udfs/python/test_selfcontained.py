import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.python import selfcontained
from recast.udfs.python.selfcontained import dependence


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("print(missing)", ("missing",)),
        ("def f():\n    return later\nlater = 1", ()),
        ("def f(values: List[int]) -> Any: ...", ("Any", "List")),
        ("from __future__ import annotations\n\ndef f(values: Any): ...", ("Any",)),
        ("from __future__ import annotations  # 3.7\nx: Node = 1\nclass Node: ...", ()),
        ("class A:\n    limit = 1\n    def f(self):\n        return limit", ("limit",)),
        ("def f():\n    global made\n    made = 1\nprint(made)", ()),
        ("def f():\n    global os\n    import os\nprint(os)", ()),
        ("try:\n    pass\nexcept OSError as error:\n    print(error, __file__, __name__)", ()),
        ("from os.path import *\nprint(join)", ()),
        ("total = sum(x for x in rows)", ("rows",)),
        ("if (n := 10) > 5:\n    print(n)", ()),
        ("match command:\n    case [first, *rest]:\n        print(first, rest)", ("command",)),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from abc import A\nclass B(A): ...", ("A",)),
        ("import typing\nif typing.TYPE_CHECKING:\n    from abc import A\nprint(A)", ("A",)),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from abc import A\ndef f(x: 'A') -> A: ...", ()),
        ("try:\n    basestring\nexcept Exception:\n    basestring = str", ()),
        ("try:\n    unicode = unicode\nexcept Exception:\n    unicode = str", ()),
        ("try:\n    work(missing)\nexcept Exception:\n    pass", ("missing", "work")),
        ("import builtins\nbuiltins.foo = 1\nprint(foo)", ()),
        ("import gettext\ngettext.install('x')\nprint(_('word'))", ()),
        ("locals()['x'] = 1\nprint(x)", ()),
        ("vars()['x'] = 1\nprint(x)", ()),
        ("def f():\n    locals()['x'] = 1\n    print(x)", ("x",)),
    ],
)
def test_names_that_nothing_defines_are_listed(text, names):
    assert dependence(text).undefined_names == names


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import os.path, json, numpy as np\nfrom sklearn.svm import SVC", ()),
        ("import pylab\nfrom mpl_toolkits.mplot3d import Axes3D\nfrom IPython.display import display", ()),
        ("from . import views\nfrom .models import User\nfrom ..a import b", (".", "..a", ".models")),
        ("import mycompany.tools", ("mycompany.tools",)),
        ("import distutils.core, imp", ()),
        ("import test\nfrom test import support", ()),
        ("def f():\n    if x:\n        with y:\n            import inner_thing", ("inner_thing",)),
        ("match x:\n    case 1:\n        import cased", ("cased",)),
        ("try:\n    import fastthing\nexcept ImportError:\n    fastthing = None", ()),
        ("try:\n    import fastthing\nexcept ImportError:\n    import slowthing", ("slowthing",)),
        ("try:\n    import fastthing\nexcept KeyError:\n    pass", ("fastthing",)),
        ("try:\n    import fastthing\nfinally:\n    import lastthing", ("fastthing", "lastthing")),
    ],
)
def test_modules_that_a_reader_cannot_be_expected_to_have_are_listed(text, modules):
    assert dependence(text).unknown_modules == modules


def test_lists_stay_short():
    found = dependence("\n".join(f"import thing{n}; print(name{n})" for n in range(50)))
    assert len(found.undefined_names) == len(found.unknown_modules) == selfcontained.MAX_LISTED


def test_text_that_does_not_parse_has_no_lists():
    assert dependence("def f(:") == selfcontained.Dependence(None, None)


def test_nothing_that_is_read_is_imported(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    assert dependence("import trap").unknown_modules == ("trap",)


@given(st.text() | st.text(alphabet="import .x\n:()=*"))
def test_any_text_is_judged_without_an_error(text):
    dependence(text)


@pytest.mark.parametrize("text", ["(" * 300, "-" * 100_000 + "1", "a" + ".b" * 20_000, "\ud800", "\x00", "x = '\\d'"])
def test_hostile_text_is_judged_without_an_error(text):
    dependence(text)
