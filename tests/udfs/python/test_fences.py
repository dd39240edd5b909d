import ast
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recast.udfs.python import fences

GOLDEN = Path(__file__).parent / "golden_fences"
MARKDOWN = st.lists(
    st.sampled_from(
        [
            "```",
            "```python",
            "````",
            "~~~",
            "```bash",
            '"""',
            "'''",
            "x = 1",
            "def f():",
            "    pass",
            "# Improved",
            "a:",
        ]
    )
    | st.text(max_size=8)
).map("\n".join)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.md")), ids=lambda path: path.stem)
def test_an_answer_gives_the_code_or_the_reason_beside_it(path):
    source = path.with_suffix(".source")
    found = fences.extract(path.read_text(), source=source.read_text() if source.exists() else "")
    if path.with_suffix(".py").exists():
        assert (found.text, found.reason) == (path.with_suffix(".py").read_text(), None)
    else:
        assert (found.text, found.reason) == (None, path.with_suffix(".reason").read_text().strip())


@given(MARKDOWN | st.text())
@example("```python\n\ud800\x00")
@example("   ```\n\t~~~python\n")
def test_any_text_gives_either_code_or_a_reason(answer):
    found = fences.extract(answer)
    assert (found.text is None) == (found.reason is not None)
    assert found.reason in (None, "no_code", "several_codes")
    assert found.text is None or (found.text.strip() and found.text.endswith("\n"))


@given(st.lists(st.sampled_from(["", "```", "```python", "~~~", "text", "    ```bash"])).map("\n".join))
def test_a_program_comes_back_whole_whatever_its_docstring_holds(lines):
    code = f'def f() -> str:\n    """Summary.\n\n{lines}\n"""\n    return ""\n'
    ast.parse(code)
    assert fences.extract(f"Rating: 3/10\n\n## Improved code\n```python\n{code}```\n").text == code


def test_windows_newlines_read_as_unix_ones():
    assert fences.extract("## Improved code\r\n```python\r\nx = f()\r\n```\r\n").text == "x = f()\n"


def test_a_block_without_its_end_fence_is_marked_as_not_closed():
    assert not fences.extract("```python\nx = f()").closed
    assert fences.extract("```python\nx = f()\n```").closed


def test_the_prose_before_the_first_fence_is_kept_for_its_rating():
    assert fences.extract("Rating: 3/10\n```python\nx = f()\n```\nafter").prose == "Rating: 3/10\n"


def test_another_language_can_be_asked_for():
    assert fences.extract("```rust\nfn f() {}\n```", languages=("rust",)).text == "fn f() {}\n"


def test_a_hostile_answer_takes_time_linear_in_its_length():
    hostile = ["```" + " " * 200_000 + "`", "`" * 200_000, "```python\n'''\n" * 10_000, "** " * 60_000, "a:" * 100_000]
    started_s = time.process_time()
    for answer in hostile:
        fences.extract(answer)
    assert time.process_time() - started_s < 5  # it takes 0.02 s; a quadratic scan takes minutes
