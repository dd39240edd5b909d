"""The linter: exact scores and messages, a result for whatever comes, and no file that harms another."""

import contextlib
import importlib.metadata
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import corpus
from recast.udfs.child.helper import GRACE_CPU_S, Helper, _helpers
from recast.udfs.python import limits
from recast.udfs.python.linter import lint

SOFT_CPU_S = 0.5
ENDED_S = 10.0

TIDY = '"""Sums."""\n\n\ndef total(values):\n    """Return the sum of `values`."""\n    return sum(values)\n'
UNTIDY = textwrap.dedent("""\
    import os, sys

    def f(a, b=[]):
        if a == None:
            return b
        else:
            return os.getcwdu()
    """)
LIBRARY = "import os\nfor name in os.environ.keys():\n    print('%s %s' % name)\n"
ENDLESS = "def f(a):\n" + "    if a: a = 1\n" * 3000

# What `pylint --persistent=n --disable=...` (lint.FLAGS), version 4.1.4, prints of each file on its own: score and messages.
TOLD = {
    TIDY: (10.0, []),
    UNTIDY: (
        0.0,
        [
            ("C0121", "singleton-comparison", 4, 7),
            ("C0410", "multiple-imports", 1, 0),
            ("E1101", "no-member", 7, 15),
            ("R1705", "no-else-return", 4, 4),
            ("W0102", "dangerous-default-value", 3, 0),
            ("W0611", "unused-import", 1, 0),
        ],
    ),
    LIBRARY: (
        3.33,
        [("C0201", "consider-iterating-dictionary", 2, 12), ("C0209", "consider-using-f-string", 3, 10)],
    ),
    "# -*- coding: latin-1 -*-\nx = 'é'\n": (0.0, [("C2503", "bad-file-encoding", 1, 0)]),
    "import os  # pylint: disable=unused-import\n": (10.0, []),
    "# pylint: disable=C,R,W\nimport os\n": (10.0, []),
    "def f(:\n    pass\n": (None, [("E0001", "syntax-error", 1, 7)]),
    "x = 1\0\n": (None, [("E0001", "syntax-error", 1, 0)]),
    "x = 1" + " + 1" * 900 + "\n": (None, [("F0002", "astroid-error", 1, 0)]),
    # isort looks for a folder of that name, and no file system takes so long a name.
    "import " + "a" * 300 + "\n": (0.0, [("F0002", "astroid-error", 1, 0)]),
    "": (None, []),
    "# only a comment\n": (None, []),
    '"""Only a docstring."""\n': (None, []),
    "# pylint: skip-file\nimport os\n": (None, []),
}


def run(*texts: str | None) -> list[lint.Lint]:
    return list(lint.lint(texts, SOFT_CPU_S))


def told(result: lint.Lint) -> tuple[float | None, list[tuple[str, str, int, int]]]:
    return result.lint_score, sorted((m.msg_id, m.symbol, m.line, m.column) for m in result.messages)


def held() -> Helper:
    """The helper interpreter that there is."""
    return _helpers["linter"][1]


def helper() -> Helper:
    """The helper interpreter that the next file goes to."""
    run("")
    return held()


@pytest.fixture(scope="module", autouse=True)
def less_memory() -> Iterator[None]:
    """A helper of this module's own, with less memory, so that a test soon reaches the limit."""
    lint.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lint, "MAX_MEMORY_BYTES", 700 * 2**20)
        yield
    lint.close()


@pytest.mark.parametrize("text", TOLD, ids=lambda text: ascii(text[:30]))
def test_score_and_messages_are_those_of_a_pylint_process_of_its_own(text: str) -> None:
    (result,) = run(text)
    assert told(result) == TOLD[text]
    assert result.lint_status == ("no_score" if TOLD[text][0] is None else "scored")


def test_statements_and_counts_per_category_belong_to_the_messages() -> None:
    (result,) = run(UNTIDY)
    assert result.statements == 5
    assert (result.fatal, result.error, result.warning, result.refactor, result.convention) == (0, 1, 2, 1, 2)
    assert result.lint_seconds > 0.0


