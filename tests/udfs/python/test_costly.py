import time

import pytest

from recast.udfs.python import costly
from recast.udfs.python.reading import read_code_answer

SOURCE = "def f(a):\n    return a\n"
CHARS = 190_000


def repeated(piece: str) -> str:
    return piece * (CHARS // len(piece))


@pytest.mark.parametrize(
    "text",
    [
        "import a" + ".a" * 101,
        "from a" + " . \\\n a" * 101 + " import b",
        f"f({', '.join(f'a{n}=1' for n in range(4_001))})",
        'f"' + "{a}" * 5_001 + '"',
        "def f(): pass\n" * 3_001,
    ],
)
def test_shapes_that_a_parser_takes_too_long_over_are_found(text):
    assert costly.found_in(text)
    found = read_code_answer(SOURCE, f"```python\n{text}\n```", "answered", "stop")
    assert (found.reason, found.text) == ("oversized", None)
    assert found.detail == costly.found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "import a" + ".a" * 100,
        "x = (1, 2)\n" * 9_000,
        "f(a=1)\n" * 3_999,
        "a == b\n" * 9_000,
        "def f(): pass\n" * 2_999,
    ],
)
def test_what_is_merely_long_is_not(text):
    assert costly.found_in(text) is None


@pytest.mark.slow
@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize(
    "text",
    [
        "import a" + repeated(".a"),
        "from a" + repeated(".a") + " import b",
        f"f({repeated('a=1,')})",
        'f"' + repeated("{a}") + '"',
        repeated("a;"),
        repeated("a=b\n"),
        repeated("a:b\n"),
        repeated("```\n"),
        repeated("```python\n'''\n"),
        repeated("```python\nx=1\n```\n"),
        repeated("`"),
        repeated("<think>"),
        repeated("</think>"),
        repeated("<think>a</think>"),
        repeated("<|channel|>final<|message|>"),
        repeated("(" * 50),
        repeated("[a for a in b]\n"),
        repeated("lambda:"),
        repeated("a\n\n"),
        repeated('"""'),
    ],
)
def test_no_answer_takes_a_second_for_100_kb(text):
    started_s = time.process_time()
    read_code_answer(SOURCE, f"```python\n{text}\n```", "answered", "stop")
    read_code_answer(SOURCE, text, "answered", "stop")
    assert time.process_time() - started_s < 2 * 2  # two readings of 190 kB; the slowest takes 1.5 s
