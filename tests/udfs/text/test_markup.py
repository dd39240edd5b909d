"""HTML that acts is found in a page, and mathematics is not taken for it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.udfs.math.reading import read_math_answer
from recast.udfs.text.markup import ACTIVE_ELEMENTS, active_in

SOURCE = "Find the sum of the first three odd numbers: one, three and five. The answer is 9."
PAGE = "To find the sum of the first three odd numbers we add one, three and five: $1 + 3 + 5 = 9$."


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
        "<script/src=x>",
        "<b><script >",
        "<iframe src='x'></iframe>",
        "<object data=x>",
        "<embed src=x>",
        '<form action="https://evil.example"><input name=q></form>',
        '<meta http-equiv="refresh" content="0;url=x">',
        "<link rel=stylesheet href=x>",
        "<base href='//evil.example/'>",
        "<style>@import 'x'</style>",
        "<img src=x onerror=alert(1)>",
        "<img src='>' onerror='alert(1)'>",
        '<svg onload="alert(1)">',
        "<svg><script>1</script></svg>",
        "<p ONMOUSEOVER = 'x()'>",
        "<body onload=x()>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href=vbscript:x>x</a>",
        "<a href='data:text/html,<script>1</script>'>x</a>",
        "[x](javascript:alert(1))",
        "[x]( <javascript:alert(1)>)",
        "[x](&#x6A;avascript:alert(1))",
        "[x]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "![x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](javascript\\:alert(1))",
        "[x]: data\\:text\\/html,1",
        "<b oncontentvisibilityautostatechange=x()>",
        "<a ongotpointercapture=x()>",
        "<marquee onstart='x()'>",
        '<svg><animate attributeName=href values="#;javascript:alert(1)"></svg>',
    ],
)
def test_what_acts_is_found_and_refused(markup: str) -> None:
    assert active_in(f"A page.\n\n{markup}\n") is not None
    read = read_math_answer(SOURCE, f"{PAGE}\n\n{markup}\n\nThe answer is 9.", "answered", "stop")
    assert read.reason in ("active_html", "control_characters")


@pytest.mark.parametrize(
    "text",
    [
        PAGE,
        "If $a<b$ and $c>d$ then $a<b and one=1>0$.",
        "x <y> z, <b>bold</b>, <i>i</i>, H<sub>2</sub>O, x<sup>2</sup>, <br>, <table><tr><td>1</td></tr></table>",
        "$n<m$ and $f(x)<form$",
        "Let $S=\\{x : 0<x<1\\}$; for i<n, x_i <- x_{i-1}.",
        "See [the page](https://example.org/a?javascript=1) and <https://example.org>.",
        "![a figure](data:image/png;base64,iVBORw0KGgo=)",
        "<img src='figure.png' alt='on the left'>",
        "<!-- a comment --> n<!5",
        "only=1, once=2, onto=3 <b>and</b> one=4",
        f"&#{'1' * 5000}; and &#xfffffffff; <b>x</b>",
        "Java script and data: text follows. [1]: the data show that",
    ],
)
def test_mathematics_and_plain_markup_are_left_alone(text: str) -> None:
    assert active_in(text) is None


@pytest.mark.parametrize("element", sorted(ACTIVE_ELEMENTS))
def test_every_active_element_is_found(element: str) -> None:
    assert active_in(f"a <{element} x='1'> b") == f"<{element}"


@pytest.mark.parametrize("piece", ["<", "<a ", "<!--", "<a b='", "<![", "</", "<a b=c ", "&#", "](", "<?", "<svg/"])
def test_a_flood_is_looked_through_in_little_time(piece: str) -> None:
    started = time.process_time()
    active_in((piece * (60_000 // len(piece)))[:60_000])
    assert time.process_time() - started < 2.0


@given(st.text(alphabet="<>/!-[]()'\"= abonclickscriptjavascript:&#;x\n"))
def test_any_text_is_looked_through_without_an_exception(text: str) -> None:
    active_in(text)