def test_pragmas_are_told_in_their_order() -> None:
    (result,) = run("# pylint: disable=C, R\nimport os  # pylint:disable=W0611\n'# pylint: disable=E'\n")
    assert result.pragmas == ("disable=C, R", "disable=W0611")


def test_the_share_of_comments_is_told_with_the_score() -> None:
    assert [result.comment_ratio for result in run("x = 1  # c\n", "# c\n")] == [1 / 6, 1 / 3]


def test_results_come_in_order_one_per_text_and_as_the_texts_come() -> None:
    texts = [TIDY, None, "\ud800", LIBRARY, "x" * (limits.MAX_BYTES + 1), "", UNTIDY] * 3
    asked = []

    def coming() -> Iterator[str | None]:
        for text in texts:
            asked.append(text)
            yield text

    results = lint.lint(coming(), SOFT_CPU_S)
    found = [next(results)]
    assert len(asked) == 1
    found += results
    assert found[3].messages and [result.lint_status for result in found] == 3 * [
        "scored",
        "skipped",
        "not_unicode",
        "scored",
        "too_large",
        "no_score",
        "scored",
    ]


def test_beyond_a_limit_nothing_is_linted_and_the_status_says_which() -> None:
    beyond = {
        "not_unicode": "x = '\udfff'\n",
        "too_large": "é" * (limits.MAX_BYTES // 2 + 1),
        "too_many_lines": "\n" * limits.MAX_LINES,
        "line_too_long": "x = '" + "a" * limits.MAX_LINE_CHARS + "'\n",
    }
    assert beyond.keys() == limits.REASONS.keys()
    for status, result in zip(beyond, run(*beyond.values()), strict=True):
        assert (result.lint_status, result.lint_score, result.lint_seconds) == (status, None, 0.0)
        assert result.detail


@pytest.mark.slow
def test_out_of_time_or_memory_is_a_status_and_the_next_file_is_unharmed() -> None:
    greedy = "x = [0] * 99999999\nprint(x.y)\n"
    before, late, between, large, after = run(LIBRARY, ENDLESS, LIBRARY, greedy, LIBRARY)
    assert (late.lint_status, late.lint_score, late.messages) == ("timeout", None, ())
    assert 0.9 * SOFT_CPU_S < late.lint_seconds < SOFT_CPU_S + GRACE_CPU_S
    assert (large.lint_status, large.lint_score, large.messages) == ("memory", None, ())
    assert told(before) == told(between) == told(after) == TOLD[LIBRARY]


@pytest.mark.slow
def test_a_file_near_the_time_limit_says_so_and_on_either_side_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, near in ((TIDY, False), (ENDLESS, True)):
        (result,) = run(text)
        assert result.lint_near_limit is near
        assert result.lint_near_limit == (result.lint_seconds >= lint.NEAR_SHARE * SOFT_CPU_S)
    monkeypatch.setattr(lint, "NEAR_SHARE", 0.0)  # as if the limit were near
    (result,) = run(LIBRARY)
    assert (result.lint_status, result.lint_near_limit) == ("scored", True)
    assert told(result) == TOLD[LIBRARY]
    assert "of 0.5 s of processor time" in result.detail
    assert not any(result.lint_near_limit for result in run(None, "x" * (limits.MAX_BYTES + 1)))


@pytest.mark.slow
def test_a_file_that_ran_out_of_time_is_read_by_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    run(TIDY)
    helper = held()
    monkeypatch.setattr("recast.udfs.child.helper.ANSWER_S", 20.0)
    chain = "".join(f"class A{i + 1}(A{i}):\n    def m(self):\n        return super().m()\n" for i in range(2000))
    late, after = run(f"class A0:\n    pass\n{chain}", TIDY)
    assert late.lint_status == "timeout"
    assert told(after) == TOLD[TIDY]
    assert held() is helper, "whoever forks the next child was not held up"


def test_what_a_file_writes_into_other_modules_is_gone_after_it() -> None:
    hostile = (
        "import os, sys, builtins\nos.environ = os.name = None\nsys.stdout = os\nbuiltins.print = builtins.sum = 1\n"
    )
    results = run(LIBRARY, hostile, LIBRARY, TIDY, hostile)
    assert told(results[0]) == told(results[2]) == TOLD[LIBRARY]
    assert told(results[3]) == TOLD[TIDY]
    assert told(results[1]) == told(results[4])


def test_nothing_of_a_file_is_executed_or_imported(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    leave = f"open({str(marker)!r}, 'w').close()\n"
    texts = [
        leave,
        f"class A:\n    {leave}",
        f"def f(x={leave.strip()}): pass\n",
        f"# pylint: init-hook={leave}x = 1\n",
        f"import sys\n{leave}sys.exit(3)\n",
        "import idlelib.idle.x\nimport this.x\nimport antigravity.x\nimport __main__.x\n",  # would end it, print, browse
        "import tmprecast.x\nfrom tmprecast import y\n",
        "import sys\nsys.stdin.read()\nimport os\nos.fork()\nos.kill(os.getppid(), 9)\n",
    ]
    assert {result.lint_status for result in run(*texts)} == {"scored"}
    assert not marker.exists()
    assert told(run(LIBRARY)[0]) == TOLD[LIBRARY]


def child() -> int:
    """The process that the next file goes to."""
    pid = helper().process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@pytest.mark.slow
def test_that_no_process_can_be_started_is_no_result_of_a_file() -> None:
    run(ENDLESS)  # after which there is no child
    resource.prlimit(held().process.pid, resource.RLIMIT_NOFILE, (7, 7))  # none left for a pair of sockets
    with pytest.raises(OSError, match="cannot lint on this machine: no process can be started"):
        run(TIDY)
    assert told(run(TIDY)[0]) == TOLD[TIDY]


@pytest.mark.slow
def test_what_the_library_lacks_after_a_file_that_is_deep_is_no_other_files_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOFT_CPU_S", 5.0)  # on a busy machine the deep file takes half a second
    deep = "import subprocess\nprint(subprocess.selectors.DefaultSelector()" + "[0]" * 150 + ")\n"
    lint.close()
    run("import subprocess\n")
    before = child()
    run(TIDY)
    assert child() == before, "an ordinary file leaves the child to the next one"
    assert told(run(deep)[0])[0] is not None
    assert child() != before


@pytest.mark.slow
def test_a_helper_that_was_killed_is_replaced() -> None:
    first = helper()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert told(run(LIBRARY)[0]) == TOLD[LIBRARY]
    assert not Path(first.folder).exists()
    assert helper() is not first


@pytest.mark.slow
def test_a_file_whose_helper_is_killed_gets_a_second_chance() -> None:
    first = helper()
    killing = threading.Timer(SOFT_CPU_S / 2, os.kill, (first.process.pid, signal.SIGKILL))
    killing.start()
    (result,) = run(ENDLESS)
    killing.join()
    assert result.lint_status == "timeout"
    assert helper() is not first


def test_a_disk_that_cannot_be_written_is_no_result_of_a_file() -> None:
    Path(helper().folder, "source").rename(Path(helper().folder, "elsewhere"))
    with pytest.raises(OSError, match="cannot lint on this machine"):
        run(TIDY)
    assert told(run(TIDY)[0]) == TOLD[TIDY]


@pytest.mark.slow
def test_after_a_fork_each_process_has_a_helper_of_its_own() -> None:
    mine = helper()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            result = told(run(LIBRARY)[0]) == TOLD[LIBRARY] and held().process.pid != mine.process.pid
            lint.close()
            os.write(writing, b"right" if result else b"wrong")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        assert said.read() == b"right"
    os.waitpid(child, 0)
    assert told(run(LIBRARY)[0]) == TOLD[LIBRARY]
    assert held() is mine


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_helper_and_no_folder_behind() -> None:
    program = f"""
        from recast.udfs.child import helper
        from recast.udfs.python.linter import lint
        next(lint.lint(["x = 1"]))
        held = helper._helpers["linter"][1]
        print(held.process.pid, held.folder, flush=True)
        next(lint.lint([{ENDLESS!r}]))
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    ) as process:
        assert process.stdout
        pid, _, folder = process.stdout.readline().strip().partition(" ")
        assert Path(folder).is_dir()
        process.kill()
    until = time.monotonic() + ENDED_S
    while Path(folder).exists() or Path("/proc", pid).exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_another_pylint_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lint.VERSIONS, "pylint", "3.3.9")
    lint.close()
    with pytest.raises(RuntimeError, match=r"needs .*3\.3\.9.*found .*" + importlib.metadata.version("pylint")):
        run(TIDY)


def test_packages_are_linked_as_pip_installs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip counts compiled files among a package's own; modules that are one file share the folder of theirs."""
    for name in lint.PACKAGES:
        module = name.replace("-", "_")
        folder = tmp_path / "site" / f"{module}-1.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (folder / "RECORD").write_text(f"{module}.py,,\n__pycache__/{module}.cpython-311.pyc,,\n../../bin/{name},,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    linked = tmp_path / "linked"
    linked.mkdir()
    lint.link_packages(linked)
    assert sorted(path.name for path in linked.iterdir()) == sorted(f"{n.replace('-', '_')}.py" for n in lint.PACKAGES)


def test_the_facts_name_versions_and_flags() -> None:
    facts = lint.facts()
    assert facts["pylint"] == importlib.metadata.version("pylint")
    assert facts["astroid"] == importlib.metadata.version("astroid")
    assert facts["flags"] == list(lint.FLAGS)


@pytest.mark.slow
def test_an_interrupted_call_leaves_no_answer_behind_for_the_next_file() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        run(TIDY)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            run(ENDLESS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [told(result) for result in run(LIBRARY, TIDY)] == [TOLD[LIBRARY], TOLD[TIDY]]


def test_a_process_with_thousands_of_open_files_can_lint() -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(1100):
            opened.enter_context(open(os.devnull))
        lint.close()
        assert told(run(TIDY)[0]) == TOLD[TIDY]


def test_a_helper_that_cannot_start_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError("No space left on device")

    lint.close()
    monkeypatch.setattr(lint, "link_packages", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="No space left"):
        run(TIDY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("branches", "score"), [(327, 10.0), (328, None)])
def test_the_stack_ends_where_it_ends_in_a_process_of_its_own(branches: int, score: float | None) -> None:
    (result,) = lint.lint(["x = 1\nif x:\n    pass\n" + "elif x:\n    pass\n" * branches])
    assert result.lint_score == score


@pytest.fixture(scope="module")
def first_seen() -> dict[str, object]:
    """Some files of every kind, with what a fresh helper says of each in the order of the corpus."""
    files = [file.text for file in corpus.files() if file.text.count("\n") < 250][::2]
    lint.close()
    return dict(zip(files, map(told, lint.lint(files)), strict=True))


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
def test_order_and_chunks_never_change_a_result(first_seen: dict[str, object], seed: int, size: int) -> None:
    shuffled = random.Random(seed).sample(list(first_seen), len(first_seen))
    for at in range(0, min(len(shuffled), 4 * size), size):
        lint.close()
        chunk = shuffled[at : at + size]
        assert {text: told(result) for text, result in zip(chunk, lint.lint(chunk), strict=True)} == {
            text: first_seen[text] for text in chunk
        }


@pytest.mark.slow
def test_memory_stays_bounded_over_thousands_of_files() -> None:
    def resident_bytes() -> int:
        pages = Path("/proc", str(helper().process.pid), "statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    files = [file.text for file in corpus.files() if file.text.count("\n") < 100][:40]
    list(lint.lint(files * 21, SOFT_CPU_S))  # two children: the modules that the first one parsed are kept by then
    early = resident_bytes()
    list(lint.lint(files * 40, SOFT_CPU_S))
    assert resident_bytes() < early + 30 * 2**20
