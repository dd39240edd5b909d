"""What the reference prints is read in full."""

from benchmarks import reference

PRINTED = """\
************* Module tmprecast
/a b/tmprecast.py:5:4: R1722: Consider using 'sys.exit' instead (consider-using-sys-exit)
/a b/tmprecast.py:2:-4: E0001: Parsing failed: 'f-string: invalid syntax (tmprecast, line 2)' (syntax-error)
configuration:1:0: E0603: Undefined variable name 'a' in __all__ (undefined-all-variable)
configuration:1:0: E0603: Undefined variable name 'b' in __all__ (undefined-all-variable)
/a b/tmprecast.py:7:0: R1705: Unnecessary "else" after "return", remove the "else"
and (perhaps) de-indent
the code (no-else-return)
"""


def test_every_message_is_read_over_several_lines_before_the_first_column_and_without_a_file() -> None:
    assert reference.read_messages(PRINTED, "/a b/tmprecast.py") == (
        ("consider-using-sys-exit", "R1722", 5, 4),
        ("no-else-return", "R1705", 7, 0),
        ("syntax-error", "E0001", 2, -4),
        ("undefined-all-variable", "E0603", 1, 0),
        ("undefined-all-variable", "E0603", 1, 0),
    )
