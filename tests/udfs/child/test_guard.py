"""Guarded functions: what a text does to the process that reads it is that text's alone."""

import ast
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from recast.schemas import reasons
from recast.schemas.rewrites import CodeReading
from recast.schemas.rewritten_math import MathReading
from recast.udfs.child import guard, helper
from recast.udfs.child.guard import Failure
from recast.udfs.math.reading import read_math_answer
from recast.udfs.python import comments, syntax
from recast.udfs.python.reading import read_code_answer
from recast.udfs.python.syntax import PARSES, Syntax

GOOD = "x = 1\n"
DOTS = (".a" * 10 + "\\\n") * 12_000


def comprehension(generators: int) -> str:
    return "[a " + "".join("for a in a " + ("\n" if i % 5 == 4 else "") for i in range(generators)) + "]"


def arguments(count: int) -> str:
    return "f(" + ",".join(f"a{i}=1" + ("\n" if i % 50 == 0 else "") for i in range(count)) + ")"


@pytest.fixture
def soon_out_of_time(monkeypatch: pytest.MonkeyPatch) -> object:
    """A helper of its own whose children get half a second."""
    helper.close("guard")
    monkeypatch.setattr(guard, "SOFT_CPU_S", 0.5)
    yield
    helper.close("guard")


@pytest.mark.parametrize(
    "text",
    [
        comprehension(88_000),
        pytest.param(comprehension(88_000).replace("[", "{").replace("]", "}"), marks=pytest.mark.slow),
        pytest.param(comprehension(88_000).replace("[", "(").replace("]", ")"), marks=pytest.mark.slow),
        pytest.param(f"x = {comprehension(88_000)}", marks=pytest.mark.slow),
        pytest.param("{a: a " + comprehension(88_000)[3:-1] + "}", marks=pytest.mark.slow),
    ],
    ids=["list", "set", "generator", "assigned", "dict"],
)
def test_a_text_at_which_the_compiler_runs_out_of_stack_is_too_deep_and_its_neighbours_are_judged(text: str) -> None:
    assert syntax.check(text) == Syntax("too_deep", "SIGSEGV")
    assert syntax.check(GOOD) == PARSES


@pytest.mark.slow
@pytest.mark.usefixtures("soon_out_of_time")
@pytest.mark.parametrize(
    "text",
    [
        "from a" + DOTS + " import b",
        "import a" + DOTS,
        "import b, a" + DOTS + " as c",
        arguments(60_000),
        f"class A{arguments(60_000)[1:]}: pass",
    ],
    ids=["from", "import", "second name", "call", "class"],
)
def test_a_text_that_the_parser_takes_long_for_is_a_timeout_and_its_neighbours_are_judged(text: str) -> None:
    started = time.monotonic()
    assert syntax.check(text).syntax_reason == "timeout"
    assert time.monotonic() - started < 30
    assert syntax.check(GOOD) == PARSES


def test_an_answer_whose_reading_takes_too_long_or_dies_is_a_reason_of_that_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for failure in (Failure("timeout", "killed"), Failure("crashed", "SIGSEGV"), Failure("memory", "memory limit")):
        monkeypatch.setattr(guard, "_ask", lambda request, failure=failure: failure)
        code = read_code_answer("x", "y", "answered", "stop")
        assert code == CodeReading(reason=failure.reason, detail=failure.detail)
        page = read_math_answer("x", "y", "answered", "stop")
        assert page == MathReading(reason=failure.reason, detail=failure.detail)
        assert comments.ratio("x") == 0.0
        assert failure.reason in reasons.CODE
        assert failure.reason in reasons.MATH
        assert failure.reason in syntax.REASONS


def test_an_error_costs_its_own_call_and_is_told_in_one_line() -> None:
    request = guard.pickle.dumps(("recast.udfs.python.syntax", "no_such_function", ()))
    told = "AttributeError: module 'recast.udfs.python.syntax' has no attribute 'no_such_function'"
    assert guard._ask(request) == Failure("crashed", told)
    assert syntax.check(GOOD) == PARSES


def test_a_helper_that_is_killed_is_replaced_and_no_call_is_lost() -> None:
    syntax.check(GOOD)
    lost = helper._helpers["guard"][1]
    os.kill(lost.process.pid, signal.SIGKILL)
    assert syntax.check("x = = 1").syntax_reason == "syntax_error"
    assert helper._helpers["guard"][1] is not lost


def test_results_are_those_of_a_direct_call(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [GOOD, "print 1\n", "\ud800", "x = '\0'", "# a\n", "def f(:\n", "é = 1\n"]
    guarded = [(syntax.check(text), comments.ratio(text)) for text in texts]
    answers = [("x = 2\n", f"```python\n{text}\n```", "answered", "stop") for text in texts]
    read = [read_code_answer(*answer) for answer in answers]
    monkeypatch.setattr(guard, "inside", True)
    assert guarded == [(syntax.check(text), comments.ratio(text)) for text in texts]
    assert read == [read_code_answer(*answer) for answer in answers]


def test_the_helper_imports_nothing_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ast", "json", "shutil", "recast", "pyflakes"):
        (tmp_path / f"{name}.py").write_text("open('marker', 'w')\n")
    monkeypatch.chdir(tmp_path)
    helper.close("guard")
    assert syntax.check(GOOD) == PARSES
    assert not (tmp_path / "marker").exists()
    assert not list(tmp_path.glob("*/marker"))


def test_a_process_that_is_forked_has_a_helper_of_its_own() -> None:
    syntax.check(GOOD)
    mine = helper._helpers["guard"][1]
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def check() -> None:
        verdict = syntax.check("x = = 1")
        sending.send((verdict.syntax_reason, helper._helpers["guard"][1].process.pid))
        helper.close()

    child = context.Process(target=check)
    child.start()
    reason, pid = receiving.recv()
    child.join()
    assert reason == "syntax_error"
    assert pid != mine.process.pid
    assert syntax.check(GOOD) == PARSES


def test_a_text_is_parsed_once_for_all_questions_that_need_its_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    parse = ast.parse
    monkeypatch.setattr(guard, "inside", True)
    monkeypatch.setattr(ast, "parse", lambda text, *rest, **options: (parsed.append(text), parse(text))[1])
    syntax.tree_of.cache_clear()
    program = "def f():\n    return g(1)\n"
    read = read_code_answer("def f():\n    return 1\n", f"```python\n{program}```", "answered", "stop")
    assert read.undefined_names == ("g",)
    assert parsed.count(program) == 1
