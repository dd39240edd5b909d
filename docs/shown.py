"""Prints docs/shown.svg: what a user sees after `make run`. ``python -m docs.shown > docs/shown.svg``."""

import contextlib
import io
import os
import re
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from recast.cli.output import cell, print_status, print_table

COLUMNS = 106
STATUS = """
raw_code       | 68 | 60 | 8: above_max_bytes 1, content_missing 1, cut_off 1, 5 more reasons  |    |       | 27  | 26 Nov 20:50
parsed_code    | 60 | 42 | 18: python2 3, byte_order_mark 1, empty 1, 13 more reasons          |    |       | 8   | 26 Nov 20:50
linted_code    | 42 | 25 | 17: low_score 11, no_score 5, blanket_pragma 1                      |    |       | 7   | 26 Nov 20:50
styled_code    | 25 | 11 | 14: lint_regressed 5, truncated 5, unrelated 2, 2 more reasons      | 23 | 4,189 | 38  | 26 Nov 20:50
optimized_code | 11 | 3  | 8: unchanged 6, lint_regressed 1, not_self_contained 1              | 10 | 1,619 | 23  | 26 Nov 20:51
published_code | 3  | 3  |                                                                     |    |       | 6   | 26 Nov 20:52
raw_math       | 12 | 10 | 2: no_text 2                                                        |    |       | 5   | 26 Nov 20:52
rewritten_math | 10 | 6  | 4: remarks 1, too_long 1, truncated 1, 1 more reason                | 8  | 1,752 | 27  | 26 Nov 20:52
published_math | 6  | 6  |                                                                     |    |       | 5   | 26 Nov 20:52
"""  # of a `make run`
HEADINGS = ("table", "rows", "kept", "rejected", "requests", "tokens", "seconds", "last run")
QUERY = "SELECT reason, count(*) AS files FROM linted_code GROUP BY ALL ORDER BY files DESC"
RESULT = ((None, 25), ("low_score", 11), ("no_score", 5), ("blanket_pragma", 1))


def picture() -> str:
    """Return an SVG of a terminal with `recast status` and a query, drawn by the code that draws them for users."""
    shown = io.StringIO()
    terminal = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    with patch.dict(os.environ, terminal), contextlib.redirect_stdout(shown):
        print("$ recast status")
        rows = [[part.strip() for part in line.split(" |")] for line in STATUS.strip().splitlines()]
        print_status("data/lake", [dict(zip(HEADINGS, row, strict=True)) for row in rows])
        print(f'$ recast sql "{QUERY}"')
        print_table(["reason", "files"], [[cell(value) for value in row] for row in RESULT])
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shown.getvalue()))
    drawn = console.export_svg(title="recast", theme=MONOKAI, unique_id="shown")
    return re.sub(r"@font-face \{[^}]*\}\s*", "", drawn)  # a picture in a page loads no fonts


if __name__ == "__main__":
    print(picture(), end="")
