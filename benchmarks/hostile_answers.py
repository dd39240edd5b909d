"""Generates answers that could make a reader of answers slow or make it fail."""

from __future__ import annotations

CHARS = 100_000


def _filled(unit: str, end: str = "") -> str:
    return unit * (CHARS // max(len(unit), 1)) + end


def texts() -> dict[str, str]:
    """Return hostile texts by name, of about CHARS characters each."""
    nested = "{" * 40 + "x" + "}" * 40
    fractions = "x"
    for _ in range(8):
        fractions = f"\\frac{{{fractions}}}{{1+{fractions}}}" if len(fractions) < 60 else f"\\frac{{{fractions}}}{{2}}"
    lists = ", ".join(str(n) for n in range(60))
    return {
        "long number in groups": "The total is $x = 1" + ",000" * 24_000 + "$.\nThe answer is 5.\n",
        "long number stated": "The answer is 1" + ",000" * 24_000 + ".",
        "digits": "The answer is " + "7" * CHARS,
        "decimal": "= 0." + "3" * CHARS,
        "boxes of long numbers": _filled("\\boxed{" + "9" * 190 + "} "),
        "boxes": _filled("\\boxed{x^2+1} "),
        "different boxes": "".join(f"\\boxed{{\\frac{{x+{n}}}{{y-{n}}}}} " for n in range(3_500)),
        "boxes without an end": _filled("\\boxed{"),
        "boxes in boxes": "\\boxed{" * 5_000 + "x" + "}" * 5_000,
        "formulas": "".join(f"$x_{{{n}}} = \\frac{{{n}}}{{7}}$ " for n in range(4_500)),
        "formulas of words": "".join(f"$\\text{{of {n}}} x + {n}y$ and " for n in range(3_500)),
        "equations": "".join(f"x + {n}y = {n}z = " for n in range(6_000)),
        "statements": "".join(f"The answer is ${n}x - {n}$ or $x < {n}$. \n" for n in range(2_500)),
        "statements without an end": _filled("the answer is "),
        "answers to": _filled("answer to "),
        "solutions": _filled("the solutions are x "),
        "colons": _filled("answer: "),
        "nested braces": _filled("\\boxed{" + nested + "} "),
        "nested brackets": _filled("The answer is " + "(" * 60 + "x" + ")" * 60 + ". \n"),
        "nested fractions": _filled("\\boxed{" + fractions[:180] + "} "),
        "roots in roots": _filled("\\boxed{" + "\\sqrt{" * 25 + "x" + "}" * 25 + "} "),
        "towers": _filled("\\boxed{9^{9^{9^{9}}}} $x = 9**9**9**9$ "),
        "towers of letters": _filled("\\boxed{" + "x^" * 80 + "x} "),
        "large powers": _filled("\\boxed{2^{99999} + 3^{99999} x^{99999}} "),
        "factorials": _filled("\\boxed{300!!!! + (10^9)! + \\binom{1000}{500}^{500}} "),
        "lists": "".join(f"The answers are {lists} and {n}. \n" for n in range(400)),
        "sets of sets": _filled("\\boxed{" + "\\{1," * 30 + "2" + "\\}" * 30 + "} "),
        "signs": _filled("The answer is " + "-+" * 90 + "1\n"),
        "plus-minus": _filled("The answer is " + "\\pm 1" * 30 + "\n"),
        "bars": _filled("The answer is " + "|" * 180 + "x\n"),
        "inequalities": "".join(f"The answer is ${n} < x < y < {n + 1} < z$. \n" for n in range(2_500)),
        "matrices": _filled("\\boxed{\\begin{pmatrix}" + "1 & " * 30 + "2 \\\\ 3\\end{pmatrix}} "),
        "matrices without an end": _filled("The answer is \\begin{pmatrix} \n"),
        "dollars": _filled("$"),
        "dollars and spaces": _filled("$ "),
        "dollars and numbers": _filled("$5 "),
        "text macros": _filled("\\boxed{" + "\\text{" * 25 + "a" + "}" * 25 + "} "),
        "units": _filled("The answer is 5 " + "km/h " * 30 + "\n"),
        "words": _filled("The answer is " + "yes " * 40 + "\n"),
        "spaces": "The answer is" + " " * CHARS + "5",
        "newlines": "The answer is:" + "\n" * CHARS + "$$5$$",
        "commas": "The answer is " + "1, " * 33_000,
        "fences": _filled("```python\n"),
        "fences of both kinds": _filled("```\n~~~\n"),
        "quotes": "```python\n" + _filled('"""\n') + "```\n",
        "indents": "```python\n" + "".join(" " * (n % 90) + "if x:\n" for n in range(2_000)) + "```\n",
        "parentheses": "```python\nx = " + "(" * 90_000 + "\n```\n",
        "minus signs": "```python\nx = " + "-" * 90_000 + "1\n```\n",
        "headings": _filled("# Improved code\n"),
        "ratings": _filled("rating 1 to 10 "),
        "thoughts": _filled("<think>") + "</think>",
        "carriage returns": _filled("x\r"),
        "definitions": "```python\n" + "".join(f"def f{n}(): pass\n" for n in range(5_000)) + "```\n",
        "blocks": "".join(f"```python\nx{n} = {n}\n```\n" for n in range(4_000)),
        "emoji and surrogates": _filled("\U0001f600\ud800 = $\u0301$ "),
        "NUL": _filled("\\boxed{\x00} = \x00 "),
    }
